"""What Terraform declares is what the embedded cloud is deployed with: nothing is tried here that AWS gets otherwise.

The embedded cloud is asked through its APIs; the Terraform is read.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from functions.contract.bulk import BulkDocument, PlanScope
from infra.local import lifecycle, provision, sweeps
from infra.local.provision import Clients
from infra.terraform.outputs import Outputs
from statemachine import declaration
from tests.support.terraform import hcl


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outputs]:
    with lifecycle.running(tmp_path_factory.mktemp("a cloud")) as up:
        yield up.outputs


@pytest.fixture(scope="module")
def clients(outputs: Outputs) -> Clients:
    return Clients(outputs)


def policy_of(document: str) -> list[dict[str, Any]]:
    policy: dict[str, Any] = json.loads(document)
    return [statement for statement in policy["Statement"] if statement["Effect"] == "Allow"]


def declared(address: str) -> dict[str, Any]:
    """The one statement of a declared policy that allows something."""
    statements = hcl.data(f"aws_iam_policy_document.{address}").blocks("statement")
    (found,) = (statement for statement in statements if statement.get("effect", "Allow") == "Allow")
    return found


def asked(statement: dict[str, Any]) -> set[tuple[str, str]]:
    return {(test, variable) for test, variables in statement["Condition"].items() for variable in variables}


def test_the_crawler_is_configured_the_same(clients: Clients, outputs: Outputs) -> None:
    crawler = clients.glue.get_crawler(Name=outputs.crawler_name)["Crawler"]
    body = hcl.resource("aws_glue_crawler.target").body
    assert json.loads(crawler["Configuration"]) == hcl.given(body["configuration"], "jsonencode")
    assert body["schema_change_policy"] == [
        {
            "update_behavior": crawler["SchemaChangePolicy"]["UpdateBehavior"],
            "delete_behavior": crawler["SchemaChangePolicy"]["DeleteBehavior"],
        }
    ]
    assert body["recrawl_policy"] == [{"recrawl_behavior": crawler["RecrawlPolicy"]["RecrawlBehavior"]}]
    assert crawler["Targets"]["S3Targets"][0]["Path"] == f"s3://{outputs.target_bucket}/"
    assert body["s3_target"] == [{"path": "s3://${aws_s3_bucket.target.id}/"}]


def test_the_classifiers_are_the_same_in_the_same_order(clients: Clients, outputs: Outputs) -> None:
    names = clients.glue.get_crawler(Name=outputs.crawler_name)["Crawler"]["Classifiers"]
    body = hcl.resource("aws_glue_classifier.csv").body
    locals_ = hcl.local_values()
    assert names == [f"{outputs.name}-{label}" for label in locals_["classifiers"]]
    assert (body["for_each"], body["name"]) == ("local.delimiters", "${var.name}-${each.key}")
    (csv,) = body["csv_classifier"]
    for label, delimiter in locals_["delimiters"].items():
        made = clients.glue.get_classifier(Name=f"{outputs.name}-{label}")["Classifier"]["CsvClassifier"]
        assert made["Delimiter"] == delimiter
        assert csv["delimiter"] == "each.value"
        assert (made["QuoteSymbol"], made["ContainsHeader"], made["Serde"]) == (
            csv["quote_symbol"],
            csv["contains_header"],
            csv["serde"],
        )
        assert csv["allow_single_column"] == 'each.key == "comma"'
        assert made["AllowSingleColumn"] is (label == "comma")


def test_the_crawlers_role_may_do_the_same_with_data_and_catalogue(clients: Clients, outputs: Outputs) -> None:
    name = f"{outputs.name}-crawler"
    made: Any = clients.iam.get_role_policy(RoleName=name, PolicyName=name)["PolicyDocument"]
    statements = made["Statement"] if isinstance(made, dict) else json.loads(made)["Statement"]
    embedded = {statement["Sid"]: sorted(statement["Action"]) for statement in statements}
    of_aws = {
        statement["sid"]: sorted(statement["actions"])
        for statement in hcl.data("aws_iam_policy_document.crawler").blocks("statement")
        if statement["sid"] in ("ReadData", "ListData", "ReadDatabase", "WriteCatalogue")
    }
    assert {sid: actions for sid, actions in embedded.items() if sid in of_aws} == of_aws
    assert embedded.keys() - of_aws.keys() == {"CreateLog", "WriteLog"}


def test_the_queues_are_the_same(clients: Clients, outputs: Outputs) -> None:
    made = clients.sqs.get_queue_attributes(QueueUrl=outputs.queue_url, AttributeNames=["All"])["Attributes"]
    dead = clients.sqs.get_queue_attributes(QueueUrl=outputs.dead_letter_queue_url, AttributeNames=["All"])[
        "Attributes"
    ]
    body = hcl.resource("aws_sqs_queue.uploads").body
    timeout = clients.lambda_.get_function_configuration(FunctionName=f"{outputs.name}-starter")["Timeout"]
    factor = int(body["visibility_timeout_seconds"].split(" * ")[0])
    assert int(made["VisibilityTimeout"]) == factor * timeout
    redrive = hcl.given(body["redrive_policy"], "jsonencode")
    assert json.loads(made["RedrivePolicy"])["maxReceiveCount"] == redrive["maxReceiveCount"]
    assert made["MessageRetentionPeriod"] == dead["MessageRetentionPeriod"] == str(14 * 24 * 3600)
    allow = hcl.given(hcl.resource("aws_sqs_queue.dead_letters").body["redrive_allow_policy"], "jsonencode")
    assert json.loads(dead["RedriveAllowPolicy"])["redrivePermission"] == allow["redrivePermission"]


def test_the_queue_and_the_topic_ask_the_same_of_who_sends(clients: Clients, outputs: Outputs) -> None:
    queue = clients.sqs.get_queue_attributes(QueueUrl=outputs.queue_url, AttributeNames=["Policy"])["Attributes"]
    topic = clients.sns.get_topic_attributes(TopicArn=outputs.uploads_topic_arn)["Attributes"]
    for made, address in ((queue["Policy"], "uploads"), (topic["Policy"], "uploads_topic")):
        (statement,) = policy_of(made)
        of_aws = declared(address)
        assert [statement["Action"]] == of_aws["actions"]
        assert asked(statement) == {(condition["test"], condition["variable"]) for condition in of_aws["condition"]}


def test_the_bucket_notifies_of_the_same_events_by_the_same_id(clients: Clients, outputs: Outputs) -> None:
    made = clients.source_s3.get_bucket_notification_configuration(Bucket=outputs.source_bucket)
    (configuration,) = made["TopicConfigurations"]
    (topic,) = hcl.resource("aws_s3_bucket_notification.source").blocks("topic")
    assert configuration["Events"] == topic["events"]
    assert configuration["Id"] == topic["id"].replace("${var.name}", outputs.name).replace("${topic.key}", "main")


def test_the_starter_is_given_messages_the_same_way(clients: Clients, outputs: Outputs) -> None:
    (made,) = clients.lambda_.list_event_source_mappings(FunctionName=f"{outputs.name}-starter")["EventSourceMappings"]
    body = hcl.resource("aws_lambda_event_source_mapping.uploads").body
    assert made["BatchSize"] == body["batch_size"]
    assert made["FunctionResponseTypes"] == body["function_response_types"]


def test_the_workgroup_is_the_same(clients: Clients, outputs: Outputs) -> None:
    made = clients.athena.get_work_group(WorkGroup=outputs.athena_workgroup)["WorkGroup"]["Configuration"]
    (body,) = hcl.resource("aws_athena_workgroup.validation").body["configuration"]
    (result,) = body["result_configuration"]
    location = made["ResultConfiguration"]["OutputLocation"]
    assert result["output_location"].replace("${aws_s3_bucket.athena_results.id}", outputs.athena_results) == location
    assert made["EnforceWorkGroupConfiguration"] is body["enforce_workgroup_configuration"] is True


def test_the_functions_are_called_the_same(clients: Clients, outputs: Outputs) -> None:
    assert hcl.local_values()["function_names"] == (
        '{for key in keys(local.functions) : key => "${var.name}-${replace(key, "_", "-")}"}'
    )
    made = {function["FunctionName"] for function in clients.lambda_.list_functions()["Functions"]}
    assert made == {f"{outputs.name}-{key.replace('_', '-')}" for key in declaration.load()}


def test_the_workflow_is_the_same(clients: Clients, outputs: Outputs) -> None:
    made = clients.stepfunctions.describe_state_machine(stateMachineArn=outputs.state_machine_arn)
    body = hcl.resource("aws_sfn_state_machine.migrate").body
    assert made["type"] == body["type"] == "STANDARD"
    assert made["name"] == hcl.local_values()["workflow"].replace("${var.name}", outputs.name)


@pytest.mark.parametrize(("bucket", "versioned"), [("source_bucket", False), ("target_bucket", True)])
def test_a_bucket_keeps_versions_as_terraform_has_it_by_default(
    clients: Clients, outputs: Outputs, bucket: str, versioned: bool
) -> None:
    made = clients.s3.get_bucket_versioning(Bucket=getattr(outputs, bucket))
    assert (made.get("Status") == "Enabled") is versioned
    defaults = {
        "source_bucket": "versioning = optional(bool, false)" in hcl.blocks("variable")["sources"].body["type"],
        "target_bucket": hcl.blocks("variable")["target_versioning"].body["default"],
    }
    assert defaults == {"source_bucket": True, "target_bucket": True}


def test_a_sweep_does_the_same_in_both_clouds() -> None:
    (target,) = hcl.resource("aws_scheduler_schedule.sweep").body["target"]
    on_aws = hcl.given(target["input"], "jsonencode")
    assert on_aws["scope"].keys() <= PlanScope.model_fields.keys()
    places = {"bucket": "b", "region": "r", "prefix": "", "suffix": ""}
    scope = PlanScope.model_validate({**on_aws["scope"], **places})
    outputs = provision.outputs_of("http://localhost").model_copy(update={"source_bucket": "b", "source_region": "r"})
    local = BulkDocument.model_validate_json(sweeps.sweep_input(outputs))
    assert (local.scope, local.max_concurrency) == (scope, on_aws["max_concurrency"])
