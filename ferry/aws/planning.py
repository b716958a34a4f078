"""Calls PlanBatches of a deployment until its plan is complete.

The function plans with its own role, which may list and read the buckets; the caller needs no more than
lambda:InvokeFunction. Each call is short, so that it shows progress and no connection is idle for long.

Idempotent: a repeated call plans the same part again. Raises CommandError for the function's errors.
"""

import json
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from ferry.aws.clients import Deployment
from ferry.errors import CommandError
from functions.contract.bulk import BulkDocument, Plan, PlanScope

CALL_SECONDS = 20
THROTTLED = "Throttled"
THROTTLED_ATTEMPTS = 5
PAUSE_SECONDS = 2.0


def plan(
    deployment: Deployment,
    scope: PlanScope,
    progress: Callable[[Plan], None],
    pause: Callable[[float], None] = time.sleep,
) -> Plan:
    """Plan a run; report the progress after each call."""
    started = datetime.now(UTC)
    name = f"dry-run-{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    execution = {"Id": name, "Name": name, "StartTime": started.isoformat()}
    document = BulkDocument(scope=scope.model_copy(update={"most_seconds": CALL_SECONDS}))
    throttled = 0
    while True:
        response = _invoke(deployment, {"execution": execution, "document": document.model_dump(mode="json")})
        if response.get("errorType") == THROTTLED and throttled < THROTTLED_ATTEMPTS:
            throttled += 1
            pause(PAUSE_SECONDS * 2**throttled)
            continue
        if "errorType" in response:
            raise CommandError(f"{response['errorType']}: {response.get('errorMessage', '')}")
        found, throttled = Plan.model_validate(response), 0
        progress(found)
        if found.status == "planned":
            return found
        document = document.model_copy(update={"plan": found})


def _invoke(deployment: Deployment, event: dict[str, Any]) -> dict[str, Any]:
    name = f"{deployment.outputs.name}-plan-batches"
    try:
        response = deployment.lambda_.invoke(FunctionName=name, Payload=json.dumps(event).encode())
    except ClientError as error:
        if error.response["Error"].get("Code") == "ResourceNotFoundException":
            raise CommandError(
                f"The deployment has no function {name}: it was deployed by an earlier release. Run `make deploy`."
            ) from error
        raise
    returned: dict[str, Any] = json.loads(response["Payload"].read())
    if "FunctionError" in response:
        # A crash has an errorMessage only.
        return {"errorType": "Lambda", **returned}
    return returned
