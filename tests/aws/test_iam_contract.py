"""Every policy keeps to the Service Authorization Reference: functions.yaml here, the Terraform in test_whole."""

from copy import deepcopy
from typing import Any

import pytest

from infra.local import provision
from statemachine import declaration
from tests.aws import iam_reference
from tests.aws.iam_contract import Policy, faults, overlap
from tests.support.policies import statements

BUCKET, OBJECTS = "arn:aws:s3:::ferry-source", "arn:aws:s3:::ferry-source/*"
CRAWLER = "arn:aws:glue:us-east-1:*:crawler/ferry"
GLUE = "arn:aws:glue:us-east-1:*"


def statement(actions: list[str], resources: list[str], **others: Any) -> dict[str, Any]:
    return {"Sid": "One", "Effect": "Allow", "Action": actions, "Resource": resources, **others}


def of(*given: dict[str, Any], kind: str = "") -> list[str]:
    """What is wrong with a policy of these statements."""
    return faults(Policy("a", given, kind), iam_reference.load())


def functions() -> dict[str, Policy]:
    """The role of each function, as both clouds fill it in."""
    placeholders = provision.outputs_of("http://127.0.0.1").placeholders()
    return {
        key: Policy(
            key,
            tuple(
                {"Sid": each.sid, "Effect": "Allow", "Action": each.actions, "Resource": each.resources}
                for each in declaration.fill(function, placeholders).statements
            ),
        )
        for key, function in declaration.load().items()
    }


@pytest.mark.parametrize("key", declaration.load())
def test_a_function_may_do_only_what_exists_on_what_it_exists_for(key: str) -> None:
    assert faults(functions()[key], iam_reference.load()) == []


def test_every_action_of_the_terraform_exists() -> None:
    reference = iam_reference.load()
    actions = {action for each in statements() for action in each.actions if not action.endswith("*")}
    assert len(actions) > 100
    assert [action for action in sorted(actions) if reference.action(action) is None] == []


def test_the_reference_has_each_service_in_use_and_no_other() -> None:
    used = {action.partition(":")[0] for each in statements() for action in each.actions}
    assert iam_reference.load().services.keys() == used == set(iam_reference.SERVICES)


def test_the_reference_says_where_it_is_from() -> None:
    reference = iam_reference.load()
    assert reference.version.startswith("0.")
    assert reference.updated >= "2026-09"
    assert reference.licence == "MIT"


@pytest.mark.parametrize(
    ("actions", "resources", "fault"),
    [
        (["s3:GetObjects"], [OBJECTS], "a One: s3:GetObjects does not exist"),
        (["s4:GetObject"], [OBJECTS], "a One: s4:GetObject does not exist"),
        (
            ["s3:GetObject"],
            [BUCKET, OBJECTS],
            f"a One: s3:GetObject takes accesspointobject or object, which {BUCKET} is not",
        ),
        (
            ["s3:ListBucket"],
            [BUCKET, OBJECTS],
            f"a One: s3:ListBucket takes accesspoint or bucket, which {OBJECTS} is not",
        ),
        (
            ["glue:GetDatabase"],
            [f"{GLUE}:catalog", f"{GLUE}:database/a", f"{GLUE}:table/a/*"],
            f"a One: glue:GetDatabase takes catalog or database or rootcatalog, which {GLUE}:table/a/* is not",
        ),
        (["glue:ListCrawls"], ["*"], "a One: glue:ListCrawls takes crawler: name it instead of *"),
        (["xray:PutTraceSegments"], [CRAWLER], "a One: xray:PutTraceSegments takes no resource, only *"),
        (["glue:GetTable"], [f"{GLUE}:database/a", f"{GLUE}:table/a/*"], "a: glue:GetTable also needs a rootcatalog"),
    ],
)
def test_a_wrong_action_or_resource_is_found(actions: list[str], resources: list[str], fault: str) -> None:
    found = of(statement(actions, resources))
    assert fault in found


