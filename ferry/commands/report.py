"""`ferry report`: what a run did with each object, from its report or, until it has one, from its records. Read-only.

The lines are streamed: a run may have millions. Raises UsageError for an unknown status or two formats, before anything
is called.
"""

import csv
import json
import sys
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Literal, get_args

from rich.text import Text

from ferry.aws.clients import Deployment
from ferry.commands import audit_report
from ferry.errors import UsageError
from ferry.stepfunctions import audits, run_reports, runs
from ferry.stepfunctions.runs import RunSummary
from ferry.ui import run_view, terminal
from ferry.ui.outcome_styles import STYLES
from ferry.ui.usage_view import usage_text
from functions.contract.batches import OutcomeStatus, ReportLine

Format = Literal["text", "csv", "json"]
STATUSES: tuple[str, ...] = get_args(OutcomeStatus)


def check_request(status: str | None, *, as_csv: bool, as_json: bool) -> Format:
    """Check the arguments; return the format."""
    if as_csv and as_json:
        raise UsageError("Specify either --csv or --json, not both.")
    if status is not None and status not in STATUSES:
        raise UsageError(f"--status {status} is not an object status. Use one of: {', '.join(STATUSES)}.")
    return "csv" if as_csv else "json" if as_json else "text"


def report(deployment: Deployment, name: str, status: str | None, limit: int, form: Format) -> None:
    """Print the report of a run, or of an audit."""
    if audits.is_audit(name):
        document = audit_report.audit_document(deployment, name)
        audited = (line for line in audit_report.audit_lines(deployment, document) if status in (None, line.status))
        _write(audited, limit, form, lambda: audit_report.show_counts(deployment, document))
        return
    run = runs.describe_run(deployment, name)
    lines = (line for line in run_reports.report_lines(deployment, run) if status in (None, line.status))
    _write(lines, limit, form, lambda: _show_run(deployment, run))


def _write(lines: Iterator[ReportLine], limit: int, form: Format, show_counts: Callable[[], None]) -> None:
    if form == "csv":
        _write_csv(lines)
    elif form == "json":
        _write_json(lines)
    else:
        show_counts()
        _write_text(lines, limit)


def _write_csv(lines: Iterator[ReportLine]) -> None:
    """RFC 4180; what is not known is an empty field."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    # Nothing is written if not even the first line can be read.
    first = list(islice(lines, 1))
    writer.writerow(ReportLine.model_fields)
    for line in chain(first, lines):
        fields = line.model_dump(mode="json")
        fields["differences"] = " ".join(line.differences or ())
        writer.writerow("" if fields[name] is None else fields[name] for name in ReportLine.model_fields)


def _write_json(lines: Iterator[ReportLine]) -> None:
    """One JSON document, an array with an element on each line."""
    separator = "["
    for line in lines:
        sys.stdout.write(f"{separator}\n{json.dumps(line.model_dump(mode='json'))}")
        separator = ","
    sys.stdout.write("[]\n" if separator == "[" else "\n]\n")


def _show_run(deployment: Deployment, run: RunSummary) -> None:
    console = terminal.console()
    console.print(terminal.line((run.info.name, "bold"), f"  {run.info.status}  {run_view.scope_text(run)}"))
    if run.info.failed and run.error:
        console.print(terminal.line((f"{run.error}: {run.cause or ''}", "red")), soft_wrap=True)
    counts = run_reports.count_lines(deployment, run)
    for outcome in run_view.sorted_outcomes(counts):
        console.print(terminal.line(f"{counts[outcome]:>9,}  ", (outcome, STYLES.get(outcome, ""))))
    used = usage_text(run.report.usage) if run.report else None
    for text in (run_view.unreported_text(run, sum(counts.values())), used):
        if text:
            console.print(terminal.line(text), soft_wrap=True)


def _write_text(lines: Iterator[ReportLine], limit: int) -> None:
    console = terminal.console()
    shown = list(islice(lines, limit + 1)) if limit else None
    for line in lines if shown is None else shown[:limit]:
        terminal.put(console, _row(line))
    if shown is not None and len(shown) > limit:
        terminal.console(stderr=True).print(f"Only the first {limit} lines are shown. Use --limit 0, --csv or --json.")


def _row(line: ReportLine) -> Text:
    """One object on one line, so that any number of lines can be streamed."""
    details = [line.reason, *(text for text in (line.grade, line.execution and f"execution {line.execution}") if text)]
    if line.target_key != line.key:
        details.append(f"to {line.target_key}")
    if line.error:
        details.append(f"{line.error}: {line.cause}" if line.cause else line.error)
    elif line.cause:
        details.append(line.cause)
    return terminal.line(
        (f"{line.status:<9}", STYLES.get(line.status, "")), f"  {line.key}  ", (", ".join(details), "dim")
    )
