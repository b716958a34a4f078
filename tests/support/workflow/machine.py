"""Runs the committed states language in moto's interpreter, with the real handlers in this process.

Only two things stand in for AWS: `Lambdas` in the place of the Lambda service, and the interpreter's clock, by
which a second is short. The definition is the committed file; its placeholders are filled in and nothing else.
"""

import json
import logging
import re
import threading
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.core.exceptions import JsonRESTError
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec import execute_state
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.parse.preprocessor import Preprocessor
from moto.stepfunctions.parser.asl.utils import json_path
from moto.stepfunctions.parser.asl.utils.boto_client import boto_client_for
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from functions.contract.models import ExecutionInput
from statemachine.check import PLACEHOLDER
from statemachine.render import ASL_FILE
from tests.support.lambda_context import LambdaContext

Document = dict[str, Any]

logger = logging.getLogger(__name__)

REGION = "us-east-1"
ACCOUNT = "123456789012"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/ferry-migrate"
LONGEST_RUN_SECONDS = 120
LONGEST_PAUSE_SECONDS = 0.1
"""Of real time, before a retry: after a throttle the definition's pauses grow to an hour."""

RETRIES_AFTER_FAILURE = 4
"""Of the committed definition, after a failure of Lambda or a crash."""

PLENTY_MS = 600_000
ENTERED = re.compile(r"^\w+StateEntered$")
EXITED = re.compile(r"^\w+StateExited$")


@dataclass
class Clock:
    """By which the interpreter waits: how long a second lasts, and every pause before a retry, in seconds."""

    second: float = 0.01
    pauses: list[float] = field(default_factory=list)
    tasks: list["TaskEnd"] = field(default_factory=list)
    """Of the Tasks that run now."""

    def sleep(self, seconds: float) -> None:
        """Pause before a retry; this is all that a retrier uses of the module `time`."""
        self.pauses.append(seconds)
        time.sleep(min(seconds * self.second, LONGEST_PAUSE_SECONDS))

    def time_out_tasks(self) -> None:
        """Have the time of each running Task be over now: no test waits for a TimeoutSeconds."""
        for task in list(self.tasks):
            task.timed_out = True
            task.set()


class TaskEnd(threading.Event):
    """The end of a Task's attempt, for which the interpreter waits as long as the definition's TimeoutSeconds."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.timed_out = False
        self._tasks = clock.tasks
        self._tasks.append(self)

    def wait(self, timeout: float | None = None) -> bool:
        """Whether the attempt ended on time."""
        try:
            return super().wait(timeout) and not self.timed_out
        finally:
            self._tasks.remove(self)


@dataclass(frozen=True)
class Call:
    """One invocation of a function."""

    function: str
    event: Document
    answer: Document | None
    error: str | None

    @property
    def execution(self) -> str:
        """The name of the execution that called."""
        return str(self.event["execution"]["Name"])


def function_arn(key: str) -> str:
    """What stands for `${key}`."""
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:ferry-{key.replace('_', '-')}"


class Killed(BaseException):
    """The function's process is gone in the middle of its work: nothing in it can catch this.

    It is named as Lambda reports it: Runtime.ExitError for a crash, Sandbox.Timedout for the end of its time.
    """


@dataclass
class Lambdas:
    """Stands where the Lambda service stands: calls the real handlers and answers as Lambda does.

    One invocation at a time, as in a function's process; executions still run concurrently.
    """

    calls: list[Call] = field(default_factory=list)
    failures: dict[str, deque[str]] = field(default_factory=lambda: defaultdict(deque))
    executions: dict[str, Document] = field(default_factory=dict)
    """What `$$.Execution` says beside what moto says, by moto's execution name."""

    lost_answers: dict[str, deque[str]] = field(default_factory=lambda: defaultdict(deque))
    before: dict[str, Callable[[], object]] = field(default_factory=dict)
    """What happens just before a function is invoked."""

    running: Callable[[str], AbstractContextManager[object]] = lambda _function: nullcontext()
    """What there is around an invocation of a function."""

    remaining_ms: dict[str, deque[int]] = field(default_factory=lambda: defaultdict(deque))
    """How much time the next invocations of a function have; after these, plenty."""

    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def fail(self, function: str, errors: Iterable[str]) -> None:
        """Have the next invocations end in these errors, before the handler sees them."""
        self.failures[function].extend(errors)

    def lose_answers(self, function: str, errors: Iterable[str]) -> None:
        """Have the next invocations do their work and then end in these errors."""
        self.lost_answers[function].extend(errors)

    def invoke(self, arn: str, body: bytes | str, response_headers: dict[str, str]) -> bytes:
        """Invoke the function of this ARN."""
        key = arn.rpartition(":ferry-")[2].replace("-", "_")
        event = json.loads(body)
        event["execution"] |= self.executions.get(event["execution"]["Name"], {})
        if key in self.before:
            self.before[key]()
        with self._one_at_a_time, self.running(key):
            answer, error = self._call(key, event)
            self.calls.append(Call(key, event, None if error else answer, error))
        if error and error.startswith("Lambda."):
            raise JsonRESTError(error.removeprefix("Lambda."), "the service failed")
        if error:
            response_headers["x-amz-function-error"] = "Unhandled"
        return json.dumps(answer).encode()

    def _call(self, key: str, event: Document) -> tuple[Document, str | None]:
        if self.failures[key]:
            error = self.failures[key].popleft()
            return _failure(error), error
        handler = import_module(f"functions.{key}").handler
        remaining_ms = self.remaining_ms[key].popleft() if self.remaining_ms[key] else PLENTY_MS
        try:
            answer: Document = handler(event, LambdaContext([remaining_ms], key, aws_request_id=uuid.uuid4().hex))
        except Killed as killed:
            return _failure(str(killed)), str(killed)
        except Exception as raised:
            # As Lambda does: whatever a handler raises becomes the answer.
            logger.info("%s raised", key, exc_info=True)
            return _failure(type(raised).__name__, str(raised)), type(raised).__name__
        if self.lost_answers[key]:
            error = self.lost_answers[key].popleft()
            return _failure(error), error
        return answer, None


