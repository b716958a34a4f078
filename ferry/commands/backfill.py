"""`ferry backfill --dry-run`: what copying everything that is already in a source would do, and what it would cost.

PlanBatches decides with the same functions as a run does. Nothing is written at the source or the target. Raises
UsageError for wrong arguments, and CommandError for what the deployment does not have.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ferry.aws import planning, sources
from ferry.aws.clients import Deployment
from ferry.commands.listing import write_json
from ferry.errors import CommandError, UsageError
from ferry.estimates.estimate import estimate
from ferry.ui import plan_view, terminal
from functions.contract.bulk import Plan, PlanScope
from functions.contract.rules import LONGEST_KEY_BYTES
from infra.terraform.outputs import DeployedSource

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d{1,9})([smhd])")


@dataclass(frozen=True)
class Request:
    """The arguments, checked without a deployment."""

    prefix: str
    source: str | None
    since: datetime | None
    min_age: timedelta


def check_request(prefix: str, source: str | None, since: str | None, min_age: str, *, dry_run: bool) -> Request:
    """Check the arguments before anything is called."""
    if not dry_run:
        raise UsageError("Only --dry-run is available in this release: it shows what a backfill would do and cost.")
    try:
        length = len(prefix.encode("utf-8"))
    except UnicodeEncodeError:
        raise UsageError("--prefix is not valid UTF-8, which S3 requires.") from None
    if prefix.startswith("s3://"):
        raise UsageError(f"--prefix {prefix} is a URL. Give the beginning of a key, without s3://bucket/.")
    if length > LONGEST_KEY_BYTES:
        raise UsageError(f"--prefix has {length} bytes. S3 accepts keys of up to {LONGEST_KEY_BYTES}.")
    return Request(prefix, source, None if since is None else _time(since), _duration(min_age))


def dry_run(deployment: Deployment, request: Request, *, as_json: bool) -> None:
    """Plan a backfill, and print what it would do."""
    name, source = _source(deployment, request.source)
    if source.bucket == deployment.outputs.target_bucket:
        raise CommandError(f"The source {name} is {source.bucket}, which is also the target: there is nothing to copy.")
    scope = PlanScope(
        bucket=source.bucket,
        region=source.region,
        prefix=_prefix(name, source, request.prefix),
        suffix=source.suffix,
        since=request.since,
        min_age_seconds=int(request.min_age.total_seconds()),
    )
    plan = _planned(deployment, scope)
    if not plan.objects and request.prefix:
        raise CommandError(f"No object in s3://{source.bucket} has a key that starts with {request.prefix}.")
    target = deployment.outputs
    costs = estimate(plan, crosses_regions=source.region != target.target_region)
    if as_json:
        write_json(plan_view.document(plan, costs, scope, target))
    else:
        terminal.put(terminal.console(), plan_view.view(plan, costs, scope, target))


def _planned(deployment: Deployment, scope: PlanScope) -> Plan:
    console = terminal.console(stderr=True)
    if not console.is_terminal:
        return planning.plan(deployment, scope, lambda _: None)
    with console.status("Listing both buckets") as status:
        return planning.plan(deployment, scope, lambda plan: status.update(f"{plan.objects:,} objects compared"))


def _source(deployment: Deployment, wanted: str | None) -> tuple[str, DeployedSource]:
    available = sources.of(deployment.outputs)
    names = ", ".join(sorted(available))
    if wanted is None:
        if len(available) > 1:
            raise UsageError(f"The deployment has several sources. Choose one with --source: {names}.")
        return next(iter(available.items()))
    if wanted not in available:
        raise CommandError(f"The deployment has no source {wanted}. It has {names}.")
    return wanted, available[wanted]


def _prefix(name: str, source: DeployedSource, wanted: str) -> str:
    """The longer one of the source's own prefix and the wanted one, which must not contradict each other."""
    if wanted.startswith(source.prefix):
        return wanted
    if source.prefix.startswith(wanted):
        return source.prefix
    raise CommandError(f"The source {name} has only keys that start with {source.prefix}: none starts with {wanted}.")


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--since {text} is not a date or time. Give one like 2026-11-01 or 2026-11-01T12:00:00Z."
        ) from None
    return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)


def _duration(text: str) -> timedelta:
    found = _DURATION.fullmatch(text)
    if not found:
        raise UsageError(f"--min-age {text} is not a duration. Give a number and s, m, h or d, like 15m.")
    return timedelta(seconds=int(found[1]) * UNITS[found[2]])
