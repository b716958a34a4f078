"""The API about runs: the list, one run, its report; stop, replay, dry run and start of a backfill.

Each does what a command does, by the command's own functions: `ferry runs`, `report`, `stop`, `replay`, `backfill`.
"""

from functools import partial
from itertools import islice
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from ferry.commands import backfill
from ferry.console import details, run_json
from ferry.console.responses import json_object, json_response, no_change
from ferry.console.state import Console, console_of
from ferry.errors import UsageError
from ferry.stepfunctions import run_replays, run_reports, runs
from ferry.stepfunctions.run_replays import RunHistory
from functions.contract.batches import ReportLine

SHOWN_LINES = 200
CONCURRENCY = 20
"""As `ferry backfill` without --max-concurrency."""


def list_runs(request: Request) -> Response:
    """The newest runs."""
    return json_response({"runs": [run_json.run_row(run) for run in console_of(request).runs.list()]})


def get_run(request: Request) -> Response:
    """One run, unless nothing changed since `rev`."""
    console = console_of(request)
    detail = console.runs.read(request.path_params["name"])
    bucket = console.deployment.outputs.athena_results
    found = run_json.run_page(detail, bucket, on_aws=console.deployment.on_aws)
    if request.query_params.get("rev") == found["revision"]:
        return no_change()
    return json_response(found)


def get_run_state(request: Request) -> Response:
    """One state of a run: its visits with input and output; inside a Map, those of the children that were read."""
    detail = console_of(request).runs.read(request.path_params["name"])
    wanted = request.query_params.get("state", "")
    return json_response(details.state_json(detail.info.name, detail.definition, detail.visits, wanted))


def get_report(request: Request) -> Response:
    """The first lines of the report that the filters select."""
    deployment, wanted = console_of(request).deployment, request.query_params
    run = runs.describe_run(deployment, request.path_params["name"])
    status, error, key = (wanted.get(name, "") for name in ("status", "error", "key"))

    def selects(line: ReportLine) -> bool:
        return status in ("", line.status) and error in ("", line.error) and key.casefold() in line.key.casefold()

    lines = (line for line in run_reports.report_lines(deployment, run) if selects(line))
    found = list(islice(lines, SHOWN_LINES + 1))
    return json_response(
        {
            "lines": [line.model_dump(mode="json", exclude={"run"}) for line in found[:SHOWN_LINES]],
            "more": len(found) > SHOWN_LINES,
        }
    )


def post_stop(request: Request) -> Response:
    """Stop a run."""
    console = console_of(request)
    console.check_writable()
    info = runs.find_run(console.deployment, request.path_params["name"])
    try:
        runs.stop(console.deployment, info)
    finally:
        console.runs.forget()
    return json_response({"run": info.name})


async def post_replay_run(request: Request) -> Response:
    """Replay a failed run."""
    console = console_of(request)
    console.check_writable()
    restart = (await json_object(request)).get("restart") is True
    return await to_thread.run_sync(partial(_replay, console, request.path_params["name"], restart=restart))


def _replay(console: Console, name: str, *, restart: bool) -> Response:
    info = runs.find_run(console.deployment, name)
    run_replays.require_failed(info)
    try:
        result = run_replays.replay_run(RunHistory.of(console.deployment), info, restart=restart)
    finally:
        console.runs.forget()
    return json_response({"run": result.running or info.name, "note": result.describe()})


async def post_dry_run(request: Request) -> Response:
    """Start a dry run."""
    job = console_of(request).dry_runs.start(_backfill_request(await json_object(request)))
    return json_response({"id": job.id}, 201)


def get_dry_run(request: Request) -> Response:
    """How far a dry run is, and its result."""
    job = console_of(request).dry_runs.find(request.path_params["id"])
    return json_response({"pending": job.pending, "compared": job.compared, "result": job.result, "error": job.error})


async def post_run(request: Request) -> Response:
    """Start a backfill."""
    console = console_of(request)
    console.check_writable()
    wanted = _backfill_request(await json_object(request))
    return await to_thread.run_sync(partial(_start, console, wanted))


def _start(console: Console, wanted: backfill.Request) -> Response:
    arn = backfill.start(console.deployment, wanted, CONCURRENCY)
    return json_response({"run": arn.rpartition(":")[2]}, 201)


def _backfill_request(body: dict[str, Any]) -> backfill.Request:
    """The same checks as those of the command's options."""
    values = {name: body.get(name) or "" for name in ("prefix", "source", "since", "min_age")}
    for name, value in values.items():
        if not isinstance(value, str):
            raise UsageError(f"{name} must be a string.")
    return backfill.check_request(
        values["prefix"], values["source"] or None, values["since"] or None, values["min_age"] or "0s"
    )
