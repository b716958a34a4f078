"""The copy of a large object: a multipart upload whose parts S3 copies itself, over as many calls as it takes.

An upload is announced in the document before it is begun, and recorded there before it gets a part. So whoever goes
on, or gives up, knows that there may be one: an upload whose beginning was never recorded has no parts, and is
found and aborted. Only parts that are not there yet are copied, each on the condition that the source still is the
recorded one; nothing becomes visible before Complete, which has the conditions of the copy's protocol. S3 itself
compares the parts' checksums, the size and, where it is known, the whole object's checksum.

Running it twice is harmless: parts are listed before any is copied, Complete answers NoSuchUpload the second time.
Sources: "Uploading and copying objects using multipart upload" (Amazon S3 User Guide); CreateMultipartUpload,
UploadPartCopy, ListParts, CompleteMultipartUpload, AbortMultipartUpload, ListMultipartUploads (S3 API reference).

Raises ObjectChanged, ObjectTooLarge, MetadataUnreadable, SourceArchived, ObjectLockMissing, AccessDenied,
BucketMissing, Throttled, RequestRejected.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

from botocore.exceptions import ClientError, ReadTimeoutError

from functions.contract.models import MultipartUpload, ObjectVersion, StoredObject
from functions.copying.abandoned_uploads import abort, abort_others
from functions.copying.parts import LARGEST_PART_BYTES, Part, own_parts, part_size, parts_of_size
from functions.copying.preconditions import copy_errors, require_whole_metadata
from functions.copying.request import MARGIN_MS, Task
from functions.copying.target_attributes import Wanted
from functions.objects.checksums import CRC_BYTES
from functions.objects.head import OTHERS_WROTE, Head, ObjectChanged, tags, version_argument
from functions.objects.parts import expected_full_object, source_parts
from functions.runtime import clients
from functions.runtime.aws_errors import code_of
from functions.runtime.errors import Throttled

PARTS_AT_ONCE = clients.CONNECTIONS

SLOWEST_BYTES_PER_SECOND = 20 * 1024**2
"""No part is begun that could not end in time at this rate."""

COMPLETE_MS = 300_000
"""Completing "may take several minutes" (CompleteMultipartUpload, S3 API reference)."""

AFTER_LOSS_SECONDS = 20
"""Whoever aborted our upload is copying the same object: let them get on first."""

AFTER_THROTTLE_SECONDS = 5

MULTIPART_COMPOSITES = frozenset({"SHA1", "SHA256"})
"""What an upload can have of each part, though the source has it of the whole ("Checking object integrity")."""


class UploadGone(Exception):
    """The multipart upload is not there any more. Never leaves this module."""


@dataclass(frozen=True)
class Turn:
    """What came of one turn: the object that was made, or a wait for the next call, or neither: look again.

    `upload` is what is recorded for the next turn; `refused` tells that others wrote meanwhile.
    """

    upload: MultipartUpload | None
    made: ObjectVersion | None = None
    wait_seconds: int | None = None
    in_parts: bool = True
    refused: bool = False


def is_multipart(source: StoredObject, threshold_bytes: int) -> bool:
    """Whether the object is copied in parts: it is large, or its checksum is one of its parts."""
    return source.size_bytes > threshold_bytes or (source.size_bytes > 0 and _has_own_parts(source))


def advance(task: Task, upload: MultipartUpload | None, source: Head, target: Head | None, wanted: Wanted) -> Turn:
    """Do the next thing that this copy needs."""
    if upload is None:
        return Turn(_planned(task, source.object), wait_seconds=1)
    if upload.upload_id and upload.source != source.object:
        abort(task, upload.upload_id)
        upload = upload.model_copy(update={"upload_id": ""})
    if not upload.upload_id:
        return Turn(_begin(task, source, wanted), wait_seconds=1)
    try:
        parts = _parts(upload)
        there = _parts_there(task, upload)
        missing = [part for part in parts if not _is_there(part, there, upload)]
        if missing:
            return _copy_parts(task, upload, missing)
        return _complete(task, upload, [there[part.number] for part in parts], target)
    except UploadGone:
        return Turn(upload.model_copy(update={"upload_id": ""}), wait_seconds=AFTER_LOSS_SECONDS)
    except ObjectChanged:
        return _afresh(task, upload)


def _has_own_parts(source: StoredObject) -> bool:
    """Whether the checksum can only be compared over the same parts: a hash of the parts' hashes."""
    return source.checksum_type == "COMPOSITE" and source.checksum_algorithm not in CRC_BYTES


