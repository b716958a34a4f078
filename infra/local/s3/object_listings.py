"""List objects and versions with the algorithm and type of their checksums, whole seconds, and the status of a restore.

AWS: "Object", "ObjectVersion" (S3 API reference: ChecksumAlgorithm, ChecksumType), of ListObjects, ListObjectsV2 and
ListObjectVersions; "ListObjectsV2" (OptionalObjectAttributes). MiniStack has none of them. LastModified is in whole
seconds, as the header Last-Modified is ("ListObjectsV2", its examples); MiniStack's listings have milliseconds.
"""

import contextvars
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_plus
from xml.etree.ElementTree import Element, SubElement

from ministack.services import s3

from infra.local.patching import require_attributes, wrap
from infra.local.s3 import versions
from infra.local.s3.checksums import FULL_OBJECT
from infra.local.s3.models import Headers, Query, Response
from infra.local.s3.xml import append, name_of, text_of

_bucket: contextvars.ContextVar[str | None] = contextvars.ContextVar("listed_bucket", default=None)


def install() -> None:
    """Apply the patches. Idempotent."""
    require_attributes(s3, "_sync_restore", "_restore_expiry_iso", "fromstring")
    for name in ("_list_objects_v1", "_list_objects_v2", "_list_object_versions"):
        wrap(s3, name, _note_bucket)
    # Around the patch that encodes the keys of versions: here they are as they were stored.
    wrap(s3, "_xml_body", _append_checksums)
    wrap(s3, "_dispatch", _list_restores)


def _note_bucket(list_bucket: Callable[..., Response]) -> Any:
    def patched(bucket: str, query: Query) -> Response:
        token = _bucket.set(bucket)
        try:
            return list_bucket(bucket, query)
        finally:
            _bucket.reset(token)

    return patched


def _append_checksums(xml_body: Callable[[Element], bytes]) -> Any:
    def patched(root: Element) -> bytes:
        bucket = _bucket.get()
        decode = unquote_plus if text_of(root, "EncodingType") == "url" else str
        for element in root if bucket else ():
            if element.tag not in {"Contents", "Version"}:
                continue
            for modified in element.findall("LastModified"):
                modified.text = f"{(modified.text or '')[: len('2026-01-01T00:00:00')]}.000Z"
            record = versions.find(bucket or "", decode(text_of(element, "Key")), text_of(element, "VersionId"))
            for algorithm in (record or {}).get("checksums") or ():
                append(element, ChecksumAlgorithm=algorithm)
                append(element, ChecksumType=(record or {}).get("checksum_type") or FULL_OBJECT)
        return xml_body(root)

    return patched


def _list_restores(dispatch: Callable[..., Response]) -> Any:
    def patched(method: str, bucket: str, key: str, headers: Headers, body: bytes, query: Query) -> Response:
        status, response_headers, response = dispatch(method, bucket, key, headers, body, query)
        is_listing = status == 200 and method == "GET" and not key and s3._qp(query, "list-type") == "2"
        if not is_listing or "RestoreStatus" not in headers.get("x-amz-optional-object-attributes", ""):
            return status, response_headers, response
        decode = unquote_plus if s3._qp(query, "encoding-type") == "url" else str
        root = s3.fromstring(response)
        for element in root.iter():
            element.tag = name_of(element)
        root.set("xmlns", s3.S3_NS)
        for found in root.iter("Contents"):
            name = decode(text_of(found, "Key"))
            if record := s3._buckets[bucket]["objects"].get(name):
                _append_restore(found, record, s3._sync_restore(bucket, name, record))
        return status, response_headers, s3._xml_body(root)

    return patched


def _append_restore(parent: Element, record: dict[str, Any], phase: str | None) -> None:
    if phase is None:
        return
    status = SubElement(parent, "RestoreStatus")
    append(status, IsRestoreInProgress=str(phase == "in_progress").lower())
    if phase == "restored":
        append(status, RestoreExpiryDate=s3._restore_expiry_iso(record["restore"]["expires_at"]))
