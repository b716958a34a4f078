"""The API about tables, queries, crawls and queues, by the functions of `ferry tables`, `query` and `queue`.

A query is started, asked for and cancelled by requests of its own, because it may take minutes. Peeking at dead letters
hides them from others for a moment, so it is done only on request, and with POST.
"""

from dataclasses import asdict
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from ferry.aws import queries, queues, tables
from ferry.aws.dead_letters import return_dead_letters
from ferry.aws.denials import Denials
from ferry.aws.queries import ResultColumn
from ferry.console.responses import json_response
from ferry.console.rows import timestamp
from ferry.console.state import console_of
from ferry.errors import CommandError, UsageError

SHOWN_ROWS = 200
PEEKED = 100


def list_tables(request: Request) -> Response:
    """All tables, without their partitions."""
    found = tables.list_tables(console_of(request).deployment)
    return json_response({"tables": [_table(table) for table in found]})


def get_table(request: Request) -> Response:
    """One table, with its partitions and a query for some of its rows."""
    deployment, name = console_of(request).deployment, request.path_params["name"]
    table = tables.read_table(deployment, name)
    denials = Denials()
    partitions = denials.read_all("Partitions", lambda: tables.list_partitions(deployment, name) if table.keys else ())
    found = {"partitions": partitions, "sample": queries.sample_sql(name), "denied": denials.reasons}
    return json_response(_table(table) | found)


def _table(table: tables.TableSummary) -> dict[str, Any]:
    return {
        "name": table.name,
        "columns": [_column(column) for column in table.columns],
        "keys": [_column(column) for column in table.keys],
        "location": table.location,
        "format": table.format,
        "updated": timestamp(table.updated),
    }


def _column(column: ResultColumn) -> dict[str, str]:
    return {"name": column.name, "type": column.type}


def list_crawls(request: Request) -> Response:
    """The newest crawls."""
    found = tables.list_crawls(console_of(request).deployment)
    return json_response({"crawls": [asdict(crawl) | {"started": timestamp(crawl.started)} for crawl in found]})


async def post_query(request: Request) -> Response:
    """Start a query."""
    try:
        body = await request.json()
    except ValueError:
        body = None
    sql = body.get("sql") if isinstance(body, dict) else None
    if not isinstance(sql, str):
        raise UsageError("sql is missing.")
    text = queries.check_sql(sql)
    query = await to_thread.run_sync(queries.start, console_of(request).deployment, text)
    return json_response({"id": query}, 201)


def get_query(request: Request) -> Response:
    """How far a query is, and its first rows once it has succeeded."""
    deployment, query = console_of(request).deployment, request.path_params["id"]
    status = queries.status(deployment, query)
    found: dict[str, Any] = {
        "state": status.state,
        "pending": status.pending,
        "reason": status.reason,
        "seconds": status.seconds,
        "scanned_bytes": status.scanned_bytes,
    }
    if status.state == "SUCCEEDED":
        result = queries.results(deployment, query, SHOWN_ROWS)
        found |= {"columns": [_column(column) for column in result.columns], "rows": result.rows, "more": result.more}
    return json_response(found)


def delete_query(request: Request) -> Response:
    """Cancel a query."""
    queries.cancel(console_of(request).deployment, request.path_params["id"])
    return json_response({})


def get_queues(request: Request) -> Response:
    """How many messages each queue has."""
    return json_response({"queues": [asdict(depth) for depth in queues.depths(console_of(request).deployment)]})


def post_peek(request: Request) -> Response:
    """Dead letters, with their reasons."""
    denials, letters = Denials(), list[dict[str, Any]]()

    def receive() -> None:
        for letter in queues.peek(console_of(request).deployment, PEEKED):
            letters.append(asdict(letter) | {"sent": timestamp(letter.sent)})

    denials.read("Dead letters", receive, None)
    return json_response({"letters": letters, "denied": denials.reasons})


def post_return(request: Request) -> Response:
    """Put all dead letters back into the queue."""
    console = console_of(request)
    console.check_writable()
    lines: list[str] = []
    try:
        lines += return_dead_letters(console.deployment)
    except CommandError as error:
        lines.append(str(error))
    console.poller.wake()
    return json_response({"lines": lines or ["There are no dead letters."]})
