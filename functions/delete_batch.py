"""DeleteBatch: deletes the sources of one slice's moves, and only what VerifyBatch has verified.

Per object, DeleteSource's decision: HEAD the source, HEAD the verified version at the target, HEAD the source, delete
it on the condition that it is unchanged. A newer upload is never deleted. One that fails does not keep the others.

Called again until every object has an outcome. Idempotent: what earlier calls recorded is not done again, and what they
deleted without recording it is found gone, while the target holds it.

Raises what functions/batches/steps.py lists.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.batches.moves import delete_batch
from functions.batches.settings import BatchSettings
from functions.batches.steps import BatchCall
from functions.contract.batches import Batch, BatchEvent
from functions.runtime.sdk import require_sdk
from functions.runtime.settings import read_settings
from functions.runtime.step import batch_step

require_sdk("HeadObject", "DeleteObject", "ListObjectsV2")


@batch_step
def handler(event: BatchEvent, context: LambdaContext) -> Batch:
    """Delete what is left of a slice."""
    return delete_batch(BatchCall.of(event, read_settings(BatchSettings), context), event.document.deletion)
