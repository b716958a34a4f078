"""Deploy to the local cloud what Terraform deploys to AWS, with the same names and through the same APIs.

Everything is created in an empty cloud, and nothing is started: no execution, no crawl, no query, no table. Raises
DeclarationInvalid before the first call when the functions' declaration or the workflow is invalid, and botocore's
errors when the cloud rejects a call. Not idempotent: infra.local.lifecycle starts a new cloud instead.

Queue settings follow "Using Lambda with Amazon SQS" (visibility six times the timeout, five receives), the topic's
policy "Granting permissions to publish event notification messages to a destination" (S3), the queue's policy
"Subscribing an Amazon SQS queue to an Amazon SNS topic".
"""

import io
import json
import os
import shlex
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config

from functions.contract.rules import NO_RULES, Rules
from infra.build.function_zips import CHECKOUT, package
from infra.build.reproducible_zip import entry
from infra.local.provision_catalogue import create_catalogue
from infra.local.roles import create_role, policy
from infra.terraform.outputs import Outputs
from statemachine import check, check_bulk, declaration
from statemachine.declaration import PLACEHOLDER, Function
from statemachine.errors import DeclarationInvalid

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

NAME = "ferry"
SOURCE_REGION = "us-west-2"
TARGET_REGION = "us-east-1"
ACCOUNT = "000000000000"
"""MiniStack's only account."""

ACCESS_KEY_ID = "test"
SECRET_ACCESS_KEY = "test"  # noqa: S105 - MiniStack's root user, on this machine only
"""The operator's key."""

PACKAGES = Path(sysconfig.get_path("purelib"))
RUNTIME_CLIENT = CHECKOUT / "infra" / "local" / "lambda_" / "runtime"
WORKFLOW = CHECKOUT / "statemachine" / "migrate.asl.json"
BULK_WORKFLOW = CHECKOUT / "statemachine" / "migrate_bulk.asl.json"
AUDIT_WORKFLOW = CHECKOUT / "statemachine" / "audit.asl.json"
STARTER = "starter"
BUCKET_OWNERS = "BUCKET_OWNERS"
RULES_KEY = "RULES_KEY"
RECEIVES = 5
MAX_STARTERS = 2


@dataclass(frozen=True)
class ProvisionPlan:
    """The input of a deployment, read and checked before anything is started."""

    functions: dict[str, Function]
    packages: dict[str, bytes]
    workflow: str
    bulk_workflow: str
    audit_workflow: str
    rules: Rules


def plan(rules: Rules = NO_RULES) -> ProvisionPlan:
    """Read the input of a deployment. Raises DeclarationInvalid."""
    declared = declaration.load()
    workflow = _checked(WORKFLOW, check.findings_in_file)
    bulk_workflow = _checked(BULK_WORKFLOW, check_bulk.findings_in_file)
    audit_workflow = _checked(AUDIT_WORKFLOW, check_bulk.audit_findings_in_file)
    if rules == NO_RULES:
        readers = [key for key, function in declared.items() if RULES_KEY in function.environment]
        declared |= {key: with_environment(declared[key], {RULES_KEY: ""}) for key in readers}
    packages = {key: with_bootstrap(package(key)) for key in declared}
    return ProvisionPlan(declared, packages, workflow, bulk_workflow, audit_workflow, rules)


def _checked(file: Path, findings_in_file: Callable[[str], list[str]]) -> str:
    """Return the text of a rendered workflow; raises DeclarationInvalid if it must not be deployed."""
    if not file.is_file():
        raise DeclarationInvalid(f"{file} does not exist. Run `make asl` to render it.")
    text = file.read_text(encoding="utf-8")
    for finding in findings_in_file(text):
        raise DeclarationInvalid(f"{file}: {finding}")
    return text


