"""Faults that no object causes: a missing permission or bucket, an invalid setting, a bug.

A slice in which everything fails alike records its fault and fails. Once a few slices have, and nothing of the round
has gone well, the others of its kind fail at once: so a run whose first objects all fail by one cause stops, instead of
trying a million, or starting executions for them. A slice of mixed outcomes has no fault: the policy of a prefix, say,
fails only its own objects.

Idempotent. Raises the fault, and AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections.abc import Iterable

from functions.batches.settings import BatchSettings
from functions.batches.slice_names import folder_of, kind_of, round_of, run_of
from functions.contract.batches import Outcome
from functions.contract.objects import Model
from functions.planning.line_files import first_keys, put, read
from functions.runtime.errors import (
    AccessDenied,
    BucketMissing,
    FerryError,
    SettingInvalid,
    TargetNotVersioned,
    UnexpectedFailure,
)

SYSTEMIC: dict[str, type[FerryError]] = {
    each.__name__: each for each in (AccessDenied, BucketMissing, SettingInvalid, TargetNotVersioned, UnexpectedFailure)
}
LEAST_SYSTEMIC = 20
"""Fewer objects that fail alike may share a cause of their own, such as the policy of a prefix."""

MOST_FAULTS = 3
"""Slices that may fail before the others are not tried any more. Neighbours are worked on far apart, so a policy of a
prefix is unlikely to be all that they have in common."""

FAULTS, WENT_WELL = "faults", "went-well"
"""Folders of a run, each with a folder for each round and kind of slice, and a file for each slice in question."""


class SliceFault(Model):
    """Why a slice failed as a whole."""

    error: str
    cause: str


def fault_of(outcomes: Iterable[Outcome]) -> SliceFault | None:
    """Return the fault if all of these fail by one error that no object causes."""
    found = list(outcomes)
    errors = {outcome.error for outcome in found}
    if len(found) < LEAST_SYSTEMIC or len(errors) != 1 or not errors <= SYSTEMIC.keys():
        return None
    return SliceFault(
        error=str(found[0].error),
        cause=f"All {len(found)} objects failed. First failure: {found[0].cause}",
    )


def raise_fault(settings: BatchSettings, slice_key: str, outcomes: Iterable[Outcome]) -> None:
    """Record the fault that these outcomes show, and raise it; do nothing if they show none."""
    fault = fault_of(outcomes)
    if fault is None:
        return
    body = fault.model_dump_json().encode()
    put(settings.results_bucket, settings.target_region, _key(slice_key, FAULTS), body, "the fault to")
    raise SYSTEMIC[fault.error](fault.cause)


def require_no_fault(settings: BatchSettings, slice_key: str) -> None:
    """Raise the fault of the other slices of a round if nothing in it has gone well."""
    faults = _keys(settings, _folder(slice_key, FAULTS), MOST_FAULTS)
    if len(faults) < MOST_FAULTS or _keys(settings, _folder(slice_key, WENT_WELL), 1):
        return
    fault = _read(settings, faults[0])
    raise SYSTEMIC[fault.error](f"Every slice tried so far failed, so this one was not tried. {fault.cause}")


def note_success(settings: BatchSettings, slice_key: str) -> None:
    """Tell the other slices that something has gone well: they do not stop any more."""
    put(settings.results_bucket, settings.target_region, _key(slice_key, WENT_WELL), b"{}", "the success to")


def read_fault(settings: BatchSettings, slice_key: str) -> SliceFault | None:
    """Return the fault of a slice, or of the slices because of which it was not tried."""
    own = _key(slice_key, FAULTS)
    keys = _keys(settings, own, 1) or _keys(settings, _folder(slice_key, FAULTS), MOST_FAULTS)
    return _read(settings, keys[0]) if own in keys or len(keys) >= MOST_FAULTS else None


def _folder(slice_key: str, what: str) -> str:
    return f"{run_of(slice_key)}/{what}/round-{round_of(slice_key)}/{kind_of(slice_key)}/"


def _key(slice_key: str, what: str) -> str:
    return f"{_folder(slice_key, what)}{folder_of(slice_key)}.json"


def _keys(settings: BatchSettings, prefix: str, most: int) -> list[str]:
    return first_keys(settings.results_bucket, settings.target_region, prefix, most)


def _read(settings: BatchSettings, key: str) -> SliceFault:
    return SliceFault.model_validate_json(read(settings.results_bucket, settings.target_region, key))
