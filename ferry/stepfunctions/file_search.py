"""Where a file is: its objects, the executions that moved it, and what runs did with it. Read-only.

Step Functions has no index by key, so inputs are read, and few of them: those of executions that ran when the target
was written or began after the source was, then the newest. Runs are looked up in their reports.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from botocore.exceptions import ClientError

from ferry.aws import sources
from ferry.aws.clients import Deployment
from ferry.errors import CommandError
from ferry.stepfunctions import executions, runs
from ferry.stepfunctions.executions import ExecutionInfo, ExecutionSummary
from ferry.stepfunctions.history import parse_document
from ferry.stepfunctions.run_lookup import find_line
from ferry.stepfunctions.runs import RunSummary
from functions.contract.batches import ReportLine
from functions.contract.bulk import PLANNED

RUNS_SEARCHED = 100
"""The newest runs whose scope has the key; each takes a call to read its document."""

READ_AT_ONCE = 50
ABSENT = ("404", "NoSuchKey", "NotFound")
CLOCK = timedelta(seconds=2)
"""S3 returns times in whole seconds."""


@dataclass(frozen=True)
class FoundObject:
    """A look at one object. `error` is set if it could not be read; without a time, there is no such object."""

    bucket: str
    key: str
    size_bytes: int = 0
    modified: datetime | None = None
    version_id: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class FoundLine:
    """What a run did with the file."""

    run: RunSummary
    line: ReportLine


@dataclass(frozen=True)
class FileTrace:
    """Everything that is known about a file. `unread` executions were not looked at."""

    key: str
    in_source: tuple[FoundObject, ...]
    in_target: tuple[FoundObject, ...]
    executions: tuple[ExecutionSummary, ...]
    runs: tuple[FoundLine, ...]
    unread: int = 0

    @property
    def arrived(self) -> bool:
        """Whether the target has it."""
        return any(each.modified for each in self.in_target)

    @property
    def known(self) -> bool:
        """Whether the target, an execution or a run has it."""
        return self.arrived or bool(self.executions) or bool(self.runs)


def search(deployment: Deployment, key: str, target_key: str, limit: int) -> FileTrace:
    """Search for a file by its key in the source; at most `limit` executions are read (0: all)."""
    outputs = deployment.outputs
    of_key = [each for each in sources.of(outputs).values() if sources.selects(each, key)]
    in_source = [look_at(deployment, each.bucket, each.region, key) for each in of_key or sources.of(outputs).values()]
    target = look_at(deployment, outputs.target_bucket, outputs.target_region, target_key)
    found_runs = list(_runs_with(deployment, key))
    infos = executions.list_executions(deployment.step_functions, outputs.state_machine_arn)
    moments = [each.modified for each in in_source if each.modified]
    named = [each.line.execution for each in found_runs if each.line.execution]
    likely, rest = _likely_first(infos, target.modified, min(moments) if moments else None)
    likely = [info for info in infos if info.name in named] + [info for info in likely if info.name not in named]
    most = limit or len(infos)
    found = _executions_of(deployment, likely[:most], key)
    read = min(len(likely), most)
    if not found:
        left = [info for info in rest if info.name not in named][: most - read]
        found = _executions_of(deployment, left, key)
        read += len(left)
    in_target = [target]
    others = {each.document.target_key for each in found if each.document} | {
        each.line.target_key for each in found_runs
    }
    for other in sorted(others - {target_key}):
        in_target.append(look_at(deployment, outputs.target_bucket, outputs.target_region, other))
    unread = 0 if found else len(infos) - read
    return FileTrace(key, tuple(in_source), tuple(in_target), tuple(found), tuple(found_runs), unread)


def look_at(deployment: Deployment, bucket: str, region: str, key: str) -> FoundObject:
    """HEAD one object."""
    try:
        found = deployment.s3(region).head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        code = error.response["Error"].get("Code", "")
        return FoundObject(bucket, key, error=None if code in ABSENT else f"HEAD failed: {code}")
    return FoundObject(bucket, key, found["ContentLength"], found["LastModified"], found.get("VersionId"))


def _runs_with(deployment: Deployment, key: str) -> Iterator[FoundLine]:
    """What the newest runs did with the key, up to one that moved it."""
    if deployment.outputs.bulk_state_machine_arn is None:
        return
    infos = runs.list_runs(deployment, limit=RUNS_SEARCHED)
    for first in range(0, len(infos), READ_AT_ONCE):
        for run in runs.summarize_runs(deployment, infos[first : first + READ_AT_ONCE]):
            if not _may_have(run, key):
                continue
            try:
                line = find_line(deployment, run, key)
            except CommandError:
                # Its plan has expired, and it has no report.
                continue
            if line:
                yield FoundLine(run, line)
                if line.status in ("verified", "started"):
                    return


def _may_have(run: RunSummary, key: str) -> bool:
    scope, plan = run.scope, run.plan
    return (
        scope is not None
        and plan is not None
        and key.startswith(scope.prefix)
        and key.endswith(scope.suffix)
        and (run.report is not None or any(tally.action in PLANNED for tally in plan.tallies))
    )


def _likely_first(
    infos: Sequence[ExecutionInfo], written: datetime | None, uploaded: datetime | None
) -> tuple[list[ExecutionInfo], list[ExecutionInfo]]:
    """The executions that ran when the target was written, and those that began after the upload; and the others."""

    def wrote(info: ExecutionInfo) -> bool:
        ended = info.stopped or datetime.now(UTC)
        return written is not None and info.started - CLOCK <= written <= ended + CLOCK

    first = [info for info in infos if wrote(info)]
    if uploaded is not None:
        # The first of them is the most likely one.
        first += [info for info in reversed(infos) if info.started >= uploaded - CLOCK and not wrote(info)]
    chosen = {info.arn for info in first}
    return first, [info for info in infos if info.arn not in chosen]


def _executions_of(deployment: Deployment, infos: Iterable[ExecutionInfo], key: str) -> list[ExecutionSummary]:
    """Those of a key, the newest first; no more inputs are read once one was found."""
    client, waiting = deployment.step_functions, list(infos)
    for first in range(0, len(waiting), READ_AT_ONCE):
        some = waiting[first : first + READ_AT_ONCE]
        inputs = executions.read_inputs(client, some)
        documents = {info.arn: parse_document(inputs[info.arn]) for info in some}
        matches = [
            info for info in some if (found := documents[info.arn]) and key in (found.source.key, found.target_key)
        ]
        if matches:
            newest_first = sorted(matches, key=lambda info: info.started, reverse=True)
            return executions.summarize_all(client, newest_first)
    return []
