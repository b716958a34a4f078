"""`ferry report` of an audit: one line for each object that it compared, left out, or found to be extra. Read-only.

The lines are streamed: an audit may have millions. Raises CommandError for an audit that has no report.
"""

from collections.abc import Iterator

from ferry.aws.clients import Deployment
from ferry.errors import CommandError
from ferry.stepfunctions import audits, run_reports
from ferry.ui import audit_view, terminal
from functions.contract.audit import AuditDocument
from functions.contract.batches import ReportLine


def audit_document(deployment: Deployment, name: str) -> AuditDocument:
    """Return the document of an audit that has ended."""
    ended = audits.find(deployment, name)
    if ended.document is None or ended.document.report is None:
        reason = "it is still running" if ended.status == "RUNNING" else ended.error
        raise CommandError(f"{ended.name} has no report: {reason}.")
    return ended.document


def audit_lines(deployment: Deployment, document: AuditDocument) -> Iterator[ReportLine]:
    """Yield the lines of an audit's report."""
    if document.report is not None:
        yield from run_reports.reported_lines(deployment, document.report.folder)


def show_counts(deployment: Deployment, document: AuditDocument) -> None:
    """Print how many objects have which status, and the first findings."""
    if document.report is not None:
        view = audit_view.view(document.scope, document.report, deployment.outputs)
        terminal.put(terminal.console(), view)
