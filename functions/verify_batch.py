"""VerifyBatch: verifies what CopyBatch copied of one slice of a bulk run.

Per object: HEAD the target and compare the stored checksums; it is read if they do not decide, or if the rule requires
it. A mismatched copy is discarded, and its object failed.

Called again until every object has an outcome. Idempotent: what earlier calls recorded is not done again, and what they
did not record is found at the target.

Raises what functions/batches/steps.py lists.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.batches.settings import BatchSettings
from functions.batches.steps import BatchCall
from functions.batches.verification import verify_batch
from functions.contract.batches import Batch, BatchEvent
from functions.runtime.sdk import require_sdk
from functions.runtime.settings import read_settings
from functions.runtime.step import batch_step

require_sdk("HeadObject", "GetObjectAttributes", "DeleteObject", "ListObjectsV2")


@batch_step
def handler(event: BatchEvent, context: LambdaContext) -> Batch:
    """Verify what is left of a slice."""
    return verify_batch(BatchCall.of(event, read_settings(BatchSettings), context), event.document.verification)
