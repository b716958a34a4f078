"""An inventory as the source's listing: sorted once, over several calls of PlanBatches, then read page by page.

AWS promises no order of an inventory's rows. Memory is constant: one unsorted run, or a block of each sorted one.

Idempotent: each call continues where the progress says, and writes the same runs again if it is repeated. Raises
InventoryInvalid, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections.abc import Callable, Iterator, Sequence

from functions.contract.bulk import PlanScope
from functions.contract.inventory import SortedInventory
from functions.inventory import sorted_runs
from functions.inventory.manifest import Inventory, read_manifest
from functions.inventory.rows import file_rows
from functions.inventory.sorted_runs import RunFolder, block_keys, merged_pages, write_run
from functions.planning.key_ranges import KeyRange, WeightedRange
from functions.planning.listings import ListedObject, Page


class InventorySource:
    """The inventory of a scope, whose runs are in the plan's folder."""

    def __init__(self, scope: PlanScope, bucket: str, region: str, plan_folder: str) -> None:
        self._scope = scope
        self._inventory: Inventory = read_manifest(scope.inventory, scope.region, scope.bucket)
        self._folder = RunFolder(bucket, region, f"{plan_folder}inventory/")

    def continue_sorting(self, progress: SortedInventory, time_is_left: Callable[[], bool]) -> SortedInventory:
        """Write as many sorted runs as fit into the call, at least one.

        A run ends after a number of rows, never because time ends: so a call that is repeated writes the same run.
        """
        run: list[ListedObject] = []
        rows = 0
        for file, row, listed in self._rows(progress):
            rows += 1
            if listed is not None and listed.key.startswith(self._scope.prefix):
                run.append(listed)
            if rows == sorted_runs.RUN_ROWS or len(run) == sorted_runs.RUN_OBJECTS:
                progress = SortedInventory(file=file, row=row, runs=self._write(progress, run))
                run, rows = [], 0
                if not time_is_left():
                    return progress
        return SortedInventory(status="sorted", file=len(self._inventory.files), runs=self._write(progress, run))

    def _write(self, progress: SortedInventory, run: list[ListedObject]) -> int:
        """Write a run, if it has any object; return the number of runs."""
        if not run:
            return progress.runs
        write_run(self._folder, progress.runs, run)
        return progress.runs + 1

    def pages(self, progress: SortedInventory, after: str) -> Iterator[Page]:
        """Yield the sorted objects after a key. They are as the bucket was when the inventory was created."""
        return merged_pages(self._folder, progress.runs, after, self._inventory.created_at)

    def parts(self, progress: SortedInventory, ranges: Sequence[KeyRange], wanted: int) -> list[WeightedRange]:
        """Divide ranges where blocks of the sorted runs begin, into about so many parts of equal weight."""
        blocks = block_keys(self._folder, progress.runs)
        firsts = [key for keys in ranges for key in keys.within(blocks)]
        step = max(1, len(firsts) // wanted)
        return [WeightedRange(part, 1) for keys in ranges for part in keys.divided(firsts[step::step])]

    def _rows(self, progress: SortedInventory) -> Iterator[tuple[int, int, ListedObject | None]]:
        """Yield file, row and object of all rows after a position.

        The rows of a file before it are read again: the MD5 is that of the whole file.
        """
        for file in range(progress.file, len(self._inventory.files)):
            skipped = progress.row if file == progress.file else 0
            for row, listed in enumerate(file_rows(self._inventory, file), 1):
                if row > skipped:
                    yield file, row, listed
