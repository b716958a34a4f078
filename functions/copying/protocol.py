"""The protocol of the copy, which never lets an older upload win over a newer one.

(1) Check the target. (2) Check the source: if it is no longer the uploaded object, this upload was superseded. (3) Copy
exactly that source, on the condition that the target is unchanged. (4) Check the source once more: if it changed
meanwhile, copy it again, until it stays the same. A failed condition (412, 409, 404) means that somebody else wrote:
start again at (1). If the target already is this object, by its bytes and by everything that travels with them, the
result is `unchanged`.

A large object is copied in parts over several calls; each starts with the same checks, and completing the upload has
the same conditions, on everything that happened to the key since the upload was created.

Idempotent. Sources: "Copying objects" and "Conditional writes" (Amazon S3 User Guide), CopyObject (S3 API reference).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import assert_never

from aws_lambda_powertools.metrics import MetricUnit

from functions.contract.models import Copy, MultipartUpload
from functions.copying.abandoned_uploads import end_uploads
from functions.copying.already_copied import is_same
from functions.copying.annotations import carry_annotations
from functions.copying.multipart import advance, is_multipart
from functions.copying.outcome import CallAgain, ConditionFailed, Copied, CopyOutcome, PartsCopied
from functions.copying.preconditions import (
    require_data_of_its_table,
    require_no_foreign_table,
    require_readable,
    require_versioned_target,
)
from functions.copying.request import MARGIN_MS, CopyRequest
from functions.copying.single_request import copy_at_once
from functions.copying.tags import carry_tags
from functions.copying.target_attributes import TargetAttributes, target_attributes
from functions.objects.head import Head, ObjectChanged, head, is_upload
from functions.runtime.errors import SourceMissing
from functions.runtime.step import add_metric
from functions.verification.readback import Stopped

FAILED_CONDITIONS = 3
"""How many failed conditions are retried at once, before the state machine waits."""

CLOCK_TOLERANCE = timedelta(seconds=1)
"""LastModified is in whole seconds."""


@dataclass
class Progress:
    """Whether this step may have written the target, its recorded upload, and how often a condition failed."""

    written: bool
    upload: MultipartUpload | None
    failed_conditions: int = 0


def copy_object(request: CopyRequest, previous: Copy | None = None) -> Copy:
    """Copy until source and target stay the same; `previous` is the result of an earlier call."""
    require_versioned_target(request)
    if previous is None:
        require_no_foreign_table(request)
    upload = previous.upload if previous else None
    unfinished = previous is not None and previous.status == "in_progress"
    progress = Progress(written=unfinished and upload is None, upload=upload)
    while request.remaining_ms() > MARGIN_MS and progress.failed_conditions < FAILED_CONDITIONS:
        try:
            result = _check_and_copy(request, progress)
        except ObjectChanged:
            progress.failed_conditions += 1
            continue
        except Stopped:
            break
        if result is not None:
            return result
    return Copy(status="in_progress", upload=progress.upload)


def copy_planned(request: CopyRequest, source: Head, target_etag: str | None) -> Copy:
    """Copy a small source that was just read, over the target that a plan has seen: without step (1) of the protocol.

    The condition is the plan's: if somebody else has written since, or the source changes, the whole protocol follows.
    """
    require_versioned_target(request)
    require_no_foreign_table(request)
    require_readable(request, source)
    try:
        require_data_of_its_table(request, source)
    except ObjectChanged:
        return copy_object(request)
    attributes = target_attributes(source, request.rule)
    outcome = copy_at_once(request, source, target_etag, attributes)
    if isinstance(outcome, ConditionFailed):
        return copy_object(request)
    # The source changed meanwhile: what is there now is copied, because the older copy is ours.
    return _finished(request, source, outcome, attributes) or copy_object(request, Copy(status="in_progress"))


def _check_and_copy(request: CopyRequest, progress: Progress) -> Copy | None:
    """Run the protocol once; None if it has to start again."""
    target, source = _check_target(request), _check_source(request)
    if source is None:
        raise _source_missing(request, progress)
    is_ours = progress.written or is_upload(source.object, request.upload) or _is_removed(request)
    if not is_ours and not _may_be_ours(target, request):
        return _superseded(request, progress)
    require_readable(request, source)
    attributes = target_attributes(source, request.rule)
    if (
        target
        and _may_stay(target, request)
        and is_same(
            source, target, attributes, _completed_upload(request, progress, source, target), request.remaining_ms
        )
    ):
        if not is_ours:
            return _superseded(request, progress)
        return _unchanged(request, progress, source, target, attributes)
    if progress.upload is None and not progress.written:
        require_data_of_its_table(request, source)
    outcome = _copy(request, progress, source, target, attributes)
    match outcome:
        case Copied():
            progress.upload = None
            progress.written = True
            return _finished(request, source, outcome, attributes)
        case CallAgain():
            progress.upload = outcome.upload
            return Copy(status="in_progress", upload=outcome.upload, wait_seconds=outcome.wait_seconds)
        case PartsCopied():
            progress.upload = outcome.upload
        case ConditionFailed():
            progress.upload = outcome.upload
            progress.failed_conditions += 1
        case _:
            assert_never(outcome)
    return None


def _finished(request: CopyRequest, source: Head, copied: Copied, attributes: TargetAttributes) -> Copy | None:
    """Carry over what S3 did not, and check the source once more; None if it changed meanwhile."""
    if copied.in_parts:
        carry_tags(source.object, copied.target)
        carry_annotations(source.object, copied.target)
    now = _check_source(request)
    if now and now.object != source.object:
        return None
    # A source that was deleted meanwhile was copied in time: deletions are not mirrored.
    add_metric("CopiedObjects")
    add_metric("CopiedBytes", source.object.size_bytes, MetricUnit.Bytes)
    # The Date of this check: S3 may send a copy's headers, Date included, long before the copy ends.
    copied_at = now.answered_at if now else datetime.now(UTC)
    notes = list(attributes.notes)
    return Copy(status="copied", source=source.object, target=copied.target, copied_at=copied_at, notes=notes)


def _check_target(request: CopyRequest) -> Head | None:
    settings = request.settings
    return head(settings.target_bucket, settings.target_region, request.target_key, absence_is_common=True)


def _check_source(request: CopyRequest) -> Head | None:
    return head(request.upload.bucket, request.upload.region, request.upload.key)


def _source_missing(request: CopyRequest, progress: Progress) -> SourceMissing:
    """Also if a move of an equal upload may have deleted it: the metadata of this one would be lost silently."""
    end_uploads(request, progress.upload)
    moved = ""
    if request.rule.mode == "move":
        moved = f", or a later upload of it was already moved and is at {request.target}"
    return SourceMissing(
        f"{request.source} is gone: it was deleted or renamed{moved}. If you still need it, upload it again; that "
        "will start a new execution."
    )


def _is_removed(request: CopyRequest) -> bool:
    """Check whether the uploaded version was deleted for good.

    Then an older one may be current again, whose own execution ended as superseded long ago: so it is copied.
    """
    upload = request.upload
    if upload.version_id is None:
        return False
    return head(upload.bucket, upload.region, upload.key, absence_is_common=True, version_id=upload.version_id) is None


def _may_be_ours(target: Head | None, request: CopyRequest) -> bool:
    """Check whether an earlier run of this step may have written the target, and stopped before its last check.

    Then the current source is copied too, so that our older copy does not stay over a newer one.
    """
    return target is not None and target.last_modified >= request.began - CLOCK_TOLERANCE


def _may_stay(target: Head, request: CopyRequest) -> bool:
    """Check whether an equal target may be what the source is moved to: an unversioned one can be overwritten."""
    return request.rule.mode == "copy" or target.object.version_id is not None


def _completed_upload(request: CopyRequest, progress: Progress, source: Head, target: Head) -> MultipartUpload | None:
    """Return the recorded upload if it may have created this target: the response may have been lost."""
    upload = progress.upload
    of_this_source = upload is not None and upload.parts > 0 and upload.source == source.object
    return upload if of_this_source and _may_be_ours(target, request) else None


def _copy(
    request: CopyRequest, progress: Progress, source: Head, target: Head | None, attributes: TargetAttributes
) -> CopyOutcome:
    """Take the next action that the copy of this source needs."""
    if not is_multipart(source.object, request.rule.multipart_threshold_bytes):
        end_uploads(request, progress.upload)
        return copy_at_once(request, source, target.object.etag if target else None, attributes)
    return advance(request, progress.upload, source, target, attributes)


def _unchanged(
    request: CopyRequest, progress: Progress, source: Head, target: Head, attributes: TargetAttributes
) -> Copy:
    """The target exists since its LastModified, except for a multipart object, whose LastModified is its start."""
    end_uploads(request, progress.upload)
    carry_annotations(source.object, target.object)
    since = target.answered_at if "-" in target.object.etag else target.last_modified
    existing = request.written_object(target.object.version_id, target.object.etag)
    notes = list(attributes.notes)
    return Copy(status="unchanged", source=source.object, target=existing, copied_at=since, notes=notes)


def _superseded(request: CopyRequest, progress: Progress) -> Copy:
    end_uploads(request, progress.upload)
    return Copy(status="superseded")
