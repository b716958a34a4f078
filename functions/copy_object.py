"""CopyObject: copies the source object to the target, so that an older upload never wins over a newer one.

functions/copying/protocol.py describes how. A large object is copied in parts over several calls
(functions/copying/multipart.py). A copy that is given up leaves no multipart upload behind.

Idempotent: a copy that arrived, even if its response was lost, is found at the target.

Raises SourceMissing, SourceArchived, CustomerKeyRequired, ObjectTooLarge, MetadataUnreadable, ObjectLockMissing,
TargetNotVersioned, ForeignFile, CopyTimedOut, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.contract.models import Copy, StepEvent
from functions.copying.calls import call_number, previous_result, require_current_definition
from functions.copying.protocol import copy_object
from functions.copying.request import CopyRequest, CopySettings
from functions.runtime.sdk import require_sdk
from functions.runtime.settings import read_settings
from functions.runtime.step import step

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


@step
def handler(event: StepEvent, context: LambdaContext) -> Copy:
    """Copy the uploaded object, or return why it was not copied."""
    document, execution = event.document, event.execution
    previous, calls = previous_result(document, execution), call_number(document, execution)
    settings, remaining_ms = read_settings(CopySettings), context.get_remaining_time_in_millis
    began = execution.start_time
    request = CopyRequest(document.source, document.rule, document.target_key, settings, began, remaining_ms)
    result = copy_object(request, previous)
    require_current_definition(request, previous, result)
    return result.changed(calls=calls, redrive_count=execution.redrive_count)
