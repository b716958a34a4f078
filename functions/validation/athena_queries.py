"""The queries of a validation: their SQL, their start, and what they answered.

A query's token is a hash of its occasion (execution, redrive, target, crawl), check and SQL, so that a second start
of the same query is the same query, and a redrive, a fresh copy or a fresh crawl asks anew. Sources:
StartQueryExecution (ClientRequestToken), GetQueryResults (Athena API reference); "$path": "Getting the file locations
for source data" (Amazon Athena User Guide). Reuse of results stays off, its default: it would overlook changed data.

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


@dataclass(frozen=True)
class Place:
    """Where queries run."""

    region: str
    workgroup: str
    database: str


@dataclass(frozen=True)
class Outcome:
    """How far a query is: `ended` well or not; `reason` says why not."""

    ended: bool
    succeeded: bool
    reason: str


def validation_queries(table: Table, uri: str, named: list[str] | None = None, checks: Path = CHECKS) -> dict[str, str]:
    """The SQL of each check by its name: the object's rows, then every file of `checks`, or those that are named."""
    path = _literal(uri)
    conditions = [f'"$path" = {path}']
    # The partition's predicates keep Athena from listing every other partition.
    conditions += [f"{_identifier(key)} = {_literal(value)}" for key, value in table.partition.items()]
    database, name = _identifier(table.database), _identifier(table.name)
    queries = {ROWS: f"SELECT count(*) FROM {database}.{name} WHERE {' AND '.join(conditions)}"}  # noqa: S608
    there = {file.name: file for file in sorted(checks.glob("*.sql"))}
    unknown = [name for name in named or [] if name not in there]
    if unknown:
        raise QueryFailed(
            f"The rule of {uri} names the check {', '.join(unknown)}, and there is none of that name in "
            "functions/checks. Add it, deploy and replay; or mend the rule, deploy and upload the file again."
        )
    for file in there.values() if named is None else [there[name] for name in dict.fromkeys(named)]:
        sql = file.read_text(encoding="utf-8").strip().rstrip(";")
        for placeholder, value in (("{database}", database), ("{table}", name), ("{path}", path)):
            sql = sql.replace(placeholder, value)
        queries[file.name] = sql
    return queries


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def start_query(check: str, sql: str, occasion: list[str], where: Place) -> str:
    """Start a query, or find it started on the same occasion; its id."""
    token = hashlib.sha256(json.dumps([*occasion, check, sql]).encode())
    with aws_errors(f"starting the query {check} in the workgroup {where.workgroup}"):
        answer = clients.athena(where.region).start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": where.database},
            ClientRequestToken=token.hexdigest(),
            WorkGroup=where.workgroup,
        )
    return answer["QueryExecutionId"]


def query_outcome(check: str, query_id: str, region: str) -> Outcome:
    """Look at a query once."""
    with aws_errors(f"looking at the query {check} ({query_id})"):
        status = clients.athena(region).get_query_execution(QueryExecutionId=query_id)["QueryExecution"]["Status"]
    state = status["State"]
    return Outcome(
        ended=state in {"SUCCEEDED", "FAILED", "CANCELLED"},
        succeeded=state == "SUCCEEDED",
        reason=status.get("StateChangeReason") or f"the query was {state.lower()}",
    )


def query_rows(check: str, query_id: str, region: str) -> list[list[str | None]]:
    """The first rows of a query's answer, without the header that Athena puts first."""
    with aws_errors(f"reading the results of the query {check} ({query_id})"):
        answer = clients.athena(region).get_query_results(QueryExecutionId=query_id, MaxResults=SHOWN_ROWS + 1)
    return [[field.get("VarCharValue") for field in row["Data"]] for row in answer["ResultSet"]["Rows"][1:]]
