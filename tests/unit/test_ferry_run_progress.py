"""How far a run is, from its document, its Map Run and its records; and what each of its objects became."""

import pytest

from ferry.errors import CommandError, UsageError
from ferry.stepfunctions import run_reports, runs
from ferry.stepfunctions.run_progress import RunProgress, RunWatch
from ferry.stepfunctions.watching import Slices
from ferry.ui import run_view
from functions.contract.bulk import RunReport
from tests.unit.ferry_fakes import BULK, HASH
from tests.unit.run_fakes import (
    RUN,
    SCOPE,
    FakeResults,
    FakeRuns,
    deployed,
    document,
    map_run,
    outcome,
    plan_of,
    put_record,
    put_repeated,
    put_slice,
    report_folder,
    report_line,
    report_of,
)

ARN = f"{BULK.replace(':stateMachine:', ':execution:')}:{RUN}"


class Clock:
    """Seconds, as a test sets them."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


# Which run.


@pytest.mark.parametrize("name", [RUN, ARN, "backfill-20261101T12"])
def test_a_run_is_found_by_its_name_its_arn_and_the_beginning_of_its_name(name: str) -> None:
    found = FakeRuns()
    found.add_run(document(), state="PlanBatches")
    found.add_run(document(), state="PlanBatches", name="backfill-20261102T120000Z-0000bbbb")
    found.add("backfill-20261101T1", "RUNNING")  # an execution of `migrate` by this name is not a run
    described = runs.describe_run(deployed(found), name)
    assert (described.info.name, described.kind, described.scope) == (RUN, "backfill", SCOPE)


def test_a_scheduled_run_is_a_sweep_whatever_its_name_is() -> None:
    found = FakeRuns()
    swept = document().model_copy(update={"scope": SCOPE.model_copy(update={"sweep": True})})
    found.add_run(swept, state="PlanBatches", name="12acf0de-0000-4000-8000-000000000000")
    assert runs.describe_run(deployed(found), "12ac").kind == "sweep"


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("backfill", CommandError, "matches 4 runs"),
        ("nope", CommandError, "Run nope not found"),
        (" ", UsageError, "RUN is empty"),
        (f"arn:aws:states:us-east-1:000000000000:execution:ferry-migrate:{HASH}", CommandError, "not a run"),
    ],
)
def test_a_run_that_is_not_found_or_not_the_only_one_is_one_line(
    name: str, error: type[CommandError], said: str
) -> None:
    found = FakeRuns()
    for number in range(4):
        found.add_run(document(), state="PlanBatches", name=f"backfill-{number}")
    with pytest.raises(error, match=said) as raised:
        runs.find_run(deployed(found), name)
    assert type(raised.value) is error


# Progress.


def look(found: FakeRuns, results: FakeResults) -> RunProgress:
    return RunWatch(deployed(found, results), ARN).look()


@pytest.mark.parametrize(
    ("status", "state"), [("planning", "PlanBatches"), ("sharded", "PlanShards"), ("sharded", "WaitForPlan")]
)
def test_while_it_plans_the_compared_objects_are_shown(status: str, state: str) -> None:
    found = FakeRuns()
    found.add_run(document(plan_of(6, status=status)), state=state)
    found.map_runs[ARN] = map_run(total=4, running=4)
    progress = look(found, FakeResults())
    assert (progress.phase, progress.compared, progress.objects) == ("planning", 7, 0)
    assert progress.slices == Slices()


def test_the_ranges_of_a_plan_are_not_taken_for_slices() -> None:
    found = FakeRuns()
    found.add_run(document(plan_of(0, batches=0, folders=[])), state="WriteReport")
    found.map_runs[ARN] = map_run("SUCCEEDED", total=4, succeeded=4)
    assert look(found, FakeResults()).slices == Slices()


def test_records_count_objects_bytes_and_failures_and_give_a_rate_and_the_time_left() -> None:
    found, results, clock = FakeRuns(), FakeResults(), Clock()
    found.add_run(document(plan_of(8)), state="CopySlices")
    found.map_runs[ARN] = map_run(total=1, running=1)
    watch = RunWatch(deployed(found, results), ARN, clock)
    assert (watch.look().objects_done, watch.look().seconds_left) == (0, None)
    put_record(results, "copied", "a-000", [outcome(key, "copied") for key in "abc"])
    put_record(results, "copied", "a-001", [outcome("d", "failed", error="AccessDenied")])
    clock.now = 10.0
    progress = watch.look()
    assert (progress.objects, progress.objects_copied, progress.objects_done) == (8, 3, 1)
    assert (progress.bytes_copied, progress.size_bytes, progress.failures) == (30, 80, {"AccessDenied": 1})
    # Three objects are half done and one is done: 2.5 in 10 seconds, and 5.5 are left.
    assert (progress.objects_rate, progress.bytes_rate, progress.seconds_left) == (0.25, 3.0, 22.0)
    put_record(results, "verified", "b-000", [outcome(key, "verified", grade="checksum") for key in "abc"])
    clock.now = 20.0
    progress = watch.look()
    assert (progress.objects_done, progress.objects_rate, progress.seconds_left) == (4, 0.2, 20.0)
    assert progress.slices == Slices(total=1, running=1)
    assert sorted(results.reads) == sorted(set(results.reads)), "each record is read once"
    clock.now = 90.0
    # Nothing was recorded in the last minute.
    assert (watch.look().objects_rate, watch.look().seconds_left) == (None, None)


def test_an_outcome_that_changes_is_counted_once_by_its_latest() -> None:
    found, results = FakeRuns(), FakeResults()
    found.add_run(document(plan_of(3)), state="CopySlices")
    watch = RunWatch(deployed(found, results), ARN)
    put_record(results, "copied", "a", [outcome("a", "failed", error="X"), outcome("b", "failed", error="X")])
    put_record(results, "started", "a", [outcome("c", "started", execution="e")])
    progress = watch.look()
    assert (progress.objects_done, progress.failures, progress.executions_running) == (2, {"X": 2}, 1)
    put_repeated(results, "copied", [outcome("a", "copied"), outcome("b", "failed", error="Y")])
    put_record(results, "started", "b", [outcome("c", "verified", execution="e")])
    progress = watch.look()
    assert (progress.objects_done, progress.objects_copied, progress.failures) == (2, 1, {"Y": 1})
    assert progress.executions_running == 0


def test_a_plan_after_a_redrive_is_counted_from_its_beginning() -> None:
    found, results = FakeRuns(), FakeResults()
    run = found.add_run(document(plan_of(8)), state="CopySlices")
    put_record(results, "copied", "a", [outcome(key, "failed", error="X") for key in "ab"])
    watch = RunWatch(deployed(found, results), ARN)
    assert watch.look().failures == {"X": 2}
    put_record(results, "copied", "a", [outcome("a", "copied")], round_=1)
    del found.executions[run.arn]
    found.add_run(document(plan_of(2, round_=1)), state="CopySlices")
    progress = watch.look()
    assert (progress.objects, progress.objects_copied, progress.failures) == (2, 1, {})


def test_a_map_run_that_has_ended_is_described_once() -> None:
    found = FakeRuns()
    found.add_run(document(plan_of(8)), state="WriteReport")
    found.map_runs[ARN] = map_run("SUCCEEDED", total=3, succeeded=1, failed=1, timedOut=1)
    watch = RunWatch(deployed(found), ARN)
    assert [watch.look().slices for _ in range(3)] == [Slices(total=3, done=1, failed=2)] * 3
    assert found.map_looks == 1


def test_progress_is_one_line_without_what_is_not_known() -> None:
    found, results = FakeRuns(), FakeResults()
    found.add_run(document(plan_of(8)), state="CopySlices")
    assert run_view.progress_text(look(found, results)) == "0 of 8 objects · 0 B of 80 B"
    put_record(results, "copied", "a", [outcome("a", "copied"), outcome("b", "failed", error="NotSmall")])
    text = run_view.progress_text(look(found, results))
    assert text == "1 of 8 objects · 10 B of 80 B · 1 failed: 1 NotSmall"


# The report.


def report(found: FakeRuns, results: FakeResults) -> list[tuple[str, str]]:
    deployment = deployed(found, results)
    described = runs.describe_run(deployment, RUN)
    lines: list[tuple[str, str]] = [(line.key, line.status) for line in run_reports.report_lines(deployment, described)]
    counts = run_reports.count_lines(deployment, described)
    assert sum(counts.values()) == len(lines)
    assert counts == {status: [each for _, each in lines].count(status) for status in counts}
    return lines


def test_each_object_of_a_report_has_a_line() -> None:
    found, results = FakeRuns(), FakeResults()
    results.put(f"{report_folder()}000000.jsonl.gz", [report_line("a"), report_line("b", "failed")])
    results.put(f"{report_folder()}000001.jsonl.gz", [report_line("c")])
    results.put(f"{report_folder(f'{RUN}0')}000000.jsonl.gz", [report_line("x")])  # another run's
    found.add_run(document(plan_of(3), report_of(verified=2, failed=1)), state="RequireComplete", status="FAILED")
    assert report(found, results) == [("a", "verified"), ("b", "failed"), ("c", "verified")]


@pytest.mark.parametrize("status", ["RUNNING", "ABORTED"])
def test_what_is_recorded_so_far_is_reported_of_a_run_that_has_no_report(status: str) -> None:
    found, results = FakeRuns(), FakeResults()
    put_slice(results, list("abcd"))
    put_record(results, "copied", "z-000", [outcome(key, "copied") for key in "ab"])
    put_record(results, "copied", "a-000", [outcome("c", "failed", error="NotSmall")])
    put_record(results, "verified", "a-000", [outcome("a", "verified")])
    found.add_run(document(plan_of(4)), state="CopySlices", status=status)
    assert report(found, results) == [("a", "verified"), ("c", "failed")]


def test_what_was_repeated_counts_by_its_latest_round() -> None:
    found, results = FakeRuns(), FakeResults()
    put_slice(results, list("abc"))
    put_record(results, "verified", "z", [outcome("a", "verified")])
    put_repeated(results, "copied", [outcome("b", "copied"), outcome("c", "failed", error="Y")], round_="round-2")
    put_repeated(results, "verified", [outcome("b", "verified")], round_="round-2")
    # A record of an earlier round that was written last.
    put_record(results, "copied", "a", [outcome(key, "failed", error="X") for key in "bc"])
    found.add_run(document(plan_of(3)), state="CopySlices")
    assert report(found, results) == [("a", "verified"), ("b", "verified"), ("c", "failed")]


def test_a_report_that_is_written_again_after_a_redrive_is_completed_by_what_is_recorded() -> None:
    found, results = FakeRuns(), FakeResults()
    results.put(f"{report_folder()}000000.jsonl.gz", [report_line("a", "failed"), report_line("b", "failed")])
    put_slice(results, list("ab"))
    put_repeated(results, "verified", [outcome("a", "verified")])
    run = found.add_run(document(plan_of(2), report_of(failed=2)), state="CopySlices")
    run.redrives = 1
    assert report(found, results) == [("a", "verified"), ("b", "failed")]


def test_a_report_that_is_being_written_again_is_not_taken_for_complete() -> None:
    found, results = FakeRuns(), FakeResults()
    results.put(f"{report_folder()}000000.jsonl.gz", [report_line("a"), report_line("b", "failed")])
    put_slice(results, ["b"])
    put_repeated(results, "copied", [outcome("b", "skipped")])
    begun = RunReport(status="in_progress", folder=report_folder(), redrive_count=1)
    found.add_run(document(plan_of(1), begun), state="WriteReport")
    assert report(found, results) == [("b", "skipped"), ("a", "verified")]


def test_a_run_that_has_no_plan_has_no_lines() -> None:
    found = FakeRuns()
    found.add_run(document(plan_of(3, status="planning")), state="PlanBatches", status="FAILED")
    assert report(found, FakeResults()) == []


def test_a_plan_that_was_deleted_is_one_line() -> None:
    found, results = FakeRuns(), FakeResults()
    put_record(results, "copied", "a", [outcome("a", "copied")])
    found.add_run(document(plan_of(1)), state="CopySlices")
    with pytest.raises(CommandError, match=r"batch-00000\.jsonl\.gz is missing"):
        report(found, results)
