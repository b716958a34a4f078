"""Run a sequence of states from where it is: a workflow, a branch, an iteration or a child of a Map Run.

MiniStack executes each single state; its own loop cannot start in the middle. A state that has no Exited event is run
again by a redrive, with the input that it was entered with, and without a second Entered event ("Restarting state
machine executions with redrive", Step Functions Developer Guide; Fail: "Reenters the Fail state and fails again").
"""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from ministack.core.responses import now_iso
from ministack.services import stepfunctions

from infra.local.stepfunctions import history
from infra.local.stepfunctions.errors import AttemptEnded
from infra.local.stepfunctions.models import Attempt, MapRun, Position, State, WorkflowExecution

MAX_PAYLOAD_BYTES = 262_144
"""Of a state's output ("Step Functions service quotas", Developer Guide)."""

Outcome = tuple[Any, str | None]
"""A state's output, and the state that follows."""


class Engine(Protocol):
    """What runs the executions, as their states see it."""

    lock: "threading.RLock"
    changed: threading.Condition

    def composite(self, state: State) -> "Callable[[StateRunner, State], Outcome]":
        """What runs a Parallel or Map state."""

    def add(self, execution: WorkflowExecution) -> None:
        """Add a new execution."""

    def run(self, execution: WorkflowExecution, attempt: Attempt) -> None:
        """Run the states of an execution that are left, and end it."""

    def begin_redrive(self, execution: WorkflowExecution, parent: Attempt | None = None) -> Attempt:
        """Begin the next attempt of an execution, and return it."""

    def is_redrivable(self, execution: WorkflowExecution) -> bool:
        """Whether a redrive may run an execution again."""

    def end_parts(self, attempt: Attempt, positions: Iterable[Position]) -> None:
        """End branches or iterations, because one of them failed."""

    def abort_children(self, map_run: MapRun) -> None:
        """Abort the children of a Map Run that are still running."""


class StateRunner:
    """One sequence of states, in one attempt. Raises AttemptEnded as soon as that attempt has ended."""

    def __init__(
        self,
        engine: Engine,
        execution: WorkflowExecution,
        attempt: Attempt,
        position: Position,
        context: dict[str, Any],
    ) -> None:
        self.engine = engine
        self.execution = execution
        self.attempt = attempt
        self.position = position
        # A sequence assigns to its own variables only, and an attempt that ended to none that counts ("Passing data
        # between states with variables").
        self.context = context | position.context | {"variables": dict(position.variables)}
        self._view = history.view(execution.record, attempt, engine.lock)

    def part(self, attempt: Attempt, position: Position) -> "StateRunner":
        """The runner of a branch or an iteration of the current state."""
        return StateRunner(self.engine, self.execution, attempt, position, self.context)

    def run(self) -> Any:
        """Run the states that are left; return the output of the last."""
        while self.position.state is not None:
            self._run_state(self.position.state)
        return self.position.data

    @contextmanager
    def changes(self) -> Iterator[None]:
        """Change the position or the history, while nobody else does."""
        with self.engine.lock:
            if self.attempt.ended:
                raise AttemptEnded
            yield

    def add_event(self, kind: str, **details: Any) -> None:
        """Add an event with its details to the history."""
        key = kind if not kind.endswith(("StateEntered", "StateExited")) else f"state{kind.rpartition('State')[2]}"
        named = {f"{key[0].lower()}{key[1:]}EventDetails": details} if details else None
        stepfunctions._add_event(self._view, kind, named)

    def _run_state(self, name: str) -> None:
        position = self.position
        state = position.states.get(name)
        if state is None:
            raise stepfunctions._ExecutionError("States.Runtime", f"State '{name}' not found in definition")
        kind = str(state.get("Type"))
        self._enter(name, kind)
        self.context["State"] = {"Name": name, "EnteredTime": position.entered_at, "RetryCount": 0}
        if kind == "Fail":
            with self.changes():
                position.entered_at = None
            raise stepfunctions._ExecutionError(*stepfunctions._fail_state_error(state, position.data, self.context))
        output, following = self._execute(kind, state)
        self._exit(name, kind, output, following)

    def _enter(self, name: str, kind: str) -> None:
        with self.changes():
            if self.position.entered_at is None:
                self.add_event(f"{kind}StateEntered", name=name, input=json.dumps(self.position.data))
                self.position.entered_at = now_iso()

    def _exit(self, name: str, kind: str, output: Any, following: str | None) -> None:
        position = self.position
        if len(json.dumps(output, ensure_ascii=False).encode()) > MAX_PAYLOAD_BYTES:
            with self.changes():
                # "the Parallel state is rerun, including the branches that were successful".
                position.parts = None
            raise stepfunctions._ExecutionError(
                "States.DataLimitExceeded",
                f"The state/task '{name}' returned a result with a size exceeding the maximum number of bytes service "
                "limit.",
            )
        with self.changes():
            self.add_event(f"{kind}StateExited", name=name, output=json.dumps(output))
            position.state, position.data, position.entered_at, position.parts = following, output, None, None
            position.variables = dict(self.context["variables"])

    def _execute(self, kind: str, state: State) -> Outcome:
        data, context = self.position.data, self.context
        if kind == "Succeed":
            output = stepfunctions._apply_input_path(state, data, context)
            return stepfunctions._apply_output_path(state, output, context), None
        if kind == "Task":
            outcome: Outcome = stepfunctions._execute_task(state, data, self._view, context)
            return outcome
        simple: dict[str, Callable[[State, Any, dict[str, Any]], Outcome]] = {
            "Pass": stepfunctions._execute_pass,
            "Choice": stepfunctions._execute_choice,
            "Wait": stepfunctions._execute_wait,
        }
        if kind in simple:
            return simple[kind](state, data, context)
        if kind in ("Parallel", "Map"):
            return self._with_retries(state, self.engine.composite(state))
        raise stepfunctions._ExecutionError("States.Runtime", f"Unknown state type: {kind}")

    def _with_retries(self, state: State, run: Callable[["StateRunner", State], Outcome]) -> Outcome:
        """Run a Parallel or Map state under its Retry and Catch; a redrive resumes its parts, a retry does not."""
        resumes = self.position.parts is not None

        def attempt() -> Outcome:
            nonlocal resumes
            if not resumes:
                self.set_parts(None)
            resumes = False
            return run(self, state)

        outcome: Outcome = stepfunctions._with_retry_and_catch(state, self.position.data, self.context, attempt)
        return outcome

    def set_parts(self, parts: "list[Position] | MapRun | None") -> None:
        """Remember the branches, iterations or the Map Run of the current state, for a redrive."""
        with self.changes():
            self.position.parts = parts

    def shape(self, state: State, result: Any) -> Outcome:
        """The output of a Parallel or Map state."""
        data, context = self.position.data, self.context
        if stepfunctions._state_query_language(state, context) == "JSONata":
            output = stepfunctions._apply_jsonata_output(state, data, context, result=result, default=result)
            stepfunctions._apply_state_assign(state, data, context, result=result)
        else:
            output = stepfunctions._apply_result_selector(state, result)
            output = stepfunctions._apply_result_path(state, data, output)
            output = stepfunctions._apply_output_path(state, output, context)
        return output, stepfunctions._next_or_end(state)
