"""A bulk run as the model has it: one object is planned, and some time later copied by CopyBatch's own function.

The plan is one look at the target: here a HEAD, where PlanBatches lists. What it saw is the condition of the copy,
however much later that comes. The handlers are called as those of functions are (tests/model/player.py).
"""

from datetime import UTC, datetime
from typing import Any

from functions.batches import steps
from functions.batches.settings import BatchSettings
from functions.batches.steps import BatchCall
from functions.contract.bulk import PlannedObject, PlannedTarget, PlanScope
from functions.contract.models import ExecutionContext, Rule
from functions.objects.head import head
from functions.runtime.settings import read_settings

Values = dict[str, Any]

STATES: Values = {
    "Plan": {
        "Type": "Task",
        "Parameters": {"FunctionName": "${bulk_plan}"},
        "ResultSelector": {"etag.$": "$.Payload.etag"},
        "ResultPath": "$.plan",
        "Next": "Copy",
    },
    "Copy": {
        "Type": "Task",
        "Parameters": {"FunctionName": "${bulk_copy}"},
        "ResultSelector": {"status.$": "$.Payload.status"},
        "ResultPath": "$.copy",
        "Next": "Copied?",
    },
    "Copied?": {
        "Type": "Choice",
        "Choices": [{"Variable": "$.copy.status", "StringEquals": "in_progress", "Next": "Copy"}],
        "Default": "Done",
    },
    "Done": {"Type": "Succeed"},
}


def plan(event: Values, _context: Any) -> Values:
    """Look at the target."""
    settings, document = read_settings(BatchSettings), event["document"]
    found = head(settings.target_bucket, settings.target_region, document["key"], absence_is_common=True)
    return {"etag": found.object.etag if found else ""}


def copy(event: Values, context: Any) -> Values:
    """Copy what was planned."""
    document, execution = event["document"], ExecutionContext.model_validate(event["execution"])
    etag, then = document["plan"]["etag"], datetime(2026, 1, 1, tzinfo=UTC)
    planned = PlannedObject(
        key=document["key"],
        etag="as it was listed",
        size_bytes=1,
        last_modified=then,
        action="copy",
        reason="new",
        rule=Rule.model_validate(document["rule"]),
        target=PlannedTarget(etag=etag, size_bytes=1, last_modified=then) if etag else None,
    )
    scope = PlanScope(bucket=document["bucket"], region=document["region"])
    call = BatchCall(
        scope,
        "runs/r/0/plan/a/batch-00000.jsonl.gz",
        read_settings(BatchSettings),
        execution.start_time,
        "call",
        context.get_remaining_time_in_millis,
    )
    outcome = steps._copy(call, planned)
    return {"status": outcome.status if outcome else "in_progress"}


HANDLERS = {"bulk_plan": plan, "bulk_copy": copy}
