"""CopyObject: what is sent, on which conditions, and what is made of each answer."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest
from botocore.exceptions import ReadTimeoutError

from functions import copy_object
from functions.contract.limits import COPY_CALLS
from functions.contract.models import Copy, Source
from functions.copying import bucket_settings
from functions.copying.protocol import FAILED_CONDITIONS
from functions.copying.request import MARGIN_MS
from functions.runtime import clients
from functions.runtime.errors import (
    AccessDenied,
    BucketMissing,
    CopyTimedOut,
    CustomerKeyRequired,
    ObjectLockMissing,
    RequestRejected,
    SettingInvalid,
    SourceArchived,
    SourceMissing,
    TargetNotVersioned,
    Throttled,
)
from tests.support.lambda_context import PLENTY_MS, LambdaContext
from tests.unit.annotations import Annotations, annotations
from tests.unit.conftest import KEY, NO_ANSWER, SOURCE, SOURCE_REGION, TARGET, Cloud, ErrorResponse, step_event

__all__ = ["annotations"]

pytestmark = pytest.mark.usefixtures("annotations")

TOO_LITTLE_MS = MARGIN_MS
COPIED = {"CopyObjectResult": {"ETag": '"0123"'}, "VersionId": "1"}
NO_RETENTION = ErrorResponse("NoSuchObjectLockConfiguration")


def run(upload: Source, context: LambdaContext | None = None, **given: Any) -> Copy:
    rule = given.pop("rule", {})
    event = step_event(upload, **given)
    event["document"]["rule"] |= rule
    return Copy.model_validate(copy_object.handler(event, context or LambdaContext()))


def calls(cloud: Cloud) -> dict[str, int]:
    return {name: len(given) for name, given in cloud.hooks.params.items() if given}


def copies(cloud: Cloud) -> list[dict[str, Any]]:
    return cloud.hooks.params["CopyObject"]


def test_everything_that_is_sent_with_a_copy_is_in_the_service_model(cloud: Cloud) -> None:
    members = cloud.source.meta.service_model.operation_model("CopyObject").input_shape
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
    etag = cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=b"old")["ETag"].strip('"')
    run(cloud.upload(b"new"))
    (sent,) = copies(cloud)
    assert sent["IfMatch"] == etag
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


def test_after_a_few_rejected_conditions_the_state_machine_waits_a_little(cloud: Cloud) -> None:
    cloud.hooks.answer("CopyObject", *[ErrorResponse("ConditionalRequestConflict")] * 10)
    assert run(cloud.upload()).status == "in_progress"
    assert len(copies(cloud)) == FAILED_CONDITIONS


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
def test_a_rejected_condition_means_to_look_again(cloud: Cloud, code: str) -> None:
    upload = cloud.upload(b"new")
    cloud.hooks.answer("CopyObject", ErrorResponse(code))
    done = run(upload)
    assert done.status == "copied"
    assert len(copies(cloud)) == 2
    looks = [given["Bucket"] for given in cloud.hooks.params["HeadObject"]]
    assert looks == [TARGET, SOURCE, TARGET, SOURCE, SOURCE]


def test_a_copy_rejected_because_another_delivery_was_faster_is_found_there(cloud: Cloud) -> None:
    upload = cloud.upload(b"new")
    cloud.hooks.answer("CopyObject", ErrorResponse("PreconditionFailed"))

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


def test_when_a_newer_version_is_deleted_for_good_the_older_one_that_is_current_again_is_copied(cloud: Cloud) -> None:
    """The older one's own execution found itself superseded while the newer one was there."""
    older, newer = cloud.upload(b"older"), cloud.upload(b"newer")
    assert run(older, started="2099-01-01T00:00:00Z").status == "superseded"
    cloud.source.delete_object(Bucket=SOURCE, Key=KEY, VersionId=newer.version_id or "")
    done = run(newer, started="2099-01-01T00:00:00Z")
    assert done.status == "copied"
    assert done.source
    assert done.source.version_id == older.version_id
    assert cloud.arrived() == b"older"


@pytest.mark.parametrize(("mode", "also"), [("copy", ""), ("move", "already moved")])
def test_a_source_that_is_gone_is_reported_with_what_may_have_become_of_it(cloud: Cloud, mode: str, also: str) -> None:
    upload = cloud.upload()
    cloud.source.delete_object(Bucket=SOURCE, Key=KEY)
    with pytest.raises(SourceMissing, match=rf"s3://{SOURCE}/.*{also}"):
        run(upload, rule={"mode": mode})


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


