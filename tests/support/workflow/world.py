"""A cloud for the session, and for each test the state machine with the real handlers."""

import contextlib
import logging
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from functions.contract.models import ExecutionInput, Source
from functions.runtime import clients
from infra.local import lifecycle, provision
from infra.terraform.outputs import Outputs
from statemachine import declaration
from tests.support.workflow.interference import Interference
from tests.support.workflow.machine import REGION, Clock, Lambdas, Machine, install

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_s3 import S3Client

MOTO = {
    "core": {"mock_credentials": False, "reset_boto3_session": False},
    "lambda": {"use_docker": False},
    "stepfunctions": {"execute_state_machine": True},
}


@dataclass(frozen=True)
class World:
    """All that a test needs: the state machine, the buckets, and the means to get in the way."""

    machine: Machine
    clock: Clock
    lambdas: Lambdas
    interference: Interference
    outputs: Outputs
    folder: str
    """A folder in the buckets, and so a table, that no other test uses."""

    source: "S3Client"
    target: "S3Client"
    glue: "GlueClient"
    iam: "IAMClient"

    def upload(self, name: str, body: bytes, bucket: str = "", **arguments: Any) -> ExecutionInput:
        """Upload an object under the test's folder, and say what the starter would."""
        bucket, key = bucket or self.outputs.source_bucket, f"{self.folder}/{name}"
        put = self.source.put_object(Bucket=bucket, Key=key, Body=body, **arguments)
        return ExecutionInput(
            source=Source(
                bucket=bucket,
                region=self.outputs.source_region,
                key=key,
                version_id=put.get("VersionId"),
                etag=put["ETag"].strip('"'),
                sequencer=uuid.uuid4().hex[:16],
                size_bytes=len(body),
            )
        )

    def meddle(self, name: str, body: bytes) -> str:
        """Write the target as somebody else would; gives the version."""
        put = self.target.put_object(Bucket=self.outputs.target_bucket, Key=f"{self.folder}/{name}", Body=body)
        return put["VersionId"]

    def arrived(self, name: str) -> bytes:
        """The bytes at the target."""
        answer = self.target.get_object(Bucket=self.outputs.target_bucket, Key=f"{self.folder}/{name}")
        return answer["Body"].read()

    def versions(self, name: str) -> int:
        """How many versions of the object there are at the target."""
        answer = self.target.list_object_versions(Bucket=self.outputs.target_bucket, Prefix=f"{self.folder}/{name}")
        return len(answer.get("Versions", []))

    def calls(self, function: str, execution: str | None = None) -> int:
        """How often a function was invoked."""
        return sum(call.function == function and execution in (None, call.execution) for call in self.lambdas.calls)


@pytest.fixture(scope="session")
def cloud_outputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outputs]:
    """An embedded cloud in which an upload starts nothing by itself, and a crawl takes half the usual time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(lifecycle.SETTINGS, "FERRY_CRAWL_SECONDS", "1")
        running = contextlib.ExitStack()
        up = running.enter_context(lifecycle.running(tmp_path_factory.mktemp("cloud")))
    with running:
        source = _client("s3", up.outputs.source_region, up.outputs)
        source.put_bucket_notification_configuration(Bucket=up.outputs.source_bucket, NotificationConfiguration={})
        yield up.outputs


@dataclass(frozen=True)
class Clients:
    """The tests' own clients, which no interference sees."""

    source: "S3Client"
    target: "S3Client"
    glue: "GlueClient"
    iam: "IAMClient"


@pytest.fixture(scope="session")
def clients_of_tests(cloud_outputs: Outputs) -> Clients:
    """Made once: reading the services' models takes a second."""
    source_region, target_region = cloud_outputs.source_region, cloud_outputs.target_region
    return Clients(
        source=_client("s3", source_region, cloud_outputs),
        target=_client("s3", target_region, cloud_outputs),
        glue=_client("glue", target_region, cloud_outputs),
        iam=_client("iam", target_region, cloud_outputs),
    )


@pytest.fixture(scope="session")
def interference_of_session() -> tuple[boto3.Session, Interference]:
    """The session of the handlers' clients, with somebody in the way. Made once, for the same reason."""
    session = boto3.Session(
        aws_access_key_id=provision.ACCESS_KEY_ID, aws_secret_access_key=provision.SECRET_ACCESS_KEY
    )
    interference = Interference()
    interference.install(session)
    return session, interference


@pytest.fixture
def world(
    cloud_outputs: Outputs,
    clients_of_tests: Clients,
    interference_of_session: tuple[boto3.Session, Interference],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    """The state machine, with S3, Glue and Athena going to the embedded cloud."""
    outputs = cloud_outputs
    session, interference = interference_of_session
    interference.forget()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for service in ("S3", "GLUE", "ATHENA"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", str(outputs.endpoint_url))
    for declared in declaration.load().values():
        for name, value in declaration.fill(declared, outputs.placeholders()).environment.items():
            monkeypatch.setenv(name, value)
    # It logs its whole program with every error.
    monkeypatch.setattr(logging.getLogger("moto"), "level", logging.CRITICAL)
    lambdas = Lambdas()
    clock = Clock()
    install(monkeypatch, lambdas, clock)
    with mock_aws(config=MOTO):
        # moto imports a service at its first request: two executions that begin together would meet half a module.
        moto_session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
        moto_session.client("lambda").list_functions()
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
        clients._client.cache_clear()
        yield World(
            machine=Machine(lambdas),
            clock=clock,
            lambdas=lambdas,
            interference=interference,
            outputs=outputs,
            folder=f"t{uuid.uuid4().hex[:12]}",
            **vars(clients_of_tests),
        )
    clients._client.cache_clear()


def _client(service: str, region: str, outputs: Outputs) -> Any:
    """A client of the test's own, which no interference sees."""
    session = boto3.Session(
        aws_access_key_id=provision.ACCESS_KEY_ID,
        aws_secret_access_key=provision.SECRET_ACCESS_KEY,
        region_name=region,
    )
    return session.client(service, endpoint_url=outputs.endpoint_url)  # type: ignore[call-overload]
