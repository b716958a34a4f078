"""CopyObject: what is sent, on which conditions, and what is made of each answer."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError

from functions import copy_object
from functions.common import clients
from functions.common.bounds import COPY_CALLS
from functions.common.errors import (
    AccessDenied,
    BucketMissing,
    CopyTimedOut,
    ObjectTooLarge,
    RequestRefused,
    SettingInvalid,
    SourceMissing,
    Throttled,
)
from functions.common.models import Copy, Source
from functions.copy_object import LARGEST_COPY_BYTES, MARGIN_MS
from tests.unit.conftest import KEY, NO_ANSWER, PLENTY_MS, SOURCE, TARGET, Cloud, LambdaContext, Refusal, step_event

TOO_LITTLE_MS = MARGIN_MS


def run(upload: Source, context: LambdaContext | None = None, **given: Any) -> Copy:
    return Copy.model_validate(copy_object.handler(step_event(upload, **given), context or LambdaContext()))


def copies(cloud: Cloud) -> list[dict[str, Any]]:
    return cloud.hooks.params["CopyObject"]


def test_everything_that_is_sent_with_a_copy_is_in_the_service_model() -> None:
    members = boto3.Session().client("s3", "us-east-1").meta.service_model.operation_model("CopyObject").input_shape
    sent = {"Bucket", "Key", "CopySource", "CopySourceIfMatch", "IfMatch", "IfNoneMatch", "ChecksumAlgorithm"}
    assert sent <= set(members.members)  # type: ignore[union-attr]


def test_a_first_copy_asks_for_that_source_and_for_no_target(cloud: Cloud) -> None:
    upload = cloud.upload(b"some bytes", Metadata={"colour": "red"}, Tagging="a=b", ChecksumAlgorithm="SHA256")
    done = run(upload)
    assert (done.status, done.calls, done.redrive_count) == ("copied", 1, 0)
    assert copies(cloud) == [
        {
            "Bucket": TARGET,
            "Key": KEY,
            "CopySource": {"Bucket": SOURCE, "Key": KEY, "VersionId": upload.version_id},
            "CopySourceIfMatch": upload.etag,
            "ChecksumAlgorithm": "SHA256",
            "IfNoneMatch": "*",
        }
    ]
    (request,) = cloud.hooks.sent["CopyObject"]
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert unquote(_text(headers["x-amz-copy-source"])) == f"{SOURCE}/{KEY}?versionId={upload.version_id}"
    assert _text(headers["x-amz-copy-source-if-match"]) == upload.etag
    assert _text(headers["if-none-match"]) == "*"
    assert _text(headers["x-amz-checksum-algorithm"]) == "SHA256"
    assert "if-match" not in headers
    assert ".us-east-1." in request.url or "s3.amazonaws.com" in request.url, "a copy is asked of the target's region"
    assert cloud.arrived() == b"some bytes"
    assert done.target
    assert done.target.version_id == cloud.target.head_object(Bucket=TARGET, Key=KEY)["VersionId"]
    assert done.source
    assert (done.source.etag, done.source.size_bytes) == (upload.etag, 10)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def test_a_copy_over_an_older_target_asks_for_exactly_that_target(cloud: Cloud) -> None:
    there = cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=b"old")["ETag"].strip('"')
    run(cloud.upload(b"new"))
    (sent,) = copies(cloud)
    assert sent["IfMatch"] == there
    assert "IfNoneMatch" not in sent
    assert cloud.arrived() == b"new"


def test_without_versions_the_etag_alone_says_which(cloud: Cloud) -> None:
    cloud.unversion()
    done = run(cloud.upload(b"new"))
    (sent,) = copies(cloud)
    assert sent["CopySource"] == {"Bucket": SOURCE, "Key": KEY}
    assert done.target
    assert done.target.version_id is None


def test_a_null_version_is_no_version(cloud: Cloud) -> None:
    cloud.unversion()
    upload = cloud.upload().model_copy(update={"version_id": "null"})
    cloud.hooks.edits["HeadObject"] = lambda answer: answer.update(VersionId="null")
    cloud.hooks.edits["CopyObject"] = lambda answer: answer.update(VersionId="null")
    done = run(upload)
    assert done.status == "copied"
    assert done.target
    assert done.source
    assert (done.source.version_id, done.target.version_id) == (None, None)
    assert copies(cloud)[0]["CopySource"] == {"Bucket": SOURCE, "Key": KEY}


def test_a_source_without_a_checksum_gets_s3s_own_at_the_target(cloud: Cloud) -> None:
    cloud.hooks.edits["HeadObject"] = _drop_checksums
    run(cloud.upload())
    assert copies(cloud)[0]["ChecksumAlgorithm"] == "CRC64NVME"


def _drop_checksums(answer: dict[str, Any]) -> None:
    for name in [name for name in answer if name.startswith("Checksum")]:
        del answer[name]


def test_the_sdk_sends_a_conditional_write_once_whatever_happens(cloud: Cloud) -> None:
    upload = cloud.upload()
    client = clients.s3_for_conditional_writes("us-east-1", 123)
    sent: list[object] = []

    def no_answer(request: object, **_: object) -> None:
        sent.append(request)
        raise NO_ANSWER

    client.meta.events.register("before-send.s3.CopyObject", no_answer)
    with pytest.raises(ReadTimeoutError):
        client.copy_object(Bucket=TARGET, Key=KEY, CopySource={"Bucket": SOURCE, "Key": upload.key})
    assert len(sent) == 1


@pytest.mark.parametrize(("remaining_ms", "seconds"), [(900_000, 870), (100_000, 60), (20_000, 30)])
def test_the_copys_answer_is_waited_for_as_long_as_the_function_may_still_run(
    cloud: Cloud, remaining_ms: int, seconds: int
) -> None:
    run(cloud.upload(), LambdaContext([remaining_ms]))
    made = clients._client.cache_info().currsize
    clients.s3_for_conditional_writes("us-east-1", seconds)
    assert clients._client.cache_info().currsize == made, "it is the client that the copy used"


def test_after_a_few_refusals_the_state_machine_waits_a_little(cloud: Cloud) -> None:
    cloud.hooks.answer("CopyObject", *[Refusal("ConditionalRequestConflict")] * 10)
    assert run(cloud.upload()).status == "in_progress"
    assert len(copies(cloud)) == copy_object.REFUSALS


@pytest.mark.parametrize(
    ("started", "status"), [("2026-11-01T10:00:00Z", "copied"), ("2099-01-01T00:00:00Z", "superseded")]
)
def test_a_target_that_an_earlier_run_of_this_step_may_have_written_is_not_left_older_than_the_source(
    cloud: Cloud, started: str, status: str
) -> None:
    """The earlier run was stopped between its copy and its last look, and so did not see the newer upload."""
    older = cloud.upload(b"older")
    cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=b"older")
    cloud.upload(b"newer")
    assert run(older, started=started).status == status
    assert cloud.arrived() == (b"newer" if status == "copied" else b"older")


@pytest.mark.parametrize("code", ["412", "PreconditionFailed", "409", "ConditionalRequestConflict", "404", "NoSuchKey"])
def test_a_refused_condition_means_to_look_again(cloud: Cloud, code: str) -> None:
    upload = cloud.upload(b"new")
    cloud.hooks.answer("CopyObject", Refusal(code))
    done = run(upload)
    assert done.status == "copied"
    assert len(copies(cloud)) == 2
    looks = [given["Bucket"] for given in cloud.hooks.params["HeadObject"]]
    assert looks == [TARGET, SOURCE, TARGET, SOURCE, SOURCE]


def test_a_copy_refused_because_another_delivery_was_faster_is_found_there(cloud: Cloud) -> None:
    upload = cloud.upload(b"new")
    cloud.hooks.answer("CopyObject", Refusal("PreconditionFailed"))

    def faster(_answer: object) -> None:
        cloud.hooks.edits.clear()
        cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=b"new")

    cloud.hooks.edits["HeadObject"] = lambda answer: (
        faster(answer) if answer["ETag"].strip('"') == upload.etag else None
    )
    done = run(upload)
    assert done.status == "unchanged"
    assert len(copies(cloud)) == 1


def test_a_copy_whose_answer_never_came_is_looked_for(cloud: Cloud) -> None:
    upload = cloud.upload(b"new")

    def arrive_and_time_out() -> None:
        cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=b"new")
        raise NO_ANSWER

    cloud.hooks.answer("CopyObject", arrive_and_time_out)
    done = run(upload)
    assert done.status == "unchanged"
    assert len(copies(cloud)) == 1


def test_a_copy_whose_answer_never_came_and_that_did_not_arrive_is_sent_again(cloud: Cloud) -> None:
    cloud.hooks.answer("CopyObject", NO_ANSWER)
    assert run(cloud.upload(b"new")).status == "copied"
    assert len(copies(cloud)) == 2


def test_without_time_nothing_is_begun(cloud: Cloud) -> None:
    done = run(cloud.upload(), LambdaContext([TOO_LITTLE_MS]))
    assert (done.status, done.source, done.target, done.calls) == ("in_progress", None, None, 1)
    assert not cloud.hooks.params["HeadObject"]


def test_when_time_runs_out_while_the_source_moves_the_next_call_goes_on_although_it_is_not_the_upload(
    cloud: Cloud,
) -> None:
    """The first call copied the event's upload and saw a newer one; what is at the target is ours to replace."""
    upload = cloud.upload(b"first")
    cloud.hooks.edits["CopyObject"] = lambda _: cloud.upload(b"second")
    first = run(upload, LambdaContext([PLENTY_MS, PLENTY_MS, TOO_LITTLE_MS]))
    assert first.status == "in_progress"
    cloud.hooks.edits.clear()
    second = run(upload, copy=first)
    assert (second.status, second.calls) == ("copied", 2)
    assert cloud.arrived() == b"second"


