"""What a test does between a handler's call to AWS and its answer, through boto3's own events."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import boto3

from tests.support.client_errors import client_error

Values = dict[str, Any]
Before = Callable[[Values], None]
After = Callable[[Values, Values], None]


@dataclass
class Interference:
    """Functions by operation, as "s3.CopyObject"; they may raise, and change the answer."""

    before: dict[str, Before] = field(default_factory=dict)
    after: dict[str, After] = field(default_factory=dict)
    calls: list[tuple[str, Values]] = field(default_factory=list)
    """Every operation that was called, with its parameters."""

    answers: list[tuple[str, Values]] = field(default_factory=list)
    """Every operation that did not fail, with its answer."""

    def install(self, session: boto3.Session) -> None:
        """Watch every client that this session makes from now on."""
        session.events.register("provide-client-params.*.*", self._before)
        session.events.register("after-call.*.*", self._after)

    def stop(self) -> None:
        """Leave everything alone again."""
        self.before.clear()
        self.after.clear()

    def forget(self) -> None:
        """Begin a new test."""
        self.stop()
        self.calls.clear()
        self.answers.clear()

    def answered(self, operation: str) -> list[Values]:
        """The answers of an operation."""
        return [answer for name, answer in self.answers if name == operation]

    def called(self, operation: str, **parameters: object) -> list[Values]:
        """The calls of an operation with these parameters."""
        return [
            given
            for name, given in self.calls
            if name == operation and all(given.get(key) == value for key, value in parameters.items())
        ]

    def _before(self, params: Values, model: Any, context: Values, **_: object) -> None:
        operation = f"{model.service_model.service_name}.{model.name}"
        context["given"] = params
        self.calls.append((operation, params))
        if operation in self.before:
            self.before[operation](params)

    def _after(self, parsed: Values, model: Any, context: Values, **_: object) -> None:
        operation = f"{model.service_model.service_name}.{model.name}"
        if "Error" in parsed:
            return
        self.answers.append((operation, parsed))
        if operation in self.after:
            self.after[operation](context["given"], parsed)


def fail_with(code: str, operation: str) -> Before:
    """Have an operation respond with an error."""

    def fail(_given: Values) -> None:
        raise client_error(code, operation)

    return fail


def once(do: Callable[[], object]) -> Callable[..., None]:
    """Do something at the first call only."""
    left = [do]

    def call(*_: object) -> None:
        if left:
            left.pop()()

    return call
