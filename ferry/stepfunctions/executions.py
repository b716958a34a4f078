"""Executions of `migrate` as Step Functions tells them: which there are, what each did, why it failed.

Reads only, so twice is harmless; raises Problem for an execution that does not exist. What a history's
events mean: Step Functions API Reference, "HistoryEvent". Neither `previousEventId` nor `TaskStarted` is relied
on: not every engine writes them, and without parallel branches the order of the events is enough.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError
from pydantic import ValidationError

from ferry.errors import Problem
from functions.contract.models import Document, Source

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_stepfunctions.type_defs import HistoryEventTypeDef

FAILURES = ("FAILED", "TIMED_OUT", "ABORTED")
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
READERS = 8
"""So many executions are read at a time. Step Functions throttles these calls by account and region, so the client has
to find its pace: DescribeExecution 10 to 15 a second, GetExecutionHistory 20, ListExecutions 2 to 5, once the first
hundreds are used up ("Step Functions service quotas", AWS Step Functions Developer Guide)."""

LIST_PAGE = 1000
"""The most that ListExecutions gives at once; 100 by itself."""


@dataclass(frozen=True)
class Summary:
    """One execution as a listing tells it."""

    arn: str
    name: str
    status: str
    started: datetime
    stopped: datetime | None = None
    redriven: datetime | None = None

    @property
    def failed(self) -> bool:
        """Whether it ended, and not well."""
        return self.status in FAILURES

    @property
    def attempt_began(self) -> datetime:
        """When its last attempt began: the last redrive, else the start."""
        return self.redriven or self.started


@dataclass(frozen=True)
class StateRun:
    """All visits of an execution to one state, taken together."""

    name: str
    status: str
    visits: int
    seconds: float
    retries: int
    error: str | None = None
    cause: str | None = None
    branches: tuple[str, ...] = ()


@dataclass(frozen=True)
class Glance:
    """An execution as `ferry list` shows it: its last state, and the document that this state was given."""

    summary: Summary
    state: str | None
    document: Document | None

    @property
    def source(self) -> Source | None:
        """The upload it is about, if its input says so."""
        return self.document.source if self.document else None

    @property
    def grade(self) -> str | None:
        """By what its copy was proved, if it was."""
        verification = self.document.verification if self.document else None
        return verification.grade if verification and verification.status == "verified" else None


@dataclass(frozen=True)
class Execution(Glance):
    """An execution with everything its history tells."""

    states: tuple[StateRun, ...] = ()
    error: str | None = None
    cause: str | None = None

    @property
    def running(self) -> bool:
        """Whether it may still change by itself."""
        return not (self.summary.failed or self.summary.status == "SUCCEEDED")


def in_words(cause: str | None) -> str | None:
    """The message in an error's cause: a Lambda's cause is JSON with a stack trace around it."""
    if not cause:
        return None
    try:
        told = json.loads(cause)
    except ValueError:
        return cause
    message = told.get("errorMessage") if isinstance(told, dict) else None
    return message if isinstance(message, str) and message else cause


def execution_arn(state_machine_arn: str, name: str) -> str:
    """The ARN of an execution from its name; an ARN is left as it is."""
    if name.startswith("arn:"):
        return name
    return f"{state_machine_arn.replace(':stateMachine:', ':execution:', 1)}:{name}"


def list_summaries(
    client: "SFNClient", state_machine_arn: str, statuses: Sequence[str] = (), limit: int | None = None
) -> list[Summary]:
    """All executions, or those of some statuses, newest first; at most `limit` of each status."""
    found: list[Summary] = []
    for status in statuses or (None,):
        paging = {"PageSize": min(limit or LIST_PAGE, LIST_PAGE)} | ({"MaxItems": limit} if limit else {})
        arguments: dict[str, Any] = {"stateMachineArn": state_machine_arn, "PaginationConfig": paging}
        if status:
            arguments["statusFilter"] = status
        pages = client.get_paginator("list_executions").paginate(**arguments)
        found += [
            Summary(
                arn=item["executionArn"],
                name=item["name"],
                status=item["status"],
                started=item["startDate"],
                stopped=item.get("stopDate"),
                redriven=item.get("redriveDate"),
            )
            for page in pages
            for item in page["executions"]
        ]
    # Step Functions orders by the end of what has ended; people look for what was uploaded last.
    return sorted(found, key=lambda summary: (summary.started, summary.name), reverse=True)[:limit]


def describe(client: "SFNClient", state_machine_arn: str, name: str) -> tuple[Summary, str]:
    """One execution by name or ARN, and its input."""
    try:
        told = client.describe_execution(executionArn=execution_arn(state_machine_arn, name))
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ExecutionDoesNotExist", "InvalidArn", "ValidationException"):
            raise Problem(f"There is no execution {name}. `ferry list` shows those there are.") from error
        raise
    summary = Summary(
        arn=told["executionArn"],
        name=told["name"],
        status=told["status"],
        started=told["startDate"],
        stopped=told.get("stopDate"),
        redriven=told.get("redriveDate"),
    )
    return summary, told.get("input", "{}")


def read_inputs(client: "SFNClient", summaries: Iterable[Summary]) -> dict[str, str]:
    """The input of each execution, by its ARN."""

    def read(summary: Summary) -> tuple[str, str]:
        told = client.describe_execution(executionArn=summary.arn)
        return summary.arn, told.get("input", "{}")

    with ThreadPoolExecutor(READERS) as pool:
        return dict(pool.map(read, summaries))


def canonical(document: str) -> str:
    """A JSON text in one spelling."""
    return json.dumps(json.loads(document), sort_keys=True)


def glance(client: "SFNClient", summary: Summary) -> Glance:
    """The last state of an execution and its document, from the end of its history: one call as a rule."""
    for event in _events(client, summary.arn, newest_first=True, page_size=20):
        told: dict[str, Any] = dict(event)
        if event["type"].endswith("StateEntered"):
            details = told["stateEnteredEventDetails"]
            return Glance(summary, details["name"], parse_document(details.get("input")))
        if event["type"] == "ExecutionStarted":
            details = told.get("executionStartedEventDetails", {})
            return Glance(summary, None, parse_document(details.get("input")))
    return Glance(summary, None, None)


def glance_at_all(client: "SFNClient", summaries: Iterable[Summary]) -> list[Glance]:
    """A glance at each execution, in the same order."""
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(lambda summary: glance(client, summary), summaries))


def read_execution(client: "SFNClient", state_machine_arn: str, name: str) -> Execution:
    """An execution by name or ARN, with its whole history."""
    summary, document = describe(client, state_machine_arn, name)
    events = [dict(event) for event in _events(client, summary.arn)]
    return from_history(summary, document, events, datetime.now(UTC))


def from_history(summary: Summary, document: str, events: list[dict[str, Any]], now: datetime) -> Execution:
    """An execution from its description and its history's events, oldest first."""
    error = cause = None
    state = None
    for event in events:
        details = _details(event)
        if event["type"].endswith("StateEntered"):
            state, document = details["name"], details.get("input", document)
        elif event["type"].endswith("StateExited"):
            document = details.get("output", document)
        elif event["type"] in EXECUTION_ENDED:
            error, cause = details.get("error") or None, in_words(details.get("cause"))
        elif event["type"] == "ExecutionRedriven":
            error = cause = None
    return Execution(summary, state, parse_document(document), read_states(events, summary.status, now), error, cause)


