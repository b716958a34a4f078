"""What later runs know from earlier ones: what is settled costs nothing, and some outcomes stay as they are."""

import gzip
import json
from collections import Counter
from typing import Any

import boto3
import pytest

from functions import (
    copy_batch,
    delete_batch,
    ensure_migrated,
    plan_batches,
    validate_batch,
    verify_batch,
    write_report,
)
from functions.contract.ledger import LedgerEntry, LedgerTarget
from functions.contract.models import Rule
from functions.contract.rules import KeyRule, Rules
from functions.copying import bucket_settings
from functions.intake import deployed_rules
from functions.runtime import clients
from tests.support.fake_executions import FakeExecutions
from tests.support.fake_executions import fail as execution_fails
from tests.support.inventories import ADDRESS, INVENTORIES, inventory_files, row_of
from tests.support.lambda_context import LambdaContext
from tests.support.listed_buckets import COPIED, UPLOADED, ListedBuckets, planned
from tests.unit.annotations import annotations
from tests.unit.conftest import SOURCE, SOURCE_REGION, TARGET, TARGET_REGION, Cloud, ErrorResponse

__all__ = ["annotations"]

pytestmark = pytest.mark.usefixtures("annotations")

RESULTS = "ferry-results"
RUNS_ARN = "arn:aws:states:us-east-1:123456789012:execution:migrate-bulk"
RULES = Rules(
    default=Rule(catalogue=False),
    rules=(KeyRule(prefix="restored/", rule=Rule(catalogue=False, restore_deleted=True)),),
)
COPY_FAILS = ErrorResponse("InvalidRequest", "Bucket is missing Object Lock Configuration")


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
        "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:migrate",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(deployed_rules, "_last_read", {})
    bucket_settings.forget()
    return cloud


class Runs:
    """Runs, one after the other, as the state machine does them."""

    def __init__(self) -> None:
        self.number = 0

    def plan(self, redrives: int = 0, plan: dict[str, Any] | None = None, **scope: Any) -> dict[str, Any]:
        return self._called(plan_batches, redrives, scope, plan=plan)

    def run(self, redrives: int = 0, plan: dict[str, Any] | None = None, **scope: Any) -> dict[str, Any]:
        """Return what was decided, by key of the tallies, and what was done."""
        self.number += not redrives
        planned = self.plan(redrives, plan, **scope)
        for pointer in self._pointers(planned, "batches"):
            self._called(copy_batch, redrives, scope, slice=pointer)
            self._called(verify_batch, redrives, scope, slice=pointer)
        for pointer in self._pointers(planned, "files"):
            self._called(validate_batch, redrives, scope, slice=pointer)
        for pointer in self._pointers(planned, "moves"):
            self._called(delete_batch, redrives, scope, slice=pointer)
        for pointer in self._pointers(planned, "executions"):
            self._called(ensure_migrated, redrives, scope, slice=pointer)
        report = self._called(write_report, redrives, scope, plan=planned)
        return {"plan": planned, "report": report, "decided": decided(planned), "counts": report["counts"]}

    def _called(self, module: Any, redrives: int, scope: dict[str, Any], **document: Any) -> dict[str, Any]:
        name = f"run-{self.number}"
        execution = {
            "Id": f"{RUNS_ARN}:{name}",
            "Name": name,
            "StartTime": "2026-11-20T12:00:00Z",
            "RedriveCount": redrives,
        }
        document |= {"scope": {"bucket": SOURCE, "region": SOURCE_REGION, **scope}}
        returned: dict[str, Any] = module.handler({"execution": execution, "document": document}, LambdaContext())
        return returned

    def _pointers(self, plan: dict[str, Any], name: str) -> list[dict[str, Any]]:
        if not plan[name]:
            return []
        body = boto3.client("s3", TARGET_REGION).get_object(Bucket=RESULTS, Key=plan[f"{name}_key"])["Body"].read()
        found: list[dict[str, Any]] = json.loads(body)
        return found


@pytest.fixture
def runs() -> Runs:
    return Runs()


def decided(plan: dict[str, Any]) -> dict[tuple[str, str], int]:
    return {(tally["action"], tally["reason"]): tally["objects"] for tally in plan["tallies"]}


def test_what_a_run_verified_costs_no_further_request(cloud: Cloud, runs: Runs) -> None:
    for key in "abc":
        cloud.upload(b"x", key, Metadata={"a": "b"})
    assert runs.run()["counts"] == {"verified": 3}
    for _ in range(3):
        cloud.hooks.forget()
        assert runs.run()["decided"] == {("done", "settled"): 3}
        assert not {"HeadObject", "CopyObject"} & {name for name, calls in cloud.hooks.params.items() if calls}


