"""RunValidationQuery: are the object's own rows there, all of them, and do they pass the checks?

Called again until done: the first call reads the file, compares it with its table and starts the queries; the
later ones look at the queries. The table is found in the catalogue. Asked are: (a) the object's rows, more than
none and as many as the file has records; (b) as many as its user metadata `row-count` says, where it does;
(c) every check in `functions/checks` that the rule does not leave out, which must return no row; (d) the file's
columns: a delimited file's must be the table's, one of JSON or Parquet may lack some (a warning: they are NULL there)
and have none besides. A file without rows fails, unless the rule allows it.

Running it twice is harmless: it only reads, and the same query is started once. A redrive asks everything anew.

Raises ValidationFailed with every reason, QueryFailed, TargetKeepsChanging, CustomerKeyRequired, AccessDenied,
BucketMissing, Throttled, RequestRejected, SettingInvalid.
"""

from collections.abc import Callable

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import Field

from functions.catalogue.formats import Format, file_format
from functions.catalogue.glue_table import Table, column_problem, find_table, missing_columns, shown, some
from functions.contract.limits import FRESH_COPIES_AFTER_PROOF, QUERY_POLLS
from functions.contract.models import Document, Model, ObjectVersion, StepEvent, Validation
from functions.objects.head import Head, ObjectChanged, head, location, same_version
from functions.runtime.errors import QueryFailed, TargetKeepsChanging, ValidationFailed
from functions.runtime.sdk import require_sdk
from functions.runtime.settings import RegionName, read_settings
from functions.runtime.step import count, step
from functions.validation.athena_queries import (
    ROWS,
    SHOWN_ROWS,
    Outcome,
    Place,
    query_outcome,
    query_rows,
    start_query,
    validation_queries,
)
from functions.validation.file_reader import FileContents, read_file

require_sdk()

MARGIN_MS = 60_000
"""What is kept of the function's time to find the table and start the queries in."""

SHOWN_COLUMNS = 100
LONGEST_SAMPLE = 1000
ROW_COUNT = "row-count"
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 2, 60
OF_THE_DATA = ("HIVE_", "GENERIC_USER_ERROR")
"""How the reason of a query begins that failed for what is in the files."""


class Settings(Model):
    """Where the catalogue is, and in which workgroup it is asked."""

    target_region: RegionName
    glue_database: str = Field(min_length=1)
    athena_workgroup: str = Field(min_length=1)


@step
def handler(event: StepEvent, context: LambdaContext) -> Validation:
    """Begin the validation, or look how far it is."""
    settings, document = read_settings(Settings), event.document
    known = document.validation
    if known is None or known.redrive_count != event.execution.redrive_count:
        known = Validation(status="not_covered", redrive_count=event.execution.redrive_count)
    _, target, _ = document.finished_copy()
    now = head(target.bucket, target.region, target.key)
    if now is None or not same_version(now.object, target):
        return _replaced(document, known)
    if known.status == "pending":
        return look(event, known, settings)
    return begin(event, known, now, settings, lambda: context.get_remaining_time_in_millis() > MARGIN_MS)


def begin(
    event: StepEvent, known: Validation, now: Head, settings: Settings, time_is_left: Callable[[], bool]
) -> Validation:
    """Read the file, find its table and compare the two; then the queries are started."""
    target, uri = now.object, location(now.object.bucket, now.object.key)
    layout = file_format(target.key)
    if layout is None:
        raise ValueError(f"RunValidationQuery was called for {uri}, which is no table.")
    try:
        contents = read_file(target, layout, time_is_left, event.document.rule.allow_empty)
    except ObjectChanged:
        return _replaced(event.document, known)
    expected_rows = _expected_rows(now, uri)
    table = find_table(target, settings.glue_database)
    if table is None:
        problem = f"no table of the database {settings.glue_database} contains it after the crawl"
        if contents.records == 0 and not _may_be_crawled_again(event):
            said = [*contents.warnings, f"it has no rows, and {problem}"]
            return known.model_copy(update={"status": "passed", "rows": 0, "file_records": 0, "warnings": said})
        return _crawl_again_or_fail(event, known, uri, problem)
    if table.unpartitioned:
        raise ValidationFailed(
            f"{uri} is copied and proved, but the table {table.database}.{table.name} is partitioned by "
            f"{', '.join(table.partition_keys)}, and it lies in no such folder. Upload it into one."
        )
    problem = column_problem(contents.columns, table, layout) if contents.columns else ""
    if problem:
        raise ValidationFailed(
            f"{uri} does not fit the table {table.database}.{table.name}: {problem}. Files in one folder "
            "are one table: mend the file's columns, alter the table, or upload the file into a folder of its own."
        )
    warnings = [*contents.warnings, *_column_warnings(contents, table, layout)]
    known = known.model_copy(
        update={"file_records": contents.records, "expected_rows": expected_rows, "warnings": warnings}
    )
    return _start_queries(event, known, table, uri, settings)


