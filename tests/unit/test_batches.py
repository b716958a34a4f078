"""CopyBatch, VerifyBatch and DeleteBatch: few calls for an object, and one object's failure is nobody else's."""

import gzip
import json
import threading
from collections import Counter
from typing import Any

import boto3
import pytest
from botocore.exceptions import NoCredentialsError

from functions import copy_batch, delete_batch, plan_batches, verify_batch
from functions.batches import verification
from functions.batches.failures import MANY_FAILURES
from functions.batches.faults import LEAST_SYSTEMIC, MOST_FAULTS
from functions.batches.verification import verify_copied
from functions.batches.waves import FIRST_WIDTH, WaveWidth, work_in_waves
from functions.contract.batches import Outcome
from functions.contract.limits import BATCH_CALLS
from functions.contract.models import Rule
from functions.contract.rules import Rules
from functions.copying import bucket_settings
from functions.intake import deployed_rules
from functions.runtime.errors import AccessDenied, BatchTimedOut, UnexpectedFailure
from tests.support.lambda_context import PLENTY_MS, LambdaContext
from tests.unit.alerts import Alerts, alerts, fail_objects
from tests.unit.annotations import annotations
from tests.unit.conftest import SOURCE, SOURCE_REGION, TARGET, TARGET_REGION, Cloud, ErrorResponse

__all__ = ["alerts", "annotations"]

pytestmark = pytest.mark.usefixtures("annotations")

RESULTS = "ferry-results"
ONCE_A_BUCKET = {"GetObjectLockConfiguration", "GetBucketVersioning"}
OF_A_SLICE = {"ListObjectsV2", "PutObject", "GetObject"}
SCOPE = {"bucket": SOURCE, "region": SOURCE_REGION}
EXECUTION = {"Id": "arn:x", "Name": "run-1", "StartTime": "2026-11-20T12:00:00Z"}


