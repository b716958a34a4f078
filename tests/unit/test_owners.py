"""The owner of each bucket, sent to S3 with every request, and the message when S3 denies it."""

import json
from typing import Any

import pytest

from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors
from functions.runtime.errors import AccessDenied, SettingInvalid
from tests.unit.conftest import KEY, SOURCE, SOURCE_REGION, TARGET, TARGET_REGION, Cloud

SOURCES_ACCOUNT, TARGETS_ACCOUNT = "111111111111", "222222222222"
HEADER, SOURCE_HEADER = "x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"


@pytest.fixture
def owned(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """Two buckets of two accounts, and a third one without a declared owner."""
    monkeypatch.setenv("BUCKET_OWNERS", json.dumps({SOURCE: SOURCES_ACCOUNT, TARGET: TARGETS_ACCOUNT}))
    cloud.target.create_bucket(Bucket="of-nobody-we-know")
    return cloud


def headers(cloud: Cloud, operation: str) -> dict[str, str]:
    """The owners in the only request of an operation."""
    (request,) = cloud.hooks.sent[operation]
    owners = {name.lower(): value for name, value in request.headers.items() if "owner" in name.lower()}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in owners.items()}


def test_the_owner_of_the_bucket_is_sent(owned: Cloud) -> None:
    owned.upload()
    clients.s3(SOURCE_REGION).head_object(Bucket=SOURCE, Key=KEY)
    clients.s3_for_conditional_writes(TARGET_REGION, 9).put_object(Bucket=TARGET, Key=KEY, Body=b"")
    assert headers(owned, "HeadObject") == {HEADER: SOURCES_ACCOUNT}
    assert headers(owned, "PutObject") == {HEADER: TARGETS_ACCOUNT}


def test_a_copy_names_both_owners(owned: Cloud) -> None:
    owned.upload()
    upload = clients.s3(TARGET_REGION).create_multipart_upload(Bucket=TARGET, Key=KEY)["UploadId"]
    which: dict[str, Any] = {"Bucket": TARGET, "Key": KEY, "CopySource": {"Bucket": SOURCE, "Key": KEY}}
    clients.s3(TARGET_REGION).copy_object(**which)
    clients.s3(TARGET_REGION).upload_part_copy(**which, UploadId=upload, PartNumber=1)
    for operation in ("CopyObject", "UploadPartCopy"):
        assert headers(owned, operation) == {HEADER: TARGETS_ACCOUNT, SOURCE_HEADER: SOURCES_ACCOUNT}


def test_no_owner_is_sent_for_a_bucket_that_is_not_named(owned: Cloud) -> None:
    clients.s3(TARGET_REGION).put_object(Bucket="of-nobody-we-know", Key=KEY, Body=b"")
    clients.s3(TARGET_REGION).list_buckets()
    assert headers(owned, "PutObject") == headers(owned, "ListBuckets") == {}


@pytest.mark.parametrize("setting", [None, "{}"])
def test_no_owner_is_sent_without_the_setting(
    owned: Cloud, monkeypatch: pytest.MonkeyPatch, setting: str | None
) -> None:
    monkeypatch.delenv("BUCKET_OWNERS")
    if setting:
        monkeypatch.setenv("BUCKET_OWNERS", setting)
    clients.s3(SOURCE_REGION).put_object(Bucket=SOURCE, Key=KEY, Body=b"")
    assert headers(owned, "PutObject") == {}


@pytest.mark.parametrize("operation", ["get_object", "head_object"])
def test_a_denial_names_the_owner_that_was_expected(owned: Cloud, operation: str) -> None:
    def deny(parsed: dict[str, Any], http_response: Any, **_: object) -> None:
        http_response.status_code = 403
        parsed["Error"] = {"Code": "AccessDenied", "Message": "Access Denied"}

    client = clients.s3(SOURCE_REGION)
    owned.upload()
    client.meta.events.register_first("after-call.s3", deny)
    with pytest.raises(AccessDenied) as denied, aws_errors("reading s3://a/b"):
        getattr(client, operation)(Bucket=SOURCE, Key=KEY)
    message = str(denied.value)
    assert f"account {SOURCES_ACCOUNT} no longer owns {SOURCE}" in message


def test_a_denied_copy_names_both_owners_and_another_error_none(owned: Cloud) -> None:
    client = clients.s3(TARGET_REGION)
    which: dict[str, Any] = {"Bucket": TARGET, "Key": KEY, "CopySource": {"Bucket": SOURCE, "Key": "gone"}}
    with pytest.raises(client.exceptions.NoSuchKey) as missing:
        client.copy_object(**which)
    assert "expected_owners" not in missing.value.response["Error"]
    client.meta.events.register_first(
        "after-call.s3", lambda http_response, **_: setattr(http_response, "status_code", 403)
    )
    owned.hooks.edits.clear()
    with pytest.raises(client.exceptions.ClientError) as denied:
        client.copy_object(**which)
    assert denied.value.response["Error"]["expected_owners"] == {TARGET: TARGETS_ACCOUNT, SOURCE: SOURCES_ACCOUNT}  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("", "Invalid JSON"),
        ("[]", "valid dictionary"),
        ('{"a-bucket": "12345678901"}', "should match pattern"),
        ('{"a-bucket": "1234567890123"}', "should match pattern"),
        ('{"a-bucket": 123456789012}', "valid string"),
        ('{"No Bucket": "123456789012"}', "should match pattern"),
    ],
)
def test_a_wrong_setting_is_rejected_before_anything_is_sent(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, setting: str, reason: str
) -> None:
    monkeypatch.setenv("BUCKET_OWNERS", setting)
    with pytest.raises(SettingInvalid, match=rf"BUCKET_OWNERS: .*{reason}") as raised:
        clients.s3(SOURCE_REGION)
    assert "\n" not in str(raised.value)
    assert not cloud.hooks.sent