def lock_source(cloud: Cloud) -> None:
    """Make the source bucket again, with Object Lock."""
    cloud.source.delete_bucket(Bucket=SOURCE)
    location: Any = {"LocationConstraint": SOURCE_REGION}
    cloud.source.create_bucket(Bucket=SOURCE, CreateBucketConfiguration=location, ObjectLockEnabledForBucket=True)


def test_annotations_are_fixed_where_they_are_instead_of_copying_again(cloud: Cloud, annotations: Annotations) -> None:
    upload = cloud.upload(b"same")
    target_version = cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=b"same")["VersionId"]
    kept, at_source, at_target = (
        b"kept",
        annotations.of(SOURCE, upload.version_id),
        annotations.of(TARGET, target_version),
    )
    at_source |= {"a": kept, "b": b"new", "c": b"changed", "d": b"1"}
    at_target |= {"a": kept, "c": b"old", "e": b"not the source's"}
    assert run(upload).status == "unchanged"
    assert at_target == at_source
    assert [given["AnnotationName"] for given in cloud.hooks.params["GetObjectAnnotation"]] == ["b", "c", "d"]
    written = [*cloud.hooks.params["PutObjectAnnotation"], *cloud.hooks.params["DeleteObjectAnnotation"]]
    assert {(given["VersionId"], given["ObjectIfMatch"]) for given in written} == {(target_version, upload.etag)}


def test_annotations_that_may_not_be_read_are_named(cloud: Cloud) -> None:
    cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=b"same")
    upload = cloud.upload(b"same")
    cloud.hooks.answer("ListObjectAnnotations", ErrorResponse("AccessDenied"))
    with pytest.raises(AccessDenied, match=f"s3://{SOURCE}/.*ListObjectAnnotations"):
        run(upload)


def test_a_target_that_is_replaced_while_its_annotations_are_fixed_is_looked_at_again(cloud: Cloud) -> None:
    cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=b"same")
    upload = cloud.upload(b"same")
    cloud.hooks.answer("ListObjectAnnotations", lambda: None, ErrorResponse("NoSuchKey"))
    assert run(upload).status == "unchanged"
    assert calls(cloud)["HeadObject"] == 4


@pytest.mark.parametrize(
    ("of_source", "of_rule", "sent", "note"),
    [
        ("STANDARD", None, None, ""),
        ("STANDARD_IA", None, "STANDARD_IA", ""),
        ("REDUCED_REDUNDANCY", None, "REDUCED_REDUNDANCY", ""),
        ("ONEZONE_IA", None, "ONEZONE_IA", ""),
        ("INTELLIGENT_TIERING", None, "INTELLIGENT_TIERING", ""),
        ("GLACIER_IR", None, "GLACIER_IR", ""),
        ("OUTPOSTS", None, None, "storage class OUTPOSTS cannot be set"),
        ("SNOW", None, None, "storage class SNOW cannot be set"),
        ("GLACIER", None, None, "storage class GLACIER cannot be set"),
        ("STANDARD_IA", "GLACIER_IR", "GLACIER_IR", ""),
        ("STANDARD_IA", "STANDARD", None, ""),
    ],
)
def test_the_storage_class_is_the_rules_or_else_the_sources_where_it_can_be_set(
    cloud: Cloud, of_source: str, of_rule: str | None, sent: str | None, note: str
) -> None:
    upload = cloud.upload()
    restored = 'ongoing-request="false", expiry-date="Fri, 21 Dec 2029 00:00:00 GMT"'
    cloud.hooks.edits["HeadObject"] = lambda answer: answer.update(StorageClass=of_source, Restore=restored)
    done = run(upload, rule={"storage_class": of_rule})
    assert copies(cloud)[0].get("StorageClass") == sent
    assert len(done.notes) == bool(note)
    assert note in "".join(done.notes)


def test_a_target_has_the_class_that_it_should_have_and_not_the_sources(cloud: Cloud) -> None:
    upload = cloud.upload(b"same", StorageClass="ONEZONE_IA")
    cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=b"same", StorageClass="STANDARD_IA")
    assert run(upload, rule={"storage_class": "STANDARD_IA"}).status == "unchanged"
    assert run(upload).status == "copied"


