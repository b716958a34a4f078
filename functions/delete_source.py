"""DeleteSource: in a move, deletes the source, and only the object that was verified.

The workflow calls it only after a verification (and a passed validation). It looks at the source once more and leaves a
newer upload alone. A versioned source gets a delete marker, on the condition that its ETag is still the verified one,
so that a mistake can be undone; `purge` deletes the verified version for good. It looks at the target again unless the
verification has just happened. HEAD returns only the number of tags: those of a tagged source are read and must match
its copy's.

Idempotent: if the source is gone and the target holds what was verified, the step succeeds.
Sources: "How to perform conditional deletes" (Amazon S3 User Guide: If-Match is evaluated against the current version
only, a lost race is a 412, 409 or 404), DeleteObject and ListObjectVersions (S3 API reference), "Deleting object
versions from a versioning-enabled bucket" (Amazon S3 User Guide: the previous version becomes the current one),
"Working with delete markers" and "Managing Object Lock" (the same: a locked version cannot be deleted).

Raises TargetNotVersioned, PurgeRejected, SourceKeepsChanging, VerifiedCopyMissing, CustomerKeyRequired, AccessDenied,
BucketMissing, Throttled (also if S3 rejects the deletion although nothing has changed), RequestRejected.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.contract.models import Deletion, StepEvent
from functions.deletion.decision import delete_source
from functions.runtime.sdk import require_sdk
from functions.runtime.step import step

require_sdk("HeadObject", "DeleteObject")


@step
def handler(event: StepEvent, _context: LambdaContext) -> Deletion:
    """Delete the verified source, or return why it was left."""
    redrives, previous = event.execution.redrive_count, event.document.deletion
    if previous is None or previous.redrive_count != redrives:
        previous = Deletion(status="copy_again", redrive_count=redrives)
    return delete_source(event.document, previous, is_redrive=redrives > 0)
