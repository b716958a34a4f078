"""The executions of `migrate`: list them, describe one, read what each did. Read-only.

Raises CommandError for an execution that does not exist. What a history's events mean is in history.py.
"""

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from ferry.errors import CommandError
from ferry.stepfunctions.events import (
    ATTEMPT_FAILED,
    ATTEMPT_SUCCEEDED,
    EXECUTION_ENDED,
    FAILED_STATUSES,
    error_message,
    event_details,
    read_events,
)
from ferry.stepfunctions.history import parse_document, parse_history
from ferry.stepfunctions.visits import StateRun
from functions.contract.models import Document, Source

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

READERS = 8
"""Executions that are read at a time. Step Functions throttles these calls by account and region, so the client has to
adapt its pace: DescribeExecution 10 to 15 a second, GetExecutionHistory 20, ListExecutions 2 to 5, once the initial
burst of a few hundred is used up ("Step Functions service quotas", AWS Step Functions Developer Guide)."""

LIST_PAGE = 1000
"""The largest page of ListExecutions; the default is 100."""


@dataclass(frozen=True)
class ExecutionInfo:
    """One execution as ListExecutions and DescribeExecution return it."""

    arn: str
    name: str
    status: str
    started: datetime
    stopped: datetime | None = None
    redriven: datetime | None = None
    redrives: int = 0
    redrive_reason: str | None = None
    """Why it cannot be redriven; only DescribeExecution returns it."""

    @property
    def attempt(self) -> int:
        """The number of its last attempt: each redrive is one more."""
        return self.redrives + 1

    @property
    def failed(self) -> bool:
        """Whether it ended without success."""
        return self.status in FAILED_STATUSES

    @property
    def attempt_started(self) -> datetime:
        """When its last attempt started: the last redrive, else the start."""
        return self.redriven or self.started


@dataclass(frozen=True)
class ExecutionSummary:
    """An execution as `ferry list` shows it: its last state, the document that this state received, and its error."""

    info: ExecutionInfo
    state: str | None
    document: Document | None
    error: str | None = None
    cause: str | None = None

    @property
    def source(self) -> Source | None:
        """The uploaded object, if the input names one."""
        return self.document.source if self.document else None

    @property
    def grade(self) -> str | None:
        """The grade of verification, once the copy is verified."""
        verification = self.document.verification if self.document else None
        return verification.grade if verification and verification.status == "verified" else None


@dataclass(frozen=True)
class Execution(ExecutionSummary):
    """An execution with everything in its history."""

    states: tuple[StateRun, ...] = ()

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return not (self.info.failed or self.info.status == "SUCCEEDED")


@dataclass(frozen=True)
class DefinedState:
    """A state of the workflow's definition."""

    name: str
    type: Literal["Task", "Choice", "Wait", "Pass", "Succeed", "Fail", "Parallel", "Map"]


def execution_arn(state_machine_arn: str, name: str) -> str:
    """The ARN of an execution from its name; an ARN is returned unchanged."""
    if name.startswith("arn:"):
        return name
    return f"{state_machine_arn.replace(':stateMachine:', ':execution:', 1)}:{name}"


def list_executions(
    client: "SFNClient", state_machine_arn: str, statuses: Sequence[str] = (), limit: int | None = None
) -> list[ExecutionInfo]:
    """All executions, or those with the given statuses, newest first; at most `limit` of each status."""
    found: list[ExecutionInfo] = []
    for status in statuses or (None,):
        paging = {"PageSize": min(limit or LIST_PAGE, LIST_PAGE)} | ({"MaxItems": limit} if limit else {})
        arguments: dict[str, Any] = {"stateMachineArn": state_machine_arn, "PaginationConfig": paging}
        if status:
            arguments["statusFilter"] = status
        pages = client.get_paginator("list_executions").paginate(**arguments)
        found += [_info(item) for page in pages for item in page["executions"]]
    # Step Functions sorts ended executions by their end; people look for the latest upload.
    return sorted(found, key=lambda info: (info.started, info.name), reverse=True)[:limit]


