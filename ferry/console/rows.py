"""The rows of the list of executions: which failures are settled, which rows a filter selects, and their JSON. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from ferry.stepfunctions.executions import ExecutionSummary
from ferry.stepfunctions.failures import base_name

PAGE_ROWS = 100
CAUSE_LENGTH = 400
STATUSES = ("running", "failed", "settled", "succeeded")
PERIODS = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}


@dataclass(frozen=True)
class Row:
    """An execution in the list.

    `read` is False until its history was read: before, its key is not known. `input` identifies its input: executions
    with the same one replay each other. `successor` names the later execution that is running or succeeded, `repeated`
    the later one that failed, too.
    """

    summary: ExecutionSummary
    read: bool = False
    input: str = ""
    successor: str | None = None
    repeated: str | None = None

    @property
    def group(self) -> str:
        """The status by which the page filters: a failure is settled once a later execution counts instead."""
        info = self.summary.info
        if info.status == "SUCCEEDED":
            return "succeeded"
        if not info.failed:
            return "running"
        return "settled" if self.successor or self.repeated else "failed"


@dataclass(frozen=True)
class Filter:
    """What the page asks for."""

    key: str = ""
    status: str = ""
    period: str = ""

    @classmethod
    def parse(cls, values: Mapping[str, str]) -> "Filter":
        """From the query of an address; unknown values select everything."""
        status, period = values.get("status", ""), values.get("from", "")
        return cls(
            values.get("key", "").strip(),
            status if status in STATUSES else "",
            period if period in PERIODS else "",
        )

    def select(self, rows: Iterable[Row], now: datetime) -> list[Row]:
        """The rows of this key and period, whatever their status."""
        since = now - PERIODS[self.period] if self.period else None
        text = self.key.casefold()
        return [
            row
            for row in rows
            if (since is None or row.summary.info.started >= since) and (not text or _has(row, text))
        ]


def _has(row: Row, text: str) -> bool:
    document = row.summary.document
    names = [row.summary.info.name]
    if document:
        names += [document.source.key, document.target_key]
    return any(text in name.casefold() for name in names)


def identify(summary: ExecutionSummary) -> str:
    """The same text for executions with the same input."""
    document = summary.document
    return document.model_dump_json(include={"source", "rule"}) if document else f"name {base_name(summary.info.name)}"


def settle(rows: Sequence[Row]) -> list[Row]:
    """Find for each failure the later execution with the same input, as `ferry replay` does; newest row first."""
    same: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        same[row.input].append(row)
    found = []
    for row in rows:
        others = same[row.input]
        if not row.summary.info.failed or len(others) == 1:
            found.append(replace(row, successor=None, repeated=None))
            continue
        began = row.summary.info.attempt_started
        later = [other.summary.info for other in others if other.summary.info.attempt_started > began]
        good = next((info.name for info in later if not info.failed), None)
        again = max(later, key=lambda info: info.attempt_started).name if later and not good else None
        found.append(replace(row, successor=good, repeated=again))
    return found


def as_json(row: Row) -> dict[str, Any]:
    """A row as the page receives it."""
    summary, info = row.summary, row.summary.info
    document, source = summary.document, summary.source
    return {
        "name": info.name,
        "status": info.status,
        "group": row.group,
        "key": source.key if source else None,
        "target_key": document.target_key if document and source and document.target_key != source.key else None,
        "size": source.size_bytes if source else None,
        "state": summary.state,
        "grade": summary.grade,
        "mode": document.rule.mode if document else None,
        "error": summary.error if info.failed or not info.stopped else None,
        "cause": (summary.cause or "")[:CAUSE_LENGTH] or None if info.failed else None,
        "started": timestamp(info.started),
        "attempt_started": timestamp(info.attempt_started),
        "stopped": timestamp(info.stopped),
        "successor": row.successor,
        "repeated": row.repeated,
        "read": row.read,
    }


def timestamp(moment: datetime | None) -> float | None:
    """Seconds since 1970."""
    return round(moment.timestamp(), 3) if moment else None


def count(rows: Iterable[Row]) -> dict[str, int]:
    """How many rows each status has."""
    found = Counter(row.group for row in rows)
    return {status: found[status] for status in STATUSES}
