"""CopyBatch: copies the small objects of one slice of a bulk run.

Per object: HEAD the source, copy it on the plan's condition, HEAD the source again. If the condition fails, the whole
protocol of functions/copying/protocol.py follows. What one request cannot copy is `left`.

Called again until every object has an outcome. Idempotent: what earlier calls recorded is not done again, and what they
did not record is found at the target.

Raises what functions/batches/steps.py lists.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.batches.copies import copy_batch
from functions.batches.settings import BatchSettings
from functions.batches.steps import BatchCall
from functions.contract.batches import Batch, BatchEvent
from functions.runtime.sdk import require_sdk
from functions.runtime.settings import read_settings
from functions.runtime.step import batch_step

require_sdk("HeadObject", "CopyObject", "GetObjectRetention", "ListObjectsV2")


@batch_step
def handler(event: BatchEvent, context: LambdaContext) -> Batch:
    """Copy what is left of a slice."""
    return copy_batch(BatchCall.of(event, read_settings(BatchSettings), context), event.document.copy_)
