"""Run distributed Maps: each item is a child execution of a Map Run.

Rules: Step Functions Developer Guide, "Using Map state in Distributed mode" (tolerated failures) and "Redriving Map
Runs in Step Functions executions": a redrive of the parent resumes the Map Run with the same items. Children that
succeeded are not run again, Standard children resume at the state that failed, Express children start again. A Map Run
that had not started is started. A Map Run that failed by its own output is not redriven: a new one starts.
"""

import json
from functools import partial
from typing import Any

from ministack.core.responses import new_uuid, now_iso
from ministack.services import stepfunctions

from infra.local.stepfunctions import branches
from infra.local.stepfunctions.concurrent_jobs import ConcurrentJobs
from infra.local.stepfunctions.models import UNSUCCESSFUL, Attempt, MapRun, Position, Record, State, WorkflowExecution
from infra.local.stepfunctions.redrivable import MAX_REDRIVES_OF_MAP_RUN
from infra.local.stepfunctions.run_loop import Outcome, StateRunner

CHILDREN_AT_ONCE = 64
"""On AWS 10,000; each is a thread here."""

COUNTS = ("pending", "running", "succeeded", "failed", "timedOut", "aborted", "total", "resultsWritten")
COUNTED_AS = {
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "TIMED_OUT": "timedOut",
    "ABORTED": "aborted",
    "PENDING_REDRIVE": "pendingRedrive",
}


def is_distributed(state: State) -> bool:
    """Whether a Map starts a child execution for each item."""
    return bool((branches.processor_of(state).get("ProcessorConfig") or {}).get("Mode") == "DISTRIBUTED")


def run(runner: StateRunner, state: State) -> Outcome:
    """Run all children, or after a redrive those that did not succeed."""
    if runner.position.parts is None:
        map_run = _start(runner, state)
    else:
        assert isinstance(runner.position.parts, MapRun)  # noqa: S101 - each state has one kind of parts
        map_run = runner.position.parts
        _redrive(runner, map_run)
    MapRunner(runner, state, map_run).run()
    outputs = [
        child.position.data if child and child.record["status"] == "SUCCEEDED" else None
        for child in (map_run.children.get(index) for index in range(len(map_run.positions)))
    ]
    try:
        return runner.shape(state, outputs)
    except Exception:
        # "A new Map Run is started … because of the JSON data interpolation error".
        runner.set_parts(None)
        raise


def count(map_run: MapRun, old: str, new: str) -> None:
    """Count a child, and its item, under its new status."""
    for counts in (map_run.record["itemCounts"], map_run.record["executionCounts"]):
        counts[old] -= 1
        counts[new] += 1


def abort(map_run: MapRun) -> list[WorkflowExecution]:
    """End a Map Run whose parent has ended; return the children that are still running."""
    if map_run.record["status"] == "RUNNING":
        close(map_run, "ABORTED")
    return [child for child in map_run.children.values() if child.record["status"] == "RUNNING"]


def close(map_run: MapRun, status: str) -> None:
    """End a Map Run. What still waits for its redrive stays as it was ("the count … is reset to 0")."""
    map_run.attempt.end()
    map_run.record.update(status=status, stopDate=now_iso())
    for child in map_run.children.values():
        if child.record["status"] == "PENDING_REDRIVE":
            child.record["status"] = child.record.pop("statusBeforeRedrive")
            count(map_run, "pendingRedrive", COUNTED_AS[child.record["status"]])


def _start(runner: StateRunner, state: State) -> MapRun:
    if state.get("ItemReader"):
        data = stepfunctions._apply_input_path(state, runner.position.data, runner.context)
        items = stepfunctions._read_map_items(state["ItemReader"], data, runner.context)
    else:
        items = branches.items_of(runner, state)
    processor = branches.processor_of(state)
    positions = [
        Position(processor["States"], processor["StartAt"], data, context=context)
        for data, context in branches.map_inputs(runner, state, items)
    ]
    _, _, _, region, account, _, machine = runner.execution.record["stateMachineArn"].split(":")[:7]
    label = f"{machine}/{state.get('Label') or new_uuid()}"
    counts = dict.fromkeys((*COUNTS, "failuresNotRedrivable", "pendingRedrive"), 0)
    counts |= {"total": len(items), "pending": len(items)}
    record = {
        "mapRunArn": f"arn:aws:states:{region}:{account}:mapRun:{label}:{new_uuid()}",
        "executionArn": runner.execution.arn,
        "status": "RUNNING",
        "startDate": now_iso(),
        "maxConcurrency": branches.max_concurrency(runner, state),
        "toleratedFailureCount": int(_resolve(runner, state, "ToleratedFailureCount")),
        "toleratedFailurePercentage": float(_resolve(runner, state, "ToleratedFailurePercentage")),
        "itemCounts": counts,
        "executionCounts": dict(counts),
        "redriveCount": 0,
        "_stateMachineArn": f"arn:aws:states:{region}:{account}:stateMachine:{label}",
    }
    express = processor["ProcessorConfig"].get("ExecutionType") == "EXPRESS"
    map_run = MapRun(record, positions, express, attempt=Attempt(runner.attempt))
    with runner.changes():
        runner.set_parts(map_run)
        stepfunctions._map_runs[record["mapRunArn"]] = record
        runner.add_event("MapRunStarted", mapRunArn=record["mapRunArn"])
    return map_run