def test_a_website_redirect_is_sent_since_a_copy_does_not_carry_it(cloud: Cloud) -> None:
    upload = cloud.upload(WebsiteRedirectLocation="/there")
    run(upload)
    assert copies(cloud)[0]["WebsiteRedirectLocation"] == "/there"
    without = cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=b"id\n1\n")
    assert run(upload).status == "copied"
    assert copies(cloud)[1]["IfMatch"] == without["ETag"].strip('"')


@pytest.mark.parametrize("with_hold", [True, False], ids=["hold", "no-hold"])
def test_the_lock_is_read_by_its_own_calls_and_sent(cloud: Cloud, with_hold: bool) -> None:
    until = datetime(2035, 1, 1, tzinfo=UTC)
    lock_source(cloud)
    upload = cloud.upload()
    which: dict[str, Any] = {"Bucket": SOURCE, "Key": KEY, "VersionId": upload.version_id}
    if with_hold:
        cloud.source.put_object_legal_hold(**which, LegalHold={"Status": "ON"})
    cloud.hooks.edits["HeadObject"] = _drop_locks
    # Moto does not know GetObjectRetention.
    cloud.hooks.answer("GetObjectRetention", {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": until}})
    cloud.hooks.answer("CopyObject", COPIED)
    run(upload)
    (sent,) = copies(cloud)
    held = {"ObjectLockLegalHoldStatus": "ON"} if with_hold else {}
    locked = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until, **held}
    assert {name: value for name, value in sent.items() if name.startswith("ObjectLock")} == locked
    assert cloud.hooks.params["GetObjectRetention"] == cloud.hooks.params["GetObjectLegalHold"] == [which]


def _drop_locks(answer: dict[str, Any]) -> None:
    for name in [name for name in answer if name.startswith("ObjectLock")]:
        del answer[name]


@pytest.mark.parametrize(
    ("retention", "sent", "notes"),
    [
        ({"Mode": "COMPLIANCE", "RetainUntilDate": datetime(2001, 1, 1, tzinfo=UTC)}, {}, 1),
        ({"EventHold": "OFF"}, {}, 0),
        (
            {"Mode": "GOVERNANCE", "EventHold": "ON", "EventHoldDuration": {"Days": 30}},
            {
                "ObjectLockMode": "GOVERNANCE",
                "ObjectLockEventHold": "ON",
                "ObjectLockEventHoldDurationDays": 30,
            },
            0,
        ),
        (
            {
                "Mode": "COMPLIANCE",
                "EventHold": "ON",
                "EventHoldDuration": {"Years": 2},
                "RetainUntilDate": datetime(2001, 1, 1, tzinfo=UTC),
            },
            {
                "ObjectLockMode": "COMPLIANCE",
                "ObjectLockEventHold": "ON",
                "ObjectLockEventHoldDurationYears": 2,
            },
            0,
        ),
    ],
    ids=["ended", "event-hold-off", "event-hold-days", "event-hold-years"],
)
def test_event_holds_are_sent_and_a_retention_that_ended_is_left_out_with_a_note(
    cloud: Cloud, retention: dict[str, Any], sent: dict[str, Any], notes: int
) -> None:
    lock_source(cloud)
    upload = cloud.upload()
    cloud.hooks.answer("GetObjectRetention", {"Retention": retention})
    cloud.hooks.answer("CopyObject", COPIED)
    done = run(upload)
    assert {name: value for name, value in copies(cloud)[0].items() if name.startswith("ObjectLock")} == sent
    assert len(done.notes) == notes
    assert all("retention ended at 2001-01-01" in note for note in done.notes)


@pytest.mark.parametrize(
    ("operation", "doing"),
    [
        ("GetObjectRetention", f"reading the retention of s3://{SOURCE}/"),
        ("GetObjectLegalHold", f"reading the legal hold of s3://{SOURCE}/"),
        ("GetObjectLockConfiguration", f"Object Lock configuration of {SOURCE}"),
    ],
)
def test_a_lock_that_may_not_be_read_is_a_failure_that_names_the_permission(
    cloud: Cloud, operation: str, doing: str
) -> None:
    lock_source(cloud)
    upload = cloud.upload()
    cloud.hooks.answer(operation, ErrorResponse("AccessDenied"))
    cloud.hooks.answer("GetObjectRetention", NO_RETENTION)
    with pytest.raises(AccessDenied, match=f"{doing}.*{operation}"):
        run(upload)
    assert not copies(cloud)


def test_a_source_that_is_replaced_while_its_lock_is_read_is_looked_at_again(cloud: Cloud) -> None:
    lock_source(cloud)
    upload = cloud.upload()
    cloud.hooks.answer("GetObjectRetention", ErrorResponse("NoSuchVersion"), NO_RETENTION)
    assert run(upload).status == "copied"
    assert calls(cloud)["HeadObject"] == 5


def test_a_target_without_object_lock_is_reported_in_words(cloud: Cloud) -> None:
    lock_source(cloud)
    upload = cloud.upload()
    cloud.hooks.answer("GetObjectRetention", NO_RETENTION, NO_RETENTION)
    cloud.hooks.answer("CopyObject", ErrorResponse("InvalidRequest", "Bucket is missing Object Lock Configuration"))
    with pytest.raises(ObjectLockMissing, match=f"s3://{SOURCE}/.*{TARGET}"):
        run(upload)
    cloud.hooks.answer("CopyObject", ErrorResponse("InvalidRequest", "something else"))
    with pytest.raises(RequestRejected, match="InvalidRequest: something else"):
        run(upload)


def test_a_target_that_is_locked_as_the_source_or_more_is_unchanged(cloud: Cloud) -> None:
    until = datetime(2035, 1, 1, tzinfo=UTC)
    lock_source(cloud)
    upload = cloud.upload(b"same")
    cloud.hooks.answer("GetObjectRetention", *[{"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": until}}] * 2)
    cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=b"same")
    locks = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until, "ObjectLockLegalHoldStatus": "ON"}
    cloud.hooks.edits["HeadObject"] = lambda answer: answer.update(locks)
    assert run(upload).status == "unchanged"
    cloud.hooks.edits["HeadObject"] = _drop_locks
    cloud.hooks.answer("CopyObject", COPIED)
    assert run(upload).status == "copied", "a hidden lock is not taken for none"