def _planned(task: Task, source: StoredObject) -> MultipartUpload:
    """An upload that is not begun."""
    own = [part.size_bytes for part in source_parts(source)] if _has_own_parts(source) else []
    length = None if own and max(own) <= LARGEST_PART_BYTES else _part_size(task, source)
    return MultipartUpload(upload_id="", source=source, part_bytes=length)


def _part_size(task: Task, source: StoredObject) -> int:
    return part_size(source.size_bytes, task.rule.multipart_threshold_bytes, task.source)


def _parts(upload: MultipartUpload) -> tuple[Part, ...]:
    if upload.part_bytes is not None:
        return parts_of_size(upload.source.size_bytes, upload.part_bytes)
    parts = own_parts((part.size_bytes, part.checksum) for part in source_parts(upload.source))
    if not parts:
        raise ObjectChanged(upload.source)
    return parts


def checksum_of_upload(source: StoredObject) -> tuple[str, Literal["FULL_OBJECT", "COMPOSITE"]]:
    """The source's own algorithm, so that the stored checksums can be compared; else S3's own."""
    algorithm = source.checksum_algorithm
    if algorithm in CRC_BYTES:
        return algorithm, "FULL_OBJECT"
    if algorithm and (algorithm in MULTIPART_COMPOSITES or source.checksum_type == "COMPOSITE"):
        return algorithm, "COMPOSITE"
    return "CRC64NVME", "FULL_OBJECT"


def _begin(task: Task, source: Head, wanted: Wanted) -> MultipartUpload:
    """Create the upload with all that is carried; any other of ours is aborted, so that only this one is left."""
    require_whole_metadata(task, source)
    upload = _planned(task, source.object)
    parts = _parts(upload)
    algorithm, kind = checksum_of_upload(source.object)
    client = clients.s3(task.settings.target_region)
    arguments: dict[str, Any] = {
        **_content(source),
        **wanted.arguments(),
        "ChecksumAlgorithm": algorithm,
        "ChecksumType": kind,
    }
    if tagging := urlencode(tags(source.object)):
        arguments["Tagging"] = tagging
    with copy_errors(task), _expires_as_written(client, source.carried.get("Expires")):
        created = client.create_multipart_upload(**task.target_arguments, **arguments)
    abort_others(task, created["UploadId"])
    return upload.model_copy(update={"upload_id": created["UploadId"], "parts": len(parts)})


def _content(source: Head) -> dict[str, Any]:
    return {name: value for name, value in source.carried.items() if name not in ("Expires", "WebsiteRedirectLocation")}


@contextmanager
def _expires_as_written(client: Any, expires: str | None) -> Iterator[None]:
    """Send the Expires header as the source has it: botocore takes dates only, and S3 any text."""

    def add(params: dict[str, Any], **_: object) -> None:
        params["headers"]["Expires"] = expires

    event = "before-call.s3.CreateMultipartUpload"
    if expires:
        client.meta.events.register_first(event, add)
    try:
        yield
    finally:
        if expires:
            client.meta.events.unregister(event, add)


def _parts_there(task: Task, upload: MultipartUpload) -> dict[int, dict[str, Any]]:
    """What has been copied, by number."""
    client = clients.s3(task.settings.target_region)
    there: dict[int, dict[str, Any]] = {}
    marker: dict[str, Any] = {}
    while True:
        with copy_errors(task), _gone_or_refused():
            page: Any = client.list_parts(**task.target_arguments, UploadId=upload.upload_id, **marker)
        there |= {part["PartNumber"]: part for part in page.get("Parts", [])}
        if not page.get("IsTruncated"):
            return there
        marker = {"PartNumberMarker": page["NextPartNumberMarker"]}


def _is_there(part: Part, there: Mapping[int, Mapping[str, Any]], upload: MultipartUpload) -> bool:
    """Whether S3 has this part; a checksum is compared where both are known."""
    found = there.get(part.number)
    if found is None or found["Size"] != part.size_bytes:
        return False
    checksum = found.get(f"Checksum{upload.source.checksum_algorithm}")
    return part.checksum is None or checksum is None or part.checksum == checksum


