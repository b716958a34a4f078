"""Starts a validation: finds the file's table, reads the file, compares the two, and starts the queries.

Raises ValidationFailed, QueryFailed, and what reading the object and the catalogue raises.
"""

from collections.abc import Callable, Sequence

from functions.catalogue.formats import Format, file_format
from functions.catalogue.glue_table import Table, abbreviated, find_table, listed
from functions.catalogue.names import special_names
from functions.catalogue.new_table import cause_beside
from functions.catalogue.partition_folders import folder_warnings, require_partition
from functions.catalogue.table_folders import MOST_PAGES, foreign_object
from functions.contract.limits import READING_CALLS
from functions.contract.models import ObjectVersion, StepEvent, Validation
from functions.objects.head import Head, ObjectChanged, location
from functions.validation.athena_queries import QueryTarget, start_query, validation_queries
from functions.validation.contents import Expected, FileContents
from functions.validation.file_checks import (
    expected_rows,
    require_match,
    require_one_kind,
    require_own_kind,
    require_readable_types,
)
from functions.validation.file_reader import read_file
from functions.validation.recrawl import left_out, may_crawl_again, no_table
from functions.validation.replacement import target_replaced
from functions.validation.settings import ValidationSettings

MARGIN_MS = 60_000
"""Kept of the function's time for starting the queries."""

READING_WAIT_SECONDS = 1

SHOWN_COLUMNS = 100
FIRST_WAIT_SECONDS = 2


def start_validation(
    event: StepEvent, previous: Validation, now: Head, settings: ValidationSettings, time_is_left: Callable[[], bool]
) -> Validation:
    """Find the file's table, read the file, compare the two, and start the queries."""
    target, uri = now.object, location(now.object.bucket, now.object.key)
    layout = file_format(target.key)
    if layout is None:
        raise ValueError(f"RunValidationQuery was called for {uri}, which is not a tabular file.")
    rows = expected_rows(now, uri)
    table = find_table(target, settings.glue_database)
    if table is None and may_crawl_again(event):
        return previous.changed(status="not_covered", queries={}, progress=None)
    if table is not None:
        require_partition(uri, table)
        require_readable_types(uri, table, event.document.finished_copy().copied_at)
        require_one_kind(table, target, foreign_object(table, target, _searched_pages(event)))
    try:
        contents = _read(event, previous, now, layout, table, time_is_left)
    except ObjectChanged:
        return target_replaced(event.document, previous)
    if table is not None:
        require_own_kind(uri, table, layout)
    if contents.progress is not None and table is not None and _may_continue(previous):
        return previous.changed(
            status="reading",
            progress=contents.progress,
            reading_calls=previous.reading_calls + 1,
            wait_seconds=READING_WAIT_SECONDS,
        )
    if table is None:
        return _without_table(previous, contents, target, settings)
    counted = previous.changed(
        file_records=contents.records,
        expected_rows=rows,
        warnings=[
            *contents.warnings,
            *_unread_warnings(contents),
            *column_warnings(contents, table, layout),
            *folder_warnings(uri, table),
        ],
        progress=None,
    )
    return _start_queries(event, counted, table, uri, settings)


def _read(
    event: StepEvent,
    previous: Validation,
    now: Head,
    layout: Format,
    table: Table | None,
    time_is_left: Callable[[], bool],
) -> FileContents:
    target, uri = now.object, location(now.object.bucket, now.object.key)

    def accept(columns: Sequence[str]) -> None:
        if table is not None:
            require_match(uri, columns, table, layout)

    copied_at = event.document.finished_copy().copied_at
    expected = Expected(table, event.document.rule.allow_empty, accept, now.content_encoding, copied_at)
    progress = previous.progress
    if progress and (progress.target, progress.table) != (target.version_or_etag, expected.digest()):
        progress = None
    return read_file(target, layout, time_is_left, expected, progress)


def _may_continue(previous: Validation) -> bool:
    """Check whether another call may continue the reading.

    A definition of an older release drops the progress: there each call would start again.
    """
    is_dropped = previous.status == "reading" and previous.progress is None
    return previous.reading_calls < READING_CALLS and not is_dropped


def _unread_warnings(contents: FileContents) -> list[str]:
    if contents.progress is None:
        return []
    return [
        f"only the first {contents.progress.lines:,} lines were read and checked: the file is too large to be read "
        "in full"
    ]


def _searched_pages(event: StepEvent) -> int:
    """Return how much of a folder is searched for a file that breaks the table.

    The first files of a table or partition search its whole folder, later ones only its start: a foreign file that
    comes after the table is not copied in the first place.
    """
    catalogue = event.document.catalogue
    return 1 if catalogue is not None and catalogue.status == "not_needed" else MOST_PAGES


def _without_table(
    previous: Validation, contents: FileContents, target: ObjectVersion, settings: ValidationSettings
) -> Validation:
    if contents.records != 0:
        uri = location(target.bucket, target.key)
        raise left_out(uri, settings.glue_database, cause_beside(target))
    warnings = [*contents.warnings, f"it has no rows, and {no_table(settings.glue_database)}"]
    return previous.changed(status="passed", rows=0, file_records=0, warnings=warnings)


def column_warnings(contents: FileContents, table: Table, layout: Format) -> list[str]:
    """Return what is unusual, but valid, about the columns of a file."""
    warnings = []
    if special := special_names(table.columns):
        warnings.append(
            f"Athena does not support special characters in names: queries that name {listed(special)} may fail, "
            "even in quotes"
        )
    if layout.layout == "delimited":
        return warnings
    if contents.missing_columns:
        warnings.append(
            f"the file lacks the table's columns {listed(contents.missing_columns)}: they are NULL in its rows"
        )
    if contents.later_columns:
        warnings.append(f"later records have {listed(contents.later_columns)}, which the table lacks")
    return warnings


def _start_queries(
    event: StepEvent, previous: Validation, table: Table, uri: str, settings: ValidationSettings
) -> Validation:
    queries = validation_queries(table, uri, event.document.rule.checks)
    target = QueryTarget(settings.target_region, settings.athena_workgroup, settings.glue_database)
    scope = _idempotency_scope(event)
    return previous.changed(
        status="pending",
        database=table.database,
        table=table.name,
        columns={abbreviated(name): abbreviated(kind) for name, kind in list(table.columns.items())[:SHOWN_COLUMNS]},
        column_count=len(table.columns),
        checks=list(queries),
        queries={check: start_query(check, sql, scope, target) for check, sql in queries.items()},
        wait_seconds=FIRST_WAIT_SECONDS,
    )


def _idempotency_scope(event: StepEvent) -> list[str]:
    """Return what makes the same query a new one: a redrive, another copy, a later crawl."""
    copy, catalogue = event.document.finished_copy(), event.document.catalogue
    crawl = [str(catalogue.covers_from), catalogue.crawl_id or ""] if catalogue else []
    version = [copy.target.version_id or "", copy.target.etag]
    return [event.execution.id, str(event.execution.redrive_count), *version, *crawl]
