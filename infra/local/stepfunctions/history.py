"""The history of an execution, as MiniStack's states write to it.

Once an execution has ended, nothing is added: a function that was running at the end may return later. Rules: Step
Functions API Reference, "HistoryEvent" (events are numbered from one) and "RedriveExecution" (a redrive appends to the
existing history).
"""

import threading
from typing import Any

from infra.local.stepfunctions.errors import AttemptEnded
from infra.local.stepfunctions.models import Attempt, Record


class AttemptEvents:
    """The events of an execution, for one attempt: AttemptEnded when it adds one after its end."""

    def __init__(self, events: list[dict[str, Any]], attempt: Attempt, lock: "threading.RLock") -> None:
        self._events = events
        self._attempt = attempt
        self._lock = lock

    def __len__(self) -> int:
        return len(self._events)

    def append(self, event: dict[str, Any]) -> None:
        """Add an event, under the number that is next now: branches add theirs at the same time."""
        with self._lock:
            if self._attempt.ended:
                raise AttemptEnded
            if event["type"] == "TaskFailed" and event["taskFailedEventDetails"]["error"] == "States.Timeout":
                # MiniStack has one event for both ("TaskTimedOutEventDetails").
                event.update(type="TaskTimedOut", taskTimedOutEventDetails=event.pop("taskFailedEventDetails"))
            event["id"] = len(self._events) + 1
            self._events.append(event)


def view(record: Record, attempt: Attempt, lock: "threading.RLock") -> dict[str, Any]:
    """What MiniStack's states may see of an execution, with the events of one attempt."""
    seen = {name: record.get(name) for name in ("executionArn", "stateMachineArn", "testCase", "mockAttempts")}
    return seen | {"events": AttemptEvents(record["events"], attempt, lock)}
