"""The Lambda Runtime API's client in plain Python, where awslambdaric has no native one (macOS).

awslambdaric imports `runtime_client`, a C++ extension that its wheels for Linux bring and its source distribution
builds on Linux only. This module has the same functions. It lies in a folder of its own, which a function's bootstrap
puts behind the installed packages (infra/local/provision.py): where the native client is installed, that one is found.

Raises RuntimeError, as the native client does, for an answer of the Runtime API that is not a success.
"""

import http.client
import os
from collections.abc import Mapping

_INVOCATION = "/2018-06-01/runtime/invocation"
_HEADERS = (
    *("Lambda-Runtime-Aws-Request-Id", "Lambda-Runtime-Trace-Id", "Lambda-Runtime-Invoked-Function-Arn"),
    *("Lambda-Runtime-Client-Context", "Lambda-Runtime-Cognito-Identity", "Lambda-Runtime-Aws-Tenant-Id"),
    *("Lambda-Runtime-Invocation-Id", "Content-Type"),
)
_user_agent = ""


def initialize_client(user_agent: str) -> None:
    """Take the name that requests are sent under."""
    global _user_agent
    _user_agent = user_agent


def next() -> tuple[bytes, dict[str, str | int | None]]:  # noqa: A001 - the native client's name
    """Wait for the next event: its body, and the headers that describe the invocation."""
    body, headers = _call("GET", "next")
    found: dict[str, str | int | None] = {name: headers.get(name) or None for name in _HEADERS}
    return body, {**found, "Lambda-Runtime-Deadline-Ms": int(headers.get("Lambda-Runtime-Deadline-Ms") or 0)}


def post_invocation_result(request_id: str, result: bytes, content_type: str, invocation_id: str | None) -> None:
    """Answer an event."""
    _call("POST", f"{request_id}/response", result, {"Content-Type": content_type}, invocation_id)


def post_error(request_id: str, error: str, xray_fault: str, invocation_id: str | None) -> None:  # noqa: ARG001
    """Answer an event with an error, as JSON; X-Ray's view of it is left out, since nothing here reads it."""
    _call("POST", f"{request_id}/error", error.encode(), {"Content-Type": "application/json"}, invocation_id)


def _call(
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    invocation_id: str | None = None,
) -> tuple[bytes, http.client.HTTPMessage]:
    sent = {"User-Agent": _user_agent, **(headers or {})}
    if invocation_id:
        sent["Lambda-Runtime-Invocation-Id"] = invocation_id
    # No time-out: the next event may come in an hour.
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        connection.request(method, f"{_INVOCATION}/{path}", body, sent)
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise RuntimeError(f"The Lambda Runtime API failed at {path}: {error}") from error
    finally:
        connection.close()
    if not 200 <= response.status < 300:
        raise RuntimeError(f"The Lambda Runtime API answered {response.status} at {path}")
    return answer, response.headers
