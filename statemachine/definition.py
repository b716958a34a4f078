"""The workflow `migrate`: copy a file, prove the copy, make it queryable, check that it is.

No state catches an error and none is a Fail state: the step that gives up stays the step that failed, so a
redrive runs just that step again (AWS Step Functions Developer Guide, "Restarting state machine executions
with redrive"). Steps that only look report what they see and a Choice decides; only steps that act raise.
Every Task may run twice: the functions are written for it, and the retries below rely on it.
"""

from pydantic import BaseModel

from functions.contract.models import Catalogue, Copy, Deletion, Validation, Verification
from statemachine import declaration
from statemachine.sdk import Chain, Choice, ChoiceRule, Graph, Pass, Retry, Succeed, Task, Wait

MACHINE_TIMEOUT_SECONDS = 3 * 24 * 60 * 60
"""Far more than the retries of all steps together may pause, which `statemachine/check.py` holds. A redrive begins
it anew."""

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


def migrate() -> Graph:
    """The whole state machine."""
    copy_object = _task(
        "CopyObject",
        "copy_object",
        Copy,
        "$.copy",
        "Copies the object to the target bucket with all that travels with it. An older upload never "
        "replaces a newer one. Called again until the copy is done: a large one goes on where it stopped.",
    )
    copy_finished = Choice(
        "CopyFinished?", comment="Is the object at the target, or was it replaced by a newer upload?"
    )
    wait_for_copy = Wait(
        "WaitForCopy",
        seconds_path="$.copy.wait_seconds",
        comment="A pause before CopyObject is called again.",
    )
    superseded = Succeed(
        "Superseded",
        comment="A newer upload replaced this one before it was copied; it has its own execution.",
    )
    verify_checksum = _task(
        "VerifyChecksum",
        "verify_checksum",
        Verification,
        "$.verification",
        "Proves that the target holds the source's bytes, and says by which grade. Discards a copy that differs. "
        "Called again while there is more to read.",
    )
    checksum_verified = Choice(
        "ChecksumVerified?",
        comment="Is the copy proved? If it differed or was replaced, it is copied afresh.",
    )
    wait_for_verification = Wait(
        "WaitForVerification",
        seconds_path="$.verification.wait_seconds",
        comment="A pause before VerifyChecksum reads on.",
    )
    is_catalogued = Choice(
        "IsCatalogued?",
        comment="Is it a file of rows, in a folder that makes a table? All others are done here.",
    )
    not_catalogued = Pass(
        "NotCatalogued",
        parameters={"status": "not_catalogued", "reason.$": "$.verification.not_catalogued_reason"},
        result_path="$.catalogue",
        comment="Says why the file makes no table.",
    )
    start_crawler = _task(
        "StartCrawler",
        "start_crawler",
        Catalogue,
        "$.catalogue",
        "Sees to a crawl that covers this file, if it needs one: one that began after the copy, or else a new one. "
        "One crawl serves all files that wait for it.",
    )
    catalogue_covers = Choice(
        "CatalogueCovers?", comment="Does the catalogue know the file already, or has a crawl since the copy completed?"
    )
    wait_for_crawler = Wait(
        "WaitForCrawler", seconds_path="$.catalogue.wait_seconds", comment="A pause while the crawler works."
    )
    poll_crawler = _task(
        "PollCrawler",
        "poll_crawler",
        Catalogue,
        "$.catalogue",
        "Looks once how the crawl is getting on.",
    )
    crawler_finished = Choice(
        "CrawlerFinished?",
        comment="Has the crawl ended? After one that failed, StartCrawler decides what to do.",
    )
    run_validation_query = _task(
        "RunValidationQuery",
        "run_validation_query",
        Validation,
        "$.validation",
        "Queries the file's rows with Athena and runs every check on them. Called again until all have answered.",
    )
    validation_finished = Choice(
        "ValidationFinished?",
        comment="Have all the queries answered, or was the file replaced meanwhile, or lost from the catalogue?",
    )
    wait_for_query = Wait(
        "WaitForQuery", seconds_path="$.validation.wait_seconds", comment="A pause while Athena works."
    )
    is_moved = Choice("DeleteSource?", comment="Is it a move? Only what is proved and validated comes here.")
    delete_source = _task(
        "DeleteSource",
        "delete_source",
        Deletion,
        "$.deletion",
        "Deletes the source, and only the very object that was proved.",
    )
    source_deleted = Choice(
        "SourceDeleted?",
        comment="Is the source deleted, or was it replaced or changed after the proof?",
    )
    source_changed = Succeed(
        "SourceChanged",
        comment="A newer upload took the source's place after the proof, so nothing was deleted; "
        "the newer one has its own execution.",
    )
    succeeded = Succeed("Succeeded", comment="The file is at the target, and proved.")

    Chain([copy_object, copy_finished])
    copy_finished.add_choice(ChoiceRule.StringEquals(variable="$.copy.status", value="in_progress"), wait_for_copy)
    copy_finished.add_choice(ChoiceRule.StringEquals(variable="$.copy.status", value="superseded"), superseded)
    copy_finished.default_choice(verify_checksum)
    wait_for_copy.next(copy_object)

    Chain([verify_checksum, checksum_verified])
    checksum_verified.add_choice(
        ChoiceRule.StringEquals(variable="$.verification.status", value="verified"), is_catalogued
    )
    checksum_verified.add_choice(
        ChoiceRule.StringEquals(variable="$.verification.status", value="in_progress"), wait_for_verification
    )
    wait_for_verification.next(verify_checksum)
    checksum_verified.default_choice(wait_for_copy)

    is_catalogued.add_choice(ChoiceRule.BooleanEquals(variable="$.verification.catalogued", value=True), start_crawler)
    is_catalogued.default_choice(not_catalogued)
    not_catalogued.next(is_moved)

    Chain([start_crawler, catalogue_covers])
    for enough in ("covered", "not_needed"):
        catalogue_covers.add_choice(
            ChoiceRule.StringEquals(variable="$.catalogue.status", value=enough), run_validation_query
        )
    catalogue_covers.default_choice(wait_for_crawler)
    Chain([wait_for_crawler, poll_crawler, crawler_finished])
    crawler_finished.add_choice(
        ChoiceRule.StringEquals(variable="$.catalogue.status", value="running"), wait_for_crawler
    )
    crawler_finished.add_choice(
        ChoiceRule.StringEquals(variable="$.catalogue.status", value="succeeded"), run_validation_query
    )
    crawler_finished.default_choice(start_crawler)

    Chain([run_validation_query, validation_finished])
    validation_finished.add_choice(ChoiceRule.StringEquals(variable="$.validation.status", value="passed"), is_moved)
    validation_finished.add_choice(
        ChoiceRule.StringEquals(variable="$.validation.status", value="superseded"), superseded
    )
    validation_finished.add_choice(
        ChoiceRule.StringEquals(variable="$.validation.status", value="target_changed"), wait_for_copy
    )
    validation_finished.add_choice(
        ChoiceRule.StringEquals(variable="$.validation.status", value="not_covered"), wait_for_crawler
    )
    validation_finished.default_choice(wait_for_query)
    wait_for_query.next(run_validation_query)

    is_moved.add_choice(ChoiceRule.StringEquals(variable="$.rule.mode", value="move"), delete_source)
    is_moved.default_choice(succeeded)
    Chain([delete_source, source_deleted])
    source_deleted.add_choice(
        ChoiceRule.StringEquals(variable="$.deletion.status", value="source_changed"), source_changed
    )
    source_deleted.add_choice(ChoiceRule.StringEquals(variable="$.deletion.status", value="copy_again"), wait_for_copy)
    source_deleted.default_choice(succeeded)

    return Graph(
        copy_object,
        comment="Moves one file to another bucket, proves it, makes it queryable and checks its rows.",
        timeout_seconds=MACHINE_TIMEOUT_SECONDS,
    )
