"""Tag versions other than the current one.

- A version keeps its tags under a delete marker; MiniStack responds NoSuchKey.
- A delete marker has no tags: MethodNotAllowed ("Working with delete markers", S3 User Guide: only DELETE can be used
  on it by its version ID). MiniStack returns an empty set.
- A missing version is NoSuchVersion, whether or not the key has others ("List of error codes", S3 API
  reference: NoSuchVersion).
"""

from collections.abc import Callable
from typing import Any

from ministack.services import s3

from infra.local.patching import require_attributes, wrap
from infra.local.s3 import versions
from infra.local.s3.errors import error_response
from infra.local.s3.models import Response


def install() -> None:
    """Apply the patch. Idempotent."""
    require_attributes(s3, "_delete_marker_read_refused", "_object_versions", "_buckets")
    for name in ("_get_object_tagging", "_put_object_tagging", "_delete_object_tagging"):
        wrap(s3, name, _find_version)


def _find_version(call: Callable[..., Response]) -> Any:
    def patched(bucket: str, key: str, *rest: Any) -> Response:
        version_id = s3._qp(rest[-1], "versionId")
        if bucket not in s3._buckets or not version_id:
            return call(bucket, key, *rest)
        record = versions.find(bucket, key, version_id)
        if record is None:
            return _missing_version_response(bucket, key, version_id)
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


def _missing_version_response(bucket: str, key: str, version_id: str) -> Response:
    for entry in s3._object_versions.get((bucket, key), []):
        if entry["version_id"] == version_id:
            rejection: Response = s3._delete_marker_read_refused(entry)
            return rejection
    return error_response("NoSuchVersion", "The specified version does not exist.", 404, f"/{bucket}/{key}")
