"""Executions of `migrate` whose ends a test decides, as StartExecution, DescribeExecution and RedriveExecution answer.

Rules: Step Functions API reference. A name runs once: a repeated start of a running one with the same input is answered
alike, any other is rejected.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from functions.contract.models import ExecutionInput

ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:migrate"
FIRST = datetime(2026, 11, 20, 12, tzinfo=UTC)


class FakeExecutions:
    """The client of Step Functions."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, str]] = []
        self.on_start: Callable[[dict[str, Any]], None] = lambda _: None
        """Called with each new or redriven execution, which it may end."""

    def start_execution(self, **request: Any) -> dict[str, Any]:
        name = request["name"]
        self.calls.append(("start", name))
        known = self.records.get(name)
        if known is None:
            self.records[name] = known = {
                "executionArn": f"{ARN.replace(':stateMachine:', ':execution:')}:{name}",
                "name": name,
                "status": "RUNNING",
                "input": request["input"],
                "startDate": FIRST,
                "redriveStatus": "NOT_REDRIVABLE",
            }
            self.on_start(known)
        elif known["status"] != "RUNNING" or known["input"] != request["input"]:
            raise ClientError({"Error": {"Code": "ExecutionAlreadyExists"}}, "StartExecution")
        return {"executionArn": known["executionArn"]}

    def describe_execution(self, executionArn: str, **_: str) -> dict[str, Any]:  # noqa: N803 - boto3's own
        name = executionArn.rpartition(":")[2]
        self.calls.append(("describe", name))
        if name not in self.records:
            raise ClientError({"Error": {"Code": "ExecutionDoesNotExist"}}, "DescribeExecution")
        return dict(self.records[name])

    def redrive_execution(self, executionArn: str, clientToken: str) -> None:  # noqa: N803 - boto3's own
        assert len(clientToken) <= 64
        name = executionArn.rpartition(":")[2]
        self.calls.append(("redrive", name))
        self.records[name] |= {"status": "RUNNING", "redriveStatus": "NOT_REDRIVABLE"}
        self.on_start(self.records[name])

    def inputs(self) -> list[ExecutionInput]:
        """The inputs of all executions."""
        return [ExecutionInput.model_validate_json(each["input"]) for each in self.records.values()]

    def number(self, action: str) -> int:
        """How often an action was called."""
        return sum(called == action for called, _ in self.calls)


def fail(record: dict[str, Any], error: str = "RequestRejected", redrivable: bool = True) -> None:
    """End an execution by an error of a function."""
    cause = json.dumps({"errorType": error, "errorMessage": "as the test wants it"})
    record |= {"status": "FAILED", "error": error, "cause": cause}
    record["redriveStatus"] = "REDRIVABLE" if redrivable else "NOT_REDRIVABLE"


def succeed(record: dict[str, Any], target: dict[str, Any] | None = None, **document: Any) -> None:
    """End an execution; without a target, at the state Superseded."""
    output = json.loads(record["input"])
    if target is None:
        output["copy"] = {"status": "superseded"}
    else:
        output["copy"] = {"status": "copied", "target": target}
        output["verification"] = {"status": "verified", "grade": "readback"}
    record |= {"status": "SUCCEEDED", "output": json.dumps(output | document)}
