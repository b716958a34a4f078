"""VerifyChecksum: verifies that the copied target equals its source, and returns by which grade.

It compares what S3 stores, with one HEAD of the target. If the rule requires more, or the stored checksums do not
decide, it reads the target (and, if need be, the source). A large object takes several calls: the result is
`in_progress` with how far it got, and the next call continues there. A small one takes one GET, whose response also
identifies the version.

A mismatched copy is discarded, that version only, and the workflow copies again, at most twice per attempt. If Object
Lock retains it, it stays under the next copy, and the result says so. A target that is no longer the copy is not a
mismatch: the workflow returns to CopyObject, which finds out why. These are results, not errors, because their counts
travel in the document; a redrive resets the counts and continues reading.

Idempotent: it reads, and discards only the copy that it has just found mismatched, by version id or ETag.
Sources: "Checking object integrity" and "Managing Object Lock" (Amazon S3 User Guide), GetObject and DeleteObject
(IfMatch) in the S3 API reference.

Raises ChecksumMismatchPersists, TargetKeepsChanging, VerificationTimedOut, CustomerKeyRequired, AccessDenied,
BucketMissing, Throttled, RequestRejected.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.contract.models import StepEvent, Verification
from functions.runtime.sdk import require_sdk
from functions.runtime.step import step
from functions.verification.verdict import verify_checksum

require_sdk("HeadObject", "GetObjectAttributes", "DeleteObject")


@step
def handler(event: StepEvent, context: LambdaContext) -> Verification:
    """Verify the copy, or return why it has to be made again."""
    redrives, previous = event.execution.redrive_count, event.document.verification
    if previous is None or previous.redrive_count != redrives:
        progress = previous.progress if previous else None
        previous = Verification(status="in_progress", redrive_count=redrives, progress=progress)
    return verify_checksum(event.document, previous, context.get_remaining_time_in_millis)
