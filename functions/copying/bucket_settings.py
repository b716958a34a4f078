"""Reads a bucket's settings and caches them for some minutes: a function copies many objects of few buckets.

Idempotent: it only reads. Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

import time
from functools import lru_cache
from typing import Any

from botocore.exceptions import ClientError

from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors, code_of

CACHE_SECONDS = 300

_versioned_until: dict[tuple[Any, str], float] = {}
"""By client and bucket. Only a versioned bucket is cached: whoever enables versioning replays at once."""


def has_object_lock(bucket: str, region: str) -> bool:
    """Check whether objects of this bucket can be locked."""
    return _has_object_lock(clients.s3(region), bucket, int(time.monotonic() // CACHE_SECONDS))


def is_versioned(bucket: str, region: str) -> bool:
    """Check whether versioning is enabled; suspended does not count."""
    client, now = clients.s3(region), time.monotonic()
    if _versioned_until.get((client, bucket), now) > now:
        return True
    with aws_errors(f"reading the versioning of {bucket}"):
        versioned = bool(client.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled")
    if versioned:
        _versioned_until[client, bucket] = now + CACHE_SECONDS
    return versioned


def forget() -> None:
    """Clear the cache: for tests that use one client with many clouds."""
    _has_object_lock.cache_clear()
    _versioned_until.clear()


@lru_cache(maxsize=64)
def _has_object_lock(client: Any, bucket: str, _: int) -> bool:
    with aws_errors(f"reading the Object Lock configuration of {bucket}"):
        try:
            response = client.get_object_lock_configuration(Bucket=bucket)
        except ClientError as error:
            # "Error responses", Amazon S3 API reference: the bucket has no such configuration.
            if code_of(error) == "ObjectLockConfigurationNotFoundError":
                return False
            raise
    return bool(response.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled")
