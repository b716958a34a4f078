"""Replay one failed execution: by redrive, which runs only the failed step again, or as a new execution.

Redrive and its conditions: Step Functions Developer Guide, "Restarting state machine executions with redrive".
Idempotent: a repeated redrive has the same token, and two replays at once start the same name, which Step Functions
accepts only once.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ferry.stepfunctions.executions import ExecutionInfo
from ferry.stepfunctions.failures import REPLAY, Failure, base_name

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

NAME_LENGTH = 80
UNSUPPORTED = {"InvalidAction", "UnknownOperationException", "UnknownOperation", "NotImplemented"}
"""How engines that lack the action answer; others say it by the HTTP status 501, as InternalFailure."""


@dataclass(frozen=True)
class Replay:
    """The execution that is running now, and, if it is a new one, the reason."""

    name: str
    new_execution_reason: str | None = None


def redrive(client: "SFNClient", failure: Failure) -> str | None:
    """Redrive a failed execution; return the reason if it cannot be redriven."""
    try:
        client.redrive_execution(executionArn=failure.info.arn, clientToken=redrive_token(failure.info))
    except ClientError as error:
        details = error.response["Error"]
        if _is_unsupported(error):
            return "because this Step Functions emulator does not support redrive"
        if details["Code"] != "ExecutionNotRedrivable":
            raise
        return f"because redrive was not possible ({details.get('Message', details['Code']).rstrip('.')})"
    return None


def _is_unsupported(error: ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return error.response["Error"]["Code"] in UNSUPPORTED or status == HTTPStatus.NOT_IMPLEMENTED


def start_again(client: "SFNClient", state_machine_arn: str, failure: Failure, taken: Iterable[str]) -> str:
    """Start a new execution with the input of a failed one; return its name."""
    name = next_name(failure.info.name, taken)
    try:
        client.start_execution(stateMachineArn=state_machine_arn, name=name, input=failure.input)
    except ClientError as error:
        # Somebody else replays it at the same moment.
        if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
            raise
    return name


def next_name(name: str, taken: Iterable[str]) -> str:
    """`<base>-replay-N` with an N above all existing ones, in at most 80 characters."""
    base = base_name(name)
    highest: dict[str, int] = {}
    for other in taken:
        replayed = REPLAY.match(other)
        if replayed:
            highest[replayed["base"]] = max(highest.get(replayed["base"], 0), int(replayed["number"]))
    number = 1
    while True:
        suffix = f"-replay-{number}"
        shortened = base[: NAME_LENGTH - len(suffix)]
        if highest.get(shortened, 0) < number:
            return shortened + suffix
        number = highest[shortened] + 1


def redrive_token(failed: ExecutionInfo) -> str:
    """The same token for a repeated call, another one once the execution has been redriven."""
    return hashlib.sha256(f"{failed.arn} {failed.attempt_started.isoformat()}".encode()).hexdigest()
