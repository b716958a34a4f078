"""Executions of the state machine, as answers of its functions and the path that follows from them.

The answers are the contract's own models, so they have each field that the definition selects.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from functions.contract.models import (
    Catalogue,
    Copy,
    Deletion,
    ExecutionInput,
    Model,
    Rule,
    Source,
    Validation,
    Verification,
)

ETAG = "5d41402abc4b2a76b9719d911017c592"
SOURCE = Source(bucket="from", region="us-west-2", key="a.csv", etag=ETAG, sequencer="0A", size_bytes=5)


@dataclass(frozen=True)
class Failure:
    """A function that raises."""

    error: str
    cause: str = "as the scenario says"


Answers = Mapping[str, Sequence[Model | Failure]]
"""What each Task's function answers, call by call."""


@dataclass(frozen=True)
class Scenario:
    """One execution. `error` is empty if it succeeds; `waits` and `longest_retries` are its pauses in seconds.

    The jitter of a retry draws anything from nothing to the longest one ("Handling errors in Step Functions workflows",
    JitterStrategy, AWS Step Functions Developer Guide).
    """

    name: str
    answers: Answers
    path: Sequence[str]
    mode: str = "copy"
    error: str = ""
    waits: Sequence[float] = ()
    longest_retries: Sequence[float] = ()

    def input(self) -> dict[str, Any]:
        """The execution's input, as the starter writes it."""
        given = ExecutionInput(source=SOURCE, rule=Rule.model_validate({"mode": self.mode}))
        return given.model_dump(mode="json")

    def to_run(self, random: float) -> dict[str, Any]:
        """What engines.cjs runs."""
        answers = {state: [_written(each) for each in given] for state, given in self.answers.items()}
        return {"input": self.input(), "context": CONTEXT, "random": random, "answers": answers}


CONTEXT = {"Execution": {"Id": "arn:aws:states:us-east-1:123456789012:execution:ferry-migrate:a", "RedriveCount": 0}}


def _written(answer: Model | Failure) -> dict[str, Any]:
    if isinstance(answer, Failure):
        return {"error": answer.error, "cause": answer.cause}
    return {"result": answer.model_dump(mode="json")}


NOW = datetime(2026, 11, 27, tzinfo=UTC)
COPIED = Copy(status="copied", copied_at=NOW)
VERIFIED = Verification(status="verified", grade="readback", not_catalogued_reason="no tabular file")
TABULAR = Verification(status="verified", grade="readback", catalogued=True)
NO_CRAWL = Catalogue(status="not_needed", reason="known")
PASSED = Validation(status="passed", rows=1)

COPY = ("CopyObject", "CopyFinished?")
VERIFY = ("VerifyChecksum", "ChecksumVerified?")
VERIFIED_COPY = (*COPY, *VERIFY, "IsCatalogued?")
NO_TABLE = ("NotCatalogued", "DeleteSource?", "Succeeded")
START_CRAWL, POLL_CRAWL = ("StartCrawler", "CatalogueCovers?"), ("WaitForCrawler", "PollCrawler", "CrawlerFinished?")
VALIDATE = ("RunValidationQuery", "ValidationFinished?")
DELETE = ("DeleteSource?", "DeleteSource", "SourceDeleted?")

