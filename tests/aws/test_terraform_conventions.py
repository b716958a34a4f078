"""What every file of infra/aws keeps to: regions named, variables checked, outputs those of the embedded cloud."""

import re
from typing import Any

import botocore.session
import pytest
import yaml

from functions.batches.executions import PREFIX
from functions.batches.failures import DIMENSION, MANY_FAILURES, METRIC
from functions.runtime.step import NAMESPACE
from infra.build.function_zips import CHECKOUT
from infra.terraform.outputs import Outputs
from tests.support.terraform import hcl

RUNBOOK = CHECKOUT / "docs" / "operate.md"
ALARMS = {
    alarm.address: alarm for alarm in hcl.blocks("resource").values() if alarm.type == "aws_cloudwatch_metric_alarm"
}
VARIABLES = hcl.blocks("variable")


def test_the_regions_are_those_of_botocore() -> None:
    locals_ = hcl.local_values()
    (aws,) = (
        partition
        for partition in botocore.session.get_session().get_data("partitions")["partitions"]
        if partition["id"] == "aws"
    )
    known = locals_["default_regions"] + locals_["opt_in_regions"]
    assert sorted(known) == sorted(set(aws["regions"]) - {"aws-global"})


@pytest.mark.parametrize(
    "block",
    [block for block in hcl.blocks("resource").values() if not block.type.startswith(("aws_iam_", "terraform_"))],
    ids=lambda block: block.address,
)
def test_a_resource_of_a_regional_service_names_its_region(block: hcl.Block) -> None:
    assert block.body.get("region") in ("var.target_region", "each.key", "each.value.region")


def test_no_resource_waits_for_a_provider_of_another_region() -> None:
    assert [block.address for block in hcl.blocks("resource").values() if "provider" in block.body] == []


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_is_typed_described_and_checked(name: str) -> None:
    body = VARIABLES[name].body
    assert body["type"]
    assert body["description"].strip().endswith(".")
    assert "default" in body
    assert body["type"] == "bool" or body.get("validation")


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_that_is_rejected_is_named(name: str) -> None:
    for validation in VARIABLES[name].body.get("validation", []):
        assert validation["error_message"].startswith(f"{name}: ")
        assert validation["error_message"].endswith(".")


def test_every_variable_is_used() -> None:
    # variables.tf does not count: there each variable's own validation names it.
    files = [path for path in hcl.AWS.glob("*.tf") if path.name != "variables.tf"]
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    assert [name for name in VARIABLES if not re.search(rf"\bvar\.{name}\b", text)] == []


def test_the_outputs_are_those_of_the_embedded_cloud_and_two_more() -> None:
    outputs = hcl.blocks("output")
    assert set(outputs) == {*Outputs.model_fields, "sources", "handover"}
    for name, block in outputs.items():
        assert block.body["description"].endswith("."), name
        if name not in ("sources", "handover"):
            assert block.body["value"] == f"local.values.{name}"


def test_terraform_is_new_enough_for_what_is_used() -> None:
    text = (hcl.AWS / "versions.tf").read_text(encoding="utf-8")
    assert 'required_version = ">= 1.9"' in text
    assert re.search(r'version = ">= 6\.\d+\.\d+, < 7\.0\.0"', text)


