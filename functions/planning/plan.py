"""Plans a range of the source's keys: as many pages of the listing as fit into one call.

Memory is constant: a page of the source, a page of the target for each renaming, a segment of the ledger, the
unfinished slices, and the keys of our own unfinished uploads.

Idempotent: every call writes to a folder of its own, and only the folders in the document belong to the plan.

Raises SettingInvalid, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from functions.contract.bulk import PLANNED, Action, Plan, PlanFolder, PlannedObject, PlannedTarget, PlanScope, Reason
from functions.contract.inventory import SortedInventory
from functions.contract.ledger import LedgerEntry
from functions.contract.rules import Rules
from functions.inventory.source import InventorySource
from functions.ledger.segments import Ledger
from functions.objects.head import Head, head
from functions.objects.uploads import creator, upload_pages
from functions.planning.decisions import OF_NO_OBJECT, Selected, Selection, act_on, compare_by_head, compare_listed
from functions.planning.entry_files import EntryWriter
from functions.planning.listings import ListedObject, Page, pages, up_to
from functions.planning.memory import PlanMemory
from functions.planning.settings import PlanSettings
from functions.planning.slices import BATCH, EXECUTION, FILE, KINDS, MOVE, MOVED_FILE, SliceWriter
from functions.planning.tallies import Tallies
from functions.planning.targets import Targets
from functions.runtime.errors import FerryError, Throttled

MARGIN_MS = 60_000
"""Kept of the function's time: a page whose objects all need HEAD takes seconds, and longer while S3 throttles."""

HEADS_AT_ONCE = 16


@dataclass(frozen=True)
class PlanRequest:
    """What one call has to do for a run. `token` is different for each call. `most_shards` may plan at once."""

    scope: PlanScope
    rules: Rules
    settings: PlanSettings
    token: str
    remaining_ms: Callable[[], int]
    run: str = ""
    most_shards: int = 1

    def time_is_left(self) -> bool:
        """Check whether the function has time for another page."""
        return self.remaining_ms() > MARGIN_MS


@dataclass(frozen=True)
class ObjectOutcome:
    """What is decided about one listed object."""

    listed: ListedObject
    action: Action
    reason: Reason
    selected: Selected | None = None
    target: ListedObject | None = None
    entry: LedgerEntry | None = None

    def planned_object(self, selected: Selected) -> PlannedObject:
        """Return the object's line in a slice."""
        found, target = self.listed, self.target
        return PlannedObject(
            key=found.key,
            etag=found.etag,
            size_bytes=found.size_bytes,
            last_modified=found.last_modified,
            action=self.action,
            reason=self.reason,
            rule=selected.rule,
            target=target
            and PlannedTarget(etag=target.etag, size_bytes=target.size_bytes, last_modified=target.last_modified),
        )


def plan_range(request: PlanRequest, previous: Plan, stop_at: int | None = None) -> Plan:
    """Plan until the range ends, so many objects are planned in all, or time runs out; return the progress.

    A call that S3 throttles returns what it has done; if that is nothing, it raises.
    """
    call = _Call(request, previous, stop_at)
    with ThreadPoolExecutor(HEADS_AT_ONCE) as pool:
        finished = call.run(pool)
    return call.finish(finished)


