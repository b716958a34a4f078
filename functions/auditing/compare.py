"""Compares one source object with the target: HEAD of both, and more requests only where they are asked for.

The target is read first. So if the source is still the object that the listing had, it was that object when the target
was read, and a difference is one; if it is not, a newer upload's copy may be under way, and the pair is skipped.

What can be compared of objects that cannot be read: an archived one has its checksums and metadata in HEAD; of one
encrypted with a customer-provided key (SSE-C), only the size in the listing.

Idempotent: it only reads. Raises Throttled, AccessDenied, BucketMissing, RequestRejected, CustomerKeyRequired.
"""

from collections.abc import Callable
from dataclasses import dataclass

from functions.auditing.attributes import ANNOTATIONS, TAGS, Difference, differing, differing_annotations
from functions.batches.causes import short_cause
from functions.contract.audit import AuditScope
from functions.contract.batches import Outcome
from functions.contract.bulk import PlannedObject, Reason
from functions.contract.models import ReadProgress
from functions.objects.annotations import annotations
from functions.objects.head import Head, ObjectChanged, head, location, tags
from functions.runtime.errors import CustomerKeyRequired
from functions.verification.compare import compare_stored, continue_reading, reaches
from functions.verification.readback import Comparison


@dataclass(frozen=True)
class PairCall:
    """What is compared: an object of a slice, with the target bucket, and how far an earlier call has read it."""

    planned: PlannedObject
    scope: AuditScope
    target_bucket: str
    target_region: str
    previous: Outcome | None
    remaining_ms: Callable[[], int]

    @property
    def target_key(self) -> str:
        """The key at the target."""
        return self.planned.rule.target_key or self.planned.key

    def outcome(self, reason: Reason, cause: str | None = None) -> Outcome:
        """Return that nothing can be compared, and why."""
        status = "missing" if reason == "new" else "undecided" if reason == "customer_key" else "skipped"
        return Outcome(key=self.planned.key, status=status, reason=reason, cause=cause)


def compare_pair(call: PairCall) -> Outcome:
    """Return what is found about one object; its status is `reading` if the time ended before its bytes were read."""
    planned, scope = call.planned, call.scope
    target = _read_target(call)
    if isinstance(target, CustomerKeyRequired):
        return call.outcome("customer_key", str(target))
    try:
        source = head(scope.bucket, scope.region, planned.key)
    except CustomerKeyRequired as error:
        return _compare_listed(call, target, str(error))
    if source is None:
        return call.outcome("source_missing")
    replaced = (source.object.etag, source.object.size_bytes) != (planned.etag, planned.size_bytes)
    if target is None:
        if replaced:
            return call.outcome("changed_meanwhile")
        archived = "The source is archived. Restore it before copying it." if source.archived else None
        return call.outcome("new", archived)
    try:
        outcome = _compare(call, source, target)
    except ObjectChanged:
        return call.outcome("changed_meanwhile")
    if replaced and outcome.status == "differs":
        return call.outcome("changed_meanwhile")
    return outcome


def _read_target(call: PairCall) -> Head | CustomerKeyRequired | None:
    try:
        return head(call.target_bucket, call.target_region, call.target_key, absence_is_common=True)
    except CustomerKeyRequired as error:
        return error


def _compare_listed(call: PairCall, target: Head | None, cause: str) -> Outcome:
    """Compare an object that HEAD cannot read with the target."""
    if target is None:
        return call.outcome("new", cause)
    size_bytes = call.planned.size_bytes
    if target.object.size_bytes != size_bytes:
        difference = Difference.of("size", f"{size_bytes:,} bytes", f"{target.object.size_bytes:,} bytes")
        return _differs(call, "size_differs", [difference])
    return call.outcome("customer_key", cause)


def _compare(call: PairCall, source: Head, target: Head) -> Outcome:
    found = [each for each in differing(source, target, call.planned.rule) if not _is_ignored(call.scope, each)]
    if call.scope.tags and not any(each.name == TAGS for each in found) and TAGS not in call.scope.ignored:
        # HEAD counts tags only for a role that may read them, and equal numbers say nothing about their values.
        pair = tags(source.object), tags(target.object)
        found += [Difference.of(TAGS, *pair)] if pair[0] != pair[1] else []
    if call.scope.annotations and ANNOTATIONS not in call.scope.ignored:
        annotated = differing_annotations(annotations(source.object), annotations(target.object))
        found += [each for each in annotated if not _is_ignored(call.scope, each)]
    judged = _judge_bytes(call, source, target)
    if judged.status == "reading":
        return judged
    if judged.status == "differs":
        is_size = source.object.size_bytes != target.object.size_bytes
        content = Difference("size" if is_size else "content", judged.cause or "")
        return _differs(call, "size_differs" if is_size else "content_differs", [content, *found], judged)
    return _differs(call, "metadata_differs", found, judged) if found else judged


def _judge_bytes(call: PairCall, source: Head, target: Head) -> Outcome:
    """Return what is known of the bytes alone; read them if that is asked for and stored checksums do not tell."""
    minimum = call.planned.rule.minimum_grade
    outcome = Outcome(key=call.planned.key, status="undecided", source=source.object, target=target.object)
    stored = compare_stored(source.object, target.object)
    if stored is not None and (not stored.equal or reaches(stored.grade, minimum)):
        return _compared(outcome, stored)
    undecided = outcome.changed(
        grade=stored.grade if stored else None, reason="grade_too_low" if stored else "not_comparable"
    )
    if not call.scope.read:
        return undecided
    for side in (source, target):
        if side.archived:
            where = location(side.object.bucket, side.object.key)
            return undecided.changed(reason="archived", cause=f"{where} is archived: it cannot be read.")
    result = continue_reading(source.object, target.object, minimum, _progress(call, source), call.remaining_ms)
    if result.comparison is None:
        return outcome.changed(status="reading", reading=result.progress)
    return _compared(outcome, result.comparison)


def _compared(outcome: Outcome, comparison: Comparison) -> Outcome:
    if comparison.equal:
        return outcome.changed(status="verified", grade=comparison.grade, reason="same_checksum")
    return outcome.changed(status="differs", cause=comparison.detail)


def _progress(call: PairCall, source: Head) -> ReadProgress | None:
    """Return how far an earlier call has read, unless the source was replaced. The target is in the progress."""
    previous = call.previous
    if previous is None or previous.source is None:
        return None
    same = previous.source.version_or_etag == source.object.version_or_etag
    return previous.reading if same else None


def _differs(call: PairCall, reason: Reason, found: list[Difference], judged: Outcome | None = None) -> Outcome:
    """Return what differs; `judged` is what is known of the bytes."""
    cause = "; ".join(each.detail for each in found)
    return Outcome(
        key=call.planned.key,
        status="differs",
        reason=reason,
        differences=[each.name for each in found],
        source=judged.source if judged else None,
        target=judged.target if judged else None,
        grade=judged.grade if judged else None,
        cause=short_cause(cause),
    )


def _is_ignored(scope: AuditScope, difference: Difference) -> bool:
    return difference.name in scope.ignored or difference.name.partition(".")[0] in scope.ignored
