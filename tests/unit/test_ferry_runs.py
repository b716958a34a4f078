"""`ferry runs`, `report`, `stop` and `replay` of runs: what they print, call, and reject."""

import csv
import io
import json
from types import SimpleNamespace
from typing import Any

import pytest

from ferry.commands import backfill, listing, replay, report, stop, waiting
from ferry.commands import runs as runs_command
from ferry.errors import CommandError, UsageError
from ferry.stepfunctions import run_replays
from functions.contract.audit import AuditDocument, AuditReport, AuditScope
from functions.contract.usage import Usage
from tests.support.client_errors import client_error
from tests.unit.ferry_fakes import AUDITS, BULK, HASH, event
from tests.unit.run_fakes import (
    RUN,
    SCOPE,
    FakeResults,
    FakeRuns,
    deployed,
    document,
    outcome,
    plan_of,
    put_record,
    put_slice,
    report_folder,
    report_line,
    report_of,
)

FAILED = (plan_of(3, batches=0, folders=[]), report_of(verified=2, failed=1))
REDRIVE_EXPIRED = client_error("ExecutionNotRedrivable", "RedriveExecution")


def names(runs: FakeRuns) -> list[str]:
    return [each.name for each in runs.executions.values()]


# The list.


def test_runs_are_listed_with_their_outcomes_newest_first(capsys: pytest.CaptureFixture[str]) -> None:
    runs = FakeRuns()
    runs.add_run(document(*FAILED), state="RequireComplete", status="FAILED")
    runs.add_run(document(plan_of(5)), state="CopySlices", name="backfill-2")
    runs_command.show_runs(deployed(runs), limit=100, as_json=False)
    header, newest, oldest = capsys.readouterr().out.splitlines()
    assert header.split() == ["RUN", "SCOPE", "STATUS", "STARTED", "TOOK", "OBJECTS"]
    assert newest.startswith("backfill-2 ")
    assert newest.endswith("0 of 5 objects · 0 B of 50 B")
    assert oldest.endswith("2 verified, 1 failed")
    runs_command.show_runs(deployed(runs), limit=1, as_json=True)
    shown = capsys.readouterr()
    (newest_run,) = json.loads(shown.out)
    assert (newest_run["run"], newest_run["kind"], newest_run["status"]) == ("backfill-2", "backfill", "RUNNING")
    assert (newest_run["planned"], newest_run["progress"]["objects"]) == (5, 5)
    assert "Only the newest 1 runs" in shown.err


def test_a_deployment_without_runs_says_how_to_start_one(capsys: pytest.CaptureFixture[str]) -> None:
    runs_command.show_runs(deployed(FakeRuns()), limit=0, as_json=False)
    assert "ferry backfill" in capsys.readouterr().out
    runs_command.show_runs(deployed(FakeRuns()), limit=0, as_json=True)
    assert json.loads(capsys.readouterr().out) == []


def test_the_list_of_executions_names_the_runs_above(capsys: pytest.CaptureFixture[str]) -> None:
    runs = FakeRuns()
    runs.add(HASH, "SUCCEEDED")
    runs.add_run(document(*FAILED), state="RequireComplete", status="FAILED")
    listing.show_list(deployed(runs), failed=False, limit=10, as_json=False)
    first, *rest = capsys.readouterr().out.splitlines()
    assert f"{RUN} FAILED" in first
    assert RUN not in "".join(rest)
    listing.show_list(deployed(runs), failed=True, limit=10, as_json=False)
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith(f"Run {RUN}  FAILED")
    assert first.endswith("2 verified, 1 failed")
    assert rest == ["No failed executions."]
    listing.show_list(deployed(runs), failed=False, limit=10, as_json=True)
    assert [each["execution"] for each in json.loads(capsys.readouterr().out)] == [HASH]


