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


def read_lines(bucket: str, region: str, key: str) -> Iterator[bytes]:
    """Read a file's lines."""
    with aws_errors(f"reading s3://{bucket}/{key}"):
        body = clients.s3(region).get_object(Bucket=bucket, Key=key)["Body"].read()
    # JSON escapes line feeds, and nothing else ends a line here.
    yield from (line for line in gzip.decompress(body).split(b"\n") if line)
