"""A redrive resumes the branches, iterations and children that did not succeed, and leaves the others alone.

"Restarting state machine executions with redrive" and "Redriving Map Runs in Step Functions executions", AWS Step
Functions Developer Guide.
"""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.infra.local_workflows import Definition, Workflows, create_function, workflow
from tests.support.waiting import wait_for


def test_a_parallel_state_runs_the_branches_again_that_failed_or_were_stopped(workflows: Workflows) -> None:
    workflows.break_("bad")
    workflows.hold("bad")
    workflows.hold("slow")
    # Two calls of a function may run at once here, so the third has one of its own.
    slow = workflows.task("slow")
    slow["Parameters"]["FunctionName"] = create_function(workflows.server)
    branches = [
        workflow("Good", Good=workflows.task("good")),
        workflow("Before", Before={"Type": "Pass", "Next": "Bad"}, Bad=workflows.task("bad")),
        workflow("Slow", Slow=slow),
    ]
    parallel = {"Type": "Parallel", "Branches": branches, "ResultPath": "$.all", "Next": "After"}
    arn = workflows.start(workflow("All", All=parallel, After=workflows.task("after")))
    wait_for(lambda: '"good"' in str(workflows.events(arn)), "the end of the good branch")
    for name in ("bad", "slow"):
        workflows.await_call(name)
    workflows.let_go("bad")
    # The failure stops the branch whose function is still running.
    assert workflows.ended(arn)["status"] == "FAILED"
    workflows.mend("bad")
    workflows.let_go("slow")
    done = workflows.redriven(arn)
    assert done["status"] == "SUCCEEDED"
    assert workflows.numbers() == {"good": 1, "bad": 2, "slow": 2, "after": 1}
    outputs = json.loads(done["output"])["all"]
    assert [list(output)[-1] for output in outputs] == ["good", "bad", "slow"]
    entered = [
        event["stateEnteredEventDetails"]["name"]
        for event in workflows.events(arn)
        if event["type"].endswith("StateEntered")
    ]
    assert sorted(entered) == ["After", "All", "Bad", "Before", "Good", "Slow"]


def test_a_retried_parallel_state_runs_all_its_branches_again(workflows: Workflows) -> None:
    workflows.break_("bad")
    for call in range(2):
        workflows.hold("bad", call)
    branches = [workflow("Good", Good=workflows.task("good")), workflow("Bad", Bad=workflows.task("bad"))]
    retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    caught = [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]
    parallel = {"Type": "Parallel", "Branches": branches, "Retry": retry, "Catch": caught, "End": True}
    arn = workflows.start(workflow("All", All=parallel, Caught={"Type": "Succeed"}))
    for call in range(2):
        workflows.await_call("good", call + 1)
        workflows.let_go("bad", call)
    assert workflows.ended(arn)["status"] == "SUCCEEDED"
    assert workflows.numbers() == {"good": 2, "bad": 2}


def each(workflows: Workflows, mode: str, **fields: Any) -> Definition:
    """A Map that calls the function under the name of each item, after a state that calls nothing."""
    task = workflows.task("item")
    payload = task["Parameters"]["Payload"]
    del payload["name"]
    payload["name.$"] = "$.name"
    processor = workflow("Before", Before={"Type": "Pass", "Next": "Call"}, Call=task)
    configuration = {"Mode": mode} | ({"ExecutionType": "STANDARD"} if mode == "DISTRIBUTED" else {})
    return {
        "Type": "Map",
        "ItemsPath": "$.items",
        "ItemSelector": {"name.$": "$$.Map.Item.Value"},
        "ItemProcessor": {"ProcessorConfig": configuration, **processor},
        "ResultPath": "$.results",
        "End": True,
        **fields,
    }


def start(workflows: Workflows, state: Definition, *items: str) -> str:
    return workflows.start(workflow("Each", Each=state), input=json.dumps({"items": items}))


def test_an_inline_map_runs_the_iterations_again_that_did_not_succeed(workflows: Workflows) -> None:
    workflows.break_("b")
    arn = start(workflows, each(workflows, "INLINE", MaxConcurrency=1), "a", "b", "c")
    assert workflows.ended(arn)["status"] == "FAILED"
    assert workflows.numbers() == {"a": 1, "b": 1}
    workflows.mend("b")
    done = workflows.redriven(arn)
    assert workflows.numbers() == {"a": 1, "b": 2, "c": 1}
    results = json.loads(done["output"])["results"]
    assert [result["item"]["result"]["name"] for result in results] == ["a", "b", "c"]


