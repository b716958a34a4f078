"""Bounds the calls and the multipart uploads of a copy, and rejects a definition that cannot continue it in parts.

Raises CopyTimedOut.
"""

from functions.contract.limits import COPY_CALLS, LOST_UPLOADS
from functions.contract.models import Copy, Document, ExecutionContext, MultipartUpload
from functions.copying.request import CopyRequest
from functions.objects.head import location
from functions.runtime.errors import CopyTimedOut


def call_number(document: Document, execution: ExecutionContext) -> int:
    """Return the number of this call in this attempt; raises CopyTimedOut beyond the limit."""
    previous = document.copy_
    same_attempt = previous is not None and previous.redrive_count == execution.redrive_count
    calls = (previous.calls if previous and same_attempt else 0) + 1
    if calls > COPY_CALLS:
        raise CopyTimedOut(
            f"{location(document.source.bucket, document.source.key)} was not fully copied within the limit of "
            f"{COPY_CALLS} Lambda invocations. Replay it: a redrive resumes where it stopped."
        )
    return calls


def previous_result(document: Document, execution: ExecutionContext) -> Copy | None:
    """Return the result of the previous call; a redrive counts lost uploads again."""
    previous = document.copy_
    if previous and previous.upload and previous.redrive_count != execution.redrive_count:
        return previous.changed(upload=previous.upload.changed(lost=0))
    return previous


def require_quiet_target(request: CopyRequest, upload: MultipartUpload) -> None:
    """Raise CopyTimedOut if others' writes of the target have ended too many uploads of this copy."""
    if upload.lost >= LOST_UPLOADS:
        raise CopyTimedOut(
            f"Another process wrote or deleted {request.target} {LOST_UPLOADS} times during the multipart copy of "
            f"{request.source}, and S3 rejects the upload after each such change. Stop that process, then replay."
        )


def require_current_definition(request: CopyRequest, previous: Copy | None, result: Copy) -> None:
    """Raise CopyTimedOut if the workflow would not pass this call's multipart upload to the next call.

    The definition of an earlier release drops `upload` from the document, so each call would create a new one.
    """
    if result.upload and previous and "upload" not in previous.model_fields_set:
        raise CopyTimedOut(
            f"{request.source} needs a multipart copy, but this execution runs the workflow of an older release, which "
            "cannot continue one. To start a new execution, run `ferry replay --restart EXECUTION`."
        )
