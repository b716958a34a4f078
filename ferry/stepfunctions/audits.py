"""Audits: starts one, and follows it to its end.

An audit continues when nobody follows it. Raises CommandError for a deployment without the workflow.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from ferry.aws.clients import Deployment
from ferry.errors import CommandError
from ferry.stepfunctions import following
from ferry.stepfunctions.executions import execution_arn
from functions.contract.audit import AuditDocument, AuditScope

KIND = "audit"
"""The beginning of the name of every audit that `ferry audit` starts."""

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
    document = AuditDocument(scope=scope, max_concurrency=max_concurrency)
    return following.start(deployment, machine, KIND, document.model_dump_json(include={"scope", "max_concurrency"}))


def is_audit(name: str) -> bool:
    """Check whether a name or an ARN is an audit's."""
    return name.rpartition(":")[2].startswith(f"{KIND}-")


def find(deployment: Deployment, name: str) -> EndedAudit:
    """Return an audit by its name or ARN; its status may be RUNNING. Raises CommandError if there is none."""
    machine = deployment.outputs.audit_state_machine_arn
    if machine is None:
        raise CommandError(NOT_DEPLOYED)
    try:
        described = deployment.step_functions.describe_execution(executionArn=execution_arn(machine, name))
    except ClientError as error:
        if error.response["Error"].get("Code") not in ("ExecutionDoesNotExist", "InvalidArn"):
            raise
        raise CommandError(f"Audit {name} not found.") from error
    return _ended(described)


def follow(deployment: Deployment, arn: str, progress: Callable[[float], None]) -> EndedAudit:
    """Wait for the end of an audit; report the seconds that it takes."""
    return _ended(following.wait_for_end(deployment, arn, progress))


def _ended(described: Any) -> EndedAudit:
    name, status = described["name"], described["status"]
    if status != "SUCCEEDED":
        return EndedAudit(name, status, None, following.failure_text(described))
    return EndedAudit(name, status, AuditDocument.model_validate(json.loads(described["output"])), "")
