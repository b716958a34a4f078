"""Runs of the workflow for many files: starts one, and follows it to its end.

A run continues when nobody follows it. Raises CommandError for a deployment without the workflow.
"""

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ferry.aws.clients import Deployment
from ferry.errors import CommandError
from ferry.stepfunctions.events import error_message
from functions.contract.bulk import BulkDocument, Plan, PlanScope, RunReport

POLL_SECONDS = 0.25
AWS_POLL_SECONDS = 5.0


@dataclass(frozen=True)
class EndedRun:
    """A run that has ended. `plan` and `report` are None unless it succeeded; `error` says why it did not."""

    name: str
    status: str
    plan: Plan | None
    report: RunReport | None
    error: str


def start(deployment: Deployment, scope: PlanScope, max_concurrency: int) -> str:
    """Start a run; return its ARN."""
    machine = deployment.outputs.bulk_state_machine_arn
    if machine is None:
        raise CommandError("The deployment has no backfill workflow. Run `make deploy` from this release.")
    name = f"backfill-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    document = BulkDocument(scope=scope, max_concurrency=max_concurrency)
    given = document.model_dump_json(include={"scope", "max_concurrency"})
    return deployment.step_functions.start_execution(stateMachineArn=machine, name=name, input=given)["executionArn"]


def follow(deployment: Deployment, arn: str, progress: Callable[[float], None]) -> EndedRun:
    """Wait for the end of a run; report the seconds that it takes."""
    began = time.monotonic()
    while True:
        described: Any = deployment.step_functions.describe_execution(executionArn=arn)
        if described["status"] != "RUNNING":
            break
        progress(time.monotonic() - began)
        time.sleep(AWS_POLL_SECONDS if deployment.on_aws else POLL_SECONDS)
    if described["status"] != "SUCCEEDED":
        error = f"{described.get('error', described['status'])}: {error_message(described.get('cause', ''))}"
        return EndedRun(described["name"], described["status"], None, None, error)
    document = BulkDocument.model_validate(json.loads(described["output"]))
    return EndedRun(described["name"], "SUCCEEDED", document.plan, document.report, "")
