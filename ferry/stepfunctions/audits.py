"""Audits: starts one, and follows it to its end.

An audit continues when nobody follows it. Raises CommandError for a deployment without the workflow.
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
from ferry.stepfunctions.runs import AWS_POLL_SECONDS, POLL_SECONDS
from functions.contract.audit import AuditDocument, AuditScope


@dataclass(frozen=True)
class EndedAudit:
    """An audit that has ended. `document` is None unless it succeeded; `error` says why it did not."""

    name: str
    status: str
    document: AuditDocument | None
    error: str


def start(deployment: Deployment, scope: AuditScope, max_concurrency: int) -> str:
    """Start an audit; return its ARN."""
    machine = deployment.outputs.audit_state_machine_arn
    if machine is None:
        raise CommandError("The deployment has no audit workflow. Run `make deploy` from this release.")
    name = f"audit-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    given = AuditDocument(scope=scope, max_concurrency=max_concurrency).model_dump_json(
        include={"scope", "max_concurrency"}
    )
    return deployment.step_functions.start_execution(stateMachineArn=machine, name=name, input=given)["executionArn"]


def follow(deployment: Deployment, arn: str, progress: Callable[[float], None]) -> EndedAudit:
    """Wait for the end of an audit; report the seconds that it takes."""
    began = time.monotonic()
    while True:
        described: Any = deployment.step_functions.describe_execution(executionArn=arn)
        if described["status"] != "RUNNING":
            break
        progress(time.monotonic() - began)
        time.sleep(AWS_POLL_SECONDS if deployment.on_aws else POLL_SECONDS)
    name, status = described["name"], described["status"]
    if status != "SUCCEEDED":
        error = f"{described.get('error', status)}: {error_message(described.get('cause', ''))}"
        return EndedAudit(name, status, None, error)
    return EndedAudit(name, status, AuditDocument.model_validate(json.loads(described["output"])), "")
