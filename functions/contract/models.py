"""The documents that pass between the states: one model per boundary.

The execution's input is `source` and `rule`; each state adds its own key: `copy`, `verification`,
`catalogue`, `validation`, `deletion`. The ASL selects a result's fields by the names here, so a field may be added
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


SMALLEST_MULTIPART_THRESHOLD = 5 * 1024**2 + 1
"""A part copied from a range needs a source above 5 MB ("UploadPartCopy", Amazon S3 API reference)."""

LARGEST_SINGLE_COPY = 5 * 1024**3
"""The most that one CopyObject copies: 5 GiB, which AWS writes as "5 GB" ("CopyObject", S3 API reference)."""

MinimumGrade = Grade | Literal["any"]


class Rule(Model):
    """What is done with the upload, decided once by the starter.

    `decided_by` names the rule of migration.yaml. `target_key` is null where the source's key stays.
    `checks` are files of functions/checks by name; null: all. `purge`: a move deletes the very version
    that was proved, instead of putting a delete marker over it.
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
    multipart_threshold_bytes: int = Field(default=1024**3, ge=SMALLEST_MULTIPART_THRESHOLD, le=LARGEST_SINGLE_COPY)


class ExecutionInput(Model):
    """The input of an execution of `migrate`."""

    source: Source
    rule: Rule = Rule()

    @property
    def target_key(self) -> str:
        """The key at the target."""
        return self.rule.target_key or self.source.key


class ObjectVersion(Model):
    """Which object exactly: on a versioned bucket its version, else its ETag."""

    bucket: str
    region: str
    key: str
    version_id: VersionId
    etag: str


class StoredObject(ObjectVersion):
    """An object, what S3 stores to prove its bytes by, and what tells it from another upload of the same bytes.

    `carried_digest` is a digest of all that travels with the bytes, as HEAD tells it (functions/objects/attributes.py).
    """

    size_bytes: NonNegativeInt
    checksum_algorithm: str | None = None
    checksum_value: str | None = None
    checksum_type: str | None = None
    etag_is_md5: bool = False
    last_modified: Utc | None = None
    carried_digest: str = ""


class MultipartUpload(Model):
    """A multipart copy that was begun: of which source exactly, and in what parts.

    `upload_id` is empty while it is announced and not begun, `part_bytes` null where the parts are the source's own.
    Parts are only ever copied to an upload that is recorded in the document, so one that a lost answer left behind
    is empty.
    """

    upload_id: str
    source: StoredObject
    part_bytes: NonNegativeInt | None = None
    parts: NonNegativeInt = 0
    parts_copied: NonNegativeInt = 0


class Copy(Model):
    """The result of CopyObject. `source` is what was copied: a newer upload than the event's, if one came.

    `upload` is the multipart copy that goes on at the next call; `notes` say what could not be carried as it was.
    """

    status: Literal["copied", "unchanged", "in_progress", "superseded"]
    source: StoredObject | None = None
    target: ObjectVersion | None = None
    copied_at: Utc | None = None
    upload: MultipartUpload | None = None
    notes: list[str] = []
    calls: NonNegativeInt = 0
    redrive_count: NonNegativeInt = 0
    wait_seconds: NonNegativeInt = 1


class ReadProgress(Model):
    """How far a proof by reading is, for the next call to go on from.

    `target` is the version id (else the ETag) of the copy that is read: the progress on another one is void.
    Read and found equal are the first `position_bytes` (of both objects, grade `bytes`), or the first
    `parts_read` parts of a composite source; `checksum` is the target's CRC so far (grade `readback`).
    """

    target: str
    grade: Literal["readback", "bytes"]
    position_bytes: NonNegativeInt = 0
    parts_read: NonNegativeInt = 0
    checksum: str | None = None


class Verification(Model):
    """The result of VerifyChecksum. `in_progress`: it is called again. `mismatched` and the changes lead back to
    CopyObject. `proved` is the version id (else the ETag) of the copy that was proved.
    """

    status: Literal["verified", "in_progress", "mismatched", "target_changed", "source_changed"]
    grade: Grade | None = None
    detail: str = ""
    catalogued: bool = False
    not_catalogued_reason: str | None = None
    proved: str | None = None
    verified_at: Utc | None = None
    progress: ReadProgress | None = None
    calls: NonNegativeInt = 0
    mismatches: NonNegativeInt = 0
    changes: NonNegativeInt = 0
    redrive_count: NonNegativeInt = 0
    wait_seconds: NonNegativeInt = 1


class Catalogue(Model):
    """The result of StartCrawler and PollCrawler. A crawl that began at `covers_from` or later is enough.

    `not_needed`: the object's table and partition are there already, with its columns.
    """

    status: Literal["not_needed", "covered", "running", "succeeded", "failed", "not_covered", "not_catalogued"]
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


class Deletion(Model):
    """The result of DeleteSource. `source_changed`: a newer upload took the source's place after the proof, and
    has its own execution; `copy_again`: what travels with the bytes changed without an upload, or the target
    lost the proved object, so it is copied and proved once more.

    `delete_marker` is the version id of the marker that hides the moved source; null where it is deleted for good.
    """

    status: Literal["deleted", "already_gone", "source_changed", "copy_again"]
    detail: str = ""
    delete_marker: str | None = None
    changes: NonNegativeInt = 0
    redrive_count: NonNegativeInt = 0


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
    deletion: Deletion | None = None

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
