"""What PlanAudit and FindExtra share: they go through a listing in calls, and write objects as slices.

Raises SettingInvalid, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from functions.auditing.settings import AuditSettings
from functions.contract.audit import AuditScope
from functions.contract.bulk import Action, PlanFolder, PlannedObject, Reason
from functions.contract.models import Rule
from functions.contract.rules import Rules
from functions.planning.listings import ListedObject, Page
from functions.planning.slices import BATCH, SliceWriter
from functions.runtime.errors import Throttled

MARGIN_MS = 60_000
"""Kept of the function's time for the next page and the last slices."""

PAIRS, SKIPPED, EXTRA = "pairs", "skipped", "extra"
"""The kinds of slices."""


@dataclass(frozen=True)
class ListingCall:
    """One call. `token` is different for each, so no slice is ever overwritten."""

    scope: AuditScope
    rules: Rules
    settings: AuditSettings
    folder: str
    number: int
    token: str
    remaining_ms: Callable[[], int]

    def writer(self, kind: str) -> SliceWriter:
        """Return the writer of a kind of slices of this call."""
        return SliceWriter(
            self.settings.rules_bucket,
            self.settings.target_region,
            f"{self.folder}{self._name(kind)}/{BATCH}",
            self.scope.slice_objects,
        )

    def written(self, kind: str, writer: SliceWriter) -> list[PlanFolder]:
        """Write the unfinished slice; return the folder of this call, if it has any."""
        writer.flush()
        return [PlanFolder(name=self._name(kind), batches=writer.written)] if writer.written else []

    def _name(self, kind: str) -> str:
        return f"{kind}/{self.number:05}-{self.token}"


def pages_in_time(call: ListingCall, pages: Iterable[Page]) -> Iterator[Page]:
    """Yield pages until the time is up. If S3 throttles, the call ends with the pages that it has, or raises."""
    pages_left = iter(pages)
    any_page = False
    while not any_page or call.remaining_ms() > MARGIN_MS:
        try:
            page = next(pages_left, None)
        except Throttled:
            if not any_page:
                raise
            return
        if page is None:
            return
        yield page
        any_page = True


def to_compare(listed: ListedObject, rule: Rule) -> PlannedObject:
    """Return the line of an object that is compared. Nothing is decided before both objects are read with HEAD."""
    return _line(listed, "undecided", "not_comparable", rule)


def not_compared(listed: ListedObject, reason: Reason) -> PlannedObject:
    """Return the line of an object that is only reported."""
    return _line(listed, "skip", reason, Rule())


def _line(listed: ListedObject, action: Action, reason: Reason, rule: Rule) -> PlannedObject:
    return PlannedObject(
        key=listed.key,
        etag=listed.etag,
        size_bytes=listed.size_bytes,
        last_modified=listed.last_modified,
        action=action,
        reason=reason,
        rule=rule,
    )