def _start_queries(event: StepEvent, known: Validation, table: Table, uri: str, settings: Settings) -> Validation:
    queries = validation_queries(table, uri, event.document.rule.checks)
    place = Place(settings.target_region, settings.athena_workgroup, settings.glue_database)
    return known.model_copy(
        update={
            "status": "pending",
            "database": table.database,
            "table": table.name,
            "columns": {shown(name): shown(kind) for name, kind in list(table.columns.items())[:SHOWN_COLUMNS]},
            "column_count": len(table.columns),
            "checks": list(queries),
            "queries": {check: start_query(check, sql, _occasion(event), place) for check, sql in queries.items()},
            "wait_seconds": FIRST_WAIT_SECONDS,
        }
    )


def _column_warnings(contents: FileContents, table: Table, layout: Format) -> list[str]:
    """What of the columns is odd, but not wrong, in a file that is read by name."""
    if contents.columns is None or layout.layout == "delimited":
        return []
    missing = missing_columns([*contents.columns, *contents.later_columns], table)
    later = [name for name in contents.later_columns if name not in table.columns]
    said = [f"the file lacks {some(missing)} of the table's columns: NULL in its rows"] if missing else []
    return said + ([f"later records have {some(later)}, which the table lacks"] if later else [])


def _occasion(event: StepEvent) -> list[str]:
    """What makes the same query another question: a redrive, a fresh copy, a later crawl."""
    (_, target, _), catalogue = event.document.finished_copy(), event.document.catalogue
    crawl = [str(catalogue.covers_from), catalogue.crawl_id or ""] if catalogue else []
    version = [target.version_id or "", target.etag]
    return [event.execution.id, str(event.execution.redrive_count), *version, *crawl]


def _may_be_crawled_again(event: StepEvent) -> bool:
    """Whether no crawl of this attempt has covered the object yet; one that has, has the last word.

    What an earlier attempt's crawl covered may have been lost since, and so may what needed none.
    """
    catalogue = event.document.catalogue
    if catalogue is None:
        return False
    before_this_attempt = catalogue.covers_from is not None and catalogue.covers_from < event.execution.attempt_began
    return catalogue.status == "not_needed" or before_this_attempt


def _crawl_again_or_fail(event: StepEvent, known: Validation, uri: str, problem: str) -> Validation:
    if _may_be_crawled_again(event):
        return known.model_copy(update={"status": "not_covered", "queries": {}})
    raise ValidationFailed(
        f"{uri} is copied and proved, but {problem}. Look at the crawler's log for why it was left out, "
        "mend that, then replay."
    )


def _expected_rows(now: Head, uri: str) -> int | None:
    said = now.metadata.get(ROW_COUNT)
    if said is None:
        return None
    if not said.isascii() or not said.isdigit():
        raise ValidationFailed(f"{uri} has the user metadata {ROW_COUNT}: {said!r}, which is no whole number.")
    return int(said)


