"""The files of a ledger: gzipped JSON lines, sorted by key, in segments of a few thousand lines.

    ledger/<source bucket>/from-<hexadecimal>.jsonl.gz

A segment has the keys from its boundary, which its name holds as hexadecimal UTF-8, up to the next segment's. So a
listing is the index: it sorts as the keys do ("Listing object keys programmatically", Amazon S3 User Guide). A segment
is never deleted, and its boundary never changes; one that grew too long gives its upper part to new ones
(functions/ledger/update.py). Its metadata has the end of its range, which shows that it was split since the listing.

Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass

from functions.objects.shared_file import SharedFile
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors

ENDING = ".jsonl.gz"
UNTIL = "until"
FIRST = ""
"""The boundary of the first segment."""

WRITE_TIMEOUT_SECONDS = 60

Lines = dict[str, bytes]
"""Lines by key, in the keys' order."""


@dataclass(frozen=True)
class Segment:
    """A segment. `until` is None if no end is known, `etag` if it does not exist yet."""

    boundary: str
    lines: Lines
    until: str | None = None
    etag: str | None = None

    def covers(self, key: str) -> bool:
        """Check whether a key that is not before the boundary belongs here."""
        return self.until is None or key < self.until


@dataclass(frozen=True)
class Ledger:
    """The ledger of one source bucket."""

    results_bucket: str
    region: str
    source_bucket: str

    @property
    def folder(self) -> str:
        """The beginning of each segment's key."""
        return f"ledger/{self.source_bucket}/"

    def boundaries(self) -> Iterator[str]:
        """Yield where each segment begins, in order."""
        pages = clients.s3(self.region).get_paginator("list_objects_v2")
        with aws_errors(f"listing the ledger s3://{self.results_bucket}/{self.folder}"):
            for page in pages.paginate(Bucket=self.results_bucket, Prefix=self.folder):
                for found in page.get("Contents", ()):
                    name = found["Key"].removeprefix(f"{self.folder}from-").removesuffix(ENDING)
                    yield bytes.fromhex(name).decode()

    def read(self, boundary: str) -> Segment:
        """Return a segment; one that does not exist is empty."""
        found = self._file(boundary).read()
        if found is None:
            return Segment(boundary, {})
        lines = {_key_of(line): line for line in gzip.decompress(found.body).split(b"\n") if line}
        until = found.metadata.get(UNTIL)
        return Segment(boundary, lines, bytes.fromhex(until).decode() if until else None, found.etag)

    def write(self, segment: Segment) -> bool:
        """Write a segment over the one that was read; return False if somebody else has written it since."""
        body = gzip.compress(b"".join(line + b"\n" for line in segment.lines.values()), mtime=0)
        metadata = {} if segment.until is None else {UNTIL: segment.until.encode().hex()}
        return self._file(segment.boundary).write(body, segment.etag, metadata)

    def _file(self, boundary: str) -> SharedFile:
        key = f"{self.folder}from-{boundary.encode().hex()}{ENDING}"
        return SharedFile(self.results_bucket, self.region, key, "the ledger", WRITE_TIMEOUT_SECONDS)


def first_of(end: str | None, other: str | None) -> str | None:
    """Return the earlier end of a range; without one, it is open."""
    return min((each for each in (end, other) if each is not None), default=None)


def _key_of(line: bytes) -> str:
    key: str = json.loads(line)["key"]
    return key
