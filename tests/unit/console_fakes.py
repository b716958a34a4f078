"""Runs with slices and audits, as the tests of the console's page need them."""

import json
from datetime import timedelta
from typing import Any

from functions.contract.audit import AuditDocument, AuditPlan, AuditReport, AuditScope, ExtraSearch, Finding
from tests.unit.ferry_fakes import AUDITS, BEGIN, BULK, Remembered, event
from tests.unit.run_fakes import (
    RUN,
    FakeResults,
    FakeRuns,
    document,
    map_run,
    outcome,
    plan_of,
    put_record,
    put_slice,
)

DEFINITION = {
    "StartAt": "CopySlices",
    "States": {
        "CopySlices": {
            "Type": "Map",
            "ItemProcessor": {
                "StartAt": "CopyBatch",
                "States": {
                    "CopyBatch": {"Type": "Task", "Next": "BatchDone"},
                    "BatchDone": {"Type": "Succeed"},
                },
            },
            "Next": "WriteReport",
        },
        "WriteReport": {"Type": "Task", "End": True},
    },
}


class RunsWithSlices(FakeRuns):
    """Runs whose Map Run has children."""

    def __init__(self) -> None:
        super().__init__()
        self.children: list[Remembered] = []

    def add_child(self, name: str, status: str, *events: dict[str, Any]) -> None:
        given = json.dumps({"slice": {"key": f"runs/{RUN}/0/plan/00000-c/batch-0000{len(self.children)}.jsonl.gz"}})
        child = self.add(name, status, given, machine=f"{BULK}/map")
        child.events += events
        self.children.append(child)

    def describe_state_machine_for_execution(self, *, executionArn: str) -> dict[str, Any]:  # noqa: N803
        assert executionArn in self.executions
        return {"definition": json.dumps(DEFINITION)}

    def list_executions(self, *, mapRunArn: str, maxResults: int, statusFilter: str | None = None) -> Any:  # noqa: N803
        assert mapRunArn in self.map_runs
        found = [child for child in self.children if statusFilter in (None, child.status)]
        return {"executions": [child.described() for child in found[::-1][:maxResults]]}


def copying_run(runs: RunsWithSlices, results: FakeResults) -> None:
    """A run with two slices: one was copied, with one failure; the other is being copied."""
    run = runs.add_run(document(plan_of(3)), state="CopySlices")
    run.events[-1] = event(1, "MapStateEntered", name="CopySlices", input=document(plan_of(3)).model_dump_json())
    run.events.append(event(2, "MapRunStarted", mapRunArn=run.arn))
    runs.map_runs[run.arn] = map_run(total=2, succeeded=1, running=1)
    entered = event(3, "TaskStateEntered", name="CopyBatch")
    done = (event(4, "TaskStateExited", name="CopyBatch"), event(4, "SucceedStateEntered", name="BatchDone"))
    runs.add_child("one", "SUCCEEDED", entered, *done, event(5, "SucceedStateExited", name="BatchDone"))
    runs.add_child("two", "RUNNING", entered)
    put_slice(results, ["a/1", "a/2", "a/3"])
    copied = [outcome(f"a/{number}", "copied", copied_at=BEGIN + timedelta(seconds=number)) for number in (1, 2)]
    put_record(results, "copied", "c1", [*copied, outcome("a/3", "failed", error="AccessDenied", cause="no")])
    put_record(results, "verified", "v1", [outcome("a/1", "verified", grade="checksum")])


AUDIT = "audit-20261101T130000Z-0000bbbb"
ARN = f"{AUDITS.replace(':stateMachine:', ':execution:')}:"
FOLDER = f"reports/day=2026-11-01/run={AUDIT}/"
SCOPE = AuditScope(bucket="ferry-source-us-west-2", region="us-west-2", prefix="a/")
PLAN = AuditPlan(status="planned", folder=f"audits/{AUDIT}/0/plan/", objects=5, slices=1)
REPORT = AuditReport(
    status="complete",
    folder=FOLDER,
    counts={"missing": 1, "verified": 2, "differs": 1, "failed": 1},
    size_bytes={"verified": 20},
    grades={"checksum": 2},
    differences={"Tags": 1},
    errors={"AccessDenied": 1},
    findings=[
        Finding(key="a/3", status="differs", reason="metadata_differs", differences=["Tags"], cause="Tags: 1"),
        Finding(key="a/4", status="missing", reason="new"),
    ],
)


def audit_document(**fields: Any) -> AuditDocument:
    return AuditDocument(**{"scope": SCOPE, "plan": PLAN, "extra": ExtraSearch(status="complete", extra=2), **fields})


def add_audit(runs: FakeRuns, document: AuditDocument, state: str, status: str = "RUNNING") -> Remembered:
    """An audit whose last state received this document."""
    audit = runs.add(AUDIT, status, document.model_dump_json(include={"scope", "max_concurrency"}), machine=AUDITS)
    audit.events.append(event(1, "TaskStateEntered", name=state, input=document.model_dump_json()))
    return audit
