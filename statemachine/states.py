"""Each state of the workflow: what it calls, and how long it waits.

Where a state leads is in statemachine/workflow.py, and when a Task is retried in statemachine/retries.py.
"""

from typing import Any

from pydantic import BaseModel

from functions.contract.models import Catalogue, Copy, Deletion, Validation, Verification
from statemachine import declaration
from statemachine.retries import retries
from statemachine.sdk import Choice, Pass, Succeed, Task, Wait

TASK_TIMEOUT_MARGIN_SECONDS = 30
"""A Task's time-out exceeds its function's by this: otherwise a retry would overlap the first call. It applies to one
attempt; pauses between attempts do not count."""


def task(state: str, function: str, result: type[BaseModel], result_path: str, comment: str) -> Task:
    """Call a function with the whole document; its result becomes one key of the document."""
    return Task(
        state,
        comment=comment,
        resource="arn:aws:states:::lambda:invoke",
        parameters={
            "FunctionName": f"${{{function}}}",
            "Payload": {"execution.$": "$$.Execution", "document.$": "$"},
        },
        # Select each field, so that a Choice finds it: a missing path is an uncatchable error.
        result_selector={f"{field}.$": f"$.Payload.{field}" for field in result.model_fields},
        result_path=result_path,
        timeout_seconds=declaration.load()[function].timeout_seconds + TASK_TIMEOUT_MARGIN_SECONDS,
        retry=retries(),
    )


def states() -> list[Any]:
    """Return every state, as new objects: migrate() connects them in place."""
    return [
        task(
            "CopyObject",
            "copy_object",
            Copy,
            "$.copy",
            "Copies the object to the target bucket with everything that travels with it. An older upload never "
            "replaces a newer one. Called again until the copy is finished: a large copy resumes where it stopped.",
        ),
        Choice("CopyFinished?", comment="Is the object at the target, or was it replaced by a newer upload?"),
        Wait(
            "WaitForCopy",
            seconds_path="$.copy.wait_seconds",
            comment="Waits before CopyObject is called again.",
        ),
        Succeed(
            "Superseded",
            comment="A newer upload, which has its own execution, replaced this one before it was copied.",
        ),
        task(
            "VerifyChecksum",
            "verify_checksum",
            Verification,
            "$.verification",
            "Verifies that the target holds the source's bytes, and records by which grade. Discards a copy that "
            "differs. Called again while there is more to read.",
        ),
        Choice(
            "ChecksumVerified?",
            comment="Is the copy verified? If it differed or was replaced, it is copied again.",
        ),
        Wait(
            "WaitForVerification",
            seconds_path="$.verification.wait_seconds",
            comment="Waits before VerifyChecksum continues reading.",
        ),
        Choice(
            "IsCatalogued?",
            comment="Is it a tabular file in a table's folder? Other files skip the catalogue and the validation.",
        ),
        Pass(
            "NotCatalogued",
            parameters={"status": "not_catalogued", "reason.$": "$.verification.not_catalogued_reason"},
            result_path="$.catalogue",
            comment="Records why the file is not catalogued.",
        ),
        task(
            "StartCrawler",
            "start_crawler",
            Catalogue,
            "$.catalogue",
            "Makes sure that a crawl covers this file, if it needs one: one that started after the copy, or a new "
            "one. One crawl serves all files that wait for it.",
        ),
        Choice(
            "CatalogueCovers?",
            comment="Does the catalogue already have the file, or has a crawl completed since the copy?",
        ),
        Wait("WaitForCrawler", seconds_path="$.catalogue.wait_seconds", comment="Waits while the crawler runs."),
        task(
            "PollCrawler",
            "poll_crawler",
            Catalogue,
            "$.catalogue",
            "Polls the crawl once.",
        ),
        Choice(
            "CrawlerFinished?",
            comment="Has the crawl completed? After a failure, StartCrawler decides what to do.",
        ),
        task(
            "RunValidationQuery",
            "run_validation_query",
            Validation,
            "$.validation",
            "Reads the file, queries its rows with Athena and runs every check on them. Called again until the "
            "file is read and all queries have ended.",
        ),
        Choice(
            "ValidationFinished?",
            comment="Have all queries ended, or was the file replaced meanwhile, or lost from the catalogue?",
        ),
        Wait(
            "WaitForQuery",
            seconds_path="$.validation.wait_seconds",
            comment="Waits before the reading continues, or while Athena runs the queries.",
        ),
        Choice("DeleteSource?", comment="Is it a move? Only verified and validated files get here."),
        task(
            "DeleteSource",
            "delete_source",
            Deletion,
            "$.deletion",
            "Deletes the source, and only the object that was verified.",
        ),
        Choice(
            "SourceDeleted?",
            comment="Is the source deleted, or was it replaced or changed after the verification?",
        ),
        Succeed(
            "SourceChanged",
            comment="A newer upload replaced the source after the verification, so nothing was deleted; "
            "the newer one has its own execution.",
        ),
        Succeed("Succeeded", comment="The file is at the target, and verified."),
    ]
