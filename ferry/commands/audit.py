"""`ferry audit`: compares every object of a source with the target. Nothing is written to either.

Raises UsageError for wrong arguments, and CommandError for what the deployment does not have, for an audit that failed,
and for one that found that the target is not what it should be.
"""

from dataclasses import dataclass

from ferry.aws import sources
from ferry.aws.clients import Deployment
from ferry.commands.backfill import Request, choose_source, narrow_prefix
from ferry.commands.listing import write_json
from ferry.errors import CommandError, UsageError
from ferry.stepfunctions import audits
from ferry.stepfunctions.audits import EndedAudit
from ferry.ui import audit_view, terminal
from functions.auditing.attributes import NAMES, NAMES_OF_ENTRIES
from functions.contract.audit import AuditDocument, AuditedSource, AuditReport, AuditScope

WRONG = ("missing", "differs", "failed")
WRONG_IF_STRICT = ("extra", "undecided")
"""Statuses that fail the command."""


@dataclass(frozen=True)
class AuditOptions:
    """What is compared besides what every audit compares, and what does not count."""

    read: bool
    tags: bool
    annotations: bool
    strict: bool
    ignored: tuple[str, ...]


def check_ignored(names: list[str]) -> tuple[str, ...]:
    """Return the differences that do not count; raise UsageError for a name that no difference has."""
    for name in names:
        if name not in NAMES and name.partition(".")[0] not in NAMES_OF_ENTRIES:
            raise UsageError(f"--ignore {name} is not an attribute that is compared. Choose from: {', '.join(NAMES)}.")
    return tuple(names)


def audit(
    deployment: Deployment,
    request: Request,
    options: AuditOptions,
    max_concurrency: int,
    *,
    wait: bool,
    as_json: bool,
) -> None:
    """Start an audit, and wait for its end, or not. It continues if the command is interrupted."""
    arn = start(deployment, request, options, max_concurrency)
    name = arn.rpartition(":")[2]
    if not wait:
        if as_json:
            write_json({"run": name, "status": "RUNNING"})
        else:
            reports = f"s3://{deployment.outputs.athena_results}/reports/"
            terminal.console().print(terminal.line("Started ", (name, "bold"), ". Its report will be under ", reports))
        return
    ended = _followed(deployment, arn)
    if ended.document is None:
        raise CommandError(f"{name} {ended.status.lower().replace('_', ' ')}: {ended.error}")
    plan, report = ended.document.plan, ended.document.report
    if plan is None or report is None:
        raise CommandError(f"{name} has no report. Start another audit.")
    if not plan.objects and request.prefix and not report.counts:
        bucket = ended.document.scope.bucket
        raise CommandError(f"No object in s3://{bucket} has a key that starts with {request.prefix}.")
    _show(deployment, name, ended.document, report, as_json=as_json)
    _require_nothing_wrong(report, strict=options.strict)


def start(deployment: Deployment, request: Request, options: AuditOptions, max_concurrency: int) -> str:
    """Start an audit; return its ARN."""
    return audits.start(deployment, _scope(deployment, request, options), max_concurrency)


def _followed(deployment: Deployment, arn: str) -> EndedAudit:
    notes = terminal.console(stderr=True)
    name = arn.rpartition(":")[2]
    notes.print(terminal.line("Started ", (name, "bold"), ". Interrupting this command does not stop it."))
    if not notes.is_terminal:
        return audits.follow(deployment, arn, lambda _: None)
    with notes.status("Comparing") as status:
        return audits.follow(
            deployment, arn, lambda seconds: status.update(f"Comparing for {terminal.duration(seconds)}")
        )


def _show(deployment: Deployment, name: str, document: AuditDocument, report: AuditReport, *, as_json: bool) -> None:
    results = deployment.outputs.athena_results
    if as_json:
        write_json(audit_view.document(name, document.scope, report, results))
    else:
        terminal.put(terminal.console(), audit_view.view(document.scope, report, deployment.outputs))


def _require_nothing_wrong(report: AuditReport, *, strict: bool) -> None:
    wrong = [
        f"{report.counts[status]:,} {'differ' if status == 'differs' else status}"
        for status in (*WRONG, *(WRONG_IF_STRICT if strict else ()))
        if report.counts.get(status)
    ]
    if wrong:
        raise CommandError(f"The target does not match the source: {', '.join(wrong)}. The report lists each object.")


def _scope(deployment: Deployment, request: Request, options: AuditOptions) -> AuditScope:
    name, source = choose_source(deployment, request.source)
    if source.bucket == deployment.outputs.target_bucket:
        raise CommandError(
            f"The source {name} is {source.bucket}, which is also the target: there is nothing to compare."
        )
    return AuditScope(
        bucket=source.bucket,
        region=source.region,
        prefix=narrow_prefix(name, source, request.prefix),
        suffix=source.suffix,
        since=request.since,
        min_age_seconds=int(request.min_age.total_seconds()),
        sources=[
            AuditedSource(bucket=each.bucket, region=each.region, prefix=each.prefix, suffix=each.suffix)
            for each in sources.of(deployment.outputs).values()
        ],
        whole=not request.prefix,
        read=options.read,
        tags=options.tags,
        annotations=options.annotations,
        ignored=list(options.ignored),
    )
