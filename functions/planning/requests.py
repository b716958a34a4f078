"""Counts the S3 requests of a block, retries included, by operation."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from functions.runtime import clients


@contextmanager
def counted_requests(regions: set[str]) -> Iterator[Counter[str]]:
    """Count what this process requests from S3 in these regions meanwhile, in all threads."""
    counts: Counter[str] = Counter()
    lock = Lock()

    def count(operation_name: str, **_: Any) -> None:
        with lock:
            counts[operation_name] += 1

    events = [clients.s3(region).meta.events for region in sorted(regions)]
    for each in events:
        each.register("request-created.s3", count)
    try:
        yield counts
    finally:
        for each in events:
            each.unregister("request-created.s3", count)
