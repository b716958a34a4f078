"""What each step returns: its result becomes one key of the document.

`changed()` copies a result with some fields replaced. It takes a typed dictionary, so mypy checks names and values.
"""

from typing import Literal, TypedDict, Unpack

from pydantic import Field, NonNegativeInt

from functions.contract.objects import Grade, Model, ObjectVersion, StoredObject, Utc

VerificationStatus = Literal["verified", "in_progress", "mismatched", "target_changed", "source_changed"]
CatalogueStatus = Literal["not_needed", "covered", "running", "succeeded", "failed", "not_covered", "not_catalogued"]
ValidationStatus = Literal["reading", "pending", "passed", "superseded", "target_changed", "not_covered"]
DeletionStatus = Literal["deleted", "already_gone", "source_changed", "copy_again"]


class UploadChanges(TypedDict, total=False):
    """Fields of MultipartUpload that may be replaced."""

    upload_id: str
    parts: int
    parts_copied: int
    target: str
    lost: int


class MultipartUpload(Model):
    """A multipart copy in progress: of exactly which source, and in which parts.

    `upload_id` is empty while the upload is announced and not yet created; `part_bytes` is null where the copy uses the
    source's own parts. Parts are only ever copied to an upload that the document records, so an upload orphaned by a
    lost response has no parts.

    `target` identifies the target when the upload was created: empty if there was none, null if an older release
    created the upload. `lost` is how many uploads of this copy others' writes of the target ended, in this attempt.
    """

    upload_id: str
    source: StoredObject
    target: str | None = None
    lost: NonNegativeInt = 0
    part_bytes: NonNegativeInt | None = None
    parts: NonNegativeInt = 0
    parts_copied: NonNegativeInt = 0

    def changed(self, **changes: Unpack[UploadChanges]) -> "MultipartUpload":
        """Return a copy with these fields replaced."""
        return self.model_copy(update=changes)


class CopyChanges(TypedDict, total=False):
    """Fields of Copy that may be replaced."""

    upload: MultipartUpload | None
    calls: int
    redrive_count: int


class Copy(Model):
    """The result of CopyObject. `source` is what was copied: a newer upload than the event's, if one arrived.

    `upload` is the multipart copy that the next call continues; `notes` list what could not be carried over unchanged.
    """

    status: Literal["copied", "unchanged", "in_progress", "superseded"]
    source: StoredObject | None = None
    target: ObjectVersion | None = None
    copied_at: Utc | None = None
    upload: MultipartUpload | None = None
    notes: list[str] = Field(default_factory=list)
    calls: NonNegativeInt = 0
    redrive_count: NonNegativeInt = 0
    wait_seconds: NonNegativeInt = 1

    def changed(self, **changes: Unpack[CopyChanges]) -> "Copy":
        """Return a copy with these fields replaced."""
        return self.model_copy(update=changes)


class ReadChanges(TypedDict, total=False):
    """Fields of ReadProgress that may be replaced."""

    grade: Literal["readback", "bytes"]
    position_bytes: int
    parts_read: int
    checksum: str | None


class ReadProgress(Model):
    """How far a verification by reading has got, for the next call to continue.

    `target` is the version id (else the ETag) of the copy that is read: progress on another copy is void.
    Read and found equal are the first `position_bytes` (of both objects, grade `bytes`), or the first `parts_read`
    parts of a composite source; `checksum` is the target's CRC so far (grade `readback`).
    """

    target: str
    grade: Literal["readback", "bytes"]
    position_bytes: NonNegativeInt = 0
    parts_read: NonNegativeInt = 0
    checksum: str | None = None

    def changed(self, **changes: Unpack[ReadChanges]) -> "ReadProgress":
        """Return a copy with these fields replaced."""
        return self.model_copy(update=changes)


class VerificationChanges(TypedDict, total=False):
    """Fields of Verification that may be replaced."""

    status: VerificationStatus
    grade: Grade | None
    detail: str
    catalogued: bool
    not_catalogued_reason: str | None
    proved: str | None
    verified_at: Utc | None
    progress: ReadProgress | None
    calls: int
    mismatches: int
    changes: int


class Verification(Model):
    """The result of VerifyChecksum. `in_progress`: it is called again. `mismatched`, `target_changed` and
    `source_changed` lead back to CopyObject. `proved` is the version id (else the ETag) of the verified copy.
    """

    status: VerificationStatus
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

    def changed(self, **changes: Unpack[VerificationChanges]) -> "Verification":
        """Return a copy with these fields replaced."""
        return self.model_copy(update=changes)


