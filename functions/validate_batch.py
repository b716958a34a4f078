"""ValidateBatch: checks that all rows of one slice's files can be queried and that they pass the checks.

Per file, as RunValidationQuery: it is read once and compared with its table; then one query counts the rows of many
files, and one for each check looks for offending rows. A file that fails is named; the others do not depend on it.

Called again until every file has an outcome. Idempotent: what earlier calls recorded is not read again, and each query
starts once. A redrive starts them again.

Raises what functions/batches/files.py lists.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.batches.files import ValidationCall, validate_batch
from functions.batches.steps import BatchCall
from functions.batches.table_settings import FileSettings
from functions.contract.batches import Batch, BatchEvent
from functions.runtime.sdk import require_sdk
from functions.runtime.settings import read_settings
from functions.runtime.step import batch_step

require_sdk("HeadObject", "ListObjectsV2")


@batch_step
def handler(event: BatchEvent, context: LambdaContext) -> Batch:
    """Validate what is left of a slice."""
    settings, attempt = read_settings(FileSettings), str(event.execution.redrive_count)
    call = ValidationCall(BatchCall.of(event, settings, context), settings, attempt)
    return validate_batch(call, event.document.validation)
