"""What became of each object of a slice of the plan, in all rounds of its run.

Idempotent. Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from functions.batches.faults import SliceFault, read_fault
from functions.batches.records import COPIED, STARTED, VERIFIED, read_records, read_slice
from functions.batches.settings import BatchSettings
from functions.batches.slice_names import kind_of, repeated
from functions.contract.bulk import Outcome, Plan, PlannedObject
from functions.contract.usage import Usage
from functions.planning.slices import BATCH, EXECUTION, slice_keys

SLICE_FAILED = SliceFault(
    error="SliceFailed", cause="The execution of its slice failed. See the failed child executions of the Map Run."
)
NOT_VERIFIED = "NotVerified"

KINDS = {BATCH: (COPIED, VERIFIED), EXECUTION: (STARTED,)}
"""What is recorded about the objects of each kind of slice."""

RECORD_KINDS = tuple(dict.fromkeys(record for records in KINDS.values() for record in records))
"""All of them, in the order in which one object's are written."""


@dataclass(frozen=True)
class SliceOutcomes:
    """The objects of one slice of the plan, each with what became of it."""

    slice_key: str
    kind: str
    objects: list[tuple[PlannedObject, Outcome]]
    usage: Usage


def plan_slices(plan: Plan) -> Iterator[str]:
    """Return all slices of a plan, always in the same order."""
    for folder in plan.folders:
        for kind in (BATCH, EXECUTION):
            yield from slice_keys(plan.folder, folder, kind)


def outcomes_of(settings: BatchSettings, slice_key: str, rounds: int) -> SliceOutcomes:
    """Return what became of a slice's objects in round 0 and so many more.

    An object without a record failed with its slice; one that was copied and never verified has failed, too.
    """
    kind = kind_of(slice_key)
    planned = read_slice(settings, slice_key)
    found, usage = _recorded(settings, slice_key, kind)
    missing = [each.key for each in planned if each.key not in found]
    if missing:
        fault = read_fault(settings, slice_key) or SLICE_FAILED
        found |= {key: Outcome(key=key, status="failed", error=fault.error, cause=fault.cause) for key in missing}
    for number in range(1, rounds + 1):
        if all(outcome.status != "failed" for outcome in found.values()):
            break
        for repeated_kind in KINDS:
            later, used = _recorded(settings, repeated(slice_key, number, repeated_kind), repeated_kind)
            found, usage = found | later, usage.plus(used)
    return SliceOutcomes(slice_key, kind, [(each, found[each.key]) for each in planned], usage)


def _recorded(settings: BatchSettings, slice_key: str, kind: str) -> tuple[dict[str, Outcome], Usage]:
    found: dict[str, Outcome] = {}
    usage = Usage()
    for record in KINDS[kind]:
        records = read_records(settings, slice_key, record)
        found, usage = found | records.outcomes, usage.plus(records.usage)
    final = {
        key: outcome.changed(status="failed", error=NOT_VERIFIED)
        if outcome.status in ("copied", "unchanged")
        else outcome
        for key, outcome in found.items()
    }
    return final, usage
