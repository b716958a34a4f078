"""The API about runs and audits: the list, one of them, its report; stop, replay, dry run, start.

Each does what a command does, by the command's own functions: `ferry runs`, `report`, `stop`, `replay`, `backfill`,
`audit`.
"""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from ferry.aws.clients import Deployment
from ferry.aws.denials import Denials
from ferry.commands import audit, audit_report, backfill
from ferry.console import details, run_json
from ferry.console.responses import json_object, json_response, no_change
from ferry.console.state import Console, console_of
from ferry.errors import UsageError
from ferry.options import DEFAULT_CONCURRENCY, MOST_CONCURRENCY
from ferry.stepfunctions import audits, run_replays, run_reports, runs
from ferry.stepfunctions.run_replays import RunHistory
from functions.contract.batches import ReportLine

SHOWN_LINES = 200


def list_runs(request: Request) -> Response:
    """The newest runs and audits."""
    denials = Denials()
    found = [run_json.run_row(run) for run in console_of(request).runs.list(denials)]
    return json_response({"runs": found, "denied": denials.reasons})


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
    status, error, key, difference = (wanted.get(name, "") for name in ("status", "error", "key", "difference"))

    def selects(line: ReportLine) -> bool:
        return (
            status in ("", line.status)
            and error in ("", line.error)
            and difference in ("", *(name.partition(".")[0] for name in line.differences or ()))
            and key.casefold() in line.key.casefold()
        )

    lines = filter(selects, _report_lines(deployment, request.path_params["name"]))
    found = list(islice(lines, SHOWN_LINES + 1))
    return json_response(
        {
            "lines": [run_json.report_row(line) for line in found[:SHOWN_LINES]],
            "more": len(found) > SHOWN_LINES,
        }
    )


def _report_lines(deployment: Deployment, name: str) -> Iterator[ReportLine]:
    if audits.is_audit(name):
        return audit_report.audit_lines(deployment, audit_report.audit_document(deployment, name))
    return run_reports.report_lines(deployment, runs.describe_run(deployment, name))


def post_stop(request: Request) -> Response:
    """Stop a run or an audit."""
    console = console_of(request)
    console.check_writable()
    info = runs.find_run(console.deployment, request.path_params["name"], or_audit=True)
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
    body = await json_object(request)
    # It does not matter here, but the same form starts the backfill.
    _concurrency(body)
    job = console_of(request).dry_runs.start(_backfill_request(body))
    return json_response({"id": job.id}, 201)


def get_dry_run(request: Request) -> Response:
    """How far a dry run is, and its result."""
    job = console_of(request).dry_runs.find(request.path_params["id"])
    return json_response({"pending": job.pending, "compared": job.compared, "result": job.result, "error": job.error})


async def post_run(request: Request) -> Response:
    """Start a backfill."""
    console = console_of(request)
    console.check_writable()
    body = await json_object(request)
    wanted, at_once = _backfill_request(body), _concurrency(body)
    return await to_thread.run_sync(lambda: _started(backfill.start(console.deployment, wanted, at_once)))


async def post_audit(request: Request) -> Response:
    """Start an audit."""
    console = console_of(request)
    console.check_writable()
    body = await json_object(request)
    wanted, at_once = _request(body), _concurrency(body)
    ignored = audit.check_ignored(_text(body, "ignore").replace(",", " ").split())
    # What fails the command is not asked for here: the page shows all that was found.
    read, tags, annotations = (_flag(body, name) for name in ("read", "tags", "annotations"))
    options = audit.AuditOptions(read, tags, annotations, strict=False, ignored=ignored)
    return await to_thread.run_sync(lambda: _started(audit.start(console.deployment, wanted, options, at_once)))


def _started(arn: str) -> Response:
    return json_response({"run": arn.rpartition(":")[2]}, 201)


def _backfill_request(body: dict[str, Any]) -> backfill.Request:
    """The same checks as those of the command's options."""
    return _request(body, inventory=_text(body, "inventory"), again=_flag(body, "again"))


def _request(body: dict[str, Any], *, inventory: str = "", again: bool = False) -> backfill.Request:
    prefix, source, since, min_age = (_text(body, name) for name in ("prefix", "source", "since", "min_age"))
    return backfill.check_request(prefix, source or None, since or None, min_age or "0s", inventory, again=again)


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name) or ""
    if not isinstance(value, str):
        raise UsageError(f"{name} must be a string.")
    return value


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise UsageError(f"{name} must be true or false.")
    return value


def _concurrency(body: dict[str, Any]) -> int:
    value = body.get("max_concurrency", DEFAULT_CONCURRENCY)
    if type(value) is not int or not 1 <= value <= MOST_CONCURRENCY:
        raise UsageError(f"max_concurrency must be a number from 1 to {MOST_CONCURRENCY:,}.")
    return value
