"""Copy objects as AWS does.

- IfMatch and IfNoneMatch guard the target (AWS: "CopyObject", S3 API reference); MiniStack ignores them. If a condition
  of the source fails too, that one is reported: no page states the order.
- A copy of an object onto itself that changes nothing is an InvalidRequest ("CopyObject": Special errors; recorded from
  AWS, February 2026), unless the bucket has an encryption of its own.
- The source is at most 5 GB, and not archived ("CopyObject": Special errors, StorageClass).
- The copy is stored in STANDARD unless the request names a class; the website redirect and the Object Lock of the
  source are not copied, only those of the request ("CopyObject": StorageClass, WebsiteRedirectLocation; "Copying,
  moving, and renaming objects", S3 User Guide).
- The copy has a full-object checksum with the requested algorithm, else the source's, else CRC64NVME, and the
  response carries it ("CopyObject": ChecksumAlgorithm; "Checking object integrity", S3 User Guide). It is computed
  from the bytes, never copied.
- The copy of a multipart object is not multipart: its ETag is the MD5 of its bytes ("Checking object integrity").
"""

import contextvars
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.etree.ElementTree import Element

from ministack.services import s3

from infra.local.patching import require_attributes, wrap
from infra.local.s3 import checksums, versions
from infra.local.s3.conditions import reject_condition
from infra.local.s3.errors import error_response
from infra.local.s3.models import Headers, Response
from infra.local.s3.xml import append, append_checksums

LARGEST_COPY_BYTES = 5 * 1024**3
"""AWS's "5 GB": the maximum size of CopyObject's source, and of a part."""

_CHANGES = ("x-amz-storage-class", "x-amz-website-redirect-location", "x-amz-server-side-encryption")
"""What a copy of an object onto itself may change, besides its metadata."""

_etag_of_event: contextvars.ContextVar[str | None] = contextvars.ContextVar("etag_of_event", default=None)


@dataclass(frozen=True)
class CopySource:
    """The object that x-amz-copy-source names."""

    bucket: str
    key: str
    version_id: str | None
    record: versions.Record

    @property
    def size_bytes(self) -> int:
        """Its size."""
        return int(self.record["size"])


def install() -> None:
    """Apply the patch. Idempotent."""
    require_attributes(s3, "_error", "_xml_body", "S3_NS", "_read_body", "_invalid_object_state")
    require_attributes(s3, "_check_copy_source_preconditions", "_bucket_default_sse_headers")
    require_attributes(s3, "_object_retention", "_object_legal_hold", "_apply_object_lock_from_headers")
    wrap(s3, "_fire_s3_event_async", _set_event_etag)
    wrap(s3, "_copy_object", _copy)


def find_source(headers: Headers) -> CopySource | None:
    """Return the object to copy; None if there is none."""
    path, _, query = headers.get("x-amz-copy-source", "").lstrip("/").partition("?")
    bucket, _, key = unquote(path).partition("/")
    version_id = parse_qs(query).get("versionId", [None])[0]
    record = versions.find(bucket, key, version_id)
    return CopySource(bucket, key, version_id, record) if record else None


def reject_source(source: CopySource, size_bytes: int) -> Response | None:
    """Reject an archived object, or more than 5 GB."""
    if versions.is_archived(source.bucket, source.key, source.record):
        archived: Response = s3._invalid_object_state(source.bucket, source.key, source.record["storage_class"])
        return archived
    if size_bytes > LARGEST_COPY_BYTES:
        limit = f"the maximum allowable size for a copy source: {LARGEST_COPY_BYTES}"
        return error_response("InvalidRequest", f"The specified copy source is larger than {limit}", 400)
    return None


