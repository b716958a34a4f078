"""The JSON of runs that the page receives. Pure."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from math import ceil
from typing import Any

from ferry.console.details import state_run_json, visit_json
from ferry.console.rows import timestamp
from ferry.console.run_details import RunDetail
from ferry.stepfunctions.map_runs import Child, MapRunDetail, combine_states
from ferry.stepfunctions.run_progress import RunProgress
from ferry.stepfunctions.runs import RunSummary
from ferry.ui import audit_view, plan_view, run_view
from ferry.ui.links import execution_link
from functions.contract.audit import AuditDocument, AuditReport, Finding
from functions.contract.batches import ReportLine
from functions.contract.bulk import ObjectFailure, Plan

POINTS = 120
"""Of the plot: more than a screen can show."""

AUDIT_REASONS = {
    "differs": "Differs",
    "missing": "Missing in the target",
    "extra": "In the target, but in no source",
    "undecided": "Undecided: not verified",
}


def run_row(run: RunSummary) -> dict[str, Any]:
    """A run in the list."""
    info, counts = run.info, run.report.counts if run.report else {}
    return run_view.run_document(run) | {
        "started": timestamp(info.started),
        "attempt_started": timestamp(info.attempt_started),
        "stopped": timestamp(info.stopped),
        "failed": info.failed,
        "scope_text": run_view.scope_text(run),
        "outcome": run_view.outcome_text(run),
        "counts": {outcome: counts[outcome] for outcome in run_view.sorted_outcomes(counts)},
    }


def run_page(detail: RunDetail, results_bucket: str, *, on_aws: bool) -> dict[str, Any]:
    """A run as its page shows it, with a revision of all that."""
    progress, info = detail.progress, detail.info
    now = info.stopped or datetime.now(UTC)
    run, report = progress.run, progress.run.report
    children = [child for map_run in detail.map_runs for child in map_run.children]
    taken = detail.course.transitions.copy()
    for child in children:
        taken.update(child.course.transitions)
    states = {state.name: state for state in detail.states} | combine_states(children)
    found = run_row(run) | {
        "arn": info.arn,
        "denied": detail.denied,
        "counts": detail.counts,
        "redrive_reason": info.redrive_reason if info.failed else None,
        "progress": run_view.progress_document(progress),
        "tallies": _tallies(run),
        "report": f"s3://{results_bucket}/{report.folder}" if report and report.folder else None,
        "reasons": _audit_reasons(progress, run.audit) if run.audit else _failures(progress),
        "plot": plot_points(progress.copied_at, info.attempt_started.timestamp()),
        "definition": detail.definition.id,
        "states": {name: state_run_json(state) for name, state in states.items()},
        "taken": [[source, target, times] for (source, target), times in taken.items()],
        "attempts": [
            {"number": attempt.number, "started": timestamp(attempt.started)} for attempt in detail.course.attempts
        ],
        "visits": [visit_json(visit, now) for visit in detail.course.visits],
        "visits_omitted": 0,
        "map_runs": [_map_run(map_run, on_aws=on_aws) for map_run in detail.map_runs],
        "link": execution_link(info.arn) if on_aws else None,
    }
    return found | {"revision": hashlib.sha256(json.dumps(found).encode()).hexdigest()[:16]}


def report_row(line: ReportLine) -> dict[str, Any]:
    """A line of a report, with its reason in words."""
    return line.model_dump(mode="json", exclude={"run"}) | {"why": audit_view.reason_text(line.reason)}


def _tallies(run: RunSummary) -> list[dict[str, Any]]:
    """What the plan of a run does, or what an audit has found."""
    if run.audit is None:
        return plan_tallies(run.plan) if run.plan else []
    report = run.audit.report
    found = audit_view.tallies(report) if report and report.status == "complete" else []
    return [
        {"action": tally.status, "objects": tally.objects, "size_bytes": tally.size_bytes, "why": tally.why}
        for tally in found
    ]


def _failures(progress: RunProgress) -> list[dict[str, Any]]:
    """The failures of a run by error, each with an example and with the filters that select its objects."""
    report = progress.run.report
    errors = progress.failures | (report.errors if report and progress.phase == "ended" else {})
    examples = {failure.error: failure for failure in report.failures} if report else {}
    return [
        _reason(error, number, examples.get(error), status="failed", error=error) for error, number in errors.items()
    ]


def _audit_reasons(progress: RunProgress, audit: AuditDocument) -> list[dict[str, Any]]:
    """What an audit has found that should not be, in the same form."""
    report = audit.report or AuditReport(status="in_progress")
    examples: dict[str, Finding] = {}
    for finding in report.findings:
        examples.setdefault(finding.status, finding)
        for name in finding.differences:
            examples.setdefault(name.partition(".")[0], finding)
    differences = report.differences if progress.phase == "ended" else {}
    found = [
        _reason(f"{name[:1].upper()}{name[1:]} differs", number, examples.get(name), status="differs", difference=name)
        for name, number in sorted(differences.items(), key=lambda item: -item[1])
    ]
    for status, title in AUDIT_REASONS.items():
        if progress.found.get(status) and not (status == "differs" and found):
            found.append(_reason(title, progress.found[status], examples.get(status), status=status))
    return found + [
        _reason(error, number, examples.get("failed"), status="failed", error=error)
        for error, number in progress.failures.items()
    ]


def _reason(title: str, count: int, example: ObjectFailure | Finding | None, **filters: str) -> dict[str, Any]:
    shown = {"key": example.key, "cause": example.cause} if example else None
    return {"title": title, "count": count, "filters": filters, "example": shown}


def plan_tallies(plan: Plan) -> list[dict[str, Any]]:
    """What a plan does with the objects, and why."""
    return [
        {
            "action": tally.action,
            "reason": tally.reason,
            "why": plan_view.reason_text(tally),
            "objects": tally.objects,
            "size_bytes": tally.size_bytes,
        }
        for tally in plan_view.sorted_tallies(plan.tallies)
    ]


def plot_points(copied_at: Mapping[int, int], began: float) -> list[list[float]]:
    """Objects copied by a time, as a curve of at most POINTS points that begins with the run."""
    counts: Counter[int] = Counter()
    for moment, number in copied_at.items():
        # A second's objects have arrived at its end; clocks differ.
        counts[max(moment + 1, ceil(began))] += number
    step = max(1.0, (max(counts, default=0) - began) / POINTS)
    points, total = [[round(began, 3), 0.0]], 0
    for moment in sorted(counts):
        total += counts[moment]
        point = [float(moment), float(total)]
        if len(points) > 1 and moment - points[-2][0] < step:
            points[-1] = point
        else:
            points.append(point)
    return points


def _map_run(map_run: MapRunDetail, *, on_aws: bool) -> dict[str, Any]:
    return {
        "state": map_run.state,
        "status": map_run.status,
        "slices": asdict(map_run.slices),
        "children": [_child(child, on_aws=on_aws) for child in map_run.children],
    }


def _child(child: Child, *, on_aws: bool) -> dict[str, Any]:
    last = child.course.visits[-1] if child.course.visits else None
    return {
        "name": child.name,
        "status": child.status,
        "started": timestamp(child.started),
        "stopped": timestamp(child.stopped),
        "slice": (child.slice_key or "").rpartition("/")[2].partition(".")[0] or None,
        "state": child.state,
        "error": last.error if last else None,
        "cause": last.cause if last else None,
        "retries": sum(visit.retries for visit in child.course.visits),
        "link": execution_link(child.arn) if on_aws else None,
    }
