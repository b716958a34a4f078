"""A deployment as its users have it: by its outputs file, through S3's, AWS's and ferry's public interfaces."""

import dataclasses
import io
import json
import os
import subprocess
import time
import uuid
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote_plus
from urllib.request import ProxyHandler, build_opener

import boto3
import botocore.session
import psutil
from botocore.config import Config

from ferry.stepfunctions.history import error_message
from infra.build.function_zips import CHECKOUT
from infra.local import lifecycle
from infra.terraform.outputs import Outputs, load

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

GIVEN = os.environ.get("FERRY_TEST_OUTPUTS") or None
"""The outputs file of a deployment that is there already, which the tests then use, one after the other. That is no
variable of `ferry` itself: whoever has FERRY_OUTPUTS set for daily work must not run these tests on that deployment."""

OWN = "s3_ferry_e2e_"
"""How every key, and so every table, of these tests begins: whatever begins so is deleted before and after them."""

OWN_PREFIXES = (OWN, f"/{OWN}")
"""Where all of it lies. A key that begins with a slash cannot begin with OWN itself."""

OWN_QUEUES = "s3-ferry-e2e-"
"""How the queues are called that listen to the topic for a while."""

PROGRAMS = CHECKOUT / ".venv" / "bin"
PATIENCE_SECONDS = 90
"""No statement about speed: after so long nothing will come any more."""

AWS_PATIENCE_SECONDS = 3600
"""A crawl takes minutes there, and a file may have to wait for two."""

POLL_SECONDS = 0.1
AWS_POLL_SECONDS = 5.0
"""ListExecutions is throttled by account and region ("Step Functions service quotas")."""

MODES = ("copy", "move")
MOVED = f"{OWN}moved_"
"""How keys begin that the tests' rules move; the first folder, and so the table, is another one than a copy's."""

Found = TypeVar("Found")


def new_folder() -> str:
    """Name a folder, and so a table, that nobody uses."""
    return f"{OWN}{uuid.uuid4().hex[:8]}"


def in_mode(mode: str, key: str) -> str:
    """The key, or folder, made one that is copied or one that is moved."""
    assert key.startswith(OWN)
    return f"{MOVED}{key.removeprefix(OWN)}" if mode == "move" else key


def is_own(key: str) -> bool:
    """Whether a key is one of these tests'."""
    return key.startswith(OWN_PREFIXES)


@cache
def on_aws() -> bool:
    """Whether the deployment that was given is on AWS itself."""
    return GIVEN is not None and load(Path(GIVEN)).endpoint_url is None


def wait_for(look: Callable[[], Found | None], what: str, patience_seconds: float | None = None) -> Found:
    """Look until there is something; what is missing is said when it never comes."""
    patience_seconds = patience_seconds or (AWS_PATIENCE_SECONDS if on_aws() else PATIENCE_SECONDS)
    deadline = time.monotonic() + patience_seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(AWS_POLL_SECONDS if on_aws() else POLL_SECONDS)
    return found


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
        """What the steps said: their statuses, by step."""
        return {step: told["status"] for step, told in self.document.items() if "status" in told}


