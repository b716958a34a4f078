"""A deployment as its users have it: by its outputs file, through S3's, AWS's and ferry's public interfaces."""

import dataclasses
import json
import os
import subprocess
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
import psutil
from botocore.config import Config

from ferry.stepfunctions.events import error_message
from infra.build.function_zips import CHECKOUT
from infra.local import lifecycle
from infra.terraform.outputs import Outputs, load
from tests.support.deployed.names import OWN, in_mode
from tests.support.deployed.waiting import PATIENCE_SECONDS, wait_for

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

PROGRAMS = CHECKOUT / ".venv" / "bin"


def ferry(command: str, outputs: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `ferry` in the checkout; its streams are read to their ends, so that a server that holds one is noticed."""
    return subprocess.run(
        [PROGRAMS / "ferry", command, *arguments, "--outputs", outputs],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


@dataclasses.dataclass(frozen=True)
class Run:
    """One execution that has ended."""

    arn: str
    name: str
    key: str
    status: str
    input: str
    document: dict[str, Any]
    """Its output; empty when it failed."""

    error: str
    cause: str
    """The message of the function that failed."""

    redrives: int

    @property
    def states(self) -> dict[str, Any]:
        """The statuses of the steps, by step."""
        return {step: result["status"] for step, result in self.document.items() if "status" in result}


class Deployed:
    """One deployment and the means to use it."""

    def __init__(self, outputs_file: Path) -> None:
        self.outputs_file = outputs_file
        self.outputs: Outputs = load(outputs_file)
        self.environment = _environment(outputs_file.with_name("env"))
        # Only `aws` uses it: the other programs read the regions from the outputs.
        self.environment.setdefault("AWS_DEFAULT_REGION", self.outputs.source_region)
        # The clocks may differ by a little.
        self._began = datetime.now(UTC) - timedelta(minutes=5)
        self._inputs: dict[str, str] = {}

    @cached_property
    def source(self) -> "S3Client":
        client: S3Client = self.client("s3", self.outputs.source_region)
        return client

    @cached_property
    def target(self) -> "S3Client":
        client: S3Client = self.client("s3", self.outputs.target_region)
        return client

    @cached_property
    def step_functions(self) -> "SFNClient":
        client: SFNClient = self.client("stepfunctions", self.outputs.target_region)
        return client

    @cached_property
    def sqs(self) -> "SQSClient":
        client: SQSClient = self.client("sqs", self.outputs.target_region)
        return client

    @cached_property
    def sns(self) -> "SNSClient":
        client: SNSClient = self.client("sns", self.outputs.source_region)
        return client

    @cached_property
    def glue(self) -> "GlueClient":
        client: GlueClient = self.client("glue", self.outputs.target_region)
        return client

    @cached_property
    def iam(self) -> "IAMClient":
        client: IAMClient = self.client("iam", self.outputs.target_region)
        return client

    @cached_property
    def functions(self) -> "LambdaClient":
        client: LambdaClient = self.client("lambda", self.outputs.target_region)
        return client

    def client(self, service: str, region: str, **configuration: Any) -> Any:
        """A client with the caller's own credentials on AWS, else with those of the cloud's env file."""
        settings: dict[str, Any] = {"max_pool_connections": 16, **configuration}
        if self.outputs.endpoint_url is None:
            settings["retries"] = {"mode": "adaptive", "total_max_attempts": 10}
            session = boto3.Session()
        else:
            # No setting that is meant for AWS applies.
            settings["proxies"] = {}
            nothing = {"profile": None, "config_file": os.devnull, "credentials_file": os.devnull}
            variables: Any = {name: (None, None, value, None) for name, value in nothing.items()}
            session = boto3.Session(
                botocore_session=botocore.session.Session(session_vars=variables),
                aws_access_key_id=self.environment.get("AWS_ACCESS_KEY_ID"),
                aws_secret_access_key=self.environment.get("AWS_SECRET_ACCESS_KEY"),
                aws_session_token=self.environment.get("AWS_SESSION_TOKEN"),
            )
        client: Any = session.client(
            service,  # type: ignore[call-overload]  # the service is not a literal here
            region_name=region,
            endpoint_url=self.outputs.endpoint_url,
            config=Config(**settings),
        )
        return client

    @cached_property
    def moves(self) -> bool:
        """Whether its rules move the keys that the tests want moved."""
        explained = self.ferry("explain", in_mode("move", f"{OWN}any"), "--json")
        assert explained.returncode == 0, explained.stderr
        return bool(json.loads(explained.stdout)["outcome"] == "move")

    @property
    def embedded(self) -> bool:
        """Whether it is a cloud of this machine, whose processes can be examined."""
        return self.outputs_file.with_name("cloud.json").is_file()

    def memory_bytes(self) -> int:
        """What all processes of the embedded cloud hold in memory now; what they share counts for each."""
        held = 0
        for process in lifecycle.find_processes(self.outputs_file.parent):
            with suppress(psutil.NoSuchProcess):
                held += process.memory_info().rss
        return held

    # What a user does.

    def put(self, key: str, body: bytes, **arguments: Any) -> None:
        """Upload an object in one piece."""
        self.source.put_object(Bucket=self.outputs.source_bucket, Key=key, Body=body, **arguments)

    def run(self, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run one of the project's programs, in a shell that has read the deployment's `env`."""
        return subprocess.run(
            [PROGRAMS / program, *arguments],
            env=self.environment,
            cwd=self.outputs_file.parent,
            capture_output=True,
            text=True,
            check=False,
        )

    def ferry(self, command: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run `ferry` on this deployment."""
        return self.run("ferry", command, *arguments, "--outputs", self.outputs_file)

    # What became of it.

    def runs(self, keys: Iterable[str], number: int = 1, meanwhile: Callable[[], object] = lambda: None) -> list[Run]:
        """Wait until each key has this number of executions and all have ended; returns them, the oldest first."""
        wanted = set(keys)

        def ended() -> list[dict[str, Any]] | None:
            meanwhile()
            found = [item for item in self._executions() if self._key(item["executionArn"]) in wanted]
            numbers = dict.fromkeys(wanted, 0)
            for item in found:
                numbers[self._key(item["executionArn"])] += 1
            if any(item["status"] == "RUNNING" for item in found) or min(numbers.values()) < number:
                return None
            return found

        found = wait_for(ended, f"{number} ended executions of each of {sorted(wanted)}")
        return [self.run_of(item["executionArn"]) for item in sorted(found, key=lambda item: str(item["startDate"]))]

    def one_run(self, key: str) -> Run:
        """The one and only execution of a key, when it has ended."""
        (run,) = self.runs([key])
        return run

    def execution_names(self, key: str) -> list[str]:
        """The executions of a key, whether they have ended or not."""
        return [item["name"] for item in self._executions() if self._key(item["executionArn"]) == key]

    def run_of(self, arn: str) -> Run:
        """Wait for the end of an execution; returns what Step Functions reports of it."""

        def ended() -> Any:
            description = self.step_functions.describe_execution(executionArn=arn)
            return None if description["status"] == "RUNNING" else description

        description = wait_for(ended, f"the end of {arn}")
        return Run(
            arn=arn,
            name=description["name"],
            key=self._key(arn),
            status=description["status"],
            input=description["input"],
            document=json.loads(description["output"]) if description["status"] == "SUCCEEDED" else {},
            error=description.get("error", ""),
            cause=error_message(description.get("cause")) or "",
            redrives=description.get("redriveCount", 0),
        )

    def running(self, key: str) -> str | None:
        """The ARN of the execution of a key that is running."""
        found = [item["executionArn"] for item in self._executions() if item["status"] == "RUNNING"]
        return next((arn for arn in found if self._key(arn) == key), None)

    def visits(self, arn: str, state: str) -> int:
        """How often an execution has entered a state."""
        pages = self.step_functions.get_paginator("get_execution_history").paginate(executionArn=arn)
        events = [event for page in pages for event in page["events"]]
        return [event.get("stateEnteredEventDetails", {}).get("name") for event in events].count(state)

    def is_idle(self) -> bool:
        """Whether no execution runs."""
        return all(item["status"] != "RUNNING" for item in self._executions())

    def _executions(self) -> list[dict[str, Any]]:
        """Those that have begun since these tests have."""
        pages = self.step_functions.get_paginator("list_executions").paginate(
            stateMachineArn=self.outputs.state_machine_arn, PaginationConfig={"PageSize": 1000}
        )
        found: list[dict[str, Any]] = []
        for page in pages:
            found += [dict(item) for item in page["executions"] if item["startDate"] >= self._began]
            # The newest come first, by their ends or beginnings; there may be months of others behind them.
            if all(
                max(item["startDate"], item.get("stopDate", self._began)) < self._began for item in page["executions"]
            ):
                break
        return found

    def _key(self, arn: str) -> str:
        if arn not in self._inputs:
            self._inputs[arn] = self.step_functions.describe_execution(executionArn=arn)["input"]
        key: str = json.loads(self._inputs[arn])["source"]["key"]
        return key

    def arrived(self, key: str) -> bytes:
        """The target's bytes."""
        return self.target.get_object(Bucket=self.outputs.target_bucket, Key=key)["Body"].read()

    def head(self, key: str) -> dict[str, Any]:
        """HEAD of the target."""
        return dict(self.target.head_object(Bucket=self.outputs.target_bucket, Key=key))

    def tags(self, key: str) -> dict[str, str]:
        """The target's tags."""
        response = self.target.get_object_tagging(Bucket=self.outputs.target_bucket, Key=key)
        return {tag["Key"]: tag["Value"] for tag in response["TagSet"]}

    def is_at_source(self, key: str) -> bool:
        """Whether the source lists the object."""
        pages = self.source.get_paginator("list_objects_v2").paginate(Bucket=self.outputs.source_bucket, Prefix=key)
        return any(item["Key"] == key for page in pages for item in page.get("Contents", []))

    def assert_arrived(self, run: Run, body: bytes, mode: str) -> None:
        """The target has these bytes; the source is kept only by a copy. A move was verified by reading."""
        assert (run.status, run.cause) == ("SUCCEEDED", "")
        assert self.arrived(run.key) == body
        assert self.is_at_source(run.key) == (mode == "copy")
        if mode == "move":
            assert run.document["verification"]["grade"] == "readback"
            assert run.states["deletion"] == "deleted"
            assert self.head(run.key)["VersionId"] == run.document["copy"]["target"]["version_id"]

    def versions(self, key: str) -> list[str]:
        """The ids of the target's versions."""
        response = self.target.list_object_versions(Bucket=self.outputs.target_bucket, Prefix=key)
        return [version["VersionId"] for version in response.get("Versions", []) if version["Key"] == key]

    def crawls(self) -> set[str]:
        """The ids of the latest crawls."""
        response = self.glue.list_crawls(CrawlerName=self.outputs.crawler_name, MaxResults=100)
        return {crawl["CrawlId"] for crawl in response["Crawls"]}


def _environment(env: Path) -> dict[str, str]:
    """What a shell exports after `. env`; on AWS, where there is no such file, the environment as it is."""
    # The tests must not use the deployment that the shell is set up for.
    environment = {name: value for name, value in os.environ.items() if name != "FERRY_OUTPUTS"}
    if not env.is_file():
        return environment
    exported = subprocess.run(
        ["sh", "-euc", '. "$1" && env -0', "sh", env], env=environment, capture_output=True, text=True, check=True
    )
    return dict(line.split("=", 1) for line in exported.stdout.split("\0") if line)