def _copy_parts(task: Task, upload: MultipartUpload, missing: Sequence[Part]) -> Turn:
    """Copy what is missing, several parts side by side, for as long as there is time."""
    client = clients.s3_for_conditional_writes(task.settings.target_region, task.read_timeout_seconds)
    whole = len(missing) == 1 and missing[0].size_bytes == upload.source.size_bytes
    stopped, throttled = threading.Event(), threading.Event()

    def copy(part: Part) -> bool:
        if stopped.is_set() or not _time_for(task, part):
            return False
        try:
            _copy_part(task, client, upload, part, whole)
        except Throttled:
            throttled.set()
            return False
        except BaseException:
            stopped.set()
            raise
        return True

    copied = sum(_side_by_side(copy, missing))
    done = upload.parts - len(missing) + copied
    upload = upload.model_copy(update={"parts_copied": done})
    if copied == len(missing):
        return Turn(upload, wait_seconds=None if task.remaining_ms() > COMPLETE_MS else 1)
    if throttled.is_set() and not copied:
        raise Throttled(
            f"AWS was too busy while copying parts of {task.source} to {task.target}. It is tried again; if it stays "
            "so, replay later."
        )
    return Turn(upload, wait_seconds=AFTER_THROTTLE_SECONDS if throttled.is_set() else 1)


def _side_by_side(copy: Callable[[Part], bool], parts: Sequence[Part]) -> list[bool]:
    with ThreadPoolExecutor(min(PARTS_AT_ONCE, len(parts))) as pool:
        return list(pool.map(copy, parts))


def _time_for(task: Task, part: Part) -> bool:
    needed_ms = part.size_bytes * 1000 // SLOWEST_BYTES_PER_SECOND
    return task.remaining_ms() > MARGIN_MS + needed_ms


def _copy_part(task: Task, client: Any, upload: MultipartUpload, part: Part, whole: bool) -> None:
    source = upload.source
    # A range can be copied only of an object of more than 5 MB ("UploadPartCopy", S3 API reference).
    which = {} if whole else {"CopySourceRange": part.byte_range}
    with copy_errors(task), _gone_or_refused(source):
        client.upload_part_copy(
            **task.target_arguments,
            UploadId=upload.upload_id,
            PartNumber=part.number,
            CopySource={"Bucket": source.bucket, "Key": source.key, **version_argument(source.version_id)},
            CopySourceIfMatch=source.etag,
            **which,
        )


def _complete(task: Task, upload: MultipartUpload, there: Sequence[Mapping[str, Any]], target: Head | None) -> Turn:
    """Make the object of its parts, on the condition that the target still is what it was."""
    algorithm, kind = checksum_of_upload(upload.source)
    checksum = f"Checksum{algorithm}"
    arguments: dict[str, Any] = {
        "MultipartUpload": {"Parts": [_completed(part, checksum) for part in there]},
        "MpuObjectSize": upload.source.size_bytes,
        "ChecksumType": kind,
        **({"IfMatch": target.object.etag} if target else {"IfNoneMatch": "*"}),
    }
    if kind == "FULL_OBJECT" and (expected := expected_full_object(upload.source)):
        arguments[checksum] = expected[1]
    client = clients.s3_for_conditional_writes(task.settings.target_region, task.read_timeout_seconds)
    with copy_errors(task), _gone_or_refused():
        try:
            made = client.complete_multipart_upload(**task.target_arguments, UploadId=upload.upload_id, **arguments)
        except ReadTimeoutError:
            return Turn(upload, refused=True)
        except ClientError as error:
            # After a 409 the upload cannot be used any more, after a 412 it can ("CompleteMultipartUpload").
            if code_of(error) in ("409", "ConditionalRequestConflict", "BadDigest"):
                return _afresh(task, upload)
            if code_of(error) in OTHERS_WROTE:
                return Turn(upload, refused=True)
            raise
    return Turn(None, made=task.made(made.get("VersionId"), made["ETag"]))


def _completed(part: Mapping[str, Any], checksum: str) -> dict[str, Any]:
    named = ("PartNumber", "ETag", checksum)
    return {name: part[name] for name in named if name in part}


def _afresh(task: Task, upload: MultipartUpload) -> Turn:
    """Give this upload up, and look again."""
    abort(task, upload.upload_id)
    return Turn(upload.model_copy(update={"upload_id": "", "parts_copied": 0}), refused=True)


@contextmanager
def _gone_or_refused(source: StoredObject | None = None) -> Iterator[None]:
    """Tell a missing upload, and a source that is not the recorded one any more, from what else S3 refuses."""
    try:
        yield
    except ClientError as error:
        if code_of(error) == "NoSuchUpload":
            raise UploadGone from error
        if source and code_of(error) in OTHERS_WROTE:
            raise ObjectChanged(source) from error
        raise
