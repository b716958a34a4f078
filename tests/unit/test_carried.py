"""What a copy carries, held against botocore's model of S3: nothing is left out without a reason."""

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from functions.objects.attributes import CONTENT, DECIDED, GIVEN, LOCK, NOT_CARRIED, carried, digest

HEAD: dict[str, Any] = {
    "CacheControl": "no-store",
    "ContentType": "text/csv",
    "Expires": datetime(2030, 1, 1, tzinfo=UTC),
    "ExpiresString": "Tue, 01 Jan 2030 00:00:00 GMT",
    "Metadata": {"a": "1"},
    "WebsiteRedirectLocation": "/b",
    "ObjectLockMode": "GOVERNANCE",
    "ObjectLockRetainUntilDate": datetime(2030, 1, 1, tzinfo=UTC),
    "TagCount": 2,
    "StorageClass": "STANDARD_IA",
    "ETag": '"0123"',
    "ContentLength": 7,
}


def members(operation: str, shape: str) -> set[str]:
    model = boto3.Session().client("s3", "us-east-1").meta.service_model.operation_model(operation)
    return set(getattr(model, shape).members)


def test_whatever_head_returns_and_an_upload_takes_is_carried_or_left_behind_for_a_reason() -> None:
    shared = members("HeadObject", "output_shape") & members("CreateMultipartUpload", "input_shape")
    listed = [*CONTENT, *GIVEN, *LOCK, *DECIDED, *NOT_CARRIED]
    assert len(listed) == len(set(listed)), "each is in one list"
    assert set(listed) == shared
    assert all(NOT_CARRIED.values())


def test_what_one_copy_takes_the_other_takes_too() -> None:
    sent = {*GIVEN, *LOCK, *DECIDED, *CONTENT}
    assert sent <= members("CopyObject", "input_shape")
    assert sent <= members("CreateMultipartUpload", "input_shape")


def test_what_head_tells_is_carried_as_it_was_written() -> None:
    assert carried(HEAD) == {
        "CacheControl": "no-store",
        "ContentType": "text/csv",
        "Expires": "Tue, 01 Jan 2030 00:00:00 GMT",
        "Metadata": {"a": "1"},
        "WebsiteRedirectLocation": "/b",
    }
    assert carried({"Metadata": {}}) == {}
    assert carried({"ExpiresString": ""}) == {"Expires": ""}, "it is a header, too"


@pytest.mark.parametrize(
    "change",
    [
        {"CacheControl": None},
        {"ContentLanguage": "fr"},
        {"ExpiresString": "0"},
        {"ExpiresString": ""},
        {"Metadata": {"a": "2"}},
        {"WebsiteRedirectLocation": "/c"},
        {"ObjectLockMode": "COMPLIANCE"},
        {"ObjectLockRetainUntilDate": datetime(2031, 1, 1, tzinfo=UTC)},
        {"ObjectLockLegalHoldStatus": "ON"},
        {"TagCount": 3},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_digest_tells_whatever_was_changed_about_the_object(change: dict[str, Any]) -> None:
    assert digest(HEAD | change) != digest(HEAD)


@pytest.mark.parametrize(
    "change",
    [{"StorageClass": "GLACIER_IR"}, {"ETag": '"4567"'}, {"Metadata": {"a": "1"}}],
    ids=["lifecycle", "bytes", "same"],
)
def test_the_digest_tells_nothing_else(change: dict[str, Any]) -> None:
    assert digest(HEAD | change) == digest(HEAD)
    assert digest(dict(reversed(HEAD.items()))) == digest(HEAD)