def _resolve(runner: StateRunner, state: State, field: str) -> Any:
    if f"{field}Path" in state:
        path = state[f"{field}Path"]
        return stepfunctions._resolve_path_or_ctx(path, runner.position.data, runner.context)
    return state.get(field) or 0


def _redrive(runner: StateRunner, map_run: MapRun) -> None:
    record = map_run.record
    if record["redriveCount"] >= MAX_REDRIVES_OF_MAP_RUN:
        raise stepfunctions._ExecutionError("States.Runtime", "The Map Run was redriven 1000 times, which is the limit")
    with runner.changes():
        map_run.attempt = Attempt(runner.attempt)
        record.pop("stopDate", None)
        record.update(status="RUNNING", redriveCount=record["redriveCount"] + 1, redriveDate=now_iso())
        failed = [child for child in map_run.children.values() if child.record["status"] in UNSUCCESSFUL]
        redrivable = [child for child in failed if runner.engine.is_redrivable(child)]
        for child in redrivable:
            status = child.record["status"]
            child.record.update(status="PENDING_REDRIVE", statusBeforeRedrive=status)
            count(map_run, COUNTED_AS[status], "pendingRedrive")
        for counts in (record["itemCounts"], record["executionCounts"]):
            counts["failuresNotRedrivable"] = len(failed) - len(redrivable)
        runner.add_event("MapRunRedriven", mapRunArn=record["mapRunArn"], redriveCount=record["redriveCount"])


class MapRunner:
    """Runs the children of a Map Run until all have ended, or more have failed than is tolerated."""

    def __init__(self, runner: StateRunner, state: State, map_run: MapRun) -> None:
        self._runner = runner
        self._engine = runner.engine
        self._state = state
        self._map_run = map_run

    def run(self) -> None:
        """Run the children; raises States.ExceedToleratedFailureThreshold."""
        map_run, runner = self._map_run, self._runner
        ready = [
            index
            for index in range(len(map_run.positions))
            if index not in map_run.children or map_run.children[index].record["status"] == "PENDING_REDRIVE"
        ]
        try:
            # Children that cannot be redriven stay failed, and count.
            self._check_threshold()
            jobs = ConcurrentJobs(map_run.attempt, self._engine.changed)
            limit = branches.at_once(map_run.record["maxConcurrency"], CHILDREN_AT_ONCE)
            jobs.run([partial(self._run_child, index) for index in ready], limit)
        except stepfunctions._ExecutionError as error:
            with runner.changes():
                close(map_run, "FAILED")
                self._engine.abort_children(map_run)
                runner.add_event("MapRunFailed", error=error.error, cause=error.cause)
            raise
        with runner.changes():
            close(map_run, "SUCCEEDED")
            runner.add_event("MapRunSucceeded")

    def _run_child(self, index: int) -> None:
        map_run = self._map_run
        with self._engine.lock:
            if map_run.attempt.ended:
                return
            child = map_run.children.get(index)
            if child is None:
                child = map_run.children[index] = self._new_child(map_run.positions[index])
                count(map_run, "pending", "running")
                attempt = child.attempt
            else:
                del child.record["statusBeforeRedrive"]
                if map_run.express:
                    child.position.state = branches.processor_of(self._state)["StartAt"]
                    child.position.data = json.loads(child.record["input"])
                    child.position.entered_at = child.position.parts = None
                attempt = self._engine.begin_redrive(child, map_run.attempt)
                count(map_run, "pendingRedrive", "running")
        self._engine.run(child, attempt)
        self._check_threshold()

    def _new_child(self, position: Position) -> WorkflowExecution:
        parent, record = self._runner.execution, self._map_run.record
        machine_arn, name, now = record["_stateMachineArn"], new_uuid(), now_iso()
        text = json.dumps(position.data)
        started = {"input": text, "roleArn": parent.role_arn}
        child_record: Record = {
            "executionArn": f"{machine_arn.replace(':stateMachine:', ':execution:', 1)}:{name}",
            "stateMachineArn": machine_arn,
            "name": name,
            "status": "RUNNING",
            "startDate": now,
            "stopDate": None,
            "input": text,
            "inputDetails": {"included": True},
            "output": None,
            "outputDetails": {"included": True},
            "mapRunArn": record["mapRunArn"],
            "redriveCount": 0,
            "events": [
                {"id": 1, "type": "ExecutionStarted", "timestamp": now, "executionStartedEventDetails": started}
            ],
            "testCase": parent.record.get("testCase"),
            "mockAttempts": {},
        }
        child = WorkflowExecution(
            record=child_record,
            definition=parent.definition,
            role_arn=parent.role_arn,
            machine_name=parent.machine_name,
            position=position,
            attempt=Attempt(self._map_run.attempt),
            express=self._map_run.express,
            map_run=self._map_run,
        )
        self._engine.add(child)
        return child

    def _check_threshold(self) -> None:
        """Fail the Map Run once more children have failed than is tolerated; by default none is."""
        record = self._map_run.record
        with self._engine.lock:
            counts = record["executionCounts"]
            failed = counts["failed"] + counts["timedOut"] + counts["aborted"]
            most, percentage = record["toleratedFailureCount"], record["toleratedFailurePercentage"]
            exceeded = failed * 100 > percentage * counts["total"] if percentage else failed > most
            exceeded = exceeded or (0 < most < failed)
        if exceeded:
            raise stepfunctions._ExecutionError(
                "States.ExceedToleratedFailureThreshold", "The specified tolerated failure threshold was exceeded"
            )