def describe(client: "SFNClient", state_machine_arn: str, name: str) -> tuple[ExecutionInfo, str]:
    """One execution by name or ARN, and its input."""
    try:
        response = client.describe_execution(executionArn=execution_arn(state_machine_arn, name))
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ExecutionDoesNotExist", "InvalidArn", "ValidationException"):
            raise CommandError(
                f"Execution {name} not found. Run `ferry list` to see the names, or `ferry find KEY` to look for a key."
            ) from error
        raise
    return _info(response), response.get("input", "{}")


def _info(response: Any) -> ExecutionInfo:
    return ExecutionInfo(
        arn=response["executionArn"],
        name=response["name"],
        status=response["status"],
        started=response["startDate"],
        stopped=response.get("stopDate"),
        redriven=response.get("redriveDate"),
        redrives=response.get("redriveCount") or 0,
        redrive_reason=response.get("redriveStatusReason"),
    )


def read_inputs(client: "SFNClient", infos: Iterable[ExecutionInfo]) -> dict[str, str]:
    """The input of each execution, by its ARN."""

    def read(info: ExecutionInfo) -> tuple[str, str]:
        return info.arn, client.describe_execution(executionArn=info.arn).get("input", "{}")

    with ThreadPoolExecutor(READERS) as pool:
        return dict(pool.map(read, infos))


def canonical(document: str) -> str:
    """A JSON text in a canonical form."""
    return json.dumps(json.loads(document), sort_keys=True)


@dataclass(frozen=True)
class LastState:
    """The end of a history: the state that was entered last, its input, and the error of the last attempt."""

    state: str | None
    input: str | None
    error: str | None
    cause: str | None


def read_last_state(client: "SFNClient", arn: str) -> LastState:
    """Read the end of an execution's history: usually one call."""
    error = cause = None
    of_this_attempt = True
    for event in read_events(client, arn, newest_first=True, page_size=20):
        kind, details = event["type"], event_details(event)
        if kind.endswith("StateEntered") or kind == "ExecutionStarted":
            return LastState(details.get("name"), details.get("input"), error, cause)
        if kind in ATTEMPT_SUCCEEDED or kind == "ExecutionRedriven":
            of_this_attempt = False
        elif of_this_attempt and (kind in ATTEMPT_FAILED or kind in EXECUTION_ENDED):
            error = error or details.get("error") or None
            cause = cause or error_message(details.get("cause"))
    return LastState(None, None, error, cause)


def summarize(client: "SFNClient", info: ExecutionInfo) -> ExecutionSummary:
    """The last state of an execution, its document and its error."""
    last = read_last_state(client, info.arn)
    return ExecutionSummary(info, last.state, parse_document(last.input), last.error, last.cause)


def summarize_all(client: "SFNClient", infos: Iterable[ExecutionInfo]) -> list[ExecutionSummary]:
    """A summary of each execution, in the same order."""
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(lambda info: summarize(client, info), infos))


def read_execution(client: "SFNClient", state_machine_arn: str, name: str) -> Execution:
    """An execution by name or ARN, with its whole history."""
    info, input_ = describe(client, state_machine_arn, name)
    return from_history(info, input_, list(read_events(client, info.arn)), datetime.now(UTC))


def from_history(info: ExecutionInfo, input_: str, events: list[dict[str, Any]], now: datetime) -> Execution:
    """An execution from its description and the events of its history, oldest first."""
    history = parse_history(input_, events, info.status, now)
    return Execution(info, history.state, history.document, history.error, history.cause, history.states)


def read_definition(client: "SFNClient", arn: str) -> tuple[DefinedState, ...]:
    """The states of the definition that this execution runs, in their order, the final states last."""
    response = client.describe_state_machine_for_execution(executionArn=arn)
    states = [DefinedState(name, state["Type"]) for name, state in json.loads(response["definition"])["States"].items()]
    return tuple(sorted(states, key=lambda state: state.type in ("Succeed", "Fail")))