def look(event: StepEvent, known: Validation, settings: Settings) -> Validation:
    """Judge the queries when all have ended."""
    region, (_, target, _) = settings.target_region, event.document.finished_copy()
    uri = location(target.bucket, target.key)
    outcomes = {check: query_outcome(check, query, region) for check, query in known.queries.items()}
    for check, outcome in outcomes.items():
        _require_success(check, outcome, uri)
    if not all(outcome.ended for outcome in outcomes.values()):
        return _still_pending(known, uri)
    answers = {check: query_rows(check, query, region) for check, query in known.queries.items()}
    rows = int(answers[ROWS][0][0] or 0)
    # A file without records came so far only by a rule that allows it.
    if rows == 0 and known.file_records != 0:
        problem = f"in the table {known.database}.{known.table} none of its rows can be queried"
        return _crawl_again_or_fail(event, known, uri, problem)
    problems = _row_problems(rows, known) + _check_problems(answers)
    if problems:
        raise ValidationFailed(
            f"{uri} is copied and proved, but in the table {known.database}.{known.table} {'; '.join(problems)}. "
            "Mend the file and upload it again, or mend the check or the table and replay."
        )
    count("ValidatedObjects")
    count("ValidatedRows", rows)
    return known.model_copy(update={"status": "passed", "rows": rows})


def _require_success(check: str, outcome: Outcome, uri: str) -> None:
    if not outcome.ended or outcome.succeeded:
        return
    if check == ROWS and outcome.reason.startswith(OF_THE_DATA):
        raise ValidationFailed(f"{uri} is copied and proved, but Athena cannot read it: {outcome.reason}")
    raise QueryFailed(f"The query {check} on {uri} failed: {outcome.reason}. Mend the cause, then replay.")


def _still_pending(known: Validation, uri: str) -> Validation:
    polls = known.polls + 1
    if polls >= QUERY_POLLS:
        raise QueryFailed(f"The queries on {uri} did not end in {polls} looks: {known.queries}. Replay later.")
    wait_seconds = min(FIRST_WAIT_SECONDS * (1 + polls), LONGEST_WAIT_SECONDS)
    return known.model_copy(update={"polls": polls, "wait_seconds": wait_seconds})


def _row_problems(rows: int, known: Validation) -> list[str]:
    problems = []
    if known.file_records not in (None, rows):
        problems.append(f"{rows} rows can be queried of the file's {known.file_records} records")
    if known.expected_rows not in (None, rows):
        problems.append(f"{rows} rows can be queried, and its metadata {ROW_COUNT} says {known.expected_rows}")
    return problems


def _check_problems(answers: dict[str, list[list[str | None]]]) -> list[str]:
    problems = []
    for check, offending in answers.items():
        if check != ROWS and offending:
            some = "at least " if len(offending) == SHOWN_ROWS else ""
            first = str(offending[0])[:LONGEST_SAMPLE]
            problems.append(f"the check {check} found {some}{len(offending)} offending rows, the first: {first}")
    return problems


def _replaced(document: Document, known: Validation) -> Validation:
    """The target is another one now: by a newer upload, which has its own execution, or it has to be copied again."""
    copied, target, _ = document.finished_copy()
    now = head(copied.bucket, copied.region, copied.key)
    where = location(target.bucket, target.key)
    if now is None:
        if document.rule.mode == "move" and _lies_under_another(target):
            return known.model_copy(update={"status": "superseded"})
        raise ValidationFailed(
            f"{where} was overwritten or deleted after its proof, and its source is gone too. "
            "Look at the target's versions, or upload the file again."
        )
    if not same_version(now.object, copied):
        return known.model_copy(update={"status": "superseded"})
    changes = known.changes + 1
    if changes > FRESH_COPIES_AFTER_PROOF:
        raise TargetKeepsChanging(
            f"{where} was overwritten or deleted after its proof {changes} times. "
            "Somebody else writes to it: stop them, then replay with --restart."
        )
    return known.model_copy(update={"status": "target_changed", "changes": changes, "queries": {}})


def _lies_under_another(target: ObjectVersion) -> bool:
    """Whether somebody newer wrote over the proved version; where the source is gone too, it was moved by them."""
    if target.version_id is None or head(target.bucket, target.region, target.key) is None:
        return False
    return head(target.bucket, target.region, target.key, version_id=target.version_id) is not None
