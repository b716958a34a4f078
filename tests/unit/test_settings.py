"""Every function's settings are its environment in infra/functions.yaml, and what it may do exists at AWS."""

import boto3
import pytest
from pydantic import BaseModel, Field

from functions.auditing.settings import AuditSettings
from functions.batches.settings import BatchSettings, ExecutionSettings
from functions.batches.table_settings import CatalogueBatchSettings, FileSettings
from functions.catalogue.crawls import CrawlerSettings
from functions.copying.request import CopySettings
from functions.intake.settings import StarterSettings
from functions.planning.settings import PlanSettings
from functions.runtime.bucket_owners import BucketOwnerSettings
from functions.runtime.errors import SettingInvalid
from functions.runtime.settings import read_settings
from functions.start_crawler import CatalogueSettings
from functions.validation.settings import ValidationSettings
from infra.local import provision
from infra.terraform.outputs import Outputs
from statemachine import declaration

DECLARED = declaration.load()
OUTPUTS = Outputs.model_validate(provision.outputs_of("http://127.0.0.1:4566").model_dump())

BOTOCORE = {"states": "stepfunctions"}
"""Where botocore calls a service by another name than IAM."""

OTHER_ACTIONS = {
    "s3:GetObjectVersion": "GetObject",
    "s3:GetObjectVersionTagging": "GetObjectTagging",
    "s3:GetObjectVersionAttributes": "GetObjectAttributes",
    "s3:GetBucketObjectLockConfiguration": "GetObjectLockConfiguration",
    "s3:PutObjectVersionTagging": "PutObjectTagging",
    "s3:DeleteObjectVersion": "DeleteObject",
    "s3:ListBucketVersions": "ListObjectVersions",
    "s3:GetObjectVersionAnnotation": "GetObjectAnnotation",
    "s3:ListObjectVersionAnnotations": "ListObjectAnnotations",
    "s3:PutObjectVersionAnnotation": "PutObjectAnnotation",
    "s3:DeleteObjectVersionAnnotation": "DeleteObjectAnnotation",
    "s3:ListBucket": "ListObjectsV2",
    "s3:ListMultipartUploadParts": "ListParts",
    "s3:ListBucketMultipartUploads": "ListMultipartUploads",
}
"""Actions that are not called like their operation ("Required permissions for Amazon S3 API operations")."""


OWN_SETTINGS: dict[str, type[BaseModel]] = {
    "starter": StarterSettings,
    "copy_object": CopySettings,
    "start_crawler": CatalogueSettings,
    "poll_crawler": CrawlerSettings,
    "run_validation_query": ValidationSettings,
    "plan_batches": PlanSettings,
    "copy_batch": BatchSettings,
    "verify_batch": BatchSettings,
    "ensure_migrated": ExecutionSettings,
    "catalogue_batch": CatalogueBatchSettings,
    "validate_batch": FileSettings,
    "delete_batch": BatchSettings,
    "reconcile_report": BatchSettings,
    "write_report": BatchSettings,
    "plan_audit": AuditSettings,
    "find_extra": AuditSettings,
    "compare_batch": BatchSettings,
    "write_audit_report": BatchSettings,
}


class Example(BaseModel):
    """Settings of no function."""

    a_name: str = Field(min_length=2)
    a_number: int = 7


def settings_of(key: str) -> list[type[BaseModel]]:
    """The models of a function's settings: its own, and that of all who use S3."""
    own = OWN_SETTINGS.get(key)
    uses_s3 = any(action.startswith("s3:") for s in DECLARED[key].statements for action in s.actions)
    return [*([own] if own else []), *([BucketOwnerSettings] if uses_s3 else [])]


def test_each_field_is_read_from_the_variable_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("A_NUMBER", raising=False)
    monkeypatch.setenv("A_NAME", "xy")
    assert read_settings(Example) == Example(a_name="xy", a_number=7)
    monkeypatch.setenv("A_NUMBER", "9")
    assert read_settings(Example).a_number == 9


@pytest.mark.parametrize(
    ("environment", "problems"),
    [
        ({}, "A_NAME: is not set"),
        ({"A_NAME": ""}, "A_NAME: String should have at least 2 characters"),
        ({"A_NAME": "xy", "A_NUMBER": "many"}, "A_NUMBER: Input should be a valid integer"),
        ({"A_NUMBER": "many"}, "A_NAME: is not set; A_NUMBER: Input should be a valid integer"),
    ],
)
def test_every_wrong_setting_is_named_in_one_line_and_where_to_fix_it(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], problems: str
) -> None:
    for name in ("A_NAME", "A_NUMBER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingInvalid) as raised:
        read_settings(Example)
    message = str(raised.value)
    assert problems in message
    assert "infra/functions.yaml" in message
    assert "\n" not in message


@pytest.mark.parametrize("key", DECLARED)
def test_a_function_reads_what_it_is_given_and_is_given_what_it_reads(key: str) -> None:
    given = set(DECLARED[key].environment)
    fields = {name.upper(): field for model in settings_of(key) for name, field in model.model_fields.items()}
    assert given <= set(fields)
    assert {name for name, field in fields.items() if field.is_required()} <= given


@pytest.mark.parametrize("key", DECLARED)
def test_every_function_that_uses_s3_reads_the_owners_of_the_buckets(key: str) -> None:
    assert ("BUCKET_OWNERS" in DECLARED[key].environment) == (BucketOwnerSettings in settings_of(key))


@pytest.mark.parametrize("key", [key for key in DECLARED if settings_of(key)])
def test_what_a_deployment_gives_is_accepted(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = declaration.fill(DECLARED[key], OUTPUTS.placeholders()).environment
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    read = {name: value for model in settings_of(key) for name, value in read_settings(model).model_dump().items()}
    assert {name: str(read[name.lower()]) for name in environment} == environment


@pytest.mark.parametrize(
    ("key", "action"),
    sorted({(key, action) for key, function in DECLARED.items() for s in function.statements for action in s.actions}),
)
def test_every_action_is_an_operation_of_its_service(key: str, action: str) -> None:
    service, _, name = action.partition(":")
    model = boto3.Session().client(BOTOCORE.get(service, service), "us-east-1").meta.service_model  # type: ignore[call-overload]
    assert OTHER_ACTIONS.get(action, name) in model.operation_names, f"{key}: {action}"


@pytest.mark.parametrize("key", DECLARED)
def test_every_resource_is_of_the_service_of_its_actions(key: str) -> None:
    filled = declaration.fill(DECLARED[key], OUTPUTS.placeholders())
    for statement in filled.statements:
        services = {action.partition(":")[0] for action in statement.actions}
        assert {arn.split(":")[2] for arn in statement.resources} == services, statement.sid
        assert all(arn.startswith("arn:aws:") and arn.count(":") >= 5 for arn in statement.resources)
        assert "*" not in statement.resources
