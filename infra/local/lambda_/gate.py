"""How many functions run at once in the embedded cloud, and who goes first.

On AWS a hundred uploads run in a hundred environments; one machine would need 20 GB for that, and fails. So an
invocation waits here for its place. It has no effect on what a function does, and nothing is raised.
"""

import bisect
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

INVOCATIONS_AT_ONCE = 4
"""Without a bound, 100 uploads start over a hundred processes (20 GB) and fail."""

OF_ONE_FUNCTION_AT_ONCE = 2
"""Each invocation at once leaves a process behind that waits for the next (65 MB), in each function."""

FIRST = ("-copy-object", "-verify-checksum")
HEAD_START_SECONDS = 10
"""A crawl covers what was copied before it began: the sooner all is copied, the fewer crawls. But nobody waits
for long behind those who come later."""


class Gate:
    """Lets a few invocations run at once; the others wait, in order of their coming."""

    def __init__(
        self,
        limit: int = INVOCATIONS_AT_ONCE,
        limit_each: int = OF_ONE_FUNCTION_AT_ONCE,
        head_start_seconds: float = HEAD_START_SECONDS,
    ) -> None:
        self._limit, self._limit_each, self._head_start_seconds = limit, limit_each, head_start_seconds
        self._lock = threading.Lock()
        self._waiting: list[tuple[float, int, str, threading.Event]] = []
        self._running: Counter[str] = Counter()
        self._tickets = itertools.count()

    @property
    def waiting(self) -> int:
        """How many wait."""
        with self._lock:
            return len(self._waiting)

    @contextmanager
    def passed(self, name: str) -> Iterator[None]:
        """Wait for a place for this function, and have it for a while."""
        place = threading.Event()
        turn = time.monotonic() + (0 if name.endswith(FIRST) else self._head_start_seconds)
        with self._lock:
            bisect.insort(self._waiting, (turn, next(self._tickets), name, place))
            self._admit()
        place.wait()
        try:
            yield
        finally:
            with self._lock:
                self._running[name] -= 1
                self._admit()

    def _admit(self) -> None:
        for each in list(self._waiting):
            if self._running.total() >= self._limit:
                return
            _, _, name, place = each
            if self._running[name] < self._limit_each:
                self._running[name] += 1
                self._waiting.remove(each)
                place.set()
