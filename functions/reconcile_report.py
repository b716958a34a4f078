"""ReconcileReport: sends what failed through the Maps again, while rounds are left.

Between the Maps and the report. It never fails because objects did. Called again until all slices are looked at; then
its result says which slices the Maps work on now, or that nothing is left to repeat. Idempotent.

Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.batches.rounds import ReconcileCall, reconcile
from functions.batches.settings import BatchSettings
from functions.contract.bulk import BulkEvent, Round
from functions.runtime.sdk import require_sdk
from functions.runtime.settings import read_settings
from functions.runtime.step import bulk_step

require_sdk("ListObjectsV2")


@bulk_step
def handler(event: BulkEvent, context: LambdaContext) -> Round:
    """Collect a part of what is repeated."""
    document, redrives = event.document, event.execution.redrive_count
    plan, previous, report = document.plan, document.round, document.report
    if plan is None or previous is None:
        raise ValueError("ReconcileReport was called without a plan and a round in the document.")
    # Only a redrive leads here from a report, and to the first of its calls with the round of the attempt before.
    redriven = report is not None and redrives > max(report.redrive_count, previous.redrive_count)
    call = ReconcileCall(read_settings(BatchSettings), redrives, context.get_remaining_time_in_millis)
    return reconcile(call, plan, previous, redriven=redriven)
