"""Tag versions other than the current one.

- A version keeps its tags under a delete marker; MiniStack responds NoSuchKey.
- A delete marker has no tags: MethodNotAllowed ("Working with delete markers", S3 User Guide: only DELETE can be used
  on it by its version ID), also if it is tagged as the current version (recorded from AWS, February 2026). MiniStack
  returns an empty set, and NoSuchKey.
- The version `null` is named, as in other reads.
- A missing version is NoSuchVersion, whether or not the key has others ("List of error codes", S3 API
  reference: NoSuchVersion).
"""

from collections.abc import Callable
from typing import Any

from ministack.services import s3

from infra.local.patching import require_attributes, wrap
from infra.local.s3 import versions
from infra.local.s3.models import Response


def install() -> None:
    """Apply the patch. Idempotent."""
    require_attributes(s3, "_object_versions", "_buckets")
    for name in ("_put_object_tagging", "_delete_object_tagging"):
        wrap(s3, name, _reject_current_marker)
    for name in ("_get_object_tagging", "_put_object_tagging", "_delete_object_tagging"):
        wrap(s3, name, _find_version)
        wrap(s3, name, _name_version)


def _find_version(call: Callable[..., Response]) -> Any:
    def patched(bucket: str, key: str, *rest: Any) -> Response:
        version_id = s3._qp(rest[-1], "versionId")
        if bucket not in s3._buckets or not version_id:
            return call(bucket, key, *rest)
        record = versions.find(bucket, key, version_id)
        if record is None:
            return versions.missing_version_response(bucket, key, version_id)
        objects = s3._buckets[bucket]["objects"]
        if key in objects:
            return call(bucket, key, *rest)
        # MiniStack only checks that the key exists, and handles no other request meanwhile.
        objects[key] = record
        try:
            return call(bucket, key, *rest)
        finally:
            del objects[key]

    return patched


def _reject_current_marker(call: Callable[..., Response]) -> Any:
    def patched(bucket: str, key: str, *rest: Any) -> Response:
        entries = s3._object_versions.get((bucket, key)) or [{}]
        if not s3._qp(rest[-1], "versionId") and entries[-1].get("is_delete_marker"):
            rejection: Response = s3._delete_marker_read_refused(entries[-1])
            return rejection
        return call(bucket, key, *rest)

    return patched


def _name_version(call: Callable[..., Response]) -> Any:
    def patched(bucket: str, key: str, *rest: Any) -> Response:
        status, headers, body = call(bucket, key, *rest)
        record = versions.find(bucket, key, s3._qp(rest[-1], "versionId"))
        named_id = versions.named_id(bucket, record) if record and status < 300 else None
        return status, {**headers, **({"x-amz-version-id": named_id} if named_id else {})}, body

    return patched
