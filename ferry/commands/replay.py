"""`ferry replay`: retries failed executions.

Redrives where Step Functions can: only the failed step runs again. Otherwise, or with `--restart`, starts a new
execution `<old>-replay-N` with the same input; objects that are already copied are found `unchanged` and are not copied
again. With `--failed` dead letters are returned to the queue, too (ferry/aws/dead_letters.py).

Idempotent: a failure whose input has a later execution that is running or succeeded is skipped. Raises CommandError,
before anything is done, if one of the named executions does not exist or has not failed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text

from ferry.aws.clients import Deployment
from ferry.aws.dead_letters import return_dead_letters
from ferry.commands.listing import shorten
from ferry.commands.show import resolve
from ferry.errors import CommandError, UsageError
from ferry.stepfunctions import executions, replays
from ferry.stepfunctions.executions import ExecutionInfo
from ferry.stepfunctions.failures import Failure, find_successors
from ferry.stepfunctions.replays import Replay
from ferry.ui import terminal


def check_request(names: Sequence[str], *, failed: bool) -> None:
    """Raise UsageError unless either executions are named or --failed is given."""
    if failed and names:
        raise UsageError("Specify either the executions to replay or --failed, not both.")
    if not failed and not names:
        raise UsageError("Specify the executions to replay, or use --failed for all failed executions.")


def replay(deployment: Deployment, names: Sequence[str], *, failed: bool, restart: bool) -> None:
    """Replay the named executions, or all failed executions and the dead letters."""
    console = terminal.console()
    client = deployment.step_functions
    all_executions = executions.list_executions(client, deployment.outputs.state_machine_arn)
    failures = _named(deployment, names) if names else _all_failed(deployment, all_executions)
    run = _ReplayRun(
        deployment,
        console,
        restart=restart,
        successors=find_successors(client, failures, all_executions),
        taken={info.name for info in all_executions},
    )
    for failure in sorted(failures, key=lambda item: item.info.attempt_started, reverse=True):
        # In a replay of all failures, those that are already settled are not worth a line.
        run.replay(failure, show_skipped=bool(names))
    for reason in run.reasons:
        console.print(terminal.line(f"Started new executions {reason}. Objects already copied are not copied again."))
    returned = False
    for line in return_dead_letters(deployment) if failed else ():
        console.print(terminal.line(line))
        returned = True
    if not run.replayed and not returned:
        console.print("Nothing to replay.")


@dataclass
class _ReplayRun:
    """Replays failures one by one, each input once."""

    deployment: Deployment
    console: Console
    restart: bool
    successors: dict[str, ExecutionInfo]
    taken: set[str]
    replayed: dict[str, str] = field(default_factory=dict)
    """The name of the replayed execution, by its input."""

    reasons: dict[str, None] = field(default_factory=dict)
    """Why new executions were started, in the order of the first occurrence."""

    def replay(self, failure: Failure, *, show_skipped: bool) -> None:
        """Replay a failure, or skip it."""
        later = self.successors.get(failure.info.arn)
        earlier = self.replayed.get(failure.canonical_input)
        if earlier:
            if show_skipped:
                self._print(failure, f"skipped: {self._shown(earlier)} replays the same upload")
        elif later:
            if show_skipped:
                self._print(
                    failure, f"skipped: {self._shown(later.name)} is {later.status} and replays the same upload"
                )
        else:
            result = replay_one(self.deployment, failure, self.taken, restart=self.restart)
            self.replayed[failure.canonical_input] = failure.info.name
            self.taken.add(result.name)
            if result.new_execution_reason:
                self.reasons[result.new_execution_reason] = None
                self._print(failure, f"started again as {self._shown(result.name)}")
            else:
                self._print(failure, "redriven: the failed step is running again")

    def _print(self, failure: Failure, result: str) -> None:
        text: Text = terminal.line((self._shown(failure.info.name), "bold"), f"  {failure.key}  {result}")
        self.console.print(text, soft_wrap=True)

    def _shown(self, name: str) -> str:
        return shorten(name) if self.console.is_terminal else name


def replay_one(deployment: Deployment, failure: Failure, taken: Iterable[str], *, restart: bool) -> Replay:
    """Redrive a failed execution, or start a new one with its input."""
    client = deployment.step_functions
    reason = "as requested by --restart" if restart else replays.redrive(client, failure)
    if reason is None:
        return Replay(failure.info.name)
    name = replays.start_again(client, deployment.outputs.state_machine_arn, failure, taken)
    return Replay(name, reason)


def _all_failed(deployment: Deployment, all_executions: Iterable[ExecutionInfo]) -> list[Failure]:
    failed = [info for info in all_executions if info.failed]
    inputs = executions.read_inputs(deployment.step_functions, failed)
    return [Failure(info, inputs[info.arn]) for info in failed]


def _named(deployment: Deployment, names: Sequence[str]) -> list[Failure]:
    """The named failures, each once; raises CommandError if one of them did not fail."""
    failures: dict[str, Failure] = {}
    machine = deployment.outputs.state_machine_arn
    for name in names:
        arn = resolve(deployment, name)
        if not arn.startswith(executions.execution_arn(machine, "")):
            raise CommandError(f"{name} is not an execution of {machine.rpartition(':')[2]}. Nothing was replayed.")
        info, input_ = executions.describe(deployment.step_functions, machine, arn)
        if not info.failed:
            raise CommandError(
                f"{info.name} is {info.status}. Only failed executions can be replayed. Nothing was replayed."
            )
        failures[arn] = Failure(info, input_)
    return list(failures.values())
