"""Copies a large object: a multipart upload whose parts S3 copies itself, over as many calls as it takes.

The document announces an upload before it is created, and records it before it gets a part. So every later call knows
that there may be one: an upload that was created and never recorded has no parts, and is found and aborted. Only
missing parts are copied, each on the condition that the source is still the recorded one. Nothing becomes visible
before CompleteMultipartUpload, which has the conditions of the copy's protocol. S3 itself compares the parts'
checksums, the size and, if known, the whole object's checksum.

S3 never completes an upload conditionally after any other write or deletion of its key (recorded from AWS, February
2026). Such an upload is aborted as soon as that is known, and the copy starts again, ten times per attempt.

Idempotent: parts are listed before any is copied; a second CompleteMultipartUpload fails with NoSuchUpload.
Sources: "Uploading and copying objects using multipart upload" (Amazon S3 User Guide); CreateMultipartUpload,
UploadPartCopy, ListParts, CompleteMultipartUpload, AbortMultipartUpload, ListMultipartUploads (S3 API reference).

Raises ObjectChanged, CopyTimedOut, ObjectTooLarge, MetadataUnreadable, SourceArchived, ObjectLockMissing, AccessDenied,
BucketMissing, Throttled, RequestRejected.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from functions.contract.models import MultipartUpload, StoredObject
from functions.copying.abandoned_uploads import abort, abort_others
from functions.copying.calls import require_quiet_target
from functions.copying.outcome import CallAgain, ConditionFailed, Copied, CopyOutcome, PartsCopied
from functions.copying.parts import Part
from functions.copying.preconditions import copy_errors, require_readable_metadata
from functions.copying.request import MARGIN_MS, CopyRequest
from functions.copying.target_attributes import TargetAttributes, literal_expires, upload_arguments
from functions.copying.upload_plan import checksum_of_upload, has_own_parts, parts_of, planned_upload
from functions.objects.head import OTHERS_WROTE, Head, ObjectChanged, version_argument
from functions.objects.parts import expected_full_object
from functions.runtime import clients
from functions.runtime.aws_errors import code_of
from functions.runtime.errors import Throttled

PARTS_AT_ONCE = clients.CONNECTIONS

SLOWEST_BYTES_PER_SECOND = 20 * 1024**2
"""No part is started that could not finish in time at this rate."""

COMPLETE_MS = 300_000
"""Completing "may take several minutes" (CompleteMultipartUpload, S3 API reference)."""

NEXT_CALL_SECONDS = 1

AFTER_LOSS_SECONDS = 20
"""Whoever aborted our upload is copying the same object: let them finish first."""

AFTER_THROTTLE_SECONDS = 5


class UploadGone(Exception):
    """The multipart upload no longer exists. Never leaves this module."""


def is_multipart(source: StoredObject, threshold_bytes: int) -> bool:
    """Check whether the object is copied in parts: it is large, or its checksum is one of its parts."""
    return source.size_bytes > threshold_bytes or (source.size_bytes > 0 and has_own_parts(source))


def advance(
    request: CopyRequest,
    upload: MultipartUpload | None,
    source: Head,
    target: Head | None,
    attributes: TargetAttributes,
) -> CopyOutcome:
    """Take the next action that this copy needs."""
    if upload is None:
        return CallAgain(planned_upload(request, source.object), NEXT_CALL_SECONDS)
    if upload.upload_id and upload.source != source.object:
        upload = _aborted(request, upload)
    if upload.upload_id and upload.target not in (None, _identity(target)):
        upload = _lost(request, upload)
    if not upload.upload_id:
        require_quiet_target(request, upload)
        created = _create(request, source, attributes)
        return CallAgain(created.changed(target=_identity(target), lost=upload.lost), NEXT_CALL_SECONDS)
    try:
        parts = parts_of(upload)
        stored = _stored_parts(request, upload)
        missing = [part for part in parts if not _is_stored(part, stored, upload)]
        if missing:
            return _copy_parts(request, upload, missing)
        return _complete(request, upload, [stored[part.number] for part in parts], target)
    except UploadGone:
        return CallAgain(upload.changed(upload_id=""), AFTER_LOSS_SECONDS)
    except ObjectChanged:
        return ConditionFailed(_aborted(request, upload))


def _identity(target: Head | None) -> str:
    """Identify the target, to find out later whether it was written; each write has an ETag, a time and a version."""
    if target is None:
        return ""
    return f"{target.object.etag} {target.last_modified.isoformat()} {target.object.version_id or ''}".rstrip()


def _create(request: CopyRequest, source: Head, attributes: TargetAttributes) -> MultipartUpload:
    """Create the upload with everything that is carried over; abort our other ones, so that only this one is left."""
    require_readable_metadata(request, source)
    upload = planned_upload(request, source.object)
    parts = parts_of(upload)
    algorithm, kind = checksum_of_upload(source.object)
    client = clients.s3(request.settings.target_region)
    arguments = {**upload_arguments(source, attributes), "ChecksumAlgorithm": algorithm, "ChecksumType": kind}
    with copy_errors(request), literal_expires(client, source):
        created = client.create_multipart_upload(**request.target_arguments, **arguments)
    abort_others(request, created["UploadId"])
    return upload.changed(upload_id=created["UploadId"], parts=len(parts))


def _stored_parts(request: CopyRequest, upload: MultipartUpload) -> dict[int, dict[str, Any]]:
    """Return the parts that were copied, by number."""
    client = clients.s3(request.settings.target_region)
    stored: dict[int, dict[str, Any]] = {}
    marker: dict[str, Any] = {}
    while True:
        with copy_errors(request), _upload_errors():
            page: Any = client.list_parts(**request.target_arguments, UploadId=upload.upload_id, **marker)
        stored |= {part["PartNumber"]: part for part in page.get("Parts", [])}
        if not page.get("IsTruncated"):
            return stored
        marker = {"PartNumberMarker": page["NextPartNumberMarker"]}


def _is_stored(part: Part, stored: Mapping[int, Mapping[str, Any]], upload: MultipartUpload) -> bool:
    """Check whether S3 has this part; compare its checksum if both are known."""
    found = stored.get(part.number)
    if found is None or found["Size"] != part.size_bytes:
        return False
    checksum = found.get(f"Checksum{upload.source.checksum_algorithm}")
    return part.checksum is None or checksum is None or part.checksum == checksum


def _copy_parts(request: CopyRequest, upload: MultipartUpload, missing: Sequence[Part]) -> CallAgain | PartsCopied:
    """Copy the missing parts, several in parallel, while there is time."""
    client = clients.s3_for_conditional_writes(request.settings.target_region, request.read_timeout_seconds)
    whole = len(missing) == 1 and missing[0].size_bytes == upload.source.size_bytes
    stopped, throttled = threading.Event(), threading.Event()

    def copy(part: Part) -> bool:
        if stopped.is_set() or not _has_time(request, part):
            return False
        try:
            _copy_part(request, client, upload, part, whole)
        except Throttled:
            throttled.set()
            return False
        except BaseException:
            stopped.set()
            raise
        return True

    copied = _in_parallel(copy, missing).count(True)
    upload = upload.changed(parts_copied=upload.parts - len(missing) + copied)
    if copied == len(missing):
        enough_time = request.remaining_ms() > COMPLETE_MS
        return PartsCopied(upload) if enough_time else CallAgain(upload, NEXT_CALL_SECONDS)
    if throttled.is_set() and not copied:
        raise Throttled(
            f"Copying parts of {request.source} to {request.target} failed because AWS throttled the requests. "
            "The step retries automatically; if it keeps failing, replay later."
        )
    return CallAgain(upload, AFTER_THROTTLE_SECONDS if throttled.is_set() else NEXT_CALL_SECONDS)


def _in_parallel(copy: Callable[[Part], bool], parts: Sequence[Part]) -> list[bool]:
    with ThreadPoolExecutor(min(PARTS_AT_ONCE, len(parts))) as pool:
        return list(pool.map(copy, parts))


def _has_time(request: CopyRequest, part: Part) -> bool:
    needed_ms = part.size_bytes * 1000 // SLOWEST_BYTES_PER_SECOND
    return request.remaining_ms() > MARGIN_MS + needed_ms


def _copy_part(request: CopyRequest, client: Any, upload: MultipartUpload, part: Part, whole: bool) -> None:
    source = upload.source
    # A range can only be copied from an object of more than 5 MB ("UploadPartCopy", S3 API reference).
    byte_range = {} if whole else {"CopySourceRange": part.byte_range}
    with copy_errors(request), _upload_errors(source):
        client.upload_part_copy(
            **request.target_arguments,
            UploadId=upload.upload_id,
            PartNumber=part.number,
            CopySource={"Bucket": source.bucket, "Key": source.key, **version_argument(source.version_id)},
            CopySourceIfMatch=source.etag,
            **byte_range,
        )


def _complete(
    request: CopyRequest, upload: MultipartUpload, parts: Sequence[Mapping[str, Any]], target: Head | None
) -> Copied | ConditionFailed:
    """Complete the upload, on the condition that the target is unchanged."""
    algorithm, kind = checksum_of_upload(upload.source)
    checksum = f"Checksum{algorithm}"
    arguments: dict[str, Any] = {
        "MultipartUpload": {"Parts": [_completed(part, checksum) for part in parts]},
        "MpuObjectSize": upload.source.size_bytes,
        "ChecksumType": kind,
        **({"IfMatch": target.object.etag} if target else {"IfNoneMatch": "*"}),
    }
    if kind == "FULL_OBJECT" and (expected := expected_full_object(upload.source)):
        arguments[checksum] = expected[1]
    client = clients.s3_for_conditional_writes(request.settings.target_region, request.read_timeout_seconds)
    with copy_errors(request), _upload_errors():
        try:
            response = client.complete_multipart_upload(
                **request.target_arguments, UploadId=upload.upload_id, **arguments
            )
        except ReadTimeoutError:
            return ConditionFailed(upload)
        except ClientError as error:
            # 409: the key was written or deleted since the upload was created. After a 412 or 404 the next condition
            # would hold, and be answered with that 409 ("CompleteMultipartUpload": IfMatch, IfNoneMatch).
            if code_of(error) in OTHERS_WROTE:
                return ConditionFailed(_lost(request, upload))
            if code_of(error) == "BadDigest":
                return ConditionFailed(_aborted(request, upload))
            raise
    return Copied(request.written_object(response.get("VersionId"), response["ETag"]), in_parts=True)


def _completed(part: Mapping[str, Any], checksum: str) -> dict[str, Any]:
    return {name: part[name] for name in ("PartNumber", "ETag", checksum) if name in part}


def _aborted(request: CopyRequest, upload: MultipartUpload) -> MultipartUpload:
    """Abort this upload: the next one starts again."""
    abort(request, upload.upload_id)
    return upload.changed(upload_id="", parts_copied=0)


def _lost(request: CopyRequest, upload: MultipartUpload) -> MultipartUpload:
    """Abort this upload, which S3 will never complete."""
    return _aborted(request, upload).changed(lost=upload.lost + 1)


@contextmanager
def _upload_errors(source: StoredObject | None = None) -> Iterator[None]:
    """Distinguish a missing upload, and a source that is no longer the recorded one, from S3's other errors."""
    try:
        yield
    except ClientError as error:
        if code_of(error) == "NoSuchUpload":
            raise UploadGone from error
        if source and code_of(error) in OTHERS_WROTE:
            raise ObjectChanged(source) from error
        raise
