"""The local GET, HEAD and GetObjectAttributes behave as AWS's.

AWS: "GetObject", "HeadObject", "GetObjectAttributes" (S3 API reference).
"""

import uuid
from typing import Any

import pytest

from tests.support.local_s3 import SMALLEST_PART, content, md5, new_bucket, rejected, sha256, upload

PARTS = [content(SMALLEST_PART, 1), content(SMALLEST_PART + 1, 2), b"123456789"]
BODY = b"".join(PARTS)
ATTRIBUTES = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]


@pytest.fixture(scope="module")
def bucket(s3: Any) -> str:
    """A versioned bucket that holds `parts`, twice, and `whole`."""
    name = new_bucket(s3, "reading", versioned=True)
    for _ in range(2):
        upload(s3, name, "parts", PARTS, ChecksumAlgorithm="SHA256", StorageClass="STANDARD_IA")
    s3.put_object(Bucket=name, Key="whole", Body=b"123456789", ChecksumAlgorithm="CRC32C")
    return name


@pytest.fixture(params=["current", "older version"])
def where(request: pytest.FixtureRequest, s3: Any, bucket: str) -> dict[str, str]:
    """How `parts` is named."""
    versions = s3.list_object_versions(Bucket=bucket, Prefix="parts")["Versions"]
    older = next(version["VersionId"] for version in versions if not version["IsLatest"])
    found = {"Bucket": bucket, "Key": "parts"}
    return found if request.param == "current" else {**found, "VersionId": older}


def test_a_range_of_any_version(s3: Any, where: dict[str, str]) -> None:
    found = s3.get_object(**where, Range="bytes=3-8", ChecksumMode="ENABLED")
    assert (found["Body"].read(), found["ContentRange"]) == (BODY[3:9], f"bytes 3-8/{len(BODY)}")
    assert not any(name.startswith("Checksum") for name in found)
    with rejected("InvalidRange", 416):
        s3.get_object(**where, Range=f"bytes={len(BODY)}-")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_part_of_any_version_with_its_checksum(s3: Any, where: dict[str, str], number: int) -> None:
    part = PARTS[number - 1]
    first = BODY.index(part)
    for read in (s3.head_object, s3.get_object):
        found = read(**where, PartNumber=number, ChecksumMode="ENABLED")
        assert (found["ContentLength"], found["PartsCount"]) == (len(part), 3)
        assert found["ContentRange"] == f"bytes {first}-{first + len(part) - 1}/{len(BODY)}"
        assert (found["ChecksumSHA256"], found["ChecksumType"]) == (sha256(part), "COMPOSITE")
    assert found["Body"].read() == part


def test_a_part_has_no_checksum_where_the_objects_is_of_the_whole(s3: Any, bucket: str) -> None:
    """But if it is the only one (recorded from AWS, February 2026)."""
    full = {"ChecksumAlgorithm": "CRC32C", "ChecksumType": "FULL_OBJECT"}
    upload(s3, bucket, "full", PARTS, **full)
    upload(s3, bucket, "one", [b"123456789"], **full)
    for read in (s3.head_object, s3.get_object):
        found = read(Bucket=bucket, Key="full", PartNumber=3, ChecksumMode="ENABLED")
        assert (found["ContentLength"], found["PartsCount"]) == (len(PARTS[2]), 3)
        assert not [name for name in found if name.startswith("Checksum")]
        found = read(Bucket=bucket, Key="one", PartNumber=1, ChecksumMode="ENABLED")
        assert (found["ChecksumCRC32C"], found["ChecksumType"]) == ("4waSgw==", "FULL_OBJECT")
    for key, count in (("full", 3), ("one", 1)):
        attributes = s3.get_object_attributes(Bucket=bucket, Key=key, ObjectAttributes=ATTRIBUTES)
        assert attributes["ObjectParts"] == {"TotalPartsCount": count}


