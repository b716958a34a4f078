"""Arguments and options that several commands share, and what they name. Raises UsageError for a wrong path."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ferry.aws.locate import OUTPUTS, default_outputs
from ferry.errors import UsageError
from ferry.ui import terminal

if TYPE_CHECKING:
    from ferry.aws.clients import Deployment
    from functions.contract.rules import Rules


@contextmanager
def opened(outputs: Path | None) -> Iterator["Deployment"]:
    """The deployment of an outputs file."""
    # Importing the AWS SDK takes most of the start-up time; --version, --help and completion do not need it.
    from ferry.aws import clients

    with clients.opened(outputs) as deployment:
        yield deployment


def _check_outputs(outputs: Path | None) -> Path | None:
    if outputs is not None and outputs.is_dir():
        raise UsageError(f"--outputs {outputs} is a folder. Specify the path to an {OUTPUTS} file.")
    return outputs


OutputsOption = Annotated[
    Path | None,
    typer.Option(
        "--outputs",
        envvar="FERRY_OUTPUTS",
        callback=_check_outputs,
        show_default=".ferry/outputs.json",
        help="Path to the deployment's outputs.json file.",
    ),
]


def check_rules(rules: Path | None) -> Path | None:
    """Raise UsageError unless --rules names a file."""
    if rules is not None and not rules.is_file():
        problem = "is a folder" if rules.is_dir() else "is not a file"
        raise UsageError(f"--rules {rules} {problem}. Specify the path to a migration.yaml file.")
    return rules


RulesOption = Annotated[
    Path | None,
    typer.Option(
        "--rules",
        callback=check_rules,
        show_default="copy every object unchanged",
        help="Path to a migration.yaml file.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print only JSON.")]
BucketArgument = Annotated[str, typer.Argument(help="Name of a bucket.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show the change without applying it.")]
PlanOnlyOption = Annotated[bool, typer.Option("--dry-run", help="Show what would be copied without copying anything.")]
PrefixOption = Annotated[
    str, typer.Option("--prefix", show_default="all keys", help="Copy only objects whose keys start with this prefix.")
]
SourceOption = Annotated[
    str | None, typer.Option("--source", show_default="the only one", help="Name of a source in terraform.tfvars.")
]
SinceOption = Annotated[
    str | None, typer.Option("--since", show_default="all", help="Copy only objects uploaded at this time or later.")
]
MinAgeOption = Annotated[str, typer.Option("--min-age", help="Copy only objects at least this old, e.g. 15m.")]
InventoryOption = Annotated[
    str,
    typer.Option(
        "--inventory", show_default=False, help="Read this S3 Inventory (s3://…/manifest.json) instead of listing."
    ),
]
DEFAULT_CONCURRENCY, MOST_CONCURRENCY = 20, 1000
MaxConcurrencyOption = Annotated[
    int,
    typer.Option(
        "--max-concurrency",
        min=1,
        max=MOST_CONCURRENCY,
        help="Maximum number of slices (up to 1,000 objects each) to copy at once.",
    ),
]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the run to finish.")]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Name or ARN of a run, or the beginning of its name.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Apply the plan without asking for confirmation.")]


def read_rules(path: Path) -> "Rules":
    """Read a migration.yaml, and print its warnings."""
    from infra.rules import loader

    migration = loader.load(path)
    for warning in migration.warnings:
        terminal.console(stderr=True).print(terminal.line(("! ", "yellow"), warning), soft_wrap=True)
    return migration.rules


def cloud_folder(outputs: Path | None) -> Path:
    """The folder of a local cloud, from its outputs file; by default the one that every command uses."""
    if outputs is None:
        return default_outputs().parent
    if outputs.name != OUTPUTS:
        raise UsageError(f"--outputs {outputs}: a local cloud's outputs file must be named {OUTPUTS}.")
    return outputs.absolute().parent