class CatalogueChanges(TypedDict, total=False):
    """Fields of Catalogue that may be replaced."""

    status: CatalogueStatus
    covers_from: Utc | None
    copied_at: Utc | None
    crawl_id: str | None
    cause: str
    polls: int
    redrive_count: int
    wait_seconds: int


class Catalogue(Model):
    """The result of StartCrawler and PollCrawler. A crawl that started at `covers_from` or later covers the object.

    `not_needed`: the catalogue already has the object's table, partition and columns.
    """

    status: CatalogueStatus
    covers_from: Utc | None = None
    copied_at: Utc | None = None
    crawl_id: str | None = None
    cause: str = ""
    polls: NonNegativeInt = 0
    redrive_count: NonNegativeInt = 0
    wait_seconds: NonNegativeInt = 1
    reason: str | None = None

    def changed(self, **changes: Unpack[CatalogueChanges]) -> "Catalogue":
        """Return a copy with these fields replaced."""
        return self.model_copy(update=changes)


class FileProgress(Model):
    """How far the reading of a file has got, for the next call to continue.

    `target` is the version id (else the ETag) of the copy that is read, `table` a digest of the columns that it is
    compared with: progress on another copy or table is void. Read and checked are the first `position_bytes`, as text:
    gzip is decompressed. `columns_seen` has a bit for each of the table's columns (a hexadecimal number).
    `header` is a digest of the names in the header of a delimited file, as the file has them.
    """

    target: str
    table: str
    header: str = ""
    position_bytes: NonNegativeInt = 0
    lines: NonNegativeInt = 0
    records: NonNegativeInt = 0
    columns_seen: str = "0"
    later_columns: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)


class ValidationChanges(TypedDict, total=False):
    """Fields of Validation that may be replaced."""

    status: ValidationStatus
    database: str | None
    table: str | None
    columns: dict[str, str]
    column_count: int
    rows: int | None
    file_records: int | None
    expected_rows: int | None
    checks: list[str]
    warnings: list[str]
    queries: dict[str, str]
    progress: FileProgress | None
    reading_calls: int
    changes: int
    polls: int
    wait_seconds: int


class Validation(Model):
    """The result of RunValidationQuery. `reading`: the file is longer than one call reads; `pending`: its queries have
    not ended; either way the function is called again. `superseded`: a newer upload replaced the target;
    `target_changed`: something else did, so it is copied again; `not_covered`: the catalogue no longer has the object,
    although a crawl before this attempt covered it, so it is crawled again.

    `file_records` is how many records the file holds (null: not counted), `expected_rows` what its `row-count` metadata
    says, `rows` what Athena found. `queries` maps each check to the id of its query; `columns` are the first hundred of
    `column_count`.
    """

    status: ValidationStatus
    database: str | None = None
    table: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    column_count: NonNegativeInt = 0
    rows: NonNegativeInt | None = None
    file_records: NonNegativeInt | None = None
    expected_rows: NonNegativeInt | None = None
    checks: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    queries: dict[str, str] = Field(default_factory=dict)
    progress: FileProgress | None = None
    reading_calls: NonNegativeInt = 0
    changes: NonNegativeInt = 0
    polls: NonNegativeInt = 0
    redrive_count: NonNegativeInt = 0
    wait_seconds: NonNegativeInt = 1

    def changed(self, **changes: Unpack[ValidationChanges]) -> "Validation":
        """Return a copy with these fields replaced."""
        return self.model_copy(update=changes)


class DeletionChanges(TypedDict, total=False):
    """Fields of Deletion that may be replaced."""

    status: DeletionStatus
    detail: str
    delete_marker: str | None
    changes: int


class Deletion(Model):
    """The result of DeleteSource. `source_changed`: a newer upload took the source's place after the verification, and
    has its own execution; `copy_again`: what travels with the bytes changed without an upload, or the target lost the
    verified object, so it is copied and verified once more.

    `delete_marker` is the version id of the marker that hides the moved source; null if the source was deleted for
    good.
    """

    status: DeletionStatus
    detail: str = ""
    delete_marker: str | None = None
    changes: NonNegativeInt = 0
    redrive_count: NonNegativeInt = 0

    def changed(self, **changes: Unpack[DeletionChanges]) -> "Deletion":
        """Return a copy with these fields replaced."""
        return self.model_copy(update=changes)
