"""One poller for all tabs: it lists the executions, reads what is new, and keeps a snapshot that every request shares.

A snapshot is immutable and has a revision, which changes only if a row does: the page asks what is new since one.
ListExecutions does not return keys, so each execution's history is read once it appears, the newest first, and again
while it runs; what has ended is kept. The rates are those of ferry/stepfunctions/executions.py. Nobody watches: nothing
is polled. A call that fails keeps the rows, and the pause grows.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from ferry.aws.clients import Deployment
from ferry.aws.denials import Denials
from ferry.console import rows as listing
from ferry.console.rows import Row
from ferry.errors import CommandError
from ferry.stepfunctions import executions
from ferry.stepfunctions.executions import ExecutionInfo, ExecutionSummary
from infra.aws_errors import explain

LONGEST_PAUSE_SECONDS = 15.0
UNWATCHED_SECONDS = 20.0
MOST_EXECUTIONS = 10_000
NEWEST = 1000
"""Listed at each poll, by one call; older ones are listed once."""

DESCRIBED = 20
"""How many older executions that run or failed are described at each poll: they may have ended, or been redriven."""


@dataclass(frozen=True)
class Pace:
    """How often is polled, and how many histories are read each time."""

    seconds: float
    reads: int


LOCAL = Pace(seconds=0.7, reads=400)
AWS = Pace(seconds=5.0, reads=60)


@dataclass(frozen=True)
class Snapshot:
    """All rows, newest first, as of one moment."""

    revision: int = 0
    rows: tuple[Row, ...] = ()
    error: str | None = None
    complete: bool = False
    """Whether the executions were listed at all."""

    @property
    def unread(self) -> int:
        """How many executions' keys are not known yet."""
        return sum(not row.read for row in self.rows)


class Poller:
    """Keeps the snapshot up to date while it is watched."""

    def __init__(self, deployment: Deployment, clock: Callable[[], float] = time.monotonic) -> None:
        self._deployment = deployment
        self._clock = clock
        self.pace = AWS if deployment.on_aws else LOCAL
        self._pause = self.pace.seconds
        self._known: dict[str, Row] = {}
        self._changed: dict[str, ExecutionInfo] = {}
        self._described = 0
        self._snapshot = Snapshot()
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._asked = clock()
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)

    def start(self) -> None:
        """Begin to poll."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, after the call that it is in."""
        self._stopped.set()
        self._wake.set()

    @property
    def watched(self) -> bool:
        """Whether somebody asked for the snapshot a short time ago."""
        return self._clock() - self._asked <= UNWATCHED_SECONDS

    def snapshot(self) -> Snapshot:
        """The newest snapshot; asking for it counts as watching."""
        was_watched = self.watched
        self._asked = self._clock()
        if not was_watched:
            self._wake.set()
        return self._snapshot

    def wake(self) -> None:
        """Poll at once, because something was started."""
        self._wake.set()

    def find(self, name: str) -> Row | None:
        """The row of an execution by its name."""
        return next((row for row in self._snapshot.rows if row.summary.info.name == name), None)

    def _run(self) -> None:
        while not self._stopped.is_set():
            if self.watched:
                self.refresh()
            self._wake.wait(self._pause)
            self._wake.clear()

    def refresh(self) -> None:
        """Poll once."""
        denials = Denials()
        try:
            self._list(denials)
            self._publish(None)
            denials.read("Keys, states and reasons", self._read, None)
        except (BotoCoreError, ClientError, Boto3Error) as error:
            self._fail(explain(error, self._deployment.outputs.endpoint_url or "AWS"))
        except CommandError as error:
            self._fail(str(error))
        else:
            self._pause = self.pace.seconds
            self._publish(" ".join(denials.reasons) or None)

    def _fail(self, reason: str) -> None:
        self._pause = min(LONGEST_PAUSE_SECONDS, self._pause * 2)
        self._publish(reason)

    def _list(self, denials: Denials) -> None:
        client, machine = self._deployment.step_functions, self._deployment.outputs.state_machine_arn
        first = not self._snapshot.complete
        infos = executions.list_executions(client, machine, limit=MOST_EXECUTIONS if first else NEWEST)
        listed = {info.arn for info in infos}
        elsewhere = self._rotate(
            [arn for arn, row in self._known.items() if arn not in listed and row.group in ("running", "failed")]
        )
        if not first and self._deployment.on_aws is False and len(infos) < NEWEST:
            # The whole list: what is missing is gone, with a local cloud that was started again.
            self._known = {arn: row for arn, row in self._known.items() if arn in listed}
            self._changed = {arn: info for arn, info in self._changed.items() if arn in listed}
        else:
            describe = executions.describe
            infos += denials.read_all(
                "Changes of older executions", lambda: [describe(client, machine, arn)[0] for arn in elsewhere]
            )
        for info in infos:
            self._merge(info)

    def _rotate(self, arns: list[str]) -> list[str]:
        """Some of the executions, others at each poll."""
        first = self._described % len(arns) if arns else 0
        self._described = first + DESCRIBED
        return (arns[first:] + arns[:first])[:DESCRIBED]

    def _merge(self, info: ExecutionInfo) -> None:
        row = self._known.get(info.arn)
        if row is None:
            self._known[info.arn] = Row(ExecutionSummary(info, None, None), input=f"unread {info.arn}")
        elif row.read and row.summary.info != info:
            # Its row changes as a whole, once its history is read: a status without its state would mislead.
            self._changed[info.arn] = info
        elif not row.read:
            self._known[info.arn] = replace(row, summary=replace(row.summary, info=info))

    def _read(self) -> None:
        infos = dict(self._changed)
        for row in self._newest_first():
            if not row.read or row.group == "running":
                infos.setdefault(row.summary.info.arn, row.summary.info)
        chosen = list(infos.values())[: self.pace.reads]
        for summary in executions.summarize_all(self._deployment.step_functions, chosen):
            self._known[summary.info.arn] = Row(summary, read=True, input=listing.identify(summary))
            self._changed.pop(summary.info.arn, None)

    def _newest_first(self) -> Sequence[Row]:
        return sorted(self._known.values(), key=_newest, reverse=True)

    def _publish(self, error: str | None) -> None:
        rows = tuple(listing.settle(self._newest_first()))
        previous = self._snapshot
        complete = previous.complete or error is None
        if (rows, error, complete) != (previous.rows, previous.error, previous.complete):
            self._snapshot = Snapshot(previous.revision + 1, rows, error, complete)


def _newest(row: Row) -> tuple[datetime, str]:
    return row.summary.info.started, row.summary.info.name
