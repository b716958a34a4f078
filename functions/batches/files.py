"""Validates the files of a slice that make tables, as RunValidationQuery validates one.

First each file is read once, from its start to its end, and compared with its table; then Athena counts the rows of
many files in one query. What a file fails by is its outcome. Idempotent: what earlier calls read is recorded, and the
same files make the same queries, each of which starts once.

Raises Throttled, BatchTimedOut, AccessDenied, BucketMissing, SettingInvalid, RequestRejected.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any

from functions.batches.failures import note_failures
from functions.batches.records import READ, VALIDATED, VERIFIED, read_outcomes, read_slice, write_outcomes
from functions.batches.row_counts import CountedFile, RowCounts
from functions.batches.steps import BatchCall, work_on_slice
from functions.batches.table_settings import FileSettings
from functions.catalogue.formats import file_format, not_catalogued_reason
from functions.catalogue.glue_table import Table, containing, tables_with_locations
from functions.catalogue.new_table import cause_beside
from functions.catalogue.partition_folders import folder_warnings, require_partition
from functions.catalogue.table_folders import foreign_object
from functions.contract.batches import Batch, Outcome
from functions.contract.limits import BATCH_CALLS
from functions.contract.models import Rule, StoredObject
from functions.objects.head import ObjectChanged, head, location, same_version
from functions.runtime.errors import BatchTimedOut
from functions.validation.contents import Expected, FileContents
from functions.validation.file_checks import (
    expected_rows,
    require_match,
    require_one_kind,
    require_own_kind,
    require_readable_types,
)
from functions.validation.file_reader import read_file
from functions.validation.group_queries import TableFile
from functions.validation.recrawl import left_out, no_table
from functions.validation.start import column_warnings

LONGEST_WAIT_SECONDS = 60


@dataclass(frozen=True)
class ValidationCall:
    """One call for one slice. `attempt` is different for each redrive: it starts the queries again."""

    batch: BatchCall
    settings: FileSettings
    attempt: str
    _foreign: dict[str, str | None] = field(default_factory=dict)
    _causes: dict[str, str] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @cached_property
    def rules(self) -> dict[str, Rule]:
        """The rule of each object of the slice."""
        return {each.key: each.rule for each in read_slice(self.settings, self.batch.slice_key)}

    @cached_property
    def _tables(self) -> list[Any]:
        settings = self.settings
        bucket = location(settings.target_bucket, "")
        return list(tables_with_locations(settings.target_region, settings.glue_database, bucket))

    def table_of(self, outcome: Outcome) -> Table | None:
        """Return the table that contains a file: Glue is asked once a call."""
        target = outcome.target
        if target is None:
            raise ValueError(f"{outcome.key} is {outcome.status} without a target")
        with self._lock:
            tables = self._tables
        uri = location(target.bucket, target.key)
        return containing(uri, self.settings.glue_database, tables, target.region)

    def foreign_beside(self, table: Table, target: StoredObject) -> str | None:
        """Return the key of a file that breaks the table: each folder is searched once a call."""
        folder = location(target.bucket, target.key).rpartition("/")[0]
        with self._lock:
            if folder not in self._foreign:
                self._foreign[folder] = foreign_object(table, target)
            return self._foreign[folder]

    def cause_beside(self, target: StoredObject) -> str:
        """Return what keeps a file's folder from being a table: each folder is searched once a call."""
        folder = target.key.partition("/")[0]
        with self._lock:
            if folder not in self._causes:
                self._causes[folder] = cause_beside(target)
            return self._causes[folder]


def validate_batch(call: ValidationCall, previous: Batch | None) -> Batch:
    """Read the files of a slice that are verified; once all are read, have Athena count their rows."""
    batch, slice_key = call.batch, call.batch.slice_key
    verified = read_outcomes(call.settings, slice_key, VERIFIED).values()
    files = [each for each in verified if each.status == "verified"]
    rules = call.rules
    # The ledger needs to know the copy of a file that cannot be read as its table.
    progress = work_on_slice(
        batch, READ, files, lambda each: _read(call, each, rules[each.key]), previous, lambda each: each
    )
    if progress.status == "in_progress":
        return progress
    read = read_outcomes(call.settings, slice_key, READ)
    known = read_outcomes(call.settings, slice_key, VALIDATED)
    waiting = [each for each in read.values() if each.status == "verified" and not each.validated]
    outcomes = [each for each in _counted(call, waiting, known) if each.key not in known]
    note_failures(call.settings, slice_key, VALIDATED, known.values(), outcomes)
    write_outcomes(call.settings, slice_key, VALIDATED, batch.call_id, outcomes)
    return _progress(batch, progress, len(waiting), {**known, **{each.key: each for each in outcomes}})


