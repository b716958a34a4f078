"""Whose rights a service of the embedded cloud acts with.

Athena reads the catalogue, the data and writes results with its *caller's* rights; a Glue crawler acts with
its own role's. Both call the server's own endpoint with those credentials, so MiniStack authenticates and
authorizes each call as it does any other: nothing here decides what is allowed.

Raises RoleUnusable when a role does not exist or does not trust Glue.
"""

import json
import os
import secrets
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from ministack.core.iam_evaluator import CredentialResolutionError, resolve_credential
from ministack.core.responses import get_account_id, get_region
from ministack.core.router import extract_access_key_id
from ministack.services import iam, sts

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client

SESSION_SECONDS = 3600
_CONFIG = Config(
    retries={"total_max_attempts": 3, "mode": "standard"},
    s3={"addressing_style": "path"},
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)
_session = boto3.session.Session()
_session_lock = threading.Lock()
_role_sessions: dict[tuple[str, str, str, str], tuple["Caller", float]] = {}


class RoleUnusable(Exception):
    """A role does not exist, or the service may not assume it."""


@dataclass(frozen=True)
class Caller:
    """Credentials, and the account and region that a request was made in."""

    account_id: str
    region: str
    access_key_id: str
    secret_access_key: str
    session_token: str | None
    arn: str

    @property
    def s3(self) -> "S3Client":
        """S3 with these rights."""
        client: S3Client = _client("s3", self)
        return client

    @property
    def glue(self) -> "GlueClient":
        """The Glue catalogue with these rights."""
        client: GlueClient = _client("glue", self)
        return client


def endpoint_url() -> str:
    """Where this server itself listens."""
    return os.environ.get("AWS_ENDPOINT_URL") or f"http://127.0.0.1:{os.environ.get('GATEWAY_PORT', '4566')}"


@lru_cache(maxsize=16)
def _client(service: str, caller: Caller) -> Any:
    # A boto3 session is not safe to make clients from in two threads; the clients themselves are.
    with _session_lock:
        return _session.client(  # type: ignore[call-overload]
            service,
            region_name=caller.region,
            endpoint_url=endpoint_url(),
            aws_access_key_id=caller.access_key_id,
            aws_secret_access_key=caller.secret_access_key,
            aws_session_token=caller.session_token,
            config=_CONFIG,
        )


def of_request(headers: dict[str, str], query_params: dict[str, list[str]]) -> Caller:
    """The caller of the request that is being handled; without AUTH an unknown key counts as the root's."""
    account_id = get_account_id()
    found = resolve_credential(extract_access_key_id(headers, query_params) or "test", account_id)
    if isinstance(found, CredentialResolutionError):
        found = resolve_credential("test", account_id)
    return Caller(
        account_id=found.account_id,
        region=get_region(),
        access_key_id=found.access_key_id or "test",
        secret_access_key=found.secret_access_key,
        session_token=found.session_token,
        arn=found.principal_arn,
    )


def of_role(role: str, service: str, session_name: str, account_id: str, region: str) -> Caller:
    """A session of `role` (name or ARN) for an AWS service such as `glue.amazonaws.com`.

    AssumeRole is called by the service itself on AWS, for which MiniStack has no caller: so the trust policy is
    read here and the session registered where MiniStack's STS would register it. A session serves again for half
    its time; what the role may do is looked up at each call all the same.
    """
    name = role.rsplit("/", 1)[-1]
    record = iam._roles.get_scoped(account_id, None, name)
    if record is None:
        raise RoleUnusable(f"The role {role} does not exist.")
    if not _trusts(record.get("AssumeRolePolicyDocument") or "{}", service):
        raise RoleUnusable(
            f"The role {role} cannot be assumed by {service}: its trust policy must allow sts:AssumeRole to it."
        )
    scope = (account_id, region, str(record.get("RoleId", name)), service)
    known = _role_sessions.get(scope)
    if known is not None and known[1] > time.time() + SESSION_SECONDS / 2:
        return known[0]
    access_key_id = "ASIA" + secrets.token_hex(8).upper()
    secret, token = secrets.token_urlsafe(30), secrets.token_urlsafe(90)
    arn = f"arn:aws:sts::{account_id}:assumed-role/{name}/{session_name}"
    sts.register_session(
        access_key_id,
        {
            "Arn": arn,
            "UserId": f"{record.get('RoleId', name)}:{session_name}",
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": time.time() + SESSION_SECONDS,
            "AccountId": account_id,
            "PrincipalType": "AssumedRole",
        },
    )
    caller = Caller(account_id, region, access_key_id, secret, token, arn)
    _role_sessions[scope] = (caller, time.time() + SESSION_SECONDS)
    return caller


def _trusts(policy: str | dict[str, Any], service: str) -> bool:
    document = json.loads(policy) if isinstance(policy, str) else policy
    statements = document.get("Statement", [])
    for statement in [statements] if isinstance(statements, dict) else statements:
        principal = statement.get("Principal", {})
        services = principal.get("Service", []) if isinstance(principal, dict) else []
        actions = statement.get("Action", [])
        if (
            statement.get("Effect") == "Allow"
            and service in ([services] if isinstance(services, str) else services)
            and "sts:AssumeRole" in ([actions] if isinstance(actions, str) else actions)
        ):
            return True
    return False
