"""The end of a run: executions for what no batch can copy, a line for each object, a failure if any object failed."""

import gzip
import json
from typing import Any

import boto3
import pytest

from functions import (
    copy_batch,
    delete_batch,
    ensure_migrated,
    plan_batches,
    require_complete,
    verify_batch,
    write_report,
)
from functions.contract.models import ExecutionInput, Rule
from functions.contract.rules import KeyRule, Rules
from functions.copying import bucket_settings
from functions.intake import deployed_rules
from functions.runtime.errors import RunIncomplete
from tests.support.lambda_context import LambdaContext
from tests.unit.conftest import SOURCE, SOURCE_REGION, TARGET_REGION, Cloud, ErrorResponse

RESULTS = "ferry-results"
MACHINE_ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:migrate"
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
    """With the results bucket, rules and a state machine."""
    cloud.target.create_bucket(Bucket=RESULTS)
    cloud.target.put_object(Bucket=RESULTS, Key="rules/migration.json", Body=RULES.model_dump_json().encode())
    boto3.client("stepfunctions", TARGET_REGION).create_state_machine(
        name="migrate",
        definition=json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}),
        roleArn="arn:aws:iam::123456789012:role/migrate",
    )
    for name, value in {
        "RULES_BUCKET": RESULTS,
        "RULES_KEY": "rules/migration.json",
        "COPY_ROLE": "role",
        "RESULTS_BUCKET": RESULTS,
        "STATE_MACHINE_ARN": MACHINE_ARN,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(deployed_rules, "_last_read", {})
    bucket_settings.forget()
    return cloud


def execution(redrives: int = 0) -> dict[str, Any]:
    return {"Id": "arn:x", "Name": "run-1", "StartTime": "2026-11-20T12:00:00Z", "RedriveCount": redrives}


def called(module: Any, redrives: int = 0, call_id: str = "c", **document: Any) -> dict[str, Any]:
    """Call a function of the run, or of a slice."""
    event = {"execution": execution(redrives), "document": {"scope": SCOPE, **document}}
    returned: dict[str, Any] = module.handler(event, LambdaContext(aws_request_id=call_id))
    return returned


def pointers(plan: dict[str, Any], name: str) -> list[dict[str, Any]]:
    body = boto3.client("s3", TARGET_REGION).get_object(Bucket=RESULTS, Key=plan[f"{name}_key"])["Body"].read()
    found: list[dict[str, Any]] = json.loads(body)
    return found


def work(plan: dict[str, Any]) -> None:
    """Do what the Maps do."""
    for pointer in pointers(plan, "batches"):
        called(copy_batch, slice=pointer)
        called(verify_batch, slice=pointer)
    for pointer in pointers(plan, "executions"):
        called(ensure_migrated, slice=pointer)
    for pointer in pointers(plan, "moves"):
        called(delete_batch, slice=pointer)


def lines(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The report, by key."""
    s3, found = boto3.client("s3", TARGET_REGION), {}
    for each in s3.list_objects_v2(Bucket=RESULTS, Prefix=report["folder"]).get("Contents", []):
        body = gzip.decompress(s3.get_object(Bucket=RESULTS, Key=each["Key"])["Body"].read()).decode()
        for line in body.splitlines():
            assert json.loads(line)["key"] not in found, "an object is reported twice"
            found[json.loads(line)["key"]] = json.loads(line)
    return found


def started() -> list[ExecutionInput]:
    """The inputs of all executions of `migrate`."""
    client = boto3.client("stepfunctions", TARGET_REGION)
    executions = client.list_executions(stateMachineArn=MACHINE_ARN)["executions"]
    described = [client.describe_execution(executionArn=each["executionArn"]) for each in executions]
    return [ExecutionInput.model_validate_json(each["input"]) for each in described]


def fill(cloud: Cloud) -> None:
    for key in ("plain/a.bin", "plain/b.bin", "table/a.csv", "moved/a.bin"):
        cloud.upload(b"id\n1\n", key)


def test_what_no_batch_can_copy_has_an_execution_of_its_own_once(cloud: Cloud) -> None:
    fill(cloud)
    plan = called(plan_batches)
    (pointer,) = pointers(plan, "executions")
    assert called(ensure_migrated, slice=pointer)["done"] == 1
    assert called(ensure_migrated, call_id="repeated", slice=pointer)["status"] == "done"
    assert [(each.source.key, each.rule.mode) for each in started()] == [("table/a.csv", "copy")]


def test_each_planned_object_has_one_line(cloud: Cloud) -> None:
    fill(cloud)
    plan = called(plan_batches)
    work(plan)
    report = called(write_report, plan=plan)
    assert (report["status"], report["counts"]) == ("complete", {"verified": 2, "deleted": 1, "started": 1})
    found = lines(report)
    assert {key: line["status"] for key, line in found.items()} == {
        "plain/a.bin": "verified",
        "plain/b.bin": "verified",
        "table/a.csv": "started",
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


def test_a_redrive_plans_again_what_is_missing_and_reports_it_apart(cloud: Cloud) -> None:
    fill(cloud)
    plan = called(plan_batches)
    cloud.hooks.answer("CopyObject", ErrorResponse("InvalidRequest"))
    work(plan)
    report = called(write_report, plan=plan)
    assert called(require_complete, 1, plan=plan, report=report) == {"status": "retry"}
    again = called(plan_batches, 1, plan=plan)
    assert again["folder"] != plan["folder"]
    # Moto's executions copy nothing, so what one was started for is still missing.
    assert (again["batches"], again["executions"]) == (1, 1)
    work(again)
    second = called(write_report, 1, plan=again, report=report)
    assert (second["status"], second["counts"]) == ("complete", {"verified": 1, "started": 1})
    assert second["folder"] != report["folder"]
    assert called(require_complete, 1, plan=again, report=second) == {"status": "complete"}