def _failure(error: str, message: str = "as the test wants it") -> Document:
    return {"errorType": error, "errorMessage": message}


@dataclass(frozen=True)
class Execution:
    """An execution that ended, and its history."""

    name: str
    status: str
    error: str
    cause: str
    document: Document
    """Its output; of one that failed, the input of the state that failed."""

    history: list[Document]

    @property
    def visited(self) -> list[str]:
        """Every state that was entered, in order."""
        return [event["stateEnteredEventDetails"]["name"] for event in self.history if ENTERED.match(event["type"])]

    @property
    def failed_state(self) -> str:
        """The state that was entered and never left."""
        left = [event["stateExitedEventDetails"]["name"] for event in self.history if EXITED.match(event["type"])]
        assert left == self.visited[:-1], "exactly the last state was not left"
        return self.visited[-1]

    @property
    def message(self) -> str:
        """The failed function's message."""
        return str(json.loads(self.cause)["errorMessage"])


class Machine:
    """The state machine `migrate`, as it is committed or as a release had it."""

    def __init__(self, lambdas: Lambdas, definition: Path = ASL_FILE) -> None:
        self.lambdas = lambdas
        self._definition = definition
        self._client = boto3.client("stepfunctions", region_name=REGION)
        self._machines: dict[str, str] = {}
        self._contexts: dict[str, Document] = {}

    def start(self, given: ExecutionInput | Document, name: str) -> str:
        """Start an execution; a document is the input as another release's starter made it."""
        return self._start(given if isinstance(given, dict) else given.model_dump(mode="json"), name)

    @property
    def machine_arn(self) -> str:
        """The state machine's ARN."""
        return self._machine(None)

    def arn(self, name: str) -> str:
        """The ARN of an execution that was started by its name."""
        return f"{self.machine_arn.replace(':stateMachine:', ':execution:')}:{name}"

    def run(self, given: ExecutionInput | Document, name: str) -> Execution:
        """Run an execution to its end."""
        return self.wait(self.start(given, name))

    def redrive(self, failed: Execution) -> Execution:
        """Run the failed state again, alone, from its recorded input, and continue from there.

        That is all that RedriveExecution does (AWS Step Functions Developer Guide, "Restarting state machine
        executions with redrive"): the same input, and $$.Execution with RedriveCount and RedriveTime.
        """
        assert failed.status == "FAILED", f"{failed.name} is {failed.status}, and only a failure is redriven"
        context = next(call for call in self.lambdas.calls if call.execution == failed.name).event["execution"]
        count = self._contexts.get(failed.name, {}).get("RedriveCount", 0) + 1
        again = {
            **{key: context[key] for key in ("Id", "Name", "StartTime", "Input")},
            "RedriveCount": count,
            "RedriveTime": datetime.now(UTC).isoformat(),
        }
        self._contexts[failed.name] = again
        name = f"{failed.name}-redrive-{count}"
        self.lambdas.executions[name] = again
        ended = self.wait(self._start(failed.document, name, failed.failed_state))
        return Execution(failed.name, ended.status, ended.error, ended.cause, ended.document, ended.history)

    def wait(self, arn: str) -> Execution:
        """Wait for an execution's end."""
        deadline = time.monotonic() + LONGEST_RUN_SECONDS
        # Asking through the API takes longer than most steps do, and so does the history.
        running = stepfunctions_parser_backends[ACCOUNT][REGION].describe_execution(arn)
        while running.status == "RUNNING":
            assert time.monotonic() < deadline, f"{arn} is still running: {_history(running)[-3:]}"
            time.sleep(0.005)
        response = self._client.describe_execution(executionArn=arn)
        history = _history(running)
        entered = [event["stateEnteredEventDetails"]["input"] for event in history if ENTERED.match(event["type"])]
        return Execution(
            name=response["name"],
            status=response["status"],
            error=response.get("error", ""),
            cause=response.get("cause", ""),
            document=json.loads(response.get("output") or entered[-1]),
            history=history,
        )

    def _start(self, document: Document, name: str, start_at: str | None = None) -> str:
        started = self._client.start_execution(
            stateMachineArn=self._machine(start_at), name=name, input=json.dumps(document)
        )
        return started["executionArn"]

    def _machine(self, start_at: str | None) -> str:
        # One name, one definition: a test may have the machines of two releases.
        name = "ferry-" + self._definition.name.removesuffix(".asl.json").replace(".", "-")
        name += f"-from-{start_at}" if start_at else ""
        if name not in self._machines:
            text = PLACEHOLDER.sub(lambda match: function_arn(match[1]), self._definition.read_text(encoding="utf-8"))
            definition = json.loads(text)
            definition["StartAt"] = start_at or definition["StartAt"]
            created = self._client.create_state_machine(name=name, definition=json.dumps(definition), roleArn=ROLE_ARN)
            self._machines[name] = created["stateMachineArn"]
        return self._machines[name]


