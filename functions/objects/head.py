"""Reads one S3 object with HEAD: its identity, the checksums of its bytes, what travels with them.

Idempotent: it only reads. Raises CustomerKeyRequired, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from functions.contract.models import ObjectVersion, Source, StoredObject
from functions.objects.attributes import LOCK, carried, digest
from functions.runtime import clients
from functions.runtime.aws_errors import RESTORE_BUCKET, aws_errors, code_of
from functions.runtime.errors import BucketMissing, CustomerKeyRequired, FerryError

GONE = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NotFound", "405", "MethodNotAllowed"})
"""There is no such object, or the version is a delete marker: 405 ("Working with delete markers", S3 User Guide). In a
bucket with suspended versioning, a deletion puts a marker in the place of the version `null`."""

MD5_ENCRYPTIONS = frozenset({None, "AES256"})
ARCHIVE_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
OTHERS_WROTE = GONE | {"412", "PreconditionFailed", "409", "ConditionalRequestConflict"}
"""A failed condition: the object changed since it was checked. (IfMatch on a deleted object is a 404.)"""


class ObjectChanged(FerryError):
    """The object is no longer the requested one. Never leaves a function."""

    def __init__(self, which: ObjectVersion) -> None:
        super().__init__(f"{location(which.bucket, which.key)} was replaced or deleted while it was being read.")
        self.which = which


@dataclass(frozen=True)
class Head:
    """What HEAD returned, and when.

    `carried` and `locks` are members of functions/objects/attributes.py; S3 hides locks and the number of tags from a
    role that may not read them. `archived`: the bytes cannot be read before they are restored.
    `missing_metadata` is how many entries of user metadata HTTP headers cannot hold.
    """

    object: StoredObject
    carried: dict[str, Any]
    locks: dict[str, Any]
    tag_count: int
    storage_class: str
    archived: bool
    missing_metadata: int
    last_modified: datetime
    answered_at: datetime

    @property
    def metadata(self) -> dict[str, str]:
        """The user metadata."""
        metadata: dict[str, str] = self.carried.get("Metadata", {})
        return metadata

    @property
    def content_encoding(self) -> str:
        """The header Content-Encoding; empty if there is none."""
        encoding: str = self.carried.get("ContentEncoding") or ""
        return encoding


def location(bucket: str, key: str) -> str:
    """Return an object's address, for messages and for Athena's "$path"."""
    return f"s3://{bucket}/{key}"


def version_argument(version_id: str | None) -> dict[str, Any]:
    """Return the VersionId argument, if there is a version."""
    return {"VersionId": version_id} if version_id else {}


def answered_at(response: Any) -> datetime:
    """Return S3's own time of this response (the Date header, to the second)."""
    return parsedate_to_datetime(response["ResponseMetadata"]["HTTPHeaders"]["date"]).astimezone(UTC)


def head(
    bucket: str, region: str, key: str, absence_is_common: bool = False, version_id: str | None = None
) -> Head | None:
    """Return the current object of a key, or a version of it; None if there is none.

    HEAD returns a bare 404 for a missing bucket too. A second call distinguishes the two; it is skipped if absence is
    common and a write follows, whose error names a missing bucket.
    """
    client = clients.s3(region)
    version = version_argument(version_id)
    with aws_errors(f"reading the metadata of {location(bucket, key)}"):
        try:
            response = client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED", **version)
        except ClientError as error:
            if code_of(error) == "400":
                _explain_bad_request(bucket, region, key, error)
            if code_of(error) not in GONE:
                raise
            if not absence_is_common:
                _require_bucket(bucket, region)
            return None
    return _read(bucket, region, key, response)


def _explain_bad_request(bucket: str, region: str, key: str, rejected: ClientError) -> None:
    """Raise the cause of a failed HEAD. Its response has no body, but a GET of the same object returns a message.

    HEAD fails for an object with SSE-C unless it has the key ("Using server-side encryption with
    customer-provided keys", Amazon S3 User Guide).
    """
    try:
        clients.s3(region).get_object(Bucket=bucket, Key=key, Range="bytes=0-0")["Body"].close()
    except ClientError as error:
        message = error.response.get("Error", {}).get("Message", "")
        if code_of(error) == "InvalidRequest" and "encryption" in message.lower():
            raise CustomerKeyRequired(
                f"{location(bucket, key)} is encrypted with a customer-provided key (SSE-C), so only its owner can "
                "copy it. Upload it again with SSE-S3 or SSE-KMS, or copy it with a tool that has the key."
            ) from error
        raise
    raise rejected


def _require_bucket(bucket: str, region: str) -> None:
    try:
        clients.s3(region).head_bucket(Bucket=bucket)
    except ClientError as error:
        if code_of(error) in GONE | {"NoSuchBucket"}:
            raise BucketMissing(f"The bucket {bucket} does not exist in {region}. {RESTORE_BUCKET}") from error
        raise


