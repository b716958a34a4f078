"""Runs of the workflow for many files: starts, lists, finds and follows them.

A run continues when nobody follows it. Raises CommandError for a deployment without the workflow, and for a run that
does not exist.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from botocore.exceptions import ClientError
from pydantic import ValidationError

from ferry.aws.clients import Deployment
from ferry.aws.denials import Denials
from ferry.errors import CommandError, UsageError
from ferry.stepfunctions import executions, following
from ferry.stepfunctions.executions import READERS, ExecutionInfo
from functions.contract.audit import AuditDocument
from functions.contract.bulk import BulkDocument, Plan, PlanScope, RunReport

KINDS = ("backfill", "audit", "sweep")
UNKNOWN_KIND = "run"
"""Step Functions names what EventBridge Scheduler starts, and people what they start in the console."""


@dataclass(frozen=True)
class RunSummary:
    """A run: its last state, the document that this state received, and its error.

    `document` is None if somebody started the run with another kind of input.
    """

    info: ExecutionInfo
    state: str | None
    document: BulkDocument | None
    error: str | None = None
    cause: str | None = None
    audit: AuditDocument | None = None
    """The same document, if it is an audit."""

    @property
    def kind(self) -> str:
        """What the run is, by its scope or its name: `backfill-…`."""
        return "sweep" if self.scope and self.scope.sweep else kind_of(self.info.name)

    @property
    def scope(self) -> PlanScope | None:
        """Which objects it covers."""
        return self.document.scope if self.document else None

    @property
    def plan(self) -> Plan | None:
        """How far its plan is, or was when its last state began."""
        return self.document.plan if self.document else None

    @property
    def report(self) -> RunReport | None:
        """Its report, once it reports."""
        return self.document.report if self.document else None

    @property
    def seconds(self) -> float:
        """How long its last attempt took, or has been running."""
        end = self.info.stopped or datetime.now(UTC)
        return max(0.0, (end - self.info.attempt_started).total_seconds())


@dataclass(frozen=True)
class EndedRun:
    """A run that has ended. `plan` and `report` are None unless it succeeded; `error` says why it did not."""

    name: str
    status: str
    plan: Plan | None
    report: RunReport | None
    error: str


def machine_of(deployment: Deployment) -> str:
    """The ARN of the state machine; raises CommandError if the deployment has none."""
    machine = deployment.outputs.bulk_state_machine_arn
    if machine is None:
        raise CommandError("The deployment has no backfill workflow. Run `make deploy` from this release.")
    return machine


def kind_of(name: str) -> str:
    """The kind of a run from its name: what comes before the first hyphen."""
    kind = name.partition("-")[0]
    return kind if kind in KINDS else UNKNOWN_KIND


def start(deployment: Deployment, scope: PlanScope, max_concurrency: int) -> str:
    """Start a run; return its ARN."""
    document = BulkDocument(scope=scope, max_concurrency=max_concurrency)
    input_ = document.model_dump_json(include={"scope", "max_concurrency"})
    return following.start(deployment, machine_of(deployment), "backfill", input_)


def list_runs(deployment: Deployment, statuses: Sequence[str] = (), limit: int | None = None) -> list[ExecutionInfo]:
    """All runs, or those with the given statuses, newest first; at most `limit`."""
    return executions.list_executions(deployment.step_functions, machine_of(deployment), statuses, limit)


def list_runs_and_audits(deployment: Deployment, limit: int | None = None) -> list[ExecutionInfo]:
    """The same, and the audits, whose workflow is another one."""
    found = list_runs(deployment, limit=limit) + list_audits(deployment, limit)
    return sorted(found, key=lambda info: (info.started, info.name), reverse=True)[:limit]


def list_audits(deployment: Deployment, limit: int | None = None) -> list[ExecutionInfo]:
    """All audits, newest first; at most `limit`, and none if the deployment has no such workflow."""
    machine = deployment.outputs.audit_state_machine_arn
    return executions.list_executions(deployment.step_functions, machine, (), limit) if machine else []


def find_run(deployment: Deployment, name: str, *, or_audit: bool = False) -> ExecutionInfo:
    """A run by its ARN, its name, or the beginning of a name that no other run has; or an audit."""
    if not name.strip():
        raise UsageError("RUN is empty. Run `ferry runs` to see the names.")
    client, machines = deployment.step_functions, [machine_of(deployment)]
    if or_audit and deployment.outputs.audit_state_machine_arn:
        # First the one that it is probably of: the other one may be denied.
        machines.insert(0 if kind_of(name) == "audit" else 1, deployment.outputs.audit_state_machine_arn)
    if name.startswith("arn:"):
        machines = [each for each in machines if name.startswith(executions.execution_arn(each, ""))]
        if not machines:
            raise CommandError(f"{name} is not a run of {machine_of(deployment).rpartition(':')[2]}. Run `ferry runs`.")
    for machine in machines:
        with suppress(CommandError):
            return executions.describe(client, machine, name)[0]
    known = list_runs_and_audits(deployment) if or_audit else list_runs(deployment)
    matches = [info for info in known if info.name.startswith(name)]
    if len(matches) == 1:
        return executions.describe(client, machines[0], matches[0].arn)[0]
    if matches:
        first = ", ".join(info.name for info in matches[:3])
        more = "…" if len(matches) > 3 else ""
        raise CommandError(f"{name} matches {len(matches)} runs: {first}{more}. Specify a longer name.")
    raise CommandError(f"Run {name} not found. Run `ferry runs`.")


def summarize_run(deployment: Deployment, info: ExecutionInfo) -> RunSummary:
    """The last state of a run, its document and its error, from the end of its history: usually one call."""
    last = executions.read_last_state(deployment.step_functions, info.arn)
    audit = _parse_audit_document(last.input) if kind_of(info.name) == "audit" else None
    return RunSummary(info, last.state, parse_bulk_document(last.input), last.error, last.cause, audit)


def summarize_readable(deployment: Deployment, info: ExecutionInfo, denials: Denials) -> RunSummary:
    """The same; no more than what is known already if the history may not be read."""
    return denials.read("States of runs", lambda: summarize_run(deployment, info), RunSummary(info, None, None))


def summarize_runs(deployment: Deployment, infos: Iterable[ExecutionInfo]) -> list[RunSummary]:
    """A summary of each run, in the same order."""
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(lambda info: summarize_run(deployment, info), infos))


def describe_run(deployment: Deployment, name: str, *, or_audit: bool = False) -> RunSummary:
    """One run by its ARN, its name, or the beginning of its name; or an audit."""
    return summarize_run(deployment, find_run(deployment, name, or_audit=or_audit))


def parse_bulk_document(text: str | None) -> BulkDocument | None:
    """The document of a run; None if it is another kind of text."""
    try:
        return BulkDocument.model_validate_json(text or "")
    except ValidationError:
        return None


def _parse_audit_document(text: str | None) -> AuditDocument | None:
    try:
        return AuditDocument.model_validate_json(text or "")
    except ValidationError:
        return None


def stop(deployment: Deployment, info: ExecutionInfo) -> None:
    """Stop a run. Idempotent. Raises CommandError if it has ended.

    StopExecution ends no function: a slice that is being copied ends its current call, and records what it did
    ("StopExecution", AWS Step Functions API Reference).
    """
    ended = f"{info.name} is {info.status}. Only a run that is RUNNING can be stopped."
    if info.status != "RUNNING":
        raise CommandError(ended)
    try:
        deployment.step_functions.stop_execution(
            executionArn=info.arn, error="Stopped", cause="Stopped by `ferry stop`."
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationException":
            raise
        # It ended after it was described.
        now = executions.describe(deployment.step_functions, machine_of(deployment), info.arn)[0]
        raise CommandError(ended.replace(f" {info.status}.", f" {now.status}.", 1)) from error


def follow(deployment: Deployment, arn: str, progress: Callable[[float], None]) -> EndedRun:
    """Wait for the end of a run; report the seconds that it takes."""
    described = following.wait_for_end(deployment, arn, progress)
    if described["status"] != "SUCCEEDED":
        return EndedRun(described["name"], described["status"], None, None, following.failure_text(described))
    document = BulkDocument.model_validate(json.loads(described["output"]))
    return EndedRun(described["name"], "SUCCEEDED", document.plan, document.report, "")
