"""Reads slices, and reads and writes the records of what became of their objects.

Records are written by each call, under the slice's name and the call's own, and never overwritten: two calls may
work on one slice after a run was stopped. Of two records about one object, the later one counts.

Idempotent. Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce

from functions.batches.settings import BatchSettings
from functions.batches.slice_names import folder_of, run_of
from functions.contract.batches import Outcome
from functions.contract.bulk import PlannedObject
from functions.contract.usage import Usage
from functions.planning.line_files import ENDING, put_lines, read_lines
from functions.planning.requests import usage_of
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors

COPIED, VERIFIED, READ, VALIDATED, STARTED, DELETED = "copied", "verified", "read", "validated", "started", "deleted"
"""The kinds of records."""

COMPARED = "compared"
"""That of an audit."""

NOTHING = Usage()
_USAGE = re.compile(rf"\.(\d+)-(\d+)-(\d+){re.escape(ENDING)}$")


def read_slice(settings: BatchSettings, key: str) -> list[PlannedObject]:
    """Return the objects of a slice."""
    return [
        PlannedObject.model_validate_json(line)
        for line in read_lines(settings.results_bucket, settings.target_region, key)
    ]


@dataclass(frozen=True)
class SliceRecords:
    """What calls recorded about the objects of a slice, by key, and what they used."""

    outcomes: dict[str, Outcome]
    usage: Usage


def read_outcomes(settings: BatchSettings, slice_key: str, kind: str) -> dict[str, Outcome]:
    """Return what earlier calls recorded about the objects of a slice, by key."""
    return read_records(settings, slice_key, kind).outcomes


def read_records(settings: BatchSettings, slice_key: str, kind: str) -> SliceRecords:
    """Return what earlier calls recorded about a slice."""
    client, folder = clients.s3(settings.target_region), _folder(slice_key, kind)
    with aws_errors(f"listing the records in s3://{settings.results_bucket}/{folder}"):
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=settings.results_bucket, Prefix=folder)
        found = [(each["LastModified"], each["Key"]) for page in pages for each in page.get("Contents", ())]
    records = [read_lines(settings.results_bucket, settings.target_region, key) for _, key in sorted(found)]
    outcomes = (Outcome.model_validate_json(line) for record in records for line in record)
    usage = (_usage_of(key) for _, key in found)
    return SliceRecords({outcome.key: outcome for outcome in outcomes}, reduce(Usage.plus, usage, Usage()))


def write_outcomes(
    settings: BatchSettings,
    slice_key: str,
    kind: str,
    call_id: str,
    outcomes: Iterable[Outcome],
    usage: Usage = NOTHING,
) -> None:
    """Record what a call did, and in the record's name what it used; nothing if it did nothing."""
    lines = [outcome.model_dump_json(exclude_defaults=True) for outcome in outcomes]
    if not lines:
        return
    used = f".{usage.writes}-{usage.reads}-{usage.milliseconds}" if usage != NOTHING else ""
    key = f"{_folder(slice_key, kind)}{call_id}{used}{ENDING}"
    put_lines(settings.results_bucket, settings.target_region, key, lines, "the record")


class UsageCounter:
    """Counts what a call used since the last file, and the request that writes the next one."""

    def __init__(self, requests: Counter[str], remaining_ms: Callable[[], int]) -> None:
        self._requests, self._remaining_ms = requests, remaining_ms
        self._counted, self._counted_ms = Counter[str](), remaining_ms()

    def since_last(self) -> Usage:
        """Return it, and begin to count the next one."""
        with_this, now_ms = self._requests + Counter(PutObject=1), self._remaining_ms()
        used = usage_of(with_this - self._counted, max(0, self._counted_ms - now_ms))
        self._counted, self._counted_ms = with_this, now_ms
        return used


class OutcomeFiles:
    """Records the outcomes of one call about a slice, in several files while it works."""

    def __init__(self, settings: BatchSettings, slice_key: str, kind: str, call_id: str) -> None:
        self._settings, self._slice_key, self._kind, self._call_id = settings, slice_key, kind, call_id
        self._written = self._files = 0

    def write(self, outcomes: list[Outcome], usage: Usage = NOTHING) -> None:
        """Write those of all outcomes so far that are new."""
        name = f"{self._call_id}-{self._files:03}"
        write_outcomes(self._settings, self._slice_key, self._kind, name, outcomes[self._written :], usage)
        self._written, self._files = len(outcomes), self._files + 1


def _usage_of(key: str) -> Usage:
    """Return what is in the name of a record; older ones have nothing."""
    found = _USAGE.search(key)
    return Usage(writes=int(found[1]), reads=int(found[2]), milliseconds=int(found[3])) if found else NOTHING


def _folder(slice_key: str, kind: str) -> str:
    return f"{run_of(slice_key)}/{kind}/{folder_of(slice_key)}/"
