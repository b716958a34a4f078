"""EnsureMigrated: starts or replays an execution of `migrate` for each object of a slice, and says how it ended.

For what no batch can copy: moves, files of tables, objects that are copied in parts, and what failed in a batch. Called
again until each execution has ended; a run that does not wait reports them as started. Idempotent: an execution's name
is a hash of the object, so it is started once, and one that failed before is replayed.

Raises what functions/batches/ensure.py lists.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.batches.ensure import ensure_migrated
from functions.batches.settings import ExecutionSettings
from functions.batches.steps import BatchCall
from functions.contract.batches import Batch, BatchEvent
from functions.runtime.sdk import require_sdk
from functions.runtime.settings import read_settings
from functions.runtime.step import batch_step

require_sdk("HeadObject", "ListObjectsV2")


@batch_step
def handler(event: BatchEvent, context: LambdaContext) -> Batch:
    """Look at the executions of a slice, and start more."""
    settings = read_settings(ExecutionSettings)
    return ensure_migrated(BatchCall.of(event, settings, context), settings, event.document.started)
