"""Counts what a plan decided, and what each decision will read. Pure."""

from functools import cache
from typing import Any

from functions.catalogue.formats import file_format
from functions.contract.bulk import IDLE, PLANNED, Action, Reason, Tally
from functions.contract.models import Rule
from functions.planning.decisions import Selected
from functions.planning.listings import ListedObject
from functions.planning.slices import EXECUTION
from functions.validation.athena_queries import CHECKS

READS_OF_GRADE = {"readback": 1, "bytes": 2}
"""How many objects of the pair are read to reach a grade; the others compare what S3 stores."""

Kind = tuple[Action, Reason, bool]
KIND_FIELDS = ("action", "reason", "by_execution")


class Tallies:
    """Counts by action, reason and way; begins with the counts of earlier calls."""

    def __init__(self, previous: list[Tally]) -> None:
        self._counts = {(tally.action, tally.reason, tally.by_execution): tally.model_dump() for tally in previous}

    def add(self, listed: ListedObject, action: Action, reason: Reason, selected: Selected | None) -> None:
        """Count one object; `selected` is None if the rules or the scope skip it."""
        planned = selected if action in PLANNED and reason not in IDLE else None
        by_execution = planned is not None and planned.slice_kind(reason) == EXECUTION
        kind: Kind = (action, reason, by_execution)
        empty = Tally(action=action, reason=reason, by_execution=by_execution)
        counts = self._counts.setdefault(kind, empty.model_dump())
        counts["objects"] += 1
        counts["size_bytes"] += listed.size_bytes
        if planned is not None:
            _add_reads(counts, planned)

    def as_list(self) -> list[Tally]:
        """Return the counts, sorted."""
        return [Tally.model_validate(self._counts[kind]) for kind in sorted(self._counts)]


def summed(*counts: list[Tally]) -> list[Tally]:
    """Return the sum of several lists of counts, sorted."""
    found: dict[Kind, dict[str, Any]] = {}
    for tally in (each for tallies in counts for each in tallies):
        kind: Kind = (tally.action, tally.reason, tally.by_execution)
        fields = tally.model_dump()
        known = found.setdefault(kind, dict.fromkeys(fields, 0))
        found[kind] = {name: value if name in KIND_FIELDS else known[name] + value for name, value in fields.items()}
    return [Tally.model_validate(found[kind]) for kind in sorted(found)]


def _add_reads(counts: dict[str, int], planned: Selected) -> None:
    size_bytes, rule = planned.source.size_bytes, planned.rule
    reads = READS_OF_GRADE.get(rule.minimum_grade, 0)
    if planned.in_parts:
        counts["in_parts"] += 1
        counts["in_parts_bytes"] += size_bytes
    if planned.is_catalogued:
        counts["files"] += 1
        counts["scanned_bytes"] += size_bytes * _scans(planned.target_key, rule)
        reads += 1
    counts["reads"] += reads
    counts["read_bytes"] += reads * size_bytes


def _scans(key: str, rule: Rule) -> int:
    """Return how often Athena reads a file: to count its rows, and for each check. Counting Parquet reads footers."""
    layout = file_format(key)
    counting = 0 if layout and layout.layout == "parquet" else 1
    return counting + (_number_of_checks() if rule.checks is None else len(rule.checks))


@cache
def _number_of_checks() -> int:
    return len(list(CHECKS.glob("*.sql")))
