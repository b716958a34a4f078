"""Writes the objects that a plan leaves to do as slices: gzipped JSON lines of bounded length.

A slice is never overwritten: each call of PlanBatches has a folder of its own. Raises AccessDenied, BucketMissing,
Throttled, RequestRejected.
"""

import gzip
import json
from collections.abc import Iterable

from functions.contract.bulk import PlanFolder, PlannedObject, Slice
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors

MOST_OBJECTS = 1000
MOST_BYTES = 64 * 1024**3
"""Of the objects of a slice of several: one function copies them in one or a few calls."""

BATCH, EXECUTION = "batch", "execution"
GOLDEN_RATIO = 0.6180339887498949


class SliceWriter:
    """Collects objects of one kind, and writes a slice as soon as it is full."""

    def __init__(self, bucket: str, region: str, prefix: str) -> None:
        self._bucket, self._region, self._prefix = bucket, region, prefix
        self._lines: list[str] = []
        self._size_bytes = 0
        self.written = 0

    def add(self, planned: PlannedObject) -> None:
        """Add an object to the current slice."""
        if self._size_bytes + planned.size_bytes > MOST_BYTES or len(self._lines) == MOST_OBJECTS:
            self.flush()
        self._lines.append(planned.model_dump_json(exclude_defaults=True))
        self._size_bytes += planned.size_bytes

    def flush(self) -> None:
        """Write the current slice, if it has any object."""
        if not self._lines:
            return
        body = gzip.compress("".join(f"{line}\n" for line in self._lines).encode(), mtime=0)
        put(self._bucket, self._region, f"{self._prefix}-{self.written:05}.jsonl.gz", body)
        self.written += 1
        self._lines, self._size_bytes = [], 0


def put(bucket: str, region: str, key: str, body: bytes) -> None:
    """Write one file of the plan."""
    with aws_errors(f"writing the plan to s3://{bucket}/{key}"):
        clients.s3(region).put_object(Bucket=bucket, Key=key, Body=body)


def pointers(plan_folder: str, folders: Iterable[PlanFolder], kind: str) -> bytes:
    """Return all slices of a kind as a JSON array, in an order that spreads neighbours.

    Slices that are copied at the same time should have keys far apart: S3 limits requests by prefix ("Best practices
    design patterns: optimizing Amazon S3 performance", Amazon S3 User Guide). Multiples of the golden ratio, without
    their whole part, are spread evenly.
    """
    keys = [
        f"{plan_folder}{folder.name}/{kind}-{number:05}.jsonl.gz"
        for folder in folders
        for number in range(folder.batches if kind == BATCH else folder.executions)
    ]
    spread = sorted(range(len(keys)), key=lambda index: index * GOLDEN_RATIO % 1)
    return json.dumps([Slice(key=keys[index]).model_dump() for index in spread]).encode()
