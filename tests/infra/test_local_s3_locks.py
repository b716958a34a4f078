"""Object Lock behaves as on AWS, as far as copies use it.

AWS: "PutObject", "CopyObject", "GetObjectRetention", "PutObjectRetention" (S3 API reference), "Object Lock
considerations" (S3 User Guide).
"""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.local_s3 import new_bucket, rejected, upload

UNTIL = datetime(2090, 1, 1, tzinfo=UTC)
LOCK: dict[str, Any] = {
    "ObjectLockMode": "COMPLIANCE",
    "ObjectLockRetainUntilDate": UNTIL,
    "ObjectLockLegalHoldStatus": "ON",
    "ObjectLockEventHold": "ON",
    "ObjectLockEventHoldDurationDays": 30,
}


@pytest.fixture(scope="module")
def bucket(s3: Any) -> str:
    """A bucket with Object Lock, in which `locked` is all of LOCK."""
    name = new_bucket(s3, "locks", ObjectLockEnabledForBucket=True)
    s3.put_object(Bucket=name, Key="locked", Body=b"x", **LOCK)
    return name


def lock_of(s3: Any, bucket: str, key: str) -> dict[str, Any]:
    head = s3.head_object(Bucket=bucket, Key=key)
    return {name: value for name, value in head.items() if name.startswith("ObjectLock")}


def test_each_way_to_write_sets_the_lock_that_is_sent(s3: Any, bucket: str) -> None:
    assert lock_of(s3, bucket, "locked") == LOCK
    s3.put_object(Bucket=bucket, Key="plain", Body=b"x")
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/plain", **LOCK)
    assert lock_of(s3, bucket, "copy") == LOCK
    upload(s3, bucket, "parts", [b"x"], **LOCK)
    assert lock_of(s3, bucket, "parts") == LOCK


def test_a_copy_does_not_take_the_sources_lock(s3: Any, bucket: str) -> None:
    s3.copy_object(Bucket=bucket, Key="free", CopySource=f"{bucket}/locked")
    assert lock_of(s3, bucket, "free") == {}


def test_the_buckets_default_retention_is_the_copys(s3: Any) -> None:
    name = new_bucket(s3, "default", ObjectLockEnabledForBucket=True)
    s3.put_object_lock_configuration(
        Bucket=name,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
        },
    )
    s3.put_object(Bucket=name, Key="source", Body=b"x")
    s3.copy_object(Bucket=name, Key="target", CopySource=f"{name}/source")
    assert lock_of(s3, name, "target")["ObjectLockMode"] == "GOVERNANCE"


def test_retention_is_read_with_the_event_hold(s3: Any, bucket: str) -> None:
    assert s3.get_object_retention(Bucket=bucket, Key="locked")["Retention"] == {
        "Mode": "COMPLIANCE",
        "RetainUntilDate": UNTIL,
        "EventHold": "ON",
        "EventHoldDuration": {"Days": 30},
    }


def test_an_event_hold_is_put_and_keeps_the_version(s3: Any, bucket: str) -> None:
    put = s3.put_object(Bucket=bucket, Key="held", Body=b"x")
    hold = {"EventHold": "ON", "EventHoldDuration": {"Years": 2}}
    s3.put_object_retention(Bucket=bucket, Key="held", Retention=hold)
    assert s3.get_object_retention(Bucket=bucket, Key="held")["Retention"] == hold
    with rejected("AccessDenied", 403):
        s3.delete_object(Bucket=bucket, Key="held", VersionId=put["VersionId"])
    s3.put_object_retention(Bucket=bucket, Key="held", Retention={"EventHold": "OFF"})
    s3.delete_object(Bucket=bucket, Key="held", VersionId=put["VersionId"])


@pytest.mark.parametrize(
    "lock",
    [
        {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": datetime(2020, 1, 1, tzinfo=UTC)},
        {"ObjectLockMode": "GOVERNANCE"},
        {"ObjectLockRetainUntilDate": UNTIL},
    ],
    ids=["ended", "no date", "no mode"],
)
def test_an_invalid_retention_is_rejected(s3: Any, bucket: str, lock: dict[str, Any]) -> None:
    with rejected("InvalidArgument", 400):
        s3.copy_object(Bucket=bucket, Key="bad", CopySource=f"{bucket}/locked", **lock)


def test_a_lock_in_a_bucket_without_object_lock_is_rejected(s3: Any, bucket: str) -> None:
    name = new_bucket(s3, "lockless")
    for lock in ({"ObjectLockLegalHoldStatus": "ON"}, {"ObjectLockEventHold": "ON"}):
        with rejected("InvalidRequest", 400):
            s3.copy_object(Bucket=name, Key="target", CopySource=f"{bucket}/locked", **lock)
    with rejected("ObjectLockConfigurationNotFoundError", 404):
        s3.get_object_lock_configuration(Bucket=name)
