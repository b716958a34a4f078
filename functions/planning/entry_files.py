"""The files in which a plan notes what the ledger does not have yet, beside its slices: gzipped lines, sorted by key.

Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections.abc import Iterator

from functions.contract.bulk import PlanFolder
from functions.contract.ledger import LedgerEntry
from functions.planning.line_files import LineFiles, numbered

MOST_ENTRIES = 2000
"""In one file: as many as a segment of the ledger takes at once."""

LEDGER = "ledger"


class EntryWriter:
    """Collects entries, and writes a file as soon as it is full."""

    def __init__(self, bucket: str, region: str, folder: str) -> None:
        self._files = LineFiles(bucket, region, f"{folder}/{LEDGER}")

    @property
    def written(self) -> int:
        """How many files are written."""
        return self._files.written

    def add(self, entry: LedgerEntry) -> None:
        """Add an entry to the current file."""
        if len(self._files.lines) == MOST_ENTRIES:
            self.flush()
        self._files.lines.append(entry.model_dump_json(exclude_defaults=True))

    def flush(self) -> None:
        """Write the current file, if it has any entry."""
        self._files.flush()


def entry_files(plan_folder: str, folder: PlanFolder) -> Iterator[str]:
    """Return the files that one call of PlanBatches wrote."""
    for number in range(folder.entries):
        yield numbered(f"{plan_folder}{folder.name}/{LEDGER}", number)
