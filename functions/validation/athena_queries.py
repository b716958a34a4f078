"""The Athena queries of a validation: their SQL, their start, their results.

Idempotent: a query's ClientRequestToken is a hash of its idempotency scope (execution, redrive, target, crawl), check
and SQL. Starting the same query again returns the first one; a redrive, another copy or a later crawl starts a new one.
Sources: StartQueryExecution (ClientRequestToken), GetQueryResults (Athena API reference); "$path": "Getting the file
locations for source data" (Amazon Athena User Guide). Query result reuse stays off, its default: it would miss changed
data.

Raises QueryFailed, AccessDenied, Throttled, RequestRejected.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from functions.catalogue.glue_table import Table
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors
from functions.runtime.errors import QueryFailed

CHECKS = Path(__file__).parent.parent / "checks"
ROWS = "rows"
SHOWN_ROWS = 5
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
"""The folder of the partition NULL, as Hive, Spark and Athena itself name it ("Partition your data", Amazon Athena User
Guide)."""


@dataclass(frozen=True)
class QueryTarget:
    """Where queries run."""

    region: str
    workgroup: str
    database: str


@dataclass(frozen=True)
class QueryStatus:
    """Whether a query has ended, and with success; `reason` says why not."""

    ended: bool
    succeeded: bool
    reason: str


def validation_queries(
    table: Table, uri: str, selected: list[str] | None = None, checks: Path = CHECKS
) -> dict[str, str]:
    """Return the SQL of each check by its name: the object's rows, then every file of `checks` or the selected."""
    conditions = [f'"$path" = {literal(uri)}']
    # With predicates on the partition, Athena does not list all the others.
    conditions += [f"{identifier(key)} {_equals(value)}" for key, value in table.partition.items()]
    queries = {ROWS: f"SELECT count(*) FROM {qualified(table)} WHERE {' AND '.join(conditions)}"}  # noqa: S608
    return queries | check_queries(table, [uri], selected, checks)


def check_queries(table: Table, uris: list[str], selected: list[str] | None, checks: Path = CHECKS) -> dict[str, str]:
    """Return the SQL of every file of `checks`, or of the selected, about these objects: `{path}` is the first of them.

    Raises QueryFailed for a check that does not exist.
    """
    database, table_name = identifier(table.database), identifier(table.name)
    path, paths = literal(uris[0]), ", ".join(map(literal, uris))
    queries = {}
    files = {file.name: file for file in sorted(checks.glob("*.sql"))}
    names = list(files) if selected is None else list(dict.fromkeys(selected))
    unknown = [name for name in names if name not in files]
    if unknown:
        raise QueryFailed(
            f"The rule for {uris[0]} selects checks that are not in functions/checks: {', '.join(unknown)}. Add them, "
            "deploy and replay. Or fix the rule, deploy, and upload the file again."
        )
    for name in names:
        sql = files[name].read_text(encoding="utf-8").strip().rstrip(";")
        for placeholder, value in (
            ("{database}", database),
            ("{table}", table_name),
            ("{path}", path),
            ("{paths}", paths),
        ):
            sql = sql.replace(placeholder, value)
        queries[name] = sql
    return queries


def qualified(table: Table) -> str:
    """Return the quoted name of a table with its database."""
    return f"{identifier(table.database)}.{identifier(table.name)}"


def _equals(value: str) -> str:
    """Return the predicate of a partition's value; NULL equals nothing."""
    return "IS NULL" if value == NULL_PARTITION else f"= {literal(value)}"


def identifier(name: str) -> str:
    """Return a quoted name."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a quoted text."""
    return "'" + text.replace("'", "''") + "'"


def start_query(check: str, sql: str, scope: list[str], target: QueryTarget) -> str:
    """Start a query, unless it was started in the same idempotency scope; return its id."""
    token = hashlib.sha256(json.dumps([*scope, check, sql]).encode())
    with aws_errors(f"starting the query {check} in the workgroup {target.workgroup}"):
        response = clients.athena(target.region).start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": target.database},
            ClientRequestToken=token.hexdigest(),
            WorkGroup=target.workgroup,
        )
    return response["QueryExecutionId"]


def query_status(check: str, query_id: str, region: str) -> QueryStatus:
    """Poll a query once."""
    with aws_errors(f"polling the query {check} ({query_id})"):
        status = clients.athena(region).get_query_execution(QueryExecutionId=query_id)["QueryExecution"]["Status"]
    state = status["State"]
    return QueryStatus(
        ended=state in {"SUCCEEDED", "FAILED", "CANCELLED"},
        succeeded=state == "SUCCEEDED",
        reason=status.get("StateChangeReason") or f"Athena gave no reason (state {state})",
    )


def query_rows(check: str, query_id: str, region: str) -> list[list[str | None]]:
    """Return the first rows of a query's results, without the header that Athena puts first."""
    with aws_errors(f"reading the results of the query {check} ({query_id})"):
        response = clients.athena(region).get_query_results(QueryExecutionId=query_id, MaxResults=SHOWN_ROWS + 1)
    return [[field.get("VarCharValue") for field in row["Data"]] for row in response["ResultSet"]["Rows"][1:]]


def all_rows(check: str, query_id: str, region: str) -> list[list[str | None]]:
    """Return all rows of a query's results, page by page; only the first page begins with the header."""
    with aws_errors(f"reading the results of the query {check} ({query_id})"):
        pages = clients.athena(region).get_paginator("get_query_results").paginate(QueryExecutionId=query_id)
        found = [row for page in pages for row in page["ResultSet"]["Rows"]]
    return [[field.get("VarCharValue") for field in row["Data"]] for row in found[1:]]
