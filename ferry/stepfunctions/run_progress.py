"""How far a run is: objects, bytes, rate, failures by error, time left. Read-only.

What is planned is in the run's document; how many slices are done, Step Functions counts; what became of each object is
in the records that the functions write while they work. A look takes few calls, and a record is read only once.
DescribeMapRun is limited to one call a second ("Step Functions service quotas", AWS Step Functions Developer Guide).
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from ferry.aws.denials import Denials
from ferry.stepfunctions import runs
from ferry.stepfunctions.executions import ExecutionInfo
from ferry.stepfunctions.runs import RunSummary
from ferry.stepfunctions.watching import Slices, Watch
from functions.batches.outcomes import RECORD_KINDS
from functions.batches.records import COPIED, DELETED, READ, VALIDATED, VERIFIED
from functions.contract.batches import Outcome
from functions.contract.bulk import IDLE, PLANNED

Phase = Literal["planning", "searching", "comparing", "copying", "starting", "reporting", "ended"]
"""`searching` and `comparing` are those of audits."""

PLANNING = (None, "PlanBatches", "PlanComplete?", "PlanShards", "WaitForPlan", "Redriven?")
STARTING = ("StartExecutions",)
REPORTING = ("WriteReport", "ReportWritten?", "WaitForReport", "RequireComplete", "Succeeded")
"""States by phase; in all others, slices are copied."""

PROVISIONAL = ("failed", "started")
"""Another outcome of the same object may follow: what failed is repeated, what was started ends."""

AFTER_VERIFICATION = (READ, VALIDATED, DELETED)
"""Records of steps whose objects are counted already, with their verification."""

STEPS = 2
"""Of an object: its copy and its verification."""


@dataclass(frozen=True)
class RunProgress:
    """How far a run is.

    `compared` objects of the source are planned. Of the `objects` that the plan leaves to do, `objects_copied` have
    arrived, verified or not yet, and `objects_done` have an outcome, `failures` among them by error. Those with
    `executions_running` have none yet. `size_bytes` are those of the objects that batches copy, of which `bytes_copied`
    have arrived. The rates are per second; None until there is one. `copied_at` counts the objects by the second, since
    1970, at which their copy ended. Of an audit, `found` counts the objects by status so far, and none are copied.
    `denied` says what is missing because the caller may not read it.
    """

    run: RunSummary
    phase: Phase
    compared: int = 0
    objects: int = 0
    size_bytes: int = 0
    objects_copied: int = 0
    objects_done: int = 0
    bytes_copied: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    executions_running: int = 0
    slices: Slices = field(default_factory=Slices)
    objects_rate: float | None = None
    bytes_rate: float | None = None
    seconds_left: float | None = None
    copied_at: dict[int, int] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)
    denied: tuple[str, ...] = ()


@dataclass
class _Counts:
    """What the records say. An object has two `steps`: its copy and its verification, or both at once."""

    steps: int = 0
    copied: int = 0
    done: int = 0
    size_bytes: int = 0

    def add(self, other: "_Counts", sign: int = 1) -> None:
        """Add what one outcome is worth, or take it back."""
        self.steps += sign * other.steps
        self.copied += sign * other.copied
        self.done += sign * other.done
        self.size_bytes += sign * other.size_bytes


class RunWatch(Watch):
    """Looks at one run again and again, and remembers what it has read."""

    KINDS = RECORD_KINDS

    def _forget(self, plan_folder: str) -> None:
        """Begin with a plan."""
        super()._forget(plan_folder)
        self._waits = False
        self._counts = _Counts()
        self._provisional: dict[str, tuple[_Counts, Outcome]] = {}
        self._copied_at: Counter[int] = Counter()

    def look(self, info: ExecutionInfo | None = None) -> RunProgress:
        """Look once; `info` is what the caller knows already."""
        denials = Denials()
        info = info or runs.find_run(self._deployment, self._arn)
        summary = runs.summarize_readable(self._deployment, info, denials)
        ended = summary.info.status != "RUNNING"
        phase: Phase = "ended" if ended else _phase_of(summary.state)
        plan = summary.plan
        if plan is None or plan.status != "planned" or phase == "planning":
            compared = plan.objects if plan and plan.status != "planned" else 0
            return RunProgress(summary, phase, compared=compared, denied=denials.reasons)
        if plan.folder != self._plan_folder:
            self._forget(plan.folder)
        self._waits = summary.scope is not None and summary.scope.wait_for_executions
        denials.read("Outcomes of objects", self._read_records, None)
        # Without slices, the last Map was that of the plan.
        has_slices = plan.batches or plan.executions
        slices = denials.read("Slices", self._slices.read, Slices()) if has_slices else Slices()
        steps_rate, bytes_rate = self._rates.measure(self._counts.steps, self._counts.size_bytes)
        objects_rate = steps_rate / STEPS if steps_rate else None
        work = [each for each in plan.tallies if each.action in PLANNED]
        objects = sum(each.objects for each in work)
        left = max(0.0, objects - self._counts.steps / STEPS)
        return RunProgress(
            run=summary,
            phase=phase,
            compared=plan.objects,
            objects=objects,
            size_bytes=sum(each.size_bytes for each in work if not each.by_execution and each.reason not in IDLE),
            objects_copied=self._counts.copied,
            # Two functions may have worked on one slice.
            objects_done=min(self._counts.done, objects),
            bytes_copied=self._counts.size_bytes,
            failures=self._failures(),
            executions_running=self._executions_running(),
            slices=slices,
            objects_rate=objects_rate,
            bytes_rate=bytes_rate,
            # How long executions take, the rate of the batches does not tell.
            seconds_left=left / objects_rate if objects_rate and phase == "copying" else None,
            copied_at=dict(self._copied_at),
            denied=denials.reasons,
        )

    def _read_records(self) -> None:
        """Count what the records say that no earlier look has read."""
        for kind, outcome in self._records.read():
            self._count(kind, outcome)

    def _count(self, kind: str, outcome: Outcome) -> None:
        """Count an outcome instead of an earlier one about the same object, if that could change."""
        earlier = self._provisional.pop(outcome.key, None)
        if earlier:
            self._counts.add(earlier[0], -1)
        # A run that waits for executions has no outcome until they end.
        worth = _Counts() if self._waits and outcome.status == "started" else _worth(kind, outcome)
        self._counts.add(worth)
        if worth.copied and outcome.copied_at:
            self._copied_at[int(outcome.copied_at.timestamp())] += 1
        if outcome.status in PROVISIONAL:
            self._provisional[outcome.key] = worth, outcome

    def _executions_running(self) -> int:
        started = (outcome for _, outcome in self._provisional.values() if outcome.status == "started")
        return sum(1 for _ in started) if self._waits else 0

    def _failures(self) -> dict[str, int]:
        failed = (outcome for _, outcome in self._provisional.values() if outcome.status == "failed")
        return dict(Counter(outcome.error or "" for outcome in failed))


def _worth(kind: str, outcome: Outcome) -> _Counts:
    """What one outcome adds to the counts."""
    if kind == COPIED and outcome.status in ("copied", "unchanged"):
        return _Counts(steps=1, copied=1, size_bytes=outcome.source.size_bytes if outcome.source else 0)
    if kind in AFTER_VERIFICATION:
        return _Counts()
    return _Counts(steps=1 if kind == VERIFIED else STEPS, done=1)


def _phase_of(state: str | None) -> Phase:
    if state in PLANNING:
        return "planning"
    if state in STARTING:
        return "starting"
    return "reporting" if state in REPORTING else "copying"