def test_an_upload_during_the_copy_is_copied_too(cloud: Cloud) -> None:
    def upload_a_newer(_answer: object) -> None:
        cloud.hooks.edits.clear()
        cloud.upload(b"second")

    cloud.hooks.edits["CopyObject"] = upload_a_newer
    done = run(cloud.upload(b"first"))
    assert (done.status, cloud.arrived()) == ("copied", b"second")
    assert done.source
    assert copies(cloud)[1]["CopySource"]["VersionId"] == done.source.version_id
    assert copies(cloud)[1]["IfMatch"] == copies(cloud)[0]["CopySourceIfMatch"]


def test_the_same_bytes_written_again_during_the_copy_are_noticed_by_their_time(cloud: Cloud) -> None:
    """Without versions the ETag is the same; the new metadata must arrive."""
    cloud.unversion()

    def written_again(_answer: object) -> None:
        cloud.hooks.edits.clear()
        cloud.upload(b"same", Metadata={"written": "again"})
        later = datetime(2030, 1, 1, tzinfo=UTC)
        cloud.hooks.edits["HeadObject"] = lambda answer: answer.update(LastModified=later)

    cloud.hooks.edits["CopyObject"] = written_again
    assert run(cloud.upload(b"same")).status == "copied"
    assert len(copies(cloud)) == 2
    assert cloud.target.head_object(Bucket=TARGET, Key=KEY)["Metadata"] == {"written": "again"}


