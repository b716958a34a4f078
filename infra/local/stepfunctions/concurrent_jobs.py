"""Run the branches of a Parallel state, the iterations of a Map or the children of a Map Run, at the same time."""

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Sequence

from infra.local.stepfunctions.errors import AttemptEnded
from infra.local.stepfunctions.models import Attempt

Job = Callable[[], None]


class ConcurrentJobs:
    """Runs jobs in threads; the first failure ends the attempt of all, and is raised at once.

    "If any branch fails … the entire Parallel state is considered to have failed and all its branches are stopped"
    (Step Functions Developer Guide, "Parallel workflow state"). A function that is running is not stopped, so nobody
    waits for its thread.
    """

    def __init__(self, attempt: Attempt, changed: threading.Condition) -> None:
        self._attempt = attempt
        self._changed = changed
        self._waiting: deque[Job] = deque()
        self._running = 0
        self._failure: Exception | None = None

    def run(self, jobs: Sequence[Job], limit: int) -> None:
        """Run all, at most `limit` at a time; raises the first failure, or AttemptEnded once the attempt has ended."""
        self._waiting.extend(jobs)
        for _ in range(min(limit, len(jobs))):
            # Threads do not inherit context variables: account, region and caller are in them.
            context = contextvars.copy_context()
            threading.Thread(target=context.run, args=[self._work], daemon=True).start()
        with self._changed:
            self._changed.wait_for(self._is_over)
        if self._failure:
            raise self._failure
        if self._attempt.ended:
            raise AttemptEnded

    def _is_over(self) -> bool:
        return bool(self._failure) or self._attempt.ended or not (self._waiting or self._running)

    def _work(self) -> None:
        while True:
            with self._changed:
                if self._failure or self._attempt.ended or not self._waiting:
                    return
                job = self._waiting.popleft()
                self._running += 1
            failure: Exception | None = None
            try:
                job()
            except Exception as error:  # noqa: BLE001 - the thread that waits raises it
                failure = error
            with self._changed:
                self._running -= 1
                self._failure = self._failure or failure
                self._changed.notify_all()