class _Call:
    """The state of one call."""

    def __init__(self, request: PlanRequest, previous: Plan, stop_at: int | None) -> None:
        self._request, self._previous, self._stop_at = request, previous, stop_at
        self._until = previous.shard.until if previous.shard else None
        settings = request.settings
        self._began = time.monotonic()
        self._folder = f"{previous.calls:05}-{request.token}"
        self._targets = Targets(settings.target_bucket, settings.target_region, request.rules)
        self._writers = {
            kind: SliceWriter(
                settings.rules_bucket,
                settings.target_region,
                f"{previous.folder}{self._folder}/{kind}",
                request.scope.slice_objects,
            )
            for kind in KINDS
        }
        self._tallies = Tallies(previous.tallies)
        self._last_key, self._objects, self._as_of = previous.last_key, previous.objects, previous.as_of
        self._inventory: InventorySource | None = None
        self._sorted = previous.inventory
        if request.scope.inventory:
            bucket, region = settings.rules_bucket, settings.target_region
            self._inventory = InventorySource(request.scope, bucket, region, previous.folder)
            self._sorted = self._sorted or SortedInventory()
        self._entries = EntryWriter(settings.rules_bucket, settings.target_region, f"{previous.folder}{self._folder}")
        ledger = Ledger(settings.rules_bucket, settings.target_region, request.scope.bucket)
        self._memory = PlanMemory(ledger, request.scope, request.run, self._last_key or "", self._entries)

    def run(self, pool: ThreadPoolExecutor) -> bool:
        """Plan page by page; return whether the range ended."""
        if self._inventory and self._sorted and self._sorted.status == "sorting":
            self._sorted = self._inventory.continue_sorting(self._sorted, self._time_is_left)
            return False
        decided = self._decided_pages(pool)
        while True:
            try:
                page, outcomes = next(decided)
            except Throttled:
                if self._last_key == self._previous.last_key:
                    raise
                return False
            for outcome in outcomes:
                self._record(outcome)
            if page.objects:
                self._last_key = page.objects[-1].key
            if page.covers is None:
                self._memory.finish(self._until)
                return True
            if not self._time_is_left() or (self._stop_at is not None and self._objects >= self._stop_at):
                return False

    def finish(self, finished: bool) -> Plan:
        """Write the unfinished slices; return the progress."""
        self._entries.flush()
        for writer in self._writers.values():
            writer.flush()
        written = {kind: writer.written for kind, writer in self._writers.items()}
        folder = PlanFolder(
            name=self._folder,
            batches=written[BATCH],
            moves=written[MOVE],
            files=written[FILE],
            moved_files=written[MOVED_FILE],
            executions=written[EXECUTION],
            entries=self._entries.written,
        )
        is_empty = not (any(written.values()) or folder.entries)
        changes: dict[str, Any] = {
            "status": "planned" if finished else "planning",
            "as_of": self._as_of,
            "last_key": self._last_key,
            "objects": self._objects,
            "tallies": self._tallies.as_list(),
            "folders": [*self._previous.folders, *([] if is_empty else [folder])],
            "bucket": self._request.settings.rules_bucket,
            "calls": self._previous.calls + 1,
            "inventory": self._sorted,
        }
        return self._previous.model_copy(update=changes)

    def _keys_in_progress(self) -> frozenset[str]:
        """Return the target keys that a running execution copies in parts: a second copy would abort its upload."""
        settings = self._request.settings
        own = f":assumed-role/{settings.copy_role}"
        return frozenset(
            key
            for page in upload_pages(settings.target_bucket, settings.target_region)
            for key, upload in page
            if creator(upload).endswith(own)
        )

    def _decided_pages(self, pool: ThreadPoolExecutor) -> Iterator[tuple[Page, list[ObjectOutcome]]]:
        """Yield each page with what is done with each of its objects; all HEADs of a page run in parallel."""
        scope = self._request.scope
        in_progress = self._keys_in_progress()
        for page in self._source_pages():
            self._as_of = self._memory.as_of = self._as_of or page.answered_at
            selection = Selection(self._request.rules, scope, self._as_of)
            listed = [self._by_listing(found, selection, in_progress) for found in page.objects]
            heads = pool.map(self._by_head, [each for each in listed if isinstance(each, _NeedsHead)])
            yield page, [next(heads) if isinstance(each, _NeedsHead) else each for each in listed]

    def _source_pages(self) -> Iterator[Page]:
        scope, after = self._request.scope, self._last_key or ""
        if self._inventory and self._sorted:
            found = self._inventory.pages(self._sorted, after)
        else:
            found = pages(scope.bucket, scope.region, scope.prefix, after)
        return up_to(self._until, found)

    def _by_listing(
        self, listed: ListedObject, selection: Selection, in_progress: frozenset[str]
    ) -> "ObjectOutcome | _NeedsHead":
        entry = self._memory.find(listed)
        selected = selection.select(listed)
        if not isinstance(selected, Selected):
            return ObjectOutcome(listed, "skip", selected)
        if selected.target_key in in_progress:
            return ObjectOutcome(listed, "skip", "upload_in_progress", selected)
        if not self._targets.is_listed(selected):
            return _NeedsHead(selected, entry)
        target = self._targets.find(selected)
        reason = self._known(entry, selected, target)
        if reason is None:
            return _NeedsHead(selected, entry)
        return _outcome(selected, reason, target, entry)

    def _known(self, entry: LedgerEntry | None, selected: Selected, target: ListedObject | None) -> Reason | None:
        """Return what the ledger or the listings decide."""
        known = self._memory.reason(entry, selected, target)
        return known or compare_listed(selected.source, target, selected.needed_grade)

    def _by_head(self, undecided: "_NeedsHead") -> ObjectOutcome:
        scope, settings = self._request.scope, self._request.settings
        selected, entry = undecided.selected, undecided.entry
        try:
            found = head(settings.target_bucket, settings.target_region, selected.target_key, absence_is_common=True)
        except OF_NO_OBJECT:
            raise
        except FerryError:
            return _outcome(selected, "not_comparable", None, entry)
        target = _as_listed(found) if found else None
        reason = self._known(entry, selected, target)
        if reason is None and found is not None:
            reason = compare_by_head(scope.bucket, scope.region, selected, found)
        return _outcome(selected, reason or "new", target, entry)

    def _record(self, outcome: ObjectOutcome) -> None:
        self._objects += 1
        self._tallies.add(outcome.listed, outcome.action, outcome.reason, outcome.selected)
        if outcome.selected:
            self._memory.learn(outcome.selected, outcome.reason, outcome.target, outcome.entry)
        if outcome.selected and outcome.action in PLANNED:
            kind = outcome.selected.slice_kind(outcome.reason)
            self._writers[kind].add(outcome.planned_object(outcome.selected))

    def _time_is_left(self) -> bool:
        most_seconds = self._request.scope.most_seconds
        if most_seconds is not None and time.monotonic() - self._began >= most_seconds:
            return False
        return self._request.time_is_left()


@dataclass(frozen=True)
class _NeedsHead:
    """An object that the listings do not decide."""

    selected: Selected
    entry: LedgerEntry | None


def _outcome(
    selected: Selected, reason: Reason, target: ListedObject | None, entry: LedgerEntry | None
) -> ObjectOutcome:
    action, reason = act_on(selected, reason)
    return ObjectOutcome(selected.source, action, reason, selected, target, entry)


def _as_listed(found: Head) -> ListedObject:
    stored = found.object
    return ListedObject(stored.key, stored.etag, stored.size_bytes, found.last_modified)
