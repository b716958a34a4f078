"""Find versions of objects, and keep their attributes.

- A version keeps its parts and the type of its checksum (AWS: "HeadObject", "GetObjectAttributes", S3 API
  reference: both return them for any version). MiniStack keeps only one of them.
- A version id is one that S3 has issued, or `null`: another one is an InvalidArgument, except in DeleteObjects
  (recorded from AWS, February 2026). MiniStack's are UUIDs; it responds NoSuchVersion, and to DELETE with success.
- In a bucket that ever had versioning, reads name the version `null`; a write to a suspended bucket names none
  (recorded, the same). MiniStack never names it.
- An object that overwrites another has only the tags and the ACL of its own request (AWS: "PutObject"). MiniStack
  keeps the old ones in an unversioned bucket.
"""

import re
from collections.abc import Callable
from typing import Any

from ministack.services import s3

from infra.local.patching import require_attributes, wrap
from infra.local.s3.errors import error_response
from infra.local.s3.models import Headers, Query, Response

NULL = "null"
"""The id of a version that was written while the bucket's versioning was off or suspended."""

_ISSUED = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Record = dict[str, Any]
"""MiniStack's record of an object."""


def install() -> None:
    """Apply the patches. Idempotent."""
    require_attributes(s3, "_buckets", "_object_versions", "_bucket_versioning", "_object_tags", "_object_acl")
    require_attributes(s3, "_delete_marker_read_refused", "_sync_restore", "_ARCHIVE_STORAGE_CLASSES")
    wrap(s3, "_version_entry_from_record", _keep_checksum_type)
    wrap(s3, "_object_record_from_version", _keep_parts)
    wrap(s3, "_record_object_version", _drop_old_attributes)
    wrap(s3, "_object_response_headers", _name_null_version)
    wrap(s3, "_dispatch", _reject_malformed)


def find(bucket: str, key: str, version_id: str | None) -> Record | None:
    """Return an object or a version of it; None if there is none, or if it is a delete marker."""
    current: Record | None = (s3._buckets.get(bucket) or {"objects": {}})["objects"].get(key)
    if not version_id:
        return current
    for version in s3._object_versions.get((bucket, key), []):
        if version["version_id"] == version_id:
            return None if version.get("is_delete_marker") else s3._object_record_from_version(version)
    # An object older than the bucket's versioning is the version null.
    return current if version_id == NULL and current and not current.get("version_id") else None


def named_id(bucket: str, record: Record) -> str | None:
    """Return the version id that reads name; None in a bucket that never had versioning."""
    has_versioning = s3._bucket_versioning.get(bucket) in {"Enabled", "Suspended"}
    return record.get("version_id") or (NULL if has_versioning else None)


def missing_version_response(bucket: str, key: str, version_id: str) -> Response:
    """Make the response to a read of a version that is a delete marker, or does not exist."""
    for entry in s3._object_versions.get((bucket, key), []):
        if entry["version_id"] == version_id:
            rejection: Response = s3._delete_marker_read_refused(entry)
            return rejection
    return error_response("NoSuchVersion", "The specified version does not exist.", 404, f"/{bucket}/{key}")


def is_archived(bucket: str, key: str, record: Record) -> bool:
    """Return whether the object must be restored before it can be read."""
    if record.get("storage_class") not in s3._ARCHIVE_STORAGE_CLASSES:
        return False
    # MiniStack restores only the current version.
    current = find(bucket, key, None)
    is_current = current is not None and current.get("version_id") == record.get("version_id")
    return not (is_current and s3._sync_restore(bucket, key, current) == "restored")


def just_written(bucket: str, key: str) -> list[Record]:
    """Return the records of the last write: the current object and, in a versioned bucket, its version."""
    records = [s3._buckets[bucket]["objects"][key]]
    if s3._bucket_versioning.get(bucket) in {"Enabled", "Suspended"}:
        records.append(s3._object_versions[(bucket, key)][-1])
    return records


def _keep_checksum_type(entry_from_record: Any) -> Any:
    def patched(record: Record, version_id: str, data: Any) -> Record:
        return {**entry_from_record(record, version_id, data), "checksum_type": record.get("checksum_type")}

    return patched


def _keep_parts(record_from_version: Any) -> Any:
    def patched(version: Record) -> Record:
        attributes = {name: version.get(name) for name in ("checksum_type", "parts")}
        return {**record_from_version(version), **attributes}

    return patched


def _drop_old_attributes(record_object_version: Any) -> Any:
    def patched(bucket: str, key: str, prior: Record | None, record: Record, data: Any) -> str | None:
        if s3._bucket_versioning.get(bucket) != "Enabled":
            s3._object_tags.pop((bucket, key, None), None)
            s3._object_acl.pop((bucket, key, None), None)
        version_id: str | None = record_object_version(bucket, key, prior, record, data)
        return version_id

    return patched


def _name_null_version(object_headers: Callable[..., Headers]) -> Any:
    def patched(record: Record, bucket: str = "", *rest: Any, **named: Any) -> Headers:
        headers = object_headers(record, bucket, *rest, **named)
        version_id = named_id(bucket, record)
        return {**headers, "x-amz-version-id": version_id} if version_id else headers

    return patched


def _reject_malformed(dispatch: Callable[..., Response]) -> Any:
    def patched(method: str, bucket: str, key: str, headers: Headers, body: bytes, query: Query) -> Response:
        version_id = s3._qp(query, "versionId") if key and bucket in s3._buckets else ""
        if version_id and version_id != NULL and not _ISSUED.fullmatch(version_id):
            argument = {"ArgumentName": "versionId", "ArgumentValue": version_id}
            return error_response("InvalidArgument", "Invalid version id specified", 400, **argument)
        return dispatch(method, bucket, key, headers, body, query)

    return patched
