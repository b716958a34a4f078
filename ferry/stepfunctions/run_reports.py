"""The lines of a run's report: what became of each object, by its latest round. Read-only.

What is reported is read from the report's files. What is not (the run continues, was stopped or redriven) is read from
its records: what has an outcome so far.

Raises CommandError for a plan that is missing.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC

from ferry.aws import run_files
from ferry.aws.clients import Deployment
from ferry.stepfunctions.executions import ExecutionInfo
from ferry.stepfunctions.runs import RunSummary
from functions.batches.outcomes import RECORD_KINDS, plan_slices
from functions.batches.report_lines import report_line
from functions.contract.batches import Outcome, ReportLine
from functions.contract.bulk import Plan, PlannedObject
from functions.planning.line_files import ENDING

REPEATED = re.compile(r"round-(\d+)/[a-z]+/")
REPORTED = ("complete", "incomplete")


def report_lines(deployment: Deployment, run: RunSummary) -> Iterator[ReportLine]:
    """One line for each object of a run; what is not reported yet comes first, and its keys are kept in memory."""
    plan, seen = unreported_plan(run), set[str]()
    if plan is not None:
        for line in _all_recorded_lines(deployment, run.info.name, plan):
            seen.add(line.key)
            yield line
    # After a redrive, the report of the attempt before.
    for line in reported_lines(deployment, report_folder(run.info)):
        if line.key not in seen:
            yield line


def count_lines(deployment: Deployment, run: RunSummary) -> Counter[str]:
    """The objects of a run by status; read from the lines only if its document does not have them."""
    report = run.report
    if report and report.status in REPORTED and unreported_plan(run) is None:
        return Counter(report.counts)
    return Counter(line.status for line in report_lines(deployment, run))


def report_folder(info: ExecutionInfo) -> str:
    """Where a run is reported."""
    return f"reports/day={info.started.astimezone(UTC):%Y-%m-%d}/run={info.name}/"


def unreported_plan(run: RunSummary) -> Plan | None:
    """The complete plan, if the latest attempt is not reported: the run continues, or ended before it could report."""
    plan, report = run.plan, run.report
    if plan is None or plan.status != "planned":
        return None
    covered = report is not None and report.status in REPORTED and report.redrive_count >= run.info.redrives
    return None if covered else plan


def reported_lines(deployment: Deployment, folder: str) -> Iterator[ReportLine]:
    """The lines of a report."""
    for lines in run_files.read_files(deployment, run_files.list_keys(deployment, folder)):
        yield from (ReportLine.model_validate_json(line) for line in lines)


def _all_recorded_lines(deployment: Deployment, run: str, plan: Plan) -> Iterator[ReportLine]:
    """A line for each object of a plan that has an outcome."""
    records = records_by_slice(deployment, plan)
    for key in plan_slices(plan):
        yield from recorded_lines(deployment, run, key, records[key])


def records_by_slice(deployment: Deployment, plan: Plan, slice_key: str = "") -> dict[str, list[str]]:
    """The keys of the records of each slice, or of one, those that count later at the end.

    What failed is repeated in rounds, whose records are below `round-1/batch/` and so on.
    """
    found: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    name = slice_key.removeprefix(plan.folder).removesuffix(ENDING)
    for order, kind in enumerate(RECORD_KINDS):
        folder = run_files.record_folder(plan.folder, kind)
        for prefix in (f"{name}/", "round-") if name else ("",):
            for key in run_files.list_keys(deployment, f"{folder}{prefix}"):
                path = key.removeprefix(folder).rpartition("/")[0]
                repeated = REPEATED.match(path)
                of_slice = f"{plan.folder}{path[repeated.end() :] if repeated else path}{ENDING}"
                found[of_slice].append((int(repeated[1]) if repeated else 0, order, key))
    return defaultdict(
        list, {key: [each for *_, each in sorted(records, key=_order)] for key, records in found.items()}
    )


def _order(record: tuple[int, int, str]) -> tuple[int, int]:
    """By round and kind; records of one kind stay in the order in which they were written."""
    return record[:2]


def recorded_lines(deployment: Deployment, run: str, slice_key: str, records: list[str]) -> Iterator[ReportLine]:
    """A line for each object of a slice that has an outcome in its records."""
    if not records:
        return
    outcomes = _latest_outcomes(deployment, records)
    for line in run_files.read_lines(deployment, slice_key):
        planned = PlannedObject.model_validate_json(line)
        outcome = outcomes.get(planned.key)
        if outcome and outcome.status not in ("copied", "unchanged"):
            yield report_line(run, planned, outcome)


def _latest_outcomes(deployment: Deployment, keys: list[str]) -> dict[str, Outcome]:
    files = run_files.read_files(deployment, keys)
    outcomes = (Outcome.model_validate_json(line) for lines in files for line in lines)
    return {outcome.key: outcome for outcome in outcomes}