def parse_document(text: str | None) -> Document | None:
    """The execution's document, or None where somebody started one with an input of another kind."""
    try:
        return Document.model_validate_json(text or "")
    except ValidationError:
        return None


@dataclass
class _Tally:
    name: str
    status: str = "RUNNING"
    visits: int = 0
    attempts: int = 0
    retries: int = 0
    seconds: float = 0.0
    error: str | None = None
    cause: str | None = None
    branches: list[str] = field(default_factory=list)


def read_states(events: Iterable[dict[str, Any]], status: str, now: datetime) -> tuple[StateRun, ...]:
    """Every visited state once, in the order of the first visits."""
    tallies: dict[str, _Tally] = {}
    current: _Tally | None = None
    chosen_by: _Tally | None = None
    entered = now
    ended = False
    for event in events:
        kind, when, details = event["type"], event["timestamp"], _details(event)
        if kind == "ExecutionRedriven":
            # The state that failed goes on without being entered again.
            ended, entered = False, when
            if current:
                current.status, current.attempts = "RUNNING", 0
                current.error = current.cause = None
        elif ended:
            continue
        elif kind.endswith("StateEntered"):
            current = tallies.setdefault(details["name"], _Tally(details["name"]))
            current.status, current.attempts, entered = "RUNNING", 0, when
            current.visits += 1
            current.error = current.cause = None
            if chosen_by:
                chosen_by.branches.append(current.name)
                chosen_by = None
        elif kind in EXECUTION_ENDED:
            ended = True
            if current:
                current.seconds += _between(entered, when)
                current.status = EXECUTION_ENDED[kind]
                current.error = current.error or details.get("error") or None
                current.cause = current.cause or in_words(details.get("cause"))
        elif current is None:
            continue
        elif kind.endswith("StateExited"):
            current.seconds += _between(entered, when)
            current.status = "CAUGHT" if current.error else "SUCCEEDED"
            chosen_by = current if kind == "ChoiceStateExited" else None
            current = None
        elif kind in SCHEDULED:
            current.attempts += 1
            current.retries += current.attempts > 1
        elif kind in ATTEMPT_SUCCEEDED:
            current.error = current.cause = None
        elif kind in ATTEMPT_FAILED:
            current.error = details.get("error") or kind
            current.cause = in_words(details.get("cause"))
    if current and not ended:
        current.seconds += _between(entered, now)
        if status in FAILURES:
            # The status is told a moment before the last event.
            current.status = status
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
        for tally in tallies.values()
    )


@dataclass(frozen=True)
class DefinedState:
    """A state as the definition has it."""

    name: str
    type: Literal["Task", "Choice", "Wait", "Pass", "Succeed", "Fail", "Parallel", "Map"]


def read_definition(client: "SFNClient", arn: str) -> tuple[DefinedState, ...]:
    """The states of the definition that this execution runs, in their order, the ends last."""
    told = client.describe_state_machine_for_execution(executionArn=arn)
    states = [DefinedState(name, state["Type"]) for name, state in json.loads(told["definition"])["States"].items()]
    return tuple(sorted(states, key=lambda state: state.type in ("Succeed", "Fail")))


def _events(
    client: "SFNClient", arn: str, *, newest_first: bool = False, page_size: int = 1000
) -> Iterator["HistoryEventTypeDef"]:
    pages = client.get_paginator("get_execution_history").paginate(
        executionArn=arn, reverseOrder=newest_first, PaginationConfig={"PageSize": page_size}
    )
    for page in pages:
        yield from page["events"]


def _details(event: dict[str, Any]) -> dict[str, Any]:
    kind: str = event["type"]
    for suffix in ("StateEntered", "StateExited"):
        if kind.endswith(suffix):
            kind = suffix
    details: dict[str, Any] = event.get(f"{kind[0].lower()}{kind[1:]}EventDetails", {})
    return details


def _between(begin: datetime, end: datetime) -> float:
    return max(0.0, (end - begin).total_seconds())
