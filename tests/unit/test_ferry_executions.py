"""A history is read the same from AWS, with its additional events, and from the local cloud."""

import json
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ferry.errors import CommandError
from ferry.stepfunctions import executions
from ferry.stepfunctions.events import error_message
from ferry.stepfunctions.executions import Execution, ExecutionInfo, from_history
from ferry.stepfunctions.visits import StateRun, read_states
from tests.unit.ferry_fakes import BEGIN, HASH, MACHINE, FakeStepFunctions, document, event

LAMBDA_CAUSE = json.dumps(
    {"errorMessage": "2 rows have no name", "errorType": "ValidationFailed", "stackTrace": ["line 1"]}
)
VERIFIED: Any = {"verification": {"status": "verified", "grade": "readback"}}


def states(*events: dict[str, Any], status: str = "RUNNING", seconds: float = 10) -> tuple[StateRun, ...]:
    return read_states(events, status, BEGIN + timedelta(seconds=seconds))


def read(status: str, *events: dict[str, Any]) -> Execution:
    summary = ExecutionInfo("arn", "name", status, BEGIN)
    return from_history(summary, document(), list(events), BEGIN + timedelta(seconds=60))


def test_each_state_is_shown_once_with_all_its_visits() -> None:
    loop = [
        event(0, "TaskStateEntered", name="PollCrawler"),
        event(1, "TaskStateExited", name="PollCrawler"),
        event(1, "ChoiceStateEntered", name="CrawlerFinished?"),
        event(1, "ChoiceStateExited", name="CrawlerFinished?"),
    ]
    wait = [event(2, "WaitStateEntered", name="WaitForCrawler"), event(4, "WaitStateExited", name="WaitForCrawler")]
    end = [event(9, "SucceedStateEntered", name="Succeeded"), event(9, "SucceedStateExited", name="Succeeded")]
    shown = states(*loop, *wait, *loop, *wait, *loop, *end, event(9, "ExecutionSucceeded"), status="SUCCEEDED")
    assert [(run.name, run.visits, run.seconds) for run in shown] == [
        ("PollCrawler", 3, 3.0),
        ("CrawlerFinished?", 3, 0.0),
        ("WaitForCrawler", 2, 4.0),
        ("Succeeded", 1, 0.0),
    ]
    assert shown[1].branches == ("WaitForCrawler", "WaitForCrawler", "Succeeded")
    assert {run.status for run in shown} == {"SUCCEEDED"}


@pytest.mark.parametrize("further", [[], ["TaskStarted"]], ids=["embedded cloud", "AWS"])
def test_retries_are_counted_and_their_error_is_forgotten_after_success(further: list[str]) -> None:
    attempt = [event(0, "TaskScheduled"), *(event(0, kind) for kind in further)]
    failed = event(1, "TaskFailed", error="Throttled", cause="slow down")
    begin = event(0, "TaskStateEntered", name="CopyObject")
    waiting = states(begin, *attempt, failed, *attempt, failed)
    assert (waiting[0].status, waiting[0].retries, waiting[0].error) == ("RUNNING", 1, "Throttled")
    done = states(
        begin, *attempt, failed, *attempt, failed, *attempt, event(3, "TaskSucceeded"),
        event(3, "TaskStateExited", name="CopyObject"),
    )  # fmt: skip
    assert (done[0].status, done[0].retries, done[0].error, done[0].cause) == ("SUCCEEDED", 2, None, None)


def test_the_state_that_failed_shows_the_functions_message_and_not_its_stack() -> None:
    execution = read(
        "FAILED",
        event(0, "TaskStateEntered", name="RunValidationQuery", input=document(**VERIFIED)),
        event(0, "TaskScheduled"),
        event(2, "TaskFailed", error="ValidationFailed", cause=LAMBDA_CAUSE),
        event(2, "ExecutionFailed", error="ValidationFailed", cause=LAMBDA_CAUSE),
    )
    assert execution.states[-1] == StateRun(
        "RunValidationQuery", "FAILED", 1, 2.0, 0, "ValidationFailed", "2 rows have no name"
    )
    assert (execution.error, execution.cause) == ("ValidationFailed", "2 rows have no name")
    assert (execution.state, execution.grade, execution.running) == ("RunValidationQuery", "readback", False)


def test_a_redriven_state_runs_again_and_the_time_between_is_nobodys() -> None:
    failed = [
        event(0, "TaskStateEntered", name="StartCrawler"),
        event(0, "TaskScheduled"),
        event(2, "TaskFailed", error="CrawlerFailed", cause="role"),
        event(2, "ExecutionFailed", error="CrawlerFailed", cause="role"),
    ]
    again = [event(7200, "ExecutionRedriven", redriveCount=1), event(7200, "TaskScheduled")]
    (running,) = states(*failed, *again, seconds=7201)
    assert (running.status, running.error, running.retries, running.seconds) == ("RUNNING", None, 0, 3.0)
    execution = read("SUCCEEDED", *failed, *again, event(7204, "TaskStateExited", name="StartCrawler"))
    assert (execution.states[0].status, execution.states[0].seconds) == ("SUCCEEDED", 6.0)
    assert (execution.error, execution.cause) == (None, None)


