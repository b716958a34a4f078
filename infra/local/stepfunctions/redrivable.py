"""Which executions can be redriven.

Rules: Step Functions Developer Guide, "Restarting state machine executions with redrive" (Redrive eligibility for
unsuccessful executions), and API Reference, "DescribeExecution" (redriveStatus and the words of redriveStatusReason)
and "RedriveExecution" (client tokens).
"""

from datetime import datetime, timedelta

from infra.local.stepfunctions.models import UNSUCCESSFUL, WorkflowExecution

REDRIVABLE_DAYS = 14
"""From the day on which the execution ended."""

MAX_OPEN_DAYS = 365
MAX_EVENTS = 24_999
"""A redrivable history has fewer: it gets ExecutionRedriven and at least one other event, and ends at 25,000."""

MAX_REDRIVES_OF_MAP_RUN = 1000
TOKEN_SECONDS = 15 * 60


def redrive_status(execution: WorkflowExecution, now: datetime) -> tuple[str, str | None]:
    """The redriveStatus of an execution, and the reason if it is NOT_REDRIVABLE."""
    reason = _obstacle(execution, now)
    if reason:
        return "NOT_REDRIVABLE", reason
    # A child is redriven with its Map Run, by a redrive of the parent ("Redriving Map Runs").
    return ("REDRIVABLE_BY_MAP_RUN" if execution.map_run else "REDRIVABLE"), None


def _obstacle(execution: WorkflowExecution, now: datetime) -> str | None:
    record = execution.record
    if record["status"] not in UNSUCCESSFUL:
        return f"Execution is {record['status']} and cannot be redriven"
    if execution.express:
        # Express children always start again from their first state.
        return None if execution.map_run else "Express executions cannot be redriven"
    if now - parse_time(record["startDate"]) > timedelta(days=MAX_OPEN_DAYS):
        return "Execution has exceeded the max execution time"
    if now - parse_time(record["stopDate"]) > timedelta(days=REDRIVABLE_DAYS):
        return "Execution redrivable period exceeded"
    if len(record["events"]) >= MAX_EVENTS:
        return "Execution history event limit exceeded"
    return None


def earlier_redrive(execution: WorkflowExecution, token: str | None, now: float) -> str | None:
    """The redriveDate that this client token was answered with before; None for a new token."""
    if token is None:
        return None
    for known, used_at, redrive_date in execution.tokens:
        if known == token and now - used_at < TOKEN_SECONDS:
            return redrive_date
    return None


def parse_time(text: str) -> datetime:
    """A time as MiniStack stores it."""
    return datetime.fromisoformat(text)
