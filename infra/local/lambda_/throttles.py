"""Name a Lambda throttle in an execution as AWS does: Lambda.TooManyRequestsException.

MiniStack 1.5.33 reports it as Lambda.Unknown, which is the name of a crash, so that the state machine's Retry for
throttles did not apply ("Handle Lambda service exceptions", AWS Step Functions Developer Guide: "When Lambda hits the
maximum number of invocations, the error is Lambda.TooManyRequestsException").
"""

import json
from collections.abc import Callable
from typing import Any

from ministack.services import stepfunctions

from infra.local.patching import require_attributes, wrap

THROTTLE = "TooManyRequestsException"


def install() -> None:
    """Name throttles in every call from Step Functions to Lambda. Idempotent."""
    require_attributes(stepfunctions, "_ExecutionError")
    wrap(stepfunctions, "_call_lambda", _name_throttles)


def _name_throttles(call_lambda: Callable[..., Any]) -> Any:
    def patched(function: str, event: Any) -> Any:
        try:
            return call_lambda(function, event)
        except stepfunctions._ExecutionError as error:
            message = _throttle_message(error.error, error.cause)
            if message is None:
                raise
            raise stepfunctions._ExecutionError(f"Lambda.{THROTTLE}", message) from error

    return patched


def _throttle_message(error: str, cause: str) -> str | None:
    """Return Lambda's message if it throttled the call; None for any other failure."""
    if error != "Lambda.Unknown":
        return None
    try:
        response = json.loads(cause)
    except ValueError:
        return None
    if not isinstance(response, dict) or response.get("__type") != THROTTLE:
        return None
    return str(response.get("message", ""))
