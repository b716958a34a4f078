"""A throttle of Lambda reaches an execution under Lambda's own name, and every other failure as it was."""

import json
from typing import Any

import pytest

from infra.local.lambda_ import throttles
from tests.infra.local_workflows import create_function
from tests.support.local_server import Server, allow
from tests.support.waiting import wait_for

HANDLER = "class Missing(Exception):\n    pass\n\ndef handler(event, context):\n    raise Missing('gone')\n"


@pytest.fixture
def function(server: Server) -> str:
    """The name of a new function that always fails."""
    return create_function(server, handler=HANDLER)


def run(server: Server, function: str, retry: list[dict[str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """An execution of one Task that calls the function, once it has ended; and the errors of its attempts."""
    states = server.client("stepfunctions")
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": function, "Payload": {}},
        "Retry": retry,
        "End": True,
    }
    role = server.role(f"{function}-states", [allow(["lambda:InvokeFunction"], ["*"])], "states.amazonaws.com")
    machine = states.create_state_machine(
        name=function, roleArn=role, definition=json.dumps({"StartAt": "Call", "States": {"Call": task}})
    )["stateMachineArn"]
    arn = states.start_execution(stateMachineArn=machine, input="{}")["executionArn"]

    def ended() -> dict[str, Any] | None:
        execution: dict[str, Any] = states.describe_execution(executionArn=arn)
        return None if execution["status"] == "RUNNING" else execution

    execution = wait_for(ended, "the end of the execution")
    history = states.get_execution_history(executionArn=arn)["events"]
    return execution, [event["taskFailedEventDetails"]["error"] for event in history if event["type"] == "TaskFailed"]


def test_a_throttle_has_lambdas_own_name_and_the_retry_for_it_applies(server: Server, function: str) -> None:
    server.client("lambda").put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    retries = [
        {"ErrorEquals": ["Lambda.TooManyRequestsException"], "IntervalSeconds": 1, "MaxAttempts": 1},
        {"ErrorEquals": ["Lambda.Unknown"], "IntervalSeconds": 1, "MaxAttempts": 5},
    ]
    execution, errors = run(server, function, retries)
    assert errors == ["Lambda.TooManyRequestsException"] * 2
    assert (execution["status"], execution["error"]) == ("FAILED", "Lambda.TooManyRequestsException")
    assert execution["cause"].startswith("Rate Exceeded")


def test_every_other_failure_is_reported_as_it_was(server: Server, function: str) -> None:
    execution, (error,) = run(server, function, [])
    assert (execution["status"], execution["error"]) == ("FAILED", error)
    assert error != "Lambda.TooManyRequestsException"
    assert "gone" in json.loads(execution["cause"])["errorMessage"]


@pytest.mark.parametrize("cause", ["not JSON", "[]", '{"message": "Rate Exceeded"}'])
def test_a_crash_is_not_a_throttle(cause: str) -> None:
    assert throttles._throttle_message("Lambda.Unknown", cause) is None
