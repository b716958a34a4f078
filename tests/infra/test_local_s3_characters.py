"""Keys with characters that XML 1.0 cannot hold pass through the local cloud unchanged.

AWS: "ListObjectsV2", "ListObjectVersions", "ListMultipartUploads" (S3 API reference: EncodingType).
"""

from typing import Any
from urllib.parse import unquote_plus

import pytest

from tests.support.local_s3 import new_bucket, rejected

KEYS = {
    "control character": "c/\x01l",
    "carriage return": "a\rb",
    "line end": "a\r\nb",
    "no character": "x\uffff",
    "plus and space": "a+b c",
}


@pytest.fixture
def bucket(s3: Any) -> str:
    return new_bucket(s3, "characters", versioned=True)


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_key_is_listed_as_it_is(s3: Any, bucket: str, key: str) -> None:
    version_id = s3.put_object(Bucket=bucket, Key=key, Body=b"x")["VersionId"]
    marker_id = s3.delete_object(Bucket=bucket, Key=key)["VersionId"]
    listed = s3.list_object_versions(Bucket=bucket, Prefix=key)
    assert [(found["Key"], found["VersionId"]) for found in listed["Versions"]] == [(key, version_id)]
    assert [(found["Key"], found["VersionId"]) for found in listed["DeleteMarkers"]] == [(key, marker_id)]
    assert listed["Prefix"] == key
    s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    assert [found["Key"] for found in s3.list_objects_v2(Bucket=bucket, Prefix=key)["Contents"]] == [key]


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_versions_of_a_key_are_listed_page_after_page(s3: Any, bucket: str, key: str) -> None:
    written = [s3.put_object(Bucket=bucket, Key=key, Body=b"x")["VersionId"] for _ in range(3)]
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": 1})
    found = [(version["Key"], version["VersionId"]) for page in pages for version in page["Versions"]]
    assert found == [(key, version_id) for version_id in reversed(written)]


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_an_upload_of_a_key_begins_is_listed_and_ends(s3: Any, bucket: str, key: str) -> None:
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    where = {"Bucket": bucket, "Key": key, "UploadId": upload_id}
    listed = s3.list_multipart_uploads(Bucket=bucket, Prefix=key, EncodingType="url")
    assert listed["EncodingType"] == "url"
    assert [(unquote_plus(found["Key"]), found["UploadId"]) for found in listed["Uploads"]] == [(key, upload_id)]
    etag = s3.upload_part(**where, PartNumber=1, Body=b"x")["ETag"]
    assert [part["ETag"] for part in s3.list_parts(**where)["Parts"]] == [etag]
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"x"


def test_an_upload_without_encoding_is_listed_too(s3: Any, bucket: str) -> None:
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="a\x01b\rc")["UploadId"]
    listed = s3.list_multipart_uploads(Bucket=bucket)
    assert [(found["Key"], found["UploadId"]) for found in listed["Uploads"]] == [("a\ufffdb\rc", upload_id)]


def test_a_missing_key_is_reported_whatever_its_characters(s3: Any, bucket: str) -> None:
    with rejected("NoSuchKey", 404):
        s3.get_object(Bucket=bucket, Key="a\x01b")
