"""Find versions of objects, and keep their attributes.

- A version keeps its parts and the type of its checksum (AWS: "HeadObject", "GetObjectAttributes", S3 API
  reference: both return them for any version). MiniStack keeps only one of them.
- An object that overwrites another has only the tags and the ACL of its own request (AWS: "PutObject"). MiniStack
  keeps the old ones in an unversioned bucket.
"""

from typing import Any

from ministack.services import s3

from infra.local.patching import require_attributes, wrap

Record = dict[str, Any]
"""MiniStack's record of an object."""


def install() -> None:
    """Apply the patches. Idempotent."""
    require_attributes(s3, "_buckets", "_object_versions", "_bucket_versioning", "_object_tags", "_object_acl")
    require_attributes(s3, "_sync_restore", "_ARCHIVE_STORAGE_CLASSES")
    wrap(s3, "_version_entry_from_record", _keep_checksum_type)
    wrap(s3, "_object_record_from_version", _keep_parts)
    wrap(s3, "_record_object_version", _drop_old_attributes)


def find(bucket: str, key: str, version_id: str | None) -> Record | None:
    """Return an object or a version of it; None if there is none, or if it is a delete marker."""
    current: Record | None = (s3._buckets.get(bucket) or {"objects": {}})["objects"].get(key)
    if not version_id:
        return current
    for version in s3._object_versions.get((bucket, key), []):
        if version["version_id"] == version_id:
            return None if version.get("is_delete_marker") else s3._object_record_from_version(version)
    # An object older than the bucket's versioning is the version null.
    return current if version_id == "null" and current and not current.get("version_id") else None


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
