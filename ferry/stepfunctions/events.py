"""The events of an execution's history, and what they mean. Read-only.

Step Functions API Reference, "HistoryEvent".
"""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

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