def outputs_of(endpoint_url: str) -> Outputs:
    """Name the resources of a deployment at this endpoint."""
    return Outputs(
        name=NAME,
        source_region=SOURCE_REGION,
        target_region=TARGET_REGION,
        endpoint_url=endpoint_url,
        source_bucket=f"{NAME}-source-{SOURCE_REGION}",
        target_bucket=f"{NAME}-target-{TARGET_REGION}",
        uploads_topic_arn=f"arn:aws:sns:{SOURCE_REGION}:{ACCOUNT}:{NAME}-uploads",
        queue_url=f"{endpoint_url}/{ACCOUNT}/{NAME}-uploads",
        dead_letter_queue_url=f"{endpoint_url}/{ACCOUNT}/{NAME}-uploads-dead-letters",
        state_machine_arn=f"arn:aws:states:{TARGET_REGION}:{ACCOUNT}:stateMachine:{NAME}-migrate",
        bulk_state_machine_arn=f"arn:aws:states:{TARGET_REGION}:{ACCOUNT}:stateMachine:{NAME}-migrate-bulk",
        audit_state_machine_arn=f"arn:aws:states:{TARGET_REGION}:{ACCOUNT}:stateMachine:{NAME}-audit",
        crawler_name=NAME,
        glue_database=NAME,
        athena_workgroup=NAME,
        athena_results=f"{NAME}-athena-results-{TARGET_REGION}",
    )


def with_environment(function: Function, variables: Mapping[str, str]) -> Function:
    """Add environment variables to a function, or replace their values."""
    return function.model_copy(update={"environment": {**function.environment, **variables}})


def name_owners(function: Function, outputs: Outputs) -> Function:
    """Add the owners of the buckets to a function that declares the variable."""
    if BUCKET_OWNERS not in function.environment:
        return function
    owners = dict.fromkeys((outputs.source_bucket, outputs.target_bucket, outputs.athena_results), ACCOUNT)
    return with_environment(function, {BUCKET_OWNERS: json.dumps(owners)})


def deploy(plan: ProvisionPlan, outputs: Outputs) -> None:
    """Create everything that `outputs` names, and wait until it is ready."""
    clients = Clients(outputs)
    roles = {
        key: _create_function_role(clients.iam, outputs, key, function) for key, function in plan.functions.items()
    }
    with ThreadPoolExecutor() as pool:
        # A function becomes active some time after its creation, so functions come first.
        created = {
            key: pool.submit(_create_function, clients, outputs, key, function, plan.packages[key], roles[key])
            for key, function in plan.functions.items()
        }
        arns = {key: function.result() for key, function in created.items()}
    _create_buckets(clients, outputs)
    _put_rules(clients, outputs, plan.functions[STARTER], plan.rules)
    create_catalogue(clients.iam, clients.glue, clients.athena, outputs)
    _create_workflow(clients, outputs.state_machine_arn, plan.workflow, arns, [])
    with_maps = (
        (outputs.bulk_state_machine_arn, plan.bulk_workflow, "runs"),
        (outputs.audit_state_machine_arn, plan.audit_workflow, "audits"),
    )
    for machine, text, root in with_maps:
        if machine:
            _create_workflow(clients, machine, text, arns, _map_statements(machine, f"{outputs.athena_results}/{root}"))
    _create_queues(clients, outputs, plan.functions[STARTER])
    waiter = clients.lambda_.get_waiter("function_active_v2")
    for arn in arns.values():
        waiter.wait(FunctionName=arn, WaiterConfig={"Delay": 0, "MaxAttempts": 10_000})
    _consume_uploads(clients, outputs, arns[STARTER])


class Clients:
    """The clients of one deployment, independent of the operator's own AWS configuration."""

    def __init__(self, outputs: Outputs) -> None:
        session = boto3.Session(
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
            region_name=outputs.target_region,
            botocore_session=botocore.session.Session(session_vars=_NO_CONFIGURATION),
        )
        # The cloud is on this machine: there is no proxy, and no retry helps against its errors.
        common: dict[str, Any] = {
            "endpoint_url": outputs.endpoint_url,
            "config": Config(proxies={}, retries={"total_max_attempts": 1}),
        }
        self.iam = session.client("iam", **common)
        self.lambda_ = session.client("lambda", **common)
        self.s3 = session.client("s3", **common)
        self.source_s3 = session.client("s3", region_name=outputs.source_region, **common)
        self.sns = session.client("sns", region_name=outputs.source_region, **common)
        self.sqs = session.client("sqs", **common)
        self.stepfunctions = session.client("stepfunctions", **common)
        self.glue = session.client("glue", **common)
        self.athena = session.client("athena", **common)
        self.scheduler = session.client("scheduler", **common)