def _read(bucket: str, region: str, key: str, response: Any) -> Head:
    etag = response["ETag"].strip('"')
    encryption = response.get("ServerSideEncryption")
    algorithm, value = _stored_checksum(response)
    last_modified = response["LastModified"].astimezone(UTC)
    return Head(
        object=StoredObject(
            bucket=bucket,
            region=region,
            key=key,
            version_id=response.get("VersionId"),
            etag=etag,
            size_bytes=response["ContentLength"],
            checksum_algorithm=algorithm,
            checksum_value=value,
            checksum_type=_checksum_type(response, value),
            # "Checking object integrity", Amazon S3 User Guide: an ETag is the MD5 of the bytes only of an
            # object sent in one part and encrypted with SSE-S3 or not at all.
            etag_is_md5="-" not in etag and encryption in MD5_ENCRYPTIONS and not response.get("SSECustomerAlgorithm"),
            last_modified=last_modified,
            carried_digest=digest(response),
        ),
        carried=carried(response),
        locks={name: response[name] for name in LOCK if response.get(name)},
        tag_count=response.get("TagCount", 0),
        storage_class=response.get("StorageClass", "STANDARD"),
        archived=_is_archived(response),
        missing_metadata=response.get("MissingMeta", 0),
        last_modified=last_modified,
        answered_at=answered_at(response),
    )


def _is_archived(response: Any) -> bool:
    """By "Working with archived objects" (Amazon S3 User Guide): a restored copy can be read until it expires.

    ArchiveStatus is set for INTELLIGENT_TIERING while the object is in one of its archive tiers.
    """
    if response.get("ArchiveStatus"):
        return True
    restored = 'ongoing-request="false"' in response.get("Restore", "")
    return response.get("StorageClass") in ARCHIVE_CLASSES and not restored


def _stored_checksum(response: Any) -> tuple[str | None, str | None]:
    """Return the stored checksum; if there are several, a full-object one before a composite one."""
    stored = {
        name.removeprefix("Checksum"): value
        for name, value in response.items()
        if name.startswith("Checksum") and name != "ChecksumType"
    }
    for algorithm, value in sorted(stored.items(), key=lambda item: "-" in item[1]):
        return algorithm, value
    return None, None


def _checksum_type(response: Any, value: str | None) -> str | None:
    """Return FULL_OBJECT or COMPOSITE; a composite value ends in the number of its parts."""
    if value is None:
        return None
    composite = "-" in value or response.get("ChecksumType") == "COMPOSITE"
    return "COMPOSITE" if composite else "FULL_OBJECT"


@contextmanager
def changed_or_rejected(doing: str, obj: ObjectVersion) -> Iterator[None]:
    """Translate the errors of a call on exactly this object; `doing` names the call, as in "reading the tags of".

    Raises ObjectChanged if a condition failed or the object is gone, else what aws_errors raises.
    """
    with aws_errors(f"{doing} {location(obj.bucket, obj.key)}"):
        try:
            yield
        except ClientError as error:
            if code_of(error) in OTHERS_WROTE:
                raise ObjectChanged(obj) from error
            raise


def tags(obj: ObjectVersion) -> dict[str, str]:
    """Return the tags of this object; raises ObjectChanged if it no longer exists."""
    with changed_or_rejected("reading the tags of", obj):
        response = clients.s3(obj.region).get_object_tagging(
            Bucket=obj.bucket, Key=obj.key, **version_argument(obj.version_id)
        )
    return {tag["Key"]: tag["Value"] for tag in response["TagSet"]}


def is_upload(obj: ObjectVersion, upload: Source) -> bool:
    """Check whether the object is still the one that was uploaded."""
    return (obj.version_id, obj.etag) == (upload.version_id, upload.etag)


def same_version(first: ObjectVersion, second: ObjectVersion) -> bool:
    """Check whether two are the same object of a bucket."""
    return (first.version_id, first.etag) == (second.version_id, second.etag)


@contextmanager
def opened(obj: ObjectVersion, byte_range: str = "") -> Iterator[StreamingBody]:
    """Open the bytes of exactly this object, identified by version and ETag; all, or a range (`bytes=0-3`).

    Raises ObjectChanged if it no longer exists, besides what the module raises.
    """
    arguments: dict[str, Any] = {"Range": byte_range} if byte_range else {}
    with changed_or_rejected("reading", obj):
        response = clients.s3(obj.region).get_object(
            Bucket=obj.bucket, Key=obj.key, IfMatch=obj.etag, **version_argument(obj.version_id), **arguments
        )
        # Not `with response["Body"]`: that returns the bare connection, without the check of the length.
        with closing(response["Body"]) as body:
            yield body
