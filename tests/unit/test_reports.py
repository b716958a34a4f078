"""The end of a run: executions for what no batch can copy, a line for each object, a failure if any object failed."""

import gzip
import json
from decimal import Decimal
from typing import Any

import boto3
import pytest

from ferry.estimates.estimate import Requests, estimate
from functions import (
    copy_batch,
    delete_batch,
    ensure_migrated,
    plan_batches,
    reconcile_report,
    require_complete,
    verify_batch,
    write_report,
)
from functions.batches import rounds
from functions.contract.bulk import Plan
from functions.contract.models import Rule
from functions.contract.rules import KeyRule, Rules
from functions.contract.usage import Usage
from functions.copying import bucket_settings
from functions.intake import deployed_rules
from functions.runtime import clients
from functions.runtime.errors import AccessDenied, RunIncomplete
from tests.support.fake_executions import ARN, FakeExecutions, fail, succeed
from tests.support.lambda_context import LambdaContext
from tests.unit.conftest import SOURCE, SOURCE_REGION, TARGET, TARGET_REGION, Cloud, ErrorResponse

RESULTS = "ferry-results"
SCOPE = {"bucket": SOURCE, "region": SOURCE_REGION}
RULES = Rules(
    rules=(
        KeyRule(prefix="moved/", rule=Rule(mode="move", minimum_grade="readback")),
        # A check that is about one file at a time.
        KeyRule(prefix="table/", rule=Rule(checks=["of_one_file.sql"])),
    )
)


