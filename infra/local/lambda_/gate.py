"""Limit how many functions run at once in the local cloud, and decide which run first.

On AWS a hundred uploads run in a hundred environments; one machine would need 20 GB for that, and fails. So an
invocation waits here until it may run. Functions do not notice, and nothing is raised.
"""

import bisect
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

MAX_INVOCATIONS = 4
"""Without a limit, 100 uploads start over a hundred processes (20 GB) and fail."""

MAX_INVOCATIONS_PER_FUNCTION = 2
"""Each concurrent invocation of a function leaves a process that waits for the next one (65 MB)."""

THREADED = "-batch"
"""The functions whose names end so work on many objects at once, a thread for each. One of them already keeps two cores
busy: with a second one of its kind both wait for each other, and the whole takes longer."""

PREFERRED = ("-copy-object", "-verify-checksum")
HEAD_START_SECONDS = 10
"""A crawl covers what was copied before it started: the sooner all is copied, the fewer crawls. But no invocation
waits long behind later ones."""


class Gate:
    """Admits a few invocations at a time. The others wait in the order of their arrival."""

    def __init__(
        self,
        limit: int = MAX_INVOCATIONS,
        limit_per_function: int = MAX_INVOCATIONS_PER_FUNCTION,
        head_start_seconds: float = HEAD_START_SECONDS,
    ) -> None:
        self._limit = limit
        self._limit_per_function = limit_per_function
        self._head_start_seconds = head_start_seconds
        self._lock = threading.Lock()
        self._waiting: list[tuple[float, int, str, threading.Event]] = []
        self._running: Counter[str] = Counter()
        self._tickets = itertools.count()

    @property
    def waiting(self) -> int:
        """The number of waiting invocations."""
        with self._lock:
            return len(self._waiting)

    @contextmanager
    def admission(self, name: str) -> Iterator[None]:
        """Wait until the function may run, and count it as running meanwhile."""
        admitted = threading.Event()
        priority = time.monotonic() + (0 if name.endswith(PREFERRED) else self._head_start_seconds)
        with self._lock:
            bisect.insort(self._waiting, (priority, next(self._tickets), name, admitted))
            self._admit()
        admitted.wait()
        try:
            yield
        finally:
            with self._lock:
                self._running[name] -= 1
                self._admit()

    def _admit(self) -> None:
        for invocation in list(self._waiting):
            if self._running.total() >= self._limit:
                return
            _, _, name, admitted = invocation
            if self._running[name] < self._limit_of(name):
                self._running[name] += 1
                self._waiting.remove(invocation)
                admitted.set()

    def _limit_of(self, name: str) -> int:
        return 1 if name.endswith(THREADED) else self._limit_per_function
