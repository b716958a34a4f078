"""What the functions of a run or an audit used, for people and as JSON."""

from typing import Any

from ferry.estimates import prices
from ferry.estimates.estimate import cost_of
from ferry.ui import terminal
from functions.contract.usage import Usage


def usage_document(usage: Usage) -> dict[str, Any] | None:
    """What `--json` prints; None if it was not counted."""
    if usage == Usage():
        return None
    return {
        "s3_writes": usage.writes,
        "s3_reads": usage.reads,
        "function_seconds": round(usage.milliseconds / 1000, 1),
        "dollars": round(float(cost_of(usage)), 6),
    }


def usage_text(usage: Usage) -> str | None:
    """One line; None if it was not counted."""
    if usage == Usage():
        return None
    return (
        f"Used {usage.writes:,} S3 write or list requests, {usage.reads:,} read requests, and "
        f"{terminal.duration(usage.milliseconds / 1000)} of Lambda time: "
        f"${cost_of(usage):,.4f} at {prices.REGION} list prices."
    )
