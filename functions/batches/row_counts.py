"""Has Athena count the rows of many files in one query, and finds the files that are wrong.

If a query fails because of what one of its files holds, or if a check finds rows, the group is halved and asked again,
until the file is alone: then its error is that of `migrate`. Idempotent: the same files make the same queries, and a
query that was started before is not started again (ClientRequestToken of StartQueryExecution, Athena API reference).

Raises Throttled, AccessDenied, RequestRejected.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from functions.batches.steps import failed
from functions.batches.table_settings import FileSettings
from functions.contract.batches import Outcome
from functions.contract.models import Validation
from functions.runtime.errors import FerryError, QueryFailed, ValidationFailed
from functions.validation.athena_queries import ROWS, QueryTarget, all_rows, query_rows, query_status, start_query
from functions.validation.evaluate import is_of_the_data, judge, require_success
from functions.validation.group_queries import TableFile, group_queries, groups, halves
from functions.validation.recrawl import no_rows


@dataclass(frozen=True)
class CountedFile:
    """A file that was read, and its table, if that is still there."""

    outcome: Outcome
    file: TableFile | None


class RowCounts:
    """The queries of one call; `scope` tells them from those of another attempt."""

    def __init__(self, settings: FileSettings, scope: list[str], time_is_left: Callable[[], bool]) -> None:
        self._settings, self._scope, self._time_is_left = settings, scope, time_is_left
        self._outcomes: dict[str, Outcome] = {}

    def count(self, files: list[CountedFile], known: dict[str, Outcome]) -> list[Outcome]:
        """Return the outcomes of the files whose queries have ended; what is all `known` is not asked about again."""
        self._outcomes = {each.file.uri: each.outcome for each in files if each.file}
        lost = [_lost(each.outcome, self._settings.glue_database) for each in files if each.file is None]
        counted = []
        # All files again, so that the groups are the same in each call.
        for group in groups(each.file for each in files if each.file):
            if self._time_is_left() and any(self._outcomes[file.uri].key not in known for file in group):
                counted += self._ended(group)
        return [*lost, *counted]

    def _ended(self, group: list[TableFile]) -> list[Outcome]:
        """Return the outcomes of a group; those that are still waited for are missing."""
        region = self._settings.target_region
        try:
            queries = self._started(group)
        except QueryFailed as error:
            return self._failed(group, error)
        statuses = {check: query_status(check, query, region) for check, query in queries.items()}
        if is_of_the_data(statuses[ROWS]) and len(group) > 1:
            return self._halved(group)
        try:
            for check, status in statuses.items():
                require_success(check, status, _described(group))
        except (QueryFailed, ValidationFailed) as error:
            return self._failed(group, error)
        if not all(status.ended for status in statuses.values()):
            return []
        offending = {check: query_rows(check, query, region) for check, query in queries.items() if check != ROWS}
        if len(group) > 1 and any(offending.values()):
            return self._halved(group)
        rows = {str(path): int(number or 0) for path, number in all_rows(ROWS, queries[ROWS], region)}
        return [self._judged(file, rows.get(file.uri, 0), offending) for file in group]

    def _started(self, group: list[TableFile]) -> dict[str, str]:
        settings = self._settings
        target = QueryTarget(settings.target_region, settings.athena_workgroup, settings.glue_database)
        return {check: start_query(check, sql, self._scope, target) for check, sql in group_queries(group).items()}

    def _halved(self, group: list[TableFile]) -> list[Outcome]:
        return [outcome for half in halves(group) for outcome in self._ended(half)]

    def _judged(self, file: TableFile, rows: int, offending: dict[str, list[list[str | None]]]) -> Outcome:
        outcome, table = self._outcomes[file.uri], file.table
        read = Validation(
            status="pending",
            database=table.database,
            table=table.name,
            file_records=outcome.records,
            expected_rows=outcome.expected_rows,
        )
        try:
            if rows == 0 and outcome.records != 0:
                raise no_rows(file.uri, outcome.target, table, f"{table.database}.{table.name}")
            judge(file.uri, read, rows, offending)
        except ValidationFailed as error:
            return failed(outcome, error)
        return outcome.changed(validated=True, rows=rows)

    def _failed(self, group: Iterable[TableFile], error: FerryError) -> list[Outcome]:
        return [failed(self._outcomes[file.uri], error) for file in group]


def _described(group: list[TableFile]) -> str:
    others = f" and {len(group) - 1} other files" if len(group) > 1 else ""
    return f"{group[0].uri}{others}"


def _lost(outcome: Outcome, database: str) -> Outcome:
    """Return the outcome of a file whose table was dropped since the file was read."""
    problem = f"The table of {outcome.key} is no longer in {database}. Start another backfill."
    return failed(outcome, ValidationFailed(problem))
