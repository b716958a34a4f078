"""How a test waits for a condition: never for a fixed time."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_for(find: Callable[[], Found | None], what: str, seconds: float = 120, poll_seconds: float = 0.01) -> Found:
    """Call `find` until it returns something; fail with the name of what is missing if it never does."""
    deadline = time.monotonic() + seconds
    while not (found := find()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(poll_seconds)
    return found
