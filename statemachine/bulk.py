"""The workflow `migrate_bulk`: plan what is missing, copy and verify it in slices, validate files of tables, delete
what is moved, start executions, repeat what failed, report.

Each slice is a child execution of a Distributed Map, so a run has any number of objects and a short history. A Map
tolerates every failure: ReconcileReport leads back to the Maps with what failed while rounds are left, and
RequireComplete, the last Task, fails the run if anything still did. A redrive then runs that Task alone, which leads
back to what failed. There is no Catch and no Fail state, as in `migrate`.

The definition is written as Amazon States Language: the SDK lacks Distributed Maps. Only what both AWS and the local
cloud run is used ("Using Map state in Distributed mode", "ItemReader (Map)", AWS Step Functions Developer Guide).
"""

from typing import Any

from pydantic import BaseModel

from functions.contract.batches import Batch
from functions.contract.bulk import Completion, Plan, Round, RunReport
from functions.contract.models import Catalogue
from statemachine.states import task

States = dict[str, dict[str, Any]]

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

MACHINE_TIMEOUT_SECONDS = 14 * 24 * 60 * 60
"""As long as a run can be redriven."""


def _task(
    names: tuple[str, str], function: str, result: type[BaseModel], result_path: str, comment: str
) -> dict[str, Any]:
    """Return a Task that calls a function with the whole document, and leads on."""
    state, following = names
    described: dict[str, Any] = task(state, function, result, result_path, comment).to_dict()
    described.pop("End", None)
    return described | {"Next": following}


def _choice(comment: str, path: str, value: str | int, following: str, otherwise: str) -> dict[str, Any]:
    operator = "StringEquals" if isinstance(value, str) else "NumericEquals"
    return {
        "Type": "Choice",
        "Comment": comment,
        "Choices": [{"Variable": path, operator: value, "Next": following}],
        "Default": otherwise,
    }


def _wait(comment: str, path: str, following: str) -> dict[str, Any]:
    return {"Type": "Wait", "Comment": comment, "SecondsPath": path, "Next": following}


def _each_slice(comment: str, pointers: str, states: States, following: str) -> dict[str, Any]:
    """Return a Map over the slices of a file. Its children's results are records in S3, not in the document.

    Without a ResultWriter, their outputs together must fit into 256 KiB, whatever ResultPath is, or the Map fails
    (States.DataLimitExceeded): "ResultWriter (Map)", AWS Step Functions Developer Guide. Nobody reads what it writes.
    """
    return {
        "Type": "Map",
        "Comment": comment,
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            "Parameters": {"Bucket.$": "$.plan.bucket", "Key.$": pointers},
        },
        "ItemSelector": {"scope.$": "$.scope", "slice.$": "$$.Map.Item.Value"},
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": next(iter(states)),
            "States": states,
        },
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {
                "Bucket.$": "$.plan.bucket",
                "Prefix.$": "States.Format('runs/{}/map', $$.Execution.Name)",
            },
        },
        "MaxConcurrencyPath": "$.max_concurrency",
        "ToleratedFailurePercentage": 100.0,
        "ResultPath": None,
        "Next": following,
    }


def _copy_states() -> States:
    """Return the child of CopySlices."""
    return {
        "CopyBatch": _task(
            ("CopyBatch", "BatchCopied?"), "copy_batch", Batch, "$.copy", "Copies the objects of a slice."
        ),
        "BatchCopied?": _choice(
            "Does every object have an outcome?", "$.copy.status", "in_progress", "WaitForBatch", "VerifyBatch"
        ),
        "WaitForBatch": _wait("Waits before CopyBatch is called again.", "$.copy.wait_seconds", "CopyBatch"),
        "VerifyBatch": _task(
            ("VerifyBatch", "BatchVerified?"), "verify_batch", Batch, "$.verification", "Verifies what was copied."
        ),
        "BatchVerified?": _choice(
            "Is every copy verified, or its object failed?",
            "$.verification.status",
            "in_progress",
            "WaitForVerification",
            "BatchDone",
        ),
        "WaitForVerification": _wait(
            "Waits before VerifyBatch is called again.", "$.verification.wait_seconds", "VerifyBatch"
        ),
        "BatchDone": {"Type": "Succeed", "Comment": "What became of each object is recorded."},
    }


def _execution_states() -> States:
    """Return the child of StartExecutions."""
    return {
        "EnsureMigrated": _task(
            ("EnsureMigrated", "AllMigrated?"),
            "ensure_migrated",
            Batch,
            "$.started",
            "Starts or replays an execution of migrate for each object of a slice. Called again until all have ended.",
        ),
        "AllMigrated?": _choice(
            "Has every execution ended?", "$.started.status", "in_progress", "WaitForExecutions", "ExecutionsDone"
        ),
        "WaitForExecutions": _wait(
            "Waits while executions run, less and less often while none ends.",
            "$.started.wait_seconds",
            "EnsureMigrated",
        ),
        "ExecutionsDone": {"Type": "Succeed", "Comment": "How the execution of each object ended is recorded."},
    }


