"""No role may do what only another one has to: each is tried, with each role's own credentials, and denied."""

import re
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from infra import functions
from infra.local.deploy import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from infra.outputs import Outputs
from tests.permissions.calls import OF_BUCKETS, OF_OBJECTS, OF_QUEUES, OTHERS, Call
from tests.permissions.world import World

ROLES = [*functions.load(), "crawler"]
EVERYBODYS = ("logs:",)
"""Each role has these, for a log of its own."""

Attempt = tuple[str, str, Call, dict[str, Any]]
"""An action, the ARN that it is done to, the call and the arguments that name the place."""


def attempts(outputs: Outputs) -> Iterator[Attempt]:
    """All that any role may do, at every place of that kind there is."""
    for bucket, keys in (
        (outputs.source_bucket, ["a.csv"]),
        (outputs.target_bucket, ["a.csv"]),
        (outputs.athena_results, ["rules/migration.json", "results/a.csv"]),
    ):
        for action, call in OF_BUCKETS.items():
            yield action, f"arn:aws:s3:::{bucket}", call, {"Bucket": bucket}
        for key in keys:
            for action, call in OF_OBJECTS.items():
                yield action, f"arn:aws:s3:::{bucket}/{key}", call, {"Bucket": bucket, "Key": key}
    for url in (outputs.queue_url, outputs.dead_letter_queue_url):
        queue = f"arn:aws:sqs:{outputs.target_region}:000000000000:{url.rpartition('/')[2]}"
        for action, call in OF_QUEUES.items():
            yield action, queue, call, {"QueueUrl": url}
    for action, call in OTHERS.items():
        machine = {"stateMachineArn": outputs.state_machine_arn}
        yield action, "", call, machine if action.startswith("states:") else {}


def may(statements: list[dict[str, Any]], action: str, arn: str) -> bool:
    """Whether a role's statements allow it; what has no place here is allowed or not wherever it is."""
    return any(
        action in statement["Action"] and (not arn or any(_covers(each, arn) for each in statement["Resource"]))
        for statement in statements
    )


def _covers(resource: str, arn: str) -> bool:
    return re.fullmatch(re.escape(resource).replace(r"\*", ".*"), arn) is not None


def test_every_permission_of_a_role_can_be_tried(world: World) -> None:
    granted = {action for role in ROLES for each in world.statements_of(role) for action in each["Action"]}
    tried = {action for action, *_ in attempts(world.outputs)}
    assert {action for action in granted if not action.startswith(EVERYBODYS)} == tried


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    """One for all roles: reading the services' models takes longer than asking."""
    return boto3.Session()


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_nothing_that_only_others_have_to(world: World, session: boto3.Session, role: str) -> None:
    statements, clients = world.statements_of(role), clients_of(world, session, role)
    foreign = [each for each in attempts(world.outputs) if not may(statements, each[0], each[1])]
    for action, arn, (method, arguments), where in foreign:
        with pytest.raises(ClientError) as caught:
            getattr(clients[action.partition(":")[0]], method)(**where, **arguments)
        error = caught.value.response["Error"]
        assert error["Code"] in ("AccessDenied", "AccessDeniedException"), (action, arn)
        assert f"not authorized to perform: {action} " in error["Message"], (action, arn)
    assert len(foreign) > 50


def clients_of(world: World, session: boto3.Session, role: str) -> dict[str, Any]:
    """Clients with the rights of a role, as its function has them, by the prefix of their actions."""

    def client(service: str, *keys: str) -> Any:
        names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        return session.client(  # type: ignore[call-overload]  # the service is no literal
            service,
            region_name=world.outputs.target_region,
            endpoint_url=world.outputs.endpoint_url,
            **dict(zip(names, keys, strict=False)),
        )

    arn = world.clients.iam.get_role(RoleName=world.role_of(role))["Role"]["Arn"]
    root = client("sts", ACCESS_KEY_ID, SECRET_ACCESS_KEY)
    given = root.assume_role(RoleArn=arn, RoleSessionName="tried")["Credentials"]
    keys = (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    services = {"s3": "s3", "sqs": "sqs", "glue": "glue", "athena": "athena", "states": "stepfunctions"}
    return {prefix: client(service, *keys) for prefix, service in services.items()}
