"""`ferry list`: every execution, or every failure that is not settled, newest first. Reads only.

A failure is settled by a later execution of the same input: `ferry replay --failed` leaves it alone as well.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from ferry.aws.deployment import Deployment
from ferry.stepfunctions import executions
from ferry.stepfunctions.executions import FAILURES, Glance
from ferry.stepfunctions.failures import left_to_replay
from ferry.ui import terminal
from ferry.ui.execution_view import STATUS_STYLES

SHORT = 12
"""So many characters of a name tell executions apart; a command takes the beginning of a name as well."""

KEY_WIDTH = 60
KEY_MIN_WIDTH = 20
GAP = 2
DISPENSABLE = ("GRADE", "STATE", "SIZE", "AGE", "EXECUTION")
"""What a narrow terminal does without, in this order: the key says more than each of them."""


def show_list(deployment: Deployment, *, failed: bool, limit: int, as_json: bool) -> None:
    """Print the newest executions, or the newest of those that failed."""
    client, machine = deployment.step_functions, deployment.outputs.state_machine_arn
    # One more than is asked for, to know whether there are more.
    summaries = executions.list_summaries(client, machine, FAILURES if failed else (), limit + 1 if limit else None)
    more = bool(limit) and len(summaries) > limit
    summaries = summaries[: limit or None]
    settled = 0
    if failed and summaries:
        left = left_to_replay(client, summaries, executions.list_summaries(client, machine))
        settled, summaries = len(summaries) - len(left), left
    glances = executions.glance_at_all(client, summaries)
    if as_json:
        write_json([as_document(item) for item in glances])
    elif glances:
        console = terminal.console()
        width = console.width if console.is_terminal else None
        terminal.put(console, table(glances, datetime.now(UTC), width))
    else:
        nothing = "No failure is left to replay." if settled else "No execution has failed."
        terminal.console().print(nothing if failed else "No executions yet.")
    notes = terminal.console(stderr=True)
    if settled:
        notes.print(f"{settled} left out as settled: a later execution has the same input.")
    if more:
        were = "failures were looked at; --limit 0 looks at" if failed else "are shown; --limit 0 shows"
        notes.print(f"Only the newest {limit} {were} all.")


def as_document(item: Glance) -> dict[str, Any]:
    """An execution as `--json` tells it."""
    return {
        "execution": item.summary.name,
        "key": item.source.key if item.source else None,
        "size_bytes": item.source.size_bytes if item.source else None,
        "status": item.summary.status,
        "state": item.state,
        "grade": item.grade,
        "started": item.summary.started.astimezone(UTC).isoformat(timespec="milliseconds"),
    }


def write_json(document: Any) -> None:
    """Print a document, and nothing else, on standard output."""
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def table(glances: Sequence[Glance], now: datetime, width: int | None) -> Table:
    """The executions as a person reads them: on a terminal of a width with long texts shortened, else whole."""
    short = width is not None
    columns: dict[str, list[Text]] = {
        "KEY": [_key(item, short=short) for item in glances],
        "SIZE": [Text(terminal.size(item.source.size_bytes) if item.source else "") for item in glances],
        "STATUS": [Text(item.summary.status, STATUS_STYLES.get(item.summary.status, "")) for item in glances],
        "STATE": [terminal.line(item.state or "") for item in glances],
        "GRADE": [Text(item.grade or "") for item in glances],
        "AGE": [Text(terminal.age((now - item.summary.started).total_seconds())) for item in glances],
        "EXECUTION": [Text(shorten(item.summary.name) if short else item.summary.name, "dim") for item in glances],
    }
    for name in DISPENSABLE:
        if width is not None and _needed(columns) > width:
            del columns[name]
    rows = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    for name in columns:
        if name == "KEY":
            rows.add_column(name, overflow="fold", min_width=_key_width(columns["KEY"]))
        else:
            rows.add_column(name, justify="right" if name in ("SIZE", "AGE") else "left", no_wrap=True)
    for row in zip(*columns.values(), strict=True):
        rows.add_row(*row)
    return rows


def _key(item: Glance, *, short: bool) -> Text:
    key = terminal.visible(item.source.key) if item.source else "?"
    return Text(terminal.shorten(key, KEY_WIDTH) if short else key)


def _key_width(keys: Sequence[Text]) -> int:
    return min(KEY_MIN_WIDTH, max(key.cell_len for key in keys))


def _needed(columns: Mapping[str, Sequence[Text]]) -> int:
    """So wide must a terminal be for these columns, with the keys folded as far as may be."""
    widths = (
        _key_width(cells) if name == "KEY" else max(len(name), *(cell.cell_len for cell in cells))
        for name, cells in columns.items()
    )
    return sum(widths) + GAP * len(columns)


def shorten(name: str) -> str:
    """The beginning of a name, and which replay it is."""
    base, replay, number = name.partition("-replay-")
    return f"{base[:SHORT]}{replay}{number}"
