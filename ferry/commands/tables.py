"""`ferry tables`: the tables of the deployment's database, or the columns of one. Read-only."""

from typing import Any

from rich.table import Table as Grid

from ferry.aws.clients import Deployment
from ferry.aws.tables import TableSummary, list_partitions, list_tables, read_table
from ferry.commands.listing import GAP, write_json
from ferry.ui import terminal


def show_tables(deployment: Deployment, name: str | None, *, as_json: bool) -> None:
    """Print all tables, or one table with its columns."""
    if name is not None:
        _show_table(deployment, read_table(deployment, name), as_json=as_json)
        return
    found = list_tables(deployment)
    console = terminal.console()
    if as_json:
        write_json([as_document(table) for table in found])
    elif not found:
        console.print("No tables yet.")
    else:
        grid = _grid("TABLE", "COLUMNS", "PARTITION KEYS", "FORMAT", "FOLDER")
        for table in found:
            keys = ", ".join(key.name for key in table.keys)
            cells = (table.name, str(len(table.columns)), keys, table.format, table.location)
            grid.add_row(*(terminal.line(cell) for cell in cells))
        terminal.put(console, grid)


def _show_table(deployment: Deployment, table: TableSummary, *, as_json: bool) -> None:
    partitions = list_partitions(deployment, table.name) if table.keys else []
    if as_json:
        write_json(as_document(table) | {"partitions": [list(values) for values in partitions]})
        return
    grid = _grid("COLUMN", "TYPE")
    for column in table.columns:
        grid.add_row(terminal.line(column.name), terminal.line(column.type))
    for key in table.keys:
        grid.add_row(terminal.line(key.name), terminal.line(f"{key.type}, partition key"))
    console = terminal.console()
    terminal.put(console, grid)
    for values in partitions:
        pairs = (f"{key.name}={value}" for key, value in zip(table.keys, values, strict=False))
        console.print(terminal.line("partition  ", "/".join(pairs)))


def as_document(table: TableSummary) -> dict[str, Any]:
    """A table as `--json` prints it."""
    return {
        "table": table.name,
        "columns": {column.name: column.type for column in table.columns},
        "partition_keys": {key.name: key.type for key in table.keys},
        "format": table.format,
        "location": table.location,
    }


def _grid(*headings: str) -> Grid:
    grid = Grid(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    for heading in headings:
        grid.add_column(heading, overflow="fold")
    return grid
