"""Audits on the console's page: in the list of runs, while one runs and after it, its report, start and stop."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ferry.console.state import Console
from ferry.stepfunctions.audit_progress import AuditWatch
from ferry.ui import run_view
from functions.contract.audit import AuditScope
from tests.support.console_server import Client, serving
from tests.unit.console_fakes import ARN, AUDIT, FOLDER, REPORT, add_audit, audit_document
from tests.unit.ferry_fakes import AUDITS
from tests.unit.run_fakes import RUN, FakeResults, FakeRuns, deployed, map_run, outcome, report_line
from tests.unit.run_fakes import document as run_document


def comparing(runs: FakeRuns, results: FakeResults) -> None:
    """An audit that has compared four of five objects, one of which is being read."""
    add_audit(runs, audit_document(), "CompareSlices")
    runs.map_runs[runs.executions[f"{ARN}{AUDIT}"].arn] = map_run(total=1, running=1)
    first = [outcome("a/1", "verified"), outcome("a/2", "reading"), outcome("a/3", "differs")]
    results.put(f"audits/{AUDIT}/0/compared/00000-p/batch-00000/1.jsonl.gz", first)
    second = [outcome("a/2", "verified"), outcome("a/4", "failed", error="AccessDenied")]
    results.put(f"audits/{AUDIT}/0/compared/00000-p/batch-00000/2.jsonl.gz", second)


@contextmanager
def console(runs: FakeRuns, results: FakeResults | None = None, *, writable: bool = True) -> Iterator[Client]:
    deployment = deployed(runs, results, endpoint_url="http://127.0.0.1:1", audit_state_machine_arn=AUDITS)
    with serving(Console.of(deployment, writable=writable)) as client:
        yield client


def test_runs_and_audits_are_one_list_newest_first() -> None:
    runs = FakeRuns()
    runs.add_run(run_document(), state="PlanBatches")
    add_audit(runs, audit_document(report=REPORT), "Succeeded", "SUCCEEDED")
    with console(runs) as client:
        assert client.get("/api/session").json["audits"] is True
        rows = client.get("/api/runs").json["runs"]
    assert [(row["run"], row["kind"]) for row in rows] == [(AUDIT, "audit"), (RUN, "backfill")]
    assert list(rows[0]["counts"].items()) == [("verified", 2), ("differs", 1), ("missing", 1), ("failed", 1)]


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        ("WaitForPlan", "planning"),
        ("FindExtra", "searching"),
        ("CompareSlices", "comparing"),
        ("WaitForReport", "reporting"),
    ],
)
def test_an_audit_says_what_it_is_doing(state: str, phase: str) -> None:
    runs = FakeRuns()
    add_audit(runs, audit_document(), state)
    with console(runs) as client:
        assert client.get(f"/api/runs/{AUDIT}").json["progress"]["phase"] == phase


def test_a_running_audit_counts_what_it_has_found_so_far() -> None:
    runs, results = FakeRuns(), FakeResults()
    comparing(runs, results)
    with console(runs, results) as client:
        found = client.get(f"/api/runs/{AUDIT}").json
        report = client.get(f"/api/runs/{AUDIT}/report")
    progress = found["progress"]
    assert (progress["objects"], progress["objects_done"], progress["slices"]["running"]) == (5, 4, 1)
    assert progress["found"] == {"verified": 2, "differs": 1, "failed": 1, "extra": 2}
    assert {(each["title"], each["count"]) for each in found["reasons"]} >= {("Differs", 1), ("AccessDenied", 1)}
    # Its lines are written at its end, as for `ferry report`.
    assert report.status == 409
    assert "running" in report.json["error"]


def test_the_list_of_the_command_says_how_far_an_audit_is() -> None:
    runs, results = FakeRuns(), FakeResults()
    comparing(runs, results)
    times = iter([0.0, 0.0, 10.0])
    watch = AuditWatch(
        deployed(runs, results, audit_state_machine_arn=AUDITS), f"{ARN}{AUDIT}", lambda: next(times, 10.0)
    )
    text = run_view.progress_text(watch.look())
    assert text.startswith("4 of 5 objects")
    assert "2 verified, 1 differs, 2 extra, 1 failed" in text


def test_an_audit_that_has_ended_shows_what_is_wrong_and_why() -> None:
    runs = FakeRuns()
    add_audit(runs, audit_document(report=REPORT), "Succeeded", "SUCCEEDED")
    with console(runs) as client:
        found = client.get(f"/api/runs/{AUDIT}").json
    assert [(each["action"], each["objects"]) for each in found["tallies"]] == [
        ("verified", 2),
        ("differs", 1),
        ("missing", 1),
        ("failed", 1),
    ]
    reasons = {each["title"]: each for each in found["reasons"]}
    assert reasons["Tags differs"]["filters"] == {"status": "differs", "difference": "Tags"}
    assert reasons["Tags differs"]["example"] == {"key": "a/3", "cause": "Tags: 1"}
    assert reasons["Missing in the target"]["filters"] == {"status": "missing"}
    assert reasons["AccessDenied"]["filters"] == {"status": "failed", "error": "AccessDenied"}
    assert found["report"] == f"s3://ferry-athena-results-us-east-1/{FOLDER}"


def test_the_findings_are_filtered_by_status_difference_and_key() -> None:
    runs, results = FakeRuns(), FakeResults()
    audit = add_audit(runs, audit_document(report=REPORT), "Succeeded", "SUCCEEDED")
    audit.output = audit_document(report=REPORT).model_dump_json()
    lines = [
        report_line("a/1"),
        report_line("a/2", "differs", differences=["Metadata.owner", "size"]),
        report_line("a/3", "differs", differences=["Tags"]),
        report_line("B/4", "missing"),
    ]
    results.put(f"{FOLDER}000000.jsonl.gz", lines)
    with console(runs, results) as client:

        def keys(query: str) -> list[str]:
            return [line["key"] for line in client.get(f"/api/runs/{AUDIT}/report?{query}").json["lines"]]

        assert keys("") == ["a/1", "a/2", "a/3", "B/4"]
        assert keys("status=differs") == ["a/2", "a/3"]
        assert keys("status=differs&difference=Metadata") == ["a/2"]
        assert keys("key=b/") == ["B/4"]
        (missing,) = client.get(f"/api/runs/{AUDIT}/report?status=missing").json["lines"]
        assert missing["why"] == "not in the target"


def test_an_audit_is_started_with_the_options_of_the_command_and_stopped() -> None:
    runs = FakeRuns()
    form = {
        "prefix": "a/",
        "min_age": "15m",
        "read": True,
        "tags": True,
        "annotations": True,
        "ignore": "Tags, Metadata.mtime",
    }
    with console(runs) as client:
        answer = client.post("/api/audits", form | {"max_concurrency": 7})
        assert answer.status == 201
        started = runs.executions[f"{ARN}{answer.json['run']}"]
        assert client.post(f"/api/runs/{started.name}/stop").status == 200
    document = json.loads(started.input)
    scope = AuditScope.model_validate(document["scope"])
    assert (scope.prefix, scope.min_age_seconds) == ("a/", 900)
    assert (scope.read, scope.tags, scope.annotations) == (True, True, True)
    assert (scope.ignored, scope.whole, document["max_concurrency"]) == (["Tags", "Metadata.mtime"], False, 7)
    assert started.status == "ABORTED"


@pytest.mark.parametrize(
    "body",
    [None, {"ignore": "Colour"}, {"read": "yes"}, {"since": "soon"}, {"max_concurrency": 0}, {"max_concurrency": "7"}],
)
def test_an_audit_that_the_command_rejects_is_rejected(body: Any) -> None:
    runs = FakeRuns()
    with console(runs) as client:
        assert client.post("/api/audits", body).status == 400
    assert not runs.executions


def test_a_read_only_console_starts_and_stops_no_audit() -> None:
    runs = FakeRuns()
    add_audit(runs, audit_document(), "CompareSlices")
    with console(runs, writable=False) as client:
        assert client.post("/api/audits", {}).status == 403
        assert client.post(f"/api/runs/{AUDIT}/stop").status == 403
    assert [run.status for run in runs.executions.values()] == ["RUNNING"]
