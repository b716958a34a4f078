"""Works on many objects in parallel, and adapts to S3: additive increase, multiplicative decrease.

As soon as an object is done, the next one begins: no object waits for a slow one. A *wave* is as many results as
objects are worked on at once. After a wave in which S3 throttled, half as many are; after any other, a few more. What
S3 throttled is tried again after the wave. If S3 throttles as many in a row, nothing else begins, the call ends, and
the state machine waits: no function sleeps.
"""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

from functions.contract.batches import Outcome

FIRST_WIDTH = 16
LARGEST_WIDTH = 32
INCREASE = 2

Item = TypeVar("Item")


class WaveWidth:
    """How many objects are worked on at once. `stopped`: nothing else is to begin."""

    def __init__(self) -> None:
        self.objects = FIRST_WIDTH
        self.stopped = False
        self._results = self._throttled = self._in_a_row = 0

    def count(self, *, throttled: bool, left: int) -> bool:
        """Count a result, after which so many objects are left; return whether it ends a wave."""
        self._results += 1
        self._throttled += throttled
        self._in_a_row = self._in_a_row + 1 if throttled else 0
        if throttled and self._in_a_row >= min(self.objects, left):
            self.stopped = True
        if self._results < self.objects:
            return False
        grown = min(LARGEST_WIDTH, self.objects + INCREASE)
        self.objects = max(1, self.objects // 2) if self._throttled else grown
        self._results = self._throttled = 0
        return True


def work_in_waves(
    items: Iterable[Item],
    work: Callable[[Item], Outcome | None],
    time_is_left: Callable[[], bool],
    record: Callable[[list[Outcome]], None],
) -> list[Outcome]:
    """Return the outcomes of the items that were worked on; `work` returns None if S3 throttled.

    `record` is called with all outcomes so far after each wave.
    """
    waiting, outcomes, width = deque(items), list[Outcome](), WaveWidth()
    running: dict[Future[Outcome | None], Item] = {}
    # Not concurrent.futures.wait, which takes every running object's lock for each that is done: a third of the time.
    finished: SimpleQueue[Future[Outcome | None]] = SimpleQueue()
    throttled: list[Item] = []
    with ThreadPoolExecutor(LARGEST_WIDTH) as pool:
        while True:
            while waiting and len(running) < width.objects and not width.stopped and time_is_left():
                item = waiting.popleft()
                future = pool.submit(work, item)
                running[future] = item
                future.add_done_callback(finished.put)
            if not running:
                return outcomes
            done = finished.get()
            item, result = running.pop(done), done.result()
            if result is None:
                throttled.append(item)
            else:
                outcomes.append(result)
            left = len(waiting) + len(running) + len(throttled)
            wave_ended = width.count(throttled=result is None, left=left)
            if wave_ended:
                record(outcomes)
            if wave_ended or not running:
                waiting.extend(throttled)
                throttled.clear()
