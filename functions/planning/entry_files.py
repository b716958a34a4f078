"""The files in which a plan notes what the ledger does not have yet, beside its slices: gzipped lines, sorted by key.

Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections.abc import Iterator

from functions.contract.bulk import PlanFolder
from functions.contract.ledger import LedgerEntry
from functions.planning.line_files import ENDING, put_lines

MOST_ENTRIES = 2000
"""In one file: as many as a segment of the ledger takes at once."""

LEDGER = "ledger"


class EntryWriter:
    """Collects entries, and writes a file as soon as it is full."""

    def __init__(self, bucket: str, region: str, folder: str) -> None:
        self._bucket, self._region, self._folder = bucket, region, folder
        self._lines: list[str] = []
        self.written = 0

    def add(self, entry: LedgerEntry) -> None:
        """Add an entry to the current file."""
        if len(self._lines) == MOST_ENTRIES:
            self.flush()
        self._lines.append(entry.model_dump_json(exclude_defaults=True))

    def flush(self) -> None:
        """Write the current file, if it has any entry."""
        if not self._lines:
            return
        put_lines(self._bucket, self._region, _file_key(self._folder, self.written), self._lines, "the plan to")
        self.written, self._lines = self.written + 1, []


def entry_files(plan_folder: str, folder: PlanFolder) -> Iterator[str]:
    """Return the files that one call of PlanBatches wrote."""
    for number in range(folder.entries):
        yield _file_key(f"{plan_folder}{folder.name}", number)


def _file_key(folder: str, number: int) -> str:
    return f"{folder}/{LEDGER}-{number:05}{ENDING}"
