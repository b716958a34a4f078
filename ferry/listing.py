"""`ferry list`: every execution, newest first. Reads only."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from ferry import executions, screen
from ferry.deployment import Deployment
from ferry.executions import FAILURES, Glance
from ferry.graph import STATUS_STYLES

SHORT = 12
"""So many characters of a name tell executions apart; a command takes the beginning of a name as well."""


KEY_WIDTH = 60


def show_list(deployment: Deployment, *, failed: bool, limit: int, as_json: bool) -> None:
    """Print the newest executions, or the newest of those that failed."""
    client, machine = deployment.step_functions, deployment.outputs.state_machine_arn
    # One more than is asked for, to know whether there are more.
    summaries = executions.list_summaries(client, machine, FAILURES if failed else (), limit + 1 if limit else None)
    more = bool(limit) and len(summaries) > limit
    glances = executions.glance_at_all(client, summaries[: limit or None])
    if as_json:
        write_json([as_document(item) for item in glances])
    elif glances:
        console = screen.console()
        screen.put(console, table(glances, datetime.now(UTC), short=console.is_terminal))
    else:
        screen.console().print("No execution has failed." if failed else "No executions yet.")
    if more:
        screen.console(stderr=True).print(f"Only the newest {limit} are shown; --limit 0 shows all.")


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


def table(glances: Sequence[Glance], now: datetime, *, short: bool) -> Table:
    """The executions as a person reads them, with long texts shortened or not."""
    rows = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    rows.add_column("KEY", overflow="fold", min_width=12)
    rows.add_column("SIZE", justify="right", no_wrap=True)
    rows.add_column("STATUS", no_wrap=True)
    rows.add_column("STATE", no_wrap=True)
    rows.add_column("GRADE", no_wrap=True)
    rows.add_column("AGE", justify="right", no_wrap=True)
    rows.add_column("EXECUTION", no_wrap=True)
    for item in glances:
        summary, source = item.summary, item.source
        key = screen.visible(source.key) if source else "?"
        rows.add_row(
            Text(screen.shorten(key, KEY_WIDTH) if short else key),
            Text(screen.size(source.size_bytes) if source else ""),
            Text(summary.status, STATUS_STYLES.get(summary.status, "")),
            screen.line(item.state or ""),
            Text(item.grade or "", "" if item.grade else "dim"),
            Text(screen.age((now - summary.started).total_seconds())),
            Text(shorten(summary.name) if short else summary.name, "dim"),
        )
    return rows


def shorten(name: str) -> str:
    """The beginning of a name, and which replay it is."""
    base, replay, number = name.partition("-replay-")
    return f"{base[:SHORT]}{replay}{number}"
