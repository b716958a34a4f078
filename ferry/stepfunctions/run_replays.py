"""Replays failed runs: by redrive, which resumes the run, or as a new run with the same input.

A redrive of a run whose objects failed repeats those (functions/require_complete.py). A new run starts where a redrive
is not possible, e.g. after 14 days, and where it cannot succeed: the plan was deleted or has expired.

Idempotent: a failure with a later run of the same scope that is running or succeeded is skipped.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from ferry.aws import run_files
from ferry.aws.clients import Deployment
from ferry.errors import CommandError
from ferry.stepfunctions import executions, replays, runs
from ferry.stepfunctions.executions import ExecutionInfo
from ferry.stepfunctions.failures import Failure
from functions.batches.outcomes import plan_slices

REPLAYED_TOGETHER = ("FAILED", "TIMED_OUT")
"""Without being named: a run that somebody stopped should stay stopped."""

NOT_IN_LEDGER = (
    "The failed run ended before its report, so files of tables that it copied but did not validate count as done."
)


@dataclass(frozen=True)
class RunReplay:
    """What was done with a failed run.

    `running` is the run that is running now; None if nothing was done because of `settled_by`. The ledger has
    nothing of a run that has not reported.
    """

    name: str
    running: str | None = None
    new_run_reason: str | None = None
    has_reported: bool = True
    settled_by: ExecutionInfo | None = None

    def describe(self) -> str:
        """The result in words."""
        if self.settled_by:
            return f"skipped: {self.settled_by.name} ({self.settled_by.status}) is a later run of the same scope"
        if self.new_run_reason:
            done = f"started again as {self.running}, {self.new_run_reason}: it copies what is still missing"
            return done if self.has_reported else f"{done}. {NOT_IN_LEDGER}"
        return "redriven: it continues with what is still missing"


@dataclass
class RunHistory:
    """All runs, newest first, and the inputs of those that were read."""

    deployment: Deployment
    infos: Sequence[ExecutionInfo]
    _inputs: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, deployment: Deployment) -> "RunHistory":
        """List the runs of a deployment."""
        return cls(deployment, runs.list_runs(deployment))

    def input(self, info: ExecutionInfo) -> str:
        """The input of a run."""
        if info.arn not in self._inputs:
            machine = runs.machine_of(self.deployment)
            self._inputs[info.arn] = executions.describe(self.deployment.step_functions, machine, info.arn)[1]
        return self._inputs[info.arn]

    def later(self, failure: ExecutionInfo) -> ExecutionInfo | None:
        """The newest later run of the same kind and scope. Hourly runs have a kind, so few inputs are read."""
        for info in self.infos:
            if (
                info.attempt_started > failure.attempt_started
                and runs.kind_of(info.name) == runs.kind_of(failure.name)
                and _identity(self.input(info)) == _identity(self.input(failure))
            ):
                return info
        return None


def unsettled_runs(history: RunHistory) -> list[ExecutionInfo]:
    """The runs that failed, and that no later run of the same scope has replaced; newest first."""
    return [info for info in history.infos if info.status in REPLAYED_TOGETHER and not history.later(info)]


def require_failed(info: ExecutionInfo) -> None:
    """Raise CommandError for a run that cannot be replayed."""
    if not info.failed:
        raise CommandError(f"{info.name} is {info.status}. Only failed runs can be replayed. Nothing was replayed.")


def replay_run(history: RunHistory, info: ExecutionInfo, *, restart: bool) -> RunReplay:
    """Redrive a failed run, or start a new one with its input."""
    deployment = history.deployment
    later = history.later(info)
    if later and not later.failed:
        return RunReplay(info.name, settled_by=later)
    failure = Failure(info, history.input(info))
    reason = "as requested by --restart" if restart else _why_not_redrivable(deployment, info)
    reason = reason or replays.redrive(deployment.step_functions, failure)
    if reason is None:
        return RunReplay(info.name, info.name)
    taken = [each.name for each in history.infos]
    name = replays.start_again(deployment.step_functions, runs.machine_of(deployment), failure, taken)
    report = runs.summarize_run(deployment, info).report
    return RunReplay(info.name, name, reason, report is not None and report.status != "in_progress")


def _why_not_redrivable(deployment: Deployment, info: ExecutionInfo) -> str | None:
    """Why a redrive could not succeed; None if it may. A run that has planned reads its plan again."""
    run = runs.summarize_run(deployment, info)
    plan = run.plan
    if plan is None or plan.status != "planned":
        return None
    pointers = ((plan.batches, plan.batches_key), (plan.executions, plan.executions_key))
    expected = {key for slices, key in pointers if slices}
    expected.update(plan_slices(plan))
    if expected <= set(run_files.list_keys(deployment, plan.folder)):
        return None
    return "because its plan was deleted or has expired"


def _identity(input_: str) -> str:
    """Equal for runs that do the same, however much they do at once."""
    content = json.loads(input_)
    if isinstance(content, dict):
        content.pop("max_concurrency", None)
    return json.dumps(content, sort_keys=True)
