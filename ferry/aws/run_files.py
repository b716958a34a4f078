"""Reads the files of a run in the results bucket: gzipped JSON lines of its plan, its records and its report.

Raises CommandError for a file that is missing, or that may not be read.
"""

import gzip
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError

from ferry.aws.clients import Deployment
from ferry.aws.denials import ReadDenied, is_denied
from ferry.errors import CommandError

READERS = 8
"""Files that are read ahead; each has up to 1,000 lines."""


def _pages(deployment: Deployment, prefix: str) -> Iterator[Any]:
    bucket = deployment.outputs.athena_results
    client = deployment.target_s3
    try:
        yield from client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    except ClientError as error:
        _raise_denied(error, "s3:ListBucket", f"s3://{bucket}/{prefix}")
        raise


def _raise_denied(error: ClientError, action: str, what: str) -> None:
    if is_denied(error):
        raise ReadDenied(
            f"Access denied while reading {what}: you need {action}, and kms:Decrypt if the bucket has a key. "
            "docs/backfill.md lists the permissions that each command needs."
        ) from error


def list_keys(deployment: Deployment, prefix: str) -> Iterator[str]:
    """Keys that begin with a prefix, in their order; those of one folder in the order in which they were written."""
    found = [
        (each["Key"], each["LastModified"]) for page in _pages(deployment, prefix) for each in page.get("Contents", ())
    ]
    return (key for key, _ in sorted(found, key=lambda each: (each[0].rpartition("/")[0], each[1], each[0])))


def read_lines(deployment: Deployment, key: str) -> list[bytes]:
    """The lines of one file."""
    bucket = deployment.outputs.athena_results
    try:
        body = deployment.target_s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        _raise_denied(error, "s3:GetObject", f"s3://{bucket}/{key}")
        if error.response["Error"]["Code"] not in ("NoSuchKey", "404"):
            raise
        raise CommandError(
            f"s3://{bucket}/{key} is missing: it was deleted or has expired. Plans and records of a run are kept for "
            "30 days. Start another backfill to copy what is still missing."
        ) from error
    return [line for line in gzip.decompress(body).split(b"\n") if line]


def read_files(deployment: Deployment, keys: Iterable[str]) -> Iterator[list[bytes]]:
    """The lines of each file, in this order; the next few files are read meanwhile, never all of them."""
    waiting: deque[Future[list[bytes]]] = deque()
    with ThreadPoolExecutor(READERS) as pool:
        try:
            for key in keys:
                waiting.append(pool.submit(read_lines, deployment, key))
                if len(waiting) == READERS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            # The reader may want no more.
            for each in waiting:
                each.cancel()


def record_folder(plan_folder: str, kind: str) -> str:
    """Where the records of a kind are, from the folder of the plan: `runs/<run>/<round>/copied/`."""
    return f"{plan_folder.removesuffix('plan/')}{kind}/"
