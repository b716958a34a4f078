"""Schedules sweeps in the local cloud, as infra/aws/sweep.tf does on AWS.

Idempotent: called again, it changes the schedule. Raises botocore's errors when the cloud rejects a call.
"""

from typing import Any

from botocore.exceptions import ClientError

from functions.contract.bulk import BulkDocument, PlanScope
from infra.local.provision import Clients
from infra.local.roles import create_role
from infra.terraform.outputs import Outputs

MIN_AGE_SECONDS = 900
"""Events of younger objects may still be on their way."""


def sweep_input(outputs: Outputs) -> str:
    """Return the input of a sweep of the whole source."""
    scope = PlanScope(
        bucket=outputs.source_bucket,
        region=outputs.source_region,
        min_age_seconds=MIN_AGE_SECONDS,
        sweep=True,
        wait_for_executions=False,
    )
    return BulkDocument(scope=scope).model_dump_json(include={"scope", "max_concurrency"})


def schedule(outputs: Outputs, expression: str) -> None:
    """Sweep the source on a schedule."""
    clients, machine = Clients(outputs), outputs.bulk_state_machine_arn or ""
    described: dict[str, Any] = {
        "Name": f"{outputs.name}-sweep-main",
        "ScheduleExpression": expression,
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": machine, "RoleArn": _role(clients, outputs, machine), "Input": sweep_input(outputs)},
    }
    try:
        clients.scheduler.create_schedule(**described)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConflictException":
            raise
        clients.scheduler.update_schedule(**described)


def _role(clients: Clients, outputs: Outputs, machine: str) -> str:
    name = f"{outputs.name}-sweep"
    try:
        return clients.iam.get_role(RoleName=name)["Role"]["Arn"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
    statement = {"Sid": "StartSweeps", "Action": ["states:StartExecution"], "Resource": [machine]}
    return create_role(clients.iam, name, "scheduler.amazonaws.com", [statement])
