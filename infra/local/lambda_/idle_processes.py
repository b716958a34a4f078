"""End the processes of functions that nobody has called for a while: each holds 65 MB.

MiniStack keeps the first process of each function forever, and counts the time of a long call as idle.
Lambda freezes an environment after each call, and ends it after some time ("Understanding the Lambda execution
environment lifecycle", AWS Lambda Developer Guide); the next call starts another one.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from infra.local.patching import require_attributes, wrap

IDLE_SECONDS = 120


def install() -> None:
    """Replace MiniStack's own rule, which it applies every 30 seconds. Idempotent."""
    require_attributes(lambda_runtime, "_workers", "_lock", "kill_workers")
    wrap(lambda_svc, "reap_idle_workers", _end_idle)
    wrap(lambda_svc, "release_worker", _note_release)


def take_idle(workers: dict[str, list[Any]], lock: threading.Lock, now: float) -> list[Any]:
    """Remove the workers that are idle from their functions' lists, and return them."""
    idle = []
    with lock:
        for function, entries in list(workers.items()):
            kept = [each for each in entries if each.in_use or now - each.last_used < IDLE_SECONDS]
            idle += [each for each in entries if each not in kept]
            if kept:
                workers[function] = kept
            else:
                del workers[function]
    return idle


def _end_idle(_: Any) -> Any:
    def patched() -> int:
        idle = take_idle(lambda_runtime._workers, lambda_runtime._lock, time.time())
        lambda_runtime.kill_workers(idle)
        return len(idle)

    return patched


def _note_release(release: Callable[[Any], None]) -> Any:
    def patched(worker: Any) -> None:
        # Before it is free: afterwards, the reaper may see it with the time of its call.
        if worker is not None:
            worker.last_used = time.time()
        release(worker)

    return patched
