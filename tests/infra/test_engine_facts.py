"""What AWS documents, asked of an engine through its public interfaces alone: the local cloud's server, or another one.

FERRY_TEST_ENDPOINT names the other one, and the SDK's own variables its credentials; `make emulator` sets them for AWS
Emulator. What an engine does not implement is skipped, with its answer.
"""

import json
import os
import time
import uuid
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.support import local_server

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDPOINT = os.environ.get("FERRY_TEST_ENDPOINT")
NOT_IMPLEMENTED = {"InvalidAction", "UnknownOperationException", "NotImplemented", "NotImplementedException"}
PATIENCE_SECONDS = 180

Client = Callable[[str], Any]


@pytest.fixture(scope="module")
def client(request: pytest.FixtureRequest) -> Client:
    """Clients of the engine, by service."""
    if ENDPOINT:
        return lambda service: boto3.client(service, region_name=local_server.REGION, endpoint_url=ENDPOINT)  # type: ignore[call-overload]
    server: local_server.Server = request.getfixturevalue("server")
    return server.client


@contextmanager
def implemented() -> "Iterator[None]":
    """Skip the test if the engine lacks the action."""
    try:
        yield
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if error.response["Error"]["Code"] in NOT_IMPLEMENTED or status == 501:
            pytest.skip(f"the engine answers {error}")
        raise


@pytest.fixture
def s3(client: Client) -> Any:
    return client("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"facts-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def test_an_annotation_belongs_to_a_version_and_travels_with_a_copy(s3: Any, bucket: str) -> None:
    """ "CopyObject", "PutObjectAnnotation" (Amazon S3 API Reference)."""
    first = s3.put_object(Bucket=bucket, Key="a", Body=b"one")["VersionId"]
    with implemented():
        s3.put_object_annotation(Bucket=bucket, Key="a", AnnotationName="berth", AnnotationPayload=b"4")
    s3.put_object(Bucket=bucket, Key="a", Body=b"two")

    def names(key: str, **version: str) -> list[str]:
        listed = s3.list_object_annotations(Bucket=bucket, Key=key, **version).get("Annotations", [])
        return [each["AnnotationName"] for each in listed]

    assert (names("a"), names("a", VersionId=first)) == ([], ["berth"])
    s3.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a", "VersionId": first})
    assert names("b") == ["berth"]
    assert s3.get_object_annotation(Bucket=bucket, Key="b", AnnotationName="berth")["AnnotationPayload"].read() == b"4"
    s3.delete_object_annotation(Bucket=bucket, Key="b", AnnotationName="berth")
    assert names("b") == []


@pytest.mark.parametrize(
    ("key", "condition", "status"),
    [
        ("there", {"IfNoneMatch": "*"}, 412),
        ("there", {"IfMatch": '"00000000000000000000000000000000"'}, 412),
        ("missing", {"IfMatch": '"00000000000000000000000000000000"'}, 404),
        ("missing", {"IfNoneMatch": "*"}, 200),
    ],
)
def test_a_copy_has_conditions_on_its_target(
    s3: Any, bucket: str, key: str, condition: dict[str, str], status: int
) -> None:
    """ "How to perform conditional operations" (Amazon S3 User Guide); the 404 was recorded from AWS."""
    for name in ("source", "there"):
        s3.put_object(Bucket=bucket, Key=name, Body=name.encode())
    source = {"Bucket": bucket, "Key": "source"}
    try:
        answer = s3.copy_object(Bucket=bucket, Key=key, CopySource=source, **condition)
    except ClientError as error:
        answer = error.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status


class Machines:
    """State machines without Lambda functions."""

    def __init__(self, client: Client) -> None:
        self.step_functions = client("stepfunctions")
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "states.amazonaws.com"}}
        role = f"facts-{uuid.uuid4().hex}"
        made = client("iam").create_role(RoleName=role, AssumeRolePolicyDocument=local_server.policy([trust]))
        self.role_arn = made["Role"]["Arn"]

    def start(self, states: dict[str, Any]) -> str:
        """Start an execution of a machine of these states, from the first one on."""
        definition = {"StartAt": next(iter(states)), "States": states}
        machine = self.step_functions.create_state_machine(
            name=f"facts-{uuid.uuid4().hex}", definition=json.dumps(definition), roleArn=self.role_arn
        )
        started = self.step_functions.start_execution(stateMachineArn=machine["stateMachineArn"], input='{"a": 1}')
        return str(started["executionArn"])

    def wait(self, arn: str, *statuses: str) -> Any:
        """Wait until an execution has one of these statuses."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := self.step_functions.describe_execution(executionArn=arn))["status"] not in statuses:
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        return found

    def wait_for_event(self, arn: str, event: str) -> None:
        """Wait until the history has an event of this type."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while event not in self.events(arn):
            assert time.monotonic() < deadline, f"no {event} came"
            time.sleep(0.05)

    def events(self, arn: str) -> list[str]:
        """The types of the events of the history."""
        return [each["type"] for each in self.step_functions.get_execution_history(executionArn=arn)["events"]]

    def redrive(self, arn: str) -> None:
        with implemented():
            self.step_functions.redrive_execution(executionArn=arn)


@pytest.fixture
def machines(client: Client) -> Machines:
    return Machines(client)


def test_a_redrive_enters_a_fail_state_again(machines: Machines) -> None:
    """ "Restarting state machine executions with redrive" (AWS Step Functions Developer Guide)."""
    arn = machines.start({"Broken": {"Type": "Fail", "Error": "Broken", "Cause": "as the test wants it"}})
    failed = machines.wait(arn, "FAILED")
    machines.redrive(arn)
    again = machines.wait(arn, "FAILED")
    assert (failed.get("redriveCount", 0), again["redriveCount"]) == (0, 1)
    assert (again["input"], again["error"], again["redriveStatus"]) == ('{"a": 1}', "Broken", "REDRIVABLE")
    assert machines.events(arn).count("ExecutionRedriven") == 1


def test_a_redrive_runs_what_did_not_finish_and_nothing_before_it(machines: Machines) -> None:
    """The same page. The count is 0 before the first redrive, which was recorded from AWS."""
    counts = {"Type": "Pass", "Parameters": {"count.$": "$$.Execution.RedriveCount"}}
    arn = machines.start(
        {
            "Before": {**counts, "ResultPath": "$.before", "Next": "Pause"},
            "Pause": {"Type": "Wait", "Seconds": 60, "Next": "After"},
            "After": {**counts, "ResultPath": "$.after", "End": True},
        }
    )
    machines.wait_for_event(arn, "WaitStateEntered")
    machines.step_functions.stop_execution(executionArn=arn)
    machines.wait(arn, "ABORTED")
    machines.redrive(arn)
    ended = machines.wait(arn, "SUCCEEDED", "FAILED")
    assert json.loads(ended["output"]) == {"a": 1, "before": {"count": 0}, "after": {"count": 1}}