_NO_CONFIGURATION: dict[str, tuple[Any, Any, Any, Any]] = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


def with_bootstrap(content: bytes, packages: Path = PACKAGES) -> bytes:
    """Add a bootstrap to a function's zip, in place of Lambda's Python runtime on AWS.

    Python runs with -S and the path of site-packages: .pth files would make this checkout importable, and a module
    that is missing in the zip would be found locally, but not on AWS. The runtime client in plain Python comes last,
    so that it is used only where awslambdaric has no native one.
    """
    path = shlex.quote(f"{packages}{os.pathsep}{RUNTIME_CLIENT}")
    command = f'exec {shlex.quote(sys.executable)} -S -m awslambdaric "$_HANDLER"'
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a") as target:
        target.writestr(entry("bootstrap", executable=True), f"#!/bin/sh\nexport PYTHONPATH={path}\n{command}\n")
    return buffer.getvalue()


def _function_name(outputs: Outputs, key: str) -> str:
    return f"{outputs.name}-{key.replace('_', '-')}"


def _create_function_role(iam: "IAMClient", outputs: Outputs, key: str, function: Function) -> str:
    name = _function_name(outputs, key)
    log_group = f"arn:aws:logs:{outputs.target_region}:*:log-group:/aws/lambda/{name}"
    filled = declaration.fill(function, outputs.placeholders())
    statements = [{"Sid": s.sid, "Action": s.actions, "Resource": s.resources} for s in filled.statements]
    log = {
        "Sid": "WriteLog",
        "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": [log_group, f"{log_group}:*"],
    }
    return create_role(iam, name, "lambda.amazonaws.com", [*statements, log])


def _create_function(
    clients: Clients, outputs: Outputs, key: str, function: Function, content: bytes, role: str
) -> str:
    filled = name_owners(declaration.fill(function, outputs.placeholders()), outputs)
    created = clients.lambda_.create_function(
        FunctionName=_function_name(outputs, key),
        Runtime="provided.al2023",
        Handler=filled.handler,
        Role=role,
        Code={"ZipFile": content},
        MemorySize=filled.memory_mb,
        Timeout=filled.timeout_seconds,
        Environment={"Variables": filled.environment},
    )
    return created["FunctionArn"]


def _create_buckets(clients: Clients, outputs: Outputs) -> None:
    clients.source_s3.create_bucket(
        Bucket=outputs.source_bucket,
        CreateBucketConfiguration={"LocationConstraint": outputs.source_region},  # type: ignore[typeddict-item]
    )
    clients.s3.create_bucket(Bucket=outputs.target_bucket)
    clients.s3.put_bucket_versioning(Bucket=outputs.target_bucket, VersioningConfiguration={"Status": "Enabled"})
    clients.s3.create_bucket(Bucket=outputs.athena_results)


def _put_rules(clients: Clients, outputs: Outputs, starter: Function, rules: Rules) -> None:
    """Store the rules where the starter reads them."""
    if rules == NO_RULES:
        return
    settings = declaration.fill(starter, outputs.placeholders()).environment
    clients.s3.put_object(
        Bucket=settings["RULES_BUCKET"],
        Key=settings[RULES_KEY],
        Body=rules.model_dump_json(indent=2).encode(),
        ContentType="application/json",
    )


