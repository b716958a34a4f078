"""`ferry show`: one execution as a graph, live while it runs. Read-only."""

import time
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ferry.aws.clients import Deployment
from ferry.commands.listing import as_document, shorten, write_json
from ferry.errors import CommandError, UsageError
from ferry.stepfunctions import executions
from ferry.stepfunctions.executions import Execution, ExecutionInfo
from ferry.stepfunctions.failures import Failure, find_successors
from ferry.ui import execution_view, terminal
from ferry.ui.links import execution_link

POLL_SECONDS = 0.25
AWS_POLL_SECONDS = 2.0
"""GetExecutionHistory is throttled by account and region; a person does not need faster updates."""


def show(deployment: Deployment, name: str, *, as_json: bool) -> None:
    """Print an execution: as JSON at once, as a graph until it has ended."""
    arn = resolve(deployment, name)
    if as_json:
        machine = deployment.outputs.state_machine_arn
        write_json(whole_document(executions.read_execution(deployment.step_functions, machine, arn)))
        return
    console = terminal.console()
    execution = follow(deployment, arn, console)
    console.print(Text())
    link = execution_link(arn) if deployment.on_aws else None
    terminal.put(console, execution_view.outcome(execution, link, _successor(deployment, arn)))


def _successor(deployment: Deployment, arn: str) -> ExecutionInfo | None:
    """The later execution of a failure's input that is running or succeeded, if any."""
    client, machine = deployment.step_functions, deployment.outputs.state_machine_arn
    info, input_ = executions.describe(client, machine, arn)
    if not info.failed:
        return None
    all_executions = executions.list_executions(client, machine)
    return find_successors(client, [Failure(info, input_)], all_executions).get(info.arn)


def resolve(deployment: Deployment, name: str) -> str:
    """The ARN of an execution from its ARN, its name, or a name as `ferry list` shortens it."""
    if not name.strip():
        raise UsageError("EXECUTION is empty. Run `ferry list` to see the names.")
    client, machine = deployment.step_functions, deployment.outputs.state_machine_arn
    try:
        return executions.describe(client, machine, name)[0].arn
    except CommandError:
        if name.startswith("arn:"):
            raise
        infos = executions.list_executions(client, machine)
        matches = [info for info in infos if shorten(info.name) == name]
        matches = matches or [info for info in infos if info.name.startswith(name)]
        if len(matches) == 1:
            return matches[0].arn
        if matches:
            first = ", ".join(info.name for info in matches[:3])
            raise CommandError(f"{name} matches {len(matches)} executions: {first}… Specify a longer name.") from None
        raise


def follow(deployment: Deployment, arn: str, console: Console) -> Execution:
    """Draw an execution until it has ended; without a terminal, only the end."""
    client, machine = deployment.step_functions, deployment.outputs.state_machine_arn
    poll_seconds = AWS_POLL_SECONDS if deployment.on_aws else POLL_SECONDS
    definition = executions.read_definition(client, arn)
    execution = executions.read_execution(client, machine, arn)
    # Only on a terminal: a spinner in a log would be noise.
    if console.is_terminal and execution.running:
        picture = _Picture(execution, definition)
        with Live(get_renderable=picture.draw, console=console, refresh_per_second=8) as live:
            while picture.execution.running:
                time.sleep(poll_seconds)
                picture.execution = executions.read_execution(client, machine, arn)
            live.refresh()
        return picture.execution
    while execution.running:
        time.sleep(poll_seconds)
        execution = executions.read_execution(client, machine, arn)
    terminal.put(console, execution_view.draw(execution, definition, elapsed(execution)))
    return execution


class _Picture:
    """The current picture, drawn again at each refresh so that times advance and spinners turn."""

    def __init__(self, execution: Execution, definition: tuple[executions.DefinedState, ...]) -> None:
        self.execution = execution
        self.definition = definition

    def draw(self) -> Any:
        return execution_view.draw(self.execution, self.definition, elapsed(self.execution), live=True)


def elapsed(execution: Execution) -> float:
    """How long the last attempt took, or has been running."""
    end = execution.info.stopped if not execution.running else None
    return max(0.0, ((end or datetime.now(UTC)) - execution.info.attempt_started).total_seconds())


def whole_document(execution: Execution) -> dict[str, Any]:
    """An execution as `--json` prints it, with what it has found so far (its document), and its states."""
    return as_document(execution) | {
        "attempt": execution.info.attempt,
        "document": execution.document.model_dump(mode="json") if execution.document else None,
        "states": [
            {
                "name": run.name,
                "status": run.status,
                "seconds": run.seconds,
                "retries": run.retries,
                "error": run.error,
                "cause": run.cause,
            }
            for run in execution.states
        ],
    }
