"""Lints the applied Terraform with AWS's schemas of its resources: `make cloudformation`.

The provider's own checks know few of the values that AWS accepts. CloudFormation's resource schemas, which AWS
publishes and cfn-lint contains, have enums, patterns, lengths and bounds. Terraform calls most properties as
CloudFormation does, in other letters; RENAMED and WITHOUT_COUNTERPART are the rest, and an attribute that is in neither
is a finding. It runs in an environment of cfn-lint's own, reads the state of tests/aws/applied.py from standard input,
prints each finding and exits with 1 if there is any.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from cfnlint.api import ManualArgs, lint
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

REGION = "us-east-1"
TYPES = {
    "aws_athena_workgroup": "Athena::WorkGroup",
    "aws_cloudwatch_event_rule": "Events::Rule",
    "aws_cloudwatch_log_group": "Logs::LogGroup",
    "aws_cloudwatch_metric_alarm": "CloudWatch::Alarm",
    "aws_glue_classifier": "Glue::Classifier",
    "aws_glue_crawler": "Glue::Crawler",
    "aws_glue_security_configuration": "Glue::SecurityConfiguration",
    "aws_iam_role": "IAM::Role",
    "aws_iam_role_policy": "IAM::RolePolicy",
    "aws_kms_key": "KMS::Key",
    "aws_lambda_event_source_mapping": "Lambda::EventSourceMapping",
    "aws_lambda_function": "Lambda::Function",
    "aws_s3_bucket": "S3::Bucket",
    "aws_s3_bucket_lifecycle_configuration": "S3::Bucket",
    "aws_s3_bucket_ownership_controls": "S3::Bucket",
    "aws_s3_bucket_policy": "S3::BucketPolicy",
    "aws_s3_bucket_server_side_encryption_configuration": "S3::Bucket",
    "aws_s3_bucket_versioning": "S3::Bucket",
    "aws_sfn_state_machine": "StepFunctions::StateMachine",
    "aws_sns_topic": "SNS::Topic",
    "aws_sns_topic_policy": "SNS::TopicPolicy",
    "aws_sns_topic_subscription": "SNS::Subscription",
    "aws_sqs_queue": "SQS::Queue",
    "aws_sqs_queue_policy": "SQS::QueuePolicy",
}
RENAMED = {
    "aws_athena_workgroup.configuration.result_configuration.encryption_configuration.kms_key_arn": "KmsKey",
    "aws_cloudwatch_metric_alarm.metric_query": "Metrics",
    "aws_cloudwatch_metric_alarm.metric_query.metric": "MetricStat",
    "aws_cloudwatch_metric_alarm.metric_query.metric.dimensions": "Metric.Dimensions",
    "aws_cloudwatch_metric_alarm.metric_query.metric.metric_name": "Metric.MetricName",
    "aws_cloudwatch_metric_alarm.metric_query.metric.namespace": "Metric.Namespace",
    "aws_glue_crawler.s3_target": "Targets.S3Targets",
    "aws_iam_role_policy.name": "PolicyName",
    "aws_kms_key.deletion_window_in_days": "PendingWindowInDays",
    "aws_s3_bucket_lifecycle_configuration.rule": "LifecycleConfiguration.Rules",
    "aws_s3_bucket_ownership_controls.rule": "OwnershipControls.Rules",
    "aws_s3_bucket_server_side_encryption_configuration.rule": "BucketEncryption.ServerSideEncryptionConfiguration",
    "aws_s3_bucket_server_side_encryption_configuration.rule.apply_server_side_encryption_by_default": (
        "ServerSideEncryptionByDefault"
    ),
    "aws_sqs_queue.message_retention_seconds": "MessageRetentionPeriod",
}
TERRAFORMS_OWN = {"arn", "filename", "force_destroy", "id", "key_id", "region", "source_code_hash", "timeouts"}
WITHOUT_COUNTERPART = {
    *(f"{kind}.bucket" for kind, of in TYPES.items() if of == "S3::Bucket" and kind != "aws_s3_bucket"),
    "aws_glue_classifier.csv_classifier.serde",
    "aws_s3_bucket_lifecycle_configuration.rule.expiration",
    "aws_s3_bucket_lifecycle_configuration.rule.filter",
    "aws_sfn_state_machine.logging_configuration.log_destination",
    "aws_sqs_queue_policy.queue_url",
}
WRONG = {
    "aws_lambda_function": {"memory_size": 64},
    "aws_sqs_queue": {"message_retention_seconds": 15 * 24 * 60 * 60},
    "aws_s3_bucket_versioning": {"versioning_configuration": [{"status": "On"}]},
    "aws_cloudwatch_log_group": {"retention_in_days": 31},
}
"""Values that AWS rejects: a bound, another one, and two of an enumeration."""

IGNORED = ("E3003", "E3012", "E3019")
"""Required properties and types, which Terraform has elsewhere or otherwise; one name in two regions."""


class Converter:
    """Writes a resource of Terraform's as one of CloudFormation's, by its schema."""

    def __init__(self, kind: str) -> None:
        self.type = f"AWS::{TYPES[kind]}"
        self.schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, self.type).schema
        self.kind, self.unknown = kind, set[str]()

    def convert(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Convert a resource's attributes."""
        given = {name: value for name, value in values.items() if name not in TERRAFORMS_OWN}
        return self._object(self.schema, given, self.kind)

    def _object(self, schema: Any, values: Mapping[str, Any], place: str) -> dict[str, Any]:
        names = {name.lower(): name for name in schema.get("properties", {})}
        made: dict[str, Any] = {}
        for key, value in values.items():
            here = f"{place}.{key}"
            path = RENAMED.get(here) or next((names[each] for each in self._candidates(key) if each in names), None)
            if value is None or value == [] or here in WITHOUT_COUNTERPART:
                continue
            if path is None:
                self.unknown.add(here)
                continue
            *parents, last = path.split(".")
            into, within = made, schema
            for parent in parents:
                into, within = into.setdefault(parent, {}), self._resolved(within["properties"][parent])
            into[last] = self._value(within["properties"][last], value, here)
        return made

    def _candidates(self, key: str) -> tuple[str, ...]:
        """How CloudFormation may call an attribute: `name` of a role is RoleName, `policy` PolicyDocument."""
        kind, key = self.type.rpartition("::")[2].lower(), key.replace("_", "")
        return (
            key,
            kind + key,
            *(key + end for end in ("document", "name", "string", "s")),
            key.removesuffix("seconds"),
        )

    def _value(self, schema: Any, value: Any, place: str) -> Any:
        schema = self._resolved(schema)
        is_object = "object" in schema.get("type", "") and "array" not in schema.get("type", "")
        if isinstance(value, list):
            if is_object and len(value) == 1:
                return self._value(schema, value[0], place)
            return [self._value(schema.get("items", {}), each, place) for each in value]
        if isinstance(value, dict):
            return self._object(schema, value, place) if "properties" in schema else value
        if isinstance(value, str) and is_object and value[:1] == "{":
            return json.loads(value)
        return int(value) if isinstance(value, float) and value.is_integer() else value

    def _resolved(self, schema: Any) -> Any:
        while "$ref" in schema:
            found = self.schema
            for part in schema["$ref"].lstrip("#/").split("/"):
                found = found[part]
            schema = found
        return schema


