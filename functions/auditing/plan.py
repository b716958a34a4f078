"""Plans an audit: which objects of the source are compared, by the rules and the scope.

The target is not listed for it. A listing never has the metadata or the value of a checksum, and equal ETags with a
newer target, which a backfill takes for a copy, are what another tool leaves that dropped the metadata. So every
object is compared with HEAD of both, and nothing is settled before.

Memory is constant: a page of the listing and two unfinished slices. Idempotent: each call writes to a folder of its
own, and only the folders in the document belong to the plan.

Raises SettingInvalid, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections import Counter

from functions.auditing.listing import PAIRS, SKIPPED, ListingCall, not_compared, pages_in_time, to_compare
from functions.contract.audit import AuditPlan
from functions.planning.decisions import Selected, Selection
from functions.planning.line_files import put
from functions.planning.listings import pages
from functions.planning.requests import counted_requests
from functions.planning.slices import BATCH, pointers
from functions.runtime.errors import SettingInvalid

SLICES = "slices.json"


def continue_plan(call: ListingCall, previous: AuditPlan) -> AuditPlan:
    """Plan until the listing ends or time runs out; return the progress."""
    if call.scope.bucket == call.settings.target_bucket:
        raise SettingInvalid(
            f"{call.scope.bucket} is the target bucket, which cannot be compared with itself. Audit a source bucket."
        )
    with counted_requests() as requests:
        plan = _continue(call, previous)
        if plan.status == "planned":
            files = pointers(plan.folder, plan.pairs, BATCH)
            put(plan.bucket, call.settings.target_region, plan.slices_key, files, "the plan to")
    return plan.model_copy(update={"requests": dict(Counter(previous.requests) + requests)})


def _continue(call: ListingCall, previous: AuditPlan) -> AuditPlan:
    scope = call.scope
    pairs, skipped = call.writer(PAIRS), call.writer(SKIPPED)
    as_of, last_key, objects, finished = previous.as_of, previous.last_key, previous.objects, False
    for page in pages_in_time(call, pages(scope.bucket, scope.region, scope.prefix, last_key or "")):
        as_of = as_of or page.answered_at
        selection = Selection(call.rules, scope, as_of)
        for listed in page.objects:
            found = selection.select(listed)
            if isinstance(found, Selected):
                pairs.add(to_compare(listed, found.rule))
            else:
                skipped.add(not_compared(listed, found))
        objects += len(page.objects)
        last_key = page.objects[-1].key if page.objects else last_key
        finished = page.covers is None
    folders = [*previous.pairs, *call.written(PAIRS, pairs)]
    return AuditPlan(
        status="planned" if finished else "planning",
        folder=previous.folder,
        as_of=as_of,
        last_key=last_key,
        objects=objects,
        pairs=folders,
        skipped=[*previous.skipped, *call.written(SKIPPED, skipped)],
        bucket=call.settings.rules_bucket,
        slices=sum(folder.batches for folder in folders),
        slices_key=f"{previous.folder}{SLICES}",
        calls=previous.calls + 1,
    )
