"""What an execution did, from the events of its history. Read-only.

The meaning of the events: Step Functions API Reference, "HistoryEvent". Neither `previousEventId` nor `TaskStarted` is
used: not every engine writes them, and without parallel branches the order of the events is enough.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from functions.contract.models import Document

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

FAILED_STATUSES = ("FAILED", "TIMED_OUT", "ABORTED")
SCHEDULED = {"TaskScheduled", "LambdaFunctionScheduled"}
ATTEMPT_SUCCEEDED = {"TaskSucceeded", "LambdaFunctionSucceeded"}
ATTEMPT_FAILED = {
    "TaskFailed",
    "TaskTimedOut",
    "TaskStartFailed",
    "TaskSubmitFailed",
    "LambdaFunctionFailed",
    "LambdaFunctionTimedOut",
    "LambdaFunctionStartFailed",
    "LambdaFunctionScheduleFailed",
    "EvaluationFailed",
}
EXECUTION_ENDED = {
    "ExecutionSucceeded": "SUCCEEDED",
    "ExecutionFailed": "FAILED",
    "ExecutionTimedOut": "TIMED_OUT",
    "ExecutionAborted": "ABORTED",
}


@dataclass(frozen=True)
class StateRun:
    """All visits of an execution to one state, combined."""

    name: str
    status: str
    visits: int
    seconds: float
    retries: int
    error: str | None = None
    cause: str | None = None
    branches: tuple[str, ...] = ()


@dataclass(frozen=True)
class History:
    """What the events of an execution amount to: its last state and document, all its states, and its error."""

    state: str | None
    document: Document | None
    states: tuple[StateRun, ...]
    error: str | None
    cause: str | None


def read_events(
    client: "SFNClient", arn: str, *, newest_first: bool = False, page_size: int = 1000
) -> Iterator[dict[str, Any]]:
    """The events of an execution."""
    pages = client.get_paginator("get_execution_history").paginate(
        executionArn=arn, reverseOrder=newest_first, PaginationConfig={"PageSize": page_size}
    )
    for page in pages:
        for event in page["events"]:
            yield dict(event)


def parse_history(input_: str, events: list[dict[str, Any]], status: str, now: datetime) -> History:
    """Combine the events of an execution, oldest first."""
    state = error = cause = None
    document = input_
    for event in events:
        details = event_details(event)
        if event["type"].endswith("StateEntered"):
            state, document = details["name"], details.get("input", document)
        elif event["type"].endswith("StateExited"):
            document = details.get("output", document)
        elif event["type"] in EXECUTION_ENDED:
            error, cause = details.get("error") or None, error_message(details.get("cause"))
        elif event["type"] == "ExecutionRedriven":
            error = cause = None
    return History(state, parse_document(document), read_states(events, status, now), error, cause)


def parse_document(text: str | None) -> Document | None:
    """The execution's document; None if somebody started the execution with another kind of input."""
    try:
        return Document.model_validate_json(text or "")
    except ValidationError:
        return None


def error_message(cause: str | None) -> str | None:
    """The message in an error's cause: the cause of a Lambda error is JSON with a stack trace."""
    if not cause:
        return None
    try:
        content = json.loads(cause)
    except ValueError:
        return cause
    message = content.get("errorMessage") if isinstance(content, dict) else None
    return message if isinstance(message, str) and message else cause


def event_details(event: dict[str, Any]) -> dict[str, Any]:
    """The part of an event that depends on its type."""
    kind: str = event["type"]
    for suffix in ("StateEntered", "StateExited"):
        if kind.endswith(suffix):
            kind = suffix
    details: dict[str, Any] = event.get(f"{kind[0].lower()}{kind[1:]}EventDetails", {})
    return details


def read_states(events: Iterable[dict[str, Any]], status: str, now: datetime) -> tuple[StateRun, ...]:
    """Every visited state once, in the order of the first visits."""
    reader = _StateReader(entered=now)
    for event in events:
        reader.add(event)
    return reader.finish(status, now)


@dataclass
class _Tally:
    """The visits to one state so far."""

    name: str
    status: str = "RUNNING"
    visits: int = 0
    attempts: int = 0
    retries: int = 0
    seconds: float = 0.0
    error: str | None = None
    cause: str | None = None
    branches: list[str] = field(default_factory=list)

    def restart(self) -> None:
        """Begin a visit, or continue one after a redrive."""
        self.status, self.attempts = "RUNNING", 0
        self.error = self.cause = None


@dataclass
class _StateReader:
    """Adds up the events of a history, oldest first."""

    entered: datetime
    tallies: dict[str, _Tally] = field(default_factory=dict)
    current: _Tally | None = None
    choice: _Tally | None = None
    """The Choice state that was just left: the next state is its branch."""

    ended: bool = False

    def add(self, event: dict[str, Any]) -> None:
        kind, when, details = event["type"], event["timestamp"], event_details(event)
        if kind == "ExecutionRedriven":
            self._redrive(when)
        elif self.ended:
            # An aborted execution may still write events; they do not count.
            return
        elif kind.endswith("StateEntered"):
            self._enter(details["name"], when)
        elif kind in EXECUTION_ENDED:
            self._end(kind, when, details)
        elif self.current and kind.endswith("StateExited"):
            self._exit(self.current, kind, when)
        elif self.current:
            _add_attempt(self.current, kind, details)

    def _redrive(self, when: datetime) -> None:
        # The failed state continues without being entered again.
        self.ended, self.entered = False, when
        if self.current:
            self.current.restart()

    def _enter(self, name: str, when: datetime) -> None:
        self.current, self.entered = self.tallies.setdefault(name, _Tally(name)), when
        self.current.restart()
        self.current.visits += 1
        if self.choice:
            self.choice.branches.append(name)
            self.choice = None

    def _exit(self, state: _Tally, kind: str, when: datetime) -> None:
        state.seconds += _seconds_between(self.entered, when)
        state.status = "CAUGHT" if state.error else "SUCCEEDED"
        self.choice = state if kind == "ChoiceStateExited" else None
        self.current = None

    def _end(self, kind: str, when: datetime, details: dict[str, Any]) -> None:
        self.ended = True
        if self.current:
            self.current.seconds += _seconds_between(self.entered, when)
            self.current.status = EXECUTION_ENDED[kind]
            self.current.error = self.current.error or details.get("error") or None
            self.current.cause = self.current.cause or error_message(details.get("cause"))

    def finish(self, status: str, now: datetime) -> tuple[StateRun, ...]:
        if self.current and not self.ended:
            self.current.seconds += _seconds_between(self.entered, now)
            if status in FAILED_STATUSES:
                # DescribeExecution reports the status a moment before the last event appears.
                self.current.status = status
        return tuple(
            StateRun(
                name=tally.name,
                status=tally.status,
                visits=tally.visits,
                seconds=round(tally.seconds, 3),
                retries=tally.retries,
                error=tally.error,
                cause=tally.cause,
                branches=tuple(tally.branches),
            )
            for tally in self.tallies.values()
        )


def _add_attempt(state: _Tally, kind: str, details: dict[str, Any]) -> None:
    if kind in SCHEDULED:
        state.attempts += 1
        if state.attempts > 1:
            state.retries += 1
    elif kind in ATTEMPT_SUCCEEDED:
        state.error = state.cause = None
    elif kind in ATTEMPT_FAILED:
        state.error = details.get("error") or kind
        state.cause = error_message(details.get("cause"))


def _seconds_between(begin: datetime, end: datetime) -> float:
    return max(0.0, (end - begin).total_seconds())
