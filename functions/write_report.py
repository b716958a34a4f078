"""WriteReport: reports what a bulk run did with each object that it planned, and writes it into the ledger.

Called again until all slices are reported. It never fails because objects did: RequireComplete does. Idempotent.

Raises BatchTimedOut, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.batches.report import ReportCall, write_report
from functions.batches.settings import BatchSettings
from functions.contract.bulk import BulkEvent, RunReport
from functions.runtime.sdk import require_sdk
from functions.runtime.settings import read_settings
from functions.runtime.step import bulk_step

require_sdk("ListObjectsV2", "PutObject")


@bulk_step
def handler(event: BulkEvent, context: LambdaContext) -> RunReport:
    """Report a part of a run."""
    execution, document = event.execution, event.document
    if document.plan is None:
        raise ValueError("WriteReport was called without a plan in the document.")
    call = ReportCall(
        document.scope.bucket,
        execution.name,
        execution.start_time,
        execution.redrive_count,
        read_settings(BatchSettings),
        context.get_remaining_time_in_millis,
        document.round.number if document.round else 0,
    )
    return write_report(call, document.plan, document.report)
