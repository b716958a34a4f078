"""`ferry list`: all executions, or all failures that are not settled, newest first. Read-only.

A later execution with the same input settles a failure: `ferry replay --failed` skips it as well. Runs of many files
are named above; `ferry runs` lists them.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from ferry.aws.clients import Deployment
from ferry.commands.run_lines import failed_runs, newest_runs
from ferry.stepfunctions import executions
from ferry.stepfunctions.events import FAILED_STATUSES
from ferry.stepfunctions.executions import ExecutionSummary
from ferry.stepfunctions.failures import unsettled
from ferry.ui import terminal
from ferry.ui.execution_view import STATUS_STYLES

SHORT = 12
"""Characters of a name that tell executions apart; commands accept the beginning of a name, too."""

KEY_WIDTH = 60
KEY_MIN_WIDTH = 20
GAP = 2
OPTIONAL_COLUMNS = ("GRADE", "STATE", "SIZE", "AGE", "EXECUTION")
"""Columns that a narrow terminal drops, in this order: the key is more useful than each of them."""


def show_list(deployment: Deployment, *, failed: bool, limit: int, as_json: bool) -> None:
    """Print the newest executions, or the newest failures."""
    client, machine = deployment.step_functions, deployment.outputs.state_machine_arn
    # One more than requested shows whether there are more.
    statuses = FAILED_STATUSES if failed else ()
    infos = executions.list_executions(client, machine, statuses, limit + 1 if limit else None)
    more = bool(limit) and len(infos) > limit
    infos = infos[: limit or None]
    settled = 0
    if failed and infos:
        left = unsettled(client, infos, executions.list_executions(client, machine))
        settled, infos = len(infos) - len(left), left
    summaries = executions.summarize_all(client, infos)
    if not as_json:
        for line in failed_runs(deployment) if failed else newest_runs(deployment):
            terminal.console().print(line, soft_wrap=True)
    if as_json:
        write_json([as_document(item) for item in summaries])
    elif summaries:
        console = terminal.console()
        width = console.width if console.is_terminal else None
        terminal.put(console, table(summaries, datetime.now(UTC), width))
    else:
        nothing = "No failed executions left to replay." if settled else "No failed executions."
        terminal.console().print(nothing if failed else "No executions yet.")
    notes = terminal.console(stderr=True)
    if settled:
        notes.print(f"{settled} skipped: a later execution is already retrying or has completed the same upload.")
    if more:
        what, done = ("failure", "checked") if failed else ("execution", "shown")
        newest = f"{what} was" if limit == 1 else f"{limit} {what}s were"
        notes.print(f"Only the newest {newest} {done}. Use --limit 0 for all.")


def as_document(item: ExecutionSummary) -> dict[str, Any]:
    """An execution as `--json` prints it."""
    return {
        "execution": item.info.name,
        "key": item.source.key if item.source else None,
        "size_bytes": item.source.size_bytes if item.source else None,
        "status": item.info.status,
        "state": item.state,
        "grade": item.grade,
        "started": item.info.started.astimezone(UTC).isoformat(timespec="milliseconds"),
    }


def write_json(document: Any) -> None:
    """Print a JSON document on standard output."""
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def table(summaries: Sequence[ExecutionSummary], now: datetime, width: int | None) -> Table:
    """The executions as a table; on a terminal of the given width with long texts shortened, else complete."""
    short = width is not None
    columns: dict[str, list[Text]] = {
        "KEY": [_key(item, short=short) for item in summaries],
        "SIZE": [Text(terminal.size(item.source.size_bytes) if item.source else "") for item in summaries],
        "STATUS": [Text(item.info.status, STATUS_STYLES.get(item.info.status, "")) for item in summaries],
        "STATE": [terminal.line(item.state or "") for item in summaries],
        "GRADE": [Text(item.grade or "") for item in summaries],
        "AGE": [Text(terminal.age((now - item.info.started).total_seconds())) for item in summaries],
        "EXECUTION": [Text(shorten(item.info.name) if short else item.info.name, "dim") for item in summaries],
    }
    for name in OPTIONAL_COLUMNS:
        if width is not None and _required_width(columns) > width:
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


def _key(item: ExecutionSummary, *, short: bool) -> Text:
    key = terminal.visible(item.source.key) if item.source else "?"
    return Text(terminal.shorten(key, KEY_WIDTH) if short else key)


def _key_width(keys: Sequence[Text]) -> int:
    return min(KEY_MIN_WIDTH, max(key.cell_len for key in keys))


def _required_width(columns: Mapping[str, Sequence[Text]]) -> int:
    """The width that these columns need, with the keys folded as far as possible."""
    widths = (
        _key_width(cells) if name == "KEY" else max(len(name), *(cell.cell_len for cell in cells))
        for name, cells in columns.items()
    )
    return sum(widths) + GAP * len(columns)


def shorten(name: str) -> str:
    """The beginning of a name, and the number of the replay."""
    base, replay, number = name.partition("-replay-")
    return f"{base[:SHORT]}{replay}{number}"
