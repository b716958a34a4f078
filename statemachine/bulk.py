"""The workflow `migrate_bulk`: plan what is missing, copy and verify it in slices, validate files of tables, delete
what is moved, start executions, repeat what failed, report.

Each slice is a child execution of a Distributed Map, so a run has any number of objects and a short history. A Map
tolerates every failure: ReconcileReport leads back to the Maps with what failed while rounds are left, and
RequireComplete, the last Task, fails the run if anything still did. A redrive then runs that Task alone, which leads
back to what failed. There is no Catch and no Fail state, as in `migrate`.
"""

from typing import Any

from functions.contract.batches import Batch
from functions.contract.bulk import Completion, Plan, Round, RunReport
from functions.contract.models import Catalogue
from statemachine.map_states import States, call, choice, each_slice, wait

BULK_FUNCTIONS = frozenset(
    {
        *("plan_batches", "copy_batch", "verify_batch", "catalogue_batch", "validate_batch", "delete_batch"),
        *("ensure_migrated", "reconcile_report", "write_report", "require_complete"),
    }
)
"""The functions that the states call."""

ROUND_FIELDS = tuple(
    f"{name}{ending}" for ending in ("", "_key") for name in ("batches", "files", "moves", "executions")
)
"""Of the plan, for the first round."""

ROOT = "runs"
"""Where slices and records are."""

MACHINE_TIMEOUT_SECONDS = 14 * 24 * 60 * 60
"""As long as a run can be redriven."""


def _shard_states() -> States:
    """Return the child of PlanShards."""
    return {
        "PlanShard": call(
            "PlanShard",
            "plan_batches",
            (Plan, "$.plan"),
            "ShardPlanned",
            "Compares source and target in a range of keys, as far as one call gets, and writes its progress.",
        ),
        "ShardPlanned": {"Type": "Succeed", "Comment": "What is left of the range is divided again."},
    }


def _copy_states() -> States:
    """Return the child of CopySlices."""
    return {
        "CopyBatch": call(
            "CopyBatch", "copy_batch", (Batch, "$.copy"), "BatchCopied?", "Copies the objects of a slice."
        ),
        "BatchCopied?": choice(
            "Does every object have an outcome?", "$.copy.status", "in_progress", "WaitForBatch", "VerifyBatch"
        ),
        "WaitForBatch": wait("Waits before CopyBatch is called again.", "$.copy.wait_seconds", "CopyBatch"),
        "VerifyBatch": call(
            "VerifyBatch", "verify_batch", (Batch, "$.verification"), "BatchVerified?", "Verifies what was copied."
        ),
        "BatchVerified?": choice(
            "Is every copy verified, or its object failed?",
            "$.verification.status",
            "in_progress",
            "WaitForVerification",
            "BatchDone",
        ),
        "WaitForVerification": wait(
            "Waits before VerifyBatch is called again.", "$.verification.wait_seconds", "VerifyBatch"
        ),
        "BatchDone": {"Type": "Succeed", "Comment": "What became of each object is recorded."},
    }


def _execution_states() -> States:
    """Return the child of StartExecutions."""
    return {
        "EnsureMigrated": call(
            "EnsureMigrated",
            "ensure_migrated",
            (Batch, "$.started"),
            "AllMigrated?",
            "Starts or replays an execution of migrate for each object of a slice. Called again until all have ended.",
        ),
        "AllMigrated?": choice(
            "Has every execution ended?", "$.started.status", "in_progress", "WaitForExecutions", "ExecutionsDone"
        ),
        "WaitForExecutions": wait(
            "Waits while executions run, less and less often while none ends.",
            "$.started.wait_seconds",
            "EnsureMigrated",
        ),
        "ExecutionsDone": {"Type": "Succeed", "Comment": "How the execution of each object ended is recorded."},
    }


def _validation_states() -> States:
    """Return the child of ValidateFiles."""
    return {
        "CatalogueBatch": call(
            "CatalogueBatch",
            "catalogue_batch",
            (Catalogue, "$.catalogue"),
            "Catalogued?",
            "Registers the partitions of a slice's files, or has them crawled.",
        ),
        "Catalogued?": choice(
            "Does the catalogue have the files?", "$.catalogue.status", "running", "WaitForCrawl", "ValidateBatch"
        ),
        "WaitForCrawl": wait("Waits for a crawl.", "$.catalogue.wait_seconds", "CatalogueBatch"),
        "ValidateBatch": call(
            "ValidateBatch",
            "validate_batch",
            (Batch, "$.validation"),
            "AllValidated?",
            "Reads the files of a slice, and has Athena count their rows.",
        ),
        "AllValidated?": choice(
            "Does every file have an outcome?",
            "$.validation.status",
            "in_progress",
            "WaitForQueries",
            "ValidationsDone",
        ),
        "WaitForQueries": wait("Waits for the queries.", "$.validation.wait_seconds", "ValidateBatch"),
        "ValidationsDone": {"Type": "Succeed", "Comment": "What became of each file is recorded."},
    }


def _deletion_states() -> States:
    """Return the child of DeleteSources."""
    return {
        "DeleteBatch": call(
            "DeleteBatch",
            "delete_batch",
            (Batch, "$.deletion"),
            "AllDeleted?",
            "Deletes the sources of a slice's moves whose copies are verified.",
        ),
        "AllDeleted?": choice(
            "Does every move have an outcome?",
            "$.deletion.status",
            "in_progress",
            "WaitForDeletions",
            "DeletionsDone",
        ),
        "WaitForDeletions": wait("Waits before DeleteBatch is called again.", "$.deletion.wait_seconds", "DeleteBatch"),
        "DeletionsDone": {"Type": "Succeed", "Comment": "What became of each move is recorded."},
    }