def _history(execution: Any) -> list[Document]:
    return [dict(event) for event in execution.to_history_output()["events"]]


_parse = AmazonStateLanguageParser.parse
_path = cache(json_path.parse)


@cache
def _tree(definition: str) -> Any:
    return _parse(definition)[1]


def install(monkeypatch: pytest.MonkeyPatch, lambdas: Lambdas, clock: Clock) -> None:
    """Put `lambdas` and `clock` into moto, and have it make once what it makes for every execution, state or call."""

    def invoke(_backend: object, name: str, _qualifier: object, body: Any, _headers: object, answer: Any) -> bytes:
        return lambdas.invoke(name, body, answer)

    def wait(_state: object, env: Any, wait_seconds: float) -> None:
        env.program_state_event.wait(wait_seconds * clock.second)

    def parse(definition: str) -> tuple[Any, Any]:
        # What is made of the tree is made again each time: it is not for two executions at once.
        tree = _tree(definition)
        return Preprocessor().visit(tree), tree

    monkeypatch.setattr(LambdaSimpleBackend, "invoke", invoke)
    monkeypatch.setattr(WaitFunction, "_wait_interval", wait)
    monkeypatch.setattr(retrier_decl, "time", clock)
    monkeypatch.setattr(execute_state, "threading", SimpleNamespace(Event=lambda: TaskEnd(clock)))
    monkeypatch.setattr(AmazonStateLanguageParser, "parse", staticmethod(parse))
    client = cache(lambda region: boto_client_for(region=region, service="lambda"))
    monkeypatch.setattr(lambda_eval_utils, "boto_client_for", lambda *, region, **_: client(region))
    monkeypatch.setattr(json_path, "parse", _path)
