"""What a bucket is set to, asked once and remembered for some minutes: a function copies many objects of few buckets.

Asking again is harmless. Raises AccessDenied, BucketMissing, Throttled, RequestRefused.
"""

import time
from functools import lru_cache
from typing import Any

from botocore.exceptions import ClientError

from functions.common import clients
from functions.common.aws_errors import aws_errors, code_of

REMEMBERED_SECONDS = 300


def has_object_lock(bucket: str, region: str) -> bool:
    """Whether objects of this bucket may be locked."""
    return _has_object_lock(clients.s3(region), bucket, _period())


def is_versioned(bucket: str, region: str) -> bool:
    """Whether versioning is enabled; suspended is not."""
    return _is_versioned(clients.s3(region), bucket, _period())


def forget() -> None:
    """Ask again next time; for tests, in which one process sees many clouds."""
    _has_object_lock.cache_clear()
    _is_versioned.cache_clear()


def _period() -> int:
    return int(time.monotonic() // REMEMBERED_SECONDS)


@lru_cache(maxsize=64)
def _has_object_lock(client: Any, bucket: str, _: int) -> bool:
    with aws_errors(f"asking whether {bucket} has Object Lock"):
        try:
            answer = client.get_object_lock_configuration(Bucket=bucket)
        except ClientError as error:
            # "Error responses", Amazon S3 API reference: the bucket has no such configuration.
            if code_of(error) == "ObjectLockConfigurationNotFoundError":
                return False
            raise
    return bool(answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled")


@lru_cache(maxsize=64)
def _is_versioned(client: Any, bucket: str, _: int) -> bool:
    with aws_errors(f"asking whether {bucket} keeps versions"):
        return bool(client.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled")