def test_what_an_aborted_execution_still_writes_does_not_count() -> None:
    shown = states(
        event(0, "TaskStateEntered", name="CopyObject"),
        event(1, "ExecutionAborted", error="", cause="by hand"),
        event(5, "TaskStateExited", name="CopyObject"),
        status="ABORTED",
    )
    assert [(run.status, run.seconds, run.error, run.cause) for run in shown] == [("ABORTED", 1.0, None, "by hand")]


def test_a_status_newer_than_the_last_event_is_used() -> None:
    (run,) = states(event(0, "TaskStateEntered", name="CopyObject"), status="FAILED")
    assert run.status == "FAILED"


def test_a_caught_error_is_no_failure() -> None:
    (run,) = states(
        event(0, "TaskStateEntered", name="VerifyChecksum"),
        event(1, "TaskFailed", error="ChecksumMismatch", cause="x"),
        event(1, "TaskStateExited", name="VerifyChecksum"),
    )
    assert (run.status, run.error) == ("CAUGHT", "ChecksumMismatch")


def test_timeouts_without_details_are_named_by_their_event() -> None:
    (run,) = states(event(0, "TaskStateEntered", name="CopyObject"), event(1, "TaskTimedOut"))
    assert run.error == "TaskTimedOut"


@pytest.mark.parametrize(
    ("cause", "shown"),
    [
        (LAMBDA_CAUSE, "2 rows have no name"),
        ("plain words", "plain words"),
        ('{"other": 1}', '{"other": 1}'),
        ('{"errorMessage": 7}', '{"errorMessage": 7}'),
        ("[1]", "[1]"),
        ("", None),
        (None, None),
    ],
)
def test_error_messages_are_extracted(cause: str | None, shown: str | None) -> None:
    assert error_message(cause) == shown


def test_a_summary_needs_only_the_end_of_the_history() -> None:
    fake = FakeStepFunctions()
    failed = fake.add(HASH, "FAILED")
    failed.events += [event(1, "TaskStateEntered", name="StartCrawler", input=document(**VERIFIED))]
    failed.events += [event(2, "TaskScheduled")] * 50
    summary = executions.summarize(fake, ExecutionInfo(failed.arn, HASH, "FAILED", BEGIN))  # type: ignore[arg-type]
    assert (summary.state, summary.grade) == ("StartCrawler", "readback")


def test_a_summary_of_a_new_execution_has_its_source() -> None:
    fake = FakeStepFunctions()
    running = fake.add(HASH, "RUNNING")
    summary = executions.summarize(fake, ExecutionInfo(running.arn, HASH, "RUNNING", BEGIN))  # type: ignore[arg-type]
    assert summary.state is None
    assert summary.source
    assert summary.source.key == "airports/airports.csv"


def test_an_input_of_another_kind_is_no_obstacle() -> None:
    fake = FakeStepFunctions()
    failed = fake.add("by-hand", "FAILED", '{"hello": 1}')
    summary = executions.summarize(fake, ExecutionInfo(failed.arn, "by-hand", "FAILED", BEGIN))  # type: ignore[arg-type]
    assert (summary.source, summary.grade) == (None, None)


def test_all_pages_are_listed_newest_first() -> None:
    client = boto3.client("stepfunctions", "us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    item = {"executionArn": "arn:a", "stateMachineArn": MACHINE, "name": "a", "status": "FAILED", "startDate": BEGIN}
    later = item | {"executionArn": "arn:b", "name": "b", "startDate": BEGIN + timedelta(hours=1)}
    asked = {"stateMachineArn": MACHINE, "statusFilter": "FAILED", "maxResults": 1000}
    with Stubber(client) as stub:
        stub.add_response("list_executions", {"executions": [item], "nextToken": "more"}, asked)
        stub.add_response("list_executions", {"executions": [later]}, asked | {"nextToken": "more"})
        assert [execution.name for execution in executions.list_executions(client, MACHINE, ("FAILED",))] == ["b", "a"]


def test_an_unknown_execution_is_named() -> None:
    with pytest.raises(CommandError, match="abc"):
        executions.describe(FakeStepFunctions(), MACHINE, "abc")  # type: ignore[arg-type]


def test_the_ends_are_drawn_last() -> None:
    fake = FakeStepFunctions()
    running = fake.add(HASH, "RUNNING")
    fake.describe_state_machine_for_execution = lambda **_: {  # type: ignore[method-assign]
        "definition": json.dumps({"States": {"Succeeded": {"Type": "Succeed"}, "CopyObject": {"Type": "Task"}}})
    }
    shown = executions.read_definition(fake, running.arn)  # type: ignore[arg-type]
    assert [state.name for state in shown] == ["CopyObject", "Succeeded"]