def findings(state: Mapping[str, Any]) -> Iterator[str]:
    """What AWS's schemas do not allow, and what is not mapped."""
    template: dict[str, Any] = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {}}
    unknown: set[str] = set()
    for number, each in enumerate(state["root_module"]["resources"]):
        if each["mode"] == "managed" and each["type"] in TYPES:
            converter = Converter(each["type"])
            name = f"{re.sub(r'[^A-Za-z0-9]', '', each['address'])}{number}"
            template["Resources"][name] = {"Type": converter.type, "Properties": converter.convert(each["values"])}
            unknown |= converter.unknown
    yield from (f"{place} has no counterpart in TYPES' schema, nor in RENAMED" for place in sorted(unknown))
    for match in lint(json.dumps(template), regions=[REGION], config=ManualArgs(ignore_checks=[*IGNORED, "W", "I"])):
        yield f"{'/'.join(map(str, match.path or []))}: {match.rule.id} {match.message}"


def main() -> int:
    """Print every finding; return 1 if there is any."""
    state = json.load(sys.stdin)
    found = list(findings(state))
    for each in state["root_module"]["resources"]:
        each["values"].update(WRONG.get(each["type"], {}))
    noticed = " ".join(findings(state))
    found += [f"a wrong {kind} is not noticed" for kind in WRONG if kind.replace("_", "") not in noticed]
    for finding in found:
        sys.stderr.write(f"{finding}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
