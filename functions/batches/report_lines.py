"""The lines of a report, of a run or an audit. Pure."""

from functions.contract.batches import Outcome, ReportLine
from functions.contract.bulk import PlannedObject


def report_line(run: str, planned: PlannedObject, found: Outcome) -> ReportLine:
    """Return the line of one object."""
    return ReportLine(
        run=run,
        key=planned.key,
        target_key=planned.rule.target_key or planned.key,
        reason=found.reason or planned.reason,
        status=found.status,
        size_bytes=found.source.size_bytes if found.source else planned.size_bytes,
        grade=found.grade,
        version_id=found.source.version_id if found.source else None,
        target_version_id=found.target.version_id if found.target else None,
        table_name=found.table,
        rows=found.rows,
        warnings=found.warnings or None,
        execution=found.execution,
        error=found.error,
        cause=found.cause,
        differences=found.differences,
    )
