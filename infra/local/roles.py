"""Create IAM roles for a local deployment."""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient


def policy(*statements: Mapping[str, Any]) -> str:
    """Write a policy that allows these statements."""
    allowed = [{"Effect": "Allow", **statement} for statement in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": allowed})


def create_role(iam: "IAMClient", name: str, service: str, statements: Iterable[Mapping[str, Any]]) -> str:
    """Create a role that a service may assume; return its ARN."""
    trust = policy({"Principal": {"Service": service}, "Action": "sts:AssumeRole"})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=policy(*statements))
    return role["Role"]["Arn"]
