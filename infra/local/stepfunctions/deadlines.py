"""Call something when its time has come, with one thread for all deadlines."""

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)


class Deadlines:
    """Calls whose time has not come yet. A call must do nothing if its subject has ended."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._calls: list[tuple[float, int, Callable[[], None]]] = []
        self._tickets = itertools.count()
        self._thread: threading.Thread | None = None

    def add(self, seconds: float, call: Callable[[], None]) -> None:
        """Call it after so many seconds."""
        with self._changed:
            heapq.heappush(self._calls, (time.monotonic() + seconds, next(self._tickets), call))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="states-deadlines", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._calls or self._calls[0][0] > time.monotonic():
                    self._changed.wait(self._calls[0][0] - time.monotonic() if self._calls else None)
                call = heapq.heappop(self._calls)[-1]
            try:
                call()
            except Exception:
                logger.exception("a deadline raised an unexpected error")
