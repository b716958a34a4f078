"""Finds what the target has and no source: goes through the target's listing, and looks up the source keys of each.

A renaming that only replaces the beginning of keys keeps their order, so each distinct one has a cursor in each source;
the others are looked up one by one (functions/planning/targets.py does the same the other way around), by listing
each key alone, which needs no permission to read it. Memory is constant: a page of the target, one of a source for
each cursor, and an unfinished slice.

A cursor's page may be older than the target's: what was uploaded and copied in between would look extra. So what the
target got since the search began is looked up one by one, too.

Idempotent, as functions/auditing/plan.py. Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from functions.auditing.listing import EXTRA, ListingCall, not_compared, pages_in_time
from functions.auditing.origins import Origin, Replaced, leads_from, origins, target_prefixes
from functions.contract.audit import AuditedSource, ExtraSearch
from functions.objects.head import location
from functions.planning.decisions import CLOCK_SKEW
from functions.planning.listings import ListedObject, Page, TargetCursor, pages
from functions.planning.requests import counted_requests
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors


def continue_search(call: ListingCall, previous: ExtraSearch) -> ExtraSearch:
    """Search until the target's listing ends or time runs out; return the progress."""
    with counted_requests() as requests:
        search = _continue(call, previous)
    return search.model_copy(update={"requests": dict(Counter(previous.requests) + requests)})


def _continue(call: ListingCall, previous: ExtraSearch) -> ExtraSearch:
    writer, as_of, last_key = call.writer(EXTRA), previous.as_of, previous.last_key
    objects, extra, finished = previous.objects, previous.extra, False
    sources = _Sources(call)
    prefixes = target_prefixes(call.rules, call.scope)
    for page in pages_in_time(call, _target_pages(call, prefixes, last_key or "")):
        as_of = as_of or page.answered_at
        for listed in page.objects:
            last_key = listed.key
            objects += 1
            if sources.lack(listed, as_of):
                writer.add(not_compared(listed, "no_source"))
                extra += 1
        finished = page.covers is None
    return ExtraSearch(
        status="complete" if finished else "searching",
        as_of=as_of,
        last_key=last_key,
        objects=objects,
        extra=extra,
        folders=[*previous.folders, *call.written(EXTRA, writer)],
        calls=previous.calls + 1,
    )


def _target_pages(call: ListingCall, prefixes: list[str], last_key: str) -> Iterator[Page]:
    """Yield the target's objects with any of these prefixes, after a key; the last page covers everything."""
    settings = call.settings
    # After the last key there is nothing more of a prefix that sorts before it, unless the key itself has it.
    left = [prefix for prefix in prefixes if prefix > last_key or last_key.startswith(prefix)]
    for prefix in left:
        after = last_key if last_key.startswith(prefix) else ""
        for page in pages(settings.target_bucket, settings.target_region, prefix, after):
            is_last = page.covers is None and prefix == left[-1]
            if page.objects or is_last:
                # Each page leads on: a call may end after any of them, and the next one continues after its last key.
                yield Page(page.objects, None if is_last else page.covers or prefix, page.answered_at)


class _Sources:
    """Looks up keys in all sources, which must be asked for in the order of the target's keys."""

    def __init__(self, call: ListingCall) -> None:
        self._call = call
        self._cursors: dict[tuple[str, Replaced], TargetCursor] = {}

    def lack(self, listed: ListedObject, as_of: datetime) -> bool:
        """Check whether no source has a key that leads to this object of the target, and the scope wants to know."""
        scope = self._call.scope
        found = origins(self._call.rules, listed.key)
        if not scope.whole and not any(leads_from(scope, origin) for origin in found):
            return False
        places = [(source, origin) for origin in found for source in scope.sources if source.selects(origin.key)]
        if any(self._is_listed(*place) for place in places):
            return False
        is_new = listed.last_modified > as_of - CLOCK_SKEW
        return not any(_exists(*place) for place in places if is_new or place[1].replaced is None)

    def _is_listed(self, source: AuditedSource, origin: Origin) -> bool:
        if origin.replaced is None:
            return False
        place = source.bucket, origin.replaced
        if place not in self._cursors:
            self._cursors[place] = TargetCursor(source.bucket, source.region)
        return self._cursors[place].find(origin.key) is not None


def _exists(source: AuditedSource, origin: Origin) -> bool:
    """Check whether a source has a key. Of all keys that begin with it, it sorts first."""
    with aws_errors(f"listing {location(source.bucket, origin.key)}"):
        response = clients.s3(source.region).list_objects_v2(Bucket=source.bucket, Prefix=origin.key, MaxKeys=1)
    return any(found["Key"] == origin.key for found in response.get("Contents", ()))
