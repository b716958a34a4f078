"""Failed executions, and what became of them: which have a later execution of the same input. Reads only."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ferry.stepfunctions import executions
from ferry.stepfunctions.executions import Summary

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

REPLAY = re.compile(r"^(?P<base>.+?)-replay-(?P<number>[1-9][0-9]*)$")
STARTERS_NAME = re.compile(r"^[0-9a-f]{40}$")
"""The starter names executions by a hash of their input: another hash, another input."""


@dataclass(frozen=True)
class Failure:
    """A failed execution and its input."""

    summary: Summary
    input: str

    @property
    def same(self) -> str:
        """Equal for equal inputs."""
        return executions.canonical(self.input)

    @property
    def key(self) -> str:
        """The key it is about, if its input says so."""
        document = executions.parse_document(self.input)
        return document.source.key if document else ""


def find_successors(
    client: "SFNClient", failures: Sequence[Failure], everything: Iterable[Summary]
) -> dict[str, Summary]:
    """For each failure's ARN the later execution of the same input that runs or succeeded, if there is one."""
    if not failures:
        return {}
    oldest = min(failure.summary.attempt_began for failure in failures)
    bases = {base_name(failure.summary.name) for failure in failures}
    by_starter = all(STARTERS_NAME.match(base) for base in bases)

    def may_succeed(summary: Summary) -> bool:
        if summary.failed or summary.attempt_began <= oldest:
            return False
        # There may be a hundred thousand others: their names tell it without a call for each.
        base = base_name(summary.name)
        return base in bases or not (by_starter and STARTERS_NAME.match(base))

    candidates = [summary for summary in everything if may_succeed(summary)]
    inputs = executions.read_inputs(client, candidates)
    found: dict[str, Summary] = {}
    for failure in failures:
        for summary in candidates:
            later = summary.attempt_began > failure.summary.attempt_began
            if later and executions.canonical(inputs[summary.arn]) == failure.same:
                found[failure.summary.arn] = summary
                break
    return found


def base_name(name: str) -> str:
    """The name of an execution without the `-replay-N` that a replay added."""
    replayed = REPLAY.match(name)
    return replayed["base"] if replayed else name


def left_to_replay(client: "SFNClient", summaries: Sequence[Summary], everything: Iterable[Summary]) -> list[Summary]:
    """Those of these failures that `ferry replay --failed` would replay, in the same order.

    Not those with a later execution of the same input: whatever that one comes to is what counts.
    """
    inputs = executions.read_inputs(client, summaries)
    failures = [Failure(summary, inputs[summary.arn]) for summary in summaries]
    successors = find_successors(client, failures, everything)
    newest: dict[str, Summary] = {}
    for failure in sorted(failures, key=lambda item: item.summary.attempt_began):
        newest[failure.same] = failure.summary
    left = {summary.arn for summary in newest.values()} - successors.keys()
    return [summary for summary in summaries if summary.arn in left]