def test_a_source_deleted_during_the_copy_was_copied_in_time(cloud: Cloud) -> None:
    upload = cloud.upload(b"last")
    cloud.hooks.edits["CopyObject"] = lambda _: cloud.source.delete_object(Bucket=SOURCE, Key=KEY)
    assert run(upload).status == "copied"
    assert cloud.arrived() == b"last"


def test_an_upload_that_was_replaced_is_superseded_and_nothing_is_written(cloud: Cloud) -> None:
    older = cloud.upload(b"older")
    cloud.upload(b"newer")
    done = run(older)
    assert (done.status, done.source, done.target) == ("superseded", None, None)
    assert not copies(cloud)


def test_another_version_with_the_same_bytes_supersedes_too(cloud: Cloud) -> None:
    older = cloud.upload(b"same")
    cloud.upload(b"same")
    assert run(older).status == "superseded"


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        ({}, {}, "unchanged"),
        ({"Tagging": "a=1&b=2"}, {"Tagging": "a=1&b=2"}, "unchanged"),
        ({"Tagging": "a=1"}, {"Tagging": "a=2"}, "copied"),
        ({"Tagging": "a=1"}, {}, "copied"),
        ({"Metadata": {"a": "1"}}, {"Metadata": {"a": "2"}}, "copied"),
        ({"ContentType": "text/csv"}, {"ContentType": "text/plain"}, "copied"),
        ({"CacheControl": "no-store"}, {}, "copied"),
    ],
)
def test_a_target_is_the_source_only_with_all_that_travels_with_it(
    cloud: Cloud, before: dict[str, Any], after: dict[str, Any], status: str
) -> None:
    cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=b"same", **before)
    assert run(cloud.upload(b"same", **after)).status == status


def test_a_target_that_is_replaced_while_it_is_compared_is_not_taken_for_the_source(cloud: Cloud) -> None:
    cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=b"same")
    upload = cloud.upload(b"same")

    def unproved_and_then_replaced(answer: dict[str, Any]) -> None:
        _drop_checksums(answer)
        answer["ETag"] = f'"{answer["ETag"].strip(chr(34))}-1"'

    cloud.hooks.edits["HeadObject"] = unproved_and_then_replaced
    done = run(upload.model_copy(update={"etag": f"{upload.etag}-1"}))
    assert done.status == "copied"
    assert cloud.hooks.params["GetObject"], "the bytes were to be compared"


