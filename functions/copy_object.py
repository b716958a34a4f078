"""CopyObject: copies the source object to the target, so that no older upload ever wins over a newer one.

The protocol: (1) look at the target; (2) look at the source: if it is not the uploaded object any more, this
upload was superseded; (3) copy exactly that source, on the condition that the target still is what it was;
(4) look at the source once more: if it moved on meanwhile, copy what is there now, until it stands still.
A refused condition (412, 409) means that somebody else wrote: again from (1), where a target that already is
this object, by its bytes and by everything that travels with them, is `unchanged`.

Running it twice is harmless for that reason: a copy that arrived, even one whose answer was lost, is found.
Sources: "Copying objects" and "Conditional writes" (Amazon S3 User Guide), CopyObject (S3 API reference).

Raises SourceMissing, ObjectTooLarge, CopyTimedOut, AccessDenied, BucketMissing, Throttled, RequestRefused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError, ReadTimeoutError

from functions.common import clients
from functions.common.aws_errors import aws_errors, code_of
from functions.common.bounds import COPY_CALLS
from functions.common.errors import CopyTimedOut, ObjectTooLarge, SourceMissing
from functions.common.models import Copy, Model, ObjectVersion, Source, StepEvent
from functions.common.objects import OTHERS_WROTE, Head, ObjectChanged, head, location, tags, version_argument
from functions.common.proof import prove
from functions.common.settings import BucketName, RegionName, read_settings
from functions.common.step import count, step

LARGEST_COPY_BYTES = 5 * 1024**3
"""The most that one CopyObject copies: 5 GiB, which AWS writes as "5 GB" (S3 API reference)."""

MARGIN_MS = 15_000
"""What is kept of the function's time to answer in."""


REFUSALS = 3
"""How often a refused condition is met at once, before the state machine waits a little."""

TIMEOUT_STEP_SECONDS = 30
"""Read time-outs are rounded to this, so that a warm function keeps few clients."""

CLOCK_TOLERANCE = timedelta(seconds=1)
"""LastModified is in whole seconds."""


class Settings(Model):
    """Where objects are copied to."""

    target_bucket: BucketName
    target_region: RegionName


