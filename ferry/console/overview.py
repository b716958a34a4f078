"""The figures of the first page: what runs, what failed and why, how much was copied and verified. Pure."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from ferry.console import rows as listing
from ferry.console.rows import Row

HOURS = 24
GROUPS = 8
RECENT = 6


def figures(rows: Sequence[Row], now: datetime) -> dict[str, Any]:
    """The figures of the last day, and what is running now."""
    since = now - timedelta(hours=HOURS)
    recent = [row for row in rows if row.summary.info.started >= since]
    copied = [row for row in recent if row.group == "succeeded" and row.summary.state == "Succeeded"]
    return {
        "counts": listing.count(recent),
        "running_now": sum(row.group == "running" for row in rows),
        "failed_now": sum(row.group == "failed" for row in rows),
        "bytes": sum(row.summary.source.size_bytes for row in copied if row.summary.source),
        "copied": len(copied),
        "grades": dict(Counter(row.summary.grade for row in copied if row.summary.grade).most_common()),
        "moved": sum(bool(row.summary.document and row.summary.document.deletion) for row in copied),
        "hours": _hours(recent, now),
        "failures": _failures(rows),
        "recent": [listing.as_json(row) for row in rows[:RECENT]],
    }


def _hours(rows: Sequence[Row], now: datetime) -> list[dict[str, Any]]:
    """The number of files of each hour by outcome, the oldest first."""
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)
    counts: list[Counter[str]] = [Counter() for _ in range(HOURS)]
    for row in rows:
        hour = int((row.summary.info.started - first).total_seconds() // 3600)
        if 0 <= hour < HOURS:
            counts[hour][row.group] += 1
    return [
        {"begin": listing.timestamp(first + timedelta(hours=hour))}
        | {status: found[status] for status in listing.STATUSES}
        for hour, found in enumerate(counts)
    ]


def _failures(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The failures that are not settled, by state and error."""
    failed = [row for row in rows if row.group == "failed"]
    groups: dict[tuple[str | None, str | None], list[Row]] = {}
    for row in failed:
        groups.setdefault((row.summary.state, row.summary.error or row.summary.info.status), []).append(row)
    found = sorted(groups.items(), key=lambda item: -len(item[1]))[:GROUPS]
    return [
        {"state": state, "error": error, "count": len(members), "newest": listing.as_json(members[0])}
        for (state, error), members in found
    ]
