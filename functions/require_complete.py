"""RequireComplete: fails a bulk run whose objects failed, after everything else is done and reported.

So a run that is not complete is a failed execution, which alarms and can be redriven. A redrive runs this step again:
it returns `retry`, and the workflow repeats what failed. Idempotent: it reads nothing but the document.

Raises RunIncomplete; if every object failed by one error that no object causes, that error.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.batches.faults import SYSTEMIC
from functions.contract.bulk import BulkEvent, Completion
from functions.runtime.errors import RunIncomplete
from functions.runtime.sdk import require_sdk
from functions.runtime.step import bulk_step

require_sdk()


@bulk_step
def handler(event: BulkEvent, _context: LambdaContext) -> Completion:
    """Raise unless every object of the run arrived or was started."""
    report = event.document.report
    if report is None:
        raise ValueError("RequireComplete was called without a report in the document.")
    if event.execution.redrive_count > report.redrive_count:
        return Completion(status="retry")
    if report.status == "complete":
        return Completion(status="complete")
    if report.counts.keys() == {"failed"} and len(report.errors) == 1 and report.errors.keys() <= SYSTEMIC.keys():
        raise SYSTEMIC[next(iter(report.errors))](
            f"Nothing was copied, and the run stopped: {report.failures[0].cause} Fix the cause, then redrive the run "
            "or start another backfill."
        )
    errors = ", ".join(f"{number:,} {error}" for error, number in sorted(report.errors.items()))
    first = report.failures[0]
    raise RunIncomplete(
        f"{report.counts['failed']:,} of {sum(report.counts.values()):,} planned objects failed: {errors}. First "
        f"failure: {first.key}: {first.cause or first.error}. The report is in {report.folder}. Fix the cause, then "
        "redrive the run, or run `ferry backfill --again`: objects already copied are skipped."
    )
