"""Reads the manifest.json of an inventory, and checks that it lists the source.

Idempotent: it only reads. Source: "Locating your inventory list" and "Amazon S3 Inventory list" (Amazon S3 User Guide):
a list of all versions has the fields IsLatest and IsDeleteMarker.

Raises InventoryInvalid, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from botocore.exceptions import ClientError
from pydantic import BaseModel, Field, ValidationError

from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors, code_of
from functions.runtime.errors import InventoryInvalid

REQUIRED = ("Key", "Size", "LastModifiedDate", "ETag")
REQUIRED_OF_VERSIONS = ("IsLatest", "IsDeleteMarker")
BUCKET_ARN = "arn:aws:s3:::"


class InventoryFile(BaseModel):
    """One file of the list, and the MD5 of its bytes."""

    key: str
    md5: str = Field(alias="MD5checksum", pattern=r"^[0-9a-f]{32}$")


class _Manifest(BaseModel):
    source_bucket: str = Field(alias="sourceBucket")
    destination_bucket: str = Field(alias="destinationBucket")
    created_ms: int = Field(alias="creationTimestamp")
    file_format: str = Field(alias="fileFormat")
    file_schema: str = Field(alias="fileSchema")
    files: list[InventoryFile]


@dataclass(frozen=True)
class Inventory:
    """A list of a bucket's objects: files of rows with these fields, in `bucket`."""

    address: str
    bucket: str
    region: str
    fields: tuple[str, ...]
    files: tuple[InventoryFile, ...]
    created_at: datetime


def read_manifest(address: str, region: str, source_bucket: str) -> Inventory:
    """Return the inventory whose manifest has this address; it must list the source."""
    bucket, _, key = address.removeprefix("s3://").partition("/")
    with aws_errors(f"reading the inventory {address}"):
        try:
            text = clients.s3(region).get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            if code_of(error) != "NoSuchKey":
                raise
            raise InventoryInvalid(
                f"The inventory {address} does not exist. Specify the address of its manifest.json."
            ) from error
    try:
        manifest = _Manifest.model_validate_json(text)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the file"
        raise InventoryInvalid(f"{address} is not the manifest of an inventory: {where}: {problem['msg']}.") from error
    if manifest.source_bucket != source_bucket:
        raise InventoryInvalid(f"The inventory {address} lists {manifest.source_bucket}, not {source_bucket}.")
    if manifest.file_format != "CSV":
        raise InventoryInvalid(
            f"The inventory {address} has the format {manifest.file_format}. Only CSV is supported: change the "
            "format in the inventory's configuration, or start a backfill without --inventory."
        )
    fields = tuple(name.strip() for name in manifest.file_schema.split(","))
    required = (*REQUIRED, *(REQUIRED_OF_VERSIONS if "VersionId" in fields else ()))
    if missing := [name for name in required if name not in fields]:
        raise InventoryInvalid(
            f"The inventory {address} lacks {', '.join(missing)}. Add these fields to the inventory's configuration."
        )
    created_at = datetime.fromtimestamp(manifest.created_ms / 1000, UTC)
    files_bucket = manifest.destination_bucket.removeprefix(BUCKET_ARN)
    return Inventory(address, files_bucket, region, fields, tuple(manifest.files), created_at)
