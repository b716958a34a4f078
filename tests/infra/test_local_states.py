"""State machines start, retry, time out and are validated as on AWS, where MiniStack differs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from ministack.services import stepfunctions

from infra.local.stepfunctions import retries
from infra.local.stepfunctions.definitions import diagnose
from statemachine.workflow import migrate
from tests.infra.local_workflows import Definition, Workflows, create_function, workflow
from tests.support.local_server import Server
from tests.support.waiting import wait_for

RELEASES = Path(__file__).parents[1] / "workflow" / "releases"


def code_of(raised: pytest.ExceptionInfo[ClientError]) -> str:
    return str(raised.value.response["Error"]["Code"])


def test_a_name_is_taken_but_for_the_same_input_while_it_runs(workflows: Workflows) -> None:
    """StartExecution, Step Functions API Reference: it is idempotent while the execution runs."""
    workflows.hold("only")
    workflows.create(workflow("Only", Only=workflows.task("only")))
    machine, same = workflows.arn, {"name": "one", "input": '{"a": 1}'}
    first = workflows.states.start_execution(stateMachineArn=machine, **same)
    workflows.await_call("only")
    again = workflows.states.start_execution(stateMachineArn=machine, **same)
    assert {name: again[name] for name in ("executionArn", "startDate")} == {
        name: first[name] for name in ("executionArn", "startDate")
    }
    with pytest.raises(ClientError) as raised:
        workflows.states.start_execution(stateMachineArn=machine, name="one", input='{"a": 2}')
    assert code_of(raised) == "ExecutionAlreadyExists"
    workflows.let_go("only")
    workflows.ended(first["executionArn"])
    with pytest.raises(ClientError) as raised:
        workflows.states.start_execution(stateMachineArn=machine, **same)
    assert code_of(raised) == "ExecutionAlreadyExists"
    assert workflows.numbers() == {"only": 1}


def test_an_input_that_is_not_json_is_rejected(workflows: Workflows) -> None:
    with pytest.raises(ClientError) as raised:
        workflows.start(workflow("Done", Done={"Type": "Succeed"}), input="{")
    assert code_of(raised) == "InvalidExecutionInput"


def test_a_workflow_waits_for_the_one_that_it_starts(workflows: Workflows) -> None:
    workflows.break_("inner")
    child = workflows.create(workflow("Inner", Inner=workflows.task("inner")))
    parameters = {"StateMachineArn": child, "Input": {"of": "parent"}}
    task = {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "Parameters": parameters}
    arn = workflows.start(workflow("Outer", Outer=task | {"End": True}))
    assert workflows.ended(arn)["status"] == "FAILED"
    workflows.mend("inner")
    done = workflows.redriven(arn)
    assert json.loads(done["output"])["Output"]["inner"] == {"result": {"name": "inner", "call": 1}}
    assert [call["input"] for call in workflows.calls("inner")] == [{"of": "parent"}] * 2


def test_a_task_times_out_and_one_that_waits_at_the_gate_does_not(workflows: Workflows, server: Server) -> None:
    """Task state, Developer Guide: States.Timeout after TimeoutSeconds, which on AWS no call spends waiting."""
    workflows.hold("busy", call=0)
    workflows.hold("busy", call=1)
    busy = workflow("Busy", Busy=workflows.task("busy"))
    blockers = [workflows.start(busy), workflows.start(busy)]
    # Two calls of a function may run at once here.
    workflows.await_call("busy", 2)
    waiting = workflows.start(workflow("Waiting", Waiting=workflows.task("waiting", TimeoutSeconds=2)))
    wait_for(lambda: "TaskScheduled" in workflows.kinds(waiting), "the waiting call")

    other = Workflows(server, create_function(server), workflows.folder)
    other.hold("slow")
    slow = other.ended(other.start(workflow("Slow", Slow=other.task("slow", TimeoutSeconds=3))))
    assert (slow["status"], slow["error"]) == ("FAILED", "States.Timeout")
    assert other.kinds(slow["executionArn"])[-2:] == ["TaskTimedOut", "ExecutionFailed"]
    other.let_go("slow")

    # It has waited for longer than its TimeoutSeconds by now.
    assert workflows.calls("waiting") == []
    assert workflows.describe(waiting)["status"] == "RUNNING"
    for call in range(2):
        workflows.let_go("busy", call)
    assert [workflows.ended(arn)["status"] for arn in (waiting, *blockers)] == ["SUCCEEDED"] * 3


def test_an_output_above_the_quota_fails_and_a_parallel_state_then_runs_whole_again(workflows: Workflows) -> None:
    """States.DataLimitExceeded: "the Parallel state is rerun, including the branches that were successful"."""
    branches = [workflow("Call", Call=workflows.task(name)) for name in ("a", "b")]
    parallel = {"Type": "Parallel", "Branches": branches, "End": True}
    arn = workflows.start(workflow("All", All=parallel), input=json.dumps({"large": "x" * 140_000}))
    assert workflows.ended(arn)["error"] == "States.DataLimitExceeded"
    assert workflows.redriven(arn)["error"] == "States.DataLimitExceeded"
    assert workflows.numbers() == {"a": 2, "b": 2}


THROTTLE = stepfunctions._ExecutionError("Lambda.TooManyRequestsException", "Rate Exceeded")


def test_a_step_that_stays_throttled_pauses_as_its_retrier_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to MaxDelaySeconds each, which is an hour; the local cloud's wait scale is a tenth of it."""
    copy_object = migrate().to_dict()["States"]["CopyObject"]
    pauses: list[float] = []

    def throttle(*_: object) -> None:
        raise THROTTLE

    monkeypatch.setattr(stepfunctions, "_invoke_resource_with_timeout", throttle)
    monkeypatch.setattr(stepfunctions, "_scaled_sleep", pauses.append)
    monkeypatch.setattr("random.random", lambda: 0.5)
    patched = retries._pause_before_retry(stepfunctions._find_matching_retrier)
    monkeypatch.setattr(stepfunctions, "_find_matching_retrier", patched)
    with pytest.raises(stepfunctions._ExecutionError, match="TooManyRequestsException"):
        stepfunctions._execute_task(copy_object, {}, {"events": []}, {"State": {}, "Execution": {}})
    # MiniStack's own pause follows each, and is none.
    assert pauses[1::2] == [0] * 10
    assert pauses[::2] == [1, 3, 9, 27, 81, 243, 729, 1800, 1800, 1800]