def _copy(copy_object: Callable[..., Response]) -> Any:
    def patched(bucket: str, key: str, headers: Headers) -> Response:
        source = find_source(headers)
        if source is None or bucket not in s3._buckets:
            # MiniStack responds with the right error.
            return copy_object(bucket, key, headers)
        rejection: Response | None = (
            reject_source(source, source.size_bytes)
            or s3._check_copy_source_preconditions(headers, source.record)
            or _reject_unchanged(source, bucket, key, headers)
            or reject_condition(bucket, key, headers)
        )
        if rejection:
            return rejection
        body = s3._read_body(source.bucket, source.key, source.record)
        algorithm = _algorithm(headers, source.record)
        checksum = checksums.compute(algorithm, body)
        if checksum is None:
            return error_response("InvalidRequest", f"Checksum algorithm provided is unsupported: {algorithm}", 400)
        etag = source.record["etag"]
        if "-" in etag:
            etag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
        token = _etag_of_event.set(etag)
        try:
            status, response_headers, document = copy_object(bucket, key, _equivalent_headers(headers, source))
        finally:
            _etag_of_event.reset(token)
        if status != 200:
            return status, response_headers, document
        _complete_record(bucket, key, headers, {"etag": etag, "checksums": {algorithm: checksum}})
        if version_id := versions.named_id(source.bucket, source.record):
            response_headers["x-amz-copy-source-version-id"] = version_id
        return 200, response_headers, _result(s3._buckets[bucket]["objects"][key], algorithm)

    return patched


def _reject_unchanged(source: CopySource, bucket: str, key: str, headers: Headers) -> Response | None:
    """Reject a copy of an object onto itself that changes nothing. A copy of an older version restores it."""
    current = versions.find(bucket, key, None) or {}
    is_current = current.get("version_id") == source.record.get("version_id")
    if (source.bucket, source.key) != (bucket, key) or not is_current:
        return None
    replaces = headers.get("x-amz-metadata-directive", "").upper() == "REPLACE"
    if replaces or any(headers.get(name) for name in _CHANGES) or s3._bucket_default_sse_headers(bucket):
        return None
    what = "This copy request is illegal because it is trying to copy an object to itself without changing the object's"
    return error_response(
        "InvalidRequest", f"{what} metadata, storage class, website redirect location or encryption attributes.", 400
    )


def _algorithm(headers: Headers, record: versions.Record) -> str:
    requested = headers.get("x-amz-checksum-algorithm", "").upper()
    return requested or next(iter(record.get("checksums") or {}), checksums.DEFAULT)


def _equivalent_headers(headers: Headers, source: CopySource) -> dict[str, str]:
    """Rewrite the request so that MiniStack handles it as AWS handles the original."""
    changed = {**headers, "x-amz-storage-class": headers.get("x-amz-storage-class") or "STANDARD"}
    if source.version_id == "null" and not source.record.get("version_id"):
        # MiniStack does not find the version null of an object that is older than the bucket's versioning.
        version_ids = {version["version_id"] for version in s3._object_versions.get((source.bucket, source.key), [])}
        if "null" not in version_ids:
            changed["x-amz-copy-source"] = headers["x-amz-copy-source"].partition("?")[0]
    return changed


def _complete_record(bucket: str, key: str, headers: Headers, changes: dict[str, Any]) -> None:
    for record in versions.just_written(bucket, key):
        record.update(changes, checksum_type=checksums.FULL_OBJECT)
        record["preserved_headers"].pop("x-amz-website-redirect-location", None)
        if redirect := headers.get("x-amz-website-redirect-location"):
            record["preserved_headers"]["x-amz-website-redirect-location"] = redirect
    version_id = s3._buckets[bucket]["objects"][key].get("version_id")
    for store in (s3._object_retention, s3._object_legal_hold):
        store.pop((bucket, key, version_id), None)
    s3._apply_object_lock_from_headers(bucket, key, headers, version_id)


def _result(record: versions.Record, algorithm: str) -> bytes:
    root = Element("CopyObjectResult", xmlns=s3.S3_NS)
    append(root, LastModified=record["last_modified"], ETag=record["etag"])
    append_checksums(root, {algorithm: record["checksums"][algorithm]})
    append(root, ChecksumType=checksums.FULL_OBJECT)
    document: bytes = s3._xml_body(root)
    return document


def _set_event_etag(fire_event: Any) -> Any:
    def patched(bucket: str, key: str, event: str, size: int = 0, etag: str = "", *rest: Any, **named: Any) -> None:
        fire_event(bucket, key, event, size, _etag_of_event.get() or etag, *rest, **named)

    return patched