@pytest.fixture
def cloud(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """With the results bucket, and without rules."""
    cloud.target.create_bucket(Bucket=RESULTS)
    settings = {"RULES_BUCKET": RESULTS, "RULES_KEY": "", "COPY_ROLE": "role", "RESULTS_BUCKET": RESULTS}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(deployed_rules, "_last_read", {})
    bucket_settings.forget()
    return cloud


def planned_slice() -> str:
    """Plan the whole source; the key of its only slice of small objects."""
    (only,) = planned_slices()
    return only


def planned_slices(**scope: Any) -> list[str]:
    """Plan the whole source; the keys of its slices of small objects."""
    document = {"scope": {**SCOPE, **scope}}
    plan: dict[str, Any] = plan_batches.handler({"execution": EXECUTION, "document": document}, LambdaContext())
    return sorted(str(pointer["key"]) for pointer in json.loads(read(f"{plan['folder']}batches.json")))


class Killed(BaseException):
    """Ends a call as a killed process does: nothing catches it."""


def kill() -> None:
    """Answer a request by this."""
    raise Killed


def read(key: str) -> bytes:
    """A file of the results bucket."""
    return boto3.client("s3", TARGET_REGION).get_object(Bucket=RESULTS, Key=key)["Body"].read()


def under_rules(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, rules: Rules) -> None:
    """Deploy rules."""
    monkeypatch.setenv("RULES_KEY", "rules/migration.json")
    cloud.target.put_object(Bucket=RESULTS, Key="rules/migration.json", Body=rules.model_dump_json().encode())


def call(
    module: Any, slice_key: str, call_id: str = "c1", times_ms: list[int] | None = None, **states: Any
) -> dict[str, Any]:
    """Call one of the two functions."""
    document = {"scope": SCOPE, "slice": {"key": slice_key}, **states}
    context = LambdaContext(times_ms=times_ms or [PLENTY_MS], aws_request_id=call_id)
    returned: dict[str, Any] = module.handler({"execution": EXECUTION, "document": document}, context)
    return returned


def outcomes(slice_key: str, kind: str) -> dict[str, Outcome]:
    """What is recorded about a slice, by key."""
    client = boto3.client("s3", TARGET_REGION)
    folder = slice_key.replace("/plan/", f"/{kind}/").removesuffix(".jsonl.gz")
    found = client.list_objects_v2(Bucket=RESULTS, Prefix=f"{folder}/").get("Contents", [])
    lines = [line for each in found for line in gzip.decompress(read(each["Key"])).decode().splitlines()]
    assert len(lines) == len({json.loads(line)["key"] for line in lines}), "an object is recorded twice"
    return {(outcome := Outcome.model_validate_json(line)).key: outcome for line in lines}


def requests(cloud: Cloud) -> Counter[str]:
    """The requests for objects since the last look."""
    counts = Counter(
        {
            name: len(found)
            for name, found in cloud.hooks.params.items()
            if found and name not in ONCE_A_BUCKET | OF_A_SLICE
        }
    )
    cloud.hooks.params.clear()
    return counts


def test_a_small_object_takes_four_calls(cloud: Cloud) -> None:
    for number in range(30):
        cloud.upload(b"x", f"{number:02}", Metadata={"number": str(number)})
    slice_key = planned_slice()
    requests(cloud)
    assert call(copy_batch, slice_key)["status"] == "done"
    assert requests(cloud) == {"HeadObject": 60, "CopyObject": 30}
    verified = call(verify_batch, slice_key)
    assert (verified["status"], verified["done"], verified["failed"]) == ("done", 30, 0)
    assert requests(cloud) == {"HeadObject": 30}
    assert {outcome.status for outcome in outcomes(slice_key, "verified").values()} == {"verified"}
    assert cloud.target.head_object(Bucket=TARGET, Key="07")["Metadata"] == {"number": "7"}


def test_a_call_that_was_killed_copies_nothing_twice(cloud: Cloud) -> None:
    for key in "abc":
        cloud.upload(b"x", key)
    slice_key = planned_slice()
    cloud.hooks.answer("PutObject", ErrorResponse("AccessDenied"))
    with pytest.raises(AccessDenied):
        call(copy_batch, slice_key)
    versions = cloud.target.list_object_versions(Bucket=TARGET)["Versions"]
    # The plan's condition fails, which moto does not look at.
    cloud.hooks.answer("CopyObject", *[ErrorResponse("PreconditionFailed")] * 3)
    assert call(copy_batch, slice_key, "c2")["status"] == "done"
    assert cloud.target.list_object_versions(Bucket=TARGET)["Versions"] == versions
    assert {outcome.status for outcome in outcomes(slice_key, "copied").values()} == {"unchanged"}


def test_a_target_that_changed_since_the_plan_is_looked_at_again(cloud: Cloud) -> None:
    cloud.upload(b"new", "a")
    cloud.target.put_object(Bucket=TARGET, Key="a", Body=b"old")
    slice_key = planned_slice()
    cloud.target.put_object(Bucket=TARGET, Key="a", Body=b"somebody else's")
    assert call(copy_batch, slice_key)["status"] == "done"
    assert cloud.arrived("a") == b"new"


def test_a_source_that_changes_while_it_is_copied_is_copied_again(cloud: Cloud) -> None:
    cloud.upload(b"planned", "a")
    slice_key = planned_slice()

    def replace() -> None:
        cloud.source.put_object(Bucket=SOURCE, Key="a", Body=b"newer")

    # Between the copy and the last check.
    cloud.hooks.answer("HeadObject", lambda: None, replace)
    assert call(copy_batch, slice_key)["status"] == "done"
    assert cloud.arrived("a") == b"newer"
    assert call(verify_batch, slice_key)["failed"] == 0


def without_checksum(parsed: dict[str, Any]) -> None:
    """Take from a HEAD's answer what could be compared."""
    for name in [name for name in parsed if name.startswith("Checksum")]:
        del parsed[name]
    parsed["ServerSideEncryption"] = "aws:kms"


@pytest.mark.parametrize("body", [b"the same", b"other by"])
def test_what_no_checksum_decides_is_read_and_copied_only_if_it_differs(cloud: Cloud, body: bytes) -> None:
    cloud.upload(b"the same", "a")
    cloud.target.put_object(Bucket=TARGET, Key="a", Body=body)
    cloud.hooks.edits["HeadObject"] = without_checksum
    slice_key = planned_slice()
    assert call(copy_batch, slice_key)["status"] == "done"
    outcome = outcomes(slice_key, "copied")["a"]
    assert outcome.status == ("unchanged" if body == b"the same" else "copied")
    assert cloud.arrived("a") == b"the same"


def test_reading_both_objects_stops_when_the_time_ends(cloud: Cloud) -> None:
    cloud.upload(b"the same", "a")
    cloud.target.put_object(Bucket=TARGET, Key="a", Body=b"the same")
    cloud.hooks.edits["HeadObject"] = without_checksum
    slice_key = planned_slice()
    # Time for a wave and for its object, but not for the bytes.
    stopped = call(copy_batch, slice_key, times_ms=[PLENTY_MS, PLENTY_MS, PLENTY_MS, 0])
    assert (stopped["status"], stopped["done"]) == ("in_progress", 0)
    assert call(copy_batch, slice_key, "c2", copy=stopped)["status"] == "done"
    assert outcomes(slice_key, "copied")["a"].status == "unchanged"


def test_a_call_that_is_killed_has_recorded_what_it_did_long_before(cloud: Cloud) -> None:
    number = 3 * FIRST_WIDTH
    for each in range(number):
        cloud.upload(b"x", f"{each:02}")
    slice_key = planned_slice()
    # When the last copy begins, most of the others have ended.
    cloud.hooks.answer("CopyObject", *[lambda: None] * (number - 1), kill)
    # Three seconds go by between two looks at the clock.
    with pytest.raises(Killed):
        call(copy_batch, slice_key, times_ms=list(range(PLENTY_MS, 100_000, -3_000)))
    assert FIRST_WIDTH <= len(outcomes(slice_key, "copied")) < number
    assert call(copy_batch, slice_key, "c2")["done"] == number
    assert len(outcomes(slice_key, "copied")) == number


def test_what_the_plan_leaves_undecided_costs_no_request(cloud: Cloud) -> None:
    cloud.upload(b"x", "a")
    slice_key = planned_slice()
    line = json.loads(gzip.decompress(read(slice_key)))
    line |= {"action": "undecided", "reason": "too_large"}
    cloud.target.put_object(Bucket=RESULTS, Key=slice_key, Body=gzip.compress(json.dumps(line).encode()))
    requests(cloud)
    copied = call(copy_batch, slice_key)
    assert (copied["status"], copied["failed"]) == ("done", 0)
    assert call(verify_batch, slice_key)["status"] == "done"
    assert requests(cloud) == {}
    assert outcomes(slice_key, "copied")["a"].status == "undecided"


def test_the_plans_key_is_copied_as_it_is_now(cloud: Cloud) -> None:
    cloud.upload(b"planned", "a")
    cloud.upload(b"gone", "b")
    slice_key = planned_slice()
    cloud.upload(b"newer", "a")
    cloud.source.delete_object(Bucket=SOURCE, Key="b")
    assert call(copy_batch, slice_key)["failed"] == 0
    assert cloud.arrived("a") == b"newer"
    assert {key: outcome.status for key, outcome in outcomes(slice_key, "copied").items()} == {
        "a": "copied",
        "b": "skipped",
    }


def test_one_objects_failure_is_its_own(cloud: Cloud) -> None:
    for key in "abc":
        cloud.upload(b"x", key)
    cloud.source.put_object(Bucket=SOURCE, Key="d", Body=b"x")
    slice_key = planned_slice()
    cloud.source.put_object(Bucket=SOURCE, Key="b", Body=b"x", StorageClass="GLACIER")
    copied = call(copy_batch, slice_key)
    assert (copied["status"], copied["done"], copied["failed"]) == ("done", 4, 1)
    failed = outcomes(slice_key, "copied")["b"]
    assert (failed.status, failed.error) == ("failed", "SourceArchived")
    assert call(verify_batch, slice_key)["done"] == 3


def test_an_error_that_nobody_expects_is_that_of_one_object(cloud: Cloud) -> None:
    for key in "abc":
        cloud.upload(b"x", key)
    slice_key = planned_slice()
    call(copy_batch, slice_key)
    cloud.hooks.answer("HeadObject", RecursionError("maximum depth"))
    verified = call(verify_batch, slice_key)
    assert (verified["status"], verified["done"], verified["failed"]) == ("done", 3, 1)
    (failed,) = (each for each in outcomes(slice_key, "verified").values() if each.status == "failed")
    assert failed.error == "UnexpectedFailure"
    assert str(failed.cause).startswith(
        f"{failed.key} met an unexpected RecursionError: maximum depth. This is a bug in "
    )


def test_a_bug_that_meets_every_object_stops_the_slice(cloud: Cloud) -> None:
    for number in range(LEAST_SYSTEMIC):
        cloud.upload(b"x", str(number))
    slice_key = planned_slice()
    call(copy_batch, slice_key)
    cloud.hooks.answer("HeadObject", *[RecursionError("maximum depth")] * LEAST_SYSTEMIC)
    with pytest.raises(UnexpectedFailure, match=f"All {LEAST_SYSTEMIC} objects failed"):
        call(verify_batch, slice_key)


@pytest.mark.parametrize("error", [NoCredentialsError(), OSError(24, "Too many open files"), MemoryError()])
def test_a_failure_of_the_process_is_no_objects_failure(cloud: Cloud, error: Exception) -> None:
    cloud.upload(b"x", "a")
    slice_key = planned_slice()
    call(copy_batch, slice_key)
    cloud.hooks.answer("HeadObject", error)
    with pytest.raises(type(error)):
        call(verify_batch, slice_key)


def test_a_copy_that_may_not_be_verified_stays_in_the_record(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in "ab":
        cloud.upload(b"x", key)
    slice_key = planned_slice()
    call(copy_batch, slice_key)

    def denied_once(outcome: Outcome, *arguments: Any) -> Outcome | None:
        if outcome.key == "a":
            raise AccessDenied("as the test wants it")
        return verify_copied(outcome, *arguments)

    monkeypatch.setattr(verification, "verify_copied", denied_once)
    assert call(verify_batch, slice_key)["failed"] == 1
    failed, copied = outcomes(slice_key, "verified")["a"], outcomes(slice_key, "copied")["a"]
    assert (failed.status, failed.error) == ("failed", "AccessDenied")
    assert copied.target is not None
    assert (failed.source, failed.target) == (copied.source, copied.target)


def test_a_verification_that_stops_midway_is_repeated_by_the_next_call(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_rules(cloud, monkeypatch, Rules(default=Rule(minimum_grade="readback")))
    cloud.upload(b"x", "a")
    slice_key = planned_slice()
    call(copy_batch, slice_key)
    # Time for a wave and for its object, but not for the bytes.
    stopped = call(verify_batch, slice_key, times_ms=[PLENTY_MS, PLENTY_MS, PLENTY_MS, 0])
    assert (stopped["status"], stopped["done"], stopped["failed"]) == ("in_progress", 0, 0)
    assert call(verify_batch, slice_key, "c2", verification=stopped)["status"] == "done"
    assert outcomes(slice_key, "verified")["a"].grade == "readback"


def test_a_cause_that_no_object_has_stops_the_slice(cloud: Cloud) -> None:
    for number in range(25):
        cloud.upload(b"x", f"{number:02}")
    slice_key = planned_slice()
    cloud.hooks.answer("CopyObject", *[ErrorResponse("AccessDenied", "no s3:PutObject")] * 25)
    with pytest.raises(AccessDenied, match=r"All 25 objects failed.*no s3:PutObject"):
        call(copy_batch, slice_key)
    assert outcomes(slice_key, "copied") == {}


def test_a_cause_of_several_slices_stops_the_others_unless_one_has_gone_well(cloud: Cloud) -> None:
    for number in range(LEAST_SYSTEMIC * (MOST_FAULTS + 1)):
        cloud.upload(b"x", f"{number:03}")
    slices = planned_slices(slice_objects=LEAST_SYSTEMIC)
    cloud.hooks.answer("CopyObject", *[ErrorResponse("AccessDenied", "no s3:PutObject")] * LEAST_SYSTEMIC * MOST_FAULTS)
    for slice_key in slices[:MOST_FAULTS]:
        with pytest.raises(AccessDenied):
            call(copy_batch, slice_key)
    requests(cloud)
    with pytest.raises(AccessDenied, match=r"this one was not tried.*no s3:PutObject"):
        call(copy_batch, slices[MOST_FAULTS])
    assert requests(cloud) == {}
    cloud.target.put_object(Bucket=RESULTS, Key="runs/run-1/0/went-well/round-0/batch/any.json", Body=b"{}")
    assert call(copy_batch, slices[MOST_FAULTS])["status"] == "done"


def test_what_s3_throttles_is_left_for_the_next_call(cloud: Cloud) -> None:
    for key in "abcd":
        cloud.upload(b"x", key)
    slice_key = planned_slice()
    cloud.hooks.answer("CopyObject", *[ErrorResponse("SlowDown")] * 4)
    copied = call(copy_batch, slice_key)
    assert (copied["status"], copied["done"]) == ("in_progress", 0)
    assert copied["wait_seconds"] > 1
    copied = call(copy_batch, slice_key, "c2", copy=copied)
    assert (copied["status"], copied["done"], copied["calls"]) == ("done", 4, 2)


def test_the_calls_of_a_slice_are_bounded(cloud: Cloud) -> None:
    cloud.upload(b"x", "a")
    slice_key = planned_slice()
    cloud.hooks.answer("CopyObject", ErrorResponse("SlowDown"))
    earlier = {"status": "in_progress", "calls": BATCH_CALLS - 1}
    with pytest.raises(BatchTimedOut, match="1 of 1 objects"):
        call(copy_batch, slice_key, copy=earlier)


def test_what_the_calls_of_a_slice_leave_counts_once_for_the_alert(cloud: Cloud, alerts: Alerts) -> None:
    cloud.upload(b"x", "a")
    slice_key = planned_slice()
    run = slice_key.partition("/plan/")[0]
    fail_objects(MANY_FAILURES - 2, run=run)
    for call_id in ("c1", "c2"):
        cloud.hooks.answer("CopyObject", ErrorResponse("SlowDown"))
        with pytest.raises(BatchTimedOut):
            call(copy_batch, slice_key, call_id, copy={"status": "in_progress", "calls": BATCH_CALLS - 1})
    assert alerts.sent() == 0
    fail_objects(1, "another", run=run)
    assert alerts.sent() == 1


def test_a_bad_copy_is_discarded_and_its_object_fails(cloud: Cloud) -> None:
    cloud.upload(b"good", "a")
    slice_key = planned_slice()
    call(copy_batch, slice_key)
    cloud.hooks.edits["HeadObject"] = lambda parsed: parsed.update(ContentLength=3)
    verified = call(verify_batch, slice_key)
    assert (verified["status"], verified["failed"]) == ("done", 1)
    assert outcomes(slice_key, "verified")["a"].error == "mismatched"
    assert "Contents" not in cloud.target.list_objects_v2(Bucket=TARGET)


def test_what_copy_and_verification_fail_counts_for_the_alert(cloud: Cloud, alerts: Alerts) -> None:
    for key in "ab":
        cloud.upload(b"x", key)
    slice_key = planned_slice()
    fail_objects(MANY_FAILURES - 2, run=slice_key.partition("/plan/")[0])
    cloud.hooks.answer("CopyObject", ErrorResponse("InvalidRequest"))
    assert call(copy_batch, slice_key)["failed"] == 1
    assert alerts.sent() == 0
    (copied,) = [each for each in outcomes(slice_key, "copied").values() if each.status == "copied"]
    cloud.target.put_object(Bucket=TARGET, Key=copied.key, Body=b"y")
    assert call(verify_batch, slice_key)["failed"] == 1
    assert alerts.sent() == 1


def test_an_upload_after_the_copy_fails_nothing(cloud: Cloud) -> None:
    for key in ("replaced", "deleted", "overwritten"):
        cloud.upload(b"planned", key)
    slice_key = planned_slice()
    call(copy_batch, slice_key)
    cloud.upload(b"newer", "replaced")
    cloud.source.delete_object(Bucket=SOURCE, Key="deleted")
    for key in ("replaced", "deleted", "overwritten"):
        cloud.target.put_object(Bucket=TARGET, Key=key, Body=b"newer")
    assert call(verify_batch, slice_key)["failed"] == 1
    assert {key: (each.status, each.error) for key, each in outcomes(slice_key, "verified").items()} == {
        "replaced": ("skipped", "Superseded"),
        "deleted": ("skipped", "SourceMissing"),
        # Nobody will copy this one again.
        "overwritten": ("failed", "target_changed"),
    }


def test_waves_shrink_while_s3_throttles_and_grow_again() -> None:
    width, widths = WaveWidth(), list[int]()
    for number in range(400):
        # Every second one of the first thirty.
        if width.count(throttled=number < 30 and number % 2 == 0, left=1000):
            widths.append(width.objects)
    assert widths[:3] == [FIRST_WIDTH // 2, FIRST_WIDTH // 4, FIRST_WIDTH // 8]
    assert max(widths) > FIRST_WIDTH
    assert not width.stopped


def test_nothing_else_begins_once_s3_throttles_a_whole_wave() -> None:
    asked: Counter[int] = Counter()

    def work(item: int) -> Outcome | None:
        asked[item] += 1
        return None

    assert work_in_waves(range(200), work, lambda: True, lambda _: None) == []
    assert FIRST_WIDTH <= asked.total() <= 3 * FIRST_WIDTH
    assert set(asked.values()) == {1}


def test_no_object_waits_for_a_slow_one() -> None:
    others = threading.Event()
    done: list[int] = []

    def work(item: int) -> Outcome | None:
        if item == 0:
            assert others.wait(10)
        done.append(item)
        if len(done) == 199:
            others.set()
        return Outcome(key=str(item), status="copied")

    found = work_in_waves(range(200), work, lambda: True, lambda _: None)
    assert sorted(int(each.key) for each in found) == list(range(200))
    assert done[-1] == 0


def test_what_s3_throttles_now_and_then_is_worked_on_again() -> None:
    asked: Counter[int] = Counter()

    def work(item: int) -> Outcome | None:
        asked[item] += 1
        return Outcome(key=str(item), status="copied") if item >= 4 or asked[item] > 1 else None

    found = work_in_waves(range(200), work, lambda: True, lambda _: None)
    assert sorted(int(each.key) for each in found) == list(range(200))
    assert asked.total() == 204


# DeleteBatch: what is copied and verified is deleted at the source, and nothing else.

MOVES = Rules(default=Rule(mode="move", minimum_grade="readback"))


@pytest.fixture
def moving(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """Under a rule that moves everything."""
    under_rules(cloud, monkeypatch, MOVES)
    return cloud


def verified_slice() -> str:
    """Plan the whole source, copy and verify it; the key of the only slice."""
    plan: dict[str, Any] = plan_batches.handler({"execution": EXECUTION, "document": {"scope": SCOPE}}, LambdaContext())
    (pointer,) = json.loads(read(plan["moves_key"]))
    for module in (copy_batch, verify_batch):
        assert call(module, pointer["key"])["status"] == "done"
    return str(pointer["key"])


def at_source(moving: Cloud, key: str) -> bool:
    return key in [each["Key"] for each in moving.source.list_objects_v2(Bucket=SOURCE).get("Contents", [])]


def test_a_verified_move_takes_three_more_calls_and_a_deletion(moving: Cloud) -> None:
    moving.upload(b"x", "a")
    slice_key = verified_slice()
    copied = requests(moving)
    assert (copied["CopyObject"], copied["HeadObject"], copied["GetObject"]) == (1, 2, 0)
    assert call(delete_batch, slice_key)["done"] == 1
    assert requests(moving) == {"HeadObject": 3, "DeleteObject": 1}
    assert outcomes(slice_key, "deleted")["a"].status == "deleted"
    assert not at_source(moving, "a")
    assert moving.arrived("a") == b"x"


def test_what_the_target_has_already_is_deleted_without_a_copy(moving: Cloud) -> None:
    moving.upload(b"x", "a", ChecksumAlgorithm="CRC32")
    moving.target.put_object(Bucket=TARGET, Key="a", Body=b"x", ChecksumAlgorithm="CRC32")
    slice_key = verified_slice()
    assert requests(moving)["CopyObject"] == 0
    call(delete_batch, slice_key)
    assert not at_source(moving, "a")


def test_what_was_not_verified_stays(moving: Cloud) -> None:
    moving.upload(b"x", "a")
    moving.upload(b"y", "b")
    moving.hooks.edits["CopyObject"] = lambda _: moving.target.put_object(Bucket=TARGET, Key="a", Body=b"bad")
    slice_key = verified_slice()
    assert outcomes(slice_key, "verified")["a"].status == "failed"
    moving.hooks.edits.clear()
    call(delete_batch, slice_key)
    assert (at_source(moving, "a"), at_source(moving, "b")) == (True, False)


def newer_upload(moving: Cloud) -> None:
    moving.upload(b"newer", "a")


def lost_target(moving: Cloud) -> None:
    (version,) = moving.target.list_object_versions(Bucket=TARGET, Prefix="a")["Versions"]
    moving.target.delete_object(Bucket=TARGET, Key="a", VersionId=version["VersionId"])


def other_tags(moving: Cloud) -> None:
    moving.source.put_object_tagging(Bucket=SOURCE, Key="a", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (newer_upload, ("skipped", "Superseded")),
        (lost_target, ("failed", "NotDeleted")),
        (other_tags, ("failed", "NotDeleted")),
    ],
)
def test_what_changed_since_its_verification_stays(moving: Cloud, change: Any, outcome: tuple[str, str]) -> None:
    moving.upload(b"x", "a")
    slice_key = verified_slice()
    change(moving)
    call(delete_batch, slice_key)
    found = outcomes(slice_key, "deleted")["a"]
    assert (found.status, found.error) == outcome
    assert at_source(moving, "a")


def test_a_deletion_that_is_denied_leaves_the_copy_in_the_record(moving: Cloud) -> None:
    moving.upload(b"x", "a")
    slice_key = verified_slice()
    moving.hooks.answer("DeleteObject", ErrorResponse("AccessDenied"))
    call(delete_batch, slice_key)
    found = outcomes(slice_key, "deleted")["a"]
    assert (found.status, found.error, at_source(moving, "a")) == ("failed", "AccessDenied", True)
    # The ledger needs it to know a failure that stays.
    assert found.target == outcomes(slice_key, "verified")["a"].target is not None


def test_a_call_that_was_killed_finds_what_it_deleted(moving: Cloud) -> None:
    moving.upload(b"x", "a")
    slice_key = verified_slice()
    moving.hooks.answer("PutObject", ErrorResponse("AccessDenied"))
    with pytest.raises(AccessDenied):
        call(delete_batch, slice_key)
    assert not at_source(moving, "a")
    assert call(delete_batch, slice_key, "c2")["failed"] == 0
    assert outcomes(slice_key, "deleted")["a"].status == "deleted"
