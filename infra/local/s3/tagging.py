"""Tags of a version that is not the current one.

- A version has its tags under a delete marker too; MiniStack says that there is no such key.
- A delete marker has none: MethodNotAllowed ("Working with delete markers", S3 User Guide: only DELETE can be used on
  it by its version ID). MiniStack tells an empty set.
- A version that is not there is NoSuchVersion, whether or not the key has others ("List of error codes", S3 API
  reference: NoSuchVersion).
"""

from collections.abc import Callable
from typing import Any

from ministack.services import s3

from infra.local.patching import rely_on, wrap
from infra.local.s3 import versions
from infra.local.s3.requests import Answer, error


def install() -> None:
    """Mend it."""
    rely_on(s3, "_delete_marker_read_refused", "_object_versions", "_buckets")
    for name in ("_get_object_tagging", "_put_object_tagging", "_delete_object_tagging"):
        wrap(s3, name, _of_any_version)


def _of_any_version(call: Callable[..., Answer]) -> Any:
    def called(bucket: str, key: str, *more: Any) -> Answer:
        version_id = s3._qp(more[-1], "versionId")
        if bucket not in s3._buckets or not version_id:
            return call(bucket, key, *more)
        record = versions.find(bucket, key, version_id)
        if record is None:
            return _refused(bucket, key, version_id)
        objects = s3._buckets[bucket]["objects"]
        if key in objects:
            return call(bucket, key, *more)
        # MiniStack only asks whether the key is there; no other request is answered meanwhile.
        objects[key] = record
        try:
            return call(bucket, key, *more)
        finally:
            del objects[key]

    return called


def _refused(bucket: str, key: str, version_id: str) -> Answer:
    for entry in s3._object_versions.get((bucket, key), []):
        if entry["version_id"] == version_id:
            refusal: Answer = s3._delete_marker_read_refused(entry)
            return refusal
    return error("NoSuchVersion", "The specified version does not exist.", 404, f"/{bucket}/{key}")
