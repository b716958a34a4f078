"""List objects and versions with the algorithm and type of their checksums.

AWS: "Object", "ObjectVersion" (S3 API reference: ChecksumAlgorithm, ChecksumType), of ListObjects, ListObjectsV2 and
ListObjectVersions. MiniStack names neither.
"""

import contextvars
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_plus
from xml.etree.ElementTree import Element

from ministack.services import s3

from infra.local.patching import wrap
from infra.local.s3 import versions
from infra.local.s3.checksums import FULL_OBJECT
from infra.local.s3.models import Query, Response
from infra.local.s3.xml import append, text_of

_bucket: contextvars.ContextVar[str | None] = contextvars.ContextVar("listed_bucket", default=None)


def install() -> None:
    """Apply the patches. Idempotent."""
    for name in ("_list_objects_v1", "_list_objects_v2", "_list_object_versions"):
        wrap(s3, name, _note_bucket)
    # Around the patch that encodes the keys of versions: here they are as they were stored.
    wrap(s3, "_xml_body", _append_checksums)


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
            record = versions.find(bucket or "", decode(text_of(element, "Key")), text_of(element, "VersionId"))
            for algorithm in (record or {}).get("checksums") or ():
                append(element, ChecksumAlgorithm=algorithm)
                append(element, ChecksumType=(record or {}).get("checksum_type") or FULL_OBJECT)
        return xml_body(root)

    return patched