def _create_queues(clients: Clients, outputs: Outputs, starter: Function) -> None:
    """Create the path of an event: bucket, topic, queue and dead-letter queue."""
    queue_arn = f"arn:aws:sqs:{outputs.target_region}:{ACCOUNT}:{outputs.name}-uploads"
    dead_letters_arn = f"{queue_arn}-dead-letters"
    topic_arn, bucket_arn = outputs.uploads_topic_arn, f"arn:aws:s3:::{outputs.source_bucket}"
    clients.sqs.create_queue(
        QueueName=f"{outputs.name}-uploads-dead-letters",
        Attributes={
            "MessageRetentionPeriod": str(14 * 24 * 3600),
            "RedriveAllowPolicy": json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": [queue_arn]}),
        },
    )
    from_topic = {
        "Sid": "FromTopic",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
    }
    clients.sqs.create_queue(
        QueueName=f"{outputs.name}-uploads",
        Attributes={
            "VisibilityTimeout": str(6 * starter.timeout_seconds),
            "MessageRetentionPeriod": str(14 * 24 * 3600),
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": dead_letters_arn, "maxReceiveCount": RECEIVES}),
            "Policy": policy(from_topic),
        },
    )
    from_bucket = {
        "Sid": "FromBucket",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic_arn,
        "Condition": {
            "ArnEquals": {"aws:SourceArn": bucket_arn},
            "StringEquals": {"aws:SourceAccount": ACCOUNT},
        },
    }
    clients.sns.create_topic(Name=f"{outputs.name}-uploads", Attributes={"Policy": policy(from_bucket)})
    clients.sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=queue_arn)
    # The same id as Terraform and `ferry adopt` use.
    notification_id = f"s3-ferry-{outputs.name}-main"
    clients.source_s3.put_bucket_notification_configuration(
        Bucket=outputs.source_bucket,
        NotificationConfiguration={
            "TopicConfigurations": [{"Id": notification_id, "TopicArn": topic_arn, "Events": ["s3:ObjectCreated:*"]}]
        },
    )


def _consume_uploads(clients: Clients, outputs: Outputs, starter_arn: str) -> None:
    clients.lambda_.create_event_source_mapping(
        EventSourceArn=f"arn:aws:sqs:{outputs.target_region}:{ACCOUNT}:{outputs.name}-uploads",
        FunctionName=starter_arn,
        BatchSize=10,
        ScalingConfig={"MaximumConcurrency": MAX_STARTERS},
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )


def _map_statements(machine: str, folder: str) -> list[dict[str, Any]]:
    """Return what a workflow with Distributed Maps needs besides its functions.

    "IAM policies for using Distributed Map states" (AWS Step Functions Developer Guide): its own executions, the
    file that lists the slices, and what the ResultWriter writes.
    """
    executions = f"{machine.replace(':stateMachine:', ':execution:')}:*"
    return [
        {"Sid": "StartChildren", "Action": ["states:StartExecution"], "Resource": [machine]},
        {
            "Sid": "ManageChildren",
            "Action": ["states:DescribeExecution", "states:StopExecution"],
            "Resource": [executions],
        },
        {
            "Sid": "ReadSlices",
            "Action": ["s3:GetObject"],
            "Resource": [f"arn:aws:s3:::{folder}/*"],
        },
        {
            "Sid": "WriteMapResults",
            "Action": ["s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"],
            "Resource": [f"arn:aws:s3:::{folder}/*/map/*"],
        },
    ]


def _create_workflow(
    clients: Clients, arn: str, workflow: str, arns: Mapping[str, str], statements: list[dict[str, Any]]
) -> None:
    steps = sorted(arns[key] for key in set(PLACEHOLDER.findall(workflow)))
    invoke = {
        "Sid": "InvokeSteps",
        "Action": ["lambda:InvokeFunction"],
        "Resource": [*steps, *(f"{arn}:*" for arn in steps)],
    }
    name = arn.rpartition(":")[2]
    role = create_role(clients.iam, name, "states.amazonaws.com", [invoke, *statements])
    clients.stepfunctions.create_state_machine(
        name=name,
        type="STANDARD",
        roleArn=role,
        definition=PLACEHOLDER.sub(lambda match: arns[match[1]], workflow),
    )
