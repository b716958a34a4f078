"""The document that passes between the states: one model per boundary.

The execution's input is `source` and `rule`; each state adds its own key: `copy`, `verification`, `catalogue`,
`validation`, `deletion`. The ASL selects a result's fields by the names here, so a field may be added with a default,
but never renamed or removed: a redrive runs an old definition with today's functions. Times are ISO 8601 in UTC, sizes
are bytes.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt

from functions.contract.objects import GRADES, Grade, Model, ObjectVersion, Source, StoredObject, Utc
from functions.contract.results import (
    Catalogue,
    Copy,
    Deletion,
    FileProgress,
    MultipartUpload,
    ReadProgress,
    Validation,
    Verification,
)

__all__ = [
    "GRADES",
    "LARGEST_SINGLE_COPY",
    "SMALLEST_MULTIPART_THRESHOLD",
    "Catalogue",
    "Copy",
    "Deletion",
    "Document",
    "ExecutionContext",
    "ExecutionInput",
    "FileProgress",
    "FinishedCopy",
    "Grade",
    "MinimumGrade",
    "Model",
    "MultipartUpload",
    "ObjectVersion",
    "ReadProgress",
    "Rule",
    "Source",
    "StepEvent",
    "StoredObject",
    "Validation",
    "Verification",
]

SMALLEST_MULTIPART_THRESHOLD = 5 * 1024**2 + 1
"""A part copied from a range needs a source above 5 MB ("UploadPartCopy", Amazon S3 API reference)."""

LARGEST_SINGLE_COPY = 5 * 1024**3
"""The most that one CopyObject copies: 5 GiB, which AWS writes as "5 GB" ("CopyObject", S3 API reference)."""

MinimumGrade = Grade | Literal["any"]


class Rule(Model):
    """What happens to an upload, decided once by the starter.

    `decided_by` names the rule of migration.yaml. `target_key` is null if the target has the source's key.
    `checks` are names of files in functions/checks; null: all of them. `purge`: a move permanently deletes the verified
    version instead of adding a delete marker. `restore_deleted`: bulk runs copy again what was deleted at the target.
    """

    decided_by: str = "default"
    mode: Literal["copy", "move"] = "copy"
    purge: bool = False
    target_key: str | None = None
    catalogue: bool = True
    checks: list[str] | None = None
    minimum_grade: MinimumGrade = "any"
    storage_class: str | None = None
    allow_empty: bool = False
    restore_deleted: bool = False
    multipart_threshold_bytes: int = Field(default=1024**3, ge=SMALLEST_MULTIPART_THRESHOLD, le=LARGEST_SINGLE_COPY)

    def with_target_key(self, target_key: str | None) -> "Rule":
        """Return the same decision for this target key; null: the source's."""
        return self.model_copy(update={"target_key": target_key})


class ExecutionInput(Model):
    """The input of an execution of `migrate`."""

    source: Source
    rule: Rule = Rule()

    @property
    def target_key(self) -> str:
        """The key at the target."""
        return self.rule.target_key or self.source.key


class ExecutionContext(BaseModel):
    """`$$.Execution`, passed whole: before the first redrive RedriveCount is 0 (recorded from AWS, February 2026), and
    RedriveTime absent. Some emulators omit both."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(alias="Id")
    name: str = Field(alias="Name")
    start_time: Utc = Field(alias="StartTime")
    redrive_count: NonNegativeInt = Field(default=0, alias="RedriveCount")
    redrive_time: Utc | None = Field(default=None, alias="RedriveTime")

    @property
    def attempt_began(self) -> datetime:
        """When this attempt began: the last redrive, else the start."""
        return self.redrive_time or self.start_time


@dataclass(frozen=True)
class FinishedCopy:
    """What was copied, what the copy is, and when it was made."""

    source: StoredObject
    target: ObjectVersion
    copied_at: datetime


class Document(ExecutionInput):
    """The execution's whole document."""

    copy_: Copy | None = Field(default=None, alias="copy")
    verification: Verification | None = None
    catalogue: Catalogue | None = None
    validation: Validation | None = None
    deletion: Deletion | None = None

    def finished_copy(self) -> FinishedCopy:
        """Return what CopyObject finished; raises ValueError before it has."""
        copy = self.copy_
        if copy is None or copy.source is None or copy.target is None or copy.copied_at is None:
            raise ValueError("The step was called without a finished copy in the document.")
        return FinishedCopy(copy.source, copy.target, copy.copied_at)


class StepEvent(Model):
    """The event that every step's Lambda receives."""

    execution: ExecutionContext
    document: Document