class Deployed:
    """One deployment and the means to use it."""

    def __init__(self, outputs_file: Path) -> None:
        self.outputs_file = outputs_file
        self.outputs: Outputs = load(outputs_file)
        self.environment = _environment(outputs_file.with_name("env"))
        # Where the caller has a region of his own, it is all the same to everything but `aws`.
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

    def client(self, service: str, region: str) -> Any:
        """A client with the caller's own credentials on AWS, else with those of the cloud's env file."""
        settings: dict[str, Any] = {"max_pool_connections": 16}
        if self.outputs.endpoint_url is None:
            settings["retries"] = {"mode": "adaptive", "total_max_attempts": 10}
            session = boto3.Session()
        else:
            # Nothing that is meant for AWS has a say in it.
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
        """Whether its rules move what the tests mean to be moved."""
        told = self.ferry("explain", in_mode("move", f"{OWN}any"), "--json")
        assert told.returncode == 0, told.stderr
        return bool(json.loads(told.stdout)["outcome"] == "move")

    @property
    def embedded(self) -> bool:
        """Whether it is a cloud of this machine's, whose processes can be looked at."""
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

    def runs(self, keys: Iterable[str], each: int = 1, meanwhile: Callable[[], object] = lambda: None) -> list[Run]:
        """All executions of these keys, once there are so many of each and all have ended; the oldest first."""
        wanted = set(keys)

        def look() -> list[dict[str, Any]] | None:
            meanwhile()
            found = [item for item in self._executions() if self._key(item["executionArn"]) in wanted]
            numbers = dict.fromkeys(wanted, 0)
            for item in found:
                numbers[self._key(item["executionArn"])] += 1
            if any(item["status"] == "RUNNING" for item in found) or min(numbers.values()) < each:
                return None
            return found

        found = wait_for(look, f"{each} ended executions of each of {sorted(wanted)}")
        return [self.run_of(item["executionArn"]) for item in sorted(found, key=lambda item: str(item["startDate"]))]

    def one_run(self, key: str) -> Run:
        """The one and only execution of a key, when it has ended."""
        (run,) = self.runs([key])
        return run

    def execution_names(self, key: str) -> list[str]:
        """The executions of a key, whether they have ended or not."""
        return [item["name"] for item in self._executions() if self._key(item["executionArn"]) == key]

    def run_of(self, arn: str) -> Run:
        """An execution that has ended, with all that is told of it."""

        def look() -> Any:
            told = self.step_functions.describe_execution(executionArn=arn)
            return None if told["status"] == "RUNNING" else told

        told = wait_for(look, f"the end of {arn}")
        return Run(
            arn=arn,
            name=told["name"],
            key=self._key(arn),
            status=told["status"],
            input=told["input"],
            document=json.loads(told["output"]) if told["status"] == "SUCCEEDED" else {},
            error=told.get("error", ""),
            cause=error_message(told.get("cause")) or "",
            redrives=told.get("redriveCount", 0),
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
        """What S3 says of the target."""
        return dict(self.target.head_object(Bucket=self.outputs.target_bucket, Key=key))

    def tags(self, key: str) -> dict[str, str]:
        """The target's tags."""
        told = self.target.get_object_tagging(Bucket=self.outputs.target_bucket, Key=key)
        return {tag["Key"]: tag["Value"] for tag in told["TagSet"]}

    def is_at_source(self, key: str) -> bool:
        """Whether the source lists the object."""
        pages = self.source.get_paginator("list_objects_v2").paginate(Bucket=self.outputs.source_bucket, Prefix=key)
        return any(item["Key"] == key for page in pages for item in page.get("Contents", []))

    def assert_arrived(self, run: Run, body: bytes, mode: str) -> None:
        """It is at the target byte for byte, and at the source only if it was copied; a move was proved by reading."""
        assert (run.status, run.cause) == ("SUCCEEDED", "")
        assert self.arrived(run.key) == body
        assert self.is_at_source(run.key) == (mode == "copy")
        if mode == "move":
            assert run.document["verification"]["grade"] == "readback"
            assert run.states["deletion"] == "deleted"
            assert self.head(run.key)["VersionId"] == run.document["copy"]["target"]["version_id"]

    def versions(self, key: str) -> list[str]:
        """The ids of the target's versions."""
        told = self.target.list_object_versions(Bucket=self.outputs.target_bucket, Prefix=key)
        return [version["VersionId"] for version in told.get("Versions", []) if version["Key"] == key]

    def crawls(self) -> set[str]:
        """The ids of the latest crawls."""
        told = self.glue.list_crawls(CrawlerName=self.outputs.crawler_name, MaxResults=100)
        return {crawl["CrawlId"] for crawl in told["Crawls"]}

    def await_quiet_queue(self) -> None:
        """Wait until the starter has taken every message."""

        def look() -> bool:
            told = self.sqs.get_queue_attributes(
                QueueUrl=self.outputs.queue_url,
                AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
            )["Attributes"]
            return not any(int(number) for number in told.values())

        wait_for(look, "an empty queue")

    def dead_letters(self, mark: str, number: int) -> dict[str, str]:
        """The dead letters whose body has this mark, by their bodies the reasons; they are taken out."""
        found: dict[str, str] = {}

        def look() -> bool:
            told = self.sqs.receive_message(
                QueueUrl=self.outputs.dead_letter_queue_url,
                MaxNumberOfMessages=10,
                MessageAttributeNames=["reason"],
                VisibilityTimeout=0,
            )
            for letter in told.get("Messages", []):
                if mark in letter["Body"]:
                    found[letter["Body"]] = letter["MessageAttributes"]["reason"]["StringValue"]
                    self.sqs.delete_message(
                        QueueUrl=self.outputs.dead_letter_queue_url, ReceiptHandle=letter["ReceiptHandle"]
                    )
            return len(found) >= number

        wait_for(look, f"{number} dead letters with {mark}")
        return found

    @contextmanager
    def overheard(self) -> Iterator[Callable[[str], str]]:
        """Listen to the topic for a while: gives what finds the message that the queue gets about a key."""
        region, account = self.outputs.uploads_topic_arn.split(":")[3:5]
        name = f"{OWN_QUEUES}{uuid.uuid4().hex[:8]}"
        arn = f"arn:aws:sqs:{region}:{account}:{name}"
        allowed = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": self.outputs.uploads_topic_arn}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        sqs: SQSClient = self.client("sqs", region)
        url = sqs.create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"]
        subscription = self.sns.subscribe(
            TopicArn=self.outputs.uploads_topic_arn, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True
        )["SubscriptionArn"]

        def about(key: str) -> str:
            def look() -> str | None:
                for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
                    records = json.loads(json.loads(message["Body"])["Message"]).get("Records", [])
                    if any(unquote_plus(record["s3"]["object"]["key"]) == key for record in records):
                        return message["Body"]
                return None

            return wait_for(look, f"a message about {key}")

        def hears() -> bool:
            # The starter acknowledges S3's test event, so it is the one message that harms nothing.
            self.sns.publish(TopicArn=self.outputs.uploads_topic_arn, Message=json.dumps({"Event": "s3:TestEvent"}))
            return "Messages" in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)

        try:
            wait_for(hears, f"the subscription of {name}")
            yield about
        finally:
            self.sns.unsubscribe(SubscriptionArn=subscription)
            sqs.delete_queue(QueueUrl=url)

    # What a clumsy administrator does, and mends.

    @contextmanager
    def permission_removed(self, role: str, *actions: str) -> Iterator[None]:
        """Have a role without these actions for a while."""
        (name,) = self.iam.list_role_policies(RoleName=role)["PolicyNames"]
        policy: Any = self.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        whole = policy if isinstance(policy, str) else json.dumps(policy)
        without = json.loads(whole)
        for statement in without["Statement"]:
            statement["Action"] = [each for each in statement["Action"] if each not in actions]
        without["Statement"] = [statement for statement in without["Statement"] if statement["Action"]]
        assert without != json.loads(whole), f"{role} has none of {actions}"
        self.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(without))
        try:
            yield
        finally:
            self.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=whole)

    @contextmanager
    def policy_removed(self, role: str) -> Iterator[None]:
        """Have a role without any permission for a while."""
        (name,) = self.iam.list_role_policies(RoleName=role)["PolicyNames"]
        policy: Any = self.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        self.iam.delete_role_policy(RoleName=role, PolicyName=name)
        try:
            yield
        finally:
            whole = policy if isinstance(policy, str) else json.dumps(policy)
            self.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=whole)

    @contextmanager
    def code_replaced(self, function: str, change: Callable[[bytes], bytes]) -> Iterator[None]:
        """Have other code in a function for a while: its zip, changed."""
        location = self.functions.get_function(FunctionName=function)["Code"]["Location"]
        opener = build_opener(ProxyHandler({} if self.outputs.endpoint_url else None))
        with opener.open(location) as answer:
            original: bytes = answer.read()
        self._update_code(function, change(original))
        try:
            yield
        finally:
            self._update_code(function, original)

    def _update_code(self, function: str, content: bytes) -> None:
        # A process that is at work keeps its old code, and the emulator uses it again.
        wait_for(lambda: all(item["status"] != "RUNNING" for item in self._executions()), "the end of all executions")
        self.functions.update_function_code(FunctionName=function, ZipFile=content)
        waiter = self.functions.get_waiter("function_updated_v2")
        waiter.wait(FunctionName=function, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def in_front(key: str, code: str) -> Callable[[bytes], bytes]:
    """What puts another handler in front of a function's own, whose module is then `functions.honest_<key>`."""

    def change(original: bytes) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(original)) as source, zipfile.ZipFile(buffer, "w") as target:
            for entry in source.infolist():
                content = source.read(entry)
                if entry.filename == f"functions/{key}.py":
                    entry.filename = f"functions/honest_{key}.py"
                target.writestr(entry, content)
            target.writestr(f"functions/{key}.py", code)
        return buffer.getvalue()

    return change


def _environment(env: Path) -> dict[str, str]:
    """What a shell exports after `. env`; on AWS, where there is no such file, the environment as it is."""
    # The deployment that the shell is set up for is none of these tests'.
    environment = {name: value for name, value in os.environ.items() if name != "FERRY_OUTPUTS"}
    if not env.is_file():
        return environment
    said = subprocess.run(
        ["sh", "-euc", '. "$1" && env -0', "sh", env], env=environment, capture_output=True, text=True, check=True
    )
    return dict(line.split("=", 1) for line in said.stdout.split("\0") if line)
