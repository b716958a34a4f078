"""`ferry up`: starts the local cloud in the background. Idempotent: a second one finds the first running."""

import re
from pathlib import Path

from ferry.errors import UsageError
from ferry.options import cloud_folder, read_rules
from ferry.ui import terminal
from functions.contract.rules import NO_RULES
from infra.local import lifecycle, sweeps

_SCHEDULE = re.compile(r"rate\([1-9]\d{0,3} (minute|hour|day)s?\)|cron\([^()]+\)")


def check_schedule(expression: str | None) -> None:
    """Check the form of a schedule, before anything is started."""
    if expression is not None and not _SCHEDULE.fullmatch(expression):
        raise UsageError(
            f'--sweep-schedule {expression} is not a schedule. Examples: "rate(1 hour)", "cron(0 3 * * ? *)" (UTC).'
        )


def up(port: int | None, rules: Path | None, outputs: Path | None, sweep_schedule: str | None = None) -> None:
    """Start the local cloud, and show how to use it. Sweeps may be scheduled while it is running."""
    folder = cloud_folder(outputs)
    console = terminal.console()
    selected_rules = read_rules(rules) if rules else NO_RULES
    with console.status("Starting the local cloud"):
        result = lifecycle.up(folder, port, selected_rules)
        if sweep_schedule:
            sweeps.schedule(result.outputs, sweep_schedule)
    with_rules = f" with the rules of {rules}" if rules else ""
    with_rules += f", sweeping at {sweep_schedule}" if sweep_schedule else ""
    if result.ran_already:
        console.print(terminal.line(f"The local cloud is already running at {result.endpoint_url}{with_rules}"))
        return
    env = folder / "env"
    if env.is_relative_to(Path.cwd()):
        env = env.relative_to(Path.cwd())
    console.print(terminal.line(("✓ ", "green"), f"The local cloud is running at {result.endpoint_url}{with_rules}"))
    console.print(
        terminal.line("Next:  ", (f". {env}", "cyan"), "  (for any S3 client), then  ", ("ferry upload FILE", "cyan"))
    )
    console.print(
        terminal.line("Watch: ", ("ferry console", "cyan"), "  (executions, tables and queues in the browser)")
    )
