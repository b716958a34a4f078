"""Ranges of keys, and how neighbours are joined to few ranges of about equal weight. Pure.

Keys are compared by code points, which is the order of S3's listings (functions/planning/listings.py).
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class KeyRange:
    """The keys after `after`, up to `until` and including it; None: it has no end.

    `position` is how many folders of the run's plan have smaller keys.
    """

    after: str
    until: str | None
    position: int = 0

    def has(self, key: str) -> bool:
        """Check whether a key is in the range."""
        return self.after < key and (self.until is None or key <= self.until)

    def within(self, ascending: Sequence[str]) -> Sequence[str]:
        """Return those of the sorted keys that are in the range."""
        end = len(ascending) if self.until is None else bisect_right(ascending, self.until)
        return ascending[bisect_right(ascending, self.after) : end]

    def divided(self, bounds: Iterable[str]) -> list["KeyRange"]:
        """Return the ranges between those of these keys that are inside. Together they always are this range."""
        inner = sorted({bound for bound in bounds if self.has(bound) and bound != self.until})
        ends: list[str | None] = [*inner, self.until]
        return [KeyRange(after, until, self.position) for after, until in zip([self.after, *inner], ends, strict=True)]


@dataclass(frozen=True, slots=True)
class WeightedRange:
    """A range, and about how many keys it has beside the others."""

    keys: KeyRange
    weight: int


def joined(parts: Sequence[WeightedRange], most: int) -> list[KeyRange]:
    """Join neighbours until at most so many ranges are left, of about equal weight; `parts` are in ascending order.

    Ranges between which others are planned already are never joined, so there may have to be more.
    """
    apart = sum(one.keys.until != two.keys.after for one, two in pairwise(parts))
    total, shares = sum(part.weight for part in parts), max(1, most - apart)
    found: list[KeyRange] = []
    before, share = 0, 0
    for part in parts:
        # Another range begins wherever the weights so far pass another share of the total.
        now = min(before * shares // total, shares - 1) if total else 0
        if not found or now > share or found[-1].until != part.keys.after:
            found.append(part.keys)
        else:
            found[-1] = KeyRange(found[-1].after, part.keys.until, found[-1].position)
        before, share = before + part.weight, now
    return found
