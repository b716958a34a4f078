"""Changes the lines of a ledger: only the segments that have them are written, each on the condition that nobody else
has written it since it was read.

Idempotent, and safe at any point: a line replaces an older one of its key, so writing it twice changes nothing. What is
moved to a new segment is written there before it is removed here. A call that stops between the two leaves lines in two
segments: the one whose range has them counts, and the next change of the other one removes them.

Source: "Add preconditions to S3 operations with conditional requests" (Amazon S3 User Guide).

Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from bisect import bisect_right, insort
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import takewhile
from threading import Lock

from functions.contract.ledger import LedgerEntry
from functions.ledger.segments import FIRST, Ledger, Lines, Segment, first_of
from functions.runtime.aws_errors import RETRIED
from functions.runtime.errors import Throttled

LARGEST_LINES = 4000
PIECE_LINES = 2000

LONGEST_BOUNDARY_BYTES = 400
"""A segment's name has two digits for each, and S3 keys are limited to 1,024 bytes. Keys that are alike for longer stay
in one segment."""

ATTEMPTS = 8
"""At one segment that others write, too."""

WRITERS = 8


class LedgerUpdate:
    """Collects the entries that a call has to write, and writes them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._boundaries: list[str] = []
        self._lock = Lock()
        self._entries: dict[str, LedgerEntry] = {}

    def add(self, entries: Iterable[LedgerEntry]) -> None:
        """Collect entries; write them once they would fill a segment."""
        self._entries |= {entry.key: entry for entry in entries}
        if len(self._entries) >= PIECE_LINES:
            self.flush()

    def flush(self) -> None:
        """Write what was collected."""
        if not self._entries:
            return
        # Segments that others add later are found, too: each knows where the next one begins.
        self._boundaries = self._boundaries or sorted({FIRST, *self._ledger.boundaries()})
        segments: dict[str, Lines] = {}
        for key in sorted(self._entries):
            boundary = self._boundaries[bisect_right(self._boundaries, key) - 1]
            segments.setdefault(boundary, {})[key] = self._entries[key].model_dump_json(exclude_defaults=True).encode()
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(lambda each: self._merge(*each), segments.items()))
        self._entries = {}

    def _merge(self, boundary: str, lines: Lines) -> None:
        """Merge lines into the segment that begins here, and into those after it."""
        for _ in range(ATTEMPTS):
            found = self._ledger.read(boundary)
            segment = replace(found, until=first_of(found.until, self._next(boundary)))
            merged = _merged(found.lines, lines)
            beyond = {key: line for key, line in merged.items() if not segment.covers(key)}
            if segment.until is not None and beyond:
                self._merge(segment.until, beyond)
            here = {key: line for key, line in merged.items() if key not in beyond}
            if here == found.lines:
                return
            first, *others = _pieces(segment, here)
            # From the last one: from the moment that a segment exists, its keys are not read here any more.
            for piece in reversed(others):
                self._add(piece)
            if self._ledger.write(first):
                return
        raise Throttled(
            f"The ledger of {self._ledger.source_bucket} was not updated: other executions keep writing it. {RETRIED}"
        )

    def _add(self, piece: Segment) -> None:
        """Write a new segment. If it exists, another writer is splitting the same one."""
        is_new = self._ledger.write(piece)
        with self._lock:
            insort(self._boundaries, piece.boundary)
        if not is_new:
            self._merge(piece.boundary, piece.lines)

    def _next(self, boundary: str) -> str | None:
        """Return where the next segment begins, as far as is known."""
        with self._lock:
            position = bisect_right(self._boundaries, boundary)
            return self._boundaries[position] if position < len(self._boundaries) else None


def _merged(lines: Lines, newer: Lines) -> Lines:
    """Return both, sorted; of two lines of one key, the one whose plan began later."""
    merged = dict(lines)
    for key, line in newer.items():
        entry = LedgerEntry.model_validate_json(line)
        if key in merged and LedgerEntry.model_validate_json(merged[key]).as_of > entry.as_of:
            continue
        if entry.outcome == "gone":
            merged.pop(key, None)
        else:
            merged[key] = line
    return dict(sorted(merged.items()))


def _pieces(segment: Segment, lines: Lines) -> list[Segment]:
    """Return the segment with these lines; several if it would be too long."""
    keys, cuts = list(lines), {0: segment.boundary}
    if len(keys) > LARGEST_LINES:
        for position in range(PIECE_LINES, len(keys) - PIECE_LINES // 2, PIECE_LINES):
            boundary = _between(keys[position - 1], keys[position])
            if len(boundary.encode()) <= LONGEST_BOUNDARY_BYTES:
                cuts[position] = boundary
    ends = [*cuts, len(keys)][1:]
    untils = [*cuts.values(), segment.until][1:]
    return [
        Segment(boundary, {key: lines[key] for key in keys[start:end]}, until, None if start else segment.etag)
        for (start, boundary), end, until in zip(cuts.items(), ends, untils, strict=True)
    ]


def _between(key: str, following: str) -> str:
    """Return the shortest text that is after a key, and not after the following one."""
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(key, following, strict=False)))
    return following[: alike + 1]
