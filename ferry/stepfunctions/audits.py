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

from botocore.exceptions import ClientError

from ferry.aws.clients import Deployment
from ferry.errors import CommandError
from ferry.stepfunctions.events import error_message
from ferry.stepfunctions.runs import AWS_POLL_SECONDS, POLL_SECONDS
from functions.contract.audit import AuditDocument, AuditScope

PREFIX = "audit-"
"""Of the name of every audit that `ferry audit` starts."""

NOT_DEPLOYED = "The deployment has no audit workflow. Run `make deploy` from this release."


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
        raise CommandError(NOT_DEPLOYED)
    name = f"{PREFIX}{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    given = AuditDocument(scope=scope, max_concurrency=max_concurrency).model_dump_json(
        include={"scope", "max_concurrency"}
    )
    return deployment.step_functions.start_execution(stateMachineArn=machine, name=name, input=given)["executionArn"]


def is_audit(name: str) -> bool:
    """Check whether a name or an ARN is an audit's."""
    return name.rpartition(":")[2].startswith(PREFIX)


def find(deployment: Deployment, name: str) -> EndedAudit:
    """Return an audit by its name or ARN; its status may be RUNNING. Raises CommandError if there is none."""
    machine = deployment.outputs.audit_state_machine_arn
    if machine is None:
        raise CommandError(NOT_DEPLOYED)
    arn = name if name.startswith("arn:") else f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
    try:
        described: Any = deployment.step_functions.describe_execution(executionArn=arn)
    except ClientError as error:
        if error.response["Error"].get("Code") not in ("ExecutionDoesNotExist", "InvalidArn"):
            raise
        raise CommandError(f"Audit {name} not found.") from error
    return _ended(described)


def follow(deployment: Deployment, arn: str, progress: Callable[[float], None]) -> EndedAudit:
    """Wait for the end of an audit; report the seconds that it takes."""
    began = time.monotonic()
    while True:
        described: Any = deployment.step_functions.describe_execution(executionArn=arn)
        if described["status"] != "RUNNING":
            break
        progress(time.monotonic() - began)
        time.sleep(AWS_POLL_SECONDS if deployment.on_aws else POLL_SECONDS)
    return _ended(described)


def _ended(described: Any) -> EndedAudit:
    name, status = described["name"], described["status"]
    if status != "SUCCEEDED":
        error = f"{described.get('error', status)}: {error_message(described.get('cause', ''))}"
        return EndedAudit(name, status, None, error)
    return EndedAudit(name, status, AuditDocument.model_validate(json.loads(described["output"])), "")