@dataclass(frozen=True)
class Task:
    """One upload to copy, and how much time is left for it."""

    upload: Source
    settings: Settings
    began: datetime
    remaining_ms: Callable[[], int]

    @property
    def read_timeout_seconds(self) -> int:
        """How long an answer may take: what remains."""
        remaining = (self.remaining_ms() - MARGIN_MS) // 1000
        return max(TIMEOUT_STEP_SECONDS, remaining // TIMEOUT_STEP_SECONDS * TIMEOUT_STEP_SECONDS)


@step
def handler(event: StepEvent, context: LambdaContext) -> Copy:
    """Copy the uploaded object, or say what became of it."""
    previous, redrives = event.document.copy_, event.execution.redrive_count
    same_attempt = previous is not None and previous.redrive_count == redrives
    calls = (previous.calls if previous and same_attempt else 0) + 1
    source = event.document.source
    if calls > COPY_CALLS:
        raise CopyTimedOut(f"{location(source.bucket, source.key)} was not copied in {COPY_CALLS} calls.")
    task = Task(source, read_settings(Settings), event.execution.start_time, context.get_remaining_time_in_millis)
    unfinished = previous is not None and previous.status == "in_progress"
    return copy_object(task, unfinished).model_copy(update={"calls": calls, "redrive_count": redrives})


def copy_object(task: Task, written: bool = False) -> Copy:
    """Copy until source and target stand still; `written` tells that an earlier call may have written already."""
    refusals = 0
    while task.remaining_ms() > MARGIN_MS and refusals < REFUSALS:
        target, source = _look_at_target(task), _look_at_source(task)
        mine = written or _is_uploaded(source, task.upload)
        if not mine and not _may_be_ours(target, task):
            return Copy(status="superseded")
        if target and _is_same(source, target):
            return _unchanged(source, target) if mine else Copy(status="superseded")
        _require_copyable(source)
        result = _copy(task, source, target)
        if result is None:
            refusals += 1
            continue
        written = True
        copy, stands_still = _look_again(task, source, result)
        if stands_still:
            count("CopiedObjects")
            count("CopiedBytes", source.object.size_bytes, MetricUnit.Bytes)
            return copy
    return Copy(status="in_progress")


def _look_at_target(task: Task) -> Head | None:
    return head(task.settings.target_bucket, task.settings.target_region, task.upload.key, absence_is_common=True)


def _look_at_source(task: Task) -> Head:
    """The current source; raises SourceMissing."""
    upload = task.upload
    found = head(upload.bucket, upload.region, upload.key)
    where = location(upload.bucket, upload.key)
    if found is None:
        raise SourceMissing(
            f"{where} is gone: it was deleted or renamed before its copy was proved. Upload it again; "
            "the upload has an execution of its own."
        )
    return found


def _is_uploaded(source: Head, upload: Source) -> bool:
    """Whether the source still is the object that was uploaded."""
    return (source.object.version_id, source.object.etag) == (upload.version_id, upload.etag)


def _may_be_ours(target: Head | None, task: Task) -> bool:
    """Whether an earlier run of this step may have written the target, and was stopped before its last look.

    Then what is at the source now is copied too, lest our older copy stay over a newer one.
    """
    return target is not None and target.last_modified >= task.began - CLOCK_TOLERANCE


def _require_copyable(source: Head) -> None:
    obj = source.object
    if obj.size_bytes > LARGEST_COPY_BYTES:
        raise ObjectTooLarge(
            f"{location(obj.bucket, obj.key)} has {obj.size_bytes:,} bytes; objects of up to {LARGEST_COPY_BYTES:,} "
            "bytes can be copied so far. Split it, or copy it by other means."
        )


def _is_same(source: Head, target: Head) -> bool:
    """Whether the target already is the source: everything carried, the tags, and the bytes, by proof."""
    if source.carried != target.carried or source.tag_count != target.tag_count:
        return False
    try:
        # Asked for even where a HEAD counts none: it counts them only for a role that may read them.
        return prove(source.object, target.object).equal and tags(source.object) == tags(target.object)
    except ObjectChanged:
        return False


def _unchanged(source: Head, target: Head) -> Copy:
    """The target has been there since its LastModified, but for multipart objects, which date from their start."""
    since = target.answered_at if "-" in target.object.etag else target.last_modified
    return Copy(status="unchanged", source=source.object, target=target.object, copied_at=since)


def _copy(task: Task, source: Head, target: Head | None) -> dict[str, Any] | None:
    """Send one conditional CopyObject; None when it has to be looked at again."""
    obj, settings = source.object, task.settings
    client = clients.s3_for_conditional_writes(settings.target_region, task.read_timeout_seconds)
    doing = f"copying {location(obj.bucket, obj.key)} to {location(settings.target_bucket, obj.key)}"
    arguments: dict[str, Any] = {
        "CopySource": {"Bucket": obj.bucket, "Key": obj.key, **version_argument(obj.version_id)},
        "CopySourceIfMatch": obj.etag,
        # The source's own algorithm, so that the stored checksums can be compared.
        "ChecksumAlgorithm": obj.checksum_algorithm or "CRC64NVME",
        **({"IfMatch": target.object.etag} if target else {"IfNoneMatch": "*"}),
    }
    with aws_errors(doing):
        try:
            return dict(client.copy_object(Bucket=settings.target_bucket, Key=obj.key, **arguments))
        except ClientError as error:
            if code_of(error) in OTHERS_WROTE:
                return None
            raise
        except ReadTimeoutError:
            return None


def _look_again(task: Task, source: Head, result: dict[str, Any]) -> tuple[Copy, bool]:
    """What was made, and whether the source is still what was copied.

    `copied_at` is the Date of this look: S3 may send a copy's headers, Date included, long before its end.
    """
    upload, settings = task.upload, task.settings
    now = head(upload.bucket, upload.region, upload.key)
    made = ObjectVersion(
        bucket=settings.target_bucket,
        region=settings.target_region,
        key=upload.key,
        version_id=result.get("VersionId"),
        etag=result["CopyObjectResult"]["ETag"].strip('"'),
    )
    at = now.answered_at if now else datetime.now(UTC)
    copy = Copy(status="copied", source=source.object, target=made, copied_at=at)
    # A source that was deleted meanwhile was copied in time: deletions are not mirrored.
    return copy, now is None or _identity(now) == _identity(source)


def _identity(found: Head) -> tuple[object, ...]:
    """What tells two uploads apart, also two of the same bytes within a second of LastModified."""
    return found.object, found.last_modified, found.carried, found.tag_count
