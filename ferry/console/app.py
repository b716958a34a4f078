"""The application: the addresses of the page, its files and its API, behind the guard."""

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from ferry.console import data_api, execution_api, files, run_api
from ferry.console.guard import Guard
from ferry.console.responses import call_failed, command_failed, json_response
from ferry.console.state import Console, ReadOnly
from ferry.errors import CommandError

PAGES = ("/", "/executions", "/executions/{name}", "/runs", "/runs/{name}", "/data", "/data/{table}", "/queue")


async def shell(_: Request) -> Response:
    """The page, the same for every address."""
    return Response(files.shell(), media_type="text/html; charset=utf-8")


async def static(request: Request) -> Response:
    """A script, the style or the icon."""
    name = request.path_params["name"]
    body = files.read(name)
    if body is None:
        return json_response({"error": "Not found."}, 404)
    return Response(body, media_type=files.TYPES[files.suffix(name)])


def read_only(_: Request, error: Exception) -> Response:
    """A change that this console may not make."""
    return json_response({"error": str(error)}, 403)


def disconnected(_: Request, __: Exception) -> Response:
    """An upload that the page cancelled: nobody reads this answer, and nothing was stored."""
    return json_response({"error": "The upload was cancelled."}, 400)


API = (
    Route("/api/session", execution_api.get_session),
    Route("/api/overview", execution_api.get_overview),
    Route("/api/executions", execution_api.list_executions),
    Route("/api/executions/{name}", execution_api.get_execution),
    Route("/api/executions/{name}/state", execution_api.get_state),
    Route("/api/pictures/{id}", execution_api.get_picture),
    Route("/api/replay", execution_api.post_replay, methods=["POST"]),
    Route("/api/upload", execution_api.put_upload, methods=["PUT"]),
    Route("/api/runs", run_api.list_runs),
    Route("/api/runs", run_api.post_run, methods=["POST"]),
    Route("/api/audits", run_api.post_audit, methods=["POST"]),
    Route("/api/runs/{name}", run_api.get_run),
    Route("/api/runs/{name}/state", run_api.get_run_state),
    Route("/api/runs/{name}/report", run_api.get_report),
    Route("/api/runs/{name}/stop", run_api.post_stop, methods=["POST"]),
    Route("/api/runs/{name}/replay", run_api.post_replay_run, methods=["POST"]),
    Route("/api/dry-runs", run_api.post_dry_run, methods=["POST"]),
    Route("/api/dry-runs/{id}", run_api.get_dry_run),
    Route("/api/tables", data_api.list_tables),
    Route("/api/tables/{name}", data_api.get_table),
    Route("/api/crawls", data_api.list_crawls),
    Route("/api/queries", data_api.post_query, methods=["POST"]),
    Route("/api/queries/{id}", data_api.get_query),
    Route("/api/queries/{id}", data_api.delete_query, methods=["DELETE"]),
    Route("/api/queues", data_api.get_queues),
    Route("/api/queues/peek", data_api.post_peek, methods=["POST"]),
    Route("/api/queues/return", data_api.post_return, methods=["POST"]),
)


def create(console: Console, port: int, token: str) -> ASGIApp:
    """The application for a port; only who knows the token gets past the empty page."""
    app = Starlette(
        routes=[*(Route(page, shell) for page in PAGES), Route("/static/{name:path}", static), *API],
        exception_handlers={
            ClientDisconnect: disconnected,
            ReadOnly: read_only,
            CommandError: command_failed,
            BotoCoreError: call_failed,
            ClientError: call_failed,
            Boto3Error: call_failed,
        },
    )
    app.state.console = console
    return Guard(app, port, token, files.inline_scripts(), files.inline_styles())
