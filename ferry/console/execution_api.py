"""The API about executions: the list, one execution, its states and picture, replays and uploads.

Each does what a command does, by the command's own functions: `ferry list`, `show`, `replay`, `upload`.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import IO, Any, cast

from anyio import from_thread, to_thread
from boto3.s3.transfer import TransferConfig
from starlette.requests import Request
from starlette.responses import Response

from ferry.aws import sources
from ferry.commands import replay, upload
from ferry.console import details, overview, pictures
from ferry.console import rows as listing
from ferry.console.poller import Snapshot
from ferry.console.responses import json_object, json_response, no_change
from ferry.console.rows import Filter
from ferry.console.state import Console, console_of
from ferry.errors import CommandError, UsageError

MOST_REPLAYS = 1000


def get_session(request: Request) -> Response:
    """What the page shows around everything else."""
    console = console_of(request)
    outputs = console.deployment.outputs
    return json_response(
        {
            "name": outputs.name,
            "on_aws": console.deployment.on_aws,
            "account": outputs.state_machine_arn.split(":")[4],
            "region": outputs.target_region,
            "endpoint": outputs.endpoint_url,
            "source_bucket": outputs.source_bucket,
            "source_region": outputs.source_region,
            "target_bucket": outputs.target_bucket,
            "database": outputs.glue_database,
            "sources": sorted(sources.of(outputs)),
            "runs": outputs.bulk_state_machine_arn is not None,
            "audits": outputs.audit_state_machine_arn is not None,
            "writable": console.writable,
            "poll_seconds": 0.5 if not console.deployment.on_aws else console.poller.pace.seconds,
        }
    )


def list_executions(request: Request) -> Response:
    """One page of the rows that a filter selects, unless nothing changed since `rev`."""
    snapshot = console_of(request).poller.snapshot()
    if request.query_params.get("rev") == str(snapshot.revision):
        return no_change()
    wanted = Filter.parse(request.query_params)
    selected = wanted.select(snapshot.rows, datetime.now(UTC))
    counts = listing.count(selected)
    if wanted.status:
        selected = [row for row in selected if row.group == wanted.status]
    page = max(1, _number(request, "page", 1))
    first = (page - 1) * listing.PAGE_ROWS
    return json_response(
        {
            **_progress(snapshot),
            "counts": counts,
            "selected": len(selected),
            "page": page,
            "pages": max(1, -(-len(selected) // listing.PAGE_ROWS)),
            "rows": [listing.as_json(row) for row in selected[first : first + listing.PAGE_ROWS]],
        }
    )


def get_overview(request: Request) -> Response:
    """The figures of the first page, unless nothing changed since `rev`."""
    snapshot = console_of(request).poller.snapshot()
    if request.query_params.get("rev") == str(snapshot.revision):
        return no_change()
    return json_response({**_progress(snapshot), **overview.figures(snapshot.rows, datetime.now(UTC))})


def _progress(snapshot: Snapshot) -> dict[str, Any]:
    """How far the poller has got, and what it could not read."""
    return {
        "revision": snapshot.revision,
        "error": snapshot.error,
        "complete": snapshot.complete,
        "unread": snapshot.unread,
        "all": len(snapshot.rows),
    }


def get_execution(request: Request) -> Response:
    """One execution, unless nothing changed since `rev`."""
    console = console_of(request)
    console.poller.snapshot()
    row = console.poller.find(request.path_params["name"])
    detail = console.details.read(request.path_params["name"], row)
    if request.query_params.get("rev") == details.revision(detail, row):
        return no_change()
    later = console.poller.find(row.successor) if row and row.successor else None
    successor = later.summary.info if later else None
    return json_response(details.as_json(detail, row, successor, on_aws=console.deployment.on_aws))


def get_state(request: Request) -> Response:
    """One state of an execution: its visits with input and output."""
    console, name = console_of(request), request.path_params["name"]
    detail = console.details.read(name, console.poller.find(name))
    wanted = request.query_params.get("state", "")
    return json_response(details.state_json(name, detail.definition, detail.course.visits, wanted))


def get_picture(request: Request) -> Response:
    """The picture of a definition that an execution named."""
    definition = console_of(request).definitions.get(request.path_params["id"])
    if definition is None:
        raise CommandError("Unknown graph. Reload the page.")
    return json_response(pictures.as_json(definition.picture))


async def post_replay(request: Request) -> Response:
    """Replay the named executions, or all failed ones."""
    console = console_of(request)
    console.check_writable()
    body = await json_object(request)
    names, everything, restart = body.get("names", []), body.get("failed") is True, body.get("restart") is True
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise UsageError("names must be a list of executions.")
    if len(names) > MOST_REPLAYS:
        raise UsageError(f"You can replay at most {MOST_REPLAYS} executions at a time.")
    replay.check_request(names, failed=everything)
    return await to_thread.run_sync(partial(_replay, console, names, restart=restart))


def _replay(console: Console, names: list[str], *, restart: bool) -> Response:
    done: list[dict[str, Any]] = []
    try:
        for result in replay.replay_all(console.deployment, names, restart=restart):
            if names or not result.skipped:
                done.append(
                    {
                        "name": result.name,
                        "key": result.key,
                        "running": result.running,
                        "skipped": result.skipped,
                        "text": result.describe(),
                        "note": replay.restart_note(result.new_execution_reason)
                        if result.new_execution_reason
                        else None,
                    }
                )
    finally:
        console.details.forget()
        console.poller.wake()
    return json_response({"results": done})


async def put_upload(request: Request) -> Response:
    """Upload the body of the request under a key, as it arrives."""
    console = console_of(request)
    console.check_writable()
    key = request.query_params.get("key", "")
    upload.check_key(key)
    body = _Body(request.stream())
    return await to_thread.run_sync(partial(_upload, console, key, body))


def _upload(console: Console, key: str, body: "_Body") -> Response:
    deployment = console.deployment
    # The body can be read in this thread only.
    deployment.source_s3.upload_fileobj(
        cast("IO[bytes]", body), deployment.outputs.source_bucket, key, Config=TransferConfig(use_threads=False)
    )
    console.poller.wake()
    found = {"bucket": deployment.outputs.source_bucket, "key": key, "size": body.size}
    return json_response(found | {"skipped": upload.why_skipped(deployment, key)})


class _Body:
    """The body of a request as a file: each read waits until enough has arrived, so nothing is stored in between."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = bytearray()
        self._ended = False
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes; fewer than `size` only at the end."""
        while not self._ended and (size < 0 or len(self._buffer) < size):
            chunk = from_thread.run(self._next)
            if chunk is None:
                self._ended = True
            else:
                self._buffer += chunk
                self.size += len(chunk)
        end = len(self._buffer) if size < 0 else size
        found = bytes(self._buffer[:end])
        del self._buffer[:end]
        return found

    async def _next(self) -> bytes | None:
        return await anext(self._chunks, None)


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 9 else default
