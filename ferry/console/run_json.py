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
from ferry.stepfunctions.runs import RunSummary
from ferry.ui import plan_view, run_view
from ferry.ui.links import execution_link
from functions.contract.bulk import Plan

POINTS = 120
"""Of the plot: more than a screen can show."""


def run_row(run: RunSummary) -> dict[str, Any]:
    """A run in the list."""
    info = run.info
    return run_view.run_document(run) | {
        "started": timestamp(info.started),
        "attempt_started": timestamp(info.attempt_started),
        "stopped": timestamp(info.stopped),
        "failed": info.failed,
        "scope_text": run_view.scope_text(run),
        "outcome": run_view.outcome_text(run),
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
        "counts": detail.counts,
        "redrive_reason": info.redrive_reason if info.failed else None,
        "progress": run_view.progress_document(progress),
        "tallies": plan_tallies(run.plan) if run.plan else [],
        "report": f"s3://{results_bucket}/{report.folder}" if report and report.folder else None,
        "failures": [failure.model_dump() for failure in report.failures] if report else [],
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
