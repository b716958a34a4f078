"""The local cloud returns and copies user metadata outside US-ASCII as AWS does.

AWS: "Working with object metadata" (S3 User Guide).
"""

from typing import Any

import pytest

from tests.support.local_s3 import new_bucket

SENT = "ÄMÄZÕÑ S3"
RETURNED = "=?UTF-8?B?w4PChE3Dg8KEWsODwpXDg8KRIFMz?="
"""That page's own example."""


@pytest.fixture
def bucket(s3: Any) -> str:
    return new_bucket(s3, "metadata", versioned=True)


@pytest.fixture
def described(s3: Any, bucket: str) -> str:
    """A bucket whose object `k` was sent with UTF-8 in its metadata; botocore itself rejects it."""

    def send_as_it_is(request: Any, **_: Any) -> None:
        request.headers["x-amz-meta-name"] = SENT.encode().decode("latin-1")

    s3.meta.events.register("before-sign.s3.PutObject", send_as_it_is)
    try:
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"plain": "a b"})
    finally:
        s3.meta.events.unregister("before-sign.s3.PutObject", send_as_it_is)
    return bucket


def test_metadata_outside_ascii_is_encoded(s3: Any, described: str) -> None:
    expected = {"plain": "a b", "name": RETURNED}
    version_id = s3.head_object(Bucket=described, Key="k")["VersionId"]
    for read in (s3.head_object, s3.get_object):
        assert read(Bucket=described, Key="k")["Metadata"] == expected
        assert read(Bucket=described, Key="k", VersionId=version_id)["Metadata"] == expected


def test_both_ways_to_copy_keep_such_metadata(s3: Any, described: str) -> None:
    expected = s3.head_object(Bucket=described, Key="k")["Metadata"]
    s3.copy_object(Bucket=described, Key="copied", CopySource=f"{described}/k")
    where = {"Bucket": described, "Key": "parts"}
    where["UploadId"] = s3.create_multipart_upload(**where, Metadata=expected)["UploadId"]
    etag = s3.upload_part_copy(**where, PartNumber=1, CopySource=f"{described}/k")["CopyPartResult"]["ETag"]
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    for key in ("copied", "parts"):
        assert s3.head_object(Bucket=described, Key=key)["Metadata"] == expected
