"""Queries of the target's tables with Athena: only those that read, and never more rows than requested.

Idempotent: a query changes nothing in the tables. Raises UsageError for SQL that is not a query, before anything is
sent, and CommandError for a query that fails, is cancelled or does not end in time; it is cancelled then, because a
running query costs money. Athena API Reference, StartQueryExecution and GetQueryResults: the first row of a SELECT's
results holds the names of its columns.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ferry.aws.clients import Deployment
from ferry.errors import CommandError, UsageError

if TYPE_CHECKING:
    from mypy_boto3_athena.type_defs import QueryExecutionTypeDef

READING = ("SELECT", "WITH", "VALUES")
"""The first words of queries that only read. Everything else, such as DROP TABLE or INSERT, is rejected."""

COMMENT = re.compile(r"\s+|--[^\n]*(\n|$)|/\*.*?\*/|\(", re.DOTALL)
"""What may be before the first word of a query."""

WORD = re.compile(r"[A-Za-z]+\b")
LONGEST_SQL_BYTES = 262_144
"""Of a query ("Service Quotas", Amazon Athena User Guide)."""

PENDING = ("QUEUED", "RUNNING")
POLL_SECONDS = 0.1
AWS_POLL_SECONDS = 0.5
QUERY_SECONDS = 300.0
PAGE_ROWS = 1000
"""The largest page of GetQueryResults."""

Cell = str | None


@dataclass(frozen=True)
class ResultColumn:
    """A column of a result or a table."""

    name: str
    type: str


@dataclass(frozen=True)
class QueryProgress:
    """How far a query is."""

    id: str
    state: str
    reason: str
    scanned_bytes: int
    seconds: float

    @property
    def pending(self) -> bool:
        """Whether it has not ended."""
        return self.state in PENDING


@dataclass(frozen=True)
class QueryResult:
    """The first rows of a result, and whether there are more. A cell is None for NULL."""

    columns: tuple[ResultColumn, ...]
    rows: tuple[tuple[Cell, ...], ...]
    more: bool


def check_sql(sql: str) -> str:
    """The query without a closing semicolon; raises UsageError unless it is one that reads."""
    text = sql.strip().removesuffix(";").rstrip()
    rest = text
    while found := COMMENT.match(rest):
        rest = rest[found.end() :]
    word = WORD.match(rest)
    if not word:
        raise UsageError("SQL is empty. Specify a query, e.g. 'SELECT count(*) FROM airports'.")
    if word[0].upper() not in READING:
        raise UsageError(f"{word[0].upper()} is not allowed. Only queries that read data are: {', '.join(READING)}.")
    if len(text.encode("utf-8", "surrogatepass")) > LONGEST_SQL_BYTES:
        raise UsageError(f"SQL is longer than the {LONGEST_SQL_BYTES:,} bytes that Athena accepts.")
    return text


def start(deployment: Deployment, sql: str) -> str:
    """Start a query of the deployment's database; return its id."""
    outputs = deployment.outputs
    response = deployment.athena.start_query_execution(
        QueryString=check_sql(sql),
        QueryExecutionContext={"Database": outputs.glue_database},
        WorkGroup=outputs.athena_workgroup,
    )
    return response["QueryExecutionId"]


def status(deployment: Deployment, query: str) -> QueryProgress:
    """How far a query is."""
    found: QueryExecutionTypeDef = deployment.athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]
    state, statistics = found["Status"], found.get("Statistics", {})
    return QueryProgress(
        query,
        state["State"],
        state.get("StateChangeReason", ""),
        statistics.get("DataScannedInBytes", 0),
        statistics.get("TotalExecutionTimeInMillis", statistics.get("EngineExecutionTimeInMillis", 0)) / 1000,
    )


def cancel(deployment: Deployment, query: str) -> None:
    """Cancel a query; one that has ended stays as it is."""
    deployment.athena.stop_query_execution(QueryExecutionId=query)


def results(deployment: Deployment, query: str, limit: int) -> QueryResult:
    """The first rows of a query that succeeded; 0: all of them."""
    columns: tuple[ResultColumn, ...] = ()
    rows: list[tuple[Cell, ...]] = []
    token: Any = {}
    while True:
        # One more for the names of the columns, and one that shows whether there are more rows.
        wanted = min(PAGE_ROWS, limit + 2 - len(rows)) if limit else PAGE_ROWS
        page: Any = deployment.athena.get_query_results(QueryExecutionId=query, MaxResults=wanted, **token)
        if not columns:
            described = page["ResultSet"].get("ResultSetMetadata", {}).get("ColumnInfo", [])
            columns = tuple(ResultColumn(item["Name"], item["Type"]) for item in described)
        rows += [tuple(cell.get("VarCharValue") for cell in row.get("Data", [])) for row in page["ResultSet"]["Rows"]]
        next_token = page.get("NextToken")
        if not next_token or (limit and len(rows) >= limit + 2):
            break
        token = {"NextToken": next_token}
    del rows[:1]
    return QueryResult(columns, tuple(rows[: limit or None]), bool(limit) and len(rows) > limit)


def run(
    deployment: Deployment,
    sql: str,
    limit: int,
    seconds: float = QUERY_SECONDS,
    now: Callable[[], float] = time.monotonic,
) -> tuple[QueryProgress, QueryResult]:
    """Run a query to its end; return how it ended, and its first rows."""
    query = start(deployment, sql)
    deadline = now() + seconds
    try:
        while (found := status(deployment, query)).pending and now() <= deadline:
            time.sleep(AWS_POLL_SECONDS if deployment.on_aws else POLL_SECONDS)
    except BaseException:
        cancel(deployment, query)
        raise
    if found.pending:
        cancel(deployment, query)
        raise CommandError(f"Athena query {query} did not finish within {seconds:.0f} s and was cancelled.")
    if found.state != "SUCCEEDED":
        raise CommandError(f"Athena query {found.state}: {found.reason or 'no reason given'}")
    return found, results(deployment, query, limit)


def quoted(name: str) -> str:
    """A name of a table or column as Athena reads it."""
    return '"' + name.replace('"', '""') + '"'


def sample_sql(table: str, columns: Iterator[str] | tuple[str, ...] = ()) -> str:
    """A query for some rows of a table."""
    names = ", ".join(quoted(column) for column in columns) or "*"
    return f"SELECT {names} FROM {quoted(table)} LIMIT 20"  # noqa: S608 - quoted