def test_an_archived_source_fails_at_once_in_words(cloud: Cloud) -> None:
    upload = cloud.upload(StorageClass="DEEP_ARCHIVE")
    with pytest.raises(SourceArchived, match=f"s3://{SOURCE}/.*"):
        run(upload)
    assert not copies(cloud)


def test_a_source_that_is_archived_under_the_copy_fails_in_the_same_words(cloud: Cloud) -> None:
    cloud.hooks.answer("CopyObject", ErrorResponse("InvalidObjectState"))
    with pytest.raises(SourceArchived, match=f"s3://{SOURCE}/.*"):
        run(cloud.upload())


def test_a_source_with_a_customers_key_fails_at_once_in_words(cloud: Cloud) -> None:
    upload = cloud.upload()
    cloud.hooks.answer("HeadObject", lambda: None, ErrorResponse("400"))
    cloud.hooks.answer("GetObject", ErrorResponse("InvalidRequest", "stored using a form of Server Side Encryption"))
    with pytest.raises(CustomerKeyRequired, match=f"s3://{SOURCE}/.*SSE-C"):
        run(upload)


@pytest.mark.parametrize("status", ["Suspended", None])
def test_a_move_needs_a_versioned_target(cloud: Cloud, status: str | None) -> None:
    upload = cloud.upload()
    cloud.hooks.answer("GetBucketVersioning", {"Status": status} if status else {})
    with pytest.raises(TargetNotVersioned, match=f"s3://{SOURCE}/.* {TARGET} "):
        run(upload, rule={"mode": "move"})
    assert not cloud.hooks.params["HeadObject"]


def test_a_move_does_not_rely_on_an_equal_target_that_is_older_than_its_buckets_versioning(cloud: Cloud) -> None:
    cloud.target.put_bucket_versioning(Bucket=TARGET, VersioningConfiguration={"Status": "Suspended"})
    upload = cloud.upload(b"bytes")
    assert run(upload).status == "copied"
    cloud.target.put_bucket_versioning(Bucket=TARGET, VersioningConfiguration={"Status": "Enabled"})
    bucket_settings.forget()
    assert run(upload).status == "unchanged"
    moved = run(upload, rule={"mode": "move"})
    assert moved.status == "copied"
    assert moved.target
    assert moved.target.version_id


def test_a_target_bucket_that_was_not_versioned_is_asked_again(cloud: Cloud) -> None:
    upload = cloud.upload()
    cloud.hooks.answer("GetBucketVersioning", {"Status": "Suspended"})
    with pytest.raises(TargetNotVersioned):
        run(upload, rule={"mode": "move"})
    assert run(upload, rule={"mode": "move"}).status == "copied", "whoever enables it replays at once"


