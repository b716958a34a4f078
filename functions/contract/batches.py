"""The documents of a slice of a bulk run or an audit: what its functions receive, record and report.

Fields are only added, with a default, as in functions/contract/models.py.
"""

from typing import Literal, TypedDict, Unpack

from pydantic import Field, NonNegativeInt

from functions.contract.bulk import PlanScope, Reason, Slice
from functions.contract.models import Catalogue, ExecutionContext, ReadProgress
from functions.contract.objects import Grade, Model, ObjectVersion, StoredObject, Utc

OutcomeStatus = Literal[
    "copied",
    "unchanged",
    "verified",
    "deleted",
    "started",
    "skipped",
    "undecided",
    "failed",
    # of an audit alone
    "missing",
    "differs",
    "extra",
    "reading",
]
"""`deleted`: a move is complete. `started`: an execution of `migrate` runs. `skipped`: it is gone, or a newer upload
has its own event. `undecided`: nothing was done, because it is `too_large`; of an audit: what was compared does not
tell. functions/contract/audit.py explains those of an audit."""


class OutcomeChanges(TypedDict, total=False):
    """Fields of Outcome that may be replaced."""

    status: OutcomeStatus
    source: StoredObject | None
    target: ObjectVersion | None
    grade: Grade | None
    records: int | None
    expected_rows: int | None
    table: str | None
    validated: bool
    rows: int | None
    warnings: list[str]
    execution: str | None
    error: str | None
    cause: str | None
    reason: Reason | None
    reading: ReadProgress | None


class Outcome(Model):
    """What became of one planned object: one line of what a function of slices wrote.

    Of a file of a table, `records` is how many records it holds, `expected_rows` what its `row-count` metadata says,
    and `rows` what Athena found in `table`; `validated`: all is as it should be, or it has no rows to validate.
    `looks` counts how often its source was looked at again because a newer upload had replaced it.
    """

    key: str
    status: OutcomeStatus
    source: StoredObject | None = None
    target: ObjectVersion | None = None
    copied_at: Utc | None = None
    grade: Grade | None = None
    records: NonNegativeInt | None = None
    expected_rows: NonNegativeInt | None = None
    table: str | None = None
    validated: bool = False
    rows: NonNegativeInt | None = None
    warnings: list[str] = Field(default_factory=list)
    execution: str | None = None
    error: str | None = None
    cause: str | None = None
    looks: NonNegativeInt = 0
    # of an audit alone
    reason: Reason | None = None
    differences: list[str] | None = None
    reading: ReadProgress | None = None

    def changed(self, **changes: Unpack[OutcomeChanges]) -> "Outcome":
        """Return a copy with these fields replaced."""
        return self.model_copy(update=changes)


class Batch(Model):
    """The result of CopyBatch, VerifyBatch, EnsureMigrated, ValidateBatch and DeleteBatch.

    `in_progress`: it is called again, for the objects that are not done. `idle_calls` are the last ones in which no
    execution was started or ended.
    """

    status: Literal["in_progress", "done"]
    objects: NonNegativeInt = 0
    done: NonNegativeInt = 0
    failed: NonNegativeInt = 0
    calls: NonNegativeInt = 0
    idle_calls: NonNegativeInt = 0
    wait_seconds: NonNegativeInt = 1


class BatchDocument(Model):
    """The document of a child of the Map: one slice of a run."""

    scope: PlanScope
    slice: Slice
    copy_: Batch | None = Field(default=None, alias="copy")
    verification: Batch | None = None
    started: Batch | None = None
    catalogue: Catalogue | None = None
    validation: Batch | None = None
    deletion: Batch | None = None


class BatchEvent(Model):
    """The event that the functions of a slice receive."""

    execution: ExecutionContext
    document: BatchDocument


class ReportLine(Model):
    """One line of the report: what a run did with one object; of an audit, what it found, and what differs."""

    run: str
    key: str
    target_key: str
    reason: Reason
    status: OutcomeStatus
    size_bytes: NonNegativeInt
    grade: Grade | None = None
    version_id: str | None = None
    target_version_id: str | None = None
    table_name: str | None = None
    rows: NonNegativeInt | None = None
    warnings: list[str] | None = None
    execution: str | None = None
    error: str | None = None
    cause: str | None = None
    differences: list[str] | None = None