def children(workflows: Workflows, arn: str, **filters: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The only Map Run of an execution, and its children in the order of their names."""
    (listed,) = workflows.states.list_map_runs(executionArn=arn)["mapRuns"]
    map_run = workflows.states.describe_map_run(mapRunArn=listed["mapRunArn"])
    items = workflows.states.list_executions(mapRunArn=listed["mapRunArn"], **filters)["executions"]
    described = [workflows.describe(item["executionArn"]) for item in items]
    return map_run, sorted(described, key=lambda child: str(child["input"]))


def counts(map_run: dict[str, Any]) -> dict[str, int]:
    assert map_run["itemCounts"] == map_run["executionCounts"]
    return {name: number for name, number in map_run["executionCounts"].items() if number}


def test_a_map_run_goes_on_with_the_children_that_did_not_succeed(workflows: Workflows) -> None:
    workflows.break_("b")
    arn = start(workflows, each(workflows, "DISTRIBUTED", MaxConcurrency=1), "a", "b", "c")
    failed = workflows.ended(arn)
    assert failed["error"] == "States.ExceedToleratedFailureThreshold"
    map_run, (a, b) = children(workflows, arn)
    assert (map_run["status"], map_run["redriveCount"], map_run["maxConcurrency"]) == ("FAILED", 0, 1)
    assert counts(map_run) == {"succeeded": 1, "failed": 1, "pending": 1, "total": 3}
    assert [a["redriveStatus"], b["redriveStatus"]] == ["NOT_REDRIVABLE", "REDRIVABLE_BY_MAP_RUN"]
    with pytest.raises(ClientError, match="ExecutionNotRedrivable"):
        workflows.states.redrive_execution(executionArn=b["executionArn"])

    workflows.mend("b")
    done = workflows.redriven(arn)
    assert workflows.numbers() == {"a": 1, "b": 2, "c": 1}
    results = json.loads(done["output"])["results"]
    assert [result["item"]["result"]["name"] for result in results] == ["a", "b", "c"]
    map_run, (a_now, b_now, c_now) = children(workflows, arn)
    assert (map_run["status"], map_run["redriveCount"]) == ("SUCCEEDED", 1)
    assert counts(map_run) == {"succeeded": 3, "total": 3}
    assert a_now == a
    assert b_now["executionArn"] == b["executionArn"]
    assert [child["redriveCount"] for child in (b_now, c_now)] == [1, 0]
    # It resumes at the state that failed.
    assert workflows.kinds(b["executionArn"]).count("PassStateEntered") == 1
    assert "ExecutionRedriven" in workflows.kinds(b["executionArn"])
    assert [child["name"] for child in children(workflows, arn, redriveFilter="REDRIVEN")[1]] == [b["name"]]
    kinds = [kind for kind in workflows.kinds(arn) if kind.startswith("MapRun")]
    assert kinds == ["MapRunStarted", "MapRunFailed", "MapRunRedriven", "MapRunSucceeded"]
    # Each child has a context object of its own.
    _, second = (call["execution"] for call in workflows.calls("b"))
    assert (second["Id"], second["Input"]) == (b["executionArn"], {"name": "b"})
    assert second["RedriveCount"] == 1


def test_a_map_run_of_a_stopped_execution_goes_on_with_its_aborted_children(workflows: Workflows) -> None:
    workflows.hold("b")
    arn = start(workflows, each(workflows, "DISTRIBUTED", MaxConcurrency=1), "a", "b", "c")
    workflows.await_call("b")
    workflows.states.stop_execution(executionArn=arn)
    map_run, (_, b) = children(workflows, arn)
    assert (map_run["status"], b["status"]) == ("ABORTED", "ABORTED")
    assert counts(map_run) == {"succeeded": 1, "aborted": 1, "pending": 1, "total": 3}
    done = workflows.redriven(arn)
    assert done["status"] == "SUCCEEDED"
    assert workflows.numbers() == {"a": 1, "b": 2, "c": 1}
    workflows.let_go("b")
    assert json.loads(done["output"])["results"][1]["item"]["result"] == {"name": "b", "call": 1}


def test_a_map_run_of_a_timed_out_execution_goes_on(workflows: Workflows) -> None:
    for call in range(2):
        workflows.hold("a", call)
    definition = workflow("Each", Each=each(workflows, "DISTRIBUTED")) | {"TimeoutSeconds": 1}
    arn = workflows.start(definition, input=json.dumps({"items": ["a"]}))
    for redrives in range(2):
        ended = workflows.redriven(arn) if redrives else workflows.ended(arn)
        map_run, (child,) = children(workflows, arn)
        assert [ended["status"], map_run["status"], child["status"]] == ["TIMED_OUT", "ABORTED", "ABORTED"]
        assert [found["redriveCount"] for found in (ended, map_run, child)] == [redrives] * 3
    for call in range(2):
        workflows.let_go("a", call)


def test_children_wait_for_their_redrive_while_others_run(workflows: Workflows) -> None:
    workflows.break_("a", "b")
    tolerant = {"ToleratedFailureCount": 1, "MaxConcurrency": 1}
    arn = start(workflows, each(workflows, "DISTRIBUTED", **tolerant), "a", "b")
    assert workflows.ended(arn)["status"] == "FAILED"
    workflows.mend("a", "b")
    workflows.hold("a", call=1)
    workflows.states.redrive_execution(executionArn=arn)
    workflows.await_call("a", 2)
    map_run, (a, b) = children(workflows, arn)
    assert [a["status"], b["status"], map_run["status"]] == ["RUNNING", "PENDING_REDRIVE", "RUNNING"]
    assert counts(map_run) == {"running": 1, "pendingRedrive": 1, "total": 2}
    assert [child["name"] for child in children(workflows, arn, statusFilter="PENDING_REDRIVE")[1]] == [b["name"]]
    workflows.states.stop_execution(executionArn=arn)
    map_run, (a, b) = children(workflows, arn)
    # "the count of child workflow executions in the Pending redrive state is reset to 0".
    assert [a["status"], b["status"]] == ["ABORTED", "FAILED"]
    assert counts(map_run) == {"aborted": 1, "failed": 1, "total": 2}
    workflows.let_go("a", call=1)
    assert workflows.redriven(arn)["status"] == "SUCCEEDED"
    map_run, _ = children(workflows, arn)
    assert (counts(map_run), map_run["redriveCount"]) == ({"succeeded": 2, "total": 2}, 2)


def test_a_map_run_that_tolerated_its_failures_is_not_run_again(workflows: Workflows) -> None:
    workflows.break_("b", "after")
    state = each(workflows, "DISTRIBUTED", ToleratedFailurePercentage=100.0, Next="After")
    del state["End"]
    definition = workflow("Each", Each=state, After=workflows.task("after"))
    arn = workflows.start(definition, input=json.dumps({"items": ["a", "b"]}))
    workflows.ended(arn)
    workflows.mend("b", "after")
    assert workflows.redriven(arn)["status"] == "SUCCEEDED"
    assert workflows.numbers() == {"a": 1, "b": 1, "after": 2}


def test_express_children_start_again_from_their_first_state(workflows: Workflows) -> None:
    workflows.break_("b")
    state = each(workflows, "DISTRIBUTED", MaxConcurrency=1)
    state["ItemProcessor"]["ProcessorConfig"]["ExecutionType"] = "EXPRESS"
    arn = start(workflows, state, "a", "b")
    workflows.ended(arn)
    workflows.mend("b")
    assert workflows.redriven(arn)["status"] == "SUCCEEDED"
    assert workflows.numbers() == {"a": 1, "b": 2}
    _, (a, b) = children(workflows, arn)
    assert workflows.kinds(a["executionArn"]).count("PassStateEntered") == 1
    assert workflows.kinds(b["executionArn"]).count("PassStateEntered") == 2
    assert (b["redriveCount"], "redriveDate" in b) == (0, False)


def test_a_map_run_that_could_not_start_starts_with_the_redrive(workflows: Workflows) -> None:
    s3, bucket = workflows.server.client("s3"), f"b{workflows.function}"
    s3.create_bucket(Bucket=bucket)
    reader = {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSON"}}
    state = each(workflows, "DISTRIBUTED", ItemReader=reader | {"Parameters": {"Bucket": bucket, "Key": "items"}})
    del state["ItemsPath"]
    arn = start(workflows, state)
    assert workflows.ended(arn)["error"] == "States.ItemReaderFailed"
    assert workflows.states.list_map_runs(executionArn=arn)["mapRuns"] == []
    s3.put_object(Bucket=bucket, Key="items", Body=json.dumps(["a"]).encode())
    workflows.break_("a")
    assert workflows.redriven(arn)["error"] == "States.ExceedToleratedFailureThreshold"
    # The Map Run has started, so it keeps its items.
    s3.put_object(Bucket=bucket, Key="items", Body=json.dumps(["other"]).encode())
    workflows.mend("a")
    assert workflows.redriven(arn)["status"] == "SUCCEEDED"
    assert workflows.numbers() == {"a": 2}


def test_a_map_run_that_failed_by_its_output_is_followed_by_a_new_one(workflows: Workflows) -> None:
    state = each(workflows, "DISTRIBUTED", ResultSelector={"none.$": "States.StringToJson('no JSON')"})
    arn = start(workflows, state, "a")
    assert workflows.ended(arn)["status"] == "FAILED"
    assert workflows.redriven(arn)["status"] == "FAILED"
    assert len(workflows.states.list_map_runs(executionArn=arn)["mapRuns"]) == 2
    assert workflows.numbers() == {"a": 2}
