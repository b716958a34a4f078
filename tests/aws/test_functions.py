"""Every declared function is deployed, with a role, a log group and time-outs; the workflow calls its steps only.

From the text alone, as far as that shows it: what comes of it is in test_declaration.py and test_whole.py, which need
terraform.
"""

import importlib.metadata
import json
import re
from typing import Any

import pytest

from infra.local.provision import AUDIT_WORKFLOW, BULK_WORKFLOW, WORKFLOW
from statemachine import declaration
from statemachine.audit import AUDIT_FUNCTIONS
from statemachine.bulk import BULK_FUNCTIONS
from statemachine.check import OUTSIDE_MIGRATE
from statemachine.declaration import PLACEHOLDER
from tests.support.terraform import hcl

DECLARED = declaration.load()
ASL: dict[str, Any] = json.loads(WORKFLOW.read_text(encoding="utf-8"))
TASKS = {state["Parameters"]["FunctionName"]: state for state in ASL["States"].values() if state["Type"] == "Task"}


@pytest.mark.parametrize(
    "block",
    [
        hcl.resource("aws_lambda_function.function"),
        hcl.resource("aws_iam_role.function"),
        hcl.resource("aws_iam_role_policy.function"),
        hcl.resource("aws_cloudwatch_log_group.function"),
        hcl.data("aws_iam_policy_document.function"),
    ],
    ids=lambda block: f"{block.kind} {block.address}",
)
def test_every_function_has_its_own(block: hcl.Block) -> None:
    assert block.body["for_each"] == "local.functions"


def test_there_are_no_other_functions() -> None:
    assert [address for address in hcl.blocks("resource") if address.startswith("aws_lambda_function.")] == [
        "aws_lambda_function.function"
    ]


def test_powertools_is_the_release_that_the_tests_ran_with() -> None:
    given = re.search(r'powertools_version += "(.+)"', (hcl.AWS / "functions.tf").read_text(encoding="utf-8"))
    assert given
    assert given[1] == importlib.metadata.version("aws-lambda-powertools")


def test_terraform_leaves_nothing_of_functions_yaml_out() -> None:
    """What it makes of it is compared in test_declaration.py, where terraform is installed."""
    locals_ = hcl.local_values()
    assert "../functions.yaml" in locals_["_each_source"]
    assert [name for name in ("_each_source", "_as_text", "functions", "statements") if " if " in locals_[name]] == []


def test_a_function_is_what_is_declared_of_it() -> None:
    body = hcl.resource("aws_lambda_function.function").body
    assert {name: body[name] for name in ("handler", "memory_size", "timeout", "filename", "source_code_hash")} == {
        "handler": "each.value.handler",
        "memory_size": "each.value.memory_mb",
        "timeout": "each.value.timeout_seconds",
        "filename": "${local.distribution}/${each.key}.zip",
        "source_code_hash": 'filebase64sha256("${local.distribution}/${each.key}.zip")',
    }
    assert (body["runtime"], body["architectures"]) == ("python3.13", ["arm64"])
    assert body["tracing_config"] == [{"mode": "Active"}]


def test_a_function_is_given_its_declared_environment_and_nothing_else() -> None:
    (environment,) = hcl.resource("aws_lambda_function.function").blocks("environment")
    assert environment["variables"] == "environment.value"
    assert environment["for_each"] == "length(each.value.environment) == 0 ? [] : [each.value.environment]"


def test_a_function_acts_by_its_own_role_and_logs_to_its_own_group() -> None:
    body = hcl.resource("aws_lambda_function.function").body
    assert body["role"] == "aws_iam_role.function[each.key].arn"
    (logging,) = body["logging_config"]
    assert logging == {"log_format": "JSON", "log_group": "aws_cloudwatch_log_group.function[each.key].name"}
    policy = hcl.resource("aws_iam_role_policy.function").body
    assert policy["role"] == "aws_iam_role.function[each.key].id"
    assert policy["policy"] == "data.aws_iam_policy_document.function[each.key].json"
    # Else its first call comes before its rights, or makes a log group that is kept for ever.
    assert "aws_iam_role_policy.function" in hcl.named(body["depends_on"])


def test_a_role_has_all_declared_statements_as_they_are() -> None:
    statements = hcl.data("aws_iam_policy_document.function").blocks("statement")
    (declared,) = (statement for statement in statements if statement.get("for_each") == "local.statements[each.key]")
    assert {name: declared[name] for name in ("sid", "actions", "resources")} == {
        "sid": "statement.value.sid",
        "actions": "statement.value.actions",
        "resources": "statement.value.resources",
    }


def test_every_log_group_has_a_retention() -> None:
    groups = [group for group in hcl.blocks("resource").values() if group.type == "aws_cloudwatch_log_group"]
    assert {group.address for group in groups} == {
        f"aws_cloudwatch_log_group.{name}" for name in ("audit", "bulk", "crawler", "function", "migrate")
    }
    assert {group.body["retention_in_days"] for group in groups} == {"var.log_retention_days"}