def anchors() -> set[str]:
    headings = re.findall(r"^#+ (.+)$", RUNBOOK.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("address", ALARMS)
def test_an_alarm_leads_to_its_runbook(address: str) -> None:
    body = ALARMS[address].body
    match = re.search(r" docs/operate\.md#([a-z-]+)$", body["alarm_description"])
    assert match
    assert body["alarm_name"].startswith(f"${{var.name}}-{match[1]}")
    assert match[1] in anchors()


@pytest.mark.parametrize("address", ALARMS)
def test_an_alarm_speaks_in_its_own_region_and_says_what_no_data_means(address: str) -> None:
    body = ALARMS[address].body
    assert body["alarm_actions"] == [f"aws_sns_topic.alerts[{body['region']}].arn"]
    assert body["treat_missing_data"] in ("ignore", "notBreaching", "breaching")


def metrics(body: dict[str, Any]) -> set[str]:
    text = str(body)
    return set(re.findall(r"'metric_name': '(\w+)'", text)) | set(
        hcl.local_values()["unsuccessful_executions"] if "local.unsuccessful_executions" in text else []
    )


def test_there_is_an_alarm_for_everything_an_operator_must_know() -> None:
    assert set().union(*(metrics(alarm.body) for alarm in ALARMS.values())) == {
        "ApproximateNumberOfMessagesVisible",
        "ApproximateAgeOfOldestMessage",
        "ExecutionsFailed",
        "ExecutionsTimedOut",
        "ExecutionsAborted",
        "ExecutionThrottled",
        "Throttles",
        "InvocationDroppedCount",
        "RunsWithManyFailures",
    }
    watched = {
        name
        for alarm in ALARMS.values()
        for name in hcl.named(alarm.body.get("dimensions", {}))
        if name.startswith("aws_sqs_queue.")
    }
    assert watched == {"aws_sqs_queue.uploads", "aws_sqs_queue.dead_letters", "aws_sqs_queue.undelivered"}


def test_the_alarm_on_many_failures_is_on_the_metric_that_the_functions_send() -> None:
    body = ALARMS["aws_cloudwatch_metric_alarm.many_failures"].body
    assert (body["namespace"], body["metric_name"], list(body["dimensions"])) == (NAMESPACE, METRIC, [DIMENSION])
    assert body["alarm_description"].startswith(f"{MANY_FAILURES} objects of a run")


def test_each_unsuccessful_execution_is_reported() -> None:
    pattern = hcl.given(
        hcl.resource("aws_cloudwatch_event_rule.unsuccessful_executions").body["event_pattern"], "jsonencode"
    )
    assert pattern["source"] == ["aws.states"]
    assert pattern["detail"] == {
        "status": ["FAILED", "TIMED_OUT", "ABORTED"],
        "stateMachineArn": ["aws_sfn_state_machine.migrate.arn"],
        # A run mails once, and not for each of its executions.
        "name": [{"anything-but": {"prefix": PREFIX}}],
    }
    target = hcl.resource("aws_cloudwatch_event_target.alerts").body
    assert hcl.named(target["rule"]) == {"aws_cloudwatch_event_rule.unsuccessful_executions"}
    assert target["arn"] == "aws_sns_topic.alerts[var.target_region].arn"


BUCKETS = ("source", "target", "athena_results")


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_bucket_is_encrypted_private_and_tidy(bucket: str) -> None:
    def of(kind: str) -> dict[str, Any]:
        body = hcl.resource(f"aws_s3_bucket_{kind}.{bucket}").body
        assert hcl.named(body["bucket"]) == {f"aws_s3_bucket.{bucket}"}
        return body

    (encryption,) = of("server_side_encryption_configuration")["rule"]
    (by_default,) = encryption["apply_server_side_encryption_by_default"]
    assert by_default["sse_algorithm"] == 'var.create_kms_keys ? "aws:kms" : "AES256"'
    assert by_default["kms_master_key_id"].startswith("local.kms_keys[")
    blocked = of("public_access_block")
    assert all(
        blocked[setting] is True
        for setting in ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
    )
    assert of("ownership_controls")["rule"] == [{"object_ownership": "BucketOwnerEnforced"}]
    assert hcl.named(of("policy")["policy"]) == {f"data.aws_iam_policy_document.{bucket}"}
    assert [statement["sid"] for statement in hcl.data(f"aws_iam_policy_document.{bucket}").blocks("statement")] == [
        "RefusePlainHttp"
    ]
    (abort,) = (rule for rule in of("lifecycle_configuration")["rule"] if "abort_incomplete_multipart_upload" in rule)
    assert abort["abort_incomplete_multipart_upload"] == [{"days_after_initiation": 7}]
    assert abort["filter"] == [{}]


def test_nothing_at_source_or_target_ever_expires() -> None:
    for bucket in ("source", "target"):
        rules = hcl.resource(f"aws_s3_bucket_lifecycle_configuration.{bucket}").body["rule"]
        assert [set(rule) - {"id", "status", "filter"} for rule in rules] == [{"abort_incomplete_multipart_upload"}]


def test_the_target_keeps_versions_unless_that_is_switched_off() -> None:
    versioning = hcl.resource("aws_s3_bucket_versioning.target").body
    assert versioning["count"] == "var.target_versioning ? 1 : 0"
    assert versioning["versioning_configuration"] == [{"status": "Enabled"}]
    assert VARIABLES["target_versioning"].body["default"] is True


def test_a_key_turns_and_is_kept_for_a_month_after_its_end() -> None:
    key = hcl.resource("aws_kms_key.region").body
    assert key["enable_key_rotation"] is True
    assert key["deletion_window_in_days"] == 30


def test_at_most_ten_kinds_of_checkovs_checks_are_left_out_each_with_its_reason_and_nowhere_else() -> None:
    text = (hcl.AWS / ".checkov.yaml").read_text(encoding="utf-8")
    skipped = yaml.safe_load(text)["skip-check"]
    reasons = dict(re.findall(r"^ *- (CKV2?_AWS_\d+) # (\S.{19,})$", text, re.M))
    assert sorted(reasons) == sorted(skipped)
    assert len(skipped) == len(set(skipped)) <= 10
    assert [path.name for path in hcl.AWS.glob("*.tf") if "checkov:skip" in path.read_text(encoding="utf-8")] == []
