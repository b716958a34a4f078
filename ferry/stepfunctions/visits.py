"""Every visit of an execution to a state, in its order, and the transitions that were taken. Read-only, pure.

Each visit stands alone, with its input and output, as a person reads them; `read_states` combines those to one state. A
redrive continues the failed state without entering it again: there a new visit begins, which is `resumed`. Not every
engine writes `previousEventId`: without it, and without parallel branches, the order of the events is enough.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from ferry.stepfunctions.events import (
    ATTEMPT_FAILED,
    ATTEMPT_SUCCEEDED,
    EXECUTION_ENDED,
    FAILED_STATUSES,
    SCHEDULED,
    error_message,
    event_details,
)

Transition = tuple[str, str]


@dataclass
class Visit:
    """One visit to a state; `exited` and `output` are None until it is left."""

    state: str
    type: str
    attempt: int
    entered: datetime
    input: str | None
    status: str = "RUNNING"
    exited: datetime | None = None
    output: str | None = None
    resumed: bool = False
    calls: int = 0
    error: str | None = None
    cause: str | None = None
    retried_errors: list[str] = field(default_factory=list)

    @property
    def retries(self) -> int:
        """The calls after the first one."""
        return max(0, self.calls - 1)

    def seconds(self, now: datetime) -> float:
        """How long it took, or has taken so far."""
        return max(0.0, ((self.exited or now) - self.entered).total_seconds())


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
class AttemptVisits:
    """The start of the execution, or a redrive."""

    number: int
    started: datetime


@dataclass(frozen=True)
class Course:
    """The attempts of an execution, its visits, and how often each transition was taken."""

    attempts: tuple[AttemptVisits, ...]
    visits: tuple[Visit, ...]
    transitions: Counter[Transition]


def read_course(events: Iterable[dict[str, Any]], status: str, transitions: Sequence[Transition]) -> Course:
    """What happened in an execution. `transitions` are those of its definition."""
    reader = _Reader(set(transitions))
    for event in events:
        reader.add(event)
    return reader.finish(status)


def read_states(events: Iterable[dict[str, Any]], status: str, now: datetime) -> tuple[StateRun, ...]:
    """Every visited state once, in the order of the first visits."""
    visits = read_course(events, status, ()).visits
    branches = [
        (visit.state, following.state)
        for visit, following in pairwise(visits)
        if visit.type == "Choice" and not following.resumed
    ]
    by_state: dict[str, list[Visit]] = {}
    for visit in visits:
        by_state.setdefault(visit.state, []).append(visit)
    return tuple(
        StateRun(
            name=name,
            status=own[-1].status,
            visits=sum(not visit.resumed for visit in own),
            seconds=round(sum(visit.seconds(now) for visit in own), 3),
            retries=sum(visit.retries for visit in own),
            error=own[-1].error,
            cause=own[-1].cause,
            branches=tuple(branch for choice, branch in branches if choice == name),
        )
        for name, own in by_state.items()
    )


@dataclass
class _Reader:
    known: set[Transition]
    attempts: list[AttemptVisits] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    taken: Counter[Transition] = field(default_factory=Counter)
    left: list[str] = field(default_factory=list)
    """The states in the order in which they were left: the last one with a transition to the next state led there."""

    by_event: dict[int, Visit] = field(default_factory=dict)
    cut_off: list[Visit] = field(default_factory=list)
    """The visits that the end of the execution left unfinished: a redrive continues them."""

    ended: bool = False

    def add(self, event: dict[str, Any]) -> None:
        kind, when, details = event["type"], event["timestamp"], event_details(event)
        if kind == "ExecutionStarted":
            self.attempts.append(AttemptVisits(0, when))
        elif kind == "ExecutionRedriven":
            self._redrive(when)
        elif self.ended:
            # An aborted execution may still write events; they do not count.
            return
        elif kind.endswith("StateEntered"):
            self._enter(kind, when, details)
        elif kind in EXECUTION_ENDED:
            self._end(kind, when, details)
        else:
            visit = self._visit_of(event, details.get("name") if kind.endswith("StateExited") else None)
            if visit and kind.endswith("StateExited"):
                self._exit(visit, when, details)
            elif visit:
                _add_call(visit, kind, details)
        self._remember(event)

    def _redrive(self, when: datetime) -> None:
        self.ended = False
        self.attempts.append(AttemptVisits(len(self.attempts), when))
        for failed in self.cut_off:
            again = Visit(failed.state, failed.type, len(self.attempts) - 1, when, failed.input, resumed=True)
            self.visits.append(again)
        self.cut_off = []

    def _enter(self, kind: str, when: datetime, details: dict[str, Any]) -> None:
        name = details["name"]
        attempt = max(0, len(self.attempts) - 1)
        self.visits.append(Visit(name, kind.removesuffix("StateEntered"), attempt, when, details.get("input")))
        source = next((state for state in reversed(self.left) if (state, name) in self.known), None)
        if source is not None:
            self.taken[source, name] += 1

    def _exit(self, visit: Visit, when: datetime, details: dict[str, Any]) -> None:
        visit.exited, visit.output = when, details.get("output")
        visit.status = "CAUGHT" if visit.error else "SUCCEEDED"
        self.left.append(visit.state)

    def _end(self, kind: str, when: datetime, details: dict[str, Any]) -> None:
        self.ended = True
        self.cut_off = [visit for visit in self.visits if visit.exited is None]
        for visit in self.cut_off:
            visit.exited, visit.status = when, EXECUTION_ENDED[kind]
            visit.error = visit.error or details.get("error") or None
            visit.cause = visit.cause or error_message(details.get("cause"))

    def _visit_of(self, event: dict[str, Any], name: str | None) -> Visit | None:
        """The visit that an event belongs to: that of the event before it, where the engine names one."""
        named = self.by_event.get(event.get("previousEventId", 0))
        if named and named.exited is None and name in (None, named.state):
            return named
        is_open = (visit for visit in reversed(self.visits) if visit.exited is None and name in (None, visit.state))
        return next(is_open, None)

    def _remember(self, event: dict[str, Any]) -> None:
        if event.get("id") and self.visits:
            previous = self.by_event.get(event.get("previousEventId", 0))
            entered = event["type"].endswith("StateEntered")
            self.by_event[event["id"]] = self.visits[-1] if entered or previous is None else previous

    def finish(self, status: str) -> Course:
        if not self.ended and status in FAILED_STATUSES:
            # DescribeExecution reports the status a moment before the last event appears.
            for visit in self.visits:
                if visit.exited is None:
                    visit.status = status
        return Course(tuple(self.attempts), tuple(self.visits), self.taken)


def _add_call(visit: Visit, kind: str, details: dict[str, Any]) -> None:
    if kind in SCHEDULED:
        visit.calls += 1
        if visit.calls > 1 and visit.error:
            visit.retried_errors.append(visit.error)
    elif kind in ATTEMPT_SUCCEEDED:
        visit.error = visit.cause = None
    elif kind in ATTEMPT_FAILED:
        visit.error = details.get("error") or kind
        visit.cause = error_message(details.get("cause"))
