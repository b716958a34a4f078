"""How runs and their progress look to people, and as JSON. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from ferry.stepfunctions.run_progress import Phase, RunProgress
from ferry.stepfunctions.runs import RunSummary
from ferry.ui import terminal
from ferry.ui.execution_view import STATUS_STYLES
from ferry.ui.usage_view import usage_document
from functions.contract.bulk import PLANNED

GAP = 2
OUTCOME_ORDER = (
    *("verified", "deleted", "copied", "unchanged", "started", "differs", "missing", "extra"),
    *("skipped", "undecided", "failed"),
)
LEAST_RATE = 0.1
PHASE_TEXTS: dict[Phase, str] = {"searching": "listing the target", "reporting": "writing the report"}


def run_document(run: RunSummary, progress: RunProgress | None = None) -> dict[str, Any]:
    """A run as `--json` prints it. `counts` are the objects by outcome, once they are reported."""
    info, scope, report = run.info, run.scope, run.report
    return {
        "run": info.name,
        "kind": run.kind,
        "status": info.status,
        "attempt": info.attempt,
        "state": run.state,
        "scope": scope.model_dump(mode="json", exclude={"most_seconds"}) if scope else None,
        "started": _time(info.started),
        "stopped": _time(info.stopped) if info.stopped else None,
        "seconds": round(run.seconds, 1),
        "planned": planned_objects(run),
        "counts": report.counts if report else {},
        "errors": report.errors if report else {},
        "report": report.folder if report else None,
        "usage": usage_document(report.usage) if report else None,
        "error": run.error if info.status != "SUCCEEDED" else None,
        "cause": run.cause if info.status != "SUCCEEDED" else None,
        "progress": progress_document(progress) if progress else None,
    }


def progress_document(progress: RunProgress) -> dict[str, Any]:
    """How far a run is, as JSON."""
    return {
        "run": progress.run.info.name,
        "status": progress.run.info.status,
        "phase": progress.phase,
        "compared": progress.compared,
        "objects": progress.objects,
        "size_bytes": progress.size_bytes,
        "objects_copied": progress.objects_copied,
        "objects_done": progress.objects_done,
        "bytes_copied": progress.bytes_copied,
        "failures": progress.failures,
        "executions_running": progress.executions_running,
        "slices": asdict(progress.slices),
        "objects_per_second": _rounded(progress.objects_rate),
        "bytes_per_second": _rounded(progress.bytes_rate),
        "seconds_left": _rounded(progress.seconds_left),
        "found": progress.found,
    }


def planned_objects(run: RunSummary) -> int | None:
    """The objects that the plan leaves to do; None before it is complete, and for an audit, which leaves none."""
    plan = run.plan
    if plan is None or plan.status != "planned" or run.kind == "audit":
        return None
    return sum(tally.objects for tally in plan.tallies if tally.action in PLANNED)


def runs_table(found: Sequence[RunSummary], progress: Mapping[str, RunProgress]) -> Table:
    """The runs as a table; `progress` is that of those that are running, by name."""
    rows = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    for name in ("RUN", "SCOPE", "STATUS", "STARTED", "TOOK", "OBJECTS"):
        rows.add_column(name, no_wrap=name in ("RUN", "STATUS", "TOOK"), overflow="fold")
    for run in found:
        rows.add_row(
            terminal.line(run.info.name),
            terminal.line(scope_text(run)),
            Text(run.info.status, STATUS_STYLES.get(run.info.status, "")),
            Text(f"{run.info.started.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"),
            Text(terminal.duration(run.seconds)),
            terminal.line(progress_text(progress[run.info.name]) if run.info.name in progress else outcome_text(run)),
        )
    return rows


def scope_text(run: RunSummary) -> str:
    """Which objects a run covers, in a few words."""
    scope = run.scope
    if scope is None:
        return "?"
    parts = [f"s3://{scope.bucket}/{scope.prefix}"]
    if scope.suffix:
        parts.append(f"*{scope.suffix}")
    if scope.since:
        parts.append(f"since {scope.since:%Y-%m-%d %H:%M}Z")
    return " ".join(parts)


def outcome_text(run: RunSummary) -> str:
    """What became of the objects of a run, or how far it is."""
    report = run.report
    if report and report.status != "in_progress":
        return counts_text(report.counts) or "nothing to copy"
    planned = planned_objects(run)
    plan = "" if planned is None else f"{planned:,} planned; "
    if run.info.failed:
        return f"{plan}ended at {run.state}" + (f": {run.error}" if run.error else "")
    return f"{plan}at {run.state}" if run.state else ""


def unreported_text(run: RunSummary, outcomes: int) -> str | None:
    """What is not in the lines of a run, if anything is not: it continues, or ended before it could report."""
    planned = planned_objects(run)
    if planned is None:
        return "Nothing was planned." if run.info.failed else "The plan is not complete yet."
    if run.report and run.report.status != "in_progress":
        return None if outcomes else "There was nothing to copy."
    left = max(0, planned - outcomes)
    if run.info.failed:
        return f"{left:,} of {planned:,} planned objects have no outcome. Resume with `ferry replay {run.info.name}`."
    return f"{left:,} of {planned:,} planned objects have no outcome yet."


def counts_text(counts: Mapping[str, int]) -> str:
    """Objects by outcome: `3 verified, 1 failed`."""
    return ", ".join(f"{counts[outcome]:,} {outcome}" for outcome in sorted_outcomes(counts))


def sorted_outcomes(counts: Mapping[str, int]) -> list[str]:
    """The outcomes in the order in which they are shown."""
    known = [outcome for outcome in OUTCOME_ORDER if counts.get(outcome)]
    return known + sorted(outcome for outcome in counts if outcome not in OUTCOME_ORDER and counts[outcome])


def progress_text(progress: RunProgress) -> str:
    """How far a run or an audit is, in one line."""
    if progress.denied and not (progress.objects_copied or progress.objects_done):
        return f"progress unknown: {progress.denied[0]}"
    if progress.phase == "planning":
        return _planning_text(progress)
    parts = [f"{progress.objects_done:,} of {progress.objects:,} objects"]
    if progress.objects_copied > progress.objects_done:
        parts[0] += f" ({progress.objects_copied:,} copied)"
    if progress.size_bytes:
        parts.append(f"{terminal.size(progress.bytes_copied)} of {terminal.size(progress.size_bytes)}")
    if progress.objects_rate and progress.objects_rate >= LEAST_RATE:
        parts.append(f"{progress.objects_rate:,.0f}/s" if progress.objects_rate >= 1 else "less than 1/s")
    if progress.found or progress.failures:
        parts.append(counts_text(progress.found) or _failures_text(progress.failures))
    if progress.executions_running:
        plural = "s" if progress.executions_running > 1 else ""
        parts.append(f"{progress.executions_running:,} execution{plural} running")
    if progress.slices.failed:
        parts.append(f"{progress.slices.failed:,} slices failed")
    left = f"about {terminal.duration(progress.seconds_left)} left" if progress.seconds_left else ""
    if last := PHASE_TEXTS.get(progress.phase, left):
        parts.append(last)
    return " · ".join(parts)


def _planning_text(progress: RunProgress) -> str:
    compared = "listed" if progress.run.kind == "audit" else "compared"
    return f"planning: {progress.compared:,} objects {compared}" if progress.compared else "planning"


def _failures_text(failures: Mapping[str, int]) -> str:
    reasons = ", ".join(f"{number:,} {error}" for error, number in sorted(failures.items()))
    return f"{sum(failures.values()):,} failed: {reasons}"


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 1)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
