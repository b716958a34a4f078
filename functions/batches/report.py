"""Writes the report of a run: one line for each planned object, from the records of its slice. And tells the ledger.

One file for each slice, in constant memory. Idempotent: the same records give the same files and entries.

Raises BatchTimedOut, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from functions.batches.causes import short_cause
from functions.batches.outcomes import outcomes_of, plan_slices
from functions.batches.remembered import Remembered
from functions.batches.report_lines import report_line
from functions.batches.settings import BatchSettings
from functions.batches.steps import MARGIN_MS
from functions.contract.bulk import ObjectFailure, Plan, RunReport
from functions.contract.limits import REPORT_CALLS
from functions.planning.line_files import ENDING, put_lines
from functions.runtime.errors import BatchTimedOut

SHOWN_FAILURES = 10


@dataclass(frozen=True)
class ReportCall:
    """One call. `began` is when the run started: its day is in the report's address. `rounds` repeated what failed."""

    source_bucket: str
    run: str
    began: datetime
    redrive_count: int
    settings: BatchSettings
    remaining_ms: Callable[[], int]
    rounds: int = 0


def write_report(call: ReportCall, plan: Plan, previous: RunReport | None) -> RunReport:
    """Report the slices that no earlier call has reported."""
    if previous is None or previous.redrive_count != call.redrive_count:
        # After a redrive, the same files are written again: a run's report has one line for an object.
        folder = f"reports/day={call.began:%Y-%m-%d}/run={call.run}/"
        previous = RunReport(status="in_progress", folder=folder, redrive_count=call.redrive_count)
    counts, errors, failures = Counter(previous.counts), Counter(previous.errors), list(previous.failures)
    keys, usage = list(plan_slices(plan)), previous.usage
    done, remembered = previous.slices, Remembered(call.settings, call.source_bucket, call.run, plan)
    while done < len(keys) and (done == previous.slices or call.remaining_ms() > MARGIN_MS):
        found = outcomes_of(call.settings, keys[done], call.rounds)
        outcomes, usage = found.objects, usage.plus(found.usage)
        lines = [report_line(call.run, planned, outcome) for planned, outcome in outcomes]
        remembered.add(outcomes)
        text = [line.model_dump_json(exclude_none=True) for line in lines]
        key = f"{previous.folder}{done:06}{ENDING}"
        put_lines(call.settings.results_bucket, call.settings.target_region, key, text, "the report to")
        for line in lines:
            counts[line.status] += 1
            if line.status == "failed":
                errors[line.error or ""] += 1
                if len(failures) < SHOWN_FAILURES:
                    cause = short_cause(line.cause)
                    failures.append(ObjectFailure(key=line.key, error=line.error or "", cause=cause))
        done += 1
    entry_files = previous.entry_files
    if done == len(keys):
        entry_files = remembered.add_noted(entry_files, lambda: call.remaining_ms() > MARGIN_MS)
    remembered.flush()
    ended = done == len(keys) and entry_files == remembered.noted_files
    if not ended and previous.calls + 1 >= REPORT_CALLS:
        raise BatchTimedOut(
            f"The report of {call.run} is incomplete: {len(keys) - done} of {len(keys)} slices are missing from it, "
            f"and {remembered.noted_files - entry_files} of its plan's files are missing from the ledger. "
            "Replay the run."
        )
    finished = "incomplete" if counts["failed"] else "complete"
    return RunReport(
        status=finished if ended else "in_progress",
        folder=previous.folder,
        slices=done,
        entry_files=entry_files,
        counts=dict(counts),
        errors=dict(errors),
        failures=failures,
        usage=usage,
        redrive_count=call.redrive_count,
        calls=previous.calls + 1,
    )