def test_a_missing_dependent_action_is_found() -> None:
    topic = "arn:aws:sns:us-east-1:123456789012:a"
    assert of(statement(["sns:CreateTopic"], [topic])) == ["a: sns:CreateTopic also needs iam:PassRole"]


@pytest.mark.parametrize("key", ["aws:SourceAcount", "kms:ViaServices", "s3:prefix"])
def test_a_condition_key_that_the_action_does_not_have_is_found(key: str) -> None:
    arn = "arn:aws:kms:us-east-1:123456789012:key/a"
    found = of(statement(["kms:Decrypt"], [arn], Condition={"StringEquals": {key: ["a"]}}))
    assert found == [f"a One: kms:Decrypt has no condition key {key}"]


def test_a_condition_key_with_a_name_of_ones_own_is_known() -> None:
    arn = "arn:aws:kms:us-east-1:123456789012:key/a"
    condition = {"StringEquals": {"kms:EncryptionContext:aws:sns:topicArn": ["a"], "aws:SourceAccount": ["b"]}}
    assert of(statement(["kms:Decrypt"], [arn], Condition=condition)) == []


def test_a_condition_operator_that_does_not_exist_is_found() -> None:
    arn = "arn:aws:kms:us-east-1:123456789012:key/a"
    found = of(statement(["kms:Decrypt"], [arn], Condition={"StringIs": {"aws:SourceAccount": ["a"]}}))
    assert found == ["a One: StringIs does not exist"]


def test_in_a_keys_policy_a_star_is_the_key_and_only_its_actions_count() -> None:
    assert of(statement(["kms:Decrypt"], ["*"]), kind="key") == []
    assert of(statement(["s3:ListBucket"], ["*"]), kind="key") == ["a One: s3:ListBucket is not an action of a key"]


def test_a_denial_may_have_all_actions_of_a_service() -> None:
    assert of(statement(["s3:*"], [BUCKET, OBJECTS], Effect="Deny"), kind="bucket") == []
    assert of(statement(["s4:*"], [BUCKET], Effect="Deny")) == ["a One: s4:* does not exist"]


@pytest.mark.parametrize("key", declaration.load())
def test_each_permission_of_a_function_is_checked(key: str) -> None:
    """Another resource, or another name, is found in each statement of each function."""
    for number in range(len(functions()[key].statements)):
        for change in ({"Resource": ["arn:aws:iam::1:role/a"]}, {"Action": ["s3:Nothing"]}):
            given = list(deepcopy(functions()[key].statements))
            given[number] = {**given[number], **change}
            assert faults(Policy(key, tuple(given)), iam_reference.load()), (number, change)


@pytest.mark.parametrize(
    ("pattern", "text", "meets"),
    [
        ("arn:${Partition}:s3:::${BucketName}", "arn:aws:s3:::ferry", True),
        ("arn:${Partition}:s3:::${BucketName}", "arn:aws:s3:::ferry/*", False),
        ("arn:${Partition}:s3:::${BucketName}/${ObjectName}", "arn:aws:s3:::ferry", False),
        ("arn:${Partition}:s3:::${BucketName}/${ObjectName}", "arn:aws:s3:::ferry/a/b", True),
        ("arn:${Partition}:s3:::${BucketName}/${ObjectName}", "arn:aws:s3:::*", True),
        ("a:${Group}:stream:${Stream}", "a:*", True),
        ("a:${Group}:stream:${Stream}", "a:b:*", True),
        ("a:${Group}:stream:${Stream}", "a:b", False),
        ("arn:${Partition}:glue:${Region}:${Account}:database/${Name}", "arn:aws:glue:us-east-1:*:table/a/*", False),
        ("arn:${Partition}:glue:${Region}:${Account}:table/${Database}/${Table}", "arn:aws:glue:*:*:table/a/*", True),
        ("a", "a*", True),
        ("a", "**a", True),
        ("ab", "a*c", False),
    ],
)
def test_a_pattern_and_a_resource_that_can_mean_the_same_meet(pattern: str, text: str, meets: bool) -> None:
    assert overlap(pattern, text) is meets