def test_terraform_fills_each_placeholder_of_the_workflow() -> None:
    pattern = re.search(r'regexall\("(.*)", file\(local\.definition_file\)\)', hcl.local_values()["steps"])
    assert pattern
    found = set(re.findall(pattern[1].replace("\\\\", "\\").replace("$${", "${"), WORKFLOW.read_text(encoding="utf-8")))
    assert found == {key for name in TASKS for key in PLACEHOLDER.findall(name)}
    assert found == DECLARED.keys() - OUTSIDE_MIGRATE
    assert hcl.resource("aws_sfn_state_machine.migrate").body["definition"] == (
        "templatefile(local.definition_file, {for key in local.steps : key => aws_lambda_function.function[key].arn})"
    )


def test_the_workflow_for_many_files_may_invoke_its_functions_and_run_its_own_children() -> None:
    text = BULK_WORKFLOW.read_text(encoding="utf-8")
    assert set(PLACEHOLDER.findall(text)) == BULK_FUNCTIONS
    assert "file(local.bulk_definition_file)" in hcl.local_values()["bulk_steps"]
    statements = {each["sid"]: each for each in hcl.data("aws_iam_policy_document.bulk").blocks("statement")}
    assert "for key in sort(local.bulk_steps)" in statements["InvokeSteps"]["resources"]
    for sid in ("StartChildren", "ManageChildren", "RedriveChildren"):
        assert "local.values.bulk_state_machine_arn" in str(statements[sid]["resources"])
    assert hcl.resource("aws_sfn_state_machine.bulk").body["role_arn"] == "aws_iam_role.bulk.arn"


def test_the_workflow_may_invoke_its_steps_and_nothing_else() -> None:
    statements = hcl.data("aws_iam_policy_document.migrate").blocks("statement")
    (invoking,) = (statement for statement in statements if any("lambda:" in action for action in statement["actions"]))
    assert invoking["actions"] == ["lambda:InvokeFunction"]
    assert "for key in sort(local.steps)" in invoking["resources"]
    assert " if " not in invoking["resources"]
    assert hcl.named(hcl.resource("aws_iam_role_policy.migrate").body["role"]) == {"aws_iam_role.migrate"}
    assert hcl.resource("aws_sfn_state_machine.migrate").body["role_arn"] == "aws_iam_role.migrate.arn"


@pytest.mark.parametrize("placeholder", TASKS)
def test_a_task_waits_longer_than_its_function_may_run(placeholder: str) -> None:
    (key,) = PLACEHOLDER.findall(placeholder)
    assert TASKS[placeholder]["TimeoutSeconds"] > DECLARED[key].timeout_seconds


def test_a_message_is_hidden_for_six_times_as_long_as_the_starter_may_run() -> None:
    visibility = hcl.resource("aws_sqs_queue.uploads").body["visibility_timeout_seconds"]
    match = re.fullmatch(r'(\d+) \* local\.functions\["starter"\]\.timeout_seconds', visibility)
    assert match
    assert int(match[1]) >= 6
    # "Amazon SQS visibility timeout" (Amazon SQS Developer Guide): twelve hours at most.
    assert int(match[1]) * DECLARED["starter"].timeout_seconds <= 12 * 3600


def test_an_audit_can_write_to_no_bucket_but_the_results() -> None:
    """Its workflow invokes only its functions, and they may read a source and the target, and nothing more."""
    assert set(PLACEHOLDER.findall(AUDIT_WORKFLOW.read_text(encoding="utf-8"))) == AUDIT_FUNCTIONS
    assert "file(local.audit_definition_file)" in hcl.local_values()["audit_steps"]
    policy = {each["sid"]: each for each in hcl.data("aws_iam_policy_document.audit").blocks("statement")}
    (invoking,) = (sid for sid, each in policy.items() if any("lambda:" in action for action in each["actions"]))
    assert "for key in sort(local.audit_steps)" in policy[invoking]["resources"]
    assert hcl.resource("aws_sfn_state_machine.audit").body["role_arn"] == "aws_iam_role.audit.arn"
    for statement in (each for sid, each in policy.items() if sid not in ("DeliverLog", "WriteTraces")):
        assert not re.search(r"aws_s3_bucket\.(source|target)\b", str(statement["resources"]))
    of_objects = {
        action
        for key in AUDIT_FUNCTIONS
        for statement in DECLARED[key].statements
        for action in statement.actions
        if any("_bucket}" in resource for resource in statement.resources)
    }
    assert {action for action in of_objects if not re.match("s3:(Get|List)", action)} == set()
    written = {
        resource
        for key in AUDIT_FUNCTIONS
        for statement in DECLARED[key].statements
        for resource in statement.resources
        if any(not re.match("s3:(Get|List)", action) for action in statement.actions)
    }
    assert written == {"arn:aws:s3:::${athena_results}/audits/*", "arn:aws:s3:::${athena_results}/reports/*"}
