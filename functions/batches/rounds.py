"""Collects what failed in a run, as slices of another round.

After the first round, what failed is worked on in a batch once more: most causes are gone by then. What a batch failed
twice, for a reason that one object can have, gets an execution of `migrate`, which can be looked at and replayed. An
execution that failed is not repeated: its own steps were retried for hours. A redrive of the run repeats everything
that failed, executions included; what has arrived is not listed, compared or copied again.

One slice for each slice of the plan that has failures, under its name: so its records are found without an index, and a
repeated call writes the same files.

Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from functions.batches.faults import SYSTEMIC
from functions.batches.outcomes import SliceOutcomes, outcomes_of, plan_slices
from functions.batches.settings import BatchSettings
from functions.batches.slice_names import repeated
from functions.batches.steps import MARGIN_MS
from functions.contract.batches import Outcome
from functions.contract.bulk import Plan, PlannedObject, Round
from functions.contract.limits import RECONCILE_CALLS, ROUNDS
from functions.planning.line_files import put, put_lines
from functions.planning.slices import BATCH, EXECUTION, is_of_files, is_of_moves, spread
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors
from functions.runtime.errors import NotSmall

SLICES_AT_ONCE = 16

MOST_ALIKE = 1000
"""Objects that get an execution because a batch failed them by one error twice: more have a cause in common."""


@dataclass(frozen=True)
class ReconcileCall:
    """One call. `redrive_count` is the run's."""

    settings: BatchSettings
    redrive_count: int
    remaining_ms: Callable[[], int]


def reconcile(call: ReconcileCall, plan: Plan, previous: Round, *, redriven: bool) -> Round:
    """Collect what has failed in all rounds so far and is to be repeated."""
    progress = previous if previous.status == "collecting" and not redriven else _next(call, previous, redriven)
    if progress.status == "done":
        return progress
    progress, ended = _collect(call, plan, progress)
    if not ended and progress.calls < RECONCILE_CALLS:
        return progress
    # What the calls were not enough for stays failed in the report.
    return _finish(call, plan, progress)


def _next(call: ReconcileCall, previous: Round, redriven: bool) -> Round:
    repeats = 1 if redriven else previous.repeats + 1
    if repeats > ROUNDS:
        return Round(status="done", number=previous.number, repeats=previous.repeats, redrive_count=call.redrive_count)
    return Round(
        status="collecting",
        number=previous.number + 1,
        repeats=repeats,
        everything=redriven,
        redrive_count=call.redrive_count,
    )


def _collect(call: ReconcileCall, plan: Plan, progress: Round) -> tuple[Round, bool]:
    """Look at as many slices of the plan as time allows; return whether these were all."""
    slices = islice(plan_slices(plan), progress.slices, None)
    arrived, done, errors = progress.arrived, progress.slices, Counter(progress.errors)
    with ThreadPoolExecutor(SLICES_AT_ONCE) as pool:
        while some := list(islice(slices, SLICES_AT_ONCE)):
            for found in pool.map(lambda key: outcomes_of(call.settings, key, progress.number - 1), some):
                failed = [each for each in found.objects if each[1].status == "failed"]
                arrived += len(found.objects) - len(failed)
                again: dict[str, list[PlannedObject]] = {BATCH: [], EXECUTION: []}
                for planned, outcome in failed:
                    kind = _kind(progress, found, outcome, errors)
                    errors[outcome.error or ""] += 1
                    if kind is not None:
                        again[kind].append(planned)
                for kind, objects in again.items():
                    _write(call, repeated(found.slice_key, progress.number, kind), objects)
            done += len(some)
            if call.remaining_ms() <= MARGIN_MS:
                break
    changes = {"slices": done, "arrived": arrived, "errors": dict(errors), "calls": progress.calls + 1}
    return progress.model_copy(update=changes), done == plan.batches + plan.executions


def _kind(progress: Round, found: SliceOutcomes, outcome: Outcome, errors: Mapping[str, int]) -> str | None:
    """Return whether a failed object is repeated in a batch or by an execution, or not at all."""
    by_execution = found.kind == EXECUTION or outcome.execution is not None or outcome.error == NotSmall.__name__
    if by_execution:
        return EXECUTION if progress.everything or (outcome.execution is None and progress.repeats == 1) else None
    if progress.repeats == 1:
        return BATCH
    of_the_object = outcome.error not in SYSTEMIC and errors[outcome.error or ""] < MOST_ALIKE
    return EXECUTION if of_the_object else None


def _write(call: ReconcileCall, key: str, again: list[PlannedObject]) -> None:
    if again:
        lines = [planned.model_dump_json(exclude_defaults=True) for planned in again]
        put_lines(call.settings.results_bucket, call.settings.target_region, key, lines, "what is repeated to")


def _finish(call: ReconcileCall, plan: Plan, progress: Round) -> Round:
    """Write the pointers to a round's slices."""
    systemic = not progress.arrived and len(progress.errors) == 1 and progress.errors.keys() <= SYSTEMIC.keys()
    if systemic and not progress.everything:
        # The same would fail by the same cause. A redrive repeats it once that is gone.
        return progress.model_copy(update={"status": "done"})
    settings, folder = call.settings, f"{plan.folder}round-{progress.number}/"
    batches = _listed(settings, f"{folder}{BATCH}/")
    slices = {
        "batches": batches,
        "files": [key for key in batches if is_of_files(key)],
        "moves": [key for key in batches if is_of_moves(key)],
        "executions": _listed(settings, f"{folder}{EXECUTION}/"),
    }
    changes: dict[str, Any] = {}
    for name, keys in slices.items():
        changes |= {name: len(keys), f"{name}_key": f"{folder}{name}.json"}
        key = f"{folder}{name}.json"
        put(settings.results_bucket, settings.target_region, key, spread(keys), "what is repeated to")
    return progress.model_copy(
        update={"status": "ready" if changes["batches"] or changes["executions"] else "done", **changes}
    )


def _listed(settings: BatchSettings, folder: str) -> list[str]:
    with aws_errors(f"listing s3://{settings.results_bucket}/{folder}"):
        client = clients.s3(settings.target_region)
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=settings.results_bucket, Prefix=folder)
        return [each["Key"] for page in pages for each in page.get("Contents", ())]
