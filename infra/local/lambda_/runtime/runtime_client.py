"""A client of the Lambda Runtime API in plain Python, for platforms without awslambdaric's native one (macOS).

awslambdaric imports `runtime_client`, a C++ extension that is in its Linux wheels, and that its source distribution
builds on Linux only. This module has the same functions. A function's bootstrap puts this folder behind the installed
packages (infra/local/provision.py), so that an installed native client is found first.

Raises RuntimeError, as the native client does, for an unsuccessful response of the Runtime API.
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
    """Set the user agent of all requests."""
    global _user_agent  # noqa: PLW0603 - the native client's interface is a module
    _user_agent = user_agent


def next() -> tuple[bytes, dict[str, str | int | None]]:  # noqa: A001 - the native client's name
    """Wait for the next event; return its body and the headers that describe the invocation."""
    body, headers = _call("GET", "next")
    described: dict[str, str | int | None] = {name: headers.get(name) or None for name in _HEADERS}
    return body, {**described, "Lambda-Runtime-Deadline-Ms": int(headers.get("Lambda-Runtime-Deadline-Ms") or 0)}


def post_invocation_result(request_id: str, result: bytes, content_type: str, invocation_id: str | None) -> None:
    """Send the result of an invocation."""
    _call("POST", f"{request_id}/response", result, {"Content-Type": content_type}, invocation_id)


def post_error(request_id: str, error: str, xray_fault: str, invocation_id: str | None) -> None:  # noqa: ARG001
    """Send an error as JSON, without X-Ray's view of it, which is not read locally."""
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
    # No timeout: the next event may come in an hour.
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        connection.request(method, f"{_INVOCATION}/{path}", body, sent)
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise RuntimeError(f"The Lambda Runtime API failed at {path}: {error}") from error
    finally:
        connection.close()
    if not 200 <= response.status < 300:
        raise RuntimeError(f"The Lambda Runtime API responded {response.status} at {path}")
    return content, response.headers