def test_an_unchanged_target_is_dated_by_its_own_time_but_a_multipart_one_by_this_look(cloud: Cloud) -> None:
    cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=b"same")
    upload = cloud.upload(b"same")
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    cloud.hooks.edits["HeadObject"] = lambda answer: answer.update(LastModified=long_ago)
    assert run(upload).copied_at == long_ago

    def multipart(answer: dict[str, Any]) -> None:
        answer.update(LastModified=long_ago, ETag='"0123-2"', ChecksumType="FULL_OBJECT")

    cloud.hooks.edits["HeadObject"] = multipart
    again = run(upload.model_copy(update={"etag": "0123-2"}))
    assert again.status == "unchanged"
    assert again.copied_at
    assert (datetime.now(UTC) - again.copied_at).total_seconds() < 60


def test_a_source_that_is_gone_is_named(cloud: Cloud) -> None:
    upload = cloud.upload()
    cloud.source.delete_object(Bucket=SOURCE, Key=KEY)
    with pytest.raises(SourceMissing, match="is gone") as raised:
        run(upload)
    assert f"s3://{SOURCE}/{KEY}" in str(raised.value)


@pytest.mark.parametrize("extra", [0, 1])
def test_an_object_of_five_gib_is_copied_and_one_byte_more_is_refused(cloud: Cloud, extra: int) -> None:
    upload = cloud.upload()
    cloud.hooks.edits["HeadObject"] = lambda answer: answer.update(ContentLength=LARGEST_COPY_BYTES + extra)
    assert LARGEST_COPY_BYTES == 5_368_709_120
    if not extra:
        assert run(upload).status == "copied"
        return
    with pytest.raises(ObjectTooLarge, match="5,368,709,121 bytes") as raised:
        run(upload)
    assert f"s3://{SOURCE}/{KEY}" in str(raised.value)
    assert not copies(cloud)


def test_a_missing_source_bucket_is_told_from_a_missing_object(cloud: Cloud) -> None:
    upload = cloud.upload()
    cloud.hooks.answer("HeadObject", lambda: None, Refusal("404"))
    cloud.hooks.answer("HeadBucket", Refusal("404"))
    with pytest.raises(BucketMissing, match=f"There is no bucket {SOURCE} in us-"):
        run(upload)


def test_a_small_object_is_copied_with_two_looks_a_copy_and_one_more_look(cloud: Cloud) -> None:
    """VerifyChecksum's look at the target is the fifth call."""
    run(cloud.upload())
    assert {name: len(calls) for name, calls in cloud.hooks.params.items()} == {"HeadObject": 3, "CopyObject": 1}


def test_a_bucket_that_vanishes_before_the_copy_is_named_with_the_key(cloud: Cloud) -> None:
    cloud.hooks.answer("CopyObject", Refusal("NoSuchBucket"))
    with pytest.raises(BucketMissing) as raised:
        run(cloud.upload())
    assert f"s3://{SOURCE}/{KEY} to s3://{TARGET}/{KEY}" in str(raised.value)


@pytest.mark.parametrize(
    ("operation", "code", "error"),
    [
        ("HeadObject", "403", AccessDenied),
        ("CopyObject", "AccessDenied", AccessDenied),
        ("CopyObject", "KMS.AccessDeniedException", AccessDenied),
        ("CopyObject", "SlowDown", Throttled),
        ("CopyObject", "InternalError", Throttled),
        ("CopyObject", "InvalidObjectState", RequestRefused),
    ],
)
def test_another_refusal_is_told_with_bucket_and_key(
    cloud: Cloud, operation: str, code: str, error: type[Exception]
) -> None:
    cloud.hooks.answer(operation, Refusal(code))
    with pytest.raises(error) as raised:
        run(cloud.upload())
    assert f"s3://{TARGET}/{KEY}" in str(raised.value)


def test_calls_are_counted_until_there_were_too_many(cloud: Cloud) -> None:
    upload = cloud.upload()
    before = Copy(status="in_progress", calls=COPY_CALLS - 1)
    assert run(upload, LambdaContext([TOO_LITTLE_MS]), copy=before).calls == COPY_CALLS
    with pytest.raises(CopyTimedOut, match=f"was not copied in {COPY_CALLS} calls") as raised:
        run(upload, copy=Copy(status="in_progress", calls=COPY_CALLS))
    assert f"s3://{SOURCE}/{KEY}" in str(raised.value)
    again = run(upload, copy=Copy(status="in_progress", calls=COPY_CALLS), redrives=1)
    assert (again.status, again.calls, again.redrive_count) == ("copied", 1, 1)


def test_a_wrong_setting_is_named_at_the_first_call(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = cloud.upload()
    monkeypatch.setenv("TARGET_BUCKET", "")
    monkeypatch.delenv("TARGET_REGION")
    with pytest.raises(SettingInvalid, match=r"TARGET_BUCKET: String should.*TARGET_REGION: is not set"):
        run(upload)
    assert not cloud.hooks.params["HeadObject"]
