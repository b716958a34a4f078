"""Never two runs over the same keys: who enters, who is turned away, and who has left."""

import json
from typing import Any

import boto3
import pytest

from functions.contract.bulk import PlanScope
from functions.contract.models import ExecutionContext
from functions.planning import active_runs
from functions.planning.settings import PlanSettings
from functions.runtime.errors import RunOverlaps, Throttled
from tests.unit.conftest import SOURCE, SOURCE_REGION, TARGET, TARGET_REGION, Cloud, ErrorResponse

RESULTS = "ferry-results"
SETTINGS = PlanSettings(
    rules_bucket=RESULTS, rules_key="", target_bucket=TARGET, target_region=TARGET_REGION, copy_role="role"
)
DEFINITION = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 9, "End": True}}})


@pytest.fixture
def cloud(cloud: Cloud) -> Cloud:
    """With the results bucket and the state machine of runs."""
    cloud.target.create_bucket(Bucket=RESULTS)
    client = boto3.client("stepfunctions", TARGET_REGION)
    client.create_state_machine(
        name="migrate-bulk", definition=DEFINITION, roleArn="arn:aws:iam::123456789012:role/bulk"
    )
    return cloud


def started(name: str) -> str:
    """The ARN of a run that runs."""
    machine = f"arn:aws:states:{TARGET_REGION}:123456789012:stateMachine:migrate-bulk"
    client = boto3.client("stepfunctions", TARGET_REGION)
    return client.start_execution(stateMachineArn=machine, name=name)["executionArn"]


def stop(arn: str) -> None:
    boto3.client("stepfunctions", TARGET_REGION).stop_execution(executionArn=arn)


def enter(arn: str, **scope: Any) -> str | None:
    execution = {"Id": arn, "Name": arn.rpartition(":")[2], "StartTime": "2026-11-20T12:00:00Z"}
    given = PlanScope(bucket=SOURCE, region=SOURCE_REGION, **scope)
    return active_runs.enter(SETTINGS, given, ExecutionContext.model_validate(execution))


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize(
    ("first", "second", "overlap"),
    [
        ({}, {}, True),
        ({}, {"prefix": "a/"}, True),
        ({"prefix": "a/b"}, {"prefix": "a/"}, True),
        ({"prefix": "a/"}, {"prefix": "b/"}, False),
        ({"suffix": ".csv"}, {"suffix": ".json"}, False),
        ({"suffix": ".gz"}, {"suffix": ".csv.gz"}, True),
    ],
)
def test_a_run_enters_unless_another_one_has_its_keys(
    first: dict[str, str], second: dict[str, str], overlap: bool
) -> None:
    holder = started("first")
    assert enter(holder, **first) is None
    later = started("second")
    assert enter(later, **second, sweep=True) == (holder if overlap else None)
    if overlap:
        with pytest.raises(RunOverlaps, match=r"The run first \(.*\) is already working on") as raised:
            enter(later, **second)
        assert holder in str(raised.value)


@pytest.mark.usefixtures("cloud")
def test_a_run_that_has_ended_or_was_forgotten_is_no_obstacle() -> None:
    ended = started("first")
    enter(ended)
    stop(ended)
    enter(f"{ended}-of-last-year", prefix="a/")
    assert enter(started("second")) is None


@pytest.mark.usefixtures("cloud")
def test_a_run_that_is_called_again_or_redriven_stays() -> None:
    holder = started("first")
    assert [enter(holder), enter(holder)] == [None, None]


def test_of_two_runs_that_enter_at_once_one_is_turned_away(cloud: Cloud) -> None:
    first, second = started("first"), started("second")
    for already in (False, True):
        cloud.target.delete_object(Bucket=RESULTS, Key=f"runs/active/{SOURCE}.json")
        if already:
            enter(started("elsewhere"), prefix="z/")
        cloud.hooks.answer("PutObject", lambda: enter(second, prefix="a/"))
        with pytest.raises(RunOverlaps, match="second"):
            enter(first, prefix="a/b")


def test_a_file_that_others_write_all_the_time_is_tried_again_later(cloud: Cloud) -> None:
    cloud.hooks.answer("PutObject", *[ErrorResponse("ConditionalRequestConflict")] * active_runs.ATTEMPTS)
    with pytest.raises(Throttled):
        enter(started("first"))


def test_a_dry_run_need_not_enter(cloud: Cloud) -> None:
    assert enter(started("first"), most_seconds=20) is None
    assert cloud.hooks.params["PutObject"] == []