def test_who_may_not_list_runs_may_still_list_executions(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = FakeRuns()
    runs.add(HASH, "SUCCEEDED")
    paginate = runs.get_paginator("list_executions").paginate

    def denied(**arguments: Any) -> Any:
        if arguments["stateMachineArn"] == BULK:
            raise client_error("AccessDeniedException", "ListExecutions")
        return paginate(**arguments)

    monkeypatch.setattr(runs, "get_paginator", lambda _: SimpleNamespace(paginate=denied))
    listing.show_list(deployed(runs), failed=True, limit=10, as_json=False)
    assert capsys.readouterr().out.splitlines()[0].startswith("Runs cannot be listed")


# The report.


@pytest.fixture
def reported() -> Any:
    """A run with a verified and a failed object, one of them with a key that must be escaped."""
    runs, results = FakeRuns(), FakeResults()
    lines = [report_line('a,"b"\n', grade="checksum"), report_line("c", "failed", error="AccessDenied", cause="no")]
    results.put(f"{report_folder()}000000.jsonl.gz", lines)
    runs.add_run(document(plan_of(2), report_of(verified=1, failed=1)), state="RequireComplete", status="FAILED")
    return deployed(runs, results)


def test_the_report_for_people_begins_with_the_counts(reported: Any, capsys: pytest.CaptureFixture[str]) -> None:
    report.report(reported, RUN, None, 1, "text")
    shown = capsys.readouterr()
    lines = [" ".join(line.split()) for line in shown.out.splitlines()]
    assert lines[0].startswith(RUN)
    assert lines[-3:] == ["1 verified", "1 failed", 'verified a,"b"\\n new, checksum']
    assert "Only the first 1 lines" in shown.err
    report.report(reported, RUN, "failed", 0, "text")
    assert capsys.readouterr().out.splitlines()[-1].split() == ["failed", "c", "new,", "AccessDenied:", "no"]


def test_a_report_says_what_the_run_used(capsys: pytest.CaptureFixture[str]) -> None:
    runs, results = FakeRuns(), FakeResults()
    results.put(f"{report_folder()}000000.jsonl.gz", [report_line("a")])
    used = report_of(verified=1).model_copy(update={"usage": Usage(writes=1000, reads=2000, milliseconds=1500)})
    runs.add_run(document(plan_of(1), used), state="Succeeded", status="SUCCEEDED")
    report.report(deployed(runs, results), RUN, None, 0, "text")
    assert "Used 1,000 S3 write or list requests, 2,000 read requests" in capsys.readouterr().out
    runs_command.show_runs(deployed(runs, results), limit=1, as_json=True)
    (shown,) = json.loads(capsys.readouterr().out)
    requests = 1000 * 0.005 / 1000 + 2000 * 0.0004 / 1000
    assert shown["usage"]["dollars"] == pytest.approx(requests + 1.5 * 1.769 * 0.0000133334, rel=1e-3)


def test_csv_and_json_have_every_line_by_its_exact_key(reported: Any, capsys: pytest.CaptureFixture[str]) -> None:
    report.report(reported, RUN, None, 1, "csv")
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["key"], row["status"], row["error"]) for row in rows] == [
        ('a,"b"\n', "verified", ""),
        ("c", "failed", "AccessDenied"),
    ]
    report.report(reported, RUN, "verified", 1, "json")
    assert [each["key"] for each in json.loads(capsys.readouterr().out)] == ['a,"b"\n']
    report.report(reported, RUN, "skipped", 1, "json")
    assert json.loads(capsys.readouterr().out) == []


