"""Starts a validation: reads the file, compares it with its table, and starts the queries.

Raises ValidationFailed, QueryFailed, and what reading the object and the catalogue raises.
"""

from collections.abc import Callable

from functions.catalogue.formats import Format, file_format
from functions.catalogue.glue_table import Table, abbreviated, column_problem, find_table, listed, missing_columns
from functions.contract.models import StepEvent, Validation
from functions.objects.head import Head, ObjectChanged, location
from functions.runtime.errors import ValidationFailed
from functions.validation.athena_queries import QueryTarget, start_query, validation_queries
from functions.validation.file_reader import FileContents, read_file
from functions.validation.recrawl import may_crawl_again, recrawl_or_fail
from functions.validation.replacement import target_replaced
from functions.validation.settings import ValidationSettings

MARGIN_MS = 60_000
"""Kept of the function's time for finding the table and starting the queries."""

SHOWN_COLUMNS = 100
ROW_COUNT = "row-count"
FIRST_WAIT_SECONDS = 2


def start_validation(
    event: StepEvent, previous: Validation, now: Head, settings: ValidationSettings, time_is_left: Callable[[], bool]
) -> Validation:
    """Read the file, find its table, compare the two, and start the queries."""
    target, uri = now.object, location(now.object.bucket, now.object.key)
    layout = file_format(target.key)
    if layout is None:
        raise ValueError(f"RunValidationQuery was called for {uri}, which is not a tabular file.")
    try:
        contents = read_file(target, layout, time_is_left, event.document.rule.allow_empty)
    except ObjectChanged:
        return target_replaced(event.document, previous)
    expected_rows = _expected_rows(now, uri)
    table = find_table(target, settings.glue_database)
    if table is None:
        problem = f"no table of the database {settings.glue_database} contains it after the crawl"
        if contents.records == 0 and not may_crawl_again(event):
            warnings = [*contents.warnings, f"it has no rows, and {problem}"]
            return previous.changed(status="passed", rows=0, file_records=0, warnings=warnings)
        return recrawl_or_fail(event, previous, uri, problem)
    _require_match(uri, contents, table, layout)
    counted = previous.changed(
        file_records=contents.records,
        expected_rows=expected_rows,
        warnings=[*contents.warnings, *_column_warnings(contents, table, layout)],
    )
    return _start_queries(event, counted, table, uri, settings)


def _expected_rows(now: Head, uri: str) -> int | None:
    row_count = now.metadata.get(ROW_COUNT)
    if row_count is None:
        return None
    if not row_count.isascii() or not row_count.isdigit():
        raise ValidationFailed(
            f"{uri} has the user metadata {ROW_COUNT}: {row_count!r}, which is not a whole number. Correct the "
            "metadata and upload the file again."
        )
    return int(row_count)


def _require_match(uri: str, contents: FileContents, table: Table, layout: Format) -> None:
    """Raise ValidationFailed if the file cannot be queried in its table."""
    if table.unpartitioned:
        raise ValidationFailed(
            f"{uri} was copied and verified, but the table {table.database}.{table.name} is partitioned by "
            f"{', '.join(table.partition_keys)}, and the file is not in a partition folder. Upload it to a folder such "
            f"as `{'/'.join(f'{key}=VALUE' for key in table.partition_keys)}/`."
        )
    problem = column_problem(contents.columns, table, layout) if contents.columns else ""
    if problem:
        raise ValidationFailed(
            f"{uri} does not fit the table {table.database}.{table.name}: {problem}. All files in one folder form one "
            "table: fix the file's columns, alter the table, or upload the file into a folder of its own."
        )


def _column_warnings(contents: FileContents, table: Table, layout: Format) -> list[str]:
    """Return what is unusual, but valid, about the columns of a file that is read by name."""
    if contents.columns is None or layout.layout == "delimited":
        return []
    missing = missing_columns([*contents.columns, *contents.later_columns], table)
    later = [name for name in contents.later_columns if name not in table.columns]
    warnings = []
    if missing:
        warnings.append(f"the file lacks the table's columns {listed(missing)}: they are NULL in its rows")
    if later:
        warnings.append(f"later records have {listed(later)}, which the table lacks")
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
