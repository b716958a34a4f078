"""Deletes one object in S3: behind a delete marker, or for good.

Idempotent: each deletion names the version, or has the ETag as its condition.

Raises ObjectChanged if the object is no longer the current one, PurgeRejected, AccessDenied, BucketMissing, Throttled,
RequestRejected.
"""

from typing import Any

from botocore.exceptions import ClientError

from functions.contract.models import StoredObject
from functions.objects.head import ObjectChanged, changed_or_rejected, head, location
from functions.objects.object_lock import describe_lock
from functions.runtime import clients
from functions.runtime.aws_errors import DENIED, aws_errors, code_of
from functions.runtime.errors import PurgeRejected

READ_TIMEOUT_SECONDS = 20


def delete_current(source: StoredObject) -> str | None:
    """Delete the current object; return the id of its delete marker, None if it was deleted for good."""
    # Sent once: a retry after a lost response might meet a newer upload of the same bytes.
    client = clients.s3_for_conditional_writes(source.region, READ_TIMEOUT_SECONDS)
    with changed_or_rejected("deleting", source):
        response = client.delete_object(Bucket=source.bucket, Key=source.key, IfMatch=source.etag)
    marker = response.get("VersionId") if response.get("DeleteMarker") else None
    # A marker `null` replaces the object `null`. A marker with an id of its own hides it, if the bucket was versioned
    # after the upload.
    return None if marker == "null" and source.version_id is None else marker


def purge_version(source: StoredObject) -> None:
    """Delete the verified version for good; raises ObjectChanged if it is no longer the current one."""
    versions = [version for version in _newest_two(source)["Versions"] if version["Key"] == source.key]
    if not any(version["VersionId"] == source.version_id and version["IsLatest"] for version in versions):
        raise ObjectChanged(source)
    older = [version["VersionId"] for version in versions if version["VersionId"] != source.version_id]
    if older:
        raise PurgeRejected(
            f"{location(source.bucket, source.key)} was copied and verified, but not purged: its older version "
            f"{older[0]} was never moved and would become the current one. Copy or delete the older versions, then "
            "replay. Or remove purge from the rule, deploy, and upload the file again."
        )
    _delete_version(source, str(source.version_id))


def purge_hidden(source: StoredObject) -> bool:
    """Delete the verified unversioned object for good if a delete marker hides it; return whether it did.

    A marker with an id of its own shows that the bucket is versioned by now, so no newer upload can be `null`.
    """
    newest = _newest_two(source)
    markers = [marker for marker in newest["DeleteMarkers"] if marker["Key"] == source.key and marker["IsLatest"]]
    hidden = [
        version for version in newest["Versions"] if (version["Key"], version["VersionId"]) == (source.key, "null")
    ]
    if not markers or markers[0]["VersionId"] == "null" or not hidden:
        return False
    if hidden[0]["ETag"].strip('"') != source.etag:
        return False
    _delete_version(source, "null")
    return True


def _newest_two(source: StoredObject) -> dict[str, list[Any]]:
    """Return the two newest versions or markers of the key. S3 lists them first, before longer keys."""
    with aws_errors(f"listing the versions of {location(source.bucket, source.key)}"):
        listed = clients.s3(source.region).list_object_versions(Bucket=source.bucket, Prefix=source.key, MaxKeys=2)
    return {"Versions": list(listed.get("Versions", [])), "DeleteMarkers": list(listed.get("DeleteMarkers", []))}


def _delete_version(source: StoredObject, version_id: str) -> None:
    version = f"{location(source.bucket, source.key)} (version {version_id})"
    with aws_errors(f"purging {version}"):
        try:
            clients.s3(source.region).delete_object(Bucket=source.bucket, Key=source.key, VersionId=version_id)
        except ClientError as error:
            denied = code_of(error) in DENIED
            now = head(source.bucket, source.region, source.key, version_id=version_id) if denied else None
            if now and (lock := describe_lock(now)):
                raise PurgeRejected(
                    f"{version} was copied and verified, but not purged: it is {lock}. Wait until the lock ends or "
                    "remove it, then replay. Or remove purge from the rule, deploy, and upload the file again."
                ) from error
            raise