def test_a_part_that_is_not_there(s3: Any, bucket: str, where: dict[str, str]) -> None:
    with rejected("InvalidPartNumber", 416):
        s3.get_object(**where, PartNumber=4)
    with rejected("416", 416):
        s3.head_object(Bucket=bucket, Key="whole", PartNumber=2)
    assert s3.head_object(Bucket=bucket, Key="whole", PartNumber=1)["ContentLength"] == 9


def test_the_type_of_a_versions_checksum(s3: Any, where: dict[str, str]) -> None:
    found = s3.head_object(**where, ChecksumMode="ENABLED")
    assert found["ChecksumType"] == "COMPOSITE"
    assert found["ChecksumSHA256"].endswith("-3")


def test_attributes_with_parts_in_pages(s3: Any, where: dict[str, str]) -> None:
    found = s3.get_object_attributes(**where, ObjectAttributes=ATTRIBUTES)
    etag = s3.head_object(**where)["ETag"]
    assert (found["ETag"], found["ObjectSize"], found["StorageClass"]) == (etag.strip('"'), len(BODY), "STANDARD_IA")
    composite = s3.head_object(**where, ChecksumMode="ENABLED")["ChecksumSHA256"]
    assert found["Checksum"] == {"ChecksumSHA256": composite.removesuffix("-3"), "ChecksumType": "COMPOSITE"}
    listed, marker = [], 0
    while True:
        page = s3.get_object_attributes(**where, ObjectAttributes=["ObjectParts"], MaxParts=2, PartNumberMarker=marker)[
            "ObjectParts"
        ]
        assert page["TotalPartsCount"] == 3
        listed += [(part["PartNumber"], part["Size"], part["ChecksumSHA256"]) for part in page["Parts"]]
        if not page["IsTruncated"]:
            break
        marker = page["NextPartNumberMarker"]
    assert listed == [(number, len(part), sha256(part)) for number, part in enumerate(PARTS, 1)]


def test_attributes_of_an_object_that_was_sent_whole(s3: Any, bucket: str) -> None:
    found = s3.get_object_attributes(Bucket=bucket, Key="whole", ObjectAttributes=ATTRIBUTES)
    assert found["ETag"] == md5(b"123456789").strip('"')
    assert found["Checksum"] == {"ChecksumCRC32C": "4waSgw==", "ChecksumType": "FULL_OBJECT"}
    assert not {"ObjectParts", "StorageClass"} & found.keys()


def test_attributes_of_what_is_missing(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="deleted")
    marker = s3.delete_object(Bucket=bucket, Key="deleted")["VersionId"]
    for version_id, code, status in ((marker, "MethodNotAllowed", 405), (str(uuid.uuid4()), "NoSuchVersion", 404)):
        with rejected(code, status):
            s3.get_object_attributes(Bucket=bucket, Key="deleted", VersionId=version_id, ObjectAttributes=ATTRIBUTES)
    with rejected("NoSuchKey", 404):
        s3.get_object_attributes(Bucket=bucket, Key="missing", ObjectAttributes=ATTRIBUTES)


def test_an_object_with_a_customers_key_is_not_described_without_it(s3: Any, bucket: str) -> None:
    customer = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    s3.put_object(Bucket=bucket, Key="secret", Body=b"x", **customer)
    with rejected("400", 400):
        s3.head_object(Bucket=bucket, Key="secret")
    assert s3.head_object(Bucket=bucket, Key="secret", **customer)["ContentLength"] == 1


def test_only_the_named_object_is_deleted(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="moved", Body=b"x")["ETag"]
    with rejected("PreconditionFailed", 412):
        s3.delete_object(Bucket=bucket, Key="moved", IfMatch=md5(b"other"))
    assert s3.delete_object(Bucket=bucket, Key="moved", IfMatch=etag)["DeleteMarker"]
    with rejected("NoSuchKey", 404):
        s3.delete_object(Bucket=bucket, Key="moved", IfMatch=etag)