def test_a_report_says_what_has_no_outcome_and_how_to_continue(capsys: pytest.CaptureFixture[str]) -> None:
    runs, results = FakeRuns(), FakeResults()
    put_slice(results, list("abcd"))
    put_record(results, "copied", "a", [outcome("a", "failed", error="X")])
    runs.add_run(document(plan_of(4)), state="CopySlices", status="ABORTED")
    report.report(deployed(runs, results), RUN, None, 0, "text")
    assert f"3 of 4 planned objects have no outcome. Resume with `ferry replay {RUN}`" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"status": "lost", "as_csv": False, "as_json": False}, "--status lost"),
        ({"status": None, "as_csv": True, "as_json": True}, "not both"),
    ],
)
def test_wrong_arguments_of_a_report_are_wrong_usage(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        report.check_request(**arguments)


# Stop.


def test_a_run_is_stopped_with_a_reason_and_the_way_to_continue(capsys: pytest.CaptureFixture[str]) -> None:
    runs = FakeRuns()
    run = runs.add_run(document(plan_of(4)), state="CopySlices")
    stop.stop(deployed(runs), "backfill")
    assert (run.status, run.stopped_by) == ("ABORTED", "Stopped")
    assert f"ferry replay {RUN}" in capsys.readouterr().out


def test_audits_are_listed_and_stopped_like_runs(capsys: pytest.CaptureFixture[str]) -> None:
    runs = FakeRuns()
    runs.add_run(document(plan_of(4)), state="CopySlices")
    audited = AuditDocument(
        scope=AuditScope(bucket=SCOPE.bucket, region=SCOPE.region),
        report=AuditReport(status="complete", folder="reports/x/", counts={"missing": 2, "verified": 3}),
    )
    for name, status in (("audit-1", "SUCCEEDED"), ("audit-2", "RUNNING")):
        whole = audited.model_dump_json()
        runs.add(name, status, whole, machine=AUDITS).events.append(
            event(1, "TaskStateEntered", name="CompareSlices", input=whole)
        )
    deployment = deployed(runs, audit_state_machine_arn=AUDITS)
    runs_command.show_runs(deployment, limit=2, as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert [(each["run"], each["kind"], each["counts"]) for each in shown] == [
        ("audit-2", "audit", {"missing": 2, "verified": 3}),
        ("audit-1", "audit", {"missing": 2, "verified": 3}),
    ]
    stop.stop(deployment, "audit-2")
    assert "ferry audit" in capsys.readouterr().out
    with pytest.raises(CommandError, match="audit-2 is ABORTED"):
        stop.stop(deployment, "audit-2")
    with pytest.raises(CommandError, match="matches 2 runs"):
        stop.stop(deployment, "audit")


def test_a_run_that_has_ended_cannot_be_stopped() -> None:
    runs = FakeRuns()
    runs.add_run(document(), state="Succeeded", status="SUCCEEDED")
    with pytest.raises(CommandError, match="is SUCCEEDED"):
        stop.stop(deployed(runs), RUN)


# Replay.


def test_a_failed_run_is_redriven_and_executions_beside_it_are_left(capsys: pytest.CaptureFixture[str]) -> None:
    runs = FakeRuns(redrives=True)
    runs.add(HASH, "FAILED")
    runs.add_run(document(*FAILED), state="RequireComplete", status="FAILED")
    replay.replay(deployed(runs), ["backfill"], failed=False, restart=False)
    assert runs.redriven == [RUN]
    assert "redriven" in capsys.readouterr().out


def test_a_run_that_step_functions_named_is_told_from_executions(capsys: pytest.CaptureFixture[str]) -> None:
    runs = FakeRuns(redrives=True)
    runs.add("12ab" + HASH[4:], "FAILED")
    swept = "12acf0de-0000-4000-8000-000000000000"
    runs.add_run(document(*FAILED), state="RequireComplete", status="FAILED", name=swept)
    replay.replay(deployed(runs), ["12ac"], failed=False, restart=False)
    assert runs.redriven == [swept]
    # What may be an execution is one: its run has to be named longer.
    replay.replay(deployed(runs), ["12ab"], failed=False, restart=False)
    assert runs.redriven == [swept, "12ab" + HASH[4:]]
    capsys.readouterr()
    runs_command.show_runs(deployed(runs), limit=1, as_json=True)
    assert [each["kind"] for each in json.loads(capsys.readouterr().out)] == ["run"]


@pytest.mark.parametrize(
    ("state", "error", "plan_is_there", "restart", "said"),
    [
        ("RequireComplete", REDRIVE_EXPIRED, True, False, "because redrive was not possible"),
        ("RequireComplete", None, False, False, "because its plan was deleted or has expired"),
        ("CopySlices", None, True, True, "as requested by --restart"),
    ],
)
def test_where_a_redrive_cannot_help_the_same_scope_starts_again(
    state: str, error: Any, plan_is_there: bool, restart: bool, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, results = FakeRuns(redrives=True), FakeResults()
    runs.redrive_error = error
    plan = plan_of(3, batches_key=f"runs/{RUN}/0/plan/batches.json")
    failed = runs.add_run(document(plan), state=state, status="ABORTED")
    results.put(plan.batches_key, [])
    if plan_is_there:
        put_slice(results, ["a"])
    replay.replay(deployed(runs, results), [RUN], failed=False, restart=restart)
    again = runs.executions[failed.arn.replace(RUN, f"{RUN}-replay-1")]
    assert (json.loads(again.input), again.machine) == (json.loads(failed.input), BULK)
    assert runs.redriven == []
    output = capsys.readouterr().out
    assert said in output
    assert run_replays.NOT_IN_LEDGER in output


def test_a_run_that_has_reported_starts_again_with_all_that_it_knew(capsys: pytest.CaptureFixture[str]) -> None:
    runs = FakeRuns(redrives=True)
    runs.add_run(document(*FAILED), state="RequireComplete", status="FAILED")
    replay.replay(deployed(runs), [RUN], failed=False, restart=True)
    output = capsys.readouterr().out
    assert "as requested by --restart" in output
    assert run_replays.NOT_IN_LEDGER not in output


def test_a_stopped_run_whose_plan_is_there_is_redriven() -> None:
    runs, results = FakeRuns(redrives=True), FakeResults()
    plan = plan_of(3, batches_key=f"runs/{RUN}/0/plan/batches.json")
    results.put(plan.batches_key, [])
    put_slice(results, ["a"])
    runs.add_run(document(plan), state="CopySlices", status="ABORTED")
    replay.replay(deployed(runs, results), [RUN], failed=False, restart=False)
    assert runs.redriven == [RUN]


def test_of_failed_runs_only_the_newest_of_a_scope_is_replayed_and_none_that_was_stopped() -> None:
    runs = FakeRuns(redrives=True)
    other = SCOPE.model_copy(update={"prefix": "b/"})
    settled = SCOPE.model_copy(update={"prefix": "c/"})
    for name, status, scope in (
        ("backfill-1", "FAILED", SCOPE),
        ("backfill-2", "FAILED", SCOPE),
        ("backfill-3", "ABORTED", other),
        ("backfill-4", "TIMED_OUT", settled),
        ("backfill-5", "SUCCEEDED", settled),
    ):
        runs.add_run(
            document(*FAILED).model_copy(update={"scope": scope}), state="RequireComplete", status=status, name=name
        )
    # The same scope, but another kind of run, settles nothing.
    runs.add_run(document(*FAILED), state="X", status="SUCCEEDED", name="sweep-1")
    no_queues = deployed(runs, sources=None)
    done = list(replay._replay_runs(no_queues, [], failed=True, restart=False))
    assert [each.running for each in done] == ["backfill-2"] == runs.redriven


def test_a_run_with_a_later_one_of_the_same_scope_is_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    runs = FakeRuns(redrives=True)
    runs.add_run(document(*FAILED), state="X", status="FAILED")
    later = runs.add_run(document(), state="PlanBatches", name="backfill-9")
    # How much it does at once makes no other scope.
    later.input = json.dumps({**json.loads(later.input), "max_concurrency": 1})
    replay.replay(deployed(runs), [RUN], failed=False, restart=False)
    assert runs.redriven == []
    assert "skipped: backfill-9 (RUNNING)" in capsys.readouterr().out


def test_nothing_is_replayed_if_one_of_the_named_runs_did_not_fail() -> None:
    runs = FakeRuns(redrives=True)
    runs.add(HASH, "FAILED")
    runs.add_run(document(), state="Succeeded", status="SUCCEEDED")
    with pytest.raises(CommandError, match=r"is SUCCEEDED.*Nothing was replayed"):
        replay.replay(deployed(runs), [HASH, RUN], failed=False, restart=False)
    assert runs.redriven == []


# Waiting.


def test_an_interrupt_leaves_the_run_running_and_says_how_to_see_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = FakeRuns()
    deployment = deployed(runs, endpoint_url="http://127.0.0.1:1")

    def interrupted(**_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "describe_execution", interrupted)
    asked = backfill.check_request("", None, None, "0s")
    with pytest.raises(KeyboardInterrupt):
        backfill.run(deployment, asked, 20, wait=True, as_json=False)
    (name,) = names(runs)
    shown = capsys.readouterr().err
    assert f"{name} continues." in shown
    assert f"ferry report {name}" in shown
    assert runs.executions[f"{BULK.replace(':stateMachine:', ':execution:')}:{name}"].status == "RUNNING"


def test_progress_that_cannot_be_read_does_not_end_the_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    runs, lines = FakeRuns(), list[str]()
    run = runs.add_run(document(plan_of(2)), state="CopySlices")
    looks = waiting._Looks(deployed(runs), run.arn, 0.0, lines.append)
    looks.look_again(0.0)

    def denied(*_: Any, **__: Any) -> Any:
        raise client_error("AccessDenied", "ListObjectsV2")

    monkeypatch.setattr(FakeResults, "paginate", denied)
    looks._next = 0.0
    looks.look_again(1.0)
    assert lines[0] == "0 of 2 objects · 0 B of 20 B"
    assert lines[1].startswith("progress unknown: Access denied while reading s3://")


@pytest.mark.parametrize(("operation", "action"), [("paginate", "s3:ListBucket"), ("get_object", "s3:GetObject")])
def test_a_results_bucket_that_may_not_be_read_is_one_line(
    reported: Any,
    operation: str,
    action: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def denied(*_: Any, **__: Any) -> Any:
        raise client_error("AccessDenied")

    monkeypatch.setattr(FakeResults, operation, denied)
    with pytest.raises(CommandError, match=rf"Access denied while reading s3://\S+: you need {action}"):
        report.report(reported, RUN, None, 1, "csv")
    assert capsys.readouterr().out == ""
