"""A deployment and the boto3 clients for its services.

With an `endpoint_url` the deployment is the local cloud (or another emulator), whose credentials are in the file `env`
beside its outputs file, so that a command works in any shell; without one it is AWS, with the credentials that boto3
finds. A failed call becomes a CommandError. Raises InfraError when the outputs file is missing.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from boto3.exceptions import Boto3Error
from botocore import exceptions
from botocore.config import Config

from ferry.aws.locate import default_outputs, read_environment
from ferry.errors import CommandError
from functions.runtime.expires import keep_expires
from infra.aws_errors import explain
from infra.terraform.outputs import Outputs, load

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

CONNECT_SECONDS = 5
ATTEMPTS = 5
PACED_SERVICE, PACED_ATTEMPTS = "stepfunctions", 10
"""Step Functions admits only a few calls a second, and thousands of executions may be read: only a client that adapts
its pace succeeds ("Retries" in the Boto3 documentation, adaptive mode)."""


class Deployment:
    """A deployment, and clients for its services in their regions."""

    def __init__(self, outputs: Outputs, environment: Path | None = None) -> None:
        self.outputs = outputs
        self._session = _session(outputs, environment)
        self._client = cache(self._make_client)

    @property
    def on_aws(self) -> bool:
        """Whether it runs on AWS, not in an emulator."""
        return self.outputs.endpoint_url is None

    @property
    def step_functions(self) -> "SFNClient":
        """Step Functions in the target region."""
        client: SFNClient = self._client("stepfunctions", self.outputs.target_region)
        return client

    def s3(self, region: str, attempts: int | None = None) -> "S3Client":
        """S3 in a region; `attempts=1` is for requests that must not be repeated."""
        client: S3Client = self._client("s3", region, attempts) if attempts else self._client("s3", region)
        return client

    @property
    def source_s3(self) -> "S3Client":
        """S3 in the main source's region."""
        return self.s3(self.outputs.source_region)

    @property
    def target_s3(self) -> "S3Client":
        """S3 in the target region."""
        return self.s3(self.outputs.target_region)

    @property
    def sqs(self) -> "SQSClient":
        """SQS in the target region, which has the upload queue and its dead-letter queue."""
        return self.sqs_in(self.outputs.target_region)

    def sqs_in(self, region: str) -> "SQSClient":
        """SQS in a region: each topic's region has a queue of undelivered events."""
        client: SQSClient = self._client("sqs", region)
        return client

    @property
    def lambda_(self) -> "LambdaClient":
        """Lambda in the target region, where the functions are."""
        client: LambdaClient = self._client("lambda", self.outputs.target_region)
        return client

    @property
    def athena(self) -> "AthenaClient":
        """Athena in the target region."""
        client: AthenaClient = self._client("athena", self.outputs.target_region)
        return client

    @property
    def glue(self) -> "GlueClient":
        """Glue in the target region."""
        client: GlueClient = self._client("glue", self.outputs.target_region)
        return client

    def cloudwatch_in(self, region: str) -> Any:
        """CloudWatch in a region."""
        return self._client("cloudwatch", region)

    def _make_client(self, service: str, region: str, attempts: int | None = None) -> Any:
        retries: dict[str, Any] = {
            "mode": "standard",
            "total_max_attempts": attempts or (ATTEMPTS if self.on_aws else 2),
        }
        if self.on_aws and service == PACED_SERVICE:
            retries = {"mode": "adaptive", "total_max_attempts": PACED_ATTEMPTS}
        settings: dict[str, Any] = {
            "connect_timeout": CONNECT_SECONDS,
            "retries": retries,
            "max_pool_connections": 16,
        }
        if not self.on_aws:
            # An emulator has no virtual-hosted bucket names and is not behind a proxy.
            settings |= {"s3": {"addressing_style": "path"}, "proxies": {}}
        client: Any = self._session.client(
            service,  # type: ignore[call-overload]  # the service is not a literal here
            region_name=region,
            endpoint_url=self.outputs.endpoint_url,
            config=Config(**settings),
        )
        if service == "s3":
            keep_expires(client)
        return client


@contextmanager
def opened(path: Path | None) -> Iterator[Deployment]:
    """The deployment of an outputs file; a failed call becomes a CommandError of one line."""
    path = path or default_outputs()
    with explained(load(path)) as outputs:
        yield Deployment(outputs, path.with_name("env"))


@contextmanager
def explained(outputs: Outputs) -> Iterator[Outputs]:
    """Turn a failed call to a deployment into a CommandError."""
    try:
        yield outputs
    except (exceptions.BotoCoreError, exceptions.ClientError, Boto3Error) as error:
        raise CommandError(explain(error, outputs.endpoint_url or "AWS")) from error


def _session(outputs: Outputs, environment: Path | None) -> boto3.Session:
    if outputs.endpoint_url is None:
        return boto3.Session()
    # Profiles and configuration files are for AWS and must not affect the local cloud.
    core = botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
        }
    )
    values = read_environment(environment) if environment else {}
    return boto3.Session(
        aws_access_key_id=values.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=values.get("AWS_SECRET_ACCESS_KEY"),
        botocore_session=core,
    )
