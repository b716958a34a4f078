"""Local listings of objects have what AWS's have.

AWS: "ListObjectsV2" (S3 API reference): ChecksumAlgorithm, ChecksumType, OptionalObjectAttributes; "Listing object keys
programmatically" (S3 User Guide): the order.
"""

import time
import uuid
from typing import Any

import pytest

from tests.support.local_s3 import upload
from tests.support.local_server import Server

KEYS = ["a b+c%", "a\rb", "a\nb", "é", "e\u0301", "\uff5e", "\U0001f600", "\x01"]
PATIENCE_SECONDS = 30


@pytest.fixture
def s3(server: Server) -> Any:
    return server.client("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"listings-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


def listed(s3: Any, bucket: str, **arguments: Any) -> dict[str, Any]:
    return {each["Key"]: each for each in s3.list_objects_v2(Bucket=bucket, **arguments).get("Contents", [])}


def test_keys_of_every_kind_are_listed_with_their_checksums_in_the_order_of_utf_8(s3: Any, bucket: str) -> None:
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x", ChecksumAlgorithm="SHA256")
    found = listed(s3, bucket)
    assert list(found) == sorted(KEYS, key=str.encode)
    assert {(*each["ChecksumAlgorithm"], each["ChecksumType"]) for each in found.values()} == {
        ("SHA256", "FULL_OBJECT")
    }
    assert list(listed(s3, bucket, StartAfter="é")) == [key for key in found if key.encode() > "é".encode()]


def test_a_checksum_of_parts_is_listed_as_composite(s3: Any, bucket: str) -> None:
    upload(s3, bucket, "a", [b"x"], ChecksumAlgorithm="SHA256")
    assert listed(s3, bucket)["a"]["ChecksumType"] == "COMPOSITE"


def test_a_restore_is_listed_only_if_it_is_asked_for(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x", StorageClass="GLACIER")
    asked: dict[str, Any] = {"OptionalObjectAttributes": ["RestoreStatus"]}
    assert "RestoreStatus" not in listed(s3, bucket, **asked)["a"]
    s3.restore_object(Bucket=bucket, Key="a", RestoreRequest={"Days": 1})
    assert listed(s3, bucket, **asked)["a"]["RestoreStatus"] == {"IsRestoreInProgress": True}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (status := listed(s3, bucket, **asked)["a"]["RestoreStatus"])["IsRestoreInProgress"]:
        assert time.monotonic() < deadline, "the restore does not end"
    assert "RestoreExpiryDate" in status
    assert "RestoreStatus" not in listed(s3, bucket)["a"]


def test_the_time_of_an_object_is_the_same_in_a_listing_as_in_its_head(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    assert listed(s3, bucket)["a"]["LastModified"] == s3.head_object(Bucket=bucket, Key="a")["LastModified"]
