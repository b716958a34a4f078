"""`ferry show`: one execution as the console's graph, live while it runs. Reads only."""

import time
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ferry.aws.deployment import Deployment
from ferry.commands.listing import as_document, shorten, write_json
from ferry.errors import Problem, UsageProblem
from ferry.stepfunctions import executions
from ferry.stepfunctions.executions import Execution, Summary
from ferry.stepfunctions.failures import Failure, find_successors
from ferry.ui import execution_view, terminal
from ferry.ui.links import execution_link

POLL_SECONDS = 0.25
AWS_POLL_SECONDS = 2.0
"""GetExecutionHistory is throttled by account and region; a person does not need it more often."""


def show(deployment: Deployment, name: str, *, as_json: bool) -> None:
    """Print an execution; a running one as JSON at once, as a graph until it has ended."""
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


def _successor(deployment: Deployment, arn: str) -> Summary | None:
    """The later execution of a failure's input that runs or succeeded, if there is one."""
    client, machine = deployment.step_functions, deployment.outputs.state_machine_arn
    summary, given = executions.describe(client, machine, arn)
    if not summary.failed:
        return None
    everything = executions.list_summaries(client, machine)
    return find_successors(client, [Failure(summary, given)], everything).get(summary.arn)


def resolve(deployment: Deployment, name: str) -> str:
    """The ARN of an execution from its ARN, its name, or a name as `ferry list` shortens it."""
    if not name.strip():
        raise UsageProblem("EXECUTION is empty. `ferry list` shows the executions there are.")
    client, machine = deployment.step_functions, deployment.outputs.state_machine_arn
    try:
        return executions.describe(client, machine, name)[0].arn
    except Problem:
        if name.startswith("arn:"):
            raise
        summaries = executions.list_summaries(client, machine)
        same = [item for item in summaries if shorten(item.name) == name]
        same = same or [item for item in summaries if item.name.startswith(name)]
        if len(same) == 1:
            return same[0].arn
        if same:
            some = ", ".join(item.name for item in same[:3])
            raise Problem(f"{name} begins the names of {len(same)} executions: {some}…") from None
        raise


def follow(deployment: Deployment, arn: str, console: Console) -> Execution:
    """Draw an execution until it has ended; where no terminal is, only its end."""
    client, machine = deployment.step_functions, deployment.outputs.state_machine_arn
    poll_seconds = AWS_POLL_SECONDS if deployment.on_aws else POLL_SECONDS
    definition = executions.read_definition(client, arn)
    execution = executions.read_execution(client, machine, arn)
    # Only where people look: a spinner in a log would be noise.
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
    """What is drawn at the moment, drawn anew at each refresh so that times go on and spinners turn."""

    def __init__(self, execution: Execution, definition: tuple[executions.DefinedState, ...]) -> None:
        self.execution = execution
        self.definition = definition

    def draw(self) -> Any:
        return execution_view.draw(self.execution, self.definition, elapsed(self.execution), live=True)


def elapsed(execution: Execution) -> float:
    """How long the last attempt took, or has taken so far."""
    end = execution.summary.stopped if not execution.running else None
    return max(0.0, ((end or datetime.now(UTC)) - execution.summary.attempt_began).total_seconds())


def whole_document(execution: Execution) -> dict[str, Any]:
    """An execution and its states as `--json` tells them."""
    return as_document(execution) | {
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
        ]
    }
