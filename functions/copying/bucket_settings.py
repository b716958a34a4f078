"""What a bucket is set to, asked once and remembered for some minutes: a function copies many objects of few buckets.

Asking again is harmless. Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

import time
from functools import lru_cache
from typing import Any

from botocore.exceptions import ClientError

from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors, code_of

REMEMBERED_SECONDS = 300

_versioned_until: dict[tuple[Any, str], float] = {}
"""By client and bucket. Only what is versioned is remembered: whoever enables it replays at once."""


def has_object_lock(bucket: str, region: str) -> bool:
    """Whether objects of this bucket may be locked."""
    return _has_object_lock(clients.s3(region), bucket, int(time.monotonic() // REMEMBERED_SECONDS))


def is_versioned(bucket: str, region: str) -> bool:
    """Whether versioning is enabled; suspended is not."""
    client, now = clients.s3(region), time.monotonic()
    if _versioned_until.get((client, bucket), now) > now:
        return True
    with aws_errors(f"asking whether {bucket} keeps versions"):
        versioned = bool(client.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled")
    if versioned:
        _versioned_until[client, bucket] = now + REMEMBERED_SECONDS
    return versioned


def forget() -> None:
    """Ask again next time; for whoever sees many clouds with one client."""
    _has_object_lock.cache_clear()
    _versioned_until.clear()


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
