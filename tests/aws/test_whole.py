"""The whole of infra/aws, planned and applied by the real terraform with a provider that asks nobody.

It shows that the files fit together, with every way of setting the variables that changes what is made: no cycle,
nothing unknown where it has to be known, no change when nothing changed. And it shows the policies that come out.
"""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.terraform.outputs import Outputs
from statemachine import declaration
from tests.aws import iam_reference
from tests.aws.iam_contract import Policy, faults
from tests.support.terraform import fake_aws
from tests.support.terraform.evaluation import ACCOUNT
from tests.support.terraform.whole import COPYING, EVERYTHING, PARTNER, Deployment

DEFAULT: dict[str, Any] = {}
PLAIN: dict[str, Any] = {
    "target_versioning": False,
    "target_region": "eu-south-1",
    "sources": {"only": {"region": "eu-west-1", "bucket": "adopted-uploads", "create": False}},
}

MOVING = json.dumps({"rules": [{"rule": {"mode": "move", "decided_by": "migration.yaml:1"}}]})


@pytest.fixture(scope="module")
def reattach() -> Iterator[str]:
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not installed here")
    with fake_aws.running() as reattach:
        yield reattach


@pytest.fixture(scope="module")
def deployment(reattach: str, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    return Deployment(tmp_path_factory.mktemp("whole") / "checkout", reattach)


@pytest.fixture(scope="module")
def everything(deployment: Deployment) -> dict[str, Any]:
    """What there is after the default deployment was changed to one with everything."""
    deployment.apply(DEFAULT)
    assert "No changes." in deployment.run("plan", "-lock=false", "-detailed-exitcode")
    deployment.apply(EVERYTHING)
    return deployment.show()


def resources(shown: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        resource["address"]: resource["values"]
        for resource in shown["root_module"]["resources"]
        if resource["mode"] == "managed"
    }


def policies(shown: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        address: json.loads(values[name])
        for address, values in resources(shown).items()
        for name in ("policy", "assume_role_policy")
        if name in values
    }


KINDS = {
    "aws_iam_role": "trust",
    "aws_iam_role_policy": "",
    "aws_kms_key": "key",
    "aws_s3_bucket_policy": "bucket",
    "aws_sns_topic_policy": "topic",
    "aws_sqs_queue_policy": "queue",
}
"""What each resource with a policy is, for tests/aws/iam_contract.py."""


PAGE_AGAINST_REFERENCE = (
    'aws_kms_key.region["us-east-1"] LogGroups: kms:DescribeKey has no condition key kms:EncryptionContext:aws:logs:arn'
)
"""AWS's page has the two in one statement ("Encrypt log data in CloudWatch Logs using AWS Key Management Service",
Amazon CloudWatch Logs User Guide). By the reference, such a request has no such key, so that it allows nothing more."""


def unknown_to_aws(shown: dict[str, Any]) -> list[str]:
    """What is wrong with any policy, by the Service Authorization Reference, and with those for a partner."""
    found = [
        Policy(address, tuple(policy["Statement"]), KINDS[address.partition(".")[0]])
        for address, policy in policies(shown).items()
    ]
    for partner, handed in shown["outputs"].get("handover", {}).get("value", {}).items():
        for kind in ("bucket", "key"):
            if handed[f"{kind}_policy"]:
                statements = json.loads(handed[f"{kind}_policy"])["Statement"]
                found.append(Policy(f"{partner}'s {kind}", tuple(statements), kind))
    assert len(found) > 10
    return [fault for policy in found for fault in faults(policy, iam_reference.load())]


def test_every_policy_names_only_what_aws_knows(everything: dict[str, Any]) -> None:
    assert unknown_to_aws(everything) == [PAGE_AGAINST_REFERENCE]


@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_of_each_kind_is_checked(everything: dict[str, Any], kind: str) -> None:
    checked = {address: policy for address, policy in policies(everything).items() if address.startswith(f"{kind}.")}
    for policy in checked.values():
        first = {**policy["Statement"][0], "Action": ["s3:Nothing"]}
        assert faults(Policy("a", (first,), KINDS[kind]), iam_reference.load())[0].endswith("s3:Nothing does not exist")
    assert checked


def test_everything_can_be_made_and_nothing_changes_when_nothing_changed(
    everything: dict[str, Any], deployment: Deployment
) -> None:
    assert len(resources(everything)) > 100
    assert "No changes." in deployment.run("plan", "-lock=false", "-detailed-exitcode")


def test_no_two_resources_have_one_name(everything: dict[str, Any]) -> None:
    names = [
        (address.split(".")[0], values.get("region"), values[name])
        for address, values in resources(everything).items()
        for name in ("name", "function_name", "alarm_name", "bucket")
        if values.get(name) and not address.startswith(("aws_s3_bucket_", "aws_s3_object"))
    ]
    assert len(names) > 50
    assert sorted(names, key=str) == sorted(set(names), key=str)


def test_every_policy_names_real_things_only(everything: dict[str, Any]) -> None:
    arn = re.compile(r"arn:aws:[a-z0-9-]+:[a-z0-9-]*:(\d{12})?:[^${}]+")
    found = policies(everything)
    assert len(found) > 30
    for address, policy in found.items():
        for statement in policy["Statement"]:
            for resource in statement.get("Resource", []):
                assert resource == "*" or arn.fullmatch(resource), (address, resource)


def test_a_role_may_do_what_is_declared_and_what_follows_from_its_deployment(everything: dict[str, Any]) -> None:
    found = policies(everything)
    for key, function in declaration.load().items():
        statements = found[f'aws_iam_role_policy.function["{key}"]']["Statement"]
        declared = {statement.sid: sorted(statement.actions) for statement in function.statements}
        given = {statement["Sid"]: statement["Action"] for statement in statements}
        assert {sid: actions for sid, actions in given.items() if sid in declared} == declared
        others = given.keys() - declared.keys()
        assert {sid for sid in others if not sid.startswith("UseKey")} == {"WriteLog", "WriteTraces"}


def test_a_role_may_use_the_keys_of_what_it_may_read_and_no_others(everything: dict[str, Any]) -> None:
    keys = {
        key: {
            " ".join(resource.split(":")[3:5])
            for statement in policies(everything)[f'aws_iam_role_policy.function["{key}"]']["Statement"]
            if statement["Sid"].startswith("UseKey")
            for resource in statement["Resource"]
        }
        for key in declaration.load()
    }
    sources = {f"us-west-2 {ACCOUNT}", f"us-east-1 {ACCOUNT}", f"eu-south-1 {ACCOUNT}", f"us-west-2 {PARTNER}"}
    assert keys == {
        "starter": {f"us-east-1 {ACCOUNT}"},
        "copy_object": sources,
        "verify_checksum": sources,
        "start_crawler": {f"us-east-1 {ACCOUNT}"},
        "poll_crawler": set(),
        "run_validation_query": sources,
        "delete_source": sources,
        "plan_batches": sources,
        "copy_batch": sources,
        "verify_batch": sources,
        "ensure_migrated": sources,
        "catalogue_batch": {f"us-east-1 {ACCOUNT}"},
        "validate_batch": sources,
        "delete_batch": sources,
        "reconcile_report": {f"us-east-1 {ACCOUNT}"},
        "plan_audit": {f"us-east-1 {ACCOUNT}"},
        "find_extra": {f"us-east-1 {ACCOUNT}"},
        "compare_batch": sources,
        "write_audit_report": {f"us-east-1 {ACCOUNT}"},
        "write_report": {f"us-east-1 {ACCOUNT}"},
        "require_complete": set(),
    }


def test_a_role_encrypts_only_where_it_writes(everything: dict[str, Any]) -> None:
    region = EVERYTHING.get("target_region", "us-east-1")
    actions = {
        key: {
            action
            for statement in policies(everything)[f'aws_iam_role_policy.function["{key}"]']["Statement"]
            if statement["Sid"].startswith("UseKey") and f"kms:{region}:" in str(statement["Resource"])
            for action in statement["Action"]
        }
        for key in declaration.load()
    }
    reading, writing = {"kms:Decrypt"}, {"kms:Decrypt", "kms:GenerateDataKey"}
    assert actions == {
        "starter": writing,
        "copy_object": writing,
        "verify_checksum": reading,
        "start_crawler": reading,
        "poll_crawler": set(),
        "run_validation_query": writing,
        "delete_source": reading,
        "plan_batches": writing,
        "copy_batch": writing,
        "verify_batch": writing,
        "ensure_migrated": writing,
        "catalogue_batch": reading,
        "validate_batch": writing,
        "delete_batch": writing,
        "reconcile_report": writing,
        "plan_audit": writing,
        "find_extra": writing,
        "compare_batch": writing,
        "write_audit_report": writing,
        "write_report": writing,
        "require_complete": set(),
    }


def test_each_created_bucket_notifies_the_topic_of_its_region_and_no_adopted_one(everything: dict[str, Any]) -> None:
    notifications = {
        values["bucket"]: {
            (topic["id"], topic["topic_arn"].split(":")[3], topic["filter_prefix"]) for topic in values["topic"]
        }
        for address, values in resources(everything).items()
        if address.startswith("aws_s3_bucket_notification.")
    }
    name = EVERYTHING["name"]
    assert notifications == {
        f"{name}-source-{ACCOUNT}-us-west-2": {(f"s3-ferry-{name}-main", "us-west-2", "m/")},
        f"{name}-source-{ACCOUNT}-us-east-1": {(f"s3-ferry-{name}-near", "us-east-1", "n/")},
        # As S3 wants it: "Configuring event notifications using object key name filtering" (Amazon S3 User Guide).
        f"{name}-source-{ACCOUNT}-eu-south-1": {
            (f"s3-ferry-{name}-far", "eu-south-1", "dt%3D1+/"),
            (f"s3-ferry-{name}-far-2", "eu-south-1", "f2/"),
        },
    }


def test_a_topic_admits_the_buckets_of_its_region_each_for_its_account(everything: dict[str, Any]) -> None:
    name = EVERYTHING["name"]
    admitted = {
        address: {
            (
                *statement["Condition"]["ArnEquals"]["aws:SourceArn"],
                *statement["Condition"]["StringEquals"]["aws:SourceAccount"],
            )
            for statement in policy["Statement"]
            if statement["Effect"] == "Allow"
        }
        for address, policy in policies(everything).items()
        if address.startswith("aws_sns_topic_policy.uploads")
    }
    assert admitted == {
        'aws_sns_topic_policy.uploads["us-west-2"]': {
            (f"arn:aws:s3:::{name}-source-{ACCOUNT}-us-west-2", ACCOUNT),
            ("arn:aws:s3:::partner-uploads", PARTNER),
        },
        'aws_sns_topic_policy.uploads["us-east-1"]': {(f"arn:aws:s3:::{name}-source-{ACCOUNT}-us-east-1", ACCOUNT)},
        'aws_sns_topic_policy.uploads["eu-south-1"]': {(f"arn:aws:s3:::{name}-source-{ACCOUNT}-eu-south-1", ACCOUNT)},
        'aws_sns_topic_policy.uploads["eu-west-1"]': {("arn:aws:s3:::adopted-uploads", ACCOUNT)},
    }


def test_the_queue_admits_each_topic_and_the_opt_in_region_by_its_own_name(everything: dict[str, Any]) -> None:
    (statement,) = policies(everything)["aws_sqs_queue_policy.uploads"]["Statement"]
    regions = sorted(arn.split(":")[3] for arn in statement["Condition"]["ArnEquals"]["aws:SourceArn"])
    assert regions == ["eu-south-1", "eu-west-1", "us-east-1", "us-west-2"]
    assert sorted(statement["Principal"]["Service"]) == ["sns.amazonaws.com", "sns.eu-south-1.amazonaws.com"]


def test_the_partner_is_handed_what_the_roles_may_do_with_its_bucket(everything: dict[str, Any]) -> None:
    handover = everything["outputs"]["handover"]["value"]
    assert handover.keys() == {"partner"}
    policy, key, notification = (
        json.loads(handover["partner"][policy]) for policy in ("bucket_policy", "key_policy", "notification")
    )
    handed = {
        (statement["Principal"]["AWS"][0].split("/")[1], action)
        for statement in policy["Statement"]
        for action in statement["Action"]
    }
    name = EVERYTHING["name"]
    needed = {
        (f"{name}-{key.replace('_', '-')}", action)
        for key, function in declaration.load().items()
        if key != "delete_source"
        for statement in function.statements
        if any("${source_bucket}" in resource for resource in statement.resources)
        for action in statement.actions
    }
    assert handed == needed
    assert {resource for statement in policy["Statement"] for resource in statement["Resource"]} == {
        "arn:aws:s3:::partner-uploads",
        "arn:aws:s3:::partner-uploads/p=/*",
    }
    assert [statement["Action"] for statement in key["Statement"]] == [["kms:Decrypt"]]
    (topic,) = notification["TopicConfigurations"]
    assert topic["TopicArn"] == f"arn:aws:sns:us-west-2:{ACCOUNT}:{name}-uploads"
    assert topic["Filter"]["Key"]["FilterRules"] == [{"Name": "prefix", "Value": "p%3D/"}]


UNPROMISED = {
    ("LambdaAssumes", "aws:SourceAccount"),
    ("NotificationsOfS3", "kms:EncryptionContext:aws:sns:topicArn"),
    ("DeliveriesOfSns", "aws:SourceArn"),
    ("AlertsOfEventBridge", "kms:EncryptionContext:aws:sns:topicArn"),
    ("LogDelivery", "kms:EncryptionContext:SourceArn"),
}
"""By statement, the condition keys that no page of AWS promises (docs/guarantees.md)."""


def condition_keys(shown: dict[str, Any]) -> set[tuple[str, str]]:
    """By statement, the keys of its conditions."""
    return {
        (statement["Sid"], key)
        for policy in policies(shown).values()
        for statement in policy["Statement"]
        for keys in statement.get("Condition", {}).values()
        for key in keys
    }


def test_what_no_page_of_aws_promises_is_a_condition_only_where_it_is_asked_for(
    everything: dict[str, Any], deployment: Deployment
) -> None:
    assert condition_keys(everything) & UNPROMISED == set()
    deployment.apply({**EVERYTHING, "unpromised_conditions": True})
    shown = deployment.show()
    assert condition_keys(shown) == condition_keys(everything) | UNPROMISED
    assert unknown_to_aws(shown) == [PAGE_AGAINST_REFERENCE]


def test_a_key_admits_each_service_that_writes_for_us(everything: dict[str, Any]) -> None:
    def services(region: str) -> set[str]:
        policy = policies(everything)[f'aws_kms_key.region["{region}"]']
        return {service for statement in policy["Statement"] for service in statement["Principal"].get("Service", [])}

    in_each = {"s3.amazonaws.com", "sns.amazonaws.com", "cloudwatch.amazonaws.com"}
    assert services("us-west-2") == in_each
    assert services("us-east-1") >= in_each | {
        "sns.eu-south-1.amazonaws.com",
        "events.amazonaws.com",
        "logs.us-east-1.amazonaws.com",
        "delivery.logs.amazonaws.com",
    }


def test_an_alarm_notifies_a_topic_of_its_own_region(everything: dict[str, Any]) -> None:
    alarms = [values for address, values in resources(everything).items() if "metric_alarm" in address]
    assert len(alarms) == 14
    for alarm in alarms:
        assert [arn.split(":")[3] for arn in alarm["alarm_actions"]] == [alarm["region"]]


def test_the_dashboard_fits_on_its_grid_and_shows_each_alarm(everything: dict[str, Any]) -> None:
    body = json.loads(resources(everything)["aws_cloudwatch_dashboard.ferry"]["dashboard_body"])
    for widget in body["widgets"]:
        assert 0 <= widget["x"] < widget["x"] + widget["width"] <= 24
    shown = {arn for widget in body["widgets"] if widget["type"] == "alarm" for arn in widget["properties"]["alarms"]}
    assert shown == {values["arn"] for address, values in resources(everything).items() if "metric_alarm" in address}


def test_the_outputs_can_be_read_as_outputs_json(everything: dict[str, Any]) -> None:
    outputs = Outputs.model_validate({name: output["value"] for name, output in everything["outputs"].items()})
    assert outputs.name == EVERYTHING["name"]
    assert outputs.endpoint_url is None
    made = resources(everything)
    assert outputs.queue_url == made["aws_sqs_queue.uploads"]["id"]
    assert outputs.dead_letter_queue_url == made["aws_sqs_queue.dead_letters"]["id"]
    assert outputs.state_machine_arn == made["aws_sfn_state_machine.migrate"]["arn"]
    assert outputs.bulk_state_machine_arn == made["aws_sfn_state_machine.bulk"]["arn"]
    assert outputs.audit_state_machine_arn == made["aws_sfn_state_machine.audit"]["arn"]
    assert outputs.uploads_topic_arn == made['aws_sns_topic.uploads["us-west-2"]']["arn"]


def test_keys_that_are_taken_back_go_last_and_the_rules_are_encrypted_again(
    everything: dict[str, Any], deployment: Deployment
) -> None:
    assert everything
    deployment.rules.write_text(MOVING)
    done = deployment.apply({**EVERYTHING, "create_kms_keys": False})
    first_key = next(number for number, line in enumerate(done) if re.match(r"aws_kms_key.*Destroying", line))
    assert [line for line in done[:first_key] if re.match(r"aws_sfn_state_machine\S+ Modifications complete", line)]
    assert [line for line in done[first_key:] if re.search("Modifying|Creating", line)] == []
    assert [line for line in done if re.match(r"aws_s3_object.rules\S+ Creation complete", line)]


def test_the_partner_is_asked_for_the_right_to_delete_when_a_rule_moves(deployment: Deployment) -> None:
    deployment.rules.write_text(MOVING)
    deployment.apply({**EVERYTHING, "create_kms_keys": False})
    shown = deployment.show()
    assert unknown_to_aws(shown) == []
    policy = json.loads(shown["outputs"]["handover"]["value"]["partner"]["bucket_policy"])
    deleting = [statement["Resource"] for statement in policy["Statement"] if "s3:DeleteObject" in statement["Action"]]
    # Of DeleteSource, and of DeleteBatch.
    assert deleting == [["arn:aws:s3:::partner-uploads/p=/*"]] * 2


def test_it_can_be_changed_to_next_to_nothing_and_destroyed(everything: dict[str, Any], deployment: Deployment) -> None:
    assert everything
    deployment.rules.write_text(COPYING)
    deployment.apply(PLAIN)
    shown = deployment.show()
    assert unknown_to_aws(shown) == []
    made = resources(shown)
    assert not [
        address
        for address in made
        if re.match(r"aws_s3_bucket\w*\.source|aws_kms|aws_s3_bucket_versioning.target", address)
    ]
    deployment.destroy()
    assert deployment.show() == {}


def test_a_key_stays_while_a_bucket_stays(deployment: Deployment) -> None:
    deployment.apply({"create_kms_keys": True})
    done = deployment.destroy()
    first_key = next(number for number, line in enumerate(done) if re.match(r"aws_kms_key.*Destroying", line))
    gone = [line for line in done[:first_key] if re.match(r"aws_s3_bucket\.\S+ Destruction complete", line)]
    assert len(gone) == len(["source", "target", "results"])


def test_sns_does_not_deliver_between_two_opt_in_regions(reattach: str, tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "checkout", reattach)
    variables = {"target_region": "eu-south-1", "sources": {"main": {"region": "me-south-1"}}}
    (deployment.module / "terraform.tfvars.json").write_text(json.dumps(variables), encoding="utf-8")
    result = deployment.run("plan", "-lock=false", exit_code=1)
    assert "SNS does not deliver from one opt-in region (me-south-1) to another" in " ".join(result.split())


def test_more_permissions_than_a_role_holds_are_rejected(reattach: str, tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "checkout", reattach)
    adopted = {"region": "us-west-2", "create": False}
    sources = {f"s{n}": {**adopted, "bucket": f"{n:02}" + "b" * 61, "prefix": f"{n:02}/"} for n in range(40)}
    (deployment.module / "terraform.tfvars.json").write_text(json.dumps({"sources": sources}), encoding="utf-8")
    result = deployment.run("plan", "-lock=false", exit_code=1)
    assert "and IAM allows 10240 per role" in " ".join(result.split())
