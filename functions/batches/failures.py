"""Alerts once of a run in which many objects fail, while it still runs.

A run has no place where all its slices count. So each call notes in the name of an empty file how many objects of its
slice have failed, and adds up what the others have noted. The first to find many writes a file that exists once in a
run, and sends a metric, on which an alarm notifies (infra/aws/alarms.tf). Only the first round counts: a later one
repeats the same objects. Of a step of a slice the largest number counts, so one that is redriven counts nothing twice.
The objects of a slice whose function crashes or exceeds its time are not counted, as long as no call has noted them.

    runs/<run>/<n>/failures/<call>/batch-00000/copied-0012     12 objects of this slice could not be copied
    runs/<run>/<n>/many-failures.json

Sources: "How to prevent object overwrites with conditional writes" (Amazon S3 User Guide); "Embedding metrics within
logs" (Amazon CloudWatch User Guide).

Idempotent. Raises nothing: a run continues without the alert, and its end sends a mail, too. The alert is lost if the
function is killed between the file and the metric.
"""

from collections.abc import Iterable

from functions.batches.settings import BatchSettings
from functions.batches.slice_names import folder_of, round_of, run_of
from functions.contract.batches import Outcome
from functions.objects.shared_file import SharedFile
from functions.planning.line_files import first_keys, put
from functions.runtime.errors import FerryError
from functions.runtime.step import logger, send_metric

MANY_FAILURES = 100
"""Objects of a run. Each file stands for one at least, so as many files need to be listed."""

METRIC, DIMENSION = "RunsWithManyFailures", "ResultsBucket"
"""The results bucket is one deployment's: the alarm of another one must not go off."""


def note_failures(
    settings: BatchSettings,
    slice_key: str,
    kind: str,
    known: Iterable[Outcome],
    new: Iterable[Outcome],
    unfinished: int = 0,
) -> None:
    """Note how many objects of a slice have failed so far in one step, if more have; alert if the run has many.

    `unfinished` have no outcome and fail with their slice, whose calls are used up.
    """
    more = sum(each.status == "failed" for each in new) + unfinished
    if not more or round_of(slice_key):
        return
    failed = more + sum(each.status == "failed" for each in known)
    try:
        if _failures_of_run(settings, slice_key, kind, failed) >= MANY_FAILURES and _is_first(settings, slice_key):
            logger.warning(f"{MANY_FAILURES} objects of the run have failed", run=run_of(slice_key))
            send_metric(METRIC, **{DIMENSION: settings.results_bucket})
    except FerryError as error:
        logger.warning(f"The failures of the run could not be counted: {error}")


def _failures_of_run(settings: BatchSettings, slice_key: str, kind: str, failed: int) -> int:
    bucket, region = settings.results_bucket, settings.target_region
    folder = f"{run_of(slice_key)}/failures/"
    put(bucket, region, f"{folder}{folder_of(slice_key)}/{kind}-{failed:04}", b"", "the number of failures to")
    latest: dict[str, int] = {}
    for each in sorted(first_keys(bucket, region, folder, MANY_FAILURES)):
        step, _, number = each.rpartition("-")
        latest[step] = int(number)
    return sum(latest.values())


def _is_first(settings: BatchSettings, slice_key: str) -> bool:
    key = f"{run_of(slice_key)}/many-failures.json"
    return SharedFile(settings.results_bucket, settings.target_region, key).write(b"{}", None)
