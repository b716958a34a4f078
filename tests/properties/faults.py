"""What goes wrong in a case: at which call of which execution, and what. Each kind is counted when it happens."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import boto3
from botocore.exceptions import ReadTimeoutError

from tests.support.client_errors import client_error
from tests.support.workflow.machine import Killed

Values = dict[str, Any]
Kind = Literal[
    "killed before",
    "killed after",
    "timed out after",
    "throttled",
    "answer lost",
    "denied",
    "target overwritten",
    "copy corrupted",
    "replaced at the source",
    "deleted at the source",
    "retagged at the source",
    "out of time",
]
KINDS: tuple[Kind, ...] = Kind.__args__  # type: ignore[attr-defined]

BEFORE: frozenset[Kind] = frozenset(
    {
        "killed before",
        "throttled",
        "denied",
        "target overwritten",
        "replaced at the source",
        "deleted at the source",
        "retagged at the source",
    }
)
ONLY_WRITES: frozenset[Kind] = frozenset({"answer lost"})
ONLY_COPIES: frozenset[Kind] = frozenset({"copy corrupted"})
WRITES = frozenset({"CopyObject", "CompleteMultipartUpload"})
"""Sent once: of other requests the SDK itself asks again."""

NOT_JUST_BEFORE_A_DELETION: frozenset[Kind] = frozenset({"retagged at the source"})
"""S3 deletes on the condition of an ETag, which tells nothing of tags: there is no protection against that."""

THE_DELETION = frozenset({"ListObjectVersions", "DeleteObject"})
"""What follows the last look at the source."""

BEFORE_THE_VERIFICATION = frozenset({"copy_object", "verify_checksum"})


@dataclass(frozen=True)
class Planned:
    """Something that happens once, at the first call from `call_number` on that it can happen at."""

    kind: Kind
    call_number: int


@dataclass
class Faults:
    """What is still to happen in the current case, and what has happened in all of them."""

    act: dict[Kind, Callable[[Values, Values], bool]] = field(default_factory=dict)
    """What the kinds do that are more than an error: with the call's parameters and answer; False: not now."""

    reached: Counter[str] = field(default_factory=Counter)
    planned: list[Planned] = field(default_factory=list)
    fired: list[tuple[str, Kind]] = field(default_factory=list)
    """By whom, and what, in this case."""

    calls: int = 0
    function: str = ""
    """Which one runs now; none between the steps."""

    on_every_answer: Callable[[str, Values, Values], None] = lambda *_: None
    before_every_call: Callable[[str, Values], None] = lambda *_: None

    _lock: threading.Lock = field(default_factory=threading.Lock)

    def install(self, session: boto3.Session) -> None:
        """Be in the way of every S3 client that this session makes from now on."""
        session.events.register("before-call.s3.*", self._before)
        session.events.register("after-call.s3.*", self._after)

    def begin(self, planned: list[Planned]) -> None:
        """Begin a case."""
        self.planned, self.fired, self.calls = sorted(planned, key=lambda fault: fault.call_number), [], 0

    def end(self) -> None:
        """Nothing goes wrong any more."""
        self.planned = []

    def _before(self, model: Any, context: Values, **_: object) -> None:
        if not self.function:
            return
        self.calls += 1
        given = context.get("given", {})
        with self._lock:
            kind = self._due(model.name, before=True)
            self.before_every_call(model.name, given)
        if kind == "killed before":
            raise Killed("Runtime.ExitError")
        if kind in ("throttled", "denied"):
            code = "SlowDown" if kind == "throttled" else "AccessDenied"
            raise client_error(code, model.name)

    def _after(self, parsed: Values, model: Any, context: Values, **_: object) -> None:
        if not self.function or "Error" in parsed:
            return
        given = context.get("given", {})
        with self._lock:
            kind = self._due(model.name, before=False, given=given, parsed=parsed)
            self.on_every_answer(model.name, given, parsed)
        if kind == "killed after":
            raise Killed("Runtime.ExitError")
        if kind == "timed out after":
            raise Killed("Sandbox.Timedout")
        if kind == "answer lost":
            raise ReadTimeoutError(endpoint_url="https://s3")

    def _due(
        self, operation: str, before: bool, given: Values | None = None, parsed: Values | None = None
    ) -> Kind | None:
        for planned in self.planned:
            if planned.call_number > self.calls or planned.kind == "out of time" or (planned.kind in BEFORE) != before:
                continue
            if planned.kind in NOT_JUST_BEFORE_A_DELETION and operation in THE_DELETION:
                continue
            if planned.kind in ONLY_WRITES and operation not in WRITES:
                continue
            if planned.kind in ONLY_COPIES and operation not in WRITES:
                continue
            if planned.kind == "target overwritten" and self.function not in BEFORE_THE_VERIFICATION:
                continue
            self.planned.remove(planned)
            act = self.act.get(planned.kind)
            if act is None or act(given or {}, parsed or {}):
                self.note(planned.kind)
                return planned.kind
        return None

    def short_of_time(self) -> bool:
        """Whether the function that is about to run has little time."""
        for planned in self.planned:
            if planned.kind == "out of time" and planned.call_number <= self.calls + 1:
                self.planned.remove(planned)
                self.note("out of time")
                return True
        return False

    def note(self, kind: Kind) -> None:
        """Count what has happened."""
        self.fired.append((self.function, kind))
        self.reached[kind] += 1
