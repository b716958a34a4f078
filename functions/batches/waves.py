"""Works on many objects in parallel, and adapts to S3: additive increase, multiplicative decrease.

Objects are taken in waves. After a wave in which S3 throttled, the next one is half as wide; after any other, a little
wider. If S3 throttles a whole wave, the call ends, and the state machine waits: no function sleeps.
"""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from functions.contract.bulk import Outcome

FIRST_WIDTH = 16
LARGEST_WIDTH = 32
INCREASE = 2

Item = TypeVar("Item")


def work_in_waves(
    items: Iterable[Item],
    work: Callable[[Item], Outcome | None],
    time_is_left: Callable[[], bool],
    record: Callable[[list[Outcome]], None],
) -> list[Outcome]:
    """Return the outcomes of the items that were worked on; `work` returns None if S3 throttled.

    `record` is called with all outcomes so far after each wave.
    """
    waiting, outcomes, width = deque(items), list[Outcome](), FIRST_WIDTH
    with ThreadPoolExecutor(LARGEST_WIDTH) as pool:
        while waiting and time_is_left():
            wave = [waiting.popleft() for _ in range(min(width, len(waiting)))]
            results = list(pool.map(work, wave))
            outcomes += [result for result in results if result is not None]
            record(outcomes)
            throttled = [item for item, result in zip(wave, results, strict=True) if result is None]
            waiting.extend(throttled)
            if len(throttled) == len(wave):
                break
            width = max(1, width // 2) if throttled else min(LARGEST_WIDTH, width + INCREASE)
    return outcomes
