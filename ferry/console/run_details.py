"""The runs and audits of the page: the list, and one of them as its page shows it, by the functions of `ferry runs`.

A run is looked at only while its page is open, and by one request at a time, which serves the other tabs, too. What has
ended is read once, until it is redriven. Raises CommandError for a run that does not exist, and ClientError.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ferry.aws.clients import Deployment
from ferry.aws.denials import Denials
from ferry.console.details import FRESH_SHARE
from ferry.console.pictures import UNREADABLE, Definition, Definitions
from ferry.stepfunctions import run_reports, runs
from ferry.stepfunctions.audit_progress import watch_of
from ferry.stepfunctions.events import read_events
from ferry.stepfunctions.executions import ExecutionInfo
from ferry.stepfunctions.map_runs import MapRunDetail, MapRuns
from ferry.stepfunctions.run_progress import RunProgress
from ferry.stepfunctions.runs import RunSummary
from ferry.stepfunctions.visits import Course, StateRun, Visit, read_course, read_states
from ferry.ui import run_view

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

KEPT = 4
"""Each remembers what it has read of the records of a run."""

LISTED = 50
"""Runs, and as many audits."""

MOST_COUNTED = 200_000
"""Objects: reading more lines of a report would keep the page waiting."""


@dataclass(frozen=True)
class RunDetail:
    """What was read of one run."""

    progress: RunProgress
    definition: Definition
    course: Course
    states: tuple[StateRun, ...]
    map_runs: tuple[MapRunDetail, ...]
    counts: dict[str, int]
    """The objects by outcome, once the run has ended; of all its attempts, unless these are too many to be read."""

    denied: tuple[str, ...] = ()
    """What is missing because the caller may not read it."""

    @property
    def info(self) -> ExecutionInfo:
        """The execution."""
        return self.progress.run.info

    @property
    def visits(self) -> list[Visit]:
        """The visits of the run, and of the children that were read."""
        children = [child for map_run in self.map_runs for child in map_run.children]
        return [*self.course.visits, *(visit for child in children for visit in child.course.visits)]


class _OpenRun:
    """One run whose page is open, or was."""

    def __init__(self, deployment: Deployment, definitions: Definitions, arn: str) -> None:
        self._deployment, self._definitions, self._arn = deployment, definitions, arn
        self._watch = watch_of(deployment, arn)
        self._map_runs: MapRuns | None = None
        self.lock = threading.Lock()
        self.read_at = 0.0
        self.detail: RunDetail | None = None

    def read(self, info: ExecutionInfo, denials: Denials) -> RunDetail:
        """Look at the run."""
        client: SFNClient = self._deployment.step_functions
        progress = self._watch.look(info)
        read = self._definitions.of_execution
        definition = denials.read("Graphs", lambda: read(client, self._arn), UNREADABLE)
        events = denials.read_all("Steps", lambda: read_events(client, self._arn))
        if self._map_runs is None or definition is UNREADABLE:
            self._map_runs = MapRuns(client, definition.transitions)
        map_runs = tuple(self._map_runs.read(events, denials))
        counts = denials.read("Numbers of objects", lambda: self._counts(progress.run), dict[str, int]())
        return RunDetail(
            progress=progress,
            definition=definition,
            course=read_course(events, info.status, definition.transitions),
            states=read_states(events, info.status, info.stopped or datetime.now(UTC)),
            map_runs=map_runs,
            counts=counts,
            denied=tuple(dict.fromkeys(progress.denied + denials.reasons)),
        )

    def _counts(self, run: RunSummary) -> dict[str, int]:
        if run.info.status == "RUNNING" or run.plan is None:
            return {}
        if run.audit is None and run.plan.objects <= MOST_COUNTED:
            counts: Mapping[str, int] = run_reports.count_lines(self._deployment, run)
        else:
            counts = run.report.counts if run.report else {}
        return {outcome: counts[outcome] for outcome in run_view.sorted_outcomes(counts)}


class RunPages:
    """The runs whose pages are open, and the list of runs."""

    def __init__(
        self,
        deployment: Deployment,
        definitions: Definitions,
        pause_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deployment, self._definitions = deployment, definitions
        self._fresh_seconds = pause_seconds * FRESH_SHARE
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, _OpenRun] = {}
        self._summaries: dict[ExecutionInfo, RunSummary] = {}

    def _infos(self, denials: Denials) -> list[ExecutionInfo]:
        infos = denials.read_all("Backfills and sweeps", lambda: runs.list_runs(self._deployment, limit=LISTED))
        infos += denials.read_all("Audits", lambda: runs.list_audits(self._deployment, LISTED))
        return sorted(infos, key=lambda info: (info.started, info.name), reverse=True)

    def list(self, denials: Denials) -> list[RunSummary]:
        """The newest runs and audits; those that have ended are summarized once."""
        infos = self._infos(denials)
        wanted = [info for info in infos if info not in self._summaries]

        summaries = denials.read_all("Objects of runs", lambda: runs.summarize_runs(self._deployment, wanted))
        found = {summary.info: summary for summary in summaries}
        kept = {info: self._summaries[info] for info in infos if info in self._summaries}
        self._summaries = kept | {info: summary for info, summary in found.items() if info.status != "RUNNING"}
        return [found.get(info) or kept.get(info) or RunSummary(info, None, None) for info in infos]

    def read(self, name: str) -> RunDetail:
        """A run or an audit by its name."""
        denials = Denials()
        info = self._find(name, denials)
        opened = self._opened(info.arn)
        with opened.lock:
            detail = opened.detail
            fresh = self._clock() - opened.read_at < self._fresh_seconds
            ended = detail and not detail.denied and detail.info.status != "RUNNING" and _same(detail.info, info)
            if detail is None or not (fresh or ended):
                detail = opened.detail = opened.read(info, denials)
                opened.read_at = self._clock()
        return detail

    def _find(self, name: str, denials: Denials) -> ExecutionInfo:
        """The run; if it may not be described, as it is listed."""
        try:
            return runs.find_run(self._deployment, name, or_audit=True)
        except ClientError as error:
            listed = next((info for info in self._infos(Denials()) if info.name == name), None)
            if listed is None:
                raise
            denials.catch("Redrive statuses", error)
            return listed

    def _opened(self, arn: str) -> _OpenRun:
        with self._lock:
            found = self._open.pop(arn, None) or _OpenRun(self._deployment, self._definitions, arn)
            self._open[arn] = found
            while len(self._open) > KEPT:
                del self._open[next(iter(self._open))]
            return found

    def forget(self) -> None:
        """Read everything again, because something was replayed or stopped."""
        with self._lock:
            self._open.clear()


def _same(one: ExecutionInfo, other: ExecutionInfo) -> bool:
    return (one.status, one.redriven) == (other.status, other.redriven)
