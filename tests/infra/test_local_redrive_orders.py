"""Whatever stops, redrives and returns in whatever order, each state ends once, by the attempt that is running then."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ministack.services import stepfunctions

from infra.local.stepfunctions import status_events
from infra.local.stepfunctions.errors import CallRejected
from infra.local.stepfunctions.executions import Executions
from infra.local.stepfunctions.models import Attempt, WorkflowExecution

MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:orders"
NAMES = ("A", "B", "C")


def definition() -> dict[str, Any]:
    following = dict(zip(NAMES, [*NAMES[1:], None], strict=True))
    states = {
        name: {
            "Type": "Task",
            "Resource": f"arn:aws:states:::{name}:call",
            "ResultPath": f"$.{name}",
            **({"Next": after} if after else {"End": True}),
        }
        for name, after in following.items()
    }
    return {"StartAt": "A", "States": states}


class Call:
    """A call of a function that is in flight, until it returns or fails."""

    def __init__(self, state: str, number: int) -> None:
        self.state = state
        self.number = number
        self.fails = False
        self._released = threading.Event()

    def release(self, *, fails: bool = False) -> None:
        self.fails = fails
        self._released.set()

    def result(self) -> int:
        assert self._released.wait(30), "never released"
        if self.fails:
            raise stepfunctions._ExecutionError("Faulty", "as asked")
        return self.number


class World(Executions):
    """Executions whose functions return when the test lets them, one step at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.in_flight: list[Call] = []
        self.threads = 0

    def invoke(self, resource: str, _: object) -> int:
        with self.changed:
            call = Call(resource.split(":")[-2], len(self.calls))
            self.calls.append(call)
            self.in_flight.append(call)
            self.changed.notify_all()
        return call.result()

    def run(self, execution: WorkflowExecution, attempt: Attempt) -> None:
        super().run(execution, attempt)
        with self.changed:
            self.threads -= 1
            self.changed.notify_all()

    def do(self, action: Callable[[], object], *, starts: bool = False) -> None:
        """Do something, and wait until every thread has ended or waits for its function."""
        with self.changed:
            self.threads += starts
        try:
            action()
        except CallRejected:
            with self.changed:
                self.threads -= starts
        with self.changed:
            assert self.changed.wait_for(lambda: self.threads == len(self.in_flight), 30), "no rest"

    def release(self, index: int, *, fails: bool = False) -> Call:
        call = self.in_flight.pop(index % len(self.in_flight))
        self.do(lambda: call.release(fails=fails))
        return call


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Callable[[], World]:
    machine = {
        "stateMachineArn": MACHINE,
        "name": "orders",
        "definition": json.dumps(definition()),
        "roleArn": "arn:aws:iam::000000000000:role/orders",
        "type": "STANDARD",
    }
    monkeypatch.setitem(stepfunctions._state_machines, MACHINE, machine)
    monkeypatch.setattr(status_events, "publish", lambda *_: None)

    def make() -> World:
        new = World()
        stepfunctions._executions.clear()
        monkeypatch.setattr(stepfunctions, "_invoke_resource", new.invoke)
        return new

    return make


STEPS = st.lists(st.tuples(st.sampled_from(["return", "fail", "stop", "redrive"]), st.integers(0, 5)), max_size=12)


def test_each_state_ends_once_in_every_order(world: Callable[[], World]) -> None:
    @settings(max_examples=150)
    @given(steps=STEPS)
    def check(steps: list[tuple[str, int]]) -> None:
        cloud = world()
        cloud.do(lambda: cloud.start(MACHINE, "one", "{}"), starts=True)
        (execution,) = (cloud.get(arn) for arn in stepfunctions._executions)

        def redrive() -> None:
            cloud.do(lambda: cloud.redrive(execution, None), starts=True)

        for action, index in steps:
            if action == "redrive":
                redrive()
            elif action == "stop":
                cloud.do(lambda: cloud.stop(execution, None, None))
            elif cloud.in_flight:
                cloud.release(index, fails=action == "fail")
        while execution.record["status"] != "SUCCEEDED":
            redrive()
            # The call of the attempt that is running is the last.
            cloud.release(-1)
        before = list(execution.record["events"])
        while cloud.in_flight:
            cloud.release(0, fails=True)
        assert execution.record["events"] == before, "a function that returned late changed the history"
        assert_consistent(execution)

    check()


def assert_consistent(execution: WorkflowExecution) -> None:
    events = execution.record["events"]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    for kind in ("TaskStateEntered", "TaskStateExited"):
        details = [event["stateEnteredEventDetails" if "Entered" in kind else "stateExitedEventDetails"]
                   for event in events if event["type"] == kind]  # fmt: skip
        assert [each["name"] for each in details] == list(NAMES)
    kinds = [event["type"] for event in events]
    # What ends an execution is followed by a redrive, or by nothing.
    ends = [index for index, kind in enumerate(kinds) if kind in ("ExecutionFailed", "ExecutionAborted")]
    assert [kinds[index + 1] for index in ends] == ["ExecutionRedriven"] * len(ends)
    assert kinds.count("ExecutionRedriven") == len(ends) == execution.record["redriveCount"]
    assert kinds[-1] == "ExecutionSucceeded"
    # The results are those of the calls that the history says succeeded.
    output = json.loads(execution.record["output"])
    succeeded = [
        json.loads(event["taskSucceededEventDetails"]["output"]) for event in events if event["type"] == "TaskSucceeded"
    ]
    assert [output[name] for name in NAMES] == succeeded
