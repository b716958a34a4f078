"""Starts executions of the workflows for many files, and follows them to their ends.

An execution continues when nobody follows it.
"""

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ferry.aws.clients import Deployment
from ferry.stepfunctions.events import error_message

POLL_SECONDS = 0.25
AWS_POLL_SECONDS = 5.0


def start(deployment: Deployment, machine: str, kind: str, input_: str) -> str:
    """Start an execution, whose name begins with its kind; return its ARN."""
    name = f"{kind}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    return deployment.step_functions.start_execution(stateMachineArn=machine, name=name, input=input_)["executionArn"]


def wait_for_end(deployment: Deployment, arn: str, progress: Callable[[float], None]) -> Any:
    """Wait for the end of an execution; report the seconds that it takes. Returns what DescribeExecution does."""
    began = time.monotonic()
    while True:
        described: Any = deployment.step_functions.describe_execution(executionArn=arn)
        if described["status"] != "RUNNING":
            return described
        progress(time.monotonic() - began)
        time.sleep(AWS_POLL_SECONDS if deployment.on_aws else POLL_SECONDS)


def failure_text(described: Any) -> str:
    """Why an execution has not succeeded."""
    return f"{described.get('error', described['status'])}: {error_message(described.get('cause', ''))}"
