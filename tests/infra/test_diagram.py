"""docs/resources.md shows every declared resource, and the path of a file."""

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from infra.docs import generated, resource_diagram, terraform_source
from infra.docs.resource_diagram import Arrow, ResourceDiagram
from statemachine import declaration
from statemachine.errors import DeclarationInvalid

QUEUE = """
resource "aws_sqs_queue" "uploads" {
  region = var.target_region
}
"""
WAY = [
    "you",
    "aws_s3_bucket.source",
    "aws_sns_topic.uploads",
    "aws_sqs_queue.uploads",
    "function.starter",
    "aws_sfn_state_machine.migrate",
    "function.copy_object",
    "aws_s3_bucket.target",
]


@pytest.fixture(scope="module")
def picture() -> ResourceDiagram:
    return resource_diagram.load()


def picture_of(folder: Path, text: str) -> ResourceDiagram:
    (folder / "main.tf").write_text(text, encoding="utf-8")
    return ResourceDiagram(terraform_source.read(folder), declaration.load(), {"States": {}})


def test_the_page_is_not_stale(picture: ResourceDiagram) -> None:
    text = resource_diagram.PAGE.read_text(encoding="utf-8")
    assert resource_diagram.render(text, picture) == text, "run: make diagram"


def test_every_resource_is_on_the_page_once(picture: ResourceDiagram) -> None:
    written = [
        f"{kind}.{name}"
        for file in terraform_source.TERRAFORM.glob("*.tf")
        for kind, name in re.findall(r'^resource "(\w+)" "(\w+)"', file.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert len(written) > 40
    listed = re.findall(r"`(aws_\w+\.\w+)`", resource_diagram.tables(picture))
    assert sorted(listed) == sorted(address for address in written if not address.startswith("terraform_data."))


def test_a_file_passes_from_the_upload_to_the_target(picture: ResourceDiagram) -> None:
    steps = {(arrow.start, arrow.end) for arrow in picture.arrows() if not arrow.dotted}
    assert [step for step in pairwise(WAY) if step not in steps] == []


def test_what_cannot_be_delivered_and_what_fails_comes_to_somebody(picture: ResourceDiagram) -> None:
    arrows = picture.arrows()
    for start, end, label in (
        ("aws_sns_topic.uploads", "aws_sqs_queue.undelivered", "not delivered"),
        ("aws_sqs_queue.uploads", "aws_sqs_queue.dead_letters", "failed too often"),
        ("aws_sqs_queue.dead_letters", "alarms.target", ""),
        ("aws_sqs_queue.undelivered", "alarms.source", ""),
        ("aws_sfn_state_machine.migrate", "aws_cloudwatch_event_rule.unsuccessful_executions", ""),
    ):
        assert Arrow(start, end, label, dotted=True) in arrows
    ways = {(arrow.start, arrow.end) for arrow in arrows}
    assert {("alarms.target", "aws_sns_topic.alerts"), ("aws_sns_topic.alerts", "mail")} <= ways


def test_every_function_of_the_workflow_is_called_and_every_arrow_ends_at_a_node(picture: ResourceDiagram) -> None:
    called = [arrow.end for arrow in picture.arrows() if arrow.start == "aws_sfn_state_machine.migrate" and arrow.label]
    workflow = json.loads(resource_diagram.WORKFLOW.read_text(encoding="utf-8"))
    tasks = [state for state in workflow["States"].values() if state["Type"] == "Task"]
    assert sorted(called) == sorted(f"function.{task['Parameters']['FunctionName'].strip('${}')}" for task in tasks)
    text = resource_diagram.mermaid(picture)
    nodes = {*re.findall(r"^ *(\w+)[\[({]", text, re.MULTILINE), "functions"}
    ends = {end for pair in re.findall(r"^  (\w+) -\S*>(?:\|[^|]*\|)? (\w+)$", text, re.MULTILINE) for end in pair}
    assert len(ends) > 20
    assert ends - nodes == set()


def test_a_resource_that_has_no_place_is_an_error_and_not_left_out(tmp_path: Path) -> None:
    with pytest.raises(DeclarationInvalid, match=r"main\.tf: aws_vpc\.mine "):
        picture_of(tmp_path, QUEUE + 'resource "aws_vpc" "mine" {}\n')


def test_a_part_that_belongs_to_two_is_an_error(tmp_path: Path) -> None:
    two = '"${aws_sqs_queue.uploads.id}${aws_sqs_queue.other.id}"'
    policy = f'resource "aws_sqs_queue_policy" "p" {{\n  queue_url = {two}\n}}\n'
    text = f'{QUEUE}resource "aws_sqs_queue" "other" {{}}\n{policy}'
    with pytest.raises(
        DeclarationInvalid, match=r"aws_sqs_queue_policy\.p .* aws_sqs_queue\.other, aws_sqs_queue\.upl"
    ):
        picture_of(tmp_path, text)


def test_a_permission_on_something_that_is_not_declared_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DeclarationInvalid, match="infra/aws"):
        picture_of(tmp_path, QUEUE).arrows()


def test_a_page_without_its_marks_is_an_error(picture: ResourceDiagram) -> None:
    with pytest.raises(DeclarationInvalid, match=generated.END):
        resource_diagram.render(f"# Page\n{generated.begin_mark(resource_diagram.MODULE)}\n", picture)
