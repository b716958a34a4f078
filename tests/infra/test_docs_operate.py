"""docs/operate.md: a runbook for each alarm, a way out of each error, and names and figures that are true."""

import inspect
import re
from pathlib import Path

import pytest

from functions.contract.limits import COPY_CALLS
from functions.runtime import errors
from infra.docs.terraform_source import TERRAFORM, Declared, read
from statemachine.check import longest_pauses_seconds
from statemachine.graph import StateGraph
from statemachine.retries import THROTTLES
from statemachine.workflow import migrate

CHECKOUT = Path(__file__).parents[2]
PAGE = (CHECKOUT / "docs" / "operate.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())
ALARMS = [
    "dead-letters",
    "failed-executions",
    "failed-runs",
    "many-failures",
    "missing-sweeps",
    "oldest-message",
    "throttled-executions",
    "throttled-functions",
    "undelivered",
]
PARTS = ["**What it means.**", "**How to diagnose.**", "**How to replay.**", "**What not to do.**"]
NOT_SEEN = {"FerryError"}
"""The root is never raised itself."""


@pytest.fixture(scope="module")
def declared() -> Declared:
    return read()


def section(heading: str) -> str:
    """What stands under a heading, up to the next one of its rank."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"there is no section {heading}"
    return found[1]


def test_the_alarms_are_those_that_are_declared(declared: Declared) -> None:
    found = [
        resource.name.replace("_", "-") for resource in declared.resources.values() if "metric_alarm" in resource.type
    ]
    assert sorted(found) == ALARMS


@pytest.mark.parametrize("alarm", ALARMS)
def test_each_alarm_has_its_runbook_where_its_description_says(declared: Declared, alarm: str) -> None:
    assert [part for part in PARTS if part not in section(alarm)] == []
    body = declared.resources[f"aws_cloudwatch_metric_alarm.{alarm.replace('-', '_')}"].body
    assert f"docs/operate.md#{alarm}" in body["alarm_description"]


def test_every_place_that_names_a_section_names_one_that_is_there() -> None:
    headings = re.findall(r"^##+ (.+)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    texts = [PAGE.replace("](#", "](operate.md#")]
    texts += [file.read_text(encoding="utf-8") for file in (CHECKOUT / "docs").glob("*.md")]
    texts += [file.read_text(encoding="utf-8") for file in TERRAFORM.glob("*.tf")]
    named = {anchor for text in texts for anchor in re.findall(r"operate\.md#([\w-]+)", text)}
    assert len(named) >= len(ALARMS)
    assert named - anchors == set()


def test_every_error_that_an_operator_may_see_is_in_the_table() -> None:
    documented = re.findall(r"^\| `(\w+)` \| .+ \| .+ \|$", section("failed-executions"), re.MULTILINE)
    raised = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.FerryError) and name not in NOT_SEEN
    }
    assert sorted(documented) == sorted(raised)


def test_the_ends_that_are_explained_are_those_of_the_workflow() -> None:
    states = migrate().to_dict()["States"]
    ends = {name for name, state in states.items() if state["Type"] == "Succeed"}
    assert set(re.findall(r"^\| SUCCEEDED, at (?:state )?`(\w+)`", PAGE, re.MULTILINE)) == ends


def test_the_metrics_that_are_named_are_counted() -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith("| our own metrics"))
    code = [file.read_text(encoding="utf-8") for file in (CHECKOUT / "functions").rglob("*.py")]
    counted = {name for text in code for name in re.findall(r'\badd_metric\("(\w+)"', text)}
    named = set(re.findall(r"`(\w+)`", row)) - {"S3Ferry"}
    assert len(named) > 5
    assert named - counted == set()


def test_the_names_of_queues_and_logs_are_the_declared_ones(declared: Declared) -> None:
    assert declared.local_values["queue_name"] == "${var.name}-uploads"
    for address, suffix in (
        ("aws_sqs_queue.dead_letters", "-dead-letters"),
        ("aws_sqs_queue.undelivered", "-undelivered"),
    ):
        assert declared.resources[address].body["name"] == f"${{local.queue_name}}{suffix}"
        assert f"`<name>-uploads{suffix}`" in PAGE
    assert "/aws/lambda/${name}" in declared.local_values["log_groups"]
    assert "/aws/vendedlogs/states/${local.workflow}" in declared.local_values["workflow_log_group"]
    assert declared.local_values["workflow"] == "${var.name}-migrate"
    crawler = declared.local_values["crawler_log_group"]
    assert crawler == "/aws-glue/crawlers-role/${local.crawler_role}-${local.crawler_config}"
    assert {declared.local_values["crawler_role"], declared.local_values["crawler_config"]} == {"${var.name}-crawler"}
    assert "`/aws-glue/crawlers-role/<name>-crawler-<name>-crawler`" in PAGE


def test_the_figures_are_those_of_the_code(declared: Declared) -> None:
    (receives,) = re.findall(
        r"maxReceiveCount = (\d+)", declared.resources["aws_sqs_queue.uploads"].body["redrive_policy"]
    )
    assert f"the starter failed {receives} times" in TEXT
    assert f"the copy was called {COPY_CALLS} times" in TEXT


def test_the_hours_of_the_retries_are_the_declared_ones() -> None:
    copy_object = migrate().to_dict()["States"]["CopyObject"]
    (retry,) = [candidate for candidate in copy_object["Retry"] if candidate["ErrorEquals"] == THROTTLES]
    states = {"CopyObject": copy_object | {"Retry": [retry]}}
    hours = longest_pauses_seconds(StateGraph.of({"StartAt": "CopyObject", "States": states})) / 3600
    assert retry["MaxDelaySeconds"] == 3600
    assert f"retries each step {retry['MaxAttempts']} times" in TEXT
    assert f"({hours / 2:.1f} hours on average, {hours:.1f} at most)" in TEXT
