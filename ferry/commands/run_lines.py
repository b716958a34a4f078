"""The lines about runs above the list of executions. Read-only."""

from collections.abc import Iterator

from botocore.exceptions import ClientError
from rich.text import Text

from ferry.aws.clients import Deployment
from ferry.aws.denials import is_denied
from ferry.stepfunctions import run_replays, runs
from ferry.stepfunctions.run_replays import RunHistory
from ferry.ui import run_view, terminal
from ferry.ui.execution_view import STATUS_STYLES

SHOWN = 3


def newest_runs(deployment: Deployment) -> Iterator[Text]:
    """One line that names the newest runs; nothing if there are none."""
    if deployment.outputs.bulk_state_machine_arn is None:
        return
    try:
        infos = runs.list_runs(deployment, limit=SHOWN + 1)
    except ClientError as error:
        yield _denied(error)
        return
    if infos:
        names = ", ".join(f"{info.name} {info.status}" for info in infos[:SHOWN])
        more = ", …" if len(infos) > SHOWN else ""
        yield terminal.line("Runs (`ferry runs`): ", names, more)


def failed_runs(deployment: Deployment) -> Iterator[Text]:
    """A line for each failed run that `ferry replay --failed` would replay."""
    if deployment.outputs.bulk_state_machine_arn is None:
        return
    try:
        infos = run_replays.unsettled_runs(RunHistory.of(deployment))
    except ClientError as error:
        yield _denied(error)
        return
    for run in runs.summarize_runs(deployment, infos):
        status = (run.info.status, STATUS_STYLES.get(run.info.status, ""))
        details = f"{run_view.scope_text(run)}  {run_view.outcome_text(run)}"
        yield terminal.line("Run ", (run.info.name, "bold"), "  ", status, f"  {details}")


def _denied(error: ClientError) -> Text:
    """An operator of earlier releases had no permission to list runs, and needs none to list executions."""
    if not is_denied(error):
        raise error
    return terminal.line(
        ("Runs cannot be listed: access denied. docs/backfill.md lists the permissions needed.", "yellow")
    )
