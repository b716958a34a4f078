"""Writes the report of an audit: one line for each object of the scope, and one for each that is extra.

One file for each slice, in constant memory. Idempotent: the same records give the same files.

Raises BatchTimedOut, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce

from functions.batches.causes import short_cause
from functions.batches.records import COMPARED, SliceRecords, read_records, read_slice
from functions.batches.report_lines import report_line
from functions.batches.settings import BatchSettings
from functions.contract.audit import AuditDocument, AuditEvent, AuditReport, Finding
from functions.contract.batches import Outcome, OutcomeStatus, ReportLine
from functions.contract.bulk import PlannedObject
from functions.contract.limits import REPORT_CALLS
from functions.contract.usage import Usage
from functions.planning.line_files import ENDING, put_lines
from functions.planning.requests import usage_of
from functions.planning.slices import BATCH, slice_keys
from functions.runtime.errors import BatchTimedOut

MARGIN_MS = 60_000
NO_OUTCOME = "SliceFailed"
SHOWN_FINDINGS = 5
"""Of each status."""

UNREMARKABLE: frozenset[OutcomeStatus] = frozenset({"verified", "skipped"})


@dataclass(frozen=True)
class AuditReportCall:
    """One call."""

    event: AuditEvent
    settings: BatchSettings
    remaining_ms: Callable[[], int]

    @property
    def run(self) -> str:
        """The name of the execution."""
        return self.event.execution.name

    @property
    def folder(self) -> str:
        """Where the report is: the day is that of the audit's start. A redrive writes the same files again."""
        execution = self.event.execution
        day = f"{execution.start_time:%Y-%m-%d}"
        return f"reports/day={day}/run={execution.name}/"


def write_audit_report(call: AuditReportCall, previous: AuditReport | None) -> AuditReport:
    """Report the slices that no earlier call has reported."""
    redrive_count = call.event.execution.redrive_count
    if previous is None or previous.redrive_count != redrive_count:
        usage = _usage_of_listings(call.event.document)
        previous = AuditReport(status="in_progress", folder=call.folder, redrive_count=redrive_count, usage=usage)
    counts = _ReportCounts(previous)
    keys = list(_slice_keys(call.event.document))
    done = previous.slices
    while done < len(keys) and (done == previous.slices or call.remaining_ms() > MARGIN_MS):
        lines, usage = _lines(call, keys[done])
        text = [line.model_dump_json(exclude_none=True) for line in lines]
        key = f"{previous.folder}{done:06}{ENDING}"
        put_lines(call.settings.results_bucket, call.settings.target_region, key, text, "the report to")
        for line in lines:
            counts.add(line)
        counts.usage = counts.usage.plus(usage)
        done += 1
    if done < len(keys) and previous.calls + 1 >= REPORT_CALLS:
        raise BatchTimedOut(
            f"The report of {call.run} is incomplete: {len(keys) - done} of {len(keys)} slices are missing. "
            "Redrive the run."
        )
    return counts.report(previous, done, finished=done == len(keys))


class _ReportCounts:
    """Counts the lines, and keeps the first findings of each status; begins with those of earlier calls."""

    def __init__(self, previous: AuditReport) -> None:
        self._counts, self._bytes = Counter(previous.counts), Counter(previous.size_bytes)
        self._grades, self._reasons = Counter(previous.grades), Counter(previous.reasons)
        self._differences, self._errors = Counter(previous.differences), Counter(previous.errors)
        self._findings = list(previous.findings)
        self.usage = previous.usage

    def add(self, line: ReportLine) -> None:
        """Count one line."""
        self._counts[line.status] += 1
        self._bytes[line.status] += line.size_bytes
        if line.status == "verified" and line.grade:
            self._grades[line.grade] += 1
        if line.status in ("skipped", "undecided"):
            self._reasons[line.reason] += 1
        # User metadata has any number of names; the report has them.
        self._differences.update({name.partition(".")[0] for name in line.differences or ()})
        if line.status == "failed":
            self._errors[line.error or ""] += 1
        shown = sum(finding.status == line.status for finding in self._findings)
        if line.status not in UNREMARKABLE and shown < SHOWN_FINDINGS:
            self._findings.append(_finding(line))

    def report(self, previous: AuditReport, slices: int, *, finished: bool) -> AuditReport:
        """Return the progress."""
        return AuditReport(
            status="complete" if finished else "in_progress",
            folder=previous.folder,
            slices=slices,
            counts=dict(self._counts),
            size_bytes=dict(self._bytes),
            grades=dict(self._grades),
            reasons=dict(self._reasons),
            differences=dict(self._differences),
            errors=dict(self._errors),
            findings=self._findings,
            usage=self.usage,
            redrive_count=previous.redrive_count,
            calls=previous.calls + 1,
        )


def _finding(line: ReportLine) -> Finding:
    return Finding(
        key=line.key,
        status=line.status,
        reason=line.reason,
        differences=(line.differences or [])[:SHOWN_FINDINGS],
        cause=short_cause(line.cause),
    )


def _slice_keys(document: AuditDocument) -> Iterator[str]:
    """Yield the slices of what was compared, of what was left out, and of what is extra."""
    plan, extra = document.plan, document.extra
    if plan is None or extra is None:
        raise ValueError("WriteAuditReport was called without a plan or a search in the document.")
    for folder in (*plan.pairs, *plan.skipped, *extra.folders):
        yield from slice_keys(plan.folder, folder, BATCH)


def _usage_of_listings(document: AuditDocument) -> Usage:
    listings = [each.requests for each in (document.plan, document.extra) if each]
    return reduce(Usage.plus, (usage_of(requests) for requests in listings), Usage())


def _lines(call: AuditReportCall, slice_key: str) -> tuple[list[ReportLine], Usage]:
    """Return a line for each object of a slice, and what its comparison used.

    An object without an outcome failed with its slice as a whole.
    """
    planned = read_slice(call.settings, slice_key)
    to_compare = any(each.action != "skip" for each in planned)
    found = read_records(call.settings, slice_key, COMPARED) if to_compare else SliceRecords({}, Usage())
    return [_line(call.run, each, found.outcomes.get(each.key)) for each in planned], found.usage


def _line(run: str, planned: PlannedObject, outcome: Outcome | None) -> ReportLine:
    found = outcome or _without_record(planned)
    if found.status == "reading":
        found = found.changed(status="failed", error=NO_OUTCOME, cause="Reading did not reach the end of the object.")
    return report_line(run, planned, found)


def _without_record(planned: PlannedObject) -> Outcome:
    if planned.action == "skip":
        status: OutcomeStatus = "extra" if planned.reason == "no_source" else "skipped"
        return Outcome(key=planned.key, status=status)
    return Outcome(
        key=planned.key,
        status="failed",
        error=NO_OUTCOME,
        cause="The execution of its slice failed. See the failed child executions of the Map Run.",
    )