def test_sweeps_that_follow_each_other_do_nothing_from_the_second_on(cloud: Cloud, runs: Runs) -> None:
    for key in ("one", "two", "three"):
        cloud.upload(b"x", key)
    cloud.upload(b"x", "archived", StorageClass="GLACIER")
    cloud.hooks.answer("CopyObject", lambda: None, COPY_FAILS)
    assert runs.run(sweep=True)["counts"] == {"failed": 1, "verified": 2}
    # They are copied at once, so any of them may be the one that fails.
    arrived = cloud.target.list_objects_v2(Bucket=TARGET)["Contents"]
    cloud.target.delete_object(Bucket=TARGET, Key=arrived[0]["Key"])
    for _ in range(9):
        cloud.hooks.forget()
        swept = runs.run(sweep=True)
        assert swept["decided"] == {
            ("done", "settled"): 1,
            ("skip", "archived"): 1,
            ("skip", "deleted_at_target"): 1,
            ("skip", "failed_before"): 1,
        }
        assert (swept["counts"], swept["report"]["status"]) == ({}, "complete")
        assert swept["plan"]["requests"].keys() == {"ListObjectsV2", "ListMultipartUploads", "GetObject", "PutObject"}


@pytest.mark.usefixtures("hooks")
def test_an_idle_sweep_lists_each_thousand_objects_twice_and_reads_the_ledger() -> None:
    buckets, lines = ListedBuckets(), []
    for number in range(3000):
        key = f"{number:05}"
        buckets.put(SOURCE, key)
        buckets.put(TARGET, key, ETag="e2")
        target = LedgerTarget(etag="e2", size_bytes=10, last_modified=COPIED)
        entry = LedgerEntry(
            key=key, etag="e1", size_bytes=10, last_modified=UPLOADED, outcome="same", target=target, as_of=COPIED
        )
        lines.append(entry.model_dump_json(exclude_defaults=True))
    buckets.written[f"ledger/{SOURCE}/from-.jsonl.gz"] = gzip.compress("\n".join(lines).encode())
    assert boto3.DEFAULT_SESSION
    with buckets.answering(boto3.DEFAULT_SESSION):
        plan = planned()
    assert {(tally.action, tally.reason): tally.objects for tally in plan.tallies} == {("done", "settled"): 3000}
    # Three pages of each bucket and one of the ledger; two files of pointers.
    requests = Counter(name for name, _ in buckets.requests)
    assert requests == {"ListObjectsV2": 7, "ListMultipartUploads": 1, "GetObject": 1, "PutObject": 2}


def fail(cloud: Cloud, runs: Runs, key: str = "a") -> None:
    """Fail to copy an object for a reason that stays."""
    cloud.upload(b"x", key)
    cloud.hooks.answer("CopyObject", COPY_FAILS)
    report = runs.run()["report"]
    assert report["errors"] == {"ObjectLockMissing": 1}


def test_what_fails_for_good_is_skipped_and_fails_no_later_run(cloud: Cloud, runs: Runs) -> None:
    fail(cloud, runs)
    for _ in range(2):
        later = runs.run()
        assert (later["decided"], later["counts"]) == ({("skip", "failed_before"): 1}, {})
        assert later["report"]["status"] == "complete"


def test_again_a_failure_is_tried_again(cloud: Cloud, runs: Runs) -> None:
    fail(cloud, runs)
    assert runs.run(again=True)["counts"] == {"verified": 1}
    assert runs.run()["decided"] == {("done", "settled"): 1}


def test_a_redrive_tries_again_what_its_own_run_failed_to_do(cloud: Cloud, runs: Runs) -> None:
    cloud.upload(b"x", "a")
    cloud.hooks.answer("CopyObject", COPY_FAILS)
    failed = runs.run()
    assert runs.run(1, failed["plan"])["counts"] == {"verified": 1}


def test_a_new_upload_is_not_what_failed(cloud: Cloud, runs: Runs) -> None:
    fail(cloud, runs)
    cloud.upload(b"other", "a")
    assert runs.run()["counts"] == {"verified": 1}


def test_an_error_that_may_go_away_is_tried_again(cloud: Cloud, runs: Runs) -> None:
    cloud.upload(b"x", "a")
    cloud.hooks.answer("CopyObject", ErrorResponse("AccessDenied"))
    assert runs.run()["counts"] == {"failed": 1}
    assert runs.run()["counts"] == {"verified": 1}


