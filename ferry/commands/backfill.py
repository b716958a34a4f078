"""`ferry backfill`: copies everything that is already in a source and not in the target. `--dry-run` shows the plan.

A dry run decides with the same function as a run does, and writes nothing at the source or the target. Raises
UsageError for wrong arguments, and CommandError for what the deployment does not have, and for a run that failed.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ferry.aws import planning, sources
from ferry.aws.clients import Deployment
from ferry.commands.listing import write_json
from ferry.commands.upload import key_length
from ferry.commands.waiting import how_to_look_again
from ferry.commands.waiting import wait as wait_for
from ferry.errors import CommandError, UsageError
from ferry.estimates.estimate import Estimate, estimate
from ferry.stepfunctions import runs
from ferry.ui import plan_view, terminal
from ferry.ui.run_view import sorted_outcomes
from functions.contract.bulk import Plan, PlanScope, Reason, keys_overlap
from functions.contract.rules import LONGEST_KEY_BYTES
from infra.terraform.outputs import DeployedSource

UNLESS_AGAIN: tuple[Reason, ...] = ("deleted_at_target", "failed_before")
"""Why an object is skipped that --again takes."""

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d{1,9})([smhd])")
_MANIFEST = re.compile(r"s3://[a-z0-9.-]{3,63}/(.+/)?manifest\.json")


@dataclass(frozen=True)
class Request:
    """The arguments, checked without a deployment."""

    prefix: str
    source: str | None
    since: datetime | None
    min_age: timedelta
    inventory: str
    again: bool


def check_request(
    prefix: str, source: str | None, since: str | None, min_age: str, inventory: str = "", *, again: bool = False
) -> Request:
    """Check the arguments before anything is called."""
    length = key_length(prefix, "--prefix", "Specify the beginning of a key")
    if length > LONGEST_KEY_BYTES:
        raise UsageError(f"--prefix is {length} bytes long; S3 keys are limited to {LONGEST_KEY_BYTES:,} bytes.")
    if inventory and not _MANIFEST.fullmatch(inventory):
        raise UsageError(
            f"--inventory {inventory} is not the address of an inventory manifest. Use the form s3://bucket/…/manifest.json."
        )
    return Request(prefix, source, None if since is None else _time(since), _duration(min_age), inventory, again)


@dataclass(frozen=True)
class DryRun:
    """What a backfill would do, and what it would take."""

    scope: PlanScope
    plan: Plan
    costs: Estimate


def estimate_backfill(deployment: Deployment, request: Request, progress: Callable[[Plan], None]) -> DryRun:
    """Plan a backfill, and estimate it; report the progress after each call."""
    scope = _scope(deployment, request)
    plan = planning.plan(deployment, scope, progress)
    _require_objects(plan, scope, request)
    crosses_regions = scope.region != deployment.outputs.target_region
    return DryRun(scope, plan, estimate(plan, crosses_regions=crosses_regions))


def start(deployment: Deployment, request: Request, max_concurrency: int) -> str:
    """Start a backfill; return its ARN."""
    return runs.start(deployment, _scope(deployment, request), max_concurrency)


def dry_run(deployment: Deployment, request: Request, *, as_json: bool) -> None:
    """Plan a backfill, and print what it would do."""
    found, target = _estimate_live(deployment, request), deployment.outputs
    if as_json:
        write_json(plan_view.document(found.plan, found.costs, found.scope, target))
    else:
        terminal.put(terminal.console(), plan_view.view(found.plan, found.costs, found.scope, target))


def run(deployment: Deployment, request: Request, max_concurrency: int, *, wait: bool, as_json: bool) -> None:
    """Start a backfill, and wait for its end, or not. The run continues if the command is interrupted."""
    scope = _scope(deployment, request)
    arn = runs.start(deployment, scope, max_concurrency)
    name = arn.rpartition(":")[2]
    console, notes = terminal.console(), terminal.console(stderr=True)
    if not wait:
        if as_json:
            write_json({"run": name, "status": "RUNNING"})
        else:
            console.print(terminal.line("Started ", (name, "bold"), "."))
            console.print(terminal.line(how_to_look_again(name)), soft_wrap=True)
        return
    notes.print(terminal.line("Started ", (name, "bold"), ". Interrupting this command does not stop it."))
    ended = wait_for(deployment, arn)
    if ended.plan is None or ended.report is None:
        raise CommandError(f"{name} {ended.status.lower().replace('_', ' ')}: {ended.error}")
    _require_objects(ended.plan, scope, request)
    folder = f"s3://{deployment.outputs.athena_results}/{ended.report.folder}"
    if as_json:
        write_json({"run": name, "status": ended.status, "counts": ended.report.counts, "report": folder})
        return
    for outcome in sorted_outcomes(ended.report.counts):
        console.print(terminal.line(f"{ended.report.counts[outcome]:>9,}  {outcome}"))
    if not ended.report.counts:
        console.print(terminal.line(_nothing_to_copy(ended.plan)))
    console.print(terminal.line("Report  ", folder))


def _require_objects(plan: Plan, scope: PlanScope, request: Request) -> None:
    """Raise CommandError if no object has the prefix that was asked for: it is probably mistyped."""
    if not plan.objects and request.prefix:
        raise CommandError(f"No object in s3://{scope.bucket} has a key that starts with {request.prefix}.")


def _nothing_to_copy(plan: Plan) -> str:
    skipped = sum(tally.objects for tally in plan.tallies if tally.action == "skip")
    if not skipped:
        return "Nothing to copy: the target already has every object."
    text = (
        f"Nothing to copy: {skipped:,} of {plan.objects:,} objects are skipped. `ferry backfill --dry-run` shows why."
    )
    kept = sum(tally.objects for tally in plan.tallies if tally.action == "skip" and tally.reason in UNLESS_AGAIN)
    return f"{text} `ferry backfill --again` retries {kept:,} of them." if kept else text


def _scope(deployment: Deployment, request: Request) -> PlanScope:
    name, source = choose_source(deployment, request.source)
    if source.bucket == deployment.outputs.target_bucket:
        raise CommandError(f"The source {name} is {source.bucket}, which is also the target: there is nothing to copy.")
    prefix = narrow_prefix(name, source, request.prefix)
    _require_keys_of_its_own(deployment, name, prefix)
    return PlanScope(
        bucket=source.bucket,
        region=source.region,
        prefix=prefix,
        suffix=source.suffix,
        since=request.since,
        min_age_seconds=int(request.min_age.total_seconds()),
        inventory=request.inventory,
        again=request.again,
    )


def _estimate_live(deployment: Deployment, request: Request) -> DryRun:
    console = terminal.console(stderr=True)
    if not console.is_terminal:
        return estimate_backfill(deployment, request, lambda _: None)
    with console.status("Listing both buckets") as status:
        return estimate_backfill(deployment, request, lambda plan: status.update(f"{plan.objects:,} objects compared"))


def choose_source(deployment: Deployment, wanted: str | None) -> tuple[str, DeployedSource]:
    """Return the source of this name, or the only one."""
    available = sources.of(deployment.outputs)
    names = ", ".join(sorted(available))
    if wanted is None:
        if len(available) > 1:
            raise UsageError(f"The deployment has several sources. Choose one with --source: {names}.")
        return next(iter(available.items()))
    if wanted not in available:
        raise CommandError(f"The deployment has no source named {wanted}. Available sources: {names}.")
    return wanted, available[wanted]


def narrow_prefix(name: str, source: DeployedSource, wanted: str) -> str:
    """Return the longer one of the source's own prefix and the wanted one, which must not contradict each other."""
    if wanted.startswith(source.prefix):
        return wanted
    if source.prefix.startswith(wanted):
        return source.prefix
    raise CommandError(
        f"Source {name} covers only keys that start with {source.prefix}; none of them can start with {wanted}."
    )


def _require_keys_of_its_own(deployment: Deployment, name: str, prefix: str) -> None:
    """Reject keys that another source may have, too: a plan cannot tell whose object at the target is the newer one."""
    available = sources.of(deployment.outputs)
    for other, found in sorted(available.items()):
        if other != name and keys_overlap((prefix, available[name].suffix), (found.prefix, found.suffix)):
            raise CommandError(
                f"The sources {name} and {other} may have the same keys, so an older object of {name} could replace a "
                f"newer one of {other}. Use --prefix to select keys that only {name} has."
            )


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--since {text} is not a date or time. Use a format such as 2026-11-01 or 2026-11-01T12:00:00Z."
        ) from None
    return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)


def _duration(text: str) -> timedelta:
    found = _DURATION.fullmatch(text)
    if not found:
        raise UsageError(f"--min-age {text} is not a duration. Use a number followed by s, m, h or d, such as 15m.")
    return timedelta(seconds=int(found[1]) * UNITS[found[2]])
