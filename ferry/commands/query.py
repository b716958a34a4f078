"""`ferry query`: runs a query that reads, and prints its first rows. Ctrl-C cancels the query.

Raises UsageError for SQL that is not a SELECT, WITH or VALUES query, before anything is sent, and CommandError for one
that fails.
"""

import csv
import io
import sys
from contextlib import nullcontext
from typing import Literal

from rich.table import Table
from rich.text import Text

from ferry.aws import queries
from ferry.aws.clients import Deployment
from ferry.aws.queries import QueryResult
from ferry.commands.listing import GAP, write_json
from ferry.errors import UsageError
from ferry.ui import terminal

Format = Literal["table", "csv", "json"]


def check_request(sql: str, *, csv: bool, json: bool) -> None:
    """Raise UsageError for SQL that is not a query, or for two formats."""
    if csv and json:
        raise UsageError("Specify either --csv or --json, not both.")
    queries.check_sql(sql)


def query(deployment: Deployment, sql: str, limit: int, form: Format) -> None:
    """Run a query, and print its rows in a format."""
    notes = terminal.console(stderr=True)
    with notes.status("Running the query") if notes.is_terminal else nullcontext():
        status, result = queries.run(deployment, sql, limit)
    if form == "json":
        columns = [{"name": column.name, "type": column.type} for column in result.columns]
        write_json({"columns": columns, "rows": [list(row) for row in result.rows], "truncated": result.more})
    elif form == "csv":
        sys.stdout.write(as_csv(result))
    else:
        terminal.put(terminal.console(), as_table(result))
    if result.more:
        notes.print(f"Only the first {limit} rows are shown. Use --limit 0 for all.")
    if deployment.on_aws:
        notes.print(f"Scanned {terminal.size(status.scanned_bytes)} in {terminal.duration(status.seconds)}.")


def as_csv(result: QueryResult) -> str:
    """The rows as CSV (RFC 4180); NULL is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.name for column in result.columns])
    writer.writerows([["" if cell is None else cell for cell in row] for row in result.rows])
    return text.getvalue()


def as_table(result: QueryResult) -> Table:
    """The rows as a table for a terminal."""
    grid = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    for column in result.columns:
        grid.add_column(terminal.line(column.name), overflow="fold")
    for row in result.rows:
        grid.add_row(*(Text("NULL", "dim") if cell is None else terminal.line(cell) for cell in row))
    return grid
