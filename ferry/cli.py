"""`ferry`: the commands, their arguments and exit codes. What a command does is in ferry/commands.

Each error is one line on standard error. Exit codes: 0 success, 1 failure, 2 usage error, 130 interrupted.
"""

import io
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from ferry import run_cli
from ferry.errors import CommandError
from ferry.options import (
    BucketArgument,
    DryRunOption,
    JsonOption,
    OutputsOption,
    RulesOption,
    YesOption,
    check_rules,
    opened,
    read_rules,
)
from ferry.ui.error_report import INTERRUPTED, report
from statemachine.errors import OperatorError

DISTRIBUTION = "s3-ferry"

app = typer.Typer(
    name="ferry",
    help="Copy files between S3 buckets, verify each copy, make tabular files queryable, and retry failures.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        typer.echo(f"ferry {version(DISTRIBUTION)}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """The options of all commands."""


@app.command()
def up(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, show_default="any free port", help="Port on 127.0.0.1.")
    ] = None,
    rules: RulesOption = None,
    sweep_schedule: Annotated[
        str | None,
        typer.Option(
            metavar="EXPRESSION", help='Schedule for copying objects whose events were missed, e.g. "rate(1 hour)".'
        ),
    ] = None,
    outputs: OutputsOption = None,
) -> None:
    """Start the local cloud in the background."""
    from ferry.commands import up as command

    command.check_schedule(sweep_schedule)
    command.up(port, rules, outputs, sweep_schedule)


@app.command()
def down(outputs: OutputsOption = None) -> None:
    """Stop the local cloud."""
    from ferry.commands import down as command

    command.down(outputs)


@app.command()
def demo(
    file: Annotated[
        Path | None, typer.Argument(show_default="a CSV of the world's airports", help="File to upload.")
    ] = None,
    key: Annotated[str | None, typer.Option(show_default="<stem>/<name>", help="Key in the source bucket.")] = None,
) -> None:
    """Copy a real file through a temporary local cloud and show the result."""
    from ferry.commands import demo as command

    command.demo(file, key)


@app.command()
def upload(
    file: Annotated[Path, typer.Argument(help="File to upload.")],
    key: Annotated[
        str | None,
        typer.Argument(show_default="<stem>/<name>", help="Key in the source bucket, or a folder: `sales/`."),
    ] = None,
    outputs: OutputsOption = None,
) -> None:
    """Upload a file to the source bucket."""
    from ferry.commands import upload as command

    command.check_file(file)
    command.check_key(command.key_of(file, key))
    with opened(outputs) as deployment:
        command.upload(deployment, file, key)


@app.command("list")
def list_(
    failed: Annotated[bool, typer.Option("--failed", help="Show only failures that still need a replay.")] = False,
    json: JsonOption = False,
    limit: Annotated[int, typer.Option(min=0, help="Maximum number to show (0 = all).")] = 1000,
    outputs: OutputsOption = None,
) -> None:
    """List executions, newest first."""
    from ferry.commands import listing

    with opened(outputs) as deployment:
        listing.show_list(deployment, failed=failed, limit=limit, as_json=json)


@app.command()
def show(
    execution: Annotated[str, typer.Argument(help="Name or ARN of an execution.")],
    json: JsonOption = False,
    outputs: OutputsOption = None,
) -> None:
    """Show an execution as a graph, live while it runs."""
    from ferry.commands import show as command

    with opened(outputs) as deployment:
        command.show(deployment, execution, as_json=json)


@app.command()
def replay(
    executions: Annotated[
        list[str] | None, typer.Argument(metavar="EXECUTION", help="Names or ARNs of executions or runs.")
    ] = None,
    failed: Annotated[
        bool,
        typer.Option(
            "--failed", help="Replay all failed executions and runs, and return dead-lettered messages to the queue."
        ),
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Start new executions instead of redriving, e.g. to use a new workflow.")
    ] = False,
    outputs: OutputsOption = None,
) -> None:
    """Retry failed executions and runs, by redrive where possible."""
    from ferry.commands import replay as command

    names = executions or []
    command.check_request(names, failed=failed)
    with opened(outputs) as deployment:
        command.replay(deployment, names, failed=failed, restart=restart)


@app.command()
def console(
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, show_default="4580, or any free port if it is taken", help="Port on 127.0.0.1."),
    ] = None,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open a browser.")] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Allow replays and uploads on AWS; the local cloud always allows them.")
    ] = False,
    outputs: OutputsOption = None,
) -> None:
    """Show executions, tables and queues in the browser."""
    with opened(outputs) as deployment:
        from ferry.commands import console as command

        command.console(deployment, port, open_browser=not no_open, write=write)


