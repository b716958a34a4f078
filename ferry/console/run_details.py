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

from ferry.aws.clients import Deployment
from ferry.console.details import FRESH_SHARE
from ferry.console.pictures import Definition, Definitions
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
        self._deployment, self._arn = deployment, arn
        self._watch = watch_of(deployment, arn)
        self._definition = definitions.of_execution(deployment.step_functions, arn)
        self._map_runs = MapRuns(deployment.step_functions, self._definition.transitions)
        self.lock = threading.Lock()
        self.read_at = 0.0
        self.detail: RunDetail | None = None

    def read(self) -> RunDetail:
        """Look at the run."""
        client: SFNClient = self._deployment.step_functions
        progress = self._watch.look()
        events = list(read_events(client, self._arn))
        status = progress.run.info.status
        return RunDetail(
            progress=progress,
            definition=self._definition,
            course=read_course(events, status, self._definition.transitions),
            states=read_states(events, status, progress.run.info.stopped or datetime.now(UTC)),
            map_runs=tuple(self._map_runs.read(events)),
            counts=self._counts(progress.run),
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

    def list(self) -> list[RunSummary]:
        """The newest runs and audits; those that have ended are summarized once."""
        infos = runs.list_runs(self._deployment, limit=LISTED) + runs.list_audits(self._deployment, LISTED)
        infos.sort(key=lambda info: (info.started, info.name), reverse=True)
        wanted = [info for info in infos if info not in self._summaries]
        found = dict(zip(wanted, runs.summarize_runs(self._deployment, wanted), strict=True))
        kept = {info: self._summaries[info] for info in infos if info in self._summaries}
        self._summaries = kept | {info: summary for info, summary in found.items() if info.status != "RUNNING"}
        return [found.get(info) or kept[info] for info in infos]

    def read(self, name: str) -> RunDetail:
        """A run or an audit by its name."""
        info = runs.find_run(self._deployment, name, or_audit=True)
        opened = self._opened(info.arn)
        with opened.lock:
            detail = opened.detail
            fresh = self._clock() - opened.read_at < self._fresh_seconds
            ended = detail and detail.info.status != "RUNNING" and _same(detail.info, info)
            if detail is None or not (fresh or ended):
                detail = opened.detail = opened.read()
                opened.read_at = self._clock()
        return detail

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
