"""Puts into the ledger what a run did, and what its plan noted.

Idempotent. Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections.abc import Callable, Iterable

from functions.batches.settings import BatchSettings
from functions.contract.batches import Outcome
from functions.contract.bulk import Plan, PlannedObject
from functions.contract.ledger import LedgerEntry
from functions.ledger.entries import entry_of
from functions.ledger.segments import Ledger
from functions.ledger.update import LedgerUpdate
from functions.planning.entry_files import entry_files
from functions.planning.line_files import read_lines


class Remembered:
    """What one call of WriteReport adds to the ledger of the run's source."""

    def __init__(self, settings: BatchSettings, source_bucket: str, run: str, plan: Plan) -> None:
        self._settings, self._run, self._as_of = settings, run, plan.as_of
        self._update = LedgerUpdate(Ledger(settings.results_bucket, settings.target_region, source_bucket))
        self._files = [key for folder in plan.folders for key in entry_files(plan.folder, folder)]

    @property
    def noted_files(self) -> int:
        """How many files the plan has."""
        return len(self._files)

    def add(self, outcomes: Iterable[tuple[PlannedObject, Outcome]]) -> None:
        """Remember the outcomes of a slice. A plan of an earlier release has no time."""
        if self._as_of is not None:
            entries = [entry_of(planned, outcome, self._run, self._as_of) for planned, outcome in outcomes]
            self._update.add(entry for entry in entries if entry is not None)

    def add_noted(self, done: int, time_is_left: Callable[[], bool]) -> int:
        """Remember what the plan noted, from a file on; return how many files are done."""
        for key in self._files[done:]:
            if not time_is_left():
                break
            lines = read_lines(self._settings.results_bucket, self._settings.target_region, key)
            self._update.add(LedgerEntry.model_validate_json(line) for line in lines)
            done += 1
        return done

    def flush(self) -> None:
        """Write what is left."""
        self._update.flush()