def _read(call: ValidationCall, outcome: Outcome, rule: Rule) -> Outcome | None:
    """Read one file, and compare it with its table; None if no time is left."""
    source, target = outcome.source, outcome.target
    if source is None or target is None or outcome.copied_at is None:
        raise ValueError(f"{outcome.key} is {outcome.status} without a copy")
    now = head(target.bucket, target.region, target.key)
    if now is None or not same_version(now.object, target):
        return _replaced(outcome)
    layout, uri = file_format(target.key), location(target.bucket, target.key)
    if layout is None or not_catalogued_reason(target.key, source.size_bytes):
        # Replaced since it was planned, by an empty object.
        return outcome.changed(validated=True)
    rows, table = expected_rows(now, uri), call.table_of(outcome)
    if table is not None:
        require_partition(uri, table)
        require_readable_types(uri, table, outcome.copied_at)
        require_one_kind(table, now.object, call.foreign_beside(table, now.object))

    def accept(columns: Sequence[str]) -> None:
        if table is not None:
            require_match(uri, columns, table, layout)

    expected = Expected(table, rule.allow_empty, accept, now.content_encoding, outcome.copied_at)
    try:
        contents = read_file(now.object, layout, call.batch.time_is_left, expected)
    except ObjectChanged:
        return _replaced(outcome)
    if contents.progress is not None:
        return None
    if table is None:
        return _without_table(call, outcome, contents, now.object)
    require_own_kind(uri, table, layout)
    warnings = [*contents.warnings, *column_warnings(contents, table, layout), *folder_warnings(uri, table)]
    return outcome.changed(records=contents.records, expected_rows=rows, table=table.name, warnings=warnings)


def _without_table(call: ValidationCall, outcome: Outcome, contents: FileContents, target: StoredObject) -> Outcome:
    database = call.settings.glue_database
    if contents.records != 0:
        raise left_out(location(target.bucket, target.key), database, call.cause_beside(target))
    warnings = [*contents.warnings, f"it has no rows, and {no_table(database)}"]
    return outcome.changed(validated=True, records=0, rows=0, warnings=warnings)


def _replaced(outcome: Outcome) -> Outcome:
    """Return what a target that is no longer the verified copy means."""
    source = outcome.source
    now = head(source.bucket, source.region, source.key) if source else None
    if now is None or now.object != source:
        return Outcome(key=outcome.key, status="skipped", error="Superseded" if now else "SourceMissing")
    cause = "The target was overwritten or deleted after its verification. Start another backfill."
    return outcome.changed(status="failed", error="target_changed", cause=cause)


def _counted(call: ValidationCall, waiting: list[Outcome], known: dict[str, Outcome]) -> list[Outcome]:
    """Return the outcomes of the files whose queries have ended."""
    files = []
    for outcome in waiting:
        table, target, checks = call.table_of(outcome), outcome.target, call.rules[outcome.key].checks
        file = None
        if table is not None and target is not None:
            uri = location(target.bucket, target.key)
            file = TableFile(uri, table, None if checks is None else tuple(checks))
        files.append(CountedFile(outcome, file))
    scope = [call.batch.slice_key, call.attempt]
    return RowCounts(call.settings, scope, call.batch.time_is_left).count(files, known)


def _progress(call: BatchCall, read: Batch, waiting: int, validated: dict[str, Outcome]) -> Batch:
    left = waiting - len(validated)
    if left and read.calls >= BATCH_CALLS:
        note_failures(call.settings, call.slice_key, VALIDATED, validated.values(), [], left)
        raise BatchTimedOut(
            f"The queries on {left} files of the slice {call.slice_key} did not end in {read.calls} calls. Start "
            "another backfill: it continues with what is missing."
        )
    failed = read.failed + sum(each.status == "failed" for each in validated.values())
    return read.model_copy(
        update={
            "status": "in_progress" if left else "done",
            "done": read.objects - left,
            "failed": failed,
            "wait_seconds": min(2 * (1 + read.calls), LONGEST_WAIT_SECONDS),
        }
    )
