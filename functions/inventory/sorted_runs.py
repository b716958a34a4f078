"""Writes and reads sorted runs: parts of an inventory, each in the order of a listing.

A run is one file of gzipped blocks, and an index of where each block begins and with which key: so a reader holds one
block of each run, and can begin after any key.

Idempotent: the same objects give the same bytes. Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

import gzip
import heapq
import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

from functions.planning.line_files import put
from functions.planning.listings import ListedObject, Page
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors

RUN_OBJECTS = 250_000
"""Sorted at once."""

RUN_ROWS = 1_000_000
"""Read for one run at most, if few of them are planned: then a call can end."""

BLOCK_OBJECTS = 1000
PAGE_OBJECTS = 1000
INDEXES_AT_ONCE = 16
BLOCKS, INDEX = ".jsonl.gz", ".json"
ORDER = attrgetter("key", "last_modified")
"""By key as S3 lists keys, which is Python's order of text; of a key that is listed twice, the later one last."""


@dataclass(frozen=True)
class RunFolder:
    """Where the runs of one plan are."""

    bucket: str
    region: str
    prefix: str

    def key(self, number: int, ending: str) -> str:
        """The key of a run's file, or of its index."""
        return f"{self.prefix}run-{number:05}{ending}"

    def read(self, key: str, **arguments: Any) -> bytes:
        """Read a file, or a range of it."""
        with aws_errors(f"reading the sorted inventory s3://{self.bucket}/{key}"):
            return clients.s3(self.region).get_object(Bucket=self.bucket, Key=key, **arguments)["Body"].read()


def write_run(folder: RunFolder, number: int, objects: Sequence[ListedObject]) -> None:
    """Sort objects and write them."""
    firsts, offsets, blocks = list[str](), [0], list[bytes]()
    in_order = sorted(objects, key=ORDER)
    for first in range(0, len(in_order), BLOCK_OBJECTS):
        block = in_order[first : first + BLOCK_OBJECTS]
        lines = "".join(f"{json.dumps(_values(each), separators=(',', ':'))}\n" for each in block)
        blocks.append(gzip.compress(lines.encode(), 6, mtime=0))
        firsts.append(block[0].key)
        offsets.append(offsets[-1] + len(blocks[-1]))
    index = json.dumps({"firsts": firsts, "offsets": offsets}).encode()
    for ending, body in ((BLOCKS, b"".join(blocks)), (INDEX, index)):
        put(folder.bucket, folder.region, folder.key(number, ending), body, "the sorted inventory")


def block_keys(folder: RunFolder, runs: int) -> list[str]:
    """Return the first key of each block of all runs, in order: they divide the objects evenly."""
    return sorted(key for index in _indexes(folder, runs) for key in index["firsts"])


def merged_pages(folder: RunFolder, runs: int, after: str, as_of: datetime) -> Iterator[Page]:
    """Yield the objects of all runs after a key, in the order of a listing."""
    streams = [_objects(folder, number, index, after) for number, index in enumerate(_indexes(folder, runs))]
    page: list[ListedObject] = []
    for found in heapq.merge(*streams, key=ORDER):
        if page and page[-1].key == found.key:
            # Listed twice: the later one counts.
            page[-1] = found
            continue
        if len(page) == PAGE_OBJECTS:
            yield Page(tuple(page), page[-1].key, as_of)
            page = []
        page.append(found)
    yield Page(tuple(page), None, as_of)


def _indexes(folder: RunFolder, runs: int) -> Iterator[Any]:
    with ThreadPoolExecutor(INDEXES_AT_ONCE) as pool:
        return pool.map(lambda number: json.loads(folder.read(folder.key(number, INDEX))), range(runs))


def _objects(folder: RunFolder, number: int, index: Any, after: str) -> Iterator[ListedObject]:
    firsts, offsets = index["firsts"], index["offsets"]
    for block in range(max(0, bisect_right(firsts, after) - 1), len(firsts)):
        span = f"bytes={offsets[block]}-{offsets[block + 1] - 1}"
        for line in gzip.decompress(folder.read(folder.key(number, BLOCKS), Range=span)).splitlines():
            found = _listed(json.loads(line))
            if found.key > after:
                yield found


def _values(listed: ListedObject) -> list[Any]:
    modified = listed.last_modified.isoformat()
    return [
        listed.key,
        listed.etag,
        listed.size_bytes,
        modified,
        listed.archived,
        listed.checksum_algorithm,
        listed.checksum_type,
    ]


def _listed(values: list[Any]) -> ListedObject:
    key, etag, size_bytes, modified, archived, algorithm, kind = values
    return ListedObject(key, etag, size_bytes, datetime.fromisoformat(modified), archived, algorithm, kind)
