"""The commands of runs, of what runs did, and of audits: their arguments. ferry/cli.py registers them."""

from typing import Annotated

import typer

from ferry.audit_options import (
    AnnotationsOption,
    AuditConcurrencyOption,
    AuditMinAgeOption,
    AuditPrefixOption,
    AuditSinceOption,
    AuditWaitOption,
    IgnoreOption,
    ReadOption,
    StrictOption,
    TagsOption,
)
from ferry.options import (
    DEFAULT_CONCURRENCY,
    InventoryOption,
    JsonOption,
    MaxConcurrencyOption,
    MinAgeOption,
    OutputsOption,
    PlanOnlyOption,
    PrefixOption,
    RunArgument,
    SinceOption,
    SourceOption,
    WaitOption,
    opened,
)


def backfill(
    dry_run: PlanOnlyOption = False,
    prefix: PrefixOption = "",
    source: SourceOption = None,
    since: SinceOption = None,
    min_age: MinAgeOption = "0s",
    inventory: InventoryOption = "",
    again: Annotated[
        bool, typer.Option("--again", help="Also copy objects that failed earlier or were deleted from the target.")
    ] = False,
    max_concurrency: MaxConcurrencyOption = DEFAULT_CONCURRENCY,
    wait: WaitOption = True,
    json: JsonOption = False,
    outputs: OutputsOption = None,
) -> None:
    """Copy existing source objects that are missing from the target."""
    from ferry.commands import backfill as command

    request = command.check_request(prefix, source, since, min_age, inventory, again=again)
    with opened(outputs) as deployment:
        if dry_run:
            command.dry_run(deployment, request, as_json=json)
        else:
            command.run(deployment, request, max_concurrency, wait=wait, as_json=json)


def runs(
    json: JsonOption = False,
    limit: Annotated[int, typer.Option(min=0, help="Maximum number to show (0 = all).")] = 100,
    outputs: OutputsOption = None,
) -> None:
    """List backfills, sweeps and audits, newest first."""
    from ferry.commands import runs as command

    with opened(outputs) as deployment:
        command.show_runs(deployment, limit=limit, as_json=json)


def report(
    run: RunArgument,
    status: Annotated[
        str | None, typer.Option(show_default="all", help="Show only objects with this outcome, e.g. failed.")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print only CSV.")] = False,
    json: JsonOption = False,
    limit: Annotated[int, typer.Option(min=0, help="Maximum number of lines in the text output (0 = all).")] = 1000,
    outputs: OutputsOption = None,
) -> None:
    """Show what a run did, or an audit found, for each object."""
    from ferry.commands import report as command

    form = command.check_request(status, as_csv=csv, as_json=json)
    with opened(outputs) as deployment:
        command.report(deployment, run, status, limit, form)


def stop(run: RunArgument, outputs: OutputsOption = None) -> None:
    """Stop a run. Objects already copied are kept; `ferry replay` resumes it."""
    from ferry.commands import stop as command

    with opened(outputs) as deployment:
        command.stop(deployment, run)


def find(
    key: Annotated[str, typer.Argument(help="Key in the source bucket.")],
    json: JsonOption = False,
    limit: Annotated[int, typer.Option(min=0, help="Maximum number of executions to read (0 = all).")] = 1000,
    outputs: OutputsOption = None,
) -> None:
    """Show where a file is, with its objects, executions and runs."""
    from ferry.commands import find as command
    from ferry.commands.upload import check_key

    check_key(key)
    with opened(outputs) as deployment:
        command.find(deployment, key, limit=limit, as_json=json)


def audit(
    prefix: AuditPrefixOption = "",
    source: SourceOption = None,
    since: AuditSinceOption = None,
    min_age: AuditMinAgeOption = "0s",
    read: ReadOption = False,
    tags: TagsOption = False,
    annotations: AnnotationsOption = False,
    strict: StrictOption = False,
    ignore: IgnoreOption = None,
    max_concurrency: AuditConcurrencyOption = DEFAULT_CONCURRENCY,
    wait: AuditWaitOption = True,
    json: JsonOption = False,
    outputs: OutputsOption = None,
) -> None:
    """Compare every source object with the target. Changes nothing."""
    from ferry.commands import audit as command
    from ferry.commands.backfill import check_request

    request = check_request(prefix, source, since, min_age)
    options = command.AuditOptions(read, tags, annotations, strict, command.check_ignored(ignore or []))
    with opened(outputs) as deployment:
        command.audit(deployment, request, options, max_concurrency, wait=wait, as_json=json)
