"""CopyObject: copies the source object to the target, so that no older upload ever wins over a newer one.

The protocol: (1) look at the target; (2) look at the source: if it is not the uploaded object any more, this
upload was superseded; (3) copy exactly that source, on the condition that the target still is what it was;
(4) look at the source once more: if it moved on meanwhile, copy what is there now, until it stands still.
A refused condition (412, 409) means that somebody else wrote: again from (1), where a target that already is
this object, by its bytes and by everything that travels with them, is `unchanged`.

A large object is copied in parts (functions/copying/multipart.py), over several calls; each begins with the same
looks, and the parts become an object on the same conditions. A copy that is given up leaves no upload behind.

Running it twice is harmless for that reason: a copy that arrived, even one whose answer was lost, is found.
Sources: "Copying objects" and "Conditional writes" (Amazon S3 User Guide), CopyObject (S3 API reference).

Raises SourceMissing, SourceArchived, CustomerKeyRequired, ObjectTooLarge, MetadataUnreadable, ObjectLockMissing,
TargetNotVersioned, CopyTimedOut, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.contract.limits import COPY_CALLS
from functions.contract.models import Copy, MultipartUpload, Source, StepEvent
from functions.copying.abandoned_uploads import end_uploads
from functions.copying.already_copied import is_same
from functions.copying.annotations import carry_annotations
from functions.copying.multipart import Turn, advance, is_multipart
from functions.copying.preconditions import require_readable, require_versioned_target
from functions.copying.request import MARGIN_MS, Settings, Task
from functions.copying.single_request import copy_at_once
from functions.copying.tags import carry_tags
from functions.copying.target_attributes import Wanted, what_is_wanted
from functions.objects.head import Head, ObjectChanged, head, is_upload, location
from functions.runtime.errors import CopyTimedOut, SourceMissing
from functions.runtime.sdk import require_sdk
from functions.runtime.settings import read_settings
from functions.runtime.step import count, step

require_sdk(
    "HeadObject",
    "CopyObject",
    "CreateMultipartUpload",
    "CompleteMultipartUpload",
    "ListParts",
    "GetObjectAttributes",
    "GetObjectRetention",
    "ListObjectAnnotations",
    "GetObjectAnnotation",
    "PutObjectAnnotation",
    "DeleteObjectAnnotation",
)

REFUSALS = 3
"""How often a refused condition is met at once, before the state machine waits a little."""

CLOCK_TOLERANCE = timedelta(seconds=1)
"""LastModified is in whole seconds."""


@dataclass
class Progress:
    """What is known from turn to turn: whether one may have written the target, what upload there is, and how often
    it had to be looked at again.
    """

    written: bool
    upload: MultipartUpload | None
    refusals: int = 0


@step
def handler(event: StepEvent, context: LambdaContext) -> Copy:
    """Copy the uploaded object, or say what became of it."""
    document, execution = event.document, event.execution
    previous = document.copy_
    same_attempt = previous is not None and previous.redrive_count == execution.redrive_count
    calls = (previous.calls if previous and same_attempt else 0) + 1
    if calls > COPY_CALLS:
        raise _called_too_often(document.source)
    settings, remaining_ms = read_settings(Settings), context.get_remaining_time_in_millis
    task = Task(document.source, document.rule, document.target_key, settings, execution.start_time, remaining_ms)
    result = copy_object(task, previous)
    require_definition_of_parts(task, previous, result)
    return result.model_copy(update={"calls": calls, "redrive_count": execution.redrive_count})


def copy_object(task: Task, previous: Copy | None = None) -> Copy:
    """Copy until source and target stand still; `previous` is what an earlier call came to."""
    require_versioned_target(task)
    upload = previous.upload if previous else None
    unfinished = previous is not None and previous.status == "in_progress"
    progress = Progress(written=unfinished and upload is None, upload=upload)
    while task.remaining_ms() > MARGIN_MS and progress.refusals < REFUSALS:
        try:
            result = _look_and_copy(task, progress)
        except ObjectChanged:
            progress.refusals += 1
            continue
        if result is not None:
            return result
    return Copy(status="in_progress", upload=progress.upload)


def require_definition_of_parts(task: Task, previous: Copy | None, result: Copy) -> None:
    """Raise CopyTimedOut where the workflow would not hand the next call the upload that this one began.

    The definition of an earlier release leaves `upload` out of what it hands over, so each call would begin a new one.
    """
    if result.upload and previous and "upload" not in previous.model_fields_set:
        raise CopyTimedOut(
            f"{task.source} is copied in parts, and the definition that this execution runs is an older release's, "
            "which cannot go on with them. Start it anew: ferry replay --restart with the execution's name."
        )


def _called_too_often(source: Source) -> CopyTimedOut:
    return CopyTimedOut(
        f"{location(source.bucket, source.key)} was not copied in {COPY_CALLS} calls. Replay it: a redrive goes on "
        "where this stopped."
    )


def _look_and_copy(task: Task, progress: Progress) -> Copy | None:
    """The protocol, once; None when it has to begin again."""
    target, source = _look_at_target(task), _look_at_source(task)
    if source is None:
        raise _source_missing(task, progress)
    mine = progress.written or is_upload(source.object, task.upload) or _is_removed(task)
    if not mine and not _may_be_ours(target, task):
        return _superseded(task, progress)
    require_readable(task, source)
    wanted = what_is_wanted(source, task.rule)
    if (
        target
        and _may_stay(target, task)
        and is_same(source, target, wanted, _completed_upload(task, progress, source, target))
    ):
        return _unchanged(task, progress, source, target, wanted) if mine else _superseded(task, progress)
    turn = _copy(task, progress, source, target, wanted)
    progress.upload = turn.upload
    if turn.wait_seconds is not None:
        return Copy(status="in_progress", upload=turn.upload, wait_seconds=turn.wait_seconds)
    if turn.made is None:
        progress.refusals += turn.refused
        return None
    progress.written = True
    if turn.in_parts:
        carry_tags(source.object, turn.made)
        carry_annotations(source.object, turn.made)
    now = _look_at_source(task)
    if now and now.object != source.object:
        return None
    # A source that was deleted meanwhile was copied in time: deletions are not mirrored.
    count("CopiedObjects")
    count("CopiedBytes", source.object.size_bytes, MetricUnit.Bytes)
    # The Date of this look: S3 may send a copy's headers, Date included, long before its end.
    at = now.answered_at if now else datetime.now(UTC)
    return Copy(status="copied", source=source.object, target=turn.made, copied_at=at, notes=list(wanted.notes))


def _look_at_target(task: Task) -> Head | None:
    return head(task.settings.target_bucket, task.settings.target_region, task.target_key, absence_is_common=True)


def _source_missing(task: Task, progress: Progress) -> SourceMissing:
    """Also where a move of an equal upload may have deleted it: another one's metadata would be lost without a word."""
    end_uploads(task, progress.upload)
    also = f", or a later upload of it was moved already and is at {task.target}" if task.rule.mode == "move" else ""
    return SourceMissing(
        f"{task.source} is gone: it was deleted or renamed{also}. If it is still wanted, upload it again; the upload "
        "has an execution of its own."
    )


