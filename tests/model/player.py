"""Tells what a step's real handler does next, after the calls to S3 that it has made and what they were answered.

A handler is run from its start again for each of its calls: the calls that it has made already are answered from
their record, and at the next one it stops. So nothing runs at the same time as anything else, and where an execution
stands is a value: its document, its state, and the record of its running step. That rests on the handlers doing the
same after the same answers, which the record holds them to; and it lets each such scenario be run only once.

The calls come through botocore's own events, so the parameters are validated by the service's model.
"""

import copy
import io
import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import SimpleNamespace
from typing import Any, Literal

import boto3
from botocore.exceptions import ReadTimeoutError
from botocore.response import StreamingBody

from functions.catalogue import recent_tables
from functions.copying import bucket_settings
from tests.model import bulk
from tests.model.s3 import S3, S3Error, md5
from tests.support.lambda_context import LambdaContext

Values = dict[str, Any]
Fault = Literal["killed before", "killed after", "answer lost"]

SENT_ONCE = frozenset({"CopyObject", "CompleteMultipartUpload", "DeleteObject"})
"""Conditional writes, whose lost answers the SDK does not ask for again; other requests it sends a second time."""

SETTINGS = frozenset({"GetBucketVersioning", "GetObjectLockConfiguration"})
"""Reads of what nobody changes here: their order with other calls makes no difference."""

READS = ("Head", "Get", "List")
PLENTY_MS = 600_000


class Paused(BaseException):
    """The handler has made its call, and stops at the next: as a process that is killed, it cannot catch this."""


@dataclass(frozen=True)
class Answered:
    """A call that was made, and what it was answered."""

    operation: str
    asked: str
    """The parameters and, of equal calls, which one it is."""

    text: str
    answer: Values | S3Error | None = field(compare=False)
    """None: no answer arrived."""


Record = tuple[Answered, ...]


@dataclass(frozen=True)
class Asks:
    """The handler makes this call next."""

    operation: str
    asked: str
    given: Values


@dataclass(frozen=True)
class Ends:
    """The handler has come to its end."""

    result: Values | None
    error: str = ""
    message: str = ""


Next = Asks | Ends


class Player:
    """Runs the handlers, and answers their clients."""

    def __init__(self, session: boto3.Session) -> None:
        session.events.register("provide-client-params.s3.*", self._given)
        session.events.register("before-call.s3.*", self._answer)  # type: ignore[arg-type]
        self._lock = threading.Lock()
        self._known: dict[object, Next] = {}
        self.runs = 0

    def next(self, s3: S3, function: str, event: str, record: Record) -> Next:
        """What a handler does after this record."""
        settings = tuple(sorted((name, bucket.versioning) for name, bucket in s3.buckets.items()))
        story = (settings, function, event, record)
        if story not in self._known:
            self._known[story] = self._run(s3, function, json.loads(event), record)
        return self._known[story]

    def _run(self, s3: S3, function: str, event: Values, record: Record) -> Next:
        self.runs += 1
        self._s3 = s3
        self._left = {(answered.operation, answered.asked): answered for answered in record}
        self._seen: Counter[str] = Counter()
        self._asks: Asks | None = None
        # Each run is of a function that has just been started.
        bucket_settings.forget()
        recent_tables.forget()
        try:
            handler = bulk.HANDLERS.get(function) or import_module(f"functions.{function}").handler
            result = handler(event, LambdaContext([PLENTY_MS], function))
        except Paused:
            assert self._asks
            return self._asks
        except Exception as raised:  # As Lambda does: whatever a handler raises is its answer.
            if isinstance(raised, AssertionError):
                raise
            ended = Ends(None, type(raised).__name__, str(raised))
        else:
            ended = Ends(result)
        assert not self._left, f"{function} did otherwise after the same answers: {list(self._left)}"
        return ended

    def _given(self, params: Values, context: Values, **_: object) -> None:
        context["asked"] = copy.copy(params)

    def _answer(self, model: Any, context: Values, **_: object) -> tuple[SimpleNamespace, Values]:
        with self._lock:
            return _as_botocore_has_it(self._answered(model.name, context["asked"]))

    def _answered(self, operation: str, given: Mapping[str, Any]) -> Answered:
        shown = repr(sorted((name, value) for name, value in given.items() if name != "Body"))
        if operation in SETTINGS:
            return Answered(operation, shown, "", ask(self._s3, operation, given))
        self._seen[operation + shown] += 1
        asked = f"{shown} #{self._seen[operation + shown]}"
        known = self._left.pop((operation, asked), None)
        if known is None:
            self._asks = self._asks or Asks(operation, asked, dict(given))
            raise Paused
        return known


def answer(s3: S3, call: Asks, lose_answer: bool = False) -> Answered:
    """Make a call, which changes `s3`; one whose answer is lost is sent a second time, but for conditional writes."""
    if lose_answer:
        ask(s3, call.operation, call.given)
        if call.operation in SENT_ONCE:
            return Answered(call.operation, call.asked, "no answer", None)
    response = ask(s3, call.operation, call.given)
    return Answered(call.operation, call.asked, _as_text(response), response)


def _as_text(response: Values | S3Error) -> str:
    """All of an answer as text, but of its bytes only what tells them from others."""
    if isinstance(response, S3Error):
        return response.code
    return repr({name: md5(value) if name == "Body" else value for name, value in response.items()})


def with_answer(record: Record, answered: Answered) -> Record:
    """Of calls side by side any may come first, so a record has no order of its own."""
    return tuple(sorted((*record, answered), key=lambda item: (item.operation, item.asked)))


def ask(s3: S3, operation: str, given: Mapping[str, Any]) -> Values | S3Error:
    """Call the model; the bytes of an answer are kept as they are."""
    try:
        response = s3.call(operation, given)
    except S3Error as error:
        return error
    if "Body" in response:
        response["Body"] = response["Body"].read()
    return response


def is_read(operation: str) -> bool:
    """Whether an operation changes nothing."""
    return operation.startswith(READS)


def _as_botocore_has_it(answered: Answered) -> tuple[SimpleNamespace, Values]:
    answer = answered.answer
    if answer is None:
        raise ReadTimeoutError(endpoint_url="https://s3")
    if isinstance(answer, S3Error):
        text: Values = {"Error": {"Code": answer.code, "Message": "the model says so"}, "ResponseMetadata": {}}
        return SimpleNamespace(status_code=answer.status), text
    body = answer.get("Body")
    given = copy.deepcopy({name: value for name, value in answer.items() if name != "Body"})
    if body is not None:
        given["Body"] = StreamingBody(io.BytesIO(body), len(body))
    return SimpleNamespace(status_code=200), given