def _validation_states() -> States:
    """Return the child of ValidateFiles."""
    return {
        "CatalogueBatch": _task(
            ("CatalogueBatch", "Catalogued?"),
            "catalogue_batch",
            Catalogue,
            "$.catalogue",
            "Registers the partitions of a slice's files, or has them crawled.",
        ),
        "Catalogued?": _choice(
            "Does the catalogue have the files?", "$.catalogue.status", "running", "WaitForCrawl", "ValidateBatch"
        ),
        "WaitForCrawl": _wait("Waits for a crawl.", "$.catalogue.wait_seconds", "CatalogueBatch"),
        "ValidateBatch": _task(
            ("ValidateBatch", "AllValidated?"),
            "validate_batch",
            Batch,
            "$.validation",
            "Reads the files of a slice, and has Athena count their rows.",
        ),
        "AllValidated?": _choice(
            "Does every file have an outcome?",
            "$.validation.status",
            "in_progress",
            "WaitForQueries",
            "ValidationsDone",
        ),
        "WaitForQueries": _wait("Waits for the queries.", "$.validation.wait_seconds", "ValidateBatch"),
        "ValidationsDone": {"Type": "Succeed", "Comment": "What became of each file is recorded."},
    }


def _deletion_states() -> States:
    """Return the child of DeleteSources."""
    return {
        "DeleteBatch": _task(
            ("DeleteBatch", "AllDeleted?"),
            "delete_batch",
            Batch,
            "$.deletion",
            "Deletes the sources of a slice's moves whose copies are verified.",
        ),
        "AllDeleted?": _choice(
            "Does every move have an outcome?",
            "$.deletion.status",
            "in_progress",
            "WaitForDeletions",
            "DeletionsDone",
        ),
        "WaitForDeletions": _wait(
            "Waits before DeleteBatch is called again.", "$.deletion.wait_seconds", "DeleteBatch"
        ),
        "DeletionsDone": {"Type": "Succeed", "Comment": "What became of each move is recorded."},
    }


def migrate_bulk() -> dict[str, Any]:
    """Return the whole state machine."""
    states: States = {
        "PlanBatches": _task(
            ("PlanBatches", "PlanComplete?"),
            "plan_batches",
            Plan,
            "$.plan",
            "Compares source and target, and writes what is missing as slices. Called again until it is complete.",
        ),
        "PlanComplete?": _choice("Are all objects compared?", "$.plan.status", "planning", "WaitForPlan", "FirstRound"),
        "WaitForPlan": _wait("Waits before PlanBatches continues.", "$.plan.wait_seconds", "PlanBatches"),
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
        "AnyToCopy?": _choice("Are there slices to copy?", "$.round.batches", 0, "AnyToStart?", "CopySlices"),
        "CopySlices": _each_slice(
            "Copies and verifies each slice in an execution of its own.",
            "$.round.batches_key",
            _copy_states(),
            "AnyFiles?",
        ),
        "AnyFiles?": _choice("Are there files of tables?", "$.round.files", 0, "AnyToDelete?", "ValidateFiles"),
        "ValidateFiles": _each_slice(
            "Validates the files of tables, each slice in an execution of its own.",
            "$.round.files_key",
            _validation_states(),
            "AnyToDelete?",
        ),
        "AnyToDelete?": _choice("Are there moves?", "$.round.moves", 0, "AnyToStart?", "DeleteSources"),
        "DeleteSources": _each_slice(
            "Deletes the sources of verified moves, each slice in an execution of its own.",
            "$.round.moves_key",
            _deletion_states(),
            "AnyToStart?",
        ),
        "AnyToStart?": _choice(
            "Are there objects that need executions?", "$.round.executions", 0, "ReconcileReport", "StartExecutions"
        ),
        "StartExecutions": _each_slice(
            "Has an execution of migrate for each large object, and for what a batch failed twice.",
            "$.round.executions_key",
            _execution_states(),
            "ReconcileReport",
        ),
        "ReconcileReport": _task(
            ("ReconcileReport", "Reconciled?"),
            "reconcile_report",
            Round,
            "$.round",
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
        "WaitForReconciliation": _wait(
            "Waits before ReconcileReport continues.", "$.round.wait_seconds", "ReconcileReport"
        ),
        "WaitForRound": _wait("Waits before what failed is repeated.", "$.round.wait_seconds", "AnyToCopy?"),
        "WriteReport": _task(
            ("WriteReport", "ReportWritten?"),
            "write_report",
            RunReport,
            "$.report",
            "Reports what became of each object.",
        ),
        "ReportWritten?": _choice(
            "Are all slices reported?", "$.report.status", "in_progress", "WaitForReport", "RequireComplete"
        ),
        "WaitForReport": _wait("Waits before WriteReport continues.", "$.report.wait_seconds", "WriteReport"),
        "RequireComplete": _task(
            ("RequireComplete", "Redriven?"),
            "require_complete",
            Completion,
            "$.completion",
            "Fails the run if objects failed. Redriven, it leads back to what failed.",
        ),
        "Redriven?": _choice(
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
