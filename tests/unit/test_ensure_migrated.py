"""EnsureMigrated: an execution of its own for an object, started once, waited for, replayed if it failed."""

import gzip
import json
from typing import Any

import boto3
import pytest

from functions import ensure_migrated
from functions.batches import ensure, faults
from functions.batches.failures import MANY_FAILURES
from functions.contract.batches import Outcome
from functions.contract.limits import EXECUTION_CALLS
from functions.contract.models import Rule
from functions.contract.objects import ObjectVersion
from functions.runtime import clients
from functions.runtime.errors import AccessDenied, BatchTimedOut
from tests.support.fake_executions import ARN, FakeExecutions, fail, succeed
from tests.support.lambda_context import LambdaContext
from tests.unit.alerts import Alerts, alerts, fail_objects
from tests.unit.conftest import SOURCE, SOURCE_REGION, TARGET, TARGET_REGION, Cloud, ErrorResponse

__all__ = ["alerts"]

RESULTS = "ferry-results"
EXECUTION = {"Id": "arn:x", "Name": "child", "StartTime": "2026-11-20T12:00:00Z"}


class Slice:
    """A slice, and the calls for it."""

    def __init__(self, cloud: Cloud, keys: list[str], run: str = "r1", number: int = 0, **scope: Any) -> None:
        self.key = f"runs/{run}/0/plan/a/execution-{number:05}.jsonl.gz"
        self.scope = {"bucket": SOURCE, "region": SOURCE_REGION, **scope}
        self.result: dict[str, Any] | None = None
        self.calls = 0
        lines = [planned(key) for key in keys]
        body = gzip.compress("".join(f"{json.dumps(line)}\n" for line in lines).encode())
        cloud.target.put_object(Bucket=RESULTS, Key=self.key, Body=body)

    def call(self, calls: int = 1) -> dict[str, Any]:
        """Call the function for it."""
        for _ in range(calls):
            self.calls += 1
            document = {"scope": self.scope, "slice": {"key": self.key}, "started": self.result}
            context = LambdaContext(aws_request_id=f"c{self.calls:04}")
            self.result = ensure_migrated.handler({"execution": EXECUTION, "document": document}, context)
        assert self.result is not None
        return self.result

    def outcomes(self) -> dict[str, Outcome]:
        """What is recorded, by key: the latest counts."""
        client = boto3.client("s3", TARGET_REGION)
        folder = self.key.replace("/plan/", "/started/").removesuffix(".jsonl.gz")
        found = client.list_objects_v2(Bucket=RESULTS, Prefix=f"{folder}/").get("Contents", [])
        bodies = [client.get_object(Bucket=RESULTS, Key=each["Key"])["Body"].read() for each in found]
        lines = [line for body in bodies for line in gzip.decompress(body).decode().splitlines()]
        return {(outcome := Outcome.model_validate_json(line)).key: outcome for line in lines}


def planned(key: str) -> dict[str, Any]:
    return {
        "key": key,
        "etag": "as it was listed",
        "size_bytes": 1,
        "last_modified": "2026-11-20T12:00:00Z",
        "action": "copy",
        "reason": "new",
        "rule": Rule().model_dump(mode="json"),
    }


