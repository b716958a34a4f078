"""The documents that pass between the states: one model per boundary.

The execution's input is `source` and `rule`; each state adds its own key: `copy`, `verification`,
`catalogue`, `validation`. The ASL selects a result's fields by the names here, so a field may be added
with a default, but never renamed or removed: a redrive runs an old definition with today's functions.
Times are ISO 8601 in UTC, sizes are bytes.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, NonNegativeInt

Utc = Annotated[AwareDatetime, AfterValidator(lambda value: value.astimezone(UTC))]
VersionId = Annotated[str | None, BeforeValidator(lambda value: None if value == "null" else value)]
"""`null` is the version id of an object of a bucket without versioning, or with it suspended: no version."""

Grade = Literal["md5", "composite", "checksum", "readback", "bytes"]
GRADES: tuple[Grade, ...] = ("md5", "composite", "checksum", "readback", "bytes")
"""From the weakest to the strongest; see docs/design.md for what each rests on."""


class Model(BaseModel):
    """Unchangeable; unknown fields are ignored, since an older or newer ASL may send them."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Source(Model):
    """One upload, as its event tells it."""

    bucket: str
    region: str
    key: str
    version_id: VersionId = None
    etag: str
    sequencer: str
    size_bytes: NonNegativeInt


class Rule(Model):
    """What is done with the upload, decided once by the starter."""

    mode: Literal["copy"] = "copy"
    minimum_grade: Grade | Literal["any"] = "any"


class ExecutionInput(Model):
    """The input of an execution of `migrate`."""

    source: Source
    rule: Rule = Rule()


class ObjectVersion(Model):
    """Which object exactly: on a versioned bucket its version, else its ETag."""

    bucket: str
    region: str
    key: str
    version_id: VersionId
    etag: str


class StoredObject(ObjectVersion):
    """An object, and what S3 stores to prove its bytes by."""

    size_bytes: NonNegativeInt
    checksum_algorithm: str | None = None
    checksum_value: str | None = None
    checksum_type: str | None = None
    etag_is_md5: bool = False


class Copy(Model):
    """The result of CopyObject. `source` is what was copied: a newer upload than the event's, if one came."""

    status: Literal["copied", "unchanged", "in_progress", "superseded"]
    source: StoredObject | None = None
    target: ObjectVersion | None = None
    copied_at: Utc | None = None
    calls: NonNegativeInt = 0
    redrive_count: NonNegativeInt = 0
    wait_seconds: NonNegativeInt = 1


class Verification(Model):
    """The result of VerifyChecksum. Anything but `verified` leads back to CopyObject."""

    status: Literal["verified", "mismatched", "target_changed", "source_changed"]
    grade: Grade | None = None
    detail: str = ""
    catalogued: bool = False
    not_catalogued_reason: str | None = None
    mismatches: NonNegativeInt = 0
    changes: NonNegativeInt = 0
    redrive_count: NonNegativeInt = 0


class Catalogue(Model):
    """The result of StartCrawler and PollCrawler. A crawl that began at `covers_from` or later is enough."""

    status: Literal["covered", "running", "succeeded", "failed", "not_covered", "not_catalogued"]
    covers_from: Utc | None = None
    copied_at: Utc | None = None
    crawl_id: str | None = None
    cause: str = ""
    polls: NonNegativeInt = 0
    redrive_count: NonNegativeInt = 0
    wait_seconds: NonNegativeInt = 1
    reason: str | None = None


class Validation(Model):
    """The result of RunValidationQuery. `superseded`: a newer upload replaced the target meanwhile;
    `target_changed`: something else did, so it is copied again; `not_covered`: the catalogue does not know the
    object any more, though a crawl before this attempt did, so it is crawled again.

    `file_records` is what the file holds (null: not counted), `expected_rows` what its `row-count` metadata
    says, `rows` what Athena found. `queries` are the ids of the running queries, by check;
    `columns` are the first hundred of `column_count`.
    """

    status: Literal["pending", "passed", "superseded", "target_changed", "not_covered"]
    database: str | None = None
    table: str | None = None
    columns: dict[str, str] = {}
    column_count: NonNegativeInt = 0
    rows: NonNegativeInt | None = None
    file_records: NonNegativeInt | None = None
    expected_rows: NonNegativeInt | None = None
    checks: list[str] = []
    warnings: list[str] = []
    queries: dict[str, str] = {}
    changes: NonNegativeInt = 0
    polls: NonNegativeInt = 0
    redrive_count: NonNegativeInt = 0
    wait_seconds: NonNegativeInt = 1


class ExecutionContext(BaseModel):
    """`$$.Execution`, passed whole: RedriveCount and RedriveTime are absent before the first redrive."""

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


class Document(ExecutionInput):
    """The execution's whole document."""

    copy_: Copy | None = Field(default=None, alias="copy")
    verification: Verification | None = None
    catalogue: Catalogue | None = None
    validation: Validation | None = None

    def finished_copy(self) -> tuple[StoredObject, ObjectVersion, datetime]:
        """What was copied, what was made of it, and when; raises ValueError before CopyObject has finished."""
        copy = self.copy_
        if copy is None or copy.source is None or copy.target is None or copy.copied_at is None:
            raise ValueError("The step was called without a finished copy in the document.")
        return copy.source, copy.target, copy.copied_at


class StepEvent(Model):
    """What every step's Lambda is called with."""

    execution: ExecutionContext
    document: Document
