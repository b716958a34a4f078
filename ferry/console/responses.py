"""Responses of the API: JSON of plain ASCII, and one line for every error."""

import json
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from starlette.requests import Request
from starlette.responses import Response

from ferry.errors import UsageError
from infra.aws_errors import explain

Failure = Boto3Error | BotoCoreError | ClientError


def json_response(document: Any, status: int = 200) -> Response:
    """A JSON document. Everything beyond ASCII is escaped: a key may hold what is not valid in UTF-8."""
    return Response(json.dumps(document), status, media_type="application/json")


async def json_object(request: Request) -> dict[str, Any]:
    """The JSON object of a request's body; raises UsageError for anything else."""
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise UsageError("The request body must be a JSON object.")
    return body


def no_change() -> Response:
    """Nothing is new since the revision that the page named."""
    return Response(status_code=204)


def command_failed(_: Request, error: Exception) -> Response:
    """An error of ours: what the command line prints as one line."""
    return json_response({"error": str(error)}, 400 if isinstance(error, UsageError) else 409)


def call_failed(request: Request, error: Exception) -> Response:
    """A failed call to the deployment."""
    outputs = request.app.state.console.deployment.outputs
    assert isinstance(error, Failure)  # noqa: S101 - registered for these alone
    return json_response({"error": explain(error, outputs.endpoint_url or "AWS")}, 502)
