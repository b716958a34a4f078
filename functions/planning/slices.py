"""Writes the objects that a plan leaves to do as slices: gzipped JSON lines of bounded length.

A slice is never overwritten: each call of PlanBatches has a folder of its own. Raises AccessDenied, BucketMissing,
Throttled, RequestRejected.
"""

import json
from collections.abc import Collection, Iterable, Iterator

from functions.contract.bulk import PlanFolder, PlannedObject, Slice
from functions.planning.line_files import LineFiles, numbered

MOST_BYTES = 64 * 1024**3
"""Of the objects of a slice of several: one function copies them in one or a few calls."""

BATCH, MOVE, FILE, MOVED_FILE, EXECUTION = "batch", "move", "file", "moved-file", "execution"
"""The kinds of slices: of small objects that are copied, of those that are moved, the same of files of tables, and of
those that need executions."""

FILE_KINDS, MOVE_KINDS = (FILE, MOVED_FILE), (MOVE, MOVED_FILE)
"""The slices that ValidateBatch and DeleteBatch work on."""

COPIED_KINDS = (BATCH, MOVE, FILE, MOVED_FILE)
"""The slices that CopyBatch and VerifyBatch work on."""

KINDS = (*COPIED_KINDS, EXECUTION)
GOLDEN_RATIO = 0.6180339887498949


class SliceWriter:
    """Collects objects of one kind, and writes a slice as soon as it is full."""

    def __init__(self, bucket: str, region: str, prefix: str, most_objects: int) -> None:
        self._files, self._most_objects = LineFiles(bucket, region, prefix), most_objects
        self._size_bytes = 0

    @property
    def written(self) -> int:
        """How many slices are written."""
        return self._files.written

    def add(self, planned: PlannedObject) -> None:
        """Add an object to the current slice."""
        if self._size_bytes + planned.size_bytes > MOST_BYTES or len(self._files.lines) == self._most_objects:
            self.flush()
        self._files.lines.append(planned.model_dump_json(exclude_defaults=True))
        self._size_bytes += planned.size_bytes

    def flush(self) -> None:
        """Write the current slice, if it has any object."""
        self._files.flush()
        self._size_bytes = 0


def slice_keys(plan_folder: str, folder: PlanFolder, kind: str) -> Iterator[str]:
    """Return the slices of a kind that one call wrote, in the order of the listing."""
    written = {
        BATCH: folder.batches,
        MOVE: folder.moves,
        FILE: folder.files,
        MOVED_FILE: folder.moved_files,
        EXECUTION: folder.executions,
    }
    for number in range(written[kind]):
        yield numbered(f"{plan_folder}{folder.name}/{kind}", number)


def pointers(plan_folder: str, folders: Collection[PlanFolder], *kinds: str) -> bytes:
    """Return all slices of these kinds as a JSON array, in an order that spreads neighbours."""
    return spread(key for kind in kinds for folder in folders for key in slice_keys(plan_folder, folder, kind))


def spread(slices: Iterable[str]) -> bytes:
    """Return keys of slices as a JSON array, in an order that spreads neighbours.

    Slices that are copied at the same time should have keys far apart: S3 limits requests by prefix ("Best practices
    design patterns: optimizing Amazon S3 performance", Amazon S3 User Guide). Multiples of the golden ratio, without
    their whole part, are spread evenly.
    """
    keys = list(slices)
    order = sorted(range(len(keys)), key=lambda index: index * GOLDEN_RATIO % 1)
    return json.dumps([Slice(key=keys[index]).model_dump() for index in order]).encode()


def is_of_files(slice_key: str) -> bool:
    """Check whether a slice, of the plan or repeated from it, has files of tables."""
    return slice_kind(slice_key) in FILE_KINDS


def is_of_moves(slice_key: str) -> bool:
    """Check whether a slice, of the plan or repeated from it, has moves."""
    return slice_kind(slice_key) in MOVE_KINDS


def slice_kind(slice_key: str) -> str:
    """Return the kind of a slice, of the plan or repeated from it."""
    return slice_key.rpartition("/")[2].rpartition("-")[0]