def test_a_move_asks_the_target_bucket_once(cloud: Cloud) -> None:
    for body in (b"one", b"two"):
        assert run(cloud.upload(body), rule={"mode": "move"}).status == "copied"
    assert calls(cloud)["GetBucketVersioning"] == 1
    bucket_settings.forget()
    run(cloud.upload(b"three"), rule={"mode": "move"})
    assert calls(cloud)["GetBucketVersioning"] == 2


def test_the_targets_key_is_the_rules(cloud: Cloud) -> None:
    done = run(cloud.upload(b"some"), rule={"target_key": "elsewhere/x.csv"})
    assert cloud.arrived("elsewhere/x.csv") == b"some"
    assert done.target
    assert done.target.key == "elsewhere/x.csv"
    assert (copies(cloud)[0]["Key"], copies(cloud)[0]["CopySource"]["Key"]) == ("elsewhere/x.csv", KEY)


def test_a_target_that_is_replaced_while_it_is_compared_is_not_taken_for_the_source(cloud: Cloud) -> None:
    cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=b"same")
    upload = cloud.upload(b"same")

    def unverified_and_then_replaced(answer: dict[str, Any]) -> None:
        _drop_checksums(answer)
        answer["ETag"] = f'"{answer["ETag"].strip(chr(34))}-1"'

    cloud.hooks.edits["HeadObject"] = unverified_and_then_replaced
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


def test_a_missing_source_bucket_is_distinguished_from_a_missing_object(cloud: Cloud) -> None:
    upload = cloud.upload()
    cloud.hooks.answer("HeadObject", lambda: None, ErrorResponse("404"))
    cloud.hooks.answer("HeadBucket", ErrorResponse("404"))
    with pytest.raises(BucketMissing, match=f"{SOURCE} .*us-"):
        run(upload)


@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "unversioned"])
def test_a_small_object_is_copied_with_two_looks_a_copy_and_one_more_look(cloud: Cloud, versioned: bool) -> None:
    """Four calls of S3, and one that finds the table; VerifyChecksum's look at the target is S3's fifth.

    A bucket is asked once for its lock, and the catalogue once for its tables.
    """
    if not versioned:
        cloud.unversion()
    run(cloud.upload())
    assert calls(cloud) == {"GetTables": 1, "HeadObject": 3, "CopyObject": 1, "GetObjectLockConfiguration": 1}
    cloud.hooks.params.clear()
    run(cloud.upload(b"another"))
    assert calls(cloud) == {"HeadObject": 3, "CopyObject": 1}


def test_a_bucket_that_vanishes_before_the_copy_is_named_with_the_key(cloud: Cloud) -> None:
    cloud.hooks.answer("CopyObject", ErrorResponse("NoSuchBucket"))
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
    ],
)
def test_another_error_is_reported_with_bucket_and_key(
    cloud: Cloud, operation: str, code: str, error: type[Exception]
) -> None:
    cloud.hooks.answer(operation, ErrorResponse(code))
    with pytest.raises(error) as raised:
        run(cloud.upload())
    assert f"s3://{TARGET}/{KEY}" in str(raised.value)


def test_calls_are_counted_until_there_were_too_many(cloud: Cloud) -> None:
    upload = cloud.upload()
    before = Copy(status="in_progress", calls=COPY_CALLS - 1)
    assert run(upload, LambdaContext([TOO_LITTLE_MS]), copy=before).calls == COPY_CALLS
    with pytest.raises(CopyTimedOut, match=rf"s3://{SOURCE}/.*\b{COPY_CALLS}\b") as raised:
        run(upload, copy=Copy(status="in_progress", calls=COPY_CALLS))
    assert f"s3://{SOURCE}/{KEY}" in str(raised.value)
    again = run(upload, copy=Copy(status="in_progress", calls=COPY_CALLS), redrives=1)
    assert (again.status, again.calls, again.redrive_count) == ("copied", 1, 1)


def test_a_wrong_setting_is_named_at_the_first_call(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = cloud.upload()
    monkeypatch.setenv("TARGET_BUCKET", "")
    monkeypatch.delenv("TARGET_REGION")
    with pytest.raises(SettingInvalid, match=r"TARGET_BUCKET: .*TARGET_REGION: "):
        run(upload)
    assert not cloud.hooks.params["HeadObject"]
