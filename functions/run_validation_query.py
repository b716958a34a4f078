"""RunValidationQuery: checks that all rows of the object can be queried and that they pass the checks.

Called again until done: the first call reads the file, compares it with its table and starts the queries; later calls
poll the queries. The catalogue says which table it is. It validates that
(a) the object has rows, as many as the file has records;
(b) there are as many rows as its user metadata `row-count` says, if set;
(c) every check in `functions/checks` that the rule selects returns no row;
(d) the file's columns match the table: those of a delimited file must be the table's; JSON or Parquet may lack some
(a warning: they are NULL there) but may not have others. A file without rows fails unless the rule allows it.

Idempotent: it only reads, and starts each query once. A redrive starts all queries again.

Raises ValidationFailed with every reason, QueryFailed, TargetKeepsChanging, CustomerKeyRequired, AccessDenied,
BucketMissing, Throttled, RequestRejected, SettingInvalid.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.contract.models import StepEvent, Validation
from functions.objects.head import head, same_version
from functions.runtime.sdk import require_sdk
from functions.runtime.settings import read_settings
from functions.runtime.step import step
from functions.validation.evaluate import poll_queries
from functions.validation.replacement import target_replaced
from functions.validation.settings import ValidationSettings
from functions.validation.start import MARGIN_MS, start_validation

require_sdk()


@step
def handler(event: StepEvent, context: LambdaContext) -> Validation:
    """Start the validation, or poll its queries."""
    settings, redrives = read_settings(ValidationSettings), event.execution.redrive_count
    previous = event.document.validation
    if previous is None or previous.redrive_count != redrives:
        previous = Validation(status="not_covered", redrive_count=redrives)
    target = event.document.finished_copy().target
    now = head(target.bucket, target.region, target.key)
    if now is None or not same_version(now.object, target):
        return target_replaced(event.document, previous)
    if previous.status == "pending":
        return poll_queries(event, previous, settings)
    return start_validation(event, previous, now, settings, lambda: context.get_remaining_time_in_millis() > MARGIN_MS)
