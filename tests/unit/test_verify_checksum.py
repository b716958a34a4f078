"""VerifyChecksum: every grade of verification, what is discarded, and how often."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from functions import verify_checksum
from functions.contract.limits import FRESH_COPIES_AFTER_CHANGE, FRESH_COPIES_AFTER_MISMATCH, VERIFICATION_CALLS
from functions.contract.models import Copy, ObjectVersion, Source, StoredObject, Verification
from functions.objects.head import head
from functions.runtime.errors import (
    AccessDenied,
    ChecksumMismatchPersists,
    TargetKeepsChanging,
    Throttled,
    VerificationTimedOut,
)
from functions.verification import readback
from tests.support.lambda_context import PLENTY_MS, LambdaContext
from tests.unit.conftest import KEY, SOURCE, SOURCE_REGION, TARGET, TARGET_REGION, Cloud, ErrorResponse, step_event
from tests.unit.part_lists import PartLists, in_parts, part_lists, put, with_checksum

__all__ = ["part_lists"]

GOOD, BAD = b"id\n1\n", b"id\n2\n"


def copied(cloud: Cloud, body: bytes = GOOD, key: str = KEY, **arguments: Any) -> tuple[Source, Copy]:
    """An upload and its copy."""
    upload = cloud.upload(body, key=key, **arguments)
    cloud.target.put_object(Bucket=TARGET, Key=key, Body=body, **arguments)
    source, target = head(SOURCE, SOURCE_REGION, key), head(TARGET, TARGET_REGION, key)
    assert source
    assert target
    made = ObjectVersion.model_validate(target.object.model_dump())
    cloud.hooks.forget()
    return upload, Copy(status="copied", source=source.object, target=made, copied_at=target.answered_at)


def corrupted(cloud: Cloud) -> tuple[Source, Copy]:
    """An upload whose copy holds other bytes, and says that it is the copy."""
    upload, done = copied(cloud)
    assert done.target
    put = cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=BAD)
    which = {"version_id": put.get("VersionId"), "etag": put["ETag"].strip('"')}
    return upload, done.model_copy(update={"target": done.target.model_copy(update=which)})


def run(upload: Source, copy: Copy | None, previous: Verification | None = None, **given: Any) -> Verification:
    event = step_event(upload, copy=copy, verification=previous, **given)
    return Verification.model_validate(verify_checksum.handler(event, LambdaContext()))


def copied_as(cloud: Cloud, source: StoredObject, body: bytes) -> tuple[Source, Copy]:
    """An upload of which this is stored, and a copy of it that holds these bytes."""
    target = put(cloud, TARGET, body)
    which = source.model_dump(include={"bucket", "region", "key", "version_id", "etag", "size_bytes"})
    upload = Source(sequencer="0A", **which)
    made = ObjectVersion.model_validate(target.model_dump())
    cloud.hooks.forget()
    return upload, Copy(status="copied", source=source, target=made, copied_at=datetime.now(UTC))


@pytest.mark.parametrize(
    ("minimum", "grade", "calls"),
    [
        ("any", "checksum", ["HeadObject"]),
        ("md5", "checksum", ["HeadObject"]),
        ("composite", "checksum", ["HeadObject"]),
        ("checksum", "checksum", ["HeadObject"]),
        ("readback", "readback", ["GetObject"]),
        ("bytes", "bytes", ["GetObject", "GetObject"]),
    ],
)
def test_a_copy_is_verified_by_the_fewest_calls_that_reach_the_grade(
    cloud: Cloud, minimum: str, grade: str, calls: list[str]
) -> None:
    upload, copy = copied(cloud)
    found = run(upload, copy, minimum_grade=minimum)
    assert (found.status, found.grade) == ("verified", grade)
    assert (found.catalogued, found.not_catalogued_reason) == (True, None)
    assert "matches" in found.detail
    assert [name for name, sent in cloud.hooks.sent.items() for _ in sent] == calls


@pytest.mark.parametrize("minimum", ["any", "readback", "bytes"])
def test_the_verification_is_dated_by_s3s_clock_at_its_last_look_at_the_target(cloud: Cloud, minimum: str) -> None:
    upload, copy = copied(cloud)
    for operation in ("HeadObject", "GetObject"):
        cloud.hooks.edits[operation] = _dated
    assert run(upload, copy, minimum_grade=minimum).verified_at == datetime(2026, 11, 1, 10, 20, 30, tzinfo=UTC)


def _dated(answer: dict[str, Any]) -> None:
    answer["ResponseMetadata"]["HTTPHeaders"]["date"] = "Sun, 01 Nov 2026 10:20:30 GMT"


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_a_target_read_back_is_compared_with_the_hash_stored_at_the_source(cloud: Cloud, algorithm: str) -> None:
    upload, copy = copied(cloud, ChecksumAlgorithm=algorithm)
    found = run(upload, copy, minimum_grade="readback")
    assert (found.grade, found.detail) == ("readback", f"{algorithm} of the bytes read back matches")


@pytest.mark.parametrize(
    ("key", "body", "reason"),
    [
        ("sales/picture.png", b"x", "not a tabular file"),
        ("sales/", b"", "a folder marker has no rows"),
        ("sales/a.csv", b"", "an empty object has no rows"),
    ],
)
def test_what_makes_no_table_is_verified_anyway_with_the_reason(
    cloud: Cloud, key: str, body: bytes, reason: str
) -> None:
    upload, copy = copied(cloud, body, key=key)
    found = run(upload, copy)
    assert (found.status, found.catalogued) == ("verified", False)
    assert (found.not_catalogued_reason or "").startswith(reason)


def test_a_bad_copy_is_discarded_and_nothing_but_that_version(cloud: Cloud) -> None:
    upload, copy = corrupted(cloud)
    found = run(upload, copy)
    assert (found.status, found.mismatches, found.grade) == ("mismatched", 1, None)
    assert "does not match" in found.detail
    assert copy.target
    assert cloud.hooks.params["DeleteObject"] == [{"Bucket": TARGET, "Key": KEY, "VersionId": copy.target.version_id}]
    assert cloud.arrived() == GOOD, "the version before it is there again"


def test_without_versions_a_bad_copy_is_discarded_only_while_it_is_there(cloud: Cloud) -> None:
    cloud.unversion()
    upload, copy = corrupted(cloud)
    assert run(upload, copy).status == "mismatched"
    assert copy.target
    assert cloud.hooks.params["DeleteObject"] == [{"Bucket": TARGET, "Key": KEY, "IfMatch": copy.target.etag}]
    assert "Contents" not in cloud.target.list_objects_v2(Bucket=TARGET)


@pytest.mark.parametrize("code", ["412", "PreconditionFailed", "404", "NoSuchVersion", "ConditionalRequestConflict"])
def test_a_bad_copy_that_another_replaced_before_it_could_be_discarded_is_a_mismatch_anyway(
    cloud: Cloud, code: str
) -> None:
    upload, copy = corrupted(cloud)
    cloud.hooks.answer("DeleteObject", ErrorResponse(code))
    assert run(upload, copy).status == "mismatched"


def test_a_bad_copy_that_may_not_be_discarded_is_an_error_that_names_it(cloud: Cloud) -> None:
    upload, copy = corrupted(cloud)
    cloud.hooks.answer("DeleteObject", ErrorResponse("AccessDenied"))
    with pytest.raises(AccessDenied, match=f"s3://{TARGET}/") as raised:
        run(upload, copy)
    assert f"s3://{TARGET}/{KEY}" in str(raised.value)


LOCKED = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": datetime(2100, 1, 1, tzinfo=UTC)}
ENDED = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": datetime(2020, 1, 1, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("lock", "reason"),
    [(LOCKED, "COMPLIANCE retention until 2100-01-01"), ({"ObjectLockLegalHoldStatus": "ON"}, "a legal hold")],
    ids=["retention", "legal hold"],
)
def test_a_bad_copy_that_is_locked_stays_and_is_copied_over(cloud: Cloud, lock: dict[str, Any], reason: str) -> None:
    upload, copy = corrupted(cloud)
    cloud.hooks.answer("DeleteObject", ErrorResponse("AccessDenied"))
    cloud.hooks.edits["HeadObject"] = lambda answer: answer.update(lock)
    found = run(upload, copy)
    assert copy.target
    assert (found.status, found.mismatches) == ("mismatched", 1)
    assert f"version {copy.target.version_id} " in found.detail
    assert reason in found.detail
    assert cloud.hooks.params["HeadObject"][-1]["VersionId"] == copy.target.version_id


def test_bad_copies_that_are_locked_are_not_made_for_ever(cloud: Cloud) -> None:
    upload, copy = corrupted(cloud)
    cloud.hooks.answer("DeleteObject", ErrorResponse("AccessDenied"))
    cloud.hooks.edits["HeadObject"] = lambda answer: answer.update(LOCKED)
    before = Verification(status="mismatched", mismatches=FRESH_COPIES_AFTER_MISMATCH)
    with pytest.raises(ChecksumMismatchPersists, match="COMPLIANCE retention") as raised:
        run(upload, copy, before)
    assert "discarded;" not in str(raised.value)


def test_a_lock_that_has_ended_is_not_a_reason(cloud: Cloud) -> None:
    upload, copy = corrupted(cloud)
    cloud.hooks.answer("DeleteObject", ErrorResponse("AccessDenied"))
    cloud.hooks.edits["HeadObject"] = lambda answer: answer.update(ENDED)
    with pytest.raises(AccessDenied, match=f"s3://{TARGET}/"):
        run(upload, copy)


def test_the_last_bad_copy_is_discarded_and_then_it_is_given_up(cloud: Cloud) -> None:
    upload, copy = corrupted(cloud)
    before = Verification(status="mismatched", mismatches=FRESH_COPIES_AFTER_MISMATCH)
    with pytest.raises(ChecksumMismatchPersists, match="3 copies of") as raised:
        run(upload, copy, before)
    assert f"s3://{SOURCE}/{KEY}" in str(raised.value)
    assert TARGET in str(raised.value)
    assert cloud.arrived() == GOOD


def test_a_redrive_counts_bad_copies_and_changes_again(cloud: Cloud) -> None:
    upload, copy = corrupted(cloud)
    before = Verification(status="mismatched", mismatches=FRESH_COPIES_AFTER_MISMATCH, changes=4)
    found = run(upload, copy, before, redrives=1)
    assert (found.mismatches, found.changes, found.redrive_count) == (1, 0, 1)


def _replace(cloud: Cloud) -> None:
    cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=GOOD)


def _delete(cloud: Cloud) -> None:
    cloud.target.delete_object(Bucket=TARGET, Key=KEY)


@pytest.mark.parametrize("change_target", [_replace, _delete])
def test_a_target_that_is_not_what_was_copied_is_no_mismatch(
    cloud: Cloud, change_target: Callable[[Cloud], None]
) -> None:
    upload, copy = copied(cloud)
    change_target(cloud)
    found = run(upload, copy)
    assert (found.status, found.changes, found.mismatches) == ("target_changed", 1, 0)
    assert not cloud.hooks.params["DeleteObject"]


def test_a_target_that_keeps_changing_is_given_up(cloud: Cloud) -> None:
    upload, copy = copied(cloud)
    _replace(cloud)
    last = run(upload, copy, Verification(status="target_changed", changes=FRESH_COPIES_AFTER_CHANGE - 1))
    assert (last.status, last.changes) == ("target_changed", FRESH_COPIES_AFTER_CHANGE)
    with pytest.raises(TargetKeepsChanging, match="6 times") as raised:
        run(upload, copy, last)
    assert f"s3://{TARGET}/{KEY}" in str(raised.value)


@pytest.mark.parametrize("code", ["PreconditionFailed", "NoSuchKey", "NoSuchVersion"])
@pytest.mark.parametrize(("read_before", "status"), [(0, "source_changed"), (1, "target_changed")])
def test_an_object_that_is_replaced_while_it_is_read_is_reported_which_of_the_two(
    cloud: Cloud, code: str, read_before: int, status: str
) -> None:
    upload, copy = copied(cloud)
    cloud.hooks.answer("GetObject", *[lambda: None] * read_before, ErrorResponse(code))
    found = run(upload, copy, minimum_grade="bytes")
    assert (found.status, found.changes, found.mismatches) == (status, 1, 0)
    assert "was replaced or deleted while it was being read" in found.detail


@pytest.mark.parametrize(("code", "error"), [("AccessDenied", AccessDenied), ("SlowDown", Throttled)])
def test_an_object_that_cannot_be_read_is_named(cloud: Cloud, code: str, error: type[Exception]) -> None:
    upload, copy = copied(cloud)
    cloud.hooks.answer("GetObject", ErrorResponse(code))
    with pytest.raises(error, match=r"(?i)reading") as raised:
        run(upload, copy, minimum_grade="bytes")
    assert f"s3://{SOURCE}/{KEY}" in str(raised.value)


def test_a_body_that_breaks_off_is_tried_again_and_no_mismatch(cloud: Cloud) -> None:
    upload, copy = copied(cloud)

    def promise_more(answer: dict[str, Any]) -> None:
        answer["Body"]._content_length = 100

    cloud.hooks.edits["GetObject"] = promise_more
    with pytest.raises(Throttled, match=f"(?i)reading s3://{SOURCE}/"):
        run(upload, copy, minimum_grade="bytes")
    assert not cloud.hooks.params["DeleteObject"]


@pytest.mark.parametrize("copy", [None, Copy(status="in_progress")])
def test_without_a_finished_copy_there_is_nothing_to_verify(cloud: Cloud, copy: Copy | None) -> None:
    with pytest.raises(ValueError, match="without a finished copy"):
        run(cloud.upload(), copy)


# Several calls ---------------------------------------------------------------------------------------


@pytest.fixture
def large(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> tuple[Source, Copy]:
    """A copy that is read in three ranges, whose CRC is known."""
    monkeypatch.setattr(readback, "RANGE_BYTES", 2)
    monkeypatch.setattr(readback, "RANGES_AT_ONCE", 1)
    return copied_as(cloud, with_checksum(put(cloud, SOURCE, GOOD), "CRC64NVME", GOOD), GOOD)


def call(upload: Source, copy: Copy, before: Verification | None, looks: int, **given: Any) -> Verification:
    """A call that has so many looks at its time before it is over; each range takes three."""
    context = LambdaContext([PLENTY_MS] * looks + [0])
    event = step_event(upload, copy=copy, verification=before, minimum_grade="readback", **given)
    return Verification.model_validate(verify_checksum.handler(event, context))


def test_a_large_copy_is_verified_in_several_calls_each_going_on_where_the_last_one_stopped(
    cloud: Cloud, large: tuple[Source, Copy]
) -> None:
    upload, copy = large
    assert copy.target
    found = call(upload, copy, None, 2)
    assert (found.status, found.calls, found.grade) == ("in_progress", 1, None)
    assert found.progress
    assert (found.progress.target, found.progress.position_bytes) == (copy.target.version_id, 2)
    found = call(upload, copy, found, 2)
    assert (found.status, found.calls) == ("in_progress", 2)
    found = call(upload, copy, found, 9)
    assert (found.status, found.grade, found.calls, found.progress) == ("verified", "readback", 2, None)
    ranges = [given["Range"] for given in cloud.hooks.params["GetObject"]]
    assert list(dict.fromkeys(ranges)) == ["bytes=0-1", "bytes=2-3", "bytes=4-4"]


def test_a_verification_that_is_called_too_often_is_given_up_and_a_redrive_reads_on(large: tuple[Source, Copy]) -> None:
    upload, copy = large
    before = call(upload, copy, None, 2).model_copy(update={"calls": VERIFICATION_CALLS})
    with pytest.raises(VerificationTimedOut, match=f"{VERIFICATION_CALLS} Lambda invocations") as raised:
        call(upload, copy, before, 0)
    assert f"s3://{TARGET}/{KEY}" in str(raised.value)
    assert "minimum_grade" in str(raised.value)
    found = call(upload, copy, before, 0, redrives=1)
    assert (found.status, found.calls, found.redrive_count, found.progress) == ("in_progress", 1, 1, before.progress)


def test_a_target_that_is_replaced_between_two_calls_is_no_mismatch(cloud: Cloud, large: tuple[Source, Copy]) -> None:
    upload, copy = large
    before = call(upload, copy, None, 2)
    _replace(cloud)
    found = call(upload, copy, before, 9)
    assert (found.status, found.changes, found.mismatches, found.progress) == ("target_changed", 1, 0, None)


def test_a_fresh_copy_is_read_from_its_start(cloud: Cloud, large: tuple[Source, Copy]) -> None:
    upload, copy = large
    before = call(upload, copy, None, 2)
    assert copy.source
    _, copied_again = copied_as(cloud, copy.source, BAD)
    found = call(upload, copied_again, before.model_copy(update={"status": "target_changed"}), 99)
    assert (found.status, found.mismatches, found.progress) == ("mismatched", 1, None)


@pytest.mark.parametrize("looks", range(10))
def test_a_wrong_byte_is_found_and_that_version_discarded_wherever_the_first_call_stops(
    cloud: Cloud, large: tuple[Source, Copy], looks: int
) -> None:
    upload, good = large
    assert good.source
    _, copy = copied_as(cloud, good.source, BAD)
    first = call(upload, copy, None, looks)
    last = call(upload, copy, first, 99) if first.status == "in_progress" else first
    assert (last.status, last.mismatches) == ("mismatched", 1)
    assert copy.target
    assert cloud.hooks.params["DeleteObject"] == [{"Bucket": TARGET, "Key": KEY, "VersionId": copy.target.version_id}]


@pytest.mark.parametrize("minimum", ["readback", "bytes"])
def test_a_bad_copy_that_s3_says_is_good_is_found_by_reading_it(cloud: Cloud, minimum: str) -> None:
    source = with_checksum(put(cloud, SOURCE, GOOD), "CRC32C", GOOD)
    upload, copy = copied_as(cloud, source, BAD)

    def claim(answer: dict[str, Any]) -> None:
        answer |= {"ChecksumCRC32C": source.checksum_value, "ChecksumType": "FULL_OBJECT"}
        answer.pop("ChecksumCRC32", None)

    cloud.hooks.edits["HeadObject"] = claim
    assert run(upload, copy).status == "verified"
    assert run(upload, copy, minimum_grade=minimum).status == "mismatched"


def test_a_target_of_another_size_is_a_mismatch_also_where_it_is_read_without_a_look(cloud: Cloud) -> None:
    source = with_checksum(put(cloud, SOURCE, GOOD), "SHA256", GOOD)
    upload, copy = copied_as(cloud, source, GOOD + b"2\n")
    found = run(upload, copy, minimum_grade="readback")
    assert (found.status, found.detail) == ("mismatched", "size does not match (source 5 bytes, target 7 bytes)")


def test_a_composite_source_is_verified_by_its_parts_without_reading(cloud: Cloud, part_lists: PartLists) -> None:
    source = in_parts(part_lists, put(cloud, SOURCE, GOOD), "CRC32", [GOOD[:3], GOOD[3:]])
    upload, copy = copied_as(cloud, source, GOOD)
    found = run(upload, copy)
    assert (found.status, found.grade) == ("verified", "composite")
    assert [name for name, sent in cloud.hooks.sent.items() for _ in sent] == ["HeadObject"]
    assert part_lists.asked == ["attributes ferry-source"]


def test_a_source_that_is_replaced_before_its_parts_are_read_was_changed(cloud: Cloud, part_lists: PartLists) -> None:
    source = in_parts(part_lists, put(cloud, SOURCE, GOOD), "CRC32", [GOOD[:3], GOOD[3:]])
    upload, copy = copied_as(cloud, source, GOOD)
    part_lists.add(source.model_copy(update={"etag": "another"}), [])
    assert run(upload, copy, minimum_grade="readback").status == "source_changed"


def test_a_rule_keeps_a_table_out_of_the_catalogue_and_is_named(cloud: Cloud) -> None:
    upload, copy = copied(cloud)
    event = step_event(upload, copy=copy)
    event["document"]["rule"] |= {"catalogue": False, "decided_by": "rule 3"}
    found = Verification.model_validate(verify_checksum.handler(event, LambdaContext()))
    assert (found.status, found.catalogued) == ("verified", False)
    assert "rule 3" in (found.not_catalogued_reason or "")


def test_it_is_the_key_at_the_target_that_makes_a_table(cloud: Cloud) -> None:
    source = with_checksum(put(cloud, SOURCE, GOOD), "CRC32", GOOD)
    upload, copy = copied_as(cloud, source, GOOD)
    assert copy.target
    cloud.target.put_object(Bucket=TARGET, Key="at-the-root.csv", Body=GOOD)
    head = cloud.target.head_object(Bucket=TARGET, Key="at-the-root.csv")
    renamed = copy.target.model_copy(update={"key": "at-the-root.csv", "version_id": head["VersionId"]})
    found = run(upload, copy.model_copy(update={"target": renamed}))
    assert (found.status, found.catalogued) == ("verified", False)
    assert (found.not_catalogued_reason or "").startswith("it is at the root of the bucket")
