"""Files of gzipped lines in the results bucket: the slices of a plan, the records of their objects, the report.

Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

import gzip
from collections.abc import Iterable, Iterator

from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors

ENDING = ".jsonl.gz"


def put_lines(bucket: str, region: str, key: str, lines: Iterable[str], what: str) -> None:
    """Write lines to one file; `what` names it in an error. The same lines give the same bytes."""
    put(bucket, region, key, gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0), what)


def put(bucket: str, region: str, key: str, body: bytes, what: str) -> None:
    """Write one file."""
    with aws_errors(f"writing {what} s3://{bucket}/{key}"):
        clients.s3(region).put_object(Bucket=bucket, Key=key, Body=body)


def read(bucket: str, region: str, key: str) -> bytes:
    """Read one file."""
    with aws_errors(f"reading s3://{bucket}/{key}"):
        return clients.s3(region).get_object(Bucket=bucket, Key=key)["Body"].read()


def first_keys(bucket: str, region: str, prefix: str, most: int) -> list[str]:
    """List the first keys with a prefix, up to 1,000."""
    with aws_errors(f"listing s3://{bucket}/{prefix}"):
        listed = clients.s3(region).list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=most)
    return [each["Key"] for each in listed.get("Contents", ())]


def read_lines(bucket: str, region: str, key: str) -> Iterator[bytes]:
    """Read a file's lines."""
    # JSON escapes line feeds, and nothing else ends a line here.
    yield from (line for line in gzip.decompress(read(bucket, region, key)).split(b"\n") if line)


class LineFiles:
    """Collects lines of a plan, and writes them to one file after another."""

    def __init__(self, bucket: str, region: str, prefix: str) -> None:
        self._bucket, self._region, self._prefix = bucket, region, prefix
        self.lines: list[str] = []
        self.written = 0

    def flush(self) -> None:
        """Write the lines to the next file, if there are any."""
        if self.lines:
            put_lines(self._bucket, self._region, numbered(self._prefix, self.written), self.lines, "the plan to")
            self.written, self.lines = self.written + 1, []


def numbered(prefix: str, number: int) -> str:
    """Return the key of one of several files: `<prefix>-00000.jsonl.gz`."""
    return f"{prefix}-{number:05}{ENDING}"
