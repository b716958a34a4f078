"""Failed executions, and which of them a later execution with the same input has settled. Read-only."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ferry.stepfunctions import executions
from ferry.stepfunctions.executions import ExecutionInfo
from ferry.stepfunctions.history import parse_document

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

REPLAY = re.compile(r"^(?P<base>.+?)-replay-(?P<number>[1-9][0-9]*)$")
STARTER_NAME = re.compile(r"^(bulk-)?[0-9a-f]{40}$")
"""The starter and a bulk run name an execution by a hash of its input: another hash means another input. A run's hash
has the object's LastModified, too: at worst, a failure is replayed that a later copy of the same bytes has settled."""


@dataclass(frozen=True)
class Failure:
    """A failed execution and its input."""

    info: ExecutionInfo
    input: str

    @property
    def canonical_input(self) -> str:
        """Equal for equal inputs."""
        return executions.canonical(self.input)

    @property
    def key(self) -> str:
        """The key of the uploaded object, if the input names one."""
        document = parse_document(self.input)
        return document.source.key if document else ""


def find_successors(
    client: "SFNClient", failures: Sequence[Failure], all_executions: Iterable[ExecutionInfo]
) -> dict[str, ExecutionInfo]:
    """For each failure's ARN, the later execution of the same input that is running or succeeded, if any."""
    if not failures:
        return {}
    oldest = min(failure.info.attempt_started for failure in failures)
    bases = {base_name(failure.info.name) for failure in failures}
    named_by_starter = all(STARTER_NAME.match(base) for base in bases)

    def may_be_successor(info: ExecutionInfo) -> bool:
        if info.failed or info.attempt_started <= oldest:
            return False
        # There may be a hundred thousand other executions: their names decide, without a call for each.
        base = base_name(info.name)
        return base in bases or not (named_by_starter and STARTER_NAME.match(base))

    candidates = [info for info in all_executions if may_be_successor(info)]
    inputs = executions.read_inputs(client, candidates)
    successors: dict[str, ExecutionInfo] = {}
    for failure in failures:
        for info in candidates:
            later = info.attempt_started > failure.info.attempt_started
            if later and executions.canonical(inputs[info.arn]) == failure.canonical_input:
                successors[failure.info.arn] = info
                break
    return successors


def base_name(name: str) -> str:
    """The name of an execution without the `-replay-N` that a replay added."""
    replayed = REPLAY.match(name)
    return replayed["base"] if replayed else name


def unsettled(
    client: "SFNClient", infos: Sequence[ExecutionInfo], all_executions: Iterable[ExecutionInfo]
) -> list[ExecutionInfo]:
    """The failures that `ferry replay --failed` would replay, in the same order.

    A failure with a later execution of the same input is settled: the later one counts.
    """
    inputs = executions.read_inputs(client, infos)
    failures = [Failure(info, inputs[info.arn]) for info in infos]
    successors = find_successors(client, failures, all_executions)
    newest: dict[str, ExecutionInfo] = {}
    for failure in sorted(failures, key=lambda item: item.info.attempt_started):
        newest[failure.canonical_input] = failure.info
    left = {info.arn for info in newest.values()} - successors.keys()
    return [info for info in infos if info.arn in left]
