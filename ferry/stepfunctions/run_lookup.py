"""Finds one object's line in a run, without reading the whole report. Read-only.

The slices of a plan, and so the files of its report, are in the order of the listings: by UTF-8, those of batches and
those of executions each ("Listing object keys programmatically", Amazon S3 User Guide). A report whose plan is not in
the run's document is read whole.

Raises CommandError for a plan that is missing.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache

from ferry.aws import run_files
from ferry.aws.clients import Deployment
from ferry.stepfunctions.run_reports import (
    recorded_lines,
    records_by_slice,
    report_folder,
    reported_lines,
    unreported_plan,
)
from ferry.stepfunctions.runs import RunSummary
from functions.batches.outcomes import plan_slices
from functions.contract.batches import ReportLine
from functions.contract.bulk import Plan, PlannedObject
from functions.planning.line_files import ENDING
from functions.planning.slices import slice_kind


def find_line(deployment: Deployment, run: RunSummary, key: str) -> ReportLine | None:
    """The line of one object in its latest round; None if the run did nothing with it."""
    plan = unreported_plan(run)
    if plan is not None:
        for candidate in _recorded_candidates(deployment, run, plan, key):
            if candidate.key == key:
                return candidate
    folder = report_folder(run.info)
    reported = plan is None and run.plan and run.report
    lines = (
        _ordered_candidates(deployment, folder, run.plan, key)
        if reported and run.plan
        else reported_lines(deployment, folder)
    )
    return next((line for line in lines if line.key == key), None)


def _recorded_candidates(deployment: Deployment, run: RunSummary, plan: Plan, key: str) -> Iterator[ReportLine]:
    """The recorded lines of the slices that may have the key."""

    @cache
    def first_key(slice_key: str) -> bytes:
        return PlannedObject.model_validate_json(run_files.read_lines(deployment, slice_key)[0]).key.encode()

    slices = _by_kind((slice_key, slice_key) for slice_key in plan_slices(plan))
    for of_kind in slices:
        for slice_key in _last_not_after(of_kind, key, first_key):
            records = records_by_slice(deployment, plan, slice_key)
            yield from recorded_lines(deployment, run.info.name, slice_key, records[slice_key])


def _ordered_candidates(deployment: Deployment, folder: str, plan: Plan, key: str) -> Iterator[ReportLine]:
    """The lines of the report's files that may have the key."""

    @cache
    def lines_of(name: str) -> list[ReportLine]:
        return [ReportLine.model_validate_json(line) for line in run_files.read_lines(deployment, name)]

    files = ((slice_key, f"{folder}{number:06}{ENDING}") for number, slice_key in enumerate(plan_slices(plan)))
    for names in _by_kind(files):
        for name in _last_not_after(names, key, lambda each: lines_of(each)[0].key.encode()):
            yield from lines_of(name)


def _by_kind(files: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Files by the kind of their slice, which is in its name: `batch-00000.jsonl.gz`."""
    found: dict[str, list[str]] = defaultdict(list)
    for slice_key, name in files:
        found[slice_kind(slice_key)].append(name)
    return list(found.values())


def _last_not_after(names: Sequence[str], key: str, first_key: Callable[[str], bytes]) -> Sequence[str]:
    """The last file that begins at or before the key, if any."""
    after = bisect_right(names, key.encode(), key=first_key)
    return names[after - 1 : after] if after else []