@pytest.fixture
def cloud(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """With the results bucket and rules."""
    cloud.target.create_bucket(Bucket=RESULTS)
    cloud.target.put_object(Bucket=RESULTS, Key="rules/migration.json", Body=RULES.model_dump_json().encode())
    for name, value in {
        "RULES_BUCKET": RESULTS,
        "RULES_KEY": "rules/migration.json",
        "COPY_ROLE": "role",
        "RESULTS_BUCKET": RESULTS,
        "STATE_MACHINE_ARN": ARN,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(deployed_rules, "_last_read", {})
    bucket_settings.forget()
    return cloud


@pytest.fixture(autouse=True)
def executions(monkeypatch: pytest.MonkeyPatch) -> FakeExecutions:
    """Executions of `migrate` that succeed at once."""
    fake = FakeExecutions()
    target = {"bucket": TARGET, "region": TARGET_REGION, "key": "any", "version_id": "1", "etag": "e"}
    fake.on_start = lambda record: succeed(record, target)
    monkeypatch.setattr(clients, "step_functions", lambda _: fake)
    return fake


def execution(redrives: int = 0) -> dict[str, Any]:
    return {"Id": "arn:x", "Name": "run-1", "StartTime": "2026-11-20T12:00:00Z", "RedriveCount": redrives}


def called(module: Any, redrives: int = 0, call_id: str = "c", **document: Any) -> dict[str, Any]:
    """Call a function of the run, or of a slice."""
    event = {"execution": execution(redrives), "document": {"scope": SCOPE, **document}}
    returned: dict[str, Any] = module.handler(event, LambdaContext(aws_request_id=call_id))
    return returned


def pointers(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    body = boto3.client("s3", TARGET_REGION).get_object(Bucket=RESULTS, Key=document[f"{name}_key"])["Body"].read()
    found: list[dict[str, Any]] = json.loads(body)
    return found


def work(document: dict[str, Any], call_id: str = "c") -> None:
    """Do what the Maps do with the slices of a plan or a round."""
    for pointer in pointers(document, "batches"):
        called(copy_batch, call_id=call_id, slice=pointer)
        called(verify_batch, call_id=call_id, slice=pointer)
    for pointer in pointers(document, "moves") if document["moves"] else ():
        called(delete_batch, call_id=call_id, slice=pointer)
    for pointer in pointers(document, "executions"):
        for number in "12":
            called(ensure_migrated, call_id=f"{call_id}{number}", slice=pointer)


def first_round(plan: dict[str, Any]) -> dict[str, Any]:
    """What the state FirstRound makes of a plan."""
    names = ("batches", "files", "moves", "executions")
    fields = [f"{name}{ending}" for name in names for ending in ("", "_key")]
    return {"status": "ready", "number": 0, **{name: plan[name] for name in fields}}


def go_round(plan: dict[str, Any], found: dict[str, Any], redrives: int = 0, **document: Any) -> dict[str, Any]:
    """Collect what failed, and repeat it, until nothing is left to repeat."""
    while (found := called(reconcile_report, redrives, plan=plan, round=found, **document))["status"] == "ready":
        work(found, f"round-{found['number']}")
    return found


def lines(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The report, by key."""
    s3, found = boto3.client("s3", TARGET_REGION), {}
    for each in s3.list_objects_v2(Bucket=RESULTS, Prefix=report["folder"]).get("Contents", []):
        body = gzip.decompress(s3.get_object(Bucket=RESULTS, Key=each["Key"])["Body"].read()).decode()
        for line in body.splitlines():
            assert json.loads(line)["key"] not in found, "an object is reported twice"
            found[json.loads(line)["key"]] = json.loads(line)
    return found


def fill(cloud: Cloud) -> None:
    for key in ("plain/a.bin", "plain/b.bin", "table/a.csv", "moved/a.bin"):
        cloud.upload(b"id\n1\n", key)


def test_what_no_batch_can_copy_has_an_execution_of_its_own(cloud: Cloud, executions: FakeExecutions) -> None:
    fill(cloud)
    work(called(plan_batches))
    assert {(each.source.key, each.rule.mode) for each in executions.inputs()} == {("table/a.csv", "copy")}


def test_the_dry_runs_dollars_are_those_of_the_counted_requests(cloud: Cloud) -> None:
    number = 60
    for each in range(number):
        cloud.upload(b"x", f"plain/{each:02}.bin")
    plan = called(plan_batches)
    work(plan)
    usage = Usage.model_validate(called(write_report, plan=plan)["usage"])
    expected = estimate(Plan.model_validate(plan), crosses_regions=False).copying
    assert (expected.writes, expected.reads) == (number, 3 * number)
    # Besides, each slice has its records, and each function reads the settings of the buckets once.
    assert number <= usage.writes <= number * 1.2
    assert 3 * number <= usage.reads <= 3 * number * 1.2
    counted = Requests(usage.writes, usage.reads).dollars
    assert abs(expected.dollars - counted) <= counted * Decimal("0.2")


def test_what_is_repeated_is_counted_too(cloud: Cloud) -> None:
    cloud.upload(b"x", "plain/a.bin")
    plan = called(plan_batches)
    work(plan)
    once = Usage.model_validate(called(write_report, plan=plan)["usage"])
    cloud.upload(b"x", "plain/b.bin")
    plan = called(plan_batches)
    cloud.hooks.answer("CopyObject", ErrorResponse("InvalidRequest"))
    work(plan)
    found = go_round(plan, first_round(plan))
    report = called(write_report, plan=plan, round=found)
    assert report["counts"] == {"verified": 1}
    assert Usage.model_validate(report["usage"]).writes > once.writes


def test_each_planned_object_has_one_line(cloud: Cloud) -> None:
    fill(cloud)
    plan = called(plan_batches)
    work(plan)
    report = called(write_report, plan=plan)
    assert (report["status"], report["counts"]) == ("complete", {"verified": 3, "deleted": 1})
    found = lines(report)
    assert {key: line["status"] for key, line in found.items()} == {
        "plain/a.bin": "verified",
        "plain/b.bin": "verified",
        "table/a.csv": "verified",
        "moved/a.bin": "deleted",
    }
    assert found["plain/a.bin"]["grade"] == "checksum"
    assert report["folder"].startswith("reports/day=2026-11-20/run=run-1/")
    assert called(require_complete, plan=plan, report=report) == {"status": "complete"}


def test_a_slice_without_outcome_is_reported_as_failed(cloud: Cloud) -> None:
    fill(cloud)
    plan = called(plan_batches)
    report = called(write_report, plan=plan)
    assert (report["status"], report["counts"], report["errors"]) == ("incomplete", {"failed": 4}, {"SliceFailed": 4})


def test_a_copy_that_was_never_verified_is_reported_as_failed(cloud: Cloud) -> None:
    fill(cloud)
    plan = called(plan_batches)
    for pointer in pointers(plan, "batches"):
        called(copy_batch, slice=pointer)
    assert called(write_report, plan=plan)["errors"] == {"NotVerified": 3, "SliceFailed": 1}


def test_a_move_whose_source_was_not_deleted_is_reported_as_failed(cloud: Cloud) -> None:
    fill(cloud)
    plan = called(plan_batches)
    for pointer in pointers(plan, "batches"):
        called(copy_batch, slice=pointer)
        called(verify_batch, slice=pointer)
    assert called(write_report, plan=plan)["errors"] == {"NotDeleted": 1, "SliceFailed": 1}


def test_a_run_with_a_failed_object_fails_in_the_end_and_says_which(cloud: Cloud) -> None:
    fill(cloud)
    plan = called(plan_batches)
    cloud.hooks.answer("CopyObject", ErrorResponse("InvalidRequest", "as the test wants it"))
    work(plan)
    report = called(write_report, plan=plan)
    with pytest.raises(
        RunIncomplete, match=r"1 of 4 planned objects failed: 1 RequestRejected\. First failure: plain/"
    ) as raised:
        called(require_complete, plan=plan, report=report)
    assert report["folder"] in str(raised.value)


def test_a_cause_of_all_objects_is_the_runs_error_and_is_not_tried_again(cloud: Cloud) -> None:
    cloud.upload(b"x", "a")
    plan = called(plan_batches)
    cloud.hooks.answer("CopyObject", ErrorResponse("AccessDenied", "no s3:PutObject"))
    work(plan)
    assert go_round(plan, first_round(plan))["number"] == 1
    report = called(write_report, plan=plan)
    with pytest.raises(AccessDenied, match=r"Nothing was copied.*no s3:PutObject"):
        called(require_complete, plan=plan, report=report)


def test_what_failed_once_is_copied_in_the_next_round(cloud: Cloud, executions: FakeExecutions) -> None:
    fill(cloud)
    plan = called(plan_batches)
    cloud.hooks.answer("CopyObject", ErrorResponse("InvalidRequest"))
    work(plan)
    started = executions.number("start")
    cloud.hooks.params.clear()
    last = go_round(plan, first_round(plan))
    assert (last["status"], len(cloud.hooks.params["CopyObject"]), executions.number("start")) == ("done", 1, started)
    report = called(write_report, plan=plan, round=last)
    assert (report["counts"], len(lines(report))) == ({"verified": 3, "deleted": 1}, 4)


@pytest.mark.parametrize(("code", "expected"), [("InvalidRequest", "verified"), ("AccessDenied", "failed")])
def test_what_failed_twice_gets_an_execution_unless_its_cause_is_no_objects(
    cloud: Cloud, executions: FakeExecutions, code: str, expected: str
) -> None:
    fill(cloud)
    plan = called(plan_batches)
    cloud.hooks.answer("CopyObject", ErrorResponse(code), *[lambda: None] * 2, ErrorResponse(code))
    work(plan)
    last = go_round(plan, first_round(plan))
    assert last["status"] == "done"
    inputs = [each.source.key for each in executions.inputs()]
    assert inputs[:1] == ["table/a.csv"]
    assert len(inputs[1:]) == (expected == "verified")
    found = lines(called(write_report, plan=plan, round=last))
    assert sorted(line["status"] for line in found.values()) == sorted(["verified"] * 2 + ["deleted", expected])


def test_executions_for_one_error_are_limited(
    cloud: Cloud, executions: FakeExecutions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "MOST_ALIKE", 2)
    for key in "abc":
        cloud.upload(b"x", key)
    cloud.upload(b"x", "fine")
    plan = called(plan_batches)
    for key in "abc":
        cloud.source.put_object(Bucket=SOURCE, Key=key, Body=b"x", StorageClass="GLACIER")
    work(plan)
    go_round(plan, first_round(plan))
    assert len(executions.records) == 2


def test_an_object_without_outcome_is_repeated(cloud: Cloud) -> None:
    fill(cloud)
    plan = called(plan_batches)
    last = go_round(plan, first_round(plan))
    assert called(write_report, plan=plan, round=last)["counts"] == {"verified": 3, "deleted": 1}


def test_a_redrive_repeats_only_what_failed_and_reports_everything_once(
    cloud: Cloud, executions: FakeExecutions
) -> None:
    fill(cloud)
    plan = called(plan_batches)
    cloud.hooks.answer("CopyObject", ErrorResponse("AccessDenied"), *[lambda: None] * 2, ErrorResponse("AccessDenied"))
    succeeding = executions.on_start
    executions.on_start = fail
    work(plan)
    last = go_round(plan, first_round(plan))
    report = called(write_report, plan=plan, round=last)
    assert report["counts"] == {"verified": 1, "deleted": 1, "failed": 2}
    assert called(require_complete, 1, plan=plan, round=last, report=report) == {"status": "retry"}
    executions.on_start = succeeding
    executions.calls.clear()
    cloud.hooks.params.clear()
    last = go_round(plan, last, 1, report=report)
    copied = [each["Key"] for each in cloud.hooks.params["CopyObject"]]
    assert (len(copied), executions.number("redrive"), len(executions.records)) == (1, 1, 1)
    listed = [each["Bucket"] for each in cloud.hooks.params["ListObjectsV2"]]
    assert set(listed) == {RESULTS}, "neither the source nor the target is listed again"
    second = called(write_report, 1, plan=plan, round=last, report=report)
    assert (second["counts"], second["folder"]) == ({"verified": 3, "deleted": 1}, report["folder"])
    assert {line["status"] for line in lines(second).values()} == {"verified", "deleted"}
    assert called(require_complete, 1, plan=plan, round=last, report=second) == {"status": "complete"}
