"""What became of each object of a slice of the plan, in all rounds of its run.

Idempotent. Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from functions.batches.faults import SliceFault, read_fault
from functions.batches.records import COPIED, DELETED, READ, STARTED, VALIDATED, VERIFIED, read_records, read_slice
from functions.batches.settings import BatchSettings
from functions.batches.slice_names import kind_of, repeated
from functions.contract.batches import Outcome
from functions.contract.bulk import Plan, PlannedObject
from functions.contract.usage import Usage
from functions.planning.slices import BATCH, EXECUTION, KINDS, is_of_files, is_of_moves, slice_keys

SLICE_FAILED = SliceFault(
    error="SliceFailed", cause="The execution of its slice failed. See the failed child executions of the Map Run."
)
NOT_DELETED = "NotDeleted"
"""The copy is verified, but the source remains."""

NOT_VERIFIED, NOT_VALIDATED = "NotVerified", "NotValidated"
UNFINISHED = "It was copied and verified, but the next step did not end: see the failed children of the Map Runs."

RECORD_KINDS = (COPIED, VERIFIED, READ, VALIDATED, DELETED, STARTED)
"""All kinds of records, in the order in which one object's are written."""


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
        for kind in KINDS:
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
        for repeated_kind in (BATCH, EXECUTION):
            later, used = _recorded(settings, repeated(slice_key, number, repeated_kind), repeated_kind)
            found, usage = _merged(found, later), usage.plus(used)
    return SliceOutcomes(slice_key, kind, [(each, found[each.key]) for each in planned], usage)


def _merged(found: dict[str, Outcome], later: dict[str, Outcome]) -> dict[str, Outcome]:
    """Return the later outcome of each object. One that failed without a copy leaves the copy that is known already.

    Otherwise the ledger would not have it, and the next plan would count a file as done that was never validated.
    """
    merged = found | later
    for key, outcome in later.items():
        earlier = found.get(key)
        if outcome.status == "failed" and outcome.target is None and earlier is not None and earlier.target is not None:
            merged[key] = outcome.changed(source=earlier.source, target=earlier.target)
    return merged


def _recorded(settings: BatchSettings, slice_key: str, kind: str) -> tuple[dict[str, Outcome], Usage]:
    found: dict[str, Outcome] = {}
    usage = Usage()
    for record in _records(slice_key, kind):
        records = read_records(settings, slice_key, record)
        found, usage = _merged(found, records.outcomes), usage.plus(records.usage)
    return (found if kind == EXECUTION else _ended(settings, slice_key, found)), usage


def _records(slice_key: str, kind: str) -> Iterator[str]:
    """Yield what is recorded about the objects of a slice, in the order of the steps."""
    if kind == EXECUTION:
        yield STARTED
        return
    yield from (COPIED, VERIFIED)
    if is_of_files(slice_key):
        yield from (READ, VALIDATED)
    if is_of_moves(slice_key):
        yield DELETED


def _ended(settings: BatchSettings, slice_key: str, found: dict[str, Outcome]) -> dict[str, Outcome]:
    """Return the outcomes of a slice; an object has failed if a step that it needs has not ended."""
    unfinished = {key: error for key, outcome in found.items() if (error := _unfinished(slice_key, outcome))}
    if not unfinished:
        return found
    fault = read_fault(settings, slice_key)
    cause = fault.cause if fault else UNFINISHED
    return found | {
        key: found[key].changed(status="failed", error=error, cause=cause) for key, error in unfinished.items()
    }


def _unfinished(slice_key: str, outcome: Outcome) -> str | None:
    """Return the error of an object of which a step that it needs has not ended."""
    if outcome.status in ("copied", "unchanged"):
        return NOT_VERIFIED
    if outcome.status != "verified":
        return None
    if is_of_files(slice_key) and not outcome.validated:
        return NOT_VALIDATED
    return NOT_DELETED if is_of_moves(slice_key) else None
