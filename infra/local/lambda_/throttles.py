"""A throttle of Lambda in an execution, under the name that AWS gives it: Lambda.TooManyRequestsException.

MiniStack 1.5.33 reports it as Lambda.Unknown, which is the name of a crash, so that the state machine's Retry for
throttles did not apply ("Handle Lambda service exceptions", AWS Step Functions Developer Guide: "When Lambda hits the
maximum number of invocations, the error is Lambda.TooManyRequestsException"). `install` ends the start with one line
when a name that is relied on is gone. Installing twice is idempotent.
"""

import json
from collections.abc import Callable
from typing import Any

from ministack.services import stepfunctions

from infra.local.patching import rely_on, wrap

THROTTLE = "TooManyRequestsException"


def install() -> None:
    """Name throttles in every call that Step Functions makes to Lambda."""
    rely_on(stepfunctions, "_ExecutionError")
    wrap(stepfunctions, "_call_lambda", _naming)


def _naming(call_lambda: Callable[..., Any]) -> Any:
    def named(function: str, event: Any) -> Any:
        try:
            return call_lambda(function, event)
        except stepfunctions._ExecutionError as error:
            message = _throttle_message(error.error, error.cause)
            if message is None:
                raise
            raise stepfunctions._ExecutionError(f"Lambda.{THROTTLE}", message) from error

    return named


def _throttle_message(error: str, cause: str) -> str | None:
    """What Lambda said when it refused the call; None of any other failure."""
    if error != "Lambda.Unknown":
        return None
    try:
        answer = json.loads(cause)
    except ValueError:
        return None
    if not isinstance(answer, dict) or answer.get("__type") != THROTTLE:
        return None
    return str(answer.get("message", ""))
