"""Walks an execution through the committed states language, one call to S3 at a time.

Only what `migrate` uses is understood: Task, Choice, Wait, Pass and Succeed. An execution is a value: to continue is
to make another one. A step that was killed is called again with the same input, as its Retry says.
"""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from statemachine.check import PLACEHOLDER
from statemachine.render import ASL_FILE
from statemachine.retries import CRASHES_AND_TIMEOUTS, SERVICE_ERRORS, THROTTLES
from tests.model import bulk
from tests.model.player import Answered, Asks, Fault, Next, Player, Record, answer, with_answer
from tests.model.s3 import S3

Values = dict[str, Any]
MOST_STATES_WITHOUT_A_CALL = 50
RETRIED = frozenset({*CRASHES_AND_TIMEOUTS, *SERVICE_ERRORS, *THROTTLES})
MOST_RETRIES = 2


@cache
def _states(kind: str) -> tuple[str, dict[str, Any]]:
    if kind == "bulk":
        return "Plan", bulk.STATES
    definition = json.loads(ASL_FILE.read_text(encoding="utf-8"))
    return definition["StartAt"], definition["States"]


@dataclass(frozen=True)
class Execution:
    """Where an execution stands."""

    name: str
    began: int
    document: str
    state: str = ""
    record: Record = ()
    retries: int = 0
    waits_seconds: int = 0
    """The wait before its next call."""

    status: str = "RUNNING"
    error: str = ""
    message: str = ""
    kind: str = "migrate"
    """Which workflow it is of."""

    @classmethod
    def start(cls, name: str, began: int, document: Values, kind: str = "migrate") -> "Execution":
        """One that has just been started."""
        return cls(name, began, json.dumps(document, sort_keys=True), _states(kind)[0], kind=kind)

    @property
    def values(self) -> Values:
        """The document so far."""
        values: Values = json.loads(self.document)
        return values

    @property
    def _began(self) -> str:
        return datetime.fromtimestamp(self.began, UTC).isoformat()

    def step(self, player: Player, s3: S3, fault: Fault | None = None) -> tuple["Execution", Answered | None]:
        """Make one more call, which changes `s3`, and continue to where the next one is made."""
        if fault == "killed before":
            return replace(self, record=()), None
        execution, call = replace(self._at_a_task(), waits_seconds=0), None
        for _ in range(MOST_STATES_WITHOUT_A_CALL):
            if execution.status != "RUNNING":
                return execution, call
            following = execution._next(player, s3)
            if isinstance(following, Asks):
                if call:
                    return execution, call
                call = answer(s3, following, lose_answer=fault == "answer lost")
                if fault == "killed after":
                    return replace(execution, record=()), call
                execution = replace(execution, record=with_answer(execution.record, call))
            elif following.result is None:
                execution = execution._failed(following.error, following.message)
            else:
                execution = execution._left(following.result)._at_a_task()
        raise AssertionError(f"{execution.name} makes no call any more in {execution.state}")

    def _next(self, player: Player, s3: S3) -> Next:
        function = PLACEHOLDER.fullmatch(_states(self.kind)[1][self.state]["Parameters"]["FunctionName"])
        assert function, self.state
        execution = {"Id": self.name, "Name": self.name, "StartTime": self._began}
        # The document is text already, with its keys in order.
        event = f'{{"document": {self.document}, "execution": {json.dumps(execution, sort_keys=True)}}}'
        return player.next(s3, function[1], event, self.record)

    def _failed(self, error: str, message: str) -> "Execution":
        if error in RETRIED and self.retries < MOST_RETRIES:
            return replace(self, record=(), retries=self.retries + 1)
        return replace(self, status="FAILED", error=error, message=message)

    def _left(self, result: Values) -> "Execution":
        state = _states(self.kind)[1][self.state]
        selected = {
            name.removesuffix(".$"): result[path.rpartition(".")[2]] for name, path in state["ResultSelector"].items()
        }
        return self._with(state["ResultPath"], selected, state["Next"])

    def _with(self, path: str, result: Values, following: str) -> "Execution":
        document = json.dumps(self.values | {path.removeprefix("$."): result}, sort_keys=True)
        return replace(self, document=document, state=following, record=(), retries=0)

    def _at_a_task(self) -> "Execution":
        """Continue to the next Task, or the end."""
        execution = self
        while execution.status == "RUNNING" and (state := _states(self.kind)[1][execution.state])["Type"] != "Task":
            if state["Type"] == "Choice":
                execution = replace(execution, state=_chosen(state, execution.values))
            elif state["Type"] == "Wait":
                seconds = _looked_up(state["SecondsPath"], execution.values)
                execution = replace(execution, state=state["Next"], waits_seconds=seconds)
            elif state["Type"] == "Pass":
                given = {
                    name.removesuffix(".$"): _looked_up(value, execution.values) if name.endswith(".$") else value
                    for name, value in state["Parameters"].items()
                }
                execution = execution._with(state["ResultPath"], given, state["Next"])
            elif state["Type"] == "Succeed":
                execution = replace(execution, status="SUCCEEDED")
            else:
                raise AssertionError(f"{execution.state} is a {state['Type']}")
        return execution


def _chosen(state: Values, document: Values) -> str:
    for choice in state["Choices"]:
        found = _looked_up(choice["Variable"], document)
        if found == choice.get("StringEquals", choice.get("BooleanEquals")):
            return str(choice["Next"])
    return str(state["Default"])


def _looked_up(path: str, document: Values) -> Any:
    value: Any = document
    for name in path.removeprefix("$.").split("."):
        value = value[name]
    return value
