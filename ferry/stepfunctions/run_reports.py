"""The lines of a run's report: what became of each object, by its latest round. Read-only.

A round that is reported is read from the report's files. A round that is not (the run continues, or was stopped) is
read from its records: what has an outcome so far.

Raises CommandError for a plan that is missing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC

from ferry.aws import run_files
from ferry.aws.clients import Deployment
from ferry.stepfunctions.executions import ExecutionInfo
from ferry.stepfunctions.runs import RunSummary
from functions.batches.report import report_line
from functions.batches.records import COPIED, STARTED, VERIFIED
from functions.contract.bulk import Outcome, Plan, PlannedObject, ReportLine
from functions.planning.line_files import ENDING
from functions.planning.slices import BATCH, EXECUTION, slice_keys

REPORTED = ("complete", "incomplete")


def report_lines(deployment: Deployment, run: RunSummary) -> Iterator[ReportLine]:
    """One line for each object of a run, from its latest round; the keys of later rounds are kept in memory."""
    rounds = report_rounds(deployment, run.info)
    parts: list[Iterator[ReportLine]] = []
    plan = unreported_plan(run)
    if plan is not None:
        parts.append(_all_recorded_lines(deployment, run.info.name, plan))
        rounds = [each for each in rounds if round_of(each) < round_of(plan.folder)]
    parts += [reported_lines(deployment, folder) for folder in rounds]
    seen: set[str] = set()
    for number, part in enumerate(parts, 1):
        for line in part:
            if line.key in seen:
                continue
            if number < len(parts):
                seen.add(line.key)
            yield line


def count_lines(deployment: Deployment, run: RunSummary) -> Counter[str]:
    """The objects of a run by status; read from the lines only if its document does not have them."""
    report = run.report
    if report and unreported_plan(run) is None and report_rounds(deployment, run.info) == [report.folder]:
        return Counter(report.counts)
    return Counter(line.status for line in report_lines(deployment, run))


def report_folder(info: ExecutionInfo) -> str:
    """Where all rounds of a run are reported."""
    return f"reports/day={info.started.astimezone(UTC):%Y-%m-%d}/run={info.name}/"


def report_rounds(deployment: Deployment, info: ExecutionInfo) -> list[str]:
    """The folders of the rounds that a run has reported, the latest first."""
    return sorted(run_files.list_folders(deployment, report_folder(info)), key=round_of, reverse=True)


def round_of(folder: str) -> int:
    """The number in `runs/<run>/<round>/plan/` or `reports/…/round=<round>/`."""
    for part in reversed(folder.removesuffix("plan/").split("/")):
        number = part.removeprefix("round=")
        if number.isdecimal():
            return int(number)
    return 0


def unreported_plan(run: RunSummary) -> Plan | None:
    """The complete plan that no report covers yet, if any: the run continues, or ended before it could report."""
    plan, report = run.plan, run.report
    if plan is None or plan.status != "planned":
        return None
    covered = report is not None and report.status in REPORTED and round_of(report.folder) >= round_of(plan.folder)
    return None if covered else plan


def reported_lines(deployment: Deployment, folder: str) -> Iterator[ReportLine]:
    """The lines of one round."""
    for lines in run_files.read_files(deployment, run_files.list_keys(deployment, folder)):
        yield from (ReportLine.model_validate_json(line) for line in lines)


def _all_recorded_lines(deployment: Deployment, run: str, plan: Plan) -> Iterator[ReportLine]:
    """A line for each object of a plan that has an outcome."""
    records = records_by_slice(deployment, plan)
    for folder in plan.folders:
        for kind in (BATCH, EXECUTION):
            for key in slice_keys(plan.folder, folder, kind):
                yield from recorded_lines(deployment, run, key, records[key])


def records_by_slice(deployment: Deployment, plan: Plan, slice_name: str = "") -> dict[str, list[str]]:
    """The keys of the records of each slice, or of one, those that count later at the end."""
    found: dict[str, list[str]] = defaultdict(list)
    for kind in (COPIED, VERIFIED, STARTED):
        folder = run_files.record_folder(plan.folder, kind)
        for key in run_files.list_keys(deployment, f"{folder}{slice_name}"):
            name = key.removeprefix(folder).rpartition("/")[0]
            found[f"{plan.folder}{name}{ENDING}"].append(key)
    return found


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
