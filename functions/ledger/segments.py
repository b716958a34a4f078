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
from typing import Any

from botocore.exceptions import ClientError

from functions.objects.head import OTHERS_WROTE
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors, code_of

ENDING = ".jsonl.gz"
UNTIL = "until"
FIRST = ""
"""The boundary of the first segment."""

MISSING = "NoSuchKey"
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
        key = self._key(boundary)
        with aws_errors(f"reading the ledger s3://{self.results_bucket}/{key}"):
            try:
                response = clients.s3(self.region).get_object(Bucket=self.results_bucket, Key=key)
                body = response["Body"].read()
            except ClientError as error:
                if code_of(error) != MISSING:
                    raise
                return Segment(boundary, {})
        lines = {_key_of(line): line for line in gzip.decompress(body).split(b"\n") if line}
        until = response["Metadata"].get(UNTIL)
        return Segment(boundary, lines, bytes.fromhex(until).decode() if until else None, response["ETag"])

    def write(self, segment: Segment) -> bool:
        """Write a segment over the one that was read; return False if somebody else has written it since."""
        key = self._key(segment.boundary)
        body = gzip.compress(b"".join(line + b"\n" for line in segment.lines.values()), mtime=0)
        condition: dict[str, Any] = {"IfMatch": segment.etag} if segment.etag else {"IfNoneMatch": "*"}
        metadata = {} if segment.until is None else {UNTIL: segment.until.encode().hex()}
        client = clients.s3_for_conditional_writes(self.region, WRITE_TIMEOUT_SECONDS)
        with aws_errors(f"writing the ledger s3://{self.results_bucket}/{key}"):
            try:
                client.put_object(Bucket=self.results_bucket, Key=key, Body=body, Metadata=metadata, **condition)
            except ClientError as error:
                if code_of(error) in OTHERS_WROTE:
                    return False
                raise
        return True

    def _key(self, boundary: str) -> str:
        return f"{self.folder}from-{boundary.encode().hex()}{ENDING}"


def first_of(end: str | None, other: str | None) -> str | None:
    """Return the earlier end of a range; without one, it is open."""
    return min((each for each in (end, other) if each is not None), default=None)


def _key_of(line: bytes) -> str:
    key: str = json.loads(line)["key"]
    return key
