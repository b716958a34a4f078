"""Polls the queries of a validation, and evaluates their results once all have ended.

Raises ValidationFailed, QueryFailed, AccessDenied, Throttled, RequestRejected.
"""

from functions.catalogue.glue_table import find_table
from functions.contract.limits import QUERY_POLLS
from functions.contract.models import StepEvent, Validation
from functions.objects.head import location
from functions.runtime.errors import QueryFailed, ValidationFailed
from functions.runtime.step import add_metric
from functions.validation.athena_queries import ROWS, SHOWN_ROWS, QueryStatus, query_rows, query_status
from functions.validation.file_checks import ROW_COUNT
from functions.validation.recrawl import may_crawl_again, no_rows
from functions.validation.settings import ValidationSettings
from functions.validation.start import FIRST_WAIT_SECONDS

LONGEST_WAIT_SECONDS = 60
LONGEST_SAMPLE = 1000
DATA_ERRORS = ("HIVE_", "GENERIC_USER_ERROR")
"""How the reason begins when a query failed because of the files' content."""


def poll_queries(event: StepEvent, previous: Validation, settings: ValidationSettings) -> Validation:
    """Return `pending` while a query runs, then evaluate the results."""
    region, target = settings.target_region, event.document.finished_copy().target
    uri = location(target.bucket, target.key)
    statuses = {check: query_status(check, query, region) for check, query in previous.queries.items()}
    for check, status in statuses.items():
        require_success(check, status, uri)
    if not all(status.ended for status in statuses.values()):
        return _still_pending(previous, uri)
    results = {check: query_rows(check, query, region) for check, query in previous.queries.items()}
    rows = int(results[ROWS][0][0] or 0)
    # A file without records got this far only if its rule allows it.
    if rows == 0 and previous.file_records != 0:
        if may_crawl_again(event):
            return previous.changed(status="not_covered", queries={})
        table = find_table(target, settings.glue_database)
        raise no_rows(uri, target, table, f"{previous.database}.{previous.table}")
    return judge(uri, previous, rows, results)


def judge(uri: str, previous: Validation, rows: int, results: dict[str, list[list[str | None]]]) -> Validation:
    """Return `passed`, or raise ValidationFailed with every problem of its rows and of its checks' results."""
    problems = _row_problems(rows, previous) + _check_problems(results)
    if problems:
        raise ValidationFailed(
            f"{uri} was copied and verified, but in the table {previous.database}.{previous.table}, "
            f"{'; '.join(problems)}. Fix the file and upload it again, or fix the check or the table and replay."
        )
    add_metric("ValidatedObjects")
    add_metric("ValidatedRows", rows)
    return previous.changed(status="passed", rows=rows)


def is_of_the_data(status: QueryStatus) -> bool:
    """Check whether a query failed because of what a file holds."""
    return status.ended and not status.succeeded and status.reason.startswith(DATA_ERRORS)


def require_success(check: str, status: QueryStatus, uri: str) -> None:
    """Raise ValidationFailed or QueryFailed if a query has failed."""
    if not status.ended or status.succeeded:
        return
    if check == ROWS and is_of_the_data(status):
        raise ValidationFailed(
            f"{uri} was copied and verified, but Athena cannot read it: {status.reason}. Fix the file and upload it "
            "again."
        )
    raise QueryFailed(f"The query {check} on {uri} failed: {status.reason}. Fix the cause, then replay.")


def _still_pending(previous: Validation, uri: str) -> Validation:
    polls = previous.polls + 1
    if polls >= QUERY_POLLS:
        minutes = round(sum(map(_wait_seconds, range(polls))) / 60)
        queries = ", ".join(f"{check} {query}" for check, query in previous.queries.items())
        raise QueryFailed(
            f"The queries on {uri} ({queries}) did not finish within about {minutes} minutes. Replay later."
        )
    return previous.changed(polls=polls, wait_seconds=_wait_seconds(polls))


def _wait_seconds(polls: int) -> int:
    """How long to wait after this number of polls."""
    return min(FIRST_WAIT_SECONDS * (1 + polls), LONGEST_WAIT_SECONDS)


def _row_problems(rows: int, previous: Validation) -> list[str]:
    problems = []
    if previous.file_records not in (None, rows):
        problems.append(f"{rows} rows can be queried, but the file has {previous.file_records} records")
    if previous.expected_rows not in (None, rows):
        problems.append(f"{rows} rows can be queried, but its {ROW_COUNT} metadata says {previous.expected_rows}")
    return problems


def _check_problems(results: dict[str, list[list[str | None]]]) -> list[str]:
    problems = []
    for check, offending in results.items():
        if check != ROWS and offending:
            at_least = "at least " if len(offending) == SHOWN_ROWS else ""
            first = str(offending[0])[:LONGEST_SAMPLE]
            problems.append(f"the check {check} found {at_least}{len(offending)} offending rows; the first is {first}")
    return problems
