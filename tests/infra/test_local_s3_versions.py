"""Version ids in the local cloud, and what listings tell of versions.

AWS: "Adding objects to versioning-suspended buckets" (S3 User Guide), "ListObjectsV2", "ListObjectVersions" (S3 API
reference). What writes answer, and what a malformed id is answered, is recorded from AWS, February 2026.
"""

import uuid
from typing import Any

import pytest

from tests.support.local_s3 import SMALLEST_PART, content, rejected, upload
from tests.support.local_server import Server


@pytest.fixture(scope="module")
def s3(server: Server) -> Any:
    return server.client("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"versions-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


def set_versioning(s3: Any, bucket: str, status: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})


def test_a_write_to_a_suspended_bucket_names_no_version_and_reads_name_null(s3: Any, bucket: str) -> None:
    set_versioning(s3, bucket, "Enabled")
    older = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    set_versioning(s3, bucket, "Suspended")
    where = {"Bucket": bucket, "Key": "k"}
    for body in (b"2", b"3"):
        assert "VersionId" not in s3.put_object(**where, Body=body)
    copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k")
    assert ("VersionId" in copied, copied["CopySourceVersionId"]) == (False, "null")
    tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
    for found in (
        s3.head_object(**where),
        s3.get_object(**where),
        s3.head_object(**where, VersionId="null"),
        s3.put_object_tagging(**where, Tagging=tags),
        s3.get_object_tagging(**where),
        s3.get_object_attributes(**where, ObjectAttributes=["ETag"]),
    ):
        assert found["VersionId"] == "null"
    listed = s3.list_object_versions(Bucket=bucket, Prefix="k")["Versions"]
    assert [version["VersionId"] for version in listed] == ["null", older]
    deleted = s3.delete_object(**where)
    assert (deleted["DeleteMarker"], deleted["VersionId"]) == (True, "null")
    listed = s3.list_object_versions(Bucket=bucket, Prefix="k")
    assert [version["VersionId"] for version in listed["Versions"]] == [older]


def test_a_bucket_without_versioning_names_none(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    assert "VersionId" not in s3.head_object(Bucket=bucket, Key="k")
    assert "VersionId" not in s3.get_object(Bucket=bucket, Key="k", VersionId="null")
    set_versioning(s3, bucket, "Enabled")
    assert s3.head_object(Bucket=bucket, Key="k")["VersionId"] == "null"


@pytest.mark.parametrize("status", [None, "Enabled"])
def test_a_malformed_version_id_is_an_invalid_argument(s3: Any, bucket: str, status: str | None) -> None:
    if status:
        set_versioning(s3, bucket, status)
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    where = {"Bucket": bucket, "Key": "k", "VersionId": "HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD"}
    for call in (s3.get_object, s3.delete_object, s3.get_object_tagging):
        with rejected("InvalidArgument", 400):
            call(**where)
    with rejected("400", 400):
        s3.head_object(**where)
    with rejected("NoSuchVersion", 404):
        s3.get_object(**{**where, "VersionId": str(uuid.uuid4())})


@pytest.mark.parametrize("status", [None, "Enabled"])
def test_versions_that_delete_objects_does_not_find_are_errors(s3: Any, bucket: str, status: str | None) -> None:
    if status:
        set_versioning(s3, bucket, status)
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    there = s3.put_object(Bucket=bucket, Key="there", Body=b"1").get("VersionId", "null")
    missing = [
        {"Key": "k", "VersionId": "HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD"},
        {"Key": "x", "VersionId": str(uuid.uuid4())},
    ]
    found = {"Key": "there", "VersionId": there}
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [*missing, found]})
    assert answer["Deleted"] == [found]
    assert [{name: error[name] for name in ("Key", "VersionId")} for error in answer["Errors"]] == missing
    assert {error["Code"] for error in answer["Errors"]} == {"NoSuchVersion"}
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": missing, "Quiet": True})
    assert ("Deleted" in quiet, len(quiet["Errors"])) == (False, 2)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"


def test_listings_tell_the_algorithm_and_type_of_checksums(s3: Any, bucket: str) -> None:
    set_versioning(s3, bucket, "Enabled")
    s3.put_object(Bucket=bucket, Key="a b+ü", Body=b"1", ChecksumAlgorithm="SHA1")
    s3.put_object(Bucket=bucket, Key="a b+ü", Body=b"1", ChecksumAlgorithm="CRC32C")
    upload(s3, bucket, "parts", [content(SMALLEST_PART), b"x"], ChecksumAlgorithm="SHA256")
    upload(s3, bucket, "without", [b"x"])
    expected = [("a b+ü", ["CRC32C"], "FULL_OBJECT"), ("parts", ["SHA256"], "COMPOSITE")]
    expected.append(("without", ["CRC64NVME"], "FULL_OBJECT"))

    def told(objects: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
        return [(found["Key"], found["ChecksumAlgorithm"], found["ChecksumType"]) for found in objects]

    assert told(s3.list_objects_v2(Bucket=bucket)["Contents"]) == expected
    assert told(s3.list_objects(Bucket=bucket)["Contents"]) == expected
    versions = told(s3.list_object_versions(Bucket=bucket)["Versions"])
    assert versions == [expected[0], ("a b+ü", ["SHA1"], "FULL_OBJECT"), *expected[1:]]


def test_kms_without_a_key_is_the_accounts_own(s3: Any, bucket: str) -> None:
    """AWS: "PutObject", S3 API reference: ServerSideEncryption."""
    for key, call in {
        "put": s3.put_object,
        "copied": lambda **where: s3.copy_object(**where, CopySource=f"{bucket}/put"),
        "parts": s3.create_multipart_upload,
    }.items():
        assert call(Bucket=bucket, Key=key, ServerSideEncryption="aws:kms")["ServerSideEncryption"] == "aws:kms"
    head = s3.head_object(Bucket=bucket, Key="copied")
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"].split("/")[0]) == (
        "aws:kms",
        "arn:aws:kms:us-east-1:000000000000:key",
    )
