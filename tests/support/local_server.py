"""A server of the local cloud for the tests of its own services: nothing is deployed in it.

One per session. Each test creates what it needs under its own names, and acts with the permissions that it grants.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import duckdb
from botocore.config import Config

CHECKOUT = Path(__file__).parents[2]
REGION = "us-east-1"
ACCOUNT = "000000000000"


@dataclass(frozen=True)
class Server:
    """A running server, with clients that have root's permissions."""

    endpoint_url: str
    pid: int

    def client(self, service: str, credentials: dict[str, str] | None = None) -> Any:
        keys = credentials or {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return _client(service, self.endpoint_url, tuple(keys.items()))

    def user(self, name: str, statements: list[dict[str, Any]]) -> dict[str, str]:
        """The keys of a new user who may do just this."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy(statements))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}

    def role(self, name: str, statements: list[dict[str, Any]], service: str = "glue.amazonaws.com") -> str:
        """The ARN of a new role that a service may assume."""
        iam = self.client("iam")
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy([trust]))["Role"]["Arn"]
        self.permit(name, statements)
        return str(arn)

    def permit(self, role: str, statements: list[dict[str, Any]]) -> None:
        """Replace a role's permissions."""
        self.client("iam").put_role_policy(RoleName=role, PolicyName="own", PolicyDocument=policy(statements))


@cache
def _client(service: str, endpoint_url: str, keys: tuple[tuple[str, str], ...]) -> Any:
    return boto3.client(  # type: ignore[call-overload]
        service,
        region_name=REGION,
        endpoint_url=endpoint_url,
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        **dict(keys),
    )


def write_parquet(path: Path, select: str) -> None:
    """The rows of a SELECT as a Parquet file."""
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")


def policy(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def allow(actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources}


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Server]:
    """Start a server on a free port; it always exits with the test session."""
    temporary = folder / "tmp"
    temporary.mkdir()
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener, (folder / "log").open("wb") as log:
        port = listener.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TMPDIR": str(temporary),
            "AUTH": "true",
            "MINISTACK_REGION": REGION,
            "GATEWAY_PORT": str(port),
            "AWS_ENDPOINT_URL": url,
            "DOCKER_HOST": "unix:///nonexistent",
            "FERRY_CRAWL_SECONDS": "0.2",
            "SFN_WAIT_SCALE": "0.01",
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "LOG_LEVEL": "INFO",
            **settings,
        }
        server = subprocess.Popen(
            [
                sys.executable,
                "-P",
                str(CHECKOUT / "infra" / "local" / "server.py"),
                f"--socket={listener.fileno()}",
                "--exit-with-parent",
            ],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[listener.fileno()],
        )
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/_ministack/health")
        assert connection.getresponse().status == 200, (folder / "log").read_text()
        connection.close()
        yield Server(url, server.pid)
    finally:
        server.kill()
        server.wait()
        if server.stdin is not None:
            server.stdin.close()
