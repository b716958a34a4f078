"""DeleteSource: in a move, deletes the source, and only the very object that was proved.

The workflow comes here only from a proof (and a passed validation). The source is looked at once more: a newer
upload in its place is left alone. A versioned source gets a delete marker on the condition that its ETag still is
the proved one, so that a mistake can be undone; `purge` deletes the proved version for good. The target is looked
at again where the proof is not of just now.

Running it twice is harmless: a source that is gone, while the target holds what was proved, is success.
Sources: DeleteObject (IfMatch, VersionId; S3 API reference), "Deleting object versions from a versioning-enabled
bucket" (Amazon S3 User Guide).

Raises TargetNotVersioned, PurgeRefused, SourceKeepsChanging, ProvedCopyMissing, AccessDenied, Throttled.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.common.models import Deletion, StepEvent
from functions.common.step import step


@step
def handler(event: StepEvent, _context: LambdaContext) -> Deletion:
    """Delete the proved source, or say why it was left."""
    raise NotImplementedError(event.document.source.key)
