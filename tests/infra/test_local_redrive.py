"""A redrive runs what has not succeeded, in the same execution, as AWS documents it.

"Restarting state machine executions with redrive", AWS Step Functions Developer Guide; RedriveExecution, API Reference.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local.stepfunctions.models import Position, WorkflowExecution
from infra.local.stepfunctions.redrivable import redrive_status
from tests.infra.local_workflows import Workflows, workflow
from tests.support.local_server import allow
from tests.support.waiting import wait_for


def code_of(raised: pytest.ExceptionInfo[ClientError]) -> str:
    return str(raised.value.response["Error"]["Code"])


def test_a_failed_task_runs_again_and_the_execution_goes_on(workflows: Workflows) -> None:
    workflows.break_("second")
    arn = workflows.start(
        workflow(
            "First",
            First=workflows.task("first", "Second"),
            Second=workflows.task("second", "Third"),
            Third=workflows.task("third"),
        )
    )
    failed = workflows.ended(arn)
    assert (failed["status"], failed["error"]) == ("FAILED", "Runtime.HandlerError")
    assert (failed["redriveStatus"], failed["redriveCount"]) == ("REDRIVABLE", 0)
    assert not {"output", "redriveDate", "redriveStatusReason"} & set(failed)
    workflows.mend("second")
    done = workflows.redriven(arn)
    assert (done["status"], done["redriveCount"]) == ("SUCCEEDED", 1)
    assert done["redriveStatusReason"] == "Execution is SUCCEEDED and cannot be redriven"
    assert not {"error", "cause"} & set(done)
    assert workflows.numbers() == {"first": 1, "second": 2, "third": 1}
    # The output of First arrives, and so does the input of the start.
    assert json.loads(done["output"])["first"] == {"result": {"name": "first", "call": 0}}
    assert {name: done[name] for name in ("name", "input", "startDate", "executionArn")} == {
        name: failed[name] for name in ("name", "input", "startDate", "executionArn")
    }


def test_the_history_goes_on_where_it_ended_and_enters_no_state_again(workflows: Workflows) -> None:
    workflows.break_("only")
    arn = workflows.start(workflow("Only", Only=workflows.task("only")))
    workflows.ended(arn)
    before = workflows.events(arn)
    workflows.mend("only")
    workflows.redriven(arn)
    events = workflows.events(arn)
    assert events[: len(before)] == before
    assert [event["type"] for event in events[len(before) :]] == [
        *("ExecutionRedriven", "TaskScheduled", "TaskSucceeded", "TaskStateExited", "ExecutionSucceeded"),
    ]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert events[len(before)]["executionRedrivenEventDetails"] == {"redriveCount": 1}


def test_the_context_object_counts_the_redrives_and_stays_that_of_the_start(workflows: Workflows) -> None:
    workflows.break_("only")
    arn = workflows.start(workflow("Only", Only=workflows.task("only")), name="mine")
    workflows.ended(arn)
    workflows.redriven(arn)
    workflows.mend("only")
    done = workflows.redriven(arn)
    assert done["redriveCount"] == 2
    first, second, third = (call["execution"] for call in workflows.calls("only"))
    assert "RedriveTime" not in first
    assert [each.pop("RedriveCount") for each in (first, second, third)] == [0, 1, 2]
    times = [datetime.fromisoformat(each.pop("RedriveTime")) for each in (second, third)]
    assert times[0] < times[1]
    assert times[1] == done["redriveDate"]
    assert first == second == third
    assert first == {
        "Id": arn,
        "Input": {"of": "start"},
        "Name": "mine",
        "RoleArn": workflows.role,
        "StartTime": first["StartTime"],
    }


def test_a_redrive_has_all_its_retries_again(workflows: Workflows) -> None:
    workflows.break_("only")
    retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    arn = workflows.start(workflow("Only", Only=workflows.task("only", Retry=retry)))
    workflows.ended(arn)
    assert workflows.numbers() == {"only": 2}
    assert workflows.redriven(arn)["status"] == "FAILED"
    assert workflows.numbers() == {"only": 4}


def test_a_fail_state_is_entered_again_and_fails_again(workflows: Workflows) -> None:
    arn = workflows.start(workflow("No", No={"Type": "Fail", "Error": "Never", "Cause": "it is forbidden"}))
    workflows.ended(arn)
    again = workflows.redriven(arn)
    assert (again["status"], again["error"], again["cause"]) == ("FAILED", "Never", "it is forbidden")
    kinds = ["FailStateEntered", "ExecutionFailed"]
    assert workflows.kinds(arn) == ["ExecutionStarted", *kinds, "ExecutionRedriven", *kinds]


def test_a_redrive_while_the_stopped_executions_function_still_runs(workflows: Workflows) -> None:
    """StopExecution ends no function. What it returns later belongs to nobody."""
    workflows.hold("only", call=0)
    workflows.hold("only", call=1)
    arn = workflows.start(workflow("Only", Only=workflows.task("only", "Last"), Last=workflows.task("last")))
    workflows.await_call("only")
    stopped = workflows.states.stop_execution(executionArn=arn, error="Enough", cause="a test")["stopDate"]
    aborted = workflows.describe(arn)
    assert (aborted["status"], aborted["error"], aborted["cause"]) == ("ABORTED", "Enough", "a test")
    assert workflows.states.stop_execution(executionArn=arn)["stopDate"] == stopped == aborted["stopDate"]
    assert workflows.kinds(arn)[-1] == "ExecutionAborted"

    workflows.states.redrive_execution(executionArn=arn)
    workflows.await_call("only", 2)
    running = workflows.describe(arn)
    assert (running["status"], running["redriveCount"]) == ("RUNNING", 1)
    assert not {"stopDate", "error", "cause", "output"} & set(running)
    assert running["redriveStatusReason"] == "Execution is RUNNING and cannot be redriven"
    # Two calls of a function may run at once here: once this one has run, the first has returned.
    workflows.let_go("only", call=0)
    probe = workflows.start(name="probe", input=json.dumps({}))
    wait_for(lambda: workflows.numbers()["only"] == 3, "the return of the first call")
    assert workflows.describe(arn)["status"] == "RUNNING"
    workflows.let_go("only", call=1)
    done = workflows.ended(arn)
    assert json.loads(done["output"])["only"] == {"result": {"name": "only", "call": 1}}
    workflows.ended(probe)
    kinds = workflows.kinds(arn)
    assert [kinds.count(kind) for kind in ("TaskScheduled", "TaskSucceeded", "TaskStateEntered")] == [3, 2, 2]


def test_executions_are_listed_by_whether_they_were_redriven(workflows: Workflows) -> None:
    workflows.create(workflow("Only", Only=workflows.task("only")))
    workflows.break_("only")
    failed, again, third = (workflows.start(name=name) for name in ("failed", "again", "third"))
    for arn in (failed, again, third):
        workflows.ended(arn)
    workflows.redriven(again)
    workflows.hold("only", call=4)
    workflows.states.redrive_execution(executionArn=third)
    workflows.await_call("only", 5)

    def listed(**filters: Any) -> list[str]:
        pages = workflows.states.get_paginator("list_executions").paginate(
            stateMachineArn=workflows.arn, PaginationConfig={"PageSize": 2}, **filters
        )
        return [item["name"] for page in pages for item in page["executions"]]

    # A running one is sorted by its redrive.
    assert listed() == ["third", "again", "failed"]
    assert listed(redriveFilter="REDRIVEN") == ["third", "again"]
    assert listed(redriveFilter="NOT_REDRIVEN") == ["failed"]
    assert listed(redriveFilter="REDRIVEN", statusFilter="FAILED") == ["again"]
    first = workflows.states.list_executions(stateMachineArn=workflows.arn)["executions"][0]
    assert (first["redriveCount"], first["status"], "stopDate" in first) == (1, "RUNNING", False)
    assert first["redriveDate"] == workflows.describe(third)["redriveDate"]
    with pytest.raises(ClientError) as raised:
        listed(statusFilter="PENDING_REDRIVE")
    assert code_of(raised) == "ValidationException"
    workflows.let_go("only", call=4)
    workflows.ended(third)


def test_a_timed_out_execution_has_its_whole_time_again(workflows: Workflows) -> None:
    # Waits last a hundredth here, and timeouts their whole time.
    waiting = workflow("Long", Long={"Type": "Wait", "Seconds": 9000, "End": True})
    arn = workflows.start(waiting | {"TimeoutSeconds": 1})
    timed_out = workflows.ended(arn)
    assert (timed_out["status"], timed_out["error"]) == ("TIMED_OUT", "States.Timeout")
    assert workflows.kinds(arn)[-1] == "ExecutionTimedOut"
    again = workflows.redriven(arn)
    assert (again["status"], again["redriveCount"]) == ("TIMED_OUT", 1)
    for begin, end in (
        (timed_out["startDate"], timed_out["stopDate"]),
        (again["redriveDate"], again["stopDate"]),
    ):
        assert end - begin >= timedelta(seconds=0.99)


def test_a_redrive_after_a_new_release_runs_the_definition_of_the_start(workflows: Workflows) -> None:
    workflows.break_("only")
    old = workflow("Only", Only=workflows.task("only", "Old"), Old=workflows.task("old"))
    arn = workflows.start(old)
    workflows.ended(arn)
    new = workflow("New", New=workflows.task("new"))
    permissions = [allow(["lambda:InvokeFunction"], ["*"])]
    role = workflows.server.role(f"{workflows.arn[-9:]}-new", permissions, "states.amazonaws.com")
    workflows.states.update_state_machine(stateMachineArn=workflows.arn, definition=json.dumps(new), roleArn=role)
    workflows.mend("only")
    workflows.redriven(arn)
    assert workflows.numbers() == {"only": 2, "old": 1}
    described = workflows.states.describe_state_machine_for_execution(executionArn=arn)
    assert (json.loads(described["definition"]), described["roleArn"]) == (old, workflows.role)
    assert workflows.ended(workflows.start())["status"] == "SUCCEEDED"
    assert workflows.numbers() == {"only": 2, "old": 1, "new": 1}


def test_an_update_while_an_execution_runs_does_not_touch_it(workflows: Workflows) -> None:
    workflows.hold("only")
    arn = workflows.start(workflow("Only", Only=workflows.task("only", "Old"), Old=workflows.task("old")))
    workflows.await_call("only")
    new = workflow("Only", Only=workflows.task("only"))
    workflows.states.update_state_machine(stateMachineArn=workflows.arn, definition=json.dumps(new))
    workflows.let_go("only")
    assert workflows.ended(arn)["status"] == "SUCCEEDED"
    assert workflows.numbers() == {"only": 1, "old": 1}


def test_what_runs_or_succeeded_cannot_be_redriven(workflows: Workflows) -> None:
    workflows.hold("only")
    arn = workflows.start(workflow("Only", Only=workflows.task("only")))
    with pytest.raises(ClientError, match="Execution is RUNNING and cannot be redriven") as raised:
        workflows.states.redrive_execution(executionArn=arn)
    assert code_of(raised) == "ExecutionNotRedrivable"
    workflows.let_go("only")
    workflows.ended(arn)
    with pytest.raises(ClientError, match="Execution is SUCCEEDED and cannot be redriven") as raised:
        workflows.states.redrive_execution(executionArn=arn)
    assert code_of(raised) == "ExecutionNotRedrivable"
    assert "ExecutionRedriven" not in workflows.kinds(arn)


def test_an_unknown_execution_cannot_be_redriven(workflows: Workflows) -> None:
    arn = workflows.start(workflow("Done", Done={"Type": "Succeed"}))
    for wrong, code in ((f"{arn}x", "ExecutionDoesNotExist"), ("arn:aws:states:x", "InvalidArn")):
        with pytest.raises(ClientError) as raised:
            workflows.states.redrive_execution(executionArn=wrong)
        assert code_of(raised) == code


NOW = datetime(2026, 11, 27, tzinfo=UTC)


def execution(status: str = "FAILED", *, started_days: float = 1, ended_days: float = 1, events: int = 9) -> Any:
    record = {
        "status": status,
        "startDate": (NOW - timedelta(days=started_days)).isoformat(),
        "stopDate": (NOW - timedelta(days=ended_days)).isoformat(),
        "events": [{}] * events,
    }
    return WorkflowExecution(record, {}, "", "", Position({}, None, {}))


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (execution(), None),
        (execution("ABORTED"), None),
        (execution("TIMED_OUT"), None),
        (execution("SUCCEEDED"), "Execution is SUCCEEDED and cannot be redriven"),
        (execution(ended_days=13.99), None),
        (execution(ended_days=14.01), "Execution redrivable period exceeded"),
        # The period begins with the end, not with the start.
        (execution(started_days=100, ended_days=1), None),
        (execution(started_days=366), "Execution has exceeded the max execution time"),
        (execution(events=24_998), None),
        (execution(events=24_999), "Execution history event limit exceeded"),
    ],
)
def test_which_executions_can_be_redriven(found: WorkflowExecution, reason: str | None) -> None:
    assert redrive_status(found, NOW) == ("NOT_REDRIVABLE" if reason else "REDRIVABLE", reason)


def test_the_same_token_redrives_once(workflows: Workflows) -> None:
    workflows.break_("only")
    arn = workflows.start(workflow("Only", Only=workflows.task("only")))
    workflows.ended(arn)
    first = workflows.states.redrive_execution(executionArn=arn, clientToken="a")["redriveDate"]
    workflows.ended(arn)
    second = workflows.states.redrive_execution(executionArn=arn, clientToken="b")["redriveDate"]
    workflows.ended(arn)
    dates = [
        workflows.states.redrive_execution(executionArn=arn, clientToken=token)["redriveDate"] for token in ("a", "b")
    ]
    assert dates == [first, second]
    assert (workflows.describe(arn)["redriveCount"], workflows.numbers()) == (2, {"only": 3})


def test_a_redrive_must_be_permitted(workflows: Workflows) -> None:
    workflows.break_("only")
    arn = workflows.start(workflow("Only", Only=workflows.task("only")))
    workflows.ended(arn)
    workflows.mend("only")
    machine, prefix = workflows.arn.rpartition(":")[2], arn.rpartition(":")[0]
    users = {
        "another-action": [allow(["states:StartExecution", "states:DescribeExecution"], ["*"])],
        "another-machine": [allow(["states:RedriveExecution"], [f"{prefix}x:*", workflows.arn])],
    }
    for name, statements in users.items():
        states = workflows.server.client("stepfunctions", workflows.server.user(f"{name}-{machine}", statements))
        with pytest.raises(ClientError, match="states:RedriveExecution") as raised:
            states.redrive_execution(executionArn=arn)
        assert code_of(raised) == "AccessDeniedException"
    assert workflows.describe(arn)["redriveCount"] == 0
    permitted = workflows.server.user(f"permitted-{machine}", [allow(["states:RedriveExecution"], [f"{prefix}:*"])])
    workflows.server.client("stepfunctions", permitted).redrive_execution(executionArn=arn)
    assert workflows.ended(arn)["status"] == "SUCCEEDED"


def test_each_change_of_status_is_published_with_its_redrive(workflows: Workflows) -> None:
    machine_name = f"m{workflows.folder.name[-20:]}"
    sqs, events = workflows.server.client("sqs"), workflows.server.client("events")
    url = sqs.create_queue(QueueName=machine_name)["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
    }
    sqs.set_queue_attributes(
        QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}
    )
    workflows.break_("only")
    workflows.create(workflow("Only", Only=workflows.task("only")))
    pattern = {"source": ["aws.states"], "detail": {"stateMachineArn": [workflows.arn]}}
    events.put_rule(Name=machine_name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=machine_name, Targets=[{"Id": "queue", "Arn": queue_arn}])
    arn = workflows.start()
    workflows.ended(arn)
    workflows.mend("only")
    workflows.redriven(arn)
    published: list[tuple[Any, ...]] = []

    def receive() -> bool:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            detail = json.loads(message["Body"])["detail"]
            published.append((detail["status"], detail["redriveCount"], detail["redriveStatus"], detail["error"]))
        return len(published) >= 4

    wait_for(receive, "four events")
    assert sorted(published, key=str) == [
        ("FAILED", 0, "REDRIVABLE", "Runtime.HandlerError"),
        ("RUNNING", 0, "NOT_REDRIVABLE", None),
        ("RUNNING", 1, "NOT_REDRIVABLE", None),
        ("SUCCEEDED", 1, "NOT_REDRIVABLE", None),
    ]
