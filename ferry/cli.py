"""`ferry`: the commands, their arguments and exit codes; what they do is in the modules named like them.

Whatever goes wrong is one line on standard error: exit 2 when the command was called wrongly, 1 for all
else. Ctrl-C ends a command with 130.
"""

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ferry.errors import Problem, UsageProblem
from ferry.ui import terminal
from infra.errors import TerraformStopped
from statemachine.errors import OperatorError

if TYPE_CHECKING:
    from ferry.aws.deployment import Deployment
    from functions.contract.rules import Rules

DISTRIBUTION = "s3-ferry"

app = typer.Typer(
    name="ferry",
    help="Moves files between S3 buckets, proves that every byte arrived, replays what failed.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@contextmanager
def opened(outputs: Path | None) -> Iterator["Deployment"]:
    """The deployment of an outputs file."""
    # The AWS SDK takes most of a start, and --version, --help and completion at every Tab need none of it.
    from ferry.aws import deployment

    with deployment.opened(outputs) as found:
        yield found


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"ferry {version(DISTRIBUTION)}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Take what is common to all commands."""


def _check_outputs(outputs: Path | None) -> Path | None:
    if outputs is not None and outputs.is_dir():
        from ferry.aws.deployment import OUTPUTS

        raise UsageProblem(f"--outputs {outputs} is a folder: name the {OUTPUTS}.")
    return outputs


OutputsOption = Annotated[
    Path | None,
    typer.Option(
        "--outputs",
        envvar="FERRY_OUTPUTS",
        callback=_check_outputs,
        show_default=".ferry/outputs.json of this checkout",
        help="Which deployment: its outputs.json.",
    ),
]


def _check_rules(rules: Path | None) -> Path | None:
    if rules is not None and not rules.is_file():
        raise UsageProblem(f"--rules {rules} is {'a folder' if rules.is_dir() else 'no file'}: name a loader.yaml.")
    return rules


RulesOption = Annotated[
    Path | None,
    typer.Option("--rules", callback=_check_rules, show_default="everything is copied as it is", help="A loader.yaml."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


@app.command()
def up(
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Its port on 127.0.0.1.")] = None,
    rules: RulesOption = None,
    outputs: OutputsOption = None,
) -> None:
    """Start the embedded cloud in the background."""
    from functions.contract.rules import NO_RULES
    from infra.local import lifecycle

    folder = _folder(outputs)
    console = terminal.console()
    given = _read_rules(rules) if rules else NO_RULES
    with console.status("Starting the embedded cloud"):
        result = lifecycle.up(folder, port, given)
    by_rules = f", by the rules of {rules}" if rules else ""
    if result.ran_already:
        console.print(terminal.line(f"The embedded cloud runs already at {result.endpoint_url}{by_rules}"))
        return
    env = folder / "env"
    shown = env.relative_to(Path.cwd()) if env.is_relative_to(Path.cwd()) else env
    console.print(terminal.line(("✓ ", "green"), f"The embedded cloud runs at {result.endpoint_url}{by_rules}"))
    console.print(
        terminal.line("Next:  ", (f". {shown}", "cyan"), "   for any S3 client, and   ", ("ferry upload FILE", "cyan"))
    )


@app.command()
def down(outputs: OutputsOption = None) -> None:
    """Stop the embedded cloud."""
    from infra.local import lifecycle

    ran = lifecycle.down(_folder(outputs))
    terminal.console().print("The embedded cloud is stopped." if ran else "No embedded cloud runs.")


@app.command()
def demo(
    file: Annotated[Path | None, typer.Argument(show_default="the airports of the world, a CSV")] = None,
    key: Annotated[str | None, typer.Option(show_default="<stem>/<name>", help="The key to upload it to.")] = None,
) -> None:
    """Move a real file through an embedded cloud of its own, and show how it went."""
    from ferry.commands import demo as subject

    subject.demo(file, key)


@app.command()
def upload(
    file: Annotated[Path, typer.Argument()],
    key: Annotated[str | None, typer.Argument(show_default="<stem>/<name>")] = None,
    outputs: OutputsOption = None,
) -> None:
    """Upload a file to the source bucket."""
    from ferry.commands import upload as subject

    subject.check_file(file)
    subject.check_key(subject.default_key(file) if key is None else key)
    with opened(outputs) as deployment:
        subject.upload(deployment, file, key)


@app.command("list")
def list_(
    failed: Annotated[bool, typer.Option("--failed", help="Only those that failed.")] = False,
    json: JsonOption = False,
    limit: Annotated[int, typer.Option(min=0, help="At most so many; 0 for all.")] = 1000,
    outputs: OutputsOption = None,
) -> None:
    """List the executions, newest first."""
    from ferry.commands import listing

    with opened(outputs) as deployment:
        listing.show_list(deployment, failed=failed, limit=limit, as_json=json)


@app.command()
def show(
    execution: Annotated[str, typer.Argument(help="The name or ARN of an execution.")],
    json: JsonOption = False,
    outputs: OutputsOption = None,
) -> None:
    """Show an execution as a graph, live while it runs."""
    from ferry.commands import show as subject

    with opened(outputs) as deployment:
        subject.show(deployment, execution, as_json=json)


@app.command()
def replay(
    executions: Annotated[
        list[str] | None, typer.Argument(metavar="[EXECUTION]...", help="Names or ARNs of executions.")
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="All that failed, and the dead letters.")] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Start anew instead of redriving, e.g. with a new workflow.")
    ] = False,
    outputs: OutputsOption = None,
) -> None:
    """Let what failed go on, without copying again what already arrived."""
    from ferry.commands import replay as subject

    names = executions or []
    subject.check_request(names, failed=failed)
    with opened(outputs) as deployment:
        subject.replay(deployment, names, failed=failed, restart=restart)


@app.command()
def explain(
    key: Annotated[str, typer.Argument(help="A key in the source bucket, of an object that need not exist.")],
    rules: Annotated[
        Path | None,
        typer.Option(
            "--rules",
            callback=_check_rules,
            show_default="the rules of the deployment",
            help="A loader.yaml.",
        ),
    ] = None,
    json: JsonOption = False,
    outputs: OutputsOption = None,
) -> None:
    """Say what would happen to a key, and which rule decides."""
    from ferry.commands import explain as subject
    from ferry.commands.upload import check_key

    check_key(key)
    if rules:
        subject.explain(key, _read_rules(rules), None, as_json=json)
        return
    with opened(outputs) as deployment:
        subject.explain(key, subject.deployed_rules(deployment), deployment.outputs, as_json=json)


BucketArgument = Annotated[str, typer.Argument(help="The name of a bucket.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")]


@app.command()
def adopt(bucket: BucketArgument, dry_run: DryRunOption = False, outputs: OutputsOption = None) -> None:
    """Have a bucket that exists tell the deployment of its uploads; what others have configured stays."""
    from ferry.commands import adopt as subject

    subject.check_bucket(bucket)
    with opened(outputs) as deployment:
        subject.adopt(deployment, bucket, dry_run=dry_run)


@app.command()
def unadopt(bucket: BucketArgument, dry_run: DryRunOption = False, outputs: OutputsOption = None) -> None:
    """Have a bucket no longer tell the deployment of its uploads; what others have configured stays."""
    from ferry.commands import adopt as subject

    subject.check_bucket(bucket)
    with opened(outputs) as deployment:
        subject.unadopt(deployment, bucket, dry_run=dry_run)


YesOption = Annotated[bool, typer.Option("--yes", help="Apply the plan without asking.")]


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
    """Deploy to AWS, after showing the plan and asking."""
    from ferry.commands import deploy as command

    command.deploy(yes=yes, allow_data_loss=allow_data_loss)


@app.command()
def destroy(yes: YesOption = False) -> None:
    """Remove the deployment from AWS, after showing the plan and asking."""
    from ferry.commands import destroy as command

    command.destroy(yes=yes)


def main() -> None:
    """Run a command and exit with its code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a key must not end the command.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command; its exit code."""
    try:
        code = app(arguments, prog_name="ferry", standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        said = error.format_message()
        return _fail(f"{said if said[-1] in '.?' else said + '.'} See `{_command(error)} --help`.", error.exit_code)
    except Problem as error:
        return _fail(str(error), error.exit_code)
    except TerraformStopped as error:
        return _fail(str(error), 128 + signal.SIGINT)
    except OperatorError as error:
        # A file with several mistakes has a line for each.
        for line in str(error).split("\n"):
            _fail(line, 1)
        return 1
    except BrokenPipeError:
        # The reader has seen enough. Nothing more can be written, not even at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except OSError as error:
        return _fail(str(error), 1)
    return code if isinstance(code, int) else 0


def _command(error: typer.TyperException) -> str:
    """The command that was called wrongly, as far as it was recognised."""
    context = getattr(error, "ctx", None)
    return context.command_path if context else "ferry"


def _fail(message: str, code: int) -> int:
    terminal.console(stderr=True).print(terminal.line(("ferry: ", "red"), message), soft_wrap=True)
    return code


def _read_rules(path: Path) -> "Rules":
    """Read a loader.yaml, and say what in it is hardly meant."""
    from infra.rules import loader

    read = loader.load(path)
    for warning in read.warnings:
        terminal.console(stderr=True).print(terminal.line(("! ", "yellow"), warning), soft_wrap=True)
    return read.rules


def _folder(outputs: Path | None) -> Path:
    """The folder of an embedded cloud, from its outputs file."""
    from ferry.aws.deployment import OUTPUTS, home

    if outputs is None:
        return home()
    if outputs.name != OUTPUTS:
        raise UsageProblem(f"--outputs {outputs}: an embedded cloud's file is always called {OUTPUTS}.")
    return outputs.absolute().parent
