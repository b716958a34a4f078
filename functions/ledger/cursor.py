"""Reads a ledger beside the listing of its source: a third sorted stream, with one segment in memory.

Idempotent: it only reads. Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections.abc import Iterator

from functions.contract.ledger import LedgerEntry
from functions.ledger.segments import Ledger, first_of


class LedgerCursor:
    """Finds the entries of keys with one prefix, which must be asked for in ascending order.

    It begins after a key. `passed` collects the keys that have an entry, but were not asked for.
    """

    def __init__(self, ledger: Ledger, prefix: str, after: str) -> None:
        self._lines = _lines_from(ledger, max(prefix, after))
        self._next = next(self._lines, None)
        self.passed: list[str] = []
        if self._next and self._next[0] == after:
            self._advance()

    def find(self, key: str) -> LedgerEntry | None:
        """Return the entry of a key, None if there is none."""
        while self._next and self._next[0] < key:
            self.passed.append(self._next[0])
            self._advance()
        if self._next is None or self._next[0] != key:
            return None
        found = LedgerEntry.model_validate_json(self._next[1])
        self._advance()
        return found

    def finish(self, prefix: str, until: str | None = None) -> None:
        """Pass what is left with a prefix, up to a key: the listing has ended there."""
        while self._next and self._next[0].startswith(prefix) and (until is None or self._next[0] <= until):
            self.passed.append(self._next[0])
            self._advance()

    def _advance(self) -> None:
        self._next = next(self._lines, None)


def _lines_from(ledger: Ledger, start: str) -> Iterator[tuple[str, bytes]]:
    """Yield all keys and lines from a key on."""
    listed = ledger.boundaries()
    boundary, following = next(listed, None), next(listed, None)
    while following is not None and following <= start:
        boundary, following = following, next(listed, None)
    while boundary is not None:
        segment = ledger.read(boundary)
        until = first_of(segment.until, following)
        yield from ((key, line) for key, line in segment.lines.items() if start <= key and (not until or key < until))
        boundary = until
        # Otherwise it was split since the listing.
        if until == following:
            following = next(listed, None)