class Tables:
    """A file of a table, without rows, which a rule may allow."""

    def __init__(self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
        self._cloud, self._monkeypatch = cloud, monkeypatch
        cloud.upload(b"id\n", "t/a.csv")

    def under(self, rule: Rule) -> None:
        """Deploy a rule for all of them."""
        body = Rules(default=rule).model_dump_json().encode()
        self._cloud.target.put_object(Bucket=RESULTS, Key="rules/migration.json", Body=body)
        self._monkeypatch.setattr(deployed_rules, "_last_read", {})
        bucket_settings.forget()


@pytest.fixture
def tables(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Tables:
    return Tables(cloud, monkeypatch)


def test_a_copied_file_whose_validation_failed_is_validated_again_only_if_asked_for(
    cloud: Cloud, runs: Runs, tables: Tables
) -> None:
    tables.under(Rule())
    assert runs.run()["report"]["errors"] == {"ValidationFailed": 1}
    assert runs.run()["decided"] == {("skip", "failed_before"): 1}
    assert runs.run(again=True)["report"]["errors"] == {"ValidationFailed": 1}
    tables.under(Rule(allow_empty=True))
    assert runs.run(sweep=True)["decided"] == {("skip", "failed_before"): 1}
    cloud.hooks.forget()
    later = runs.run(again=True)
    assert (later["decided"], later["counts"]) == ({("copy", "not_validated"): 1}, {"verified": 1})
    assert cloud.hooks.params["CopyObject"] == []
    assert runs.run()["decided"] == {("done", "settled"): 1}


def test_a_copied_file_that_an_outage_kept_from_its_validation_is_validated_by_the_next_run(
    cloud: Cloud, runs: Runs, tables: Tables
) -> None:
    tables.under(Rule(allow_empty=True))
    # The copy looks for a foreign file first.
    cloud.hooks.answer("GetTables", {"TableList": []}, ErrorResponse("AccessDeniedException"))
    assert runs.run()["report"]["errors"] == {"AccessDenied": 1}
    later = runs.run(sweep=True)
    assert (later["decided"], later["counts"]) == ({("copy", "not_validated"): 1}, {"verified": 1})
    assert runs.run()["decided"] == {("done", "settled"): 1}


def test_an_execution_that_fails_for_good_beside_an_older_object_fails_no_later_sweep(
    cloud: Cloud, runs: Runs, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A check that is about one file at a time.
    tables.under(Rule(checks=["of_one_file.sql"]))
    cloud.target.put_object(Bucket=TARGET, Key="t/a.csv", Body=b"of another size")
    executions = FakeExecutions()
    executions.on_start = lambda record: execution_fails(record, "ForeignFile")
    monkeypatch.setattr(clients, "step_functions", lambda _: executions)
    sweep: dict[str, Any] = {"sweep": True, "wait_for_executions": False}
    assert runs.run(**sweep)["counts"] == {"started": 1}
    assert runs.run(**sweep)["report"]["errors"] == {"ForeignFile": 1}
    assert runs.run(**sweep)["decided"] == {("skip", "failed_before"): 1}


def test_a_file_that_failed_its_validation_is_not_validated_again_once_its_rule_makes_no_table(
    runs: Runs, tables: Tables
) -> None:
    tables.under(Rule())
    runs.run()
    tables.under(Rule(catalogue=False))
    assert runs.run(again=True)["decided"] == {("done", "same_checksum"): 1}


def test_a_moved_file_is_deleted_only_after_a_later_validation_has_passed(
    cloud: Cloud, runs: Runs, tables: Tables
) -> None:
    def at_source() -> int:
        return cloud.source.list_objects_v2(Bucket=SOURCE)["KeyCount"]

    tables.under(Rule(mode="move"))
    assert runs.run()["report"]["errors"] == {"ValidationFailed": 1}
    assert runs.run(sweep=True)["decided"] == {("skip", "failed_before"): 1}
    assert runs.run(again=True)["report"]["errors"] == {"ValidationFailed": 1}
    assert at_source() == 1
    tables.under(Rule(mode="move", allow_empty=True))
    assert runs.run(again=True)["counts"] == {"deleted": 1}
    assert at_source() == 0


def test_what_was_deleted_at_the_target_is_copied_only_if_asked_for(cloud: Cloud, runs: Runs) -> None:
    for key in ("a", "b", "restored/a"):
        cloud.upload(b"x", key)
    runs.run()
    for key in ("a", "b", "restored/a"):
        cloud.target.delete_object(Bucket=TARGET, Key=key)
    assert runs.run()["decided"] == {("skip", "deleted_at_target"): 2, ("copy", "new"): 1}
    cloud.upload(b"other", "b")
    assert runs.run()["decided"] == {("skip", "deleted_at_target"): 1, ("copy", "new"): 1, ("done", "settled"): 1}
    assert runs.run(again=True)["decided"] == {("copy", "new"): 1, ("done", "settled"): 2}


def test_what_the_listings_showed_is_not_copied_again_once_it_is_deleted(cloud: Cloud, runs: Runs) -> None:
    cloud.upload(b"x", "a")
    cloud.target.put_object(Bucket=TARGET, Key="a", Body=b"x")
    assert runs.run()["decided"] == {("done", "same_checksum"): 1}
    assert runs.run()["decided"] == {("done", "settled"): 1}
    cloud.target.delete_object(Bucket=TARGET, Key="a")
    assert runs.run()["decided"] == {("skip", "deleted_at_target"): 1}


def test_a_pair_is_compared_again_once_the_target_is_another_object(cloud: Cloud, runs: Runs) -> None:
    cloud.upload(b"x", "a")
    runs.run()
    cloud.target.put_object(Bucket=TARGET, Key="a", Body=b"y")
    assert runs.run()["decided"] == {("copy", "content_differs"): 1}


def test_an_object_that_only_its_owner_can_read_is_asked_for_once(cloud: Cloud, runs: Runs) -> None:
    cloud.upload(b"x", "a")
    cloud.target.put_object(Bucket=TARGET, Key="a", Body=b"y")
    target: Any = cloud.target.head_object(Bucket=TARGET, Key="a")
    cloud.hooks.answer("HeadObject", target, ErrorResponse("400"))
    encrypted = ErrorResponse("InvalidRequest", "The object was stored using encryption.")
    # The rules and the active runs are read before.
    cloud.hooks.answer("GetObject", lambda: None, lambda: None, encrypted)
    assert runs.run()["decided"] == {("skip", "customer_key"): 1}
    cloud.hooks.forget()
    assert runs.run()["decided"] == {("skip", "customer_key"): 1}
    assert cloud.hooks.params["HeadObject"] == []


def test_a_dry_run_changes_no_entry_and_what_is_gone_leaves_the_ledger(cloud: Cloud, runs: Runs) -> None:
    for key in "ab":
        cloud.upload(b"x", key)
    runs.run()
    runs.run()
    before = ledger_lines(cloud)
    assert [line["key"] for line in before] == ["a", "b"]
    cloud.source.delete_object(Bucket=SOURCE, Key="a")
    runs.plan()
    assert ledger_lines(cloud) == before
    runs.run()
    assert ledger_lines(cloud) == before[1:]
    cloud.source.delete_object(Bucket=SOURCE, Key="b")
    runs.run()
    assert ledger_lines(cloud) == []


def test_what_an_inventory_lacks_stays_in_the_ledger(cloud: Cloud, runs: Runs) -> None:
    """The inventory may have a prefix of its own, and it is older than the bucket."""
    for key in "abc":
        cloud.upload(b"x", key)
    runs.run()
    found = cloud.source.list_objects_v2(Bucket=SOURCE)["Contents"]
    cloud.source.create_bucket(Bucket=INVENTORIES, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    for key, body in inventory_files(SOURCE, INVENTORIES, [row_of(SOURCE, "b", found[1])]).items():
        cloud.source.put_object(Bucket=INVENTORIES, Key=key, Body=body)
    # It is sorted by the first call.
    assert runs.run(plan=runs.plan(inventory=ADDRESS), inventory=ADDRESS)["decided"] == {("done", "settled"): 1}
    assert [line["key"] for line in ledger_lines(cloud)] == ["a", "b", "c"]


def ledger_lines(cloud: Cloud) -> list[dict[str, Any]]:
    found = cloud.target.list_objects_v2(Bucket=RESULTS, Prefix=f"ledger/{SOURCE}/")["Contents"]
    bodies = [cloud.target.get_object(Bucket=RESULTS, Key=each["Key"])["Body"].read() for each in found]
    return [json.loads(line) for body in bodies for line in gzip.decompress(body).splitlines()]


def test_an_entry_says_what_was_settled(cloud: Cloud, runs: Runs) -> None:
    cloud.upload(b"x", "a")
    runs.run()
    (line,) = ledger_lines(cloud)
    assert (line["outcome"], line["grade"], line["run"]) == ("verified", "checksum", "run-1")
    assert set(line) == {
        *("key", "etag", "size_bytes", "last_modified", "outcome", "target", "grade", "run", "as_of"),
    }
