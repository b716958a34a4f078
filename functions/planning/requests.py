"""Counts the S3 requests of a block, retries included, by operation; and by price."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock

from functions.contract.usage import Usage
from functions.runtime import clients

WRITING = ("Put", "Copy", "Create", "Complete", "Upload", "List")
FREE = ("Delete", "Abort")
"""How operations begin that cost as much as a PUT, or nothing; all others cost as a GET ("Amazon S3 pricing")."""


@contextmanager
def counted_requests() -> Iterator[Counter[str]]:
    """Count what this process requests from S3 meanwhile, in all threads."""
    counts: Counter[str] = Counter()
    lock = Lock()

    def count(operation: str) -> None:
        with lock:
            counts[operation] += 1

    with clients.observed_s3_requests(count):
        yield counts


def usage_of(requests: Mapping[str, int], milliseconds: int = 0) -> Usage:
    """Return requests by price."""
    writes = sum(number for name, number in requests.items() if name.startswith(WRITING))
    free = sum(number for name, number in requests.items() if name.startswith(FREE))
    return Usage(writes=writes, reads=sum(requests.values()) - writes - free, milliseconds=milliseconds)
