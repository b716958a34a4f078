"""What an audit found, for people and as JSON."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ferry.ui import terminal
from ferry.ui.execution_view import facts
from ferry.ui.outcome_styles import STYLES
from ferry.ui.plan_view import REASONS
from ferry.ui.usage_view import usage_document, usage_text
from functions.contract.audit import AuditReport, AuditScope, Finding
from functions.contract.batches import OutcomeStatus
from infra.terraform.outputs import Outputs

STATUSES: tuple[OutcomeStatus, ...] = ("verified", "differs", "missing", "extra", "undecided", "failed", "skipped")
LONGEST_KEY = 100
"""Of a finding, in characters; the report has the whole key."""


def document(name: str, scope: AuditScope, report: AuditReport, results_bucket: str) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "run": name,
        "status": "SUCCEEDED",
        "source_bucket": scope.bucket,
        "prefix": scope.prefix,
        "counts": report.counts,
        "size_bytes": report.size_bytes,
        "grades": report.grades,
        "differences": report.differences,
        "reasons": report.reasons,
        "errors": report.errors,
        "findings": [finding.model_dump(mode="json") for finding in report.findings],
        "report": f"s3://{results_bucket}/{report.folder}",
        "usage": usage_document(report.usage),
    }


def view(scope: AuditScope, report: AuditReport, outputs: Outputs) -> RenderableType:
    """How many objects have which status, why, the first findings, and where the report is."""
    layout: list[RenderableType] = [
        terminal.line((f"s3://{scope.bucket}/{scope.prefix}", "bold"), f" → s3://{outputs.target_bucket}"),
        Text(),
        _counts(report) if report.counts else Text("Nothing to compare: the source and the target are empty."),
    ]
    if report.findings:
        layout += [Text(), _findings(sorted(report.findings, key=lambda each: STATUSES.index(_status(each))))]
    grid = facts()
    grid.add_row("Report", terminal.line(f"s3://{outputs.athena_results}/{report.folder}"))
    if used := usage_text(report.usage):
        grid.add_row("", terminal.line(used))
    if report.counts.get("undecided") and not scope.read:
        grid.add_row("", terminal.line("Undecided objects are not verified. `ferry audit --read` reads them."))
    return Group(*layout, Text(), grid)


@dataclass(frozen=True)
class AuditTally:
    """The objects of a status; without one, those of the statuses above for one reason."""

    status: OutcomeStatus | None
    objects: int
    size_bytes: int | None
    why: str


def tallies(report: AuditReport) -> list[AuditTally]:
    """How many objects have which status, and why."""
    why = {
        "verified": [f"{number:,} by {grade}" for grade, number in _largest(report.grades)],
        "differs": [f"{number:,} {name}" for name, number in _largest(report.differences)],
        "failed": [f"{number:,} {error}" for error, number in _largest(report.errors)],
        "missing": ["not in the target"],
        "extra": ["in the target, but in no source"],
        "undecided": ["the stored checksums cannot be compared"],
        "skipped": ["by the rules or options, or changed during the audit"],
    }
    return [
        *(
            AuditTally(status, report.counts[status], report.size_bytes.get(status, 0), "; ".join(why[status]))
            for status in STATUSES
            if report.counts.get(status)
        ),
        *(AuditTally(None, number, None, reason_text(reason)) for reason, number in _largest(report.reasons)),
    ]


def _counts(report: AuditReport) -> Table:
    rows = _table("STATUS", "OBJECTS", "SIZE", "WHY")
    for tally in tallies(report):
        rows.add_row(
            Text(tally.status or "", STYLES.get(tally.status or "", "")),
            Text(f"{tally.objects:,}", "" if tally.status else "dim"),
            Text("" if tally.size_bytes is None else terminal.size(tally.size_bytes)),
            Text(tally.why, "" if tally.status else "dim"),
        )
    return rows


def _findings(findings: Iterable[Finding]) -> Table:
    rows = _table("FIRST", "KEY", "WHY")
    for finding in findings:
        rows.add_row(
            Text(finding.status, STYLES.get(finding.status, "")),
            terminal.line(terminal.shorten(finding.key, LONGEST_KEY)),
            terminal.line(finding.cause or reason_text(finding.reason)),
        )
    return rows


def _table(*names: str) -> Table:
    rows = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in names:
        rows.add_column(
            name, justify="right" if name in ("OBJECTS", "SIZE") else "left", overflow="fold", no_wrap=name == "FIRST"
        )
    return rows


def _status(finding: Finding) -> OutcomeStatus:
    return next(status for status in STATUSES if status == finding.status)


def reason_text(reason: str) -> str:
    """A reason in words."""
    return next((text for name, text in REASONS.items() if name == reason), reason)


def _largest(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
