"""docs/lambda.md: its events are what the starter takes and makes, its figures are the declared ones."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import boto3
import pytest
from moto import mock_aws

from functions import starter
from functions.catalogue import recent_tables
from functions.contract.models import Source
from functions.copying import bucket_settings, request
from functions.intake.executions import execution_name
from functions.runtime import clients
from infra.docs.terraform_source import Declared, read
from statemachine import declaration, states
from statemachine.render import ASL_FILE, AUDIT_ASL_FILE, BULK_ASL_FILE
from tests.support.lambda_context import LambdaContext

CHECKOUT = Path(__file__).parents[2]
PAGE = (CHECKOUT / "docs" / "lambda.md").read_text(encoding="utf-8")
REGION = "us-east-1"
ACCOUNT = "123456789012"
TEXT = " ".join(PAGE.split())
"""The page without its line breaks."""

EVENTS = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)]


@pytest.fixture
def machine_arn(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A state machine to start executions of."""
    arn = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:ferry-migrate"
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "STATE_MACHINE_ARN": arn,
        "DEAD_LETTER_QUEUE_URL": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/dead-letters",
        "RULES_BUCKET": "ferry-athena-results",
        "RULES_KEY": "",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        clients._client.cache_clear()
        boto3.client("stepfunctions", REGION).create_state_machine(
            name="ferry-migrate",
            definition=json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}),
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/ferry-migrate",
        )
        yield arn
    clients._client.cache_clear()


def delivered(message: Any) -> Any:
    """The page's three envelopes, each put into the next as text."""
    batch, notification, _, _, _ = json.loads(json.dumps(EVENTS))
    notification["Message"] = message if isinstance(message, str) else json.dumps(message)
    batch["Records"][0]["body"] = json.dumps(notification)
    return batch


def test_the_events_of_the_page_start_the_execution_that_the_page_shows(machine_arn: str) -> None:
    _, _, uploaded, expected, _ = EVENTS
    answer = starter.handler(delivered(uploaded), cast("Any", LambdaContext()))
    assert answer == {"batchItemFailures": []}
    client = boto3.client("stepfunctions", REGION)
    (execution,) = client.list_executions(stateMachineArn=machine_arn)["executions"]
    response = client.describe_execution(executionArn=execution["executionArn"])
    assert json.loads(response["input"]) == expected
    assert execution["name"] == execution_name(Source.model_validate(expected["source"]))
    assert f"The execution is called `{execution['name']}`" in TEXT


def test_a_message_that_failed_is_answered_as_the_page_shows(machine_arn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no such state machine, so StartExecution fails."""
    monkeypatch.setenv("STATE_MACHINE_ARN", f"{machine_arn}-of-another-name")
    assert starter.handler(delivered(EVENTS[2]), cast("Any", LambdaContext())) == EVENTS[4]


def states_with_maps() -> dict[str, Any]:
    """The states of the workflows for many files, with those of their Maps' children."""
    states: dict[str, Any] = {}
    for file in (BULK_ASL_FILE, AUDIT_ASL_FILE):
        states |= json.loads(file.read_text(encoding="utf-8"))["States"]
    for each in [state for state in states.values() if state["Type"] == "Map"]:
        states |= each["ItemProcessor"]["States"]
    return states


def test_the_table_of_functions_is_the_declaration() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (\d+) MB \| (\d+) s \| (.*) \|$", PAGE, re.MULTILINE)
    documented = {
        key: (int(memory), int(seconds), sorted(re.findall(r"`(\w+)`", environment)))
        for key, _, memory, seconds, environment in rows
    }
    declared = declaration.load()
    assert documented == {
        key: (function.memory_mb, function.timeout_seconds, sorted(function.environment))
        for key, function in declared.items()
    }
    states = json.loads(ASL_FILE.read_text(encoding="utf-8"))["States"] | states_with_maps()
    calling = defaultdict[str, list[str]](list)
    for name, state in states.items():
        if state["Type"] == "Task":
            calling[state["Parameters"]["FunctionName"].strip("${}")].append(name)
    callers = {key: f"the state{'s' if len(names) > 1 else ''} {' and '.join(names)}" for key, names in calling.items()}
    # A dry run calls the first one of a bulk run directly.
    callers["plan_batches"] += ", `ferry backfill --dry-run`"
    assert {key: caller for key, caller, *_ in rows if key != "starter"} == callers


@pytest.fixture(scope="module")
def declared() -> Declared:
    return read()


def test_the_figures_of_the_queue_are_the_declared_ones(declared: Declared) -> None:
    mapping = declared.resources["aws_lambda_event_source_mapping.uploads"].body
    assert f"up to {mapping['batch_size']} messages" in TEXT
    assert "ReportBatchItemFailures" in str(mapping["function_response_types"])
    queue = declared.resources["aws_sqs_queue.uploads"].body
    starter_seconds = declaration.load()["starter"].timeout_seconds
    assert "6 * local.functions" in queue["visibility_timeout_seconds"]
    assert f"hides a message for {6 * starter_seconds} seconds" in TEXT
    assert f"the starter's {starter_seconds} seconds" in TEXT
    assert f"again after {6 * starter_seconds} seconds" in TEXT
    (receives,) = re.findall(r"maxReceiveCount = (\d+)", queue["redrive_policy"])
    assert f"{receives} receives in total" in TEXT
    assert f"failed {receives} times is moved" in TEXT
    assert "local.fortnight" in declared.resources["aws_sqs_queue.dead_letters"].body["message_retention_seconds"]


def test_the_figures_of_retries_and_of_concurrency_are_the_declared_ones(declared: Declared) -> None:
    workflow = json.loads(ASL_FILE.read_text(encoding="utf-8"))["States"]
    retries = {
        tuple(retry["MaxAttempts"] for retry in state["Retry"]) for state in workflow.values() if "Retry" in state
    }
    documented = re.search(r"throttles (\d+) times, .*; service errors, crashes and timeouts (\d+) times", TEXT)
    assert documented
    assert retries == {tuple(int(group) for group in documented.groups())}
    assert f"{states.TASK_TIMEOUT_MARGIN_SECONDS} seconds longer than the function may run" in TEXT
    assert f"the SDK, {clients.ATTEMPTS} attempts" in TEXT
    at_once = declared.blocks["variable"]["starters_at_once"].body["default"]
    assert f"At most {at_once} starters run at once (`starters_at_once`)" in TEXT


def test_the_figures_of_the_copy_and_of_what_is_remembered_are_those_of_the_code() -> None:
    assert f"keeps {request.MARGIN_MS // 1000} seconds to answer in" in TEXT
    assert f"(Object Lock, versioning) for {bucket_settings.CACHE_SECONDS // 60} minutes" in TEXT
    tables = f"the catalogue's tables for {recent_tables.CACHE_SECONDS} seconds"
    assert f"{tables} ({recent_tables.ABSENCE_SECONDS} if none contains the object)" in " ".join(TEXT.split())
    assert max(function.timeout_seconds for function in declaration.load().values()) == 900