SCENARIOS = (
    Scenario(
        name="a file that is not a table's is copied and verified",
        answers={"CopyObject": [COPIED], "VerifyChecksum": [VERIFIED]},
        path=(*VERIFIED_COPY, *NO_TABLE),
    ),
    Scenario(
        name="a large table's file is moved, and each step is called again until it is done",
        mode="move",
        answers={
            "CopyObject": [Copy(status="in_progress", wait_seconds=4), COPIED],
            "VerifyChecksum": [Verification(status="in_progress", wait_seconds=5), TABULAR],
            "StartCrawler": [Catalogue(status="running", wait_seconds=6)],
            "PollCrawler": [Catalogue(status="running", wait_seconds=7), Catalogue(status="succeeded")],
            "RunValidationQuery": [Validation(status="pending", wait_seconds=8), PASSED],
            "DeleteSource": [Deletion(status="deleted")],
        },
        path=(
            *(*COPY, "WaitForCopy", *COPY),
            *(*VERIFY, "WaitForVerification", *VERIFY, "IsCatalogued?"),
            *(*START_CRAWL, *POLL_CRAWL, *POLL_CRAWL),
            *(*VALIDATE, "WaitForQuery", *VALIDATE),
            *(*DELETE, "Succeeded"),
        ),
        waits=(4, 5, 6, 7, 8),
    ),
    Scenario(
        name="a copy that differs is made again",
        answers={
            "CopyObject": [COPIED.changed(calls=1), COPIED],
            "VerifyChecksum": [Verification(status="mismatched", mismatches=1), VERIFIED],
        },
        path=(*COPY, *VERIFY, "WaitForCopy", *VERIFIED_COPY, *NO_TABLE),
        waits=(1,),
    ),
    Scenario(
        name="an upload that was replaced before its copy is superseded",
        answers={"CopyObject": [Copy(status="superseded")]},
        path=(*COPY, "Superseded"),
    ),
    Scenario(
        name="a target that was replaced before its validation is superseded",
        answers={
            "CopyObject": [COPIED],
            "VerifyChecksum": [TABULAR],
            "StartCrawler": [NO_CRAWL],
            "RunValidationQuery": [Validation(status="superseded")],
        },
        path=(*VERIFIED_COPY, *START_CRAWL, *VALIDATE, "Superseded"),
    ),
    Scenario(
        name="the validation has the file crawled, and then copied again",
        answers={
            "CopyObject": [COPIED, COPIED],
            "VerifyChecksum": [TABULAR, TABULAR],
            "StartCrawler": [Catalogue(status="covered"), Catalogue(status="covered"), NO_CRAWL],
            "PollCrawler": [Catalogue(status="failed")],
            "RunValidationQuery": [Validation(status="not_covered"), Validation(status="target_changed"), PASSED],
        },
        path=(
            *(*VERIFIED_COPY, *START_CRAWL, *VALIDATE),
            *(*POLL_CRAWL, *START_CRAWL, *VALIDATE),
            *("WaitForCopy", *VERIFIED_COPY, *START_CRAWL, *VALIDATE),
            *("DeleteSource?", "Succeeded"),
        ),
        waits=(1, 1),
    ),
    Scenario(
        name="a source that was replaced before its deletion stays",
        mode="move",
        answers={
            "CopyObject": [COPIED, COPIED],
            "VerifyChecksum": [VERIFIED, VERIFIED],
            "DeleteSource": [Deletion(status="copy_again"), Deletion(status="source_changed")],
        },
        path=(
            *(*VERIFIED_COPY, "NotCatalogued", *DELETE, "WaitForCopy"),
            *(*VERIFIED_COPY, "NotCatalogued", *DELETE, "SourceChanged"),
        ),
        waits=(1,),
    ),
    Scenario(
        name="throttled, then crashed, then copied",
        answers={
            "CopyObject": [Failure("Throttled"), Failure("Runtime.ExitError"), Failure("Throttled"), COPIED],
            "VerifyChecksum": [VERIFIED],
        },
        path=(*VERIFIED_COPY, *NO_TABLE),
        # Each retrier counts its own attempts.
        longest_retries=(2, 2, 6),
    ),
    Scenario(
        name="throttled for too long",
        answers={"CopyObject": [COPIED], "VerifyChecksum": [Failure("Lambda.TooManyRequestsException")] * 11},
        path=(*COPY, "VerifyChecksum"),
        error="Lambda.TooManyRequestsException",
        longest_retries=(2, 6, 18, 54, 162, 486, 1458, 3600, 3600, 3600),
    ),
    Scenario(
        name="Lambda fails five times",
        answers={"CopyObject": [Failure("Lambda.ServiceException")] * 5},
        path=("CopyObject",),
        error="Lambda.ServiceException",
        longest_retries=(2, 6, 18, 54),
    ),
    Scenario(
        name="a permanent error is not retried",
        answers={"CopyObject": [Failure("KeyTooLong")]},
        path=("CopyObject",),
        error="KeyTooLong",
    ),
)
