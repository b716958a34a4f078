"""The conditions of writes in the local cloud are AWS's.

AWS: "How to prevent object overwrites with conditional writes" (S3 User Guide), "CompleteMultipartUpload" (S3 API
reference). When the conflict comes, and what is not implemented, is recorded from AWS, February 2026.
"""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.local_s3 import md5, rejected
from tests.support.local_server import Server

BYTES = b"test"


@pytest.fixture(scope="module")
def s3(server: Server) -> Any:
    return server.client("s3")


@pytest.fixture(params=[None, "Enabled"], ids=["unversioned", "versioned"])
def where(request: pytest.FixtureRequest, s3: Any) -> dict[str, str]:
    """A key in a new bucket."""
    bucket = f"conditions-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket)
    if request.param:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": request.param})
    return {"Bucket": bucket, "Key": "k"}


@pytest.fixture
def begin(s3: Any, where: dict[str, str]) -> Callable[[], Callable[..., str]]:
    """Begin an upload; what is returned completes it, on a condition."""

    def begun() -> Callable[..., str]:
        upload = {**where, "UploadId": s3.create_multipart_upload(**where)["UploadId"]}
        part = {"PartNumber": 1, "ETag": s3.upload_part(**upload, PartNumber=1, Body=BYTES)["ETag"]}

        def complete(**condition: str) -> str:
            return str(s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [part]}, **condition)["ETag"])

        return complete

    return begun


def test_a_write_after_the_beginning_is_a_conflict(s3: Any, where: dict[str, str], begin: Any) -> None:
    old = s3.put_object(**where, Body=BYTES)["ETag"]
    complete = begin()
    new = s3.put_object(**where, Body=b"meanwhile")["ETag"]
    with rejected("PreconditionFailed", 412):
        complete(IfMatch=old)
    with rejected("ConditionalRequestConflict", 409):
        complete(IfMatch=new)
    begin()(IfMatch=new)


def test_also_one_of_the_same_bytes(s3: Any, where: dict[str, str], begin: Any) -> None:
    etag = s3.put_object(**where, Body=BYTES)["ETag"]
    complete = begin()
    s3.put_object(**where, Body=BYTES)
    with rejected("ConditionalRequestConflict", 409):
        complete(IfMatch=etag)


def test_also_a_copy_and_another_upload(s3: Any, where: dict[str, str], begin: Any) -> None:
    s3.put_object(Bucket=where["Bucket"], Key="source", Body=BYTES)
    first, second = begin(), begin()
    etag = s3.copy_object(**where, CopySource=f"{where['Bucket']}/source")["CopyObjectResult"]["ETag"]
    with rejected("ConditionalRequestConflict", 409):
        first(IfMatch=etag)
    third = begin()
    etag = third(IfMatch=etag)
    with rejected("ConditionalRequestConflict", 409):
        second(IfMatch=etag)


def test_a_deletion_is_one_too(s3: Any, where: dict[str, str], begin: Any) -> None:
    etag = s3.put_object(**where, Body=BYTES)["ETag"]
    complete = begin()
    with rejected("PreconditionFailed", 412):
        complete(IfNoneMatch="*")
    s3.delete_object(**where)
    with rejected("NoSuchKey", 404):
        complete(IfMatch=etag)
    with rejected("ConditionalRequestConflict", 409):
        complete(IfNoneMatch="*")
    s3.put_object(**where, Body=BYTES)
    with rejected("ConditionalRequestConflict", 409):
        complete(IfMatch=etag)


def test_also_the_deletion_of_many(s3: Any, where: dict[str, str], begin: Any) -> None:
    s3.put_object(**where, Body=BYTES)
    complete = begin()
    s3.delete_objects(Bucket=where["Bucket"], Delete={"Objects": [{"Key": where["Key"]}]})
    with rejected("ConditionalRequestConflict", 409):
        complete(IfNoneMatch="*")


def test_an_upload_that_nothing_crossed_stays_after_a_failed_condition(
    s3: Any, where: dict[str, str], begin: Any
) -> None:
    etag = s3.put_object(**where, Body=BYTES)["ETag"]
    s3.put_object(Bucket=where["Bucket"], Key="another", Body=BYTES)
    complete = begin()
    s3.put_object(Bucket=where["Bucket"], Key="another", Body=BYTES)
    with rejected("PreconditionFailed", 412):
        complete(IfMatch=md5(b"other"))
    complete(IfMatch=etag)


def test_without_a_condition_there_is_no_conflict(s3: Any, where: dict[str, str], begin: Any) -> None:
    complete = begin()
    s3.put_object(**where, Body=BYTES)
    complete()


@pytest.mark.parametrize(
    "condition",
    [{"IfNoneMatch": md5(BYTES)}, {"IfMatch": "*"}, {"IfMatch": md5(BYTES), "IfNoneMatch": "*"}],
    ids=["an ETag must not match", "any ETag must match", "both"],
)
def test_other_conditions_are_not_implemented(
    s3: Any, where: dict[str, str], begin: Any, condition: dict[str, str]
) -> None:
    s3.put_object(Bucket=where["Bucket"], Key="source", Body=BYTES)
    s3.put_object(**where, Body=BYTES)
    with rejected("NotImplemented", 501):
        s3.put_object(**where, Body=BYTES, **condition)
    with rejected("NotImplemented", 501):
        s3.copy_object(**where, CopySource=f"{where['Bucket']}/source", **condition)
    complete = begin()
    with rejected("NotImplemented", 501):
        complete(**condition)
