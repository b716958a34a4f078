"""The permissions that a service of the local cloud acts with.

Athena reads the catalogue and the data and writes results with its *caller's* permissions; a Glue crawler acts with
its own role's. Both call the server's own endpoint with those credentials, so MiniStack authenticates and authorizes
each call as any other.

Raises RoleUnusable when a role does not exist or does not trust the service.
"""

import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from ministack.core.iam_evaluator import CredentialResolutionError, resolve_credential
from ministack.core.responses import get_account_id, get_region
from ministack.core.router import extract_access_key_id
from ministack.services import iam, sts

from functions.runtime.expires import keep_expires

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client

SESSION_SECONDS = 3600
CACHED_CLIENTS = 16
_CONFIG = Config(
    retries={"total_max_attempts": 3, "mode": "standard"},
    s3={"addressing_style": "path"},
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


class RoleUnusable(Exception):
    """A role does not exist, or the service may not assume it."""


class ServiceClients:
    """Boto3 clients for the server's own endpoint; the last ones used are cached."""

    def __init__(self, endpoint_url: str) -> None:
        self.endpoint_url = endpoint_url
        self._session = boto3.session.Session()
        self._lock = threading.Lock()
        self._cached = lru_cache(maxsize=CACHED_CLIENTS)(self._create)

    def get(self, service: str, caller: "Caller") -> Any:
        """Return a client that acts with a caller's permissions."""
        return self._cached(service, caller)

    def _create(self, service: str, caller: "Caller") -> Any:
        # Creating clients from a boto3 session is not thread-safe; using them is.
        with self._lock:
            client = self._session.client(  # type: ignore[call-overload]
                service,
                region_name=caller.region,
                endpoint_url=self.endpoint_url,
                aws_access_key_id=caller.access_key_id,
                aws_secret_access_key=caller.secret_access_key,
                aws_session_token=caller.session_token,
                config=_CONFIG,
            )
        if service == "s3":
            # An object with an empty Expires header can be read like any other.
            keep_expires(client)
        return client


@dataclass(frozen=True)
class Caller:
    """The credentials, account and region of a request."""

    account_id: str
    region: str
    access_key_id: str
    secret_access_key: str
    session_token: str | None
    arn: str
    clients: ServiceClients = field(repr=False, compare=False)

    @property
    def s3(self) -> "S3Client":
        """S3 with these permissions."""
        client: S3Client = self.clients.get("s3", self)
        return client

    @property
    def glue(self) -> "GlueClient":
        """The Glue catalogue with these permissions."""
        client: GlueClient = self.clients.get("glue", self)
        return client


class Callers:
    """Finds the caller of a request, and opens sessions of service roles."""

    def __init__(self, endpoint_url: str) -> None:
        self._clients = ServiceClients(endpoint_url)
        self._role_sessions: dict[tuple[str, str, str, str], tuple[Caller, float]] = {}

    def of_request(self, headers: dict[str, str], query_params: dict[str, list[str]]) -> Caller:
        """Return the caller of the current request; without AUTH, an unknown key counts as root's."""
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
            clients=self._clients,
        )

    def of_role(self, role: str, service: str, session_name: str, account_id: str, region: str) -> Caller:
        """Assume `role` (name or ARN) for an AWS service such as `glue.amazonaws.com`.

        On AWS the service itself calls AssumeRole, and MiniStack has no caller for that. So this reads the trust
        policy and registers the session where MiniStack's STS would. A session is reused for half its lifetime;
        MiniStack still evaluates the role's policies at each call.
        """
        name = role.rsplit("/", 1)[-1]
        record = iam._roles.get_scoped(account_id, None, name)
        if record is None:
            raise RoleUnusable(f"The role {role} does not exist.")
        if not _trusts(record.get("AssumeRolePolicyDocument") or "{}", service):
            raise RoleUnusable(f"{service} cannot assume the role {role}: its trust policy must allow sts:AssumeRole.")
        scope = (account_id, region, str(record.get("RoleId", name)), service)
        session = self._role_sessions.get(scope)
        if session is not None and session[1] > time.time() + SESSION_SECONDS / 2:
            return session[0]
        caller = Caller(
            account_id=account_id,
            region=region,
            access_key_id="ASIA" + secrets.token_hex(8).upper(),
            secret_access_key=secrets.token_urlsafe(30),
            session_token=secrets.token_urlsafe(90),
            arn=f"arn:aws:sts::{account_id}:assumed-role/{name}/{session_name}",
            clients=self._clients,
        )
        expires = time.time() + SESSION_SECONDS
        sts.register_session(
            caller.access_key_id,
            {
                "Arn": caller.arn,
                "UserId": f"{record.get('RoleId', name)}:{session_name}",
                "SecretAccessKey": caller.secret_access_key,
                "SessionToken": caller.session_token,
                "Expiration": expires,
                "AccountId": account_id,
                "PrincipalType": "AssumedRole",
            },
        )
        self._role_sessions[scope] = (caller, expires)
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