@app.command()
def tables(
    name: Annotated[str | None, typer.Argument(metavar="[TABLE]", help="Show the columns of this table.")] = None,
    json: JsonOption = False,
    outputs: OutputsOption = None,
) -> None:
    """List all tables, or the columns of one table."""
    from ferry.commands import tables as command

    with opened(outputs) as deployment:
        command.show_tables(deployment, name, as_json=json)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="A SELECT, WITH or VALUES query.")],
    limit: Annotated[int, typer.Option(min=0, help="Maximum number of rows to show (0 = all).")] = 100,
    csv: Annotated[bool, typer.Option("--csv", help="Print only CSV.")] = False,
    json: JsonOption = False,
    outputs: OutputsOption = None,
) -> None:
    """Query the tables with Athena."""
    from ferry.commands import query as command

    command.check_request(sql, csv=csv, json=json)
    with opened(outputs) as deployment:
        command.query(deployment, sql, limit, "csv" if csv else "json" if json else "table")


@app.command()
def queue(
    limit: Annotated[int, typer.Option(min=0, max=1000, help="Maximum number of dead letters to show.")] = 100,
    json: JsonOption = False,
    outputs: OutputsOption = None,
) -> None:
    """Show the number of waiting messages, and each dead letter with its reason."""
    from ferry.commands import queue as command

    with opened(outputs) as deployment:
        command.show_queues(deployment, limit, as_json=json)


@app.command()
def explain(
    key: Annotated[str, typer.Argument(help="Key in the source bucket; the object need not exist.")],
    rules: Annotated[
        Path | None,
        typer.Option(
            "--rules",
            callback=check_rules,
            show_default="the deployment's rules",
            help="Path to a migration.yaml file.",
        ),
    ] = None,
    json: JsonOption = False,
    outputs: OutputsOption = None,
) -> None:
    """Show which rule applies to a key."""
    from ferry.commands import explain as command
    from ferry.commands.upload import check_key

    check_key(key)
    if rules:
        command.explain(key, read_rules(rules), None, as_json=json)
        return
    with opened(outputs) as deployment:
        command.explain(key, command.deployed_rules(deployment), deployment.outputs, as_json=json)


for _command in (run_cli.backfill, run_cli.runs, run_cli.report, run_cli.stop, run_cli.find, run_cli.audit):
    app.command()(_command)


@app.command()
def adopt(bucket: BucketArgument, dry_run: DryRunOption = False, outputs: OutputsOption = None) -> None:
    """Subscribe the deployment to uploads in an existing bucket. Other notifications are kept."""
    from ferry.commands import adopt as command

    command.check_bucket(bucket)
    with opened(outputs) as deployment:
        command.adopt(deployment, bucket, dry_run=dry_run)


@app.command()
def unadopt(bucket: BucketArgument, dry_run: DryRunOption = False, outputs: OutputsOption = None) -> None:
    """Unsubscribe the deployment from uploads in a bucket. Other notifications are kept."""
    from ferry.commands import adopt as command

    command.check_bucket(bucket)
    with opened(outputs) as deployment:
        command.unadopt(deployment, bucket, dry_run=dry_run)


@app.command()
def plan() -> None:
    """Show what `ferry deploy` would change on AWS. Changes nothing."""
    from ferry.commands import plan as command

    command.plan()


@app.command()
def deploy(
    yes: YesOption = False,
    allow_data_loss: Annotated[
        bool, typer.Option("--allow-data-loss", help="With --yes: also apply a plan that destroys data.")
    ] = False,
) -> None:
    """Show the plan, ask for confirmation, and deploy to AWS."""
    from ferry.commands import deploy as command

    command.deploy(yes=yes, allow_data_loss=allow_data_loss)


@app.command()
def destroy(yes: YesOption = False) -> None:
    """Show the plan, ask for confirmation, and remove the deployment from AWS."""
    from ferry.commands import destroy as command

    command.destroy(yes=yes)


def main() -> None:
    """Run a command and exit with its code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A key that the terminal cannot show must not end the command.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command; return its exit code."""
    try:
        code = app(arguments, prog_name="ferry", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has closed the pipe: nothing more can be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except (typer.TyperException, CommandError, OperatorError, OSError) as error:
        return report(error)
    return code if isinstance(code, int) else 0
