"""How far an audit is, and what it has found so far. Read-only.

What is listed and what is extra is in the audit's document; what was found about each pair is in the records that
CompareBatch writes while it works.
"""

from collections import Counter
from dataclasses import replace

from ferry.aws.clients import Deployment
from ferry.aws.denials import Denials
from ferry.stepfunctions import audits, runs
from ferry.stepfunctions.executions import ExecutionInfo
from ferry.stepfunctions.run_progress import Phase, RunProgress, RunWatch
from ferry.stepfunctions.runs import RunSummary
from ferry.stepfunctions.watching import Slices, Watch
from functions.batches.records import COMPARED
from functions.contract.audit import AuditDocument, AuditPlan

PHASES: dict[Phase, tuple[str | None, ...]] = {
    "planning": (None, "PlanAudit", "PlanComplete?", "WaitForPlan"),
    "searching": ("FindExtra", "ExtraFound?", "WaitForSearch", "AnyToCompare?"),
    "comparing": ("CompareSlices",),
}
"""By state; in the others, the report is written."""


class AuditWatch(Watch):
    """Looks at one audit again and again, and remembers what it has read."""

    KINDS = (COMPARED,)

    def _forget(self, plan_folder: str) -> None:
        """Begin with a plan."""
        super()._forget(plan_folder)
        self._counts: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()

    def look(self, info: ExecutionInfo | None = None) -> RunProgress:
        """Look once; `info` is what the caller knows already."""
        denials = Denials()
        info = info or runs.find_run(self._deployment, self._arn, or_audit=True)
        summary = runs.summarize_readable(self._deployment, info, denials)
        phase = _phase_of(summary)
        document = summary.audit
        if document is None or document.plan is None or document.plan.status == "planning":
            listed = document.plan.objects if document and document.plan else 0
            return RunProgress(summary, phase, compared=listed, denied=denials.reasons)
        if document.plan.folder != self._plan_folder:
            self._forget(document.plan.folder)
        denials.read("Outcomes of objects", self._count, None)
        slices = denials.read("Slices", self._slices.read, Slices())
        return replace(self._progress(summary, phase, document, document.plan), slices=slices, denied=denials.reasons)

    def _progress(self, summary: RunSummary, phase: Phase, document: AuditDocument, plan: AuditPlan) -> RunProgress:
        done = self._counts.total()
        rate, _ = self._rates.measure(done)
        report = document.report
        reported = report is not None and report.status == "complete"
        return RunProgress(
            run=summary,
            phase=phase,
            compared=plan.objects,
            objects=plan.objects,
            objects_done=plan.objects if reported else min(done, plan.objects),
            failures=dict(report.errors if report and reported else self._failures),
            objects_rate=rate,
            seconds_left=(plan.objects - done) / rate if rate and phase == "comparing" else None,
            found=report.counts if report and reported else self._found(document),
        )

    def _count(self) -> None:
        """Count what the records say that no earlier look has read."""
        for _, outcome in self._records.read():
            # Its bytes are read over several calls; the last one records what they are.
            if outcome.status == "reading":
                continue
            self._counts[outcome.status] += 1
            if outcome.status == "failed":
                self._failures[outcome.error or ""] += 1

    def _found(self, document: AuditDocument) -> dict[str, int]:
        extra = document.extra.extra if document.extra else 0
        return dict(self._counts) | ({"extra": extra} if extra else {})


def _phase_of(run: RunSummary) -> Phase:
    if run.info.status != "RUNNING":
        return "ended"
    return next((phase for phase, states in PHASES.items() if run.state in states), "reporting")


def watch_of(deployment: Deployment, arn: str) -> RunWatch | AuditWatch:
    """What looks at a run or an audit."""
    return AuditWatch(deployment, arn) if audits.is_audit(arn) else RunWatch(deployment, arn)
