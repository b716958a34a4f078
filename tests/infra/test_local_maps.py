"""What the workflow for many files will stand on works in the local cloud: Distributed Maps, one after the other, whose
children call functions again until they are done, retry them, and may fail without ending the run.

AWS: "Using Map state in Distributed mode", "ItemReader (Map)", "Setting failure thresholds for Distributed Map states"
(AWS Step Functions Developer Guide). The definition uses nothing else: JSONPath, Standard children, a JSON array as the
items, no ItemBatcher. What differs from AWS is in docs/design.md.
"""

import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.build import reproducible_zip
from infra.local.provision import with_bootstrap
from tests.support.local_server import Server, allow

PATIENCE_SECONDS = 90

PROBE = '''
import os


class Throttled(Exception):
    """As the functions raise it."""


class Broken(Exception):
    """No retry helps."""


def handler(event, context):
    """Do a slice in as many calls as it names; throttled or broken if it says so."""
    document, folder = event["document"], event["document"]["folder"]
    key, step = document["slice"]["key"], event["step"]
    if document["slice"].get("broken") == step:
        raise Broken(key)
    calls = document.get("progress", {}).get("calls", 0) + 1
    with open(f"{folder}/{step}-{key}", "a") as file:
        file.write(f"{calls}\\n")
    if document["slice"].get("throttled") == step and calls == 2 and not os.path.exists(f"{folder}/once-{key}"):
        open(f"{folder}/once-{key}", "w").close()
        raise Throttled(key)
    return {"status": "done" if calls >= document["slice"]["calls"] else "in_progress", "calls": calls, "wait": 1}
'''


