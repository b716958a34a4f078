"""`ferry replay`: retries failed executions and runs.

Redrives where Step Functions can: only the failed step runs again. Otherwise, or with `--restart`, starts a new
execution `<old>-replay-N` with the same input; objects that are already copied are found `unchanged` and are not copied
again. With `--failed` dead letters are returned to the queue, too (ferry/aws/dead_letters.py).

Idempotent: a failure whose input has a later execution that is running or succeeded is skipped. Raises CommandError,
before anything is done, if one of the named executions does not exist or has not failed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ferry.aws.clients import Deployment
from ferry.aws.dead_letters import return_dead_letters
from ferry.commands.listing import shorten
from ferry.commands.show import resolve
from ferry.errors import CommandError, UsageError
from ferry.stepfunctions import executions, replays, run_replays, runs
from ferry.stepfunctions.executions import ExecutionInfo
from ferry.stepfunctions.failures import STARTER_NAME, Failure, base_name, find_successors
from ferry.stepfunctions.replays import Replay
from ferry.stepfunctions.run_replays import RunHistory, RunReplay
from ferry.ui import terminal


def check_request(names: Sequence[str], *, failed: bool) -> None:
    """Raise UsageError unless either executions are named or --failed is given."""
    if failed and names:
        raise UsageError("Specify either the executions to replay or --failed, not both.")
    if not failed and not names:
        raise UsageError("Specify the executions to replay, or use --failed for all failed executions.")


def replay(deployment: Deployment, names: Sequence[str], *, failed: bool, restart: bool) -> None:
    """Replay the named executions and runs, or all that failed and the dead letters, and print what was done."""
    console = terminal.console()
    executions_named, runs_named = _split(deployment, names)
    done: list[ReplayResult] = []
    replayed_runs = _replay_runs(deployment, runs_named, failed=failed, restart=restart)
    for result in replay_all(deployment, executions_named, restart=restart) if executions_named or failed else ():
        # In a replay of all failures, those that are already settled are not worth a line.
        if names or not result.skipped:
            name = shorten(result.name) if console.is_terminal else result.name
            text = terminal.line((name, "bold"), f"  {result.key}  {result.describe(short=console.is_terminal)}")
            console.print(text, soft_wrap=True)
        done.append(result)
    for reason in dict.fromkeys(result.new_execution_reason for result in done):
        if reason:
            console.print(terminal.line(restart_note(reason)))
    anything = any(not result.skipped for result in done)
    for run in replayed_runs:
        console.print(terminal.line((run.name, "bold"), f"  {run.describe()}"), soft_wrap=True)
        anything = anything or run.running is not None
    for line in return_dead_letters(deployment) if failed else ():
        console.print(terminal.line(line))
        anything = True
    if not anything:
        console.print("Nothing to replay.")


def _split(deployment: Deployment, names: Sequence[str]) -> tuple[list[str], list[ExecutionInfo]]:
    """The names of executions, and the runs that the others name. Nothing is replayed if one of the runs did not fail.

    What begins the name of an execution is an execution, whatever runs there are. No run has a name that is a hash: if
    all have, no run has to be listed.
    """
    machine = deployment.outputs.bulk_state_machine_arn
    others = [name for name in names if name and not STARTER_NAME.match(base_name(name))]
    if machine is None or not others:
        return list(names), []
    prefix, client = executions.execution_arn(machine, ""), deployment.step_functions
    run_names = [info.name for info in runs.list_runs(deployment)]
    of_runs = [name for name in others if name.startswith(prefix) or _begins_any(name, run_names)]
    if any(not name.startswith(prefix) for name in of_runs):
        taken = [info.name for info in executions.list_executions(client, deployment.outputs.state_machine_arn)]
        of_runs = [name for name in of_runs if not _begins_any(name, taken)]
    found = {info.arn: info for info in (runs.find_run(deployment, name) for name in of_runs)}
    for info in found.values():
        run_replays.require_failed(info)
    return [name for name in names if name not in of_runs], list(found.values())


def _begins_any(beginning: str, names: Iterable[str]) -> bool:
    return any(name.startswith(beginning) for name in names)


def _replay_runs(
    deployment: Deployment, named: Sequence[ExecutionInfo], *, failed: bool, restart: bool
) -> Iterator[RunReplay]:
    """Replay runs: the named ones, or all that no later run of the same scope has replaced."""
    if not named and not (failed and deployment.outputs.bulk_state_machine_arn):
        return
    history = RunHistory.of(deployment)
    for info in named or run_replays.unsettled_runs(history):
        yield run_replays.replay_run(history, info, restart=restart)


def restart_note(reason: str) -> str:
    """What a new execution instead of a redrive means."""
    return f"Started new executions {reason}. Objects already copied are not copied again."


@dataclass(frozen=True)
class ReplayResult:
    """What was done with one failed execution.

    `running` is the execution that is running now: itself if it was redriven. `settled_by` is the one with the same
    input because of which this one was skipped, and `settled_status` its status unless it was just replayed.
    """

    name: str
    key: str
    running: str | None = None
    new_execution_reason: str | None = None
    settled_by: str | None = None
    settled_status: str | None = None

    @property
    def skipped(self) -> bool:
        """Whether nothing was done."""
        return self.settled_by is not None

    def describe(self, *, short: bool = False) -> str:
        """The result in words."""
        if self.settled_by:
            status = f" ({self.settled_status})" if self.settled_status else ""
            name = shorten(self.settled_by) if short else self.settled_by
            return f"skipped: {name}{status} is already a replay of the same upload"
        if self.new_execution_reason and self.running:
            return f"started again as {shorten(self.running) if short else self.running}"
        return "redriven: the failed step is running again"


def replay_all(deployment: Deployment, names: Sequence[str], *, restart: bool) -> Iterator[ReplayResult]:
    """Replay the named executions, or without names all failures, newest first and each input once."""
    client = deployment.step_functions
    all_executions = executions.list_executions(client, deployment.outputs.state_machine_arn)
    failures = _named(deployment, names) if names else _all_failed(deployment, all_executions)
    successors = find_successors(client, failures, all_executions)
    taken = {info.name for info in all_executions}
    replayed: dict[str, str] = {}
    for failure in sorted(failures, key=lambda item: item.info.attempt_started, reverse=True):
        name, key = failure.info.name, failure.key
        later, earlier = successors.get(failure.info.arn), replayed.get(failure.canonical_input)
        if earlier:
            yield ReplayResult(name, key, settled_by=earlier)
        elif later:
            yield ReplayResult(name, key, settled_by=later.name, settled_status=later.status)
        else:
            done = replay_one(deployment, failure, taken, restart=restart)
            replayed[failure.canonical_input] = name
            taken.add(done.name)
            yield ReplayResult(name, key, done.name, done.new_execution_reason)


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