@pytest.mark.parametrize(
    ("fields", "pauses"),
    [
        ({}, [1, 2, 4, 8]),
        ({"IntervalSeconds": 3, "BackoffRate": 1.5}, [3, 4.5, 6.75, 10.125]),
        ({"IntervalSeconds": 2, "BackoffRate": 10, "MaxDelaySeconds": 30}, [2, 20, 30, 30]),
        ({"JitterStrategy": "NONE"}, [1, 2, 4, 8]),
        ({"JitterStrategy": "FULL"}, [0.25, 0.5, 1, 2]),
        ({"JitterStrategy": "FULL", "MaxDelaySeconds": 3}, [0.25, 0.5, 0.75, 0.75]),
    ],
)
def test_pauses_before_retries(fields: dict[str, Any], pauses: list[float]) -> None:
    assert [retries.pause_seconds(fields, number, 0.25) for number in range(4)] == pauses


def test_a_task_is_retried_as_often_as_its_retrier_says(workflows: Workflows) -> None:
    workflows.break_("only")
    retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 2, "MaxDelaySeconds": 2}]
    task = workflows.task("only", Retry=retry, Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Caught"}])
    arn = workflows.start(workflow("Only", Only=task, Caught={"Type": "Succeed"}))
    assert workflows.ended(arn)["status"] == "SUCCEEDED"
    assert workflows.numbers() == {"only": 3}


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    """A valid definition, but for one change."""
    definition = workflow(
        "First",
        First={"Type": "Pass", "Next": "Choose"},
        Choose={
            "Type": "Choice",
            "Choices": [{"Variable": "$.a", "IsPresent": True, "Next": "Each"}],
            "Default": "Last",
        },
        Each={
            "Type": "Map",
            "ItemProcessor": workflow("Inner", Inner={"Type": "Pass", "End": True}),
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Last"}],
            "Next": "Last",
        },
        Last={"Type": "Succeed"},
    )
    change(definition["States"])
    return json.dumps(definition)


MISSING = "MISSING_TRANSITION_TARGET: Missing 'Next' target: Nowhere at"


@pytest.mark.parametrize(
    ("definition", "found"),
    [
        (changed(lambda _: None), []),
        (changed(lambda states: states["First"].update(Next="Nowhere")), [
            f"{MISSING} /States/First/Next",
            'MISSING_TRANSITION_TARGET: State "Choose" is not reachable. at /States/Choose',
        ]),
        (changed(lambda states: states["Choose"].update(Default="Nowhere")), [f"{MISSING} /States/Choose/Default"]),
        (changed(lambda states: states["Choose"]["Choices"].append({"Next": "Nowhere"})), [
            f"{MISSING} /States/Choose/Choices[1]/Next",
        ]),
        (changed(lambda states: states["Each"]["Catch"][0].update(Next="Nowhere")), [
            f"{MISSING} /States/Each/Catch[0]/Next",
        ]),
        (changed(lambda states: states["Each"]["ItemProcessor"].update(StartAt="Nowhere")), [
            f"{MISSING} /States/Each/ItemProcessor/StartAt",
            'MISSING_TRANSITION_TARGET: State "Inner" is not reachable. at /States/Each/ItemProcessor/States/Inner',
        ]),
        (changed(lambda states: states["Choose"]["Choices"][0].pop("Next") and states.pop("Each")), [
            "SCHEMA_VALIDATION_FAILED: These fields are required: [Next] at /States/Choose/Choices[0]",
        ]),
        (changed(lambda states: states["Each"].pop("Next")), [
            "SCHEMA_VALIDATION_FAILED: These fields are required: [Next] at /States/Each",
        ]),
        (changed(lambda states: states["Last"].update(Type="Pass", Next="First")), [
            "MISSING_END_STATE: Workflow has no terminal state at null",
        ]),
    ],
)  # fmt: skip
def test_transitions_that_lead_nowhere_are_found(definition: str, found: list[str]) -> None:
    assert list(map(str, diagnose(definition))) == found


@pytest.mark.parametrize("definition", ["{", "[]", "{}"])
def test_what_is_not_a_definition_is_found(definition: str) -> None:
    assert len(diagnose(definition)) == 1


@pytest.mark.parametrize("path", sorted(RELEASES.glob("*.asl.json")), ids=lambda path: path.name)
def test_the_definitions_of_all_releases_are_accepted(path: Path) -> None:
    assert diagnose(path.read_text()) == []
    assert diagnose(json.dumps(migrate().to_dict())) == []


def test_a_definition_whose_transitions_lead_nowhere_is_rejected(workflows: Workflows) -> None:
    broken: Definition = workflow("pass1", pass1={"Type": "Pass", "Next": "pass3"}, pass2={"Type": "Pass", "End": True})
    # Recorded from AWS: https://github.com/localstack/localstack/issues/11978.
    message = (
        "Invalid State Machine Definition: 'MISSING_TRANSITION_TARGET: Missing 'Next' target: pass3 at "
        '/States/pass1/Next, MISSING_TRANSITION_TARGET: State "pass2" is not reachable. at /States/pass2\''
    )
    with pytest.raises(ClientError) as raised:
        workflows.create(broken)
    assert (code_of(raised), raised.value.response["Error"]["Message"]) == ("InvalidDefinition", message)
    good = workflow("Done", Done={"Type": "Succeed"})
    workflows.create(good)
    with pytest.raises(ClientError) as raised:
        workflows.states.update_state_machine(stateMachineArn=workflows.arn, definition=json.dumps(broken))
    assert code_of(raised) == "InvalidDefinition"
    described = workflows.states.describe_state_machine(stateMachineArn=workflows.arn)
    assert json.loads(described["definition"]) == good


def test_a_definition_can_be_validated_without_a_state_machine(workflows: Workflows) -> None:
    validate = workflows.states.validate_state_machine_definition
    assert validate(definition=json.dumps(workflow("Done", Done={"Type": "Succeed"})))["result"] == "OK"
    answer = validate(definition=changed(lambda states: states["Choose"].update(Default="Nowhere")))
    assert answer["result"] == "FAIL"
    assert answer["diagnostics"] == [
        {
            "severity": "ERROR",
            "code": "MISSING_TRANSITION_TARGET",
            "message": "Missing 'Next' target: Nowhere",
            "location": "/States/Choose/Default",
        }
    ]