def _look_at_source(task: Task) -> Head | None:
    return head(task.upload.bucket, task.upload.region, task.upload.key)


def _is_removed(task: Task) -> bool:
    """Whether the uploaded version is gone for good.

    An older one may be current again then, whose own execution has long found itself superseded: so it is copied.
    """
    upload = task.upload
    if upload.version_id is None:
        return False
    return head(upload.bucket, upload.region, upload.key, absence_is_common=True, version_id=upload.version_id) is None


def _may_be_ours(target: Head | None, task: Task) -> bool:
    """Whether an earlier run of this step may have written the target, and was stopped before its last look.

    Then what is at the source now is copied too, lest our older copy stay over a newer one.
    """
    return target is not None and target.last_modified >= task.began - CLOCK_TOLERANCE


def _may_stay(target: Head, task: Task) -> bool:
    """Whether a target that is the same may be what the source is moved to: one older than the bucket's versioning
    can be overwritten for good.
    """
    return task.rule.mode == "copy" or target.object.version_id is not None


def _completed_upload(task: Task, progress: Progress, source: Head, target: Head) -> MultipartUpload | None:
    """The recorded upload, if this target may be what it was completed to: the answer may have been lost."""
    upload = progress.upload
    of_this_source = upload is not None and upload.parts > 0 and upload.source == source.object
    return upload if of_this_source and _may_be_ours(target, task) else None


def _copy(task: Task, progress: Progress, source: Head, target: Head | None, wanted: Wanted) -> Turn:
    """The next thing that the copy of this source needs."""
    if not is_multipart(source.object, task.rule.multipart_threshold_bytes):
        end_uploads(task, progress.upload)
        made = copy_at_once(task, source, target, wanted)
        return Turn(None, in_parts=False, made=made, refused=made is None)
    return advance(task, progress.upload, source, target, wanted)


def _unchanged(task: Task, progress: Progress, source: Head, target: Head, wanted: Wanted) -> Copy:
    """The target has been there since its LastModified, but for multipart objects, which date from their start."""
    end_uploads(task, progress.upload)
    carry_annotations(source.object, target.object)
    since = target.answered_at if "-" in target.object.etag else target.last_modified
    made = task.made(target.object.version_id, target.object.etag)
    return Copy(status="unchanged", source=source.object, target=made, copied_at=since, notes=list(wanted.notes))


def _superseded(task: Task, progress: Progress) -> Copy:
    end_uploads(task, progress.upload)
    return Copy(status="superseded")
