"""A bulk run as the model has it: one object is planned, and some time later copied by CopyBatch's own function.

A move is then verified and deleted, by the functions of VerifyBatch and DeleteBatch. The plan is one look at the target
and, of a move, at the source: here a HEAD, where PlanBatches lists. What it saw is the condition of the copy, however
much later that comes. The handlers are called as those of functions are (tests/model/player.py).
"""

from datetime import UTC, datetime
from typing import Any

from functions.batches import copies
from functions.batches.moves import delete_moved, verified_moves
from functions.batches.settings import BatchSettings
from functions.batches.steps import BatchCall
from functions.batches.verification import verify_copied
from functions.contract.batches import Outcome
from functions.contract.bulk import PlannedObject, PlannedTarget, PlanScope
from functions.contract.models import ExecutionContext, Rule
from functions.objects.head import head
from functions.runtime.settings import read_settings

Values = dict[str, Any]

STATES: Values = {
    "Plan": {
        "Type": "Task",
        "Parameters": {"FunctionName": "${bulk_plan}"},
        "ResultSelector": {"etag.$": "$.Payload.etag", "reason.$": "$.Payload.reason"},
        "ResultPath": "$.plan",
        "Next": "Copy",
    },
    "Copy": {
        "Type": "Task",
        "Parameters": {"FunctionName": "${bulk_copy}"},
        "ResultSelector": {"status.$": "$.Payload.status", "outcome.$": "$.Payload.outcome"},
        "ResultPath": "$.copy",
        "Next": "Copied?",
    },
    "Copied?": {
        "Type": "Choice",
        "Choices": [
            {"Variable": "$.copy.status", "StringEquals": "in_progress", "Next": "Copy"},
            {"Variable": "$.copy.status", "StringEquals": "to be moved", "Next": "Verify"},
        ],
        "Default": "Done",
    },
    "Verify": {
        "Type": "Task",
        "Parameters": {"FunctionName": "${bulk_verify}"},
        "ResultSelector": {"status.$": "$.Payload.status", "outcome.$": "$.Payload.outcome"},
        "ResultPath": "$.verification",
        "Next": "Verified?",
    },
    "Verified?": {
        "Type": "Choice",
        "Choices": [{"Variable": "$.verification.status", "StringEquals": "verified", "Next": "Delete"}],
        "Default": "Done",
    },
    "Delete": {
        "Type": "Task",
        "Parameters": {"FunctionName": "${bulk_delete}"},
        "ResultSelector": {"status.$": "$.Payload.status"},
        "ResultPath": "$.deletion",
        "Next": "Done",
    },
    "Done": {"Type": "Succeed"},
}


def plan(event: Values, _context: Any) -> Values:
    """Look at the target, and at the source of a move: what is at the target already is only verified and deleted."""
    settings, document = read_settings(BatchSettings), event["document"]
    found = head(settings.target_bucket, settings.target_region, document["key"], absence_is_common=True)
    is_same = False
    if found and document["rule"]["mode"] == "move":
        source = head(document["bucket"], document["region"], document["key"])
        is_same = source is not None and source.object.etag == found.object.etag
    return {"etag": found.object.etag if found else "", "reason": "same_etag" if is_same else "new"}


def copy(event: Values, context: Any) -> Values:
    """Copy what was planned."""
    document, execution = event["document"], ExecutionContext.model_validate(event["execution"])
    planned = _planned(document)
    scope = PlanScope(bucket=document["bucket"], region=document["region"])
    call = BatchCall(
        scope,
        "runs/r/0/plan/a/batch-00000.jsonl.gz",
        read_settings(BatchSettings),
        execution.start_time,
        "call",
        context.get_remaining_time_in_millis,
    )
    outcome = copies._copy(call, planned)
    if outcome is None:
        return {"status": "in_progress", "outcome": None}
    is_moved = planned.rule.mode == "move" and outcome.status in ("copied", "unchanged")
    return {"status": "to be moved" if is_moved else outcome.status, "outcome": outcome.model_dump(mode="json")}


def verify(event: Values, context: Any) -> Values:
    """Verify what was copied."""
    document = event["document"]
    outcome, left_ms = Outcome.model_validate(document["copy"]["outcome"]), context.get_remaining_time_in_millis
    verified = verify_copied(outcome, _planned(document).rule, lambda: True, left_ms)
    assert verified
    return {"status": verified.status, "outcome": verified.model_dump(mode="json")}


def delete(event: Values, _context: Any) -> Values:
    """Delete what was verified."""
    document = event["document"]
    outcome = Outcome.model_validate(document["verification"]["outcome"])
    (move,) = verified_moves([_planned(document)], {outcome.key: outcome})
    return {"status": delete_moved(move).status}


def _planned(document: Values) -> PlannedObject:
    etag, then = document["plan"]["etag"], datetime(2026, 1, 1, tzinfo=UTC)
    rule = Rule.model_validate(document["rule"])
    return PlannedObject(
        key=document["key"],
        etag="as it was listed",
        size_bytes=1,
        last_modified=then,
        action=rule.mode,
        reason=document["plan"]["reason"],
        rule=rule,
        target=PlannedTarget(etag=etag, size_bytes=1, last_modified=then) if etag else None,
    )


HANDLERS = {"bulk_plan": plan, "bulk_copy": copy, "bulk_verify": verify, "bulk_delete": delete}
