"""Writes the report of a run: one line for each planned object, from the records of its slice.

One file for each slice, in constant memory. Idempotent: the same records give the same files.

Raises BatchTimedOut, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from functions.batches.moves import NOT_DELETED
from functions.batches.records import read_outcomes, read_slice
from functions.batches.settings import BatchSettings
from functions.batches.steps import COPIED, DELETED, MARGIN_MS, READ, STARTED, VALIDATED, VERIFIED
from functions.contract.bulk import ObjectFailure, Outcome, Plan, PlannedObject, ReportLine, RunReport
from functions.contract.limits import REPORT_CALLS
from functions.planning.line_files import ENDING, put_lines
from functions.planning.slices import KINDS, is_of_files, slice_keys
from functions.runtime.errors import BatchTimedOut

SHOWN_FAILURES = 10
LONGEST_CAUSE = 500
NO_OUTCOME = "SliceFailed"


@dataclass(frozen=True)
class ReportCall:
    """One call. `began` is when the run started: its day is in the report's address."""

    run: str
    began: datetime
    redrive_count: int
    settings: BatchSettings
    remaining_ms: Callable[[], int]


def write_report(call: ReportCall, plan: Plan, previous: RunReport | None) -> RunReport:
    """Report the slices that no earlier call has reported."""
    if previous is None or previous.redrive_count != call.redrive_count:
        folder = f"reports/day={call.began:%Y-%m-%d}/run={call.run}/round={call.redrive_count}/"
        previous = RunReport(status="in_progress", folder=folder, redrive_count=call.redrive_count)
    counts, errors, failures = Counter(previous.counts), Counter(previous.errors), list(previous.failures)
    keys = list(_slice_keys(plan))
    done = previous.slices
    while done < len(keys) and (done == previous.slices or call.remaining_ms() > MARGIN_MS):
        lines = _lines(call, keys[done])
        text = [line.model_dump_json(exclude_none=True) for line in lines]
        key = f"{previous.folder}{done:06}{ENDING}"
        put_lines(call.settings.results_bucket, call.settings.target_region, key, text, "the report to")
        for line in lines:
            counts[line.status] += 1
            if line.status == "failed":
                errors[line.error or ""] += 1
                if len(failures) < SHOWN_FAILURES:
                    cause = (line.cause or "")[:LONGEST_CAUSE]
                    failures.append(ObjectFailure(key=line.key, error=line.error or "", cause=cause))
        done += 1
    if done < len(keys) and previous.calls + 1 >= REPORT_CALLS:
        raise BatchTimedOut(
            f"{len(keys) - done} of {len(keys)} slices of {call.run} were not reported. Replay the run."
        )
    finished = "incomplete" if counts["failed"] else "complete"
    return RunReport(
        status=finished if done == len(keys) else "in_progress",
        folder=previous.folder,
        slices=done,
        counts=dict(counts),
        errors=dict(errors),
        failures=failures,
        redrive_count=call.redrive_count,
        calls=previous.calls + 1,
    )


def _slice_keys(plan: Plan) -> Iterator[str]:
    for folder in plan.folders:
        for kind in KINDS:
            yield from slice_keys(plan.folder, folder, kind)


def _lines(call: ReportCall, slice_key: str) -> list[ReportLine]:
    """Return a line for each object of a slice; without a record, its slice failed as a whole."""
    outcomes: dict[str, Outcome] = {}
    for kind in (COPIED, VERIFIED, *((READ, VALIDATED) if is_of_files(slice_key) else ()), STARTED, DELETED):
        outcomes |= read_outcomes(call.settings, slice_key, kind)
    if is_of_files(slice_key):
        outcomes = {key: _validated(outcome) for key, outcome in outcomes.items()}
    return [_line(call.run, planned, outcomes.get(planned.key)) for planned in read_slice(call.settings, slice_key)]


def _validated(outcome: Outcome) -> Outcome:
    """Return the outcome of a file of a table, which failed if its validation never ended."""
    if outcome.status != "verified" or outcome.validated:
        return outcome
    cause = "It was copied and verified, but its validation did not end: see the failed children of the Map Run."
    return outcome.changed(status="failed", error="NotValidated", cause=cause)


def _line(run: str, planned: PlannedObject, outcome: Outcome | None) -> ReportLine:
    found = outcome or Outcome(
        key=planned.key,
        status="failed",
        error=NO_OUTCOME,
        cause="The execution of its slice failed: see the failed children of the Map Run.",
    )
    if found.status in ("copied", "unchanged"):
        # Its verification never ended.
        found = found.changed(status="failed", error="NotVerified")
    if found.status == "verified" and planned.rule.mode == "move":
        found = found.changed(status="failed", error=NOT_DELETED, cause="It was copied and verified: see its slice.")
    return ReportLine(
        run=run,
        key=planned.key,
        target_key=planned.rule.target_key or planned.key,
        reason=planned.reason,
        status=found.status,
        size_bytes=found.source.size_bytes if found.source else planned.size_bytes,
        grade=found.grade,
        version_id=found.source.version_id if found.source else None,
        target_version_id=found.target.version_id if found.target else None,
        table=found.table,
        rows=found.rows,
        warnings=found.warnings or None,
        execution=found.execution,
        error=found.error,
        cause=found.cause,
    )
