"""Works on the objects of a slice, several at once, for CopyBatch, VerifyBatch, ValidateBatch and DeleteBatch.

An object that fails does not keep the others from being copied: its error is its outcome. Only if every object of a
call fails by the same error that no object can cause, the call raises it (functions/batches/faults.py). Nothing is lost
if a call is killed: what it copied is found at the target by the next one, and its copy is not repeated.

Raises Throttled, BatchTimedOut, AccessDenied, BucketMissing, SettingInvalid, TargetNotVersioned, UnexpectedFailure,
RequestRejected.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeVar

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError
from urllib3.exceptions import HTTPError

from functions.batches.failures import note_failures
from functions.batches.faults import fault_of, note_success, raise_fault, require_no_fault
from functions.batches.records import OutcomeFiles, UsageCounter, read_outcomes
from functions.batches.settings import BatchSettings
from functions.batches.waves import work_in_waves
from functions.contract.batches import Batch, BatchEvent, Outcome
from functions.contract.bulk import PlanScope
from functions.contract.limits import BATCH_CALLS
from functions.planning.requests import counted_requests
from functions.runtime.errors import BatchTimedOut, FerryError, SourceMissing, Throttled, UnexpectedFailure
from functions.runtime.step import logger

MARGIN_MS = 60_000
"""Kept of the function's time for the last wave and for the record."""

RECORD_MS = 30_000
"""At least as long between two files of a call: each is read again for the report."""

THROTTLED_WAIT_SECONDS = 20


class Keyed(Protocol):
    """What a step works on."""

    @property
    def key(self) -> str:
        """The key at the source."""


Item = TypeVar("Item", bound=Keyed)


@dataclass(frozen=True)
class BatchCall:
    """One call for one slice. `began` is when the child execution started; `call_id` is different for each call."""

    scope: PlanScope
    slice_key: str
    settings: BatchSettings
    began: datetime
    call_id: str
    remaining_ms: Callable[[], int]

    @classmethod
    def of(cls, event: BatchEvent, settings: BatchSettings, context: LambdaContext) -> "BatchCall":
        """Return the call that an event and its context describe."""
        return cls(
            event.document.scope,
            event.document.slice.key,
            settings,
            event.execution.start_time,
            context.aws_request_id,
            context.get_remaining_time_in_millis,
        )

    def time_is_left(self) -> bool:
        """Check whether another wave fits into this call."""
        return self.remaining_ms() > MARGIN_MS


def _unknown(item: Keyed) -> Outcome:
    return Outcome(key=item.key, status="failed")


def work_on_slice(
    call: BatchCall,
    kind: str,
    items: Sequence[Item],
    work: Callable[[Item], Outcome | None],
    previous: Batch | None,
    so_far: Callable[[Item], Outcome] = _unknown,
) -> Batch:
    """Work on the objects that no earlier call has recorded; `so_far` is what stays known of one that fails."""
    require_no_fault(call.settings, call.slice_key)
    with counted_requests() as requests:
        known = read_outcomes(call.settings, call.slice_key, kind)
        left = [each for each in items if each.key not in known]
        record = Record(call, kind, requests)
        outcomes = work_in_waves(left, reported(work, so_far), call.time_is_left, record.continue_with)
        return _finish(record, len(left) + len(known), known, outcomes, previous)


def reported(
    work: Callable[[Item], Outcome | None], so_far: Callable[[Item], Outcome] = _unknown
) -> Callable[[Item], Outcome | None]:
    """Turn an object's error into its outcome; None if S3 throttled."""

    def reporting(item: Item) -> Outcome | None:
        try:
            return work(item)
        except Throttled:
            return None
        except SourceMissing:
            # Deleted since the plan, or moved by the execution of its event.
            return Outcome(key=item.key, status="skipped", error=SourceMissing.__name__)
        except Exception as error:  # noqa: BLE001 - one odd object must not stop the others of its slice
            return failed(so_far(item), error)

    return reporting


def failed(outcome: Outcome, error: Exception) -> Outcome:
    """Return what becomes of an object by an error, which is its own also if no code raises it on purpose.

    Raises the errors of the process and of its connections, which no object causes: the state is tried again.
    """
    if isinstance(error, BotoCoreError | HTTPError | OSError | MemoryError):
        raise error
    if not isinstance(error, FerryError):
        logger.exception("unexpected", key=outcome.key)
        problem = f"{type(error).__name__}: {error}. This is a bug in S3 Ferry; the function's log says where"
        error = UnexpectedFailure(f"{outcome.key} met an unexpected {problem}.")
    return outcome.changed(status="failed", error=type(error).__name__, cause=str(error))


class Record:
    """Records the outcomes of a call while it works, in a file each time: so a call that is killed loses little.

    At once after the first wave in which anything has succeeded, so that other slices know that the run goes well; then
    each half a minute. If everything fails, the cause may be no object's: then other slices may have failed by it.
    """

    def __init__(self, call: BatchCall, kind: str, requests: Counter[str]) -> None:
        self.call, self.kind = call, kind
        self._files = OutcomeFiles(call.settings, call.slice_key, kind, call.call_id)
        self._last_ms: int | None = None
        self._usage = UsageCounter(requests, call.remaining_ms)

    def continue_with(self, outcomes: list[Outcome]) -> None:
        """Write what is new, if it is time."""
        if fault_of(outcomes):
            require_no_fault(self.call.settings, self.call.slice_key)
        now_ms = self.call.remaining_ms()
        if self._last_ms is not None and self._last_ms - now_ms < RECORD_MS:
            return
        if all(each.status == "failed" for each in outcomes):
            return
        if self._last_ms is None:
            note_success(self.call.settings, self.call.slice_key)
        self._last_ms = now_ms
        self.finish_with(outcomes)

    def finish_with(self, outcomes: list[Outcome]) -> None:
        """Write what is new."""
        self._files.write(outcomes, self._usage.since_last())


def _finish(
    record: Record, objects: int, known: dict[str, Outcome], outcomes: list[Outcome], previous: Batch | None
) -> Batch:
    """Record the rest of what the call did, and count it."""
    call, kind = record.call, record.kind
    calls = (previous.calls if previous else 0) + 1
    done = len(known) + len(outcomes)
    unfinished = objects - done if calls >= BATCH_CALLS else 0
    note_failures(call.settings, call.slice_key, kind, known.values(), outcomes, unfinished)
    raise_fault(call.settings, call.slice_key, outcomes)
    record.finish_with(outcomes)
    if unfinished:
        raise BatchTimedOut(
            f"{unfinished} of {objects} objects in the slice {call.slice_key} were not {kind} within {calls} "
            "Lambda invocations. Redrive the run or start another backfill; either one continues with what is missing."
        )
    failed = sum(each.status == "failed" for each in [*known.values(), *outcomes])
    status: Literal["done", "in_progress"] = "done" if done == objects else "in_progress"
    return Batch(
        status=status,
        objects=objects,
        done=done,
        failed=failed,
        calls=calls,
        # S3 needs time to adapt if it throttled everything; otherwise it was only the function's time that ended.
        wait_seconds=1 if outcomes else THROTTLED_WAIT_SECONDS,
    )
