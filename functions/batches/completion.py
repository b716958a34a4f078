"""Decides how a bulk run ends: complete, failed, or, redriven, once more.

Raises RunIncomplete; if every object failed by one error that no object causes, that error.
"""

from functions.batches.faults import SYSTEMIC
from functions.contract.bulk import Completion, RunReport
from functions.runtime.errors import RunIncomplete


def completion_of(report: RunReport, redrive_count: int) -> Completion:
    """Return the end of a run, or raise why it is not complete."""
    if redrive_count > report.redrive_count:
        return Completion(status="retry")
    if report.status == "complete":
        return Completion(status="complete")
    first = report.failures[0]
    if report.counts.keys() == {"failed"} and len(report.errors) == 1 and report.errors.keys() <= SYSTEMIC.keys():
        raise SYSTEMIC[next(iter(report.errors))](
            f"Nothing was copied, and the run stopped: {first.cause}. Fix the cause, then redrive the run or start "
            "another backfill."
        )
    errors = ", ".join(f"{number:,} {error}" for error, number in sorted(report.errors.items()))
    raise RunIncomplete(
        f"{report.counts['failed']:,} of {sum(report.counts.values()):,} planned objects failed: {errors}. First "
        f"failure: {first.key}: {first.cause or first.error}. The report is in {report.folder}. Fix the cause, then "
        "redrive the run, or run `ferry backfill --again`: objects already copied are skipped."
    )
