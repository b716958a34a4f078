"""Waits for the end of a run: one live line on a terminal, else a line now and then. Read-only.

An interrupt ends the waiting, not the run.
"""

import time
from collections.abc import Callable

from botocore.exceptions import ClientError
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table

from ferry.aws.clients import Deployment
from ferry.errors import CommandError
from ferry.stepfunctions import runs
from ferry.stepfunctions.run_progress import RunWatch
from ferry.stepfunctions.runs import EndedRun
from ferry.ui import terminal
from ferry.ui.run_view import progress_text

LINE_SECONDS = 60.0
"""Between two lines, where the output is not a terminal."""

LOOK_SHARE = 5
"""A look takes at most a fifth of the time: at many records, they become rarer."""


def wait(deployment: Deployment, arn: str) -> EndedRun:
    """Wait for the end of a run, and show how far it is."""
    notes = terminal.console(stderr=True)
    try:
        if notes.is_terminal:
            return _wait_live(deployment, arn, notes)
        looks = _Looks(deployment, arn, LINE_SECONDS, lambda text: notes.print(terminal.line(text), soft_wrap=True))
        return runs.follow(deployment, arn, looks.look_again)
    except KeyboardInterrupt:
        notes.print(terminal.line(how_to_look_again(arn.rpartition(":")[2])), soft_wrap=True)
        raise


def how_to_look_again(name: str) -> str:
    """What to do about a run that nobody waits for."""
    return (
        f"{name} continues. Follow it with `ferry runs`, list its objects with `ferry report {name}`, "
        f"or stop it with `ferry stop {name}`."
    )


def _wait_live(deployment: Deployment, arn: str, notes: Console) -> EndedRun:
    picture = _LiveLine()
    with Live(get_renderable=picture.draw, console=notes, transient=True, refresh_per_second=8):
        looks = _Looks(deployment, arn, 0.0, picture.show)
        return runs.follow(deployment, arn, looks.look_again)


class _LiveLine:
    """One line, drawn again at each refresh so that the time advances and the spinner turns."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._spinner = Spinner("dots", style="dim")
        self._text = "starting"

    def show(self, text: str) -> None:
        """Replace how far the run is."""
        self._text = text

    def draw(self) -> Table:
        """The line; a terminal cannot repaint one that it wrapped."""
        line = terminal.line(f"{terminal.duration(time.monotonic() - self._began)} · {self._text}")
        line.no_wrap, line.overflow = True, "ellipsis"
        grid = Table.grid(padding=(0, 1))
        grid.add_row(self._spinner, line)
        return grid


class _Looks:
    """Looks at a run now and then, and shows it."""

    def __init__(self, deployment: Deployment, arn: str, pause_seconds: float, show: Callable[[str], None]) -> None:
        self._watch = RunWatch(deployment, arn)
        self._least_pause, self._show = pause_seconds, show
        self._next = time.monotonic() + pause_seconds

    def look_again(self, _seconds: float) -> None:
        """Look if it is time."""
        began = time.monotonic()
        if began < self._next:
            return
        self._show(self._text())
        now = time.monotonic()
        self._next = now + max(self._least_pause, (now - began) * (LOOK_SHARE - 1))

    def _text(self) -> str:
        try:
            return progress_text(self._watch.look())
        except ClientError as error:
            # Waiting needs less permissions than looking: the end of the run is worth more than its progress.
            return f"progress unknown: {error.operation_name} failed: {error.response['Error'].get('Code', 'error')}"
        except CommandError as error:
            return f"progress unknown: {error}"
