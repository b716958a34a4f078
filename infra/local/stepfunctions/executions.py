"""Start, stop, time out and redrive executions.

An execution belongs to one attempt at a time. Whoever ends it (its last state, StopExecution, the timeout) takes the
attempt away under the lock, so it ends once, and a thread that still waits for its function changes nothing later.

Idempotent as on AWS: StartExecution with the name and input of a running execution returns that one; StopExecution of a
stopped one returns its stopDate; RedriveExecution with a token that was used returns the earlier redriveDate. Rules:
Step Functions API Reference, the three actions; Developer Guide, "State machine structure" (TimeoutSeconds).
"""

import contextvars
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from ministack.core.responses import get_account_id, get_region, new_uuid, now_iso
from ministack.services import stepfunctions

from infra.local.stepfunctions import branches, children, status_events
from infra.local.stepfunctions.deadlines import Deadlines
from infra.local.stepfunctions.errors import AttemptEnded, CallRejected
from infra.local.stepfunctions.models import Attempt, MapRun, Position, Record, State, WorkflowExecution
from infra.local.stepfunctions.redrivable import earlier_redrive, redrive_status
from infra.local.stepfunctions.run_loop import Outcome, StateRunner

logger = logging.getLogger(__name__)


class Executions:
    """All executions of a server, by ARN; one lock for their changes."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        """Notified when an execution or a part of one has ended."""

        self._by_arn: dict[str, WorkflowExecution] = {}
        self._deadlines = Deadlines()

    def composite(self, state: State) -> Callable[[StateRunner, State], Outcome]:
        """What runs a Parallel or Map state."""
        if state["Type"] == "Parallel":
            return branches.run_parallel
        return children.run if children.is_distributed(state) else branches.run_map

    def add(self, execution: WorkflowExecution) -> None:
        """Add a new execution, so that MiniStack finds it, too."""
        with self.lock:
            self._by_arn[execution.arn] = execution
            stepfunctions._executions[execution.arn] = execution.record

    def find(self, arn: str) -> WorkflowExecution | None:
        """The execution with this ARN; None if there is none, or if it was deleted with its state machine."""
        with self.lock:
            found = self._by_arn.get(arn)
            if found and stepfunctions._executions.get(arn) is not found.record:
                del self._by_arn[arn]
                return None
            return found

    def get(self, arn: object) -> WorkflowExecution:
        """The execution with this ARN. Raises CallRejected."""
        if not isinstance(arn, str) or not arn:
            raise CallRejected("ValidationException", "executionArn is required")
        if len(arn.split(":")) < 8 or ":execution:" not in arn:
            raise CallRejected("InvalidArn", f"Invalid Arn: '{arn}'")
        found = self.find(arn)
        if found is None:
            raise CallRejected("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        return found

    def start(self, machine_arn: str, name: str | None, text: str, test_case: str = "") -> WorkflowExecution:
        """Start an execution, or return the running one with this name and input. Raises CallRejected."""
        machine, definition = _machine(machine_arn)
        name = name or new_uuid()
        base_arn = machine["stateMachineArn"]
        arn = f"arn:aws:states:{get_region()}:{get_account_id()}:execution:{machine['name']}:{name}"
        try:
            data = json.loads(text)
        except ValueError as error:
            raise CallRejected("InvalidExecutionInput", f"Invalid State Machine Execution Input: {error}") from error
        with self.lock:
            existing = self.find(arn)
            if existing:
                # "If the execution is closed or if the input is different, it returns … ExecutionAlreadyExists."
                if existing.express or existing.record["status"] != "RUNNING" or existing.record["input"] != text:
                    raise CallRejected("ExecutionAlreadyExists", f"Execution Already Exists: '{arn}'")
                return existing
            record = _new_record(arn, base_arn, name, text)
            record["testCase"] = test_case
            record["encryptionConfiguration"] = machine.get("encryptionConfiguration")
            execution = _new_execution(record, definition, machine, data)
            self.add(execution)
        status_events.publish(record, *self.status_of(execution))
        self._run_in_thread(execution, execution.attempt)
        return execution

    def run_now(self, arn: str) -> None:
        """Run an execution that MiniStack has recorded itself (StartSyncExecution), to its end."""
        record = stepfunctions._executions[arn]
        machine, definition = _machine(record["stateMachineArn"])
        record["redriveCount"] = 0
        execution = _new_execution(record, definition, machine, json.loads(record["input"]))
        self.add(execution)
        self.run(execution, execution.attempt)

    def _run_in_thread(self, execution: WorkflowExecution, attempt: Attempt) -> None:
        seconds = execution.definition.get("TimeoutSeconds")
        # Account, region and caller of the request are in context variables, which threads do not inherit.
        if seconds:
            # "When you redrive an execution, the state machine level timeout … is reset to 0."
            self._deadlines.add(seconds, partial(contextvars.copy_context().run, self._time_out, execution, attempt))
        arguments = (self.run, execution, attempt)
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=arguments, name="states-execution", daemon=True).start()

    def run(self, execution: WorkflowExecution, attempt: Attempt) -> None:
        """Run the states that are left, and end the execution unless somebody else has."""
        try:
            output = StateRunner(self, execution, attempt, execution.position, _context(execution)).run()
        except AttemptEnded:
            return
        except stepfunctions._ExecutionError as error:
            self._end(execution, attempt, "FAILED", error=error.error, cause=error.cause)
        except Exception as error:
            logger.exception("execution %s raised an unexpected error", execution.arn)
            self._end(execution, attempt, "FAILED", error="States.Runtime", cause=str(error))
        else:
            self._end(execution, attempt, "SUCCEEDED", output=json.dumps(output))

    def _time_out(self, execution: WorkflowExecution, attempt: Attempt) -> None:
        self._end(execution, attempt, "TIMED_OUT", error="States.Timeout")

    def stop(self, execution: WorkflowExecution, error: str | None, cause: str | None) -> str:
        """Stop a running execution; return its stopDate. Raises CallRejected for one that ended otherwise."""
        if not self._end(execution, execution.attempt, "ABORTED", error=error, cause=cause):
            status = execution.record["status"]
            if status != "ABORTED":
                raise CallRejected("ValidationException", f"Execution is {status} and cannot be stopped")
        return str(execution.record["stopDate"])

    def redrive(self, execution: WorkflowExecution, token: str | None) -> str:
        """Run an execution again from where it failed; return the redriveDate. Raises CallRejected."""
        with self.lock:
            earlier = earlier_redrive(execution, token, time.time())
            if earlier:
                return earlier
            status, reason = self.status_of(execution)
            if status != "REDRIVABLE":
                reason = reason or "Redrive the execution that started the Map Run"
                raise CallRejected("ExecutionNotRedrivable", f"{reason}: '{execution.arn}'")
            attempt = self.begin_redrive(execution)
            redrive_date = str(execution.record["redriveDate"])
            if token is not None:
                execution.tokens.append((token, time.time(), redrive_date))
        status_events.publish(execution.record, *self.status_of(execution))
        self._run_in_thread(execution, attempt)
        return redrive_date

    def begin_redrive(self, execution: WorkflowExecution, parent: Attempt | None = None) -> Attempt:
        """Begin the next attempt of an execution that has ended, and return it."""
        record = execution.record
        with self.lock:
            record.update(status="RUNNING", stopDate=None, output=None)
            record.pop("error", None)
            record.pop("cause", None)
            # Express children start again, and their redrives are not counted.
            if not execution.express:
                record.update(redriveCount=record["redriveCount"] + 1, redriveDate=now_iso())
                details = {"executionRedrivenEventDetails": {"redriveCount": record["redriveCount"]}}
                stepfunctions._add_event(record, "ExecutionRedriven", details)
            execution.attempt = Attempt(parent)
            return execution.attempt

    def status_of(self, execution: WorkflowExecution) -> tuple[str, str | None]:
        """The redriveStatus of an execution now, and its reason."""
        with self.lock:
            return redrive_status(execution, datetime.now(UTC))

    def is_redrivable(self, execution: WorkflowExecution) -> bool:
        """Whether a redrive may run an execution again."""
        return self.status_of(execution)[0] != "NOT_REDRIVABLE"

    def _end(
        self,
        execution: WorkflowExecution,
        attempt: Attempt,
        status: str,
        *,
        output: str | None = None,
        **failure: str | None,
    ) -> bool:
        """End an execution, unless its attempt has ended; return whether it did."""
        with self.lock:
            if attempt.ended:
                return False
            self._close(execution, status, output, failure)
        if not execution.map_run:
            status_events.publish(execution.record, *self.status_of(execution))
        return True

    def _close(
        self, execution: WorkflowExecution, status: str, output: str | None, failure: dict[str, str | None]
    ) -> None:
        record = execution.record
        execution.attempt.end()
        if execution.map_run:
            children.count(execution.map_run, "running", children.COUNTED_AS[status])
        record.update(status=status, stopDate=now_iso(), output=output)
        record.update({name: value for name, value in failure.items() if value})
        details = {"output": output} if status == "SUCCEEDED" else {k: v for k, v in failure.items() if v}
        kind = "Execution" + {"TIMED_OUT": "TimedOut"}.get(status, status.title())
        stepfunctions._add_event(record, kind, {f"{kind[0].lower()}{kind[1:]}EventDetails": details})
        self._end_position(execution.position)
        self.changed.notify_all()

    def end_parts(self, attempt: Attempt, positions: Iterable[Position]) -> None:
        """End branches or iterations, because one of them failed, with the children that they wait for."""
        with self.lock:
            attempt.end()
            for position in positions:
                self._end_position(position)
            self.changed.notify_all()

    def _end_position(self, position: Position) -> None:
        if isinstance(position.parts, MapRun):
            self.abort_children(position.parts)
        else:
            for part in position.parts or ():
                self._end_position(part)

    def abort_children(self, map_run: MapRun) -> None:
        """Abort the children of a Map Run that are still running."""
        with self.lock:
            for child in children.abort(map_run):
                self._close(child, "ABORTED", None, {})


def _machine(arn: str) -> tuple[Record, State]:
    """A state machine, and the definition that an execution of this ARN, version or alias gets."""
    base_arn = stepfunctions._resolve_state_machine_arn(arn)
    if base_arn is None:
        raise CallRejected("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")
    machine = stepfunctions._state_machines[base_arn]
    version = stepfunctions._state_machine_versions.get(stepfunctions._execution_version_arn(arn))
    machine = machine | {name: version[name] for name in ("definition", "roleArn") if name in (version or {})}
    return machine, json.loads(machine["definition"])


def _new_record(arn: str, machine_arn: str, name: str, text: str) -> Record:
    return {
        "executionArn": arn,
        "stateMachineArn": machine_arn,
        "name": name,
        "status": "RUNNING",
        "startDate": now_iso(),
        "stopDate": None,
        "input": text,
        "inputDetails": {"included": True},
        "output": None,
        "outputDetails": {"included": True},
        "mockAttempts": {},
        "redriveCount": 0,
        "events": [],
    }


def _new_execution(record: Record, definition: State, machine: Record, data: Any) -> WorkflowExecution:
    if not record["events"]:
        started = {"executionStartedEventDetails": {"input": record["input"], "roleArn": machine["roleArn"]}}
        stepfunctions._add_event(record, "ExecutionStarted", started)
    return WorkflowExecution(
        record=record,
        definition=definition,
        role_arn=machine["roleArn"],
        machine_name=machine["name"],
        position=Position(definition.get("States", {}), definition.get("StartAt"), data),
        express=machine["type"] == "EXPRESS",
    )


def _context(execution: WorkflowExecution) -> dict[str, Any]:
    """The context object ("Accessing execution data from the Context object in Step Functions", Developer Guide).

    RedriveCount is 0 before the first redrive, and only a redriven execution has a RedriveTime.
    """
    record = execution.record
    redriven = {"RedriveTime": record["redriveDate"]} if record["redriveCount"] else {}
    return {
        "QueryLanguage": execution.definition.get("QueryLanguage", "JSONPath"),
        "Execution": {
            "Id": record["executionArn"],
            "Input": json.loads(record["input"]),
            "Name": record["name"],
            "RoleArn": execution.role_arn,
            "StartTime": record["startDate"],
            "RedriveCount": record["redriveCount"],
            **redriven,
        },
        "StateMachine": {"Id": record["stateMachineArn"], "Name": execution.machine_name},
    }