@pytest.fixture
def cloud(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    cloud.target.create_bucket(Bucket=RESULTS)
    monkeypatch.setenv("RESULTS_BUCKET", RESULTS)
    monkeypatch.setenv("STATE_MACHINE_ARN", ARN)
    return cloud


@pytest.fixture
def executions(monkeypatch: pytest.MonkeyPatch) -> FakeExecutions:
    fake = FakeExecutions()
    monkeypatch.setattr(clients, "step_functions", lambda _: fake)
    return fake


def arrived(cloud: Cloud, key: str) -> dict[str, Any]:
    """Put a copy at the target, as an execution does."""
    put = cloud.target.put_object(Bucket=TARGET, Key=key, Body=b"x")
    etag, version = put["ETag"].strip('"'), put.get("VersionId")
    return {"bucket": TARGET, "region": TARGET_REGION, "key": key, "version_id": version, "etag": etag}


def test_an_execution_that_may_not_be_looked_at_is_still_named(
    cloud: Cloud, executions: FakeExecutions, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.upload(b"x", "a")
    work = Slice(cloud, ["a"])
    work.call()
    (record,) = executions.records.values()
    fail(record, "ChecksumMismatch")

    def denied(**_: Any) -> None:
        raise AccessDenied("as the test wants it")

    monkeypatch.setattr(executions, "describe_execution", denied)
    work.call()
    outcome = work.outcomes()["a"]
    assert (outcome.status, outcome.error, outcome.execution) == ("failed", "AccessDenied", record["name"])
    assert outcome.source is not None


def test_it_waits_for_an_execution_and_reads_its_grade_and_version(cloud: Cloud, executions: FakeExecutions) -> None:
    cloud.upload(b"x", "a")
    work = Slice(cloud, ["a"])
    first = work.call()
    assert (first["status"], first["done"]) == ("in_progress", 0)
    assert work.call()["wait_seconds"] > first["wait_seconds"]
    (record,) = executions.records.values()
    target = arrived(cloud, "a")
    succeed(record, target)
    assert (work.call()["status"], executions.number("describe")) == ("done", 1)
    outcome = work.outcomes()["a"]
    assert (outcome.status, outcome.grade, outcome.execution) == ("verified", "readback", record["name"])
    assert outcome.target is not None
    assert outcome.target.etag == target["etag"]


def test_a_move_is_deleted_although_its_source_is_gone(cloud: Cloud, executions: FakeExecutions) -> None:
    cloud.upload(b"x", "a")
    work = Slice(cloud, ["a"])
    work.call()
    (record,) = executions.records.values()
    succeed(record, arrived(cloud, "a"), deletion={"status": "deleted"})
    cloud.source.delete_object(Bucket=SOURCE, Key="a")
    work.call()
    assert work.outcomes()["a"].status == "deleted"


def test_another_run_shares_the_execution_and_other_rules_do_not(cloud: Cloud, executions: FakeExecutions) -> None:
    cloud.upload(b"x", "a")
    Slice(cloud, ["a"]).call()
    Slice(cloud, ["a"], run="r2").call()
    assert len(executions.records) == 1
    other = Slice(cloud, ["a"], run="r3")
    line = planned("a") | {"rule": Rule(target_key="b").model_dump(mode="json")}
    cloud.target.put_object(Bucket=RESULTS, Key=other.key, Body=gzip.compress(json.dumps(line).encode()))
    other.call()
    assert len(executions.records) == 2
    assert all("r1" not in each["input"] and each["name"].startswith("bulk-") for each in executions.records.values())


@pytest.mark.parametrize(("redrivable", "names"), [(True, 1), (False, 2)])
def test_an_execution_that_failed_before_the_run_is_replayed(
    cloud: Cloud, executions: FakeExecutions, redrivable: bool, names: int
) -> None:
    cloud.upload(b"x", "a")
    Slice(cloud, ["a"]).call()
    (first,) = executions.records.values()
    fail(first, redrivable=redrivable)
    work = Slice(cloud, ["a"], run="r2")
    assert work.call()["status"] == "in_progress"
    assert executions.number("redrive") == int(redrivable)
    assert [*executions.records] == [first["name"], f"{first['name']}-replay-1"][:names]
    last = list(executions.records.values())[-1]
    succeed(last, arrived(cloud, "a"))
    assert work.call()["status"] == "done"
    assert work.outcomes()["a"].execution == last["name"]


def one_failed(cloud: Cloud, executions: FakeExecutions) -> Slice:
    """A slice whose only object has an execution that has failed."""
    cloud.upload(b"x", "a")
    executions.on_start = fail
    work = Slice(cloud, ["a"])
    work.call()
    return work


def test_an_execution_that_fails_during_the_run_is_the_objects_failure(
    cloud: Cloud, executions: FakeExecutions
) -> None:
    work = one_failed(cloud, executions)
    target = arrived(cloud, "a")
    assert (work.call()["status"], work.call()["failed"], executions.number("redrive")) == ("done", 1, 0)
    outcome = work.outcomes()["a"]
    assert (outcome.error, outcome.cause) == ("RequestRejected", "as the test wants it")
    # The ledger has to know what has arrived.
    assert outcome.target == ObjectVersion.model_validate(target)


def test_an_execution_keeps_its_own_error_if_its_target_may_not_be_read(
    cloud: Cloud, executions: FakeExecutions
) -> None:
    work = one_failed(cloud, executions)
    cloud.hooks.answer("HeadObject", ErrorResponse("403"))
    assert work.call()["failed"] == 1
    outcome = work.outcomes()["a"]
    assert (outcome.error, outcome.execution) == ("RequestRejected", *executions.records)
    assert (outcome.source and outcome.source.key, outcome.target) == ("a", None)


def test_executions_that_fail_count_for_the_alert(cloud: Cloud, executions: FakeExecutions, alerts: Alerts) -> None:
    cloud.upload(b"x", "a")
    executions.on_start = fail
    work = Slice(cloud, ["a"])
    fail_objects(MANY_FAILURES - 1, run="runs/r1/0")
    work.call()
    assert alerts.sent() == 0
    work.call()
    assert alerts.sent() == 1


def test_what_never_has_an_execution_counts_for_the_alert(
    cloud: Cloud, alerts: Alerts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ensure, "MOST_RUNNING", 0)
    fail_objects(MANY_FAILURES - 1, run="runs/r1/0")
    work = Slice(cloud, ["a"])
    work.result = {"status": "in_progress", "calls": EXECUTION_CALLS - 1}
    with pytest.raises(BatchTimedOut):
        work.call()
    assert alerts.sent() == 1


def test_an_earlier_success_counts_if_the_target_still_has_its_copy(cloud: Cloud, executions: FakeExecutions) -> None:
    cloud.upload(b"x", "a")
    target = arrived(cloud, "a")
    executions.on_start = lambda record: succeed(record, target)
    Slice(cloud, ["a"]).call()
    work = Slice(cloud, ["a"], run="r2")
    assert work.call()["status"] == "done"
    assert (work.outcomes()["a"].status, len(executions.records)) == ("verified", 1)
    cloud.target.delete_object(Bucket=TARGET, Key="a")
    work = Slice(cloud, ["a"], run="r3")
    assert work.call()["status"] == "in_progress"
    assert [*executions.records][1].endswith("-replay-1")


def test_a_superseded_object_is_looked_at_three_times(cloud: Cloud, executions: FakeExecutions) -> None:
    cloud.upload(b"0", "a")

    def supersede(record: dict[str, Any]) -> None:
        cloud.upload(str(len(executions.records)).encode(), "a")
        succeed(record)

    executions.on_start = supersede
    work = Slice(cloud, ["a"])
    assert work.call(4)["status"] == "done"
    outcome = work.outcomes()["a"]
    assert (outcome.status, outcome.error, len(executions.records)) == ("skipped", "Superseded", 3)


def test_a_run_that_does_not_wait_replays_only_what_may_succeed(cloud: Cloud, executions: FakeExecutions) -> None:
    for key in ("valid", "invalid", "denied"):
        cloud.upload(b"x", key)
    sweep = Slice(cloud, ["valid", "invalid", "denied"], wait_for_executions=False)
    assert sweep.call()["status"] == "done"
    assert {each.status for each in sweep.outcomes().values()} == {"started"}
    for record in executions.records.values():
        key = json.loads(record["input"])["source"]["key"]
        if key != "valid":
            fail(record, {"invalid": "ValidationFailed", "denied": "AccessDenied"}[key])
    again = Slice(cloud, ["valid", "invalid", "denied"], run="r2", wait_for_executions=False)
    assert again.call()["failed"] == 1
    assert {key: each.status for key, each in again.outcomes().items()} == {
        "valid": "started",
        "invalid": "failed",
        "denied": "started",
    }


def test_few_run_at_once_so_a_cause_of_all_stops_the_slice(
    cloud: Cloud, executions: FakeExecutions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ensure, "MOST_RUNNING", faults.LEAST_SYSTEMIC)
    keys = [f"{number:02}" for number in range(2 * faults.LEAST_SYSTEMIC)]
    for key in keys:
        cloud.upload(b"x", key)
    executions.on_start = lambda record: fail(record, "AccessDenied")
    work = Slice(cloud, keys)
    work.call()
    with pytest.raises(AccessDenied, match=r"All 20 objects failed.*as the test wants it"):
        work.call()
    assert len(executions.records) == faults.LEAST_SYSTEMIC


def test_a_cause_of_several_slices_starts_no_more_executions_unless_one_has_ended_well(
    cloud: Cloud, executions: FakeExecutions
) -> None:
    keys = [f"{number:02}" for number in range(faults.LEAST_SYSTEMIC)]
    for key in keys:
        cloud.upload(b"x", key)
    executions.on_start = lambda record: fail(record, "AccessDenied")
    for number in range(faults.MOST_FAULTS):
        failing = Slice(cloud, keys, number=number)
        failing.call()
        with pytest.raises(AccessDenied):
            failing.call()
    executions.calls.clear()
    another = Slice(cloud, keys, number=faults.MOST_FAULTS)
    with pytest.raises(AccessDenied, match="this one was not tried"):
        another.call()
    assert executions.calls == []
    cloud.target.put_object(Bucket=RESULTS, Key="runs/r1/0/went-well/round-0/execution/any.json", Body=b"{}")
    assert another.call()["status"] == "in_progress"


@pytest.mark.usefixtures("executions")
def test_what_still_runs_after_the_last_call_is_started(cloud: Cloud) -> None:
    cloud.upload(b"x", "a")
    work = Slice(cloud, ["a"])
    work.result = {**work.call(), "calls": EXECUTION_CALLS - 1}
    assert work.call()["status"] == "done"
    assert work.outcomes()["a"].status == "started"
