"""Starts an execution of `migrate` for each object that no batch can copy.

The name is a hash of the run and of the object as it is now, so a call that is repeated starts nothing twice; another
run starts it again, which replays what failed. Idempotent. Source: StartExecution (Step Functions API reference).

Raises Throttled, AccessDenied, RequestRejected.
"""

import hashlib
import json

from botocore.exceptions import ClientError

from functions.batches.settings import ExecutionSettings
from functions.contract.bulk import Outcome, PlannedObject, PlanScope
from functions.contract.models import ExecutionInput, Source
from functions.objects.head import head, location
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors, code_of

NAME_LENGTH = 40


def ensure_migrated(planned: PlannedObject, scope: PlanScope, run: str, settings: ExecutionSettings) -> Outcome:
    """Start the execution of one object, unless this run has started it already."""
    found = head(scope.bucket, scope.region, planned.key)
    if found is None:
        return Outcome(key=planned.key, status="skipped", error="SourceMissing")
    obj = found.object
    identity = [run, obj.bucket, obj.key, obj.version_id, obj.etag, obj.size_bytes, found.last_modified.isoformat()]
    name = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:NAME_LENGTH]
    document = ExecutionInput(source=Source.of(obj), rule=planned.rule)
    with aws_errors(f"starting the execution {name} for {location(obj.bucket, obj.key)}"):
        try:
            clients.step_functions(settings.target_region).start_execution(
                stateMachineArn=settings.state_machine_arn, name=name, input=document.model_dump_json()
            )
        except ClientError as error:
            if code_of(error) != "ExecutionAlreadyExists":
                raise
    return Outcome(key=planned.key, status="started", execution=name)