def task(function: str, step: str, following: str) -> dict[str, Any]:
    """A state that calls the function with the whole document."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {
            "FunctionName": function,
            "Payload": {"step": step, "execution.$": "$$.Execution", "document.$": "$"},
        },
        "ResultSelector": {f"{field}.$": f"$.Payload.{field}" for field in ("status", "calls", "wait")},
        "ResultPath": "$.progress",
        "Retry": [
            {
                "ErrorEquals": ["Throttled"],
                "IntervalSeconds": 1,
                "MaxAttempts": 3,
                "BackoffRate": 2.0,
                "MaxDelaySeconds": 60,
                "JitterStrategy": "FULL",
            }
        ],
        "TimeoutSeconds": 60,
        "Next": following,
    }


def each_slice(function: str, step: str, pointers: str) -> dict[str, Any]:
    """A Map over the slices of a file, whose children call the function again until it is done."""
    return {
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            "Parameters": {"Bucket.$": "$.bucket", "Key.$": pointers},
        },
        "ItemSelector": {"slice.$": "$$.Map.Item.Value", "folder.$": "$.folder"},
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "Work",
            "States": {
                "Work": task(function, step, "Finished?"),
                "Finished?": {
                    "Type": "Choice",
                    "Choices": [
                        {"Variable": "$.progress.status", "StringEquals": "in_progress", "Next": "WaitForWork"}
                    ],
                    "Default": "Done",
                },
                "WaitForWork": {"Type": "Wait", "SecondsPath": "$.progress.wait", "Next": "Work"},
                "Done": {"Type": "Succeed"},
            },
        },
        "MaxConcurrencyPath": "$.max_concurrency",
        "ToleratedFailurePercentage": 100.0,
        "ResultPath": None,
    }


@pytest.fixture(scope="module")
def function(server: Server) -> str:
    """The ARN of the probe."""
    name = f"probe-{uuid.uuid4().hex[:8]}"
    role = server.role(name, [allow(["logs:PutLogEvents"], ["*"])], "lambda.amazonaws.com")
    client = server.client("lambda")
    arn: str = client.create_function(
        FunctionName=name,
        Runtime="provided.al2023",
        Handler="probe.handler",
        Role=role,
        Code={"ZipFile": with_bootstrap(reproducible_zip.pack({"probe.py": PROBE.encode()}))},
        Timeout=30,
    )["FunctionArn"]
    client.get_waiter("function_active_v2").wait(FunctionName=arn, WaiterConfig={"Delay": 0, "MaxAttempts": 10_000})
    return arn


@pytest.fixture(scope="module")
def machine(server: Server, function: str) -> str:
    """Two Maps, one after the other; neither is entered for an empty plan."""
    name = f"maps-{uuid.uuid4().hex[:8]}"
    role = server.role(name, [allow(["lambda:InvokeFunction"], [function])], "states.amazonaws.com")
    states = {
        "NothingToDo?": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.slices", "NumericEquals": 0, "Next": "Succeeded"}],
            "Default": "First",
        },
        "First": {**each_slice(function, "first", "$.first"), "Next": "Second"},
        "Second": {**each_slice(function, "second", "$.second"), "Next": "Succeeded"},
        "Succeeded": {"Type": "Succeed"},
    }
    arn: str = server.client("stepfunctions").create_state_machine(
        name=name,
        type="STANDARD",
        roleArn=role,
        definition=json.dumps({"StartAt": "NothingToDo?", "States": states}),
    )["stateMachineArn"]
    return arn


Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(server: Server, machine: str, tmp_path: Path) -> Run:
    """Run both Maps, over these slices; gives the described execution."""
    bucket = f"maps-{uuid.uuid4().hex[:12]}"
    s3, states = server.client("s3"), server.client("stepfunctions")
    s3.create_bucket(Bucket=bucket)

    def run_maps(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> dict[str, Any]:
        for key, slices in (("first.json", first), ("second.json", second)):
            s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(slices).encode())
        given = {
            "bucket": bucket,
            "first": "first.json",
            "second": "second.json",
            "slices": len(first) + len(second),
            "folder": str(tmp_path),
            "max_concurrency": 2,
        }
        arn = states.start_execution(stateMachineArn=machine, input=json.dumps(given))["executionArn"]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (described := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
            assert time.monotonic() < deadline, "it does not end"
            time.sleep(0.05)
        return dict(described)

    return run_maps


def calls(folder: Path) -> dict[str, list[int]]:
    """What the probe has written: by step and slice, the number of each call."""
    return {
        file.name: [int(line) for line in file.read_text().splitlines()]
        for file in sorted(folder.iterdir())
        if not file.name.startswith("once-")
    }


def test_children_are_called_again_until_they_are_done_and_a_map_follows_a_map(run: Run, tmp_path: Path) -> None:
    first, second = [{"key": "a", "calls": 1}, {"key": "b", "calls": 3}], [{"key": "c", "calls": 2}]
    described = run(first, second)
    assert described["status"] == "SUCCEEDED"
    assert calls(tmp_path) == {"first-a": [1], "first-b": [1, 2, 3], "second-c": [1, 2]}
    # ResultPath is null: the document is what it was, whatever the children returned.
    assert json.loads(described["output"]) == json.loads(described["input"])


def test_a_throttled_child_is_retried_with_the_document_that_it_had(run: Run, tmp_path: Path) -> None:
    assert run([{"key": "a", "calls": 3, "throttled": "first"}], [])["status"] == "SUCCEEDED"
    assert calls(tmp_path) == {"first-a": [1, 2, 2, 3]}


def test_a_child_that_fails_ends_neither_its_map_nor_the_next(server: Server, run: Run, tmp_path: Path) -> None:
    slices = [{"key": "a", "calls": 1}, {"key": "b", "calls": 1, "broken": "first"}, {"key": "c", "calls": 2}]
    described = run(slices, [{"key": "d", "calls": 1}])
    assert described["status"] == "SUCCEEDED"
    assert calls(tmp_path) == {"first-a": [1], "first-c": [1, 2], "second-d": [1]}
    states = server.client("stepfunctions")
    runs = states.list_map_runs(executionArn=described["executionArn"])["mapRuns"]
    counts = [states.describe_map_run(mapRunArn=each["mapRunArn"])["itemCounts"] for each in runs]
    assert sorted((each["succeeded"], each["failed"]) for each in counts) == [(1, 0), (2, 1)]


def test_an_empty_plan_enters_no_map(run: Run, tmp_path: Path) -> None:
    assert run([], [])["status"] == "SUCCEEDED"
    assert calls(tmp_path) == {}


def test_a_hundred_children_each_end(run: Run, tmp_path: Path) -> None:
    assert run([{"key": f"{number:03}", "calls": 1} for number in range(100)], [])["status"] == "SUCCEEDED"
    assert len(calls(tmp_path)) == 100
