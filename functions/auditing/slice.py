"""Compares the objects of one slice, and records what it found about each.

An object that cannot be compared does not keep the others from it: its error is its outcome. Called again until every
object has an outcome; the bytes of a large object are read over several calls, whose progress is recorded, too.

Idempotent: what earlier calls recorded is not compared again. Raises Throttled if S3 throttles every object,
BatchTimedOut, AccessDenied, BucketMissing, RequestRejected.
"""

from collections.abc import Callable
from dataclasses import dataclass

from functions.auditing.compare import PairCall, compare_pair
from functions.batches.records import COMPARED, OutcomeFiles, UsageCounter, read_outcomes, read_slice
from functions.batches.settings import BatchSettings
from functions.batches.steps import failed
from functions.batches.waves import work_in_waves
from functions.contract.audit import AuditScope
from functions.contract.batches import Batch, Outcome
from functions.contract.bulk import PlannedObject
from functions.contract.limits import BATCH_CALLS
from functions.planning.requests import counted_requests
from functions.runtime.errors import BatchTimedOut, Throttled

MARGIN_MS = 90_000
"""Kept of the function's time for the last wave and for the record: more than a reading keeps, which then stops."""

RECORD_MS = 30_000
"""At least as long between two records of a call."""

THROTTLED_WAIT_SECONDS = 20


@dataclass(frozen=True)
class SliceCall:
    """One call for one slice. `call_id` is different for each."""

    scope: AuditScope
    slice_key: str
    settings: BatchSettings
    call_id: str
    remaining_ms: Callable[[], int]


def compare_slice(call: SliceCall, previous: Batch | None) -> Batch:
    """Compare the objects of a slice that no earlier call has compared."""
    with counted_requests() as requests:
        return _compare_slice(call, previous, UsageCounter(requests, call.remaining_ms))


def _compare_slice(call: SliceCall, previous: Batch | None, usage: UsageCounter) -> Batch:
    planned = read_slice(call.settings, call.slice_key)
    recorded = read_outcomes(call.settings, call.slice_key, COMPARED)
    known = {key: outcome for key, outcome in recorded.items() if outcome.status != "reading"}
    left = [each for each in planned if each.key not in known]
    record = _SliceRecord(call, usage)

    def compare(each: PlannedObject) -> Outcome | None:
        return _compared(call, each, recorded.get(each.key))

    outcomes = work_in_waves(left, compare, lambda: call.remaining_ms() > MARGIN_MS, record.add)
    record.write(outcomes)
    return _progress(call, len(planned), [*known.values(), *outcomes], bool(outcomes), previous)


def _compared(call: SliceCall, planned: PlannedObject, previous: Outcome | None) -> Outcome | None:
    """Return the outcome of one object; None if S3 throttled."""
    settings = call.settings
    pair = PairCall(planned, call.scope, settings.target_bucket, settings.target_region, previous, call.remaining_ms)
    try:
        return compare_pair(pair)
    except Throttled:
        return None
    except Exception as error:  # noqa: BLE001 - one odd object must not stop the others of its slice
        return failed(Outcome(key=planned.key, status="failed"), error)


class _SliceRecord:
    """Records the outcomes of a call while it works: a call that is killed loses at most half a minute."""

    def __init__(self, call: SliceCall, usage: UsageCounter) -> None:
        self._call, self._usage = call, usage
        self._files = OutcomeFiles(call.settings, call.slice_key, COMPARED, call.call_id)
        self._last_ms = call.remaining_ms()

    def add(self, outcomes: list[Outcome]) -> None:
        """Write what is new, if it is time."""
        now_ms = self._call.remaining_ms()
        if self._last_ms - now_ms >= RECORD_MS:
            self._last_ms = now_ms
            self.write(outcomes)

    def write(self, outcomes: list[Outcome]) -> None:
        """Write what is new."""
        self._files.write(outcomes, self._usage.since_last())


def _progress(call: SliceCall, objects: int, outcomes: list[Outcome], any_new: bool, previous: Batch | None) -> Batch:
    calls = (previous.calls if previous else 0) + 1
    done = sum(each.status != "reading" for each in outcomes)
    if done < objects and calls >= BATCH_CALLS:
        raise BatchTimedOut(
            f"{objects - done} of {objects} objects in the slice {call.slice_key} were not compared within {calls} "
            "Lambda invocations. Start another audit with a --prefix, or without --read."
        )
    return Batch(
        status="done" if done == objects else "in_progress",
        objects=objects,
        done=done,
        failed=sum(each.status == "failed" for each in outcomes),
        calls=calls,
        wait_seconds=1 if any_new else THROTTLED_WAIT_SECONDS,
    )
