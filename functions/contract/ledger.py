"""The ledger's lines: what a plan or a run settled about an object of a source, until the object changes.

An entry speaks of one source object, by ETag, size and LastModified: listings have all three. It says nothing about
another object of the same key, and nothing about another target key. Fields are only added, with a default.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Literal

from pydantic import NonNegativeInt

from functions.contract.bulk import Reason
from functions.contract.objects import Grade, Model, Utc

LedgerOutcome = Literal["verified", "same", "started", "undecided", "skipped", "failed", "gone"]
"""`verified`: by a run. `same`: by a plan, from HEAD or the listings. `started`: by a run that did not wait, so the
next one looks at the execution. `undecided`: too large to compare. `skipped` and `failed` have a reason or an error.
`gone`: the source has no such object; no segment has such a line."""

ARRIVED: Collection[LedgerOutcome] = ("verified", "same")
"""The target had the object."""


class LedgerTarget(Model):
    """The target's object. `last_modified` is null until a listing was seen: the response to a copy lacks it."""

    etag: str
    size_bytes: NonNegativeInt
    last_modified: Utc | None = None


class LedgerEntry(Model):
    """One line. `target_key` is null if it is the source's key; `target` is null if there was no object.

    `grade` is null if only ETags were compared. `as_of` is when the plan of `run` began: the later one counts.
    """

    key: str
    etag: str = ""
    size_bytes: NonNegativeInt = 0
    last_modified: Utc | None = None
    outcome: LedgerOutcome
    target_key: str | None = None
    target: LedgerTarget | None = None
    grade: Grade | None = None
    reason: Reason | None = None
    error: str | None = None
    run: str = ""
    as_of: Utc

    def is_about(self, etag: str, size_bytes: int, last_modified: datetime) -> bool:
        """Check whether this is the source object that the entry speaks of."""
        return (self.etag, self.size_bytes, self.last_modified) == (etag, size_bytes, last_modified)
