"""Each state of the workflow: what it calls, how it is retried, how long it waits.

Where a state leads is in statemachine/workflow.py. Every Task may run twice: the functions are idempotent, and the
retries below depend on that.
"""

from typing import Any

from pydantic import BaseModel

from functions.contract.models import Catalogue, Copy, Deletion, Validation, Verification
from statemachine import declaration
from statemachine.sdk import Choice, Pass, Retry, Succeed, Task, Wait

TASK_TIMEOUT_MARGIN_SECONDS = 30
"""A Task waits so much longer than its function may run: else a retry would run beside the first. It is the time of
one attempt; the pauses between the attempts are none of it."""

THROTTLES = [
    "Throttled",
    "Lambda.TooManyRequestsException",
]
"""AWS is too busy: nothing is wrong with the call, and it may last for hours ("Handle Lambda service exceptions", AWS
Step Functions Developer Guide, for Lambda's name)."""

SERVICE_ERRORS = [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
]
"""Lambda failed (the same page). They get no patience of hours: a missing lambda:InvokeFunction comes as
Lambda.AWSLambdaException too (awslabs/aws-deployment-framework#460), and nobody should wait for that."""

CRASHES_AND_TIMEOUTS = [
    "Lambda.Unknown",
    "Sandbox.Timedout",
    "Runtime.ExitError",
    # A process that died while it started.
    "Runtime.Unknown",
    "States.Timeout",
]


def _retries() -> list[Retry]:
    """Retry by error class; what is not named here is permanent and never retried.

    Each retrier counts by itself ("Error handling in Step Functions workflows", AWS Step Functions Developer Guide), so
    each attempt of each is a part of the history's worst case. That is why failures of Lambda and of the function share
    the second one.
    """
    return [
        # 3.6 hours at most, half of that on average.
        Retry(
            error_equals=THROTTLES,
            interval_seconds=2,
            backoff_rate=3,
            max_attempts=10,
            max_delay_seconds=60 * 60,
            jitter_strategy="FULL",
        ),
        # 80 seconds at most.
        Retry(
            error_equals=[*SERVICE_ERRORS, *CRASHES_AND_TIMEOUTS],
            interval_seconds=2,
            backoff_rate=3,
            max_attempts=4,
            jitter_strategy="FULL",
        ),
    ]


def _task(state: str, function: str, result: type[BaseModel], result_path: str, comment: str) -> Task:
    """One call of a function, with the whole document; its result becomes one key of the document."""
    return Task(
        state,
        comment=comment,
        resource="arn:aws:states:::lambda:invoke",
        parameters={
            "FunctionName": f"${{{function}}}",
            "Payload": {"execution.$": "$$.Execution", "document.$": "$"},
        },
        # Field by field, so that a Choice can rely on each: a path that is missing cannot be caught.
        result_selector={f"{field}.$": f"$.Payload.{field}" for field in result.model_fields},
        result_path=result_path,
        timeout_seconds=declaration.load()[function].timeout_seconds + TASK_TIMEOUT_MARGIN_SECONDS,
        retry=_retries(),
    )


def states() -> list[Any]:
    """Every state, made again each time: migrate() connects them in place."""
    return [
        _task(
            "CopyObject",
            "copy_object",
            Copy,
            "$.copy",
            "Copies the object to the target bucket with all that travels with it. An older upload never "
            "replaces a newer one. Called again until the copy is done: a large one goes on where it stopped.",
        ),
        Choice("CopyFinished?", comment="Is the object at the target, or was it replaced by a newer upload?"),
        Wait(
            "WaitForCopy",
            seconds_path="$.copy.wait_seconds",
            comment="A pause before CopyObject is called again.",
        ),
        Succeed(
            "Superseded",
            comment="A newer upload replaced this one before it was copied; it has its own execution.",
        ),
        _task(
            "VerifyChecksum",
            "verify_checksum",
            Verification,
            "$.verification",
            "Proves that the target holds the source's bytes, and says by which grade. Discards a copy that differs. "
            "Called again while there is more to read.",
        ),
        Choice(
            "ChecksumVerified?",
            comment="Is the copy proved? If it differed or was replaced, it is copied afresh.",
        ),
        Wait(
            "WaitForVerification",
            seconds_path="$.verification.wait_seconds",
            comment="A pause before VerifyChecksum reads on.",
        ),
        Choice(
            "IsCatalogued?",
            comment="Is it a file of rows, in a folder that makes a table? All others are done here.",
        ),
        Pass(
            "NotCatalogued",
            parameters={"status": "not_catalogued", "reason.$": "$.verification.not_catalogued_reason"},
            result_path="$.catalogue",
            comment="Says why the file makes no table.",
        ),
        _task(
            "StartCrawler",
            "start_crawler",
            Catalogue,
            "$.catalogue",
            "Sees to a crawl that covers this file, if it needs one: one that began after the copy, or else a new one. "
            "One crawl serves all files that wait for it.",
        ),
        Choice(
            "CatalogueCovers?",
            comment="Does the catalogue know the file already, or has a crawl since the copy completed?",
        ),
        Wait("WaitForCrawler", seconds_path="$.catalogue.wait_seconds", comment="A pause while the crawler works."),
        _task(
            "PollCrawler",
            "poll_crawler",
            Catalogue,
            "$.catalogue",
            "Looks once how the crawl is getting on.",
        ),
        Choice(
            "CrawlerFinished?",
            comment="Has the crawl ended? After one that failed, StartCrawler decides what to do.",
        ),
        _task(
            "RunValidationQuery",
            "run_validation_query",
            Validation,
            "$.validation",
            "Queries the file's rows with Athena and runs every check on them. Called again until all have answered.",
        ),
        Choice(
            "ValidationFinished?",
            comment="Have all the queries answered, or was the file replaced meanwhile, or lost from the catalogue?",
        ),
        Wait("WaitForQuery", seconds_path="$.validation.wait_seconds", comment="A pause while Athena works."),
        Choice("DeleteSource?", comment="Is it a move? Only what is proved and validated comes here."),
        _task(
            "DeleteSource",
            "delete_source",
            Deletion,
            "$.deletion",
            "Deletes the source, and only the very object that was proved.",
        ),
        Choice(
            "SourceDeleted?",
            comment="Is the source deleted, or was it replaced or changed after the proof?",
        ),
        Succeed(
            "SourceChanged",
            comment="A newer upload took the source's place after the proof, so nothing was deleted; "
            "the newer one has its own execution.",
        ),
        Succeed("Succeeded", comment="The file is at the target, and proved."),
    ]
