"""List the objects that Athena would read.

They are the objects under the location of the table or of its *registered* partitions, that location being a folder.
Athena skips names, and folders below the location, that start with `_` or `.`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from infra.local.athena.analysis.results import PATH, TableScan
from infra.local.athena.errors import QueryFailure
from infra.local.athena.models import Partition, TableObject
from infra.local.athena.results import split_s3
from infra.local.caller import Caller

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import ObjectTypeDef

MAX_SINGLE_LOOKUPS = 10


def list_objects(caller: Caller, partitions: list[Partition], scan: TableScan) -> Iterator[TableObject]:
    """List the objects of the partitions, without those that the query's `"$path"` predicate excludes."""
    for partition in partitions:
        location = partition.storage.location
        if not location.startswith("s3://"):
            raise QueryFailure(f"HIVE_INVALID_METADATA: the location {location or '(none)'} is not an S3 path")
        bucket, prefix = split_s3(location)
        prefix = prefix if not prefix or prefix.endswith("/") else prefix + "/"
        paths = scan.allowed_values.get(PATH)
        keys = None if paths is None else {split_s3(path)[1] for path in paths}
        try:
            for found in _list(caller, bucket, prefix, keys):
                key = found["Key"]
                if key.endswith("/") or not found["Size"] or _is_hidden(key[len(prefix) :]):
                    continue
                if paths is not None and f"s3://{bucket}/{key}" not in paths:
                    continue
                yield TableObject(bucket, key, found["ETag"], found["Size"], partition)
        except ClientError as error:
            raise s3_failure(error, f"s3://{bucket}/{prefix}") from error


def _list(caller: Caller, bucket: str, prefix: str, keys: set[str] | None) -> Iterator["ObjectTypeDef"]:
    """List a prefix, or look up a few keys one by one: in a large folder that is cheaper."""
    if keys is not None and len(keys) <= MAX_SINGLE_LOOKUPS:
        for key in sorted(keys):
            # Of all keys with this prefix, the key itself sorts first.
            contents = caller.s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", [])
            yield from (found for found in contents if found["Key"] == key and key.startswith(prefix))
        return
    for page in caller.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Contents", [])


def _is_hidden(relative_key: str) -> bool:
    return any(part.startswith(("_", ".")) for part in relative_key.split("/"))


def s3_failure(error: ClientError, path: str) -> QueryFailure:
    """Translate S3's error into the failure of a query."""
    details = error.response["Error"]
    if details["Code"] in {"AccessDenied", "403"}:
        return QueryFailure(f"PERMISSION_DENIED: Permission denied on S3 path: {path}. {details['Message']}")
    return QueryFailure(f"HIVE_CURSOR_ERROR: Failed to read {path}: {details['Code']}: {details['Message']}")
