"""RequireComplete: fails a bulk run whose objects failed, after everything else is done and reported.

So a run that is not complete is a failed execution, which alarms and can be redriven. A redrive runs this step again:
it returns `retry`, and the workflow repeats what failed. Idempotent: it reads nothing but the document.

Raises RunIncomplete; if every object failed by one error that no object causes, that error.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.batches.completion import completion_of
from functions.contract.bulk import BulkEvent, Completion
from functions.runtime.sdk import require_sdk
from functions.runtime.step import bulk_step

require_sdk()


@bulk_step
def handler(event: BulkEvent, _context: LambdaContext) -> Completion:
    """Raise unless every object of the run arrived or was started."""
    report = event.document.report
    if report is None:
        raise ValueError("RequireComplete was called without a report in the document.")
    return completion_of(report, event.execution.redrive_count)
