"""The embedded cloud runs the committed workflow, each placeholder filled with the function of its name."""

from typing import TYPE_CHECKING

import boto3

from infra.local import provision
from infra.terraform.outputs import Outputs
from statemachine import declaration
from statemachine.check import PLACEHOLDER
from statemachine.render import ASL_FILE

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_stepfunctions import SFNClient


def session() -> boto3.Session:
    return boto3.Session(
        aws_access_key_id=provision.ACCESS_KEY_ID,
        aws_secret_access_key=provision.SECRET_ACCESS_KEY,
        region_name=provision.TARGET_REGION,
    )


def test_every_function_is_deployed_under_its_name(cloud_outputs: Outputs) -> None:
    client: LambdaClient = session().client("lambda", endpoint_url=cloud_outputs.endpoint_url)
    deployed = {function["FunctionName"] for function in client.list_functions()["Functions"]}
    assert deployed == {f"ferry-{key.replace('_', '-')}" for key in declaration.load()}


def test_the_workflow_that_is_deployed_is_the_committed_one(cloud_outputs: Outputs) -> None:
    client: SFNClient = session().client("stepfunctions", endpoint_url=cloud_outputs.endpoint_url)
    arn = f"arn:aws:lambda:{provision.TARGET_REGION}:{provision.ACCOUNT}:function:ferry-"
    expected = PLACEHOLDER.sub(lambda match: arn + match[1].replace("_", "-"), ASL_FILE.read_text())
    deployed = client.describe_state_machine(stateMachineArn=cloud_outputs.state_machine_arn)
    assert deployed["definition"] == expected
