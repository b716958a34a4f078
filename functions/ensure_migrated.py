"""EnsureMigrated: starts an execution of `migrate` for each object of a slice that no batch can copy.

These are moves, files of tables, and objects that are copied in parts. Called again until every object has one; it does
not wait for their ends. Idempotent: an execution's name is a hash of the run and of the object.

Raises what functions/batches/steps.py lists.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.batches.settings import ExecutionSettings
from functions.batches.steps import BatchCall, start_batch
from functions.contract.bulk import Batch, BatchEvent
from functions.runtime.sdk import require_sdk
from functions.runtime.settings import read_settings
from functions.runtime.step import batch_step

require_sdk("HeadObject", "ListObjectsV2")


@batch_step
def handler(event: BatchEvent, context: LambdaContext) -> Batch:
    """Start what is left of a slice."""
    document, settings = event.document, read_settings(ExecutionSettings)
    # runs/<run>/…: the same for every child and every attempt.
    run = document.slice.key.split("/")[1]
    return start_batch(BatchCall.of(event, settings, context), run, settings, document.started)