def migrate_bulk() -> dict[str, Any]:
    """Return the whole state machine."""
    states: States = {
        "PlanBatches": call(
            "PlanBatches",
            "plan_batches",
            (Plan, "$.plan"),
            "PlanComplete?",
            "Compares source and target, and writes what is missing as slices. Called again until it is complete.",
        ),
        "PlanComplete?": {
            "Type": "Choice",
            "Comment": "Are all objects compared? If many are left, their keys are divided into ranges.",
            "Choices": [
                {"Variable": "$.plan.status", "StringEquals": "planning", "Next": "WaitForPlan"},
                {"Variable": "$.plan.status", "StringEquals": "sharded", "Next": "PlanShards"},
            ],
            "Default": "FirstRound",
        },
        "PlanShards": each_slice(
            "Plans each range of keys in an execution of its own; PlanBatches collects them.",
            "$.plan.shards_key",
            ROOT,
            _shard_states(),
            "WaitForPlan",
        )
        # An item is a plan of one range.
        | {"ItemSelector": {"scope.$": "$.scope", "plan.$": "$$.Map.Item.Value"}},
        "WaitForPlan": wait("Waits before PlanBatches continues.", "$.plan.wait_seconds", "PlanBatches"),
        "FirstRound": {
            "Type": "Pass",
            "Comment": "The first round works on all slices of the plan.",
            "Parameters": {
                "status": "ready",
                "number": 0,
                **{f"{name}.$": f"$.plan.{name}" for name in ROUND_FIELDS},
            },
            "ResultPath": "$.round",
            "Next": "AnyToCopy?",
        },
        "AnyToCopy?": choice("Are there slices to copy?", "$.round.batches", 0, "AnyToStart?", "CopySlices"),
        "CopySlices": each_slice(
            "Copies and verifies each slice in an execution of its own.",
            "$.round.batches_key",
            ROOT,
            _copy_states(),
            "AnyFiles?",
        ),
        "AnyFiles?": choice("Are there files of tables?", "$.round.files", 0, "AnyToDelete?", "ValidateFiles"),
        "ValidateFiles": each_slice(
            "Validates the files of tables, each slice in an execution of its own.",
            "$.round.files_key",
            ROOT,
            _validation_states(),
            "AnyToDelete?",
        ),
        "AnyToDelete?": choice("Are there moves?", "$.round.moves", 0, "AnyToStart?", "DeleteSources"),
        "DeleteSources": each_slice(
            "Deletes the sources of verified moves, each slice in an execution of its own.",
            "$.round.moves_key",
            ROOT,
            _deletion_states(),
            "AnyToStart?",
        ),
        "AnyToStart?": choice(
            "Are there objects that need executions?", "$.round.executions", 0, "ReconcileReport", "StartExecutions"
        ),
        "StartExecutions": each_slice(
            "Has an execution of migrate for each large object, and for what a batch failed twice.",
            "$.round.executions_key",
            ROOT,
            _execution_states(),
            "ReconcileReport",
        ),
        "ReconcileReport": call(
            "ReconcileReport",
            "reconcile_report",
            (Round, "$.round"),
            "Reconciled?",
            "Collects what failed, as slices of another round. Called again until all slices are looked at.",
        ),
        "Reconciled?": {
            "Type": "Choice",
            "Comment": "Is there anything to repeat, and a round left for it?",
            "Choices": [
                {"Variable": "$.round.status", "StringEquals": "collecting", "Next": "WaitForReconciliation"},
                {"Variable": "$.round.status", "StringEquals": "ready", "Next": "WaitForRound"},
            ],
            "Default": "WriteReport",
        },
        "WaitForReconciliation": wait(
            "Waits before ReconcileReport continues.", "$.round.wait_seconds", "ReconcileReport"
        ),
        "WaitForRound": wait("Waits before what failed is repeated.", "$.round.wait_seconds", "AnyToCopy?"),
        "WriteReport": call(
            "WriteReport",
            "write_report",
            (RunReport, "$.report"),
            "ReportWritten?",
            "Reports what became of each object.",
        ),
        "ReportWritten?": choice(
            "Are all slices reported?", "$.report.status", "in_progress", "WaitForReport", "RequireComplete"
        ),
        "WaitForReport": wait("Waits before WriteReport continues.", "$.report.wait_seconds", "WriteReport"),
        "RequireComplete": call(
            "RequireComplete",
            "require_complete",
            (Completion, "$.completion"),
            "Redriven?",
            "Fails the run if objects failed. Redriven, it leads back to what failed.",
        ),
        "Redriven?": choice(
            "Was a failed run redriven?", "$.completion.status", "retry", "WaitForReconciliation", "Succeeded"
        ),
        "Succeeded": {
            "Type": "Succeed",
            "Comment": "Every planned object arrived, was skipped, or has an execution.",
        },
    }
    return {
        "Comment": "Copies and verifies everything that a source has and the target lacks.",
        "StartAt": "PlanBatches",
        "TimeoutSeconds": MACHINE_TIMEOUT_SECONDS,
        "States": states,
    }
