"""A request must expect the bucket's true owner, as on AWS.

AWS: "Verifying bucket ownership with bucket owner condition" (Amazon S3 User Guide).
"""

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local.provision import ACCOUNT
from tests.support.local_s3 import new_bucket

SOMEBODY_ELSE = "210987654321"


@pytest.fixture(scope="module")
def bucket(s3: Any) -> str:
    name = new_bucket(s3, "owners")
    s3.put_object(Bucket=name, Key="a", Body=b"x", ExpectedBucketOwner=ACCOUNT)
    return name


def status(error: ClientError) -> int:
    return error.response["ResponseMetadata"]["HTTPStatusCode"]


def test_the_true_owner_is_served(s3: Any, bucket: str) -> None:
    assert s3.get_object(Bucket=bucket, Key="a", ExpectedBucketOwner=ACCOUNT)["Body"].read() == b"x"


def test_another_owner_gets_nothing_and_gives_nothing(s3: Any, bucket: str) -> None:
    for call, arguments in (
        (s3.get_object, {"Key": "a"}),
        (s3.head_object, {"Key": "a"}),
        (s3.put_object, {"Key": "a", "Body": b"ours"}),
        (s3.delete_object, {"Key": "a"}),
        (s3.list_objects_v2, {}),
        (s3.create_multipart_upload, {"Key": "a"}),
    ):
        with pytest.raises(ClientError) as denied:
            call(Bucket=bucket, ExpectedBucketOwner=SOMEBODY_ELSE, **arguments)
        assert status(denied.value) == 403
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"


def test_of_a_copy_both_owners_count(s3: Any, bucket: str) -> None:
    which = {"Bucket": bucket, "Key": "b", "CopySource": {"Bucket": bucket, "Key": "a"}}
    for owners in ((SOMEBODY_ELSE, ACCOUNT), (ACCOUNT, SOMEBODY_ELSE)):
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.copy_object(**which, ExpectedBucketOwner=owners[0], ExpectedSourceBucketOwner=owners[1])
    s3.copy_object(**which, ExpectedBucketOwner=ACCOUNT, ExpectedSourceBucketOwner=ACCOUNT)


def test_a_bucket_that_is_not_there_is_still_missing(s3: Any) -> None:
    with pytest.raises(s3.exceptions.NoSuchBucket):
        s3.list_objects_v2(Bucket=f"absent-{uuid.uuid4().hex[:12]}", ExpectedBucketOwner=SOMEBODY_ELSE)
