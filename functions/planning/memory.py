"""What a plan knows from the ledger, and what it adds.

Asked before anything is compared, for each listed key in order. It answers only about the very object that was listed,
by ETag, size and LastModified, and for most outcomes only if the target's object is the same, too. What is new is
written to files of the plan. WriteReport puts it into the ledger, so that a dry run does not change it.

Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from datetime import UTC, datetime
from typing import Any

from functions.contract.bulk import PlanScope, Reason
from functions.contract.ledger import ARRIVED, LedgerEntry, LedgerTarget
from functions.ledger.cursor import LedgerCursor
from functions.ledger.entries import REMEMBERED_ERRORS
from functions.ledger.segments import Ledger
from functions.planning.decisions import ARRIVED_REASONS, Selected
from functions.planning.entry_files import EntryWriter
from functions.planning.listings import ListedObject
from functions.runtime.errors import ValidationFailed
from functions.verification.compare import reaches


class PlanMemory:
    """The ledger as one call of PlanBatches sees it, from the key `after` on. `as_of` is when the plan began."""

    def __init__(self, ledger: Ledger, scope: PlanScope, run: str, after: str, writer: EntryWriter) -> None:
        self._cursor = LedgerCursor(ledger, scope.prefix, after)
        self._scope, self._run, self._writer = scope, run, writer
        self.as_of = datetime.min.replace(tzinfo=UTC)

    def find(self, listed: ListedObject) -> LedgerEntry | None:
        """Return what the ledger says about a listed object. Every key of the listing must be asked for, in order."""
        entry = self._cursor.find(listed.key)
        self._forget_passed()
        same = entry is not None and entry.is_about(listed.etag, listed.size_bytes, listed.last_modified)
        return entry if same else None

    def reason(self, entry: LedgerEntry | None, selected: Selected, target: ListedObject | None) -> Reason | None:
        """Return what an entry decides; None if it does not."""
        if entry is None or entry.target_key != selected.rule.target_key:
            return None
        if entry.outcome in ARRIVED:
            if target is None:
                restored = self._scope.again or selected.rule.restore_deleted
                return None if restored else "deleted_at_target"
            return "settled" if _is_target(entry, target) and _reaches(entry, selected) else None
        if entry.outcome == "started":
            return "started_before"
        # A run that is redriven tries again what failed.
        is_tried_again = self._scope.again or entry.run == self._run
        if entry.outcome == "failed":
            return _of_failure(entry, selected, target, is_tried_again=is_tried_again)
        if is_tried_again:
            return None
        if entry.outcome == "skipped":
            return entry.reason
        return "too_large" if _is_target(entry, target) and selected.never_comparable else None

    def learn(self, selected: Selected, reason: Reason, target: ListedObject | None, known: LedgerEntry | None) -> None:
        """Note a decision that the next plan need not make again, unless the ledger has it already."""
        if reason in ARRIVED_REASONS and target and selected.rule.mode == "copy":
            seen = LedgerTarget(etag=target.etag, size_bytes=target.size_bytes, last_modified=target.last_modified)
            if reason != "settled":
                grade = None if selected.needed_grade == "any" else selected.needed_grade
                self._note(selected, outcome="same", target=seen, grade=grade)
            elif known and known.target != seen:
                # The copy's time: its response did not have it.
                self._writer.add(known.model_copy(update={"target": seen}))
        elif reason == "customer_key" and (known is None or known.reason != reason):
            self._note(selected, outcome="skipped", reason=reason)

    def finish(self, until: str | None) -> None:
        """Forget the entries that are left up to a key, because the listing has no more; None: all of them."""
        self._cursor.finish(self._scope.prefix, until)
        self._forget_passed()

    def _forget_passed(self) -> None:
        # An inventory may have a prefix of its own, which its manifest does not say: a key that it lacks may exist.
        if not self._scope.inventory:
            for key in self._cursor.passed:
                self._writer.add(LedgerEntry(key=key, outcome="gone", run=self._run, as_of=self.as_of))
        self._cursor.passed.clear()

    def _note(self, selected: Selected, **fields: Any) -> None:
        source = selected.source
        entry = LedgerEntry(
            key=source.key,
            etag=source.etag,
            size_bytes=source.size_bytes,
            last_modified=source.last_modified,
            target_key=selected.rule.target_key,
            run=self._run,
            as_of=self.as_of,
            **fields,
        )
        self._writer.add(entry)


def _of_failure(
    entry: LedgerEntry, selected: Selected, target: ListedObject | None, *, is_tried_again: bool
) -> Reason | None:
    """Return what a failure decides, as long as the target has the same object as then, or none."""
    if not _is_target(entry, target):
        return None
    if entry.error in REMEMBERED_ERRORS and not is_tried_again:
        return "failed_before"
    # The listings would show no difference. A move is planned whatever they show.
    of_the_rows = entry.error == ValidationFailed.__name__ or entry.error not in REMEMBERED_ERRORS
    is_copy = selected.is_catalogued and selected.rule.mode == "copy"
    return "not_validated" if target and of_the_rows and is_copy else None


def _is_target(entry: LedgerEntry, target: ListedObject | None) -> bool:
    """Check whether the target's object is the one that the entry speaks of."""
    expected = entry.target
    if expected is None or target is None:
        return expected is None and target is None
    same_time = expected.last_modified in (None, target.last_modified)
    return same_time and (expected.etag, expected.size_bytes) == (target.etag, target.size_bytes)


def _reaches(entry: LedgerEntry, selected: Selected) -> bool:
    needed = selected.needed_grade
    return needed == "any" or (entry.grade is not None and reaches(entry.grade, needed))
