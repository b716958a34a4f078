"""Copies the small objects of a slice, as CopyObject does.

Idempotent: what an earlier call copied is found at the target. Raises what functions/batches/steps.py lists.
"""

from functions.batches.records import COPIED, read_slice
from functions.batches.steps import BatchCall, work_on_slice
from functions.contract.batches import Batch, Outcome
from functions.contract.bulk import IDLE, SAME, PlannedObject
from functions.contract.models import Source
from functions.copying.multipart import is_multipart
from functions.copying.protocol import copy_object, copy_planned
from functions.copying.request import CopyRequest
from functions.objects.head import head, is_upload, location
from functions.runtime.errors import NotSmall


def copy_batch(call: BatchCall, previous: Batch | None) -> Batch:
    """Copy the objects of a slice that no earlier call has copied."""
    planned = read_slice(call.settings, call.slice_key)
    return work_on_slice(call, COPIED, planned, lambda each: _copy(call, each), previous)


def _copy(call: BatchCall, planned: PlannedObject) -> Outcome | None:
    if planned.reason in IDLE:
        return Outcome(key=planned.key, status="undecided")
    scope = call.scope
    source = head(scope.bucket, scope.region, planned.key)
    if source is None:
        return Outcome(key=planned.key, status="skipped", error="SourceMissing")
    rule, found = planned.rule, source.object
    if is_multipart(found, rule.multipart_threshold_bytes):
        raise NotSmall(
            f"{location(found.bucket, found.key)} was replaced after planning by an object too large for a batch. Its "
            "upload event starts an execution; if there is no event, start another backfill."
        )
    target_key, settings = rule.target_key or planned.key, call.settings
    request = CopyRequest(Source.of(found), rule, target_key, settings, call.began, call.remaining_ms)
    is_there = planned.reason in SAME
    if is_there or (planned.action == "undecided" and found.checksum_algorithm is None):
        # The target has it already, or a copy would be no more comparable than the target is now: compare them instead.
        copy = copy_object(request)
    else:
        copy = copy_planned(request, source, planned.target.etag if planned.target else None)
    if copy.status == "in_progress":
        return None
    is_newer = copy.source is not None and not is_upload(copy.source, request.upload)
    if copy.status == "superseded" or (is_newer and rule.mode == "move"):
        # A newer upload took its place while it was copied: that has an event of its own, which also moves it.
        return Outcome(key=planned.key, status="skipped", error="Superseded")
    return Outcome(
        key=planned.key, status=copy.status, source=copy.source, target=copy.target, copied_at=copy.copied_at
    )
