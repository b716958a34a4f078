"""CopyObject as AWS has it.

- IfMatch and IfNoneMatch guard the target (AWS: "CopyObject", S3 API reference); MiniStack ignores them.
- The source is at most 5 GB, and not archived ("CopyObject": Special errors, StorageClass).
- The copy is stored in STANDARD unless a class is sent; the website redirect and the Object Lock of the source
  are not copied, only what is sent ("CopyObject": StorageClass, WebsiteRedirectLocation; "Copying, moving, and
  renaming objects", S3 User Guide).
- The copy has a checksum of the whole object, by the algorithm that is asked for, else the source's, else
  CRC64NVME, and the answer carries it ("CopyObject": ChecksumAlgorithm; "Checking object integrity", S3 User
  Guide). It is computed from the bytes, never taken over.
- The copy of a multipart object is a single one: its ETag is the MD5 of its bytes ("Checking object integrity").
"""

import contextvars
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.etree.ElementTree import Element

from ministack.services import s3

from infra.local.patching import rely_on, wrap
from infra.local.s3 import checksums, versions
from infra.local.s3.requests import Answer, Headers, error
from infra.local.s3.xml import append, append_checksums

LARGEST_COPY_BYTES = 5 * 1024**3
"""What AWS's pages call 5 GB: of a CopyObject's source, and of a part."""

_etag_of_event: contextvars.ContextVar[str | None] = contextvars.ContextVar("etag_of_event", default=None)


@dataclass(frozen=True)
class Source:
    """What x-amz-copy-source names, and the object that is there."""

    bucket: str
    key: str
    version_id: str | None
    record: versions.Record

    @property
    def size_bytes(self) -> int:
        """How large it is."""
        return int(self.record["size"])


def install() -> None:
    """Mend it."""
    rely_on(s3, "_error", "_xml_body", "S3_NS", "_read_body", "_check_put_preconditions", "_invalid_object_state")
    rely_on(s3, "_object_retention", "_object_legal_hold", "_apply_object_lock_from_headers")
    wrap(s3, "_fire_s3_event_async", _naming_the_etag)
    wrap(s3, "_copy_object", _copying)


def find_source(headers: Headers) -> Source | None:
    """The object to copy; None if there is none."""
    path, _, query = headers.get("x-amz-copy-source", "").lstrip("/").partition("?")
    bucket, _, key = unquote(path).partition("/")
    version_id = parse_qs(query).get("versionId", [None])[0]
    record = versions.find(bucket, key, version_id)
    return Source(bucket, key, version_id, record) if record else None


def refuse_source(source: Source, size_bytes: int) -> Answer | None:
    """Refuse what cannot be copied at once: an archived object, or more than 5 GB."""
    if versions.is_archived(source.bucket, source.key, source.record):
        archived: Answer = s3._invalid_object_state(source.bucket, source.key, source.record["storage_class"])
        return archived
    if size_bytes > LARGEST_COPY_BYTES:
        limit = f"the maximum allowable size for a copy source: {LARGEST_COPY_BYTES}"
        return error("InvalidRequest", f"The specified copy source is larger than {limit}", 400)
    return None


def refuse_condition(bucket: str, key: str, headers: Headers) -> Answer | None:
    """Refuse to write over what IfMatch or IfNoneMatch rules out."""
    refusal: Answer | None = s3._check_put_preconditions(headers, versions.find(bucket, key, None))
    return refusal


def _copying(copy_object: Callable[..., Answer]) -> Any:
    def copied(bucket: str, key: str, headers: Headers) -> Answer:
        source = find_source(headers)
        if source is None or bucket not in s3._buckets:
            # Which error this is, MiniStack knows.
            return copy_object(bucket, key, headers)
        if refusal := refuse_source(source, source.size_bytes) or refuse_condition(bucket, key, headers):
            return refusal
        body = s3._read_body(source.bucket, source.key, source.record)
        algorithm = _algorithm(headers, source.record)
        checksum = checksums.compute(algorithm, body)
        if checksum is None:
            return error("InvalidRequest", f"Checksum algorithm provided is unsupported: {algorithm}", 400)
        etag = source.record["etag"]
        if "-" in etag:
            etag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
        token = _etag_of_event.set(etag)
        try:
            status, answered, document = copy_object(bucket, key, _without_surprises(headers, source))
        finally:
            _etag_of_event.reset(token)
        if status != 200:
            return status, answered, document
        _complete_record(bucket, key, headers, {"etag": etag, "checksums": {algorithm: checksum}})
        return 200, answered, _result(s3._buckets[bucket]["objects"][key], algorithm)

    return copied


def _algorithm(headers: Headers, record: versions.Record) -> str:
    asked = headers.get("x-amz-checksum-algorithm", "").upper()
    return asked or next(iter(record.get("checksums") or {}), checksums.DEFAULT)


def _without_surprises(headers: Headers, source: Source) -> dict[str, str]:
    """The request as MiniStack answers it rightly."""
    changed = {**headers, "x-amz-storage-class": headers.get("x-amz-storage-class") or "STANDARD"}
    if source.version_id == "null" and not source.record.get("version_id"):
        # It does not know the version null of an object that is older than the bucket's versioning.
        known = {version["version_id"] for version in s3._object_versions.get((source.bucket, source.key), [])}
        if "null" not in known:
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


def _naming_the_etag(fire_event: Any) -> Any:
    def fired(bucket: str, key: str, event: str, size: int = 0, etag: str = "", *more: Any, **named: Any) -> None:
        fire_event(bucket, key, event, size, _etag_of_event.get() or etag, *more, **named)

    return fired
