"""A cloud whose functions are called one at a time, each under its own role, and the roles without one permission.

The functions run as in every embedded cloud: from the zips, with the credentials of their role, behind an IAM that
looks at each request. Nothing is started by an upload here, so that what a test sees is its own function's doing.
"""

import gzip
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from functions.contract.models import ExecutionInput, Rule, Source
from functions.contract.rules import KeyRule, Rules
from infra.local import provision
from infra.local.provision import Clients
from infra.terraform.outputs import Outputs
from statemachine import declaration
from tests.support import local_server
from tests.support.local_s3 import upload
from tests.support.policies import Permission
from tests.support.waiting import wait_for

Document = dict[str, Any]
Statement = dict[str, Any]

RULES = Rules(file="migration.yaml", rules=[KeyRule(prefix="left-out/", exclude=True, rule=Rule())])
"""Any: the starter reads some, and not what a deployment without rules does."""

RESULT_OF = {
    "copy_object": "copy",
    "verify_checksum": "verification",
    "start_crawler": "catalogue",
    "poll_crawler": "catalogue",
    "run_validation_query": "validation",
    "delete_source": "deletion",
}
"""Under which key of the document the workflow puts what a function says."""

CSV = b"id,name\n1,one\n2,two\n"
BYTES, OTHER_BYTES = b"some bytes", b"other byte"
UNTIL = datetime(2090, 1, 1, tzinfo=UTC)
PATIENCE_SECONDS = 60


class Failed(Exception):
    """A function raised."""

    def __init__(self, function: str, answer: dict[str, Any]) -> None:
        self.function = function
        super().__init__(f"{answer['errorType']}: {answer['errorMessage']}")


def place(resource: str, outputs: Outputs) -> str:
    """Which of the buckets a resource is, or is in; empty for what is none."""
    buckets = {outputs.source_bucket: "source", outputs.target_bucket: "target", outputs.athena_results: "results"}
    return buckets.get(resource.removeprefix("arn:aws:s3:::").partition("/")[0], "")


def permissions(role: str, statements: list[Statement], outputs: Outputs) -> set[Permission]:
    """What statements allow, one by one."""
    return {
        Permission(role, action, place(resource, outputs))
        for statement in statements
        for action in statement["Action"]
        for resource in statement["Resource"]
    }


def reduced(statements: list[Statement], taken: Permission, outputs: Outputs) -> list[Statement]:
    """The statements without one permission, and with all others."""
    left = []
    for statement in statements:
        if taken.action not in statement["Action"]:
            left.append(statement)
            continue
        others = [action for action in statement["Action"] if action != taken.action]
        elsewhere = [resource for resource in statement["Resource"] if place(resource, outputs) != taken.where]
        left += [{**statement, "Action": others}] if others else []
        left += [
            {**statement, "Sid": f"{statement['Sid']}Left", "Action": [taken.action], "Resource": elsewhere}
        ] * bool(elsewhere)
    assert left != statements, f"the role never had {taken}"
    return left


class World:
    """One deployment, its functions and its roles."""

    def __init__(self, outputs: Outputs) -> None:
        self.outputs = outputs
        self.clients = Clients(outputs)
        self.source, self.target = self.clients.source_s3, self.clients.s3
        self.in_batches = False
        """Whether copies and verifications are made by the functions of slices."""

        self._early_targets: list[str] = []
        self._crawled_files: dict[str, Document] = {}

    # Objects.

    def put(self, bucket: str, key: str, body: bytes = BYTES, **arguments: Any) -> None:
        """Put an object, in one piece."""
        self.target.put_object(Bucket=bucket, Key=key, Body=body, **arguments)

    def annotate(self, bucket: str, key: str, name: str) -> None:
        """Annotate the current version of an object."""
        self.target.put_object_annotation(Bucket=bucket, Key=key, AnnotationName=name, AnnotationPayload=b"4")

    def upload(self, name: str = "file.bin", body: bytes = BYTES, **arguments: Any) -> Document:
        """Upload an object that nobody knows yet; gives an execution's input."""
        key = new_key(name)
        self.put(self.outputs.source_bucket, key, body, **arguments)
        return self.document_of(key)

    def upload_in_parts(self, algorithm: str, body: bytes = BYTES, **arguments: Any) -> Document:
        """The same, uploaded in parts (one), whose checksum is one of its parts."""
        key = new_key("file.bin")
        upload(self.source, self.outputs.source_bucket, key, [body], ChecksumAlgorithm=algorithm, **arguments)
        return self.document_of(key)

    def document_of(self, key: str, **rule: Any) -> Document:
        """The input of the execution of an object at the source, as the starter writes it."""
        head = self.source.head_object(Bucket=self.outputs.source_bucket, Key=key)
        source = Source(
            bucket=self.outputs.source_bucket,
            region=self.outputs.source_region,
            key=key,
            version_id=head.get("VersionId"),
            etag=head["ETag"].strip('"'),
            sequencer=uuid.uuid4().hex[:16],
            size_bytes=head["ContentLength"],
        )
        document: Document = ExecutionInput(source=source, rule=Rule(**rule)).model_dump(mode="json")
        return document

    def target_of(self, key: str) -> dict[str, Any]:
        """What is at the target now, as a copy's result names it."""
        head = self.target.head_object(Bucket=self.outputs.target_bucket, Key=key)
        return {
            "bucket": self.outputs.target_bucket,
            "region": self.outputs.target_region,
            "key": key,
            "version_id": head.get("VersionId"),
            "etag": head["ETag"].strip('"'),
        }

    def put_early_targets(self, number: int) -> None:
        """Put so many objects at the target whose checksum is one of their parts."""
        for _ in range(number):
            key = new_key("file.bin")
            upload(self.target, self.outputs.target_bucket, key, [OTHER_BYTES], ChecksumAlgorithm="CRC32")
            self._early_targets.append(key)

    def early_target(self) -> str:
        """The key of an object at the target from before versions were kept, whose checksum is one of its parts."""
        return self._early_targets.pop()

    # Functions.

    def invoke(self, function: str, event: object) -> Any:
        """Call a function; raises Failed with what it raised."""
        answer = self.clients.lambda_.invoke(
            FunctionName=f"{self.outputs.name}-{function.replace('_', '-')}", Payload=json.dumps(event).encode()
        )
        result = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise Failed(function, result)
        return result

    def step(self, function: str, document: Document) -> Document:
        """Call a step of the workflow, in an execution of its own; gives the document that it leaves."""
        name = uuid.uuid4().hex
        execution = {"Id": f"arn:{name}", "Name": name, "StartTime": datetime.now(UTC).isoformat()}
        result = self.invoke(function, {"execution": execution, "document": document})
        return {**document, RESULT_OF[function]: result}

    def steps(self, function: str, document: Document, going_on: str) -> Document:
        """Call a step until it is done."""
        document = self.step(function, document)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while document[RESULT_OF[function]]["status"] == going_on:
            assert time.monotonic() < deadline, f"{function} still says {going_on}"
            document = self.step(function, document)
        return document

    def copied(self, document: Document, **rule: Any) -> Document:
        """The document after the copy."""
        document = {**document, "rule": {**document["rule"], **rule}}
        return self.steps("copy_object", document, "in_progress")

    def verified(self, document: Document, **rule: Any) -> Document:
        """The document after copy and verification."""
        return self.steps("verify_checksum", self.copied(document, **rule), "in_progress")

    # Slices.

    def put_lines(self, key: str, lines: list[dict[str, Any]]) -> None:
        """Write a slice or a record, as the functions do."""
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        self.target.put_object(Bucket=self.outputs.athena_results, Key=key, Body=gzip.compress(text.encode()))

    def slice_of(self, document: Document, kind: str = "batch", root: str = "runs", **planned: Any) -> str:
        """Plan one object, in a run of its own; the key of its slice."""
        source, key = document["source"], f"{root}/{uuid.uuid4().hex}/0/plan/a/{kind}-00000.jsonl.gz"
        line = {
            "key": source["key"],
            "etag": source["etag"],
            "size_bytes": source["size_bytes"],
            "last_modified": datetime.now(UTC).isoformat(),
            "action": "copy",
            "reason": "new",
            "rule": document["rule"],
        }
        self.put_lines(key, [line | planned])
        return key

    def work_on_slice(self, function: str, slice_key: str, kind: str) -> dict[str, Any]:
        """Call a function for a slice of one object; what it recorded about it."""
        self.call_for_slice(function, slice_key)
        recorded = self.recorded(slice_key, kind)
        assert recorded
        return recorded

    def call_for_slice(self, function: str, slice_key: str) -> dict[str, Any]:
        """Call a function for a slice; what it returned."""
        name = uuid.uuid4().hex
        execution = {"Id": f"arn:{name}", "Name": name, "StartTime": datetime.now(UTC).isoformat()}
        scope = {"bucket": self.outputs.source_bucket, "region": self.outputs.source_region}
        document = {"scope": scope, "slice": {"key": slice_key}}
        returned: dict[str, Any] = self.invoke(function, {"execution": execution, "document": document})
        return returned

    def recorded(self, slice_key: str, kind: str) -> dict[str, Any]:
        """What is recorded about the only object of a slice; empty if nothing is."""
        folder = slice_key.replace("/plan/", f"/{kind}/").removesuffix(".jsonl.gz")
        found = self.target.list_objects_v2(Bucket=self.outputs.athena_results, Prefix=f"{folder}/").get("Contents")
        if not found:
            return {}
        latest = max(found, key=lambda each: each["LastModified"])["Key"]
        body = self.target.get_object(Bucket=self.outputs.athena_results, Key=latest)["Body"].read()
        outcome: dict[str, Any] = json.loads(gzip.decompress(body))
        return outcome

    def renew(self, function: str) -> None:
        """Have the function begin in a new process, which remembers nothing."""
        name = f"{self.outputs.name}-{function.replace('_', '-')}"
        settings = self.clients.lambda_.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        settings["FERRY_RENEWED"] = uuid.uuid4().hex
        self.clients.lambda_.update_function_configuration(FunctionName=name, Environment={"Variables": settings})
        waiter = self.clients.lambda_.get_waiter("function_updated_v2")
        waiter.wait(FunctionName=name, WaiterConfig={"Delay": 0, "MaxAttempts": 10_000})

    # The way of an event.

    def publish(self, text: str) -> None:
        """Publish an invalid event: the starter dead-letters what arrives."""
        self.clients.sns.publish(TopicArn=self.outputs.uploads_topic_arn, Message=text)

    def dead_letters_until(self, last: str) -> list[str]:
        """What was published and dead-lettered, in any order, once this one is there; each is removed."""
        found: list[str] = []
        deadline = time.monotonic() + PATIENCE_SECONDS
        url = self.outputs.dead_letter_queue_url
        while last not in found:
            assert time.monotonic() < deadline, f"{last} never came: {found}"
            for letter in self.clients.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", []):
                self.clients.sqs.delete_message(QueueUrl=url, ReceiptHandle=letter["ReceiptHandle"])
                if letter["Body"].startswith("{"):
                    found.append(json.loads(letter["Body"])["Message"])
        return found

    @contextmanager
    def queue_policy_taken(self) -> Iterator[None]:
        """Have the queue without a policy for a while."""
        queue = self.outputs.queue_url
        policy = self.clients.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["Policy"])["Attributes"][
            "Policy"
        ]
        self.clients.sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": ""})
        try:
            yield
        finally:
            self.clients.sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})

    # The catalogue.

    def crawl(self) -> dict[str, Any]:
        """Crawl the target now; gives the crawl as ListCrawls tells it."""
        self.await_crawler()
        self.clients.glue.start_crawler(Name=self.outputs.crawler_name)
        self.await_crawler()
        (crawl,) = self.clients.glue.list_crawls(CrawlerName=self.outputs.crawler_name, MaxResults=1)["Crawls"]
        return dict(crawl)

    def crawled_file(self, name: str) -> Document:
        """A file that is copied, verified and in the catalogue; always the same one."""
        if name not in self._crawled_files:
            self._crawled_files[name] = self.verified(self.upload(name, CSV))
            self.crawl()
        return self._crawled_files[name]

    def await_crawler(self) -> None:
        """Wait until no crawl runs."""
        glue, name = self.clients.glue, self.outputs.crawler_name
        wait_for(
            lambda: glue.get_crawler(Name=name)["Crawler"]["State"] == "READY", "the end of a crawl", PATIENCE_SECONDS
        )

    # Roles.

    def role_of(self, who: str) -> str:
        """The name of a function's role, or of the crawler's."""
        return f"{self.outputs.name}-{who.replace('_', '-')}"

    def statements_of(self, who: str) -> list[Statement]:
        """What a role may do."""
        role = self.role_of(who)
        policy: Any = self.clients.iam.get_role_policy(RoleName=role, PolicyName=role)["PolicyDocument"]
        return list(policy["Statement"])

    @contextmanager
    def taken(self, permission: Permission) -> Iterator[None]:
        """Have a role without one permission for a while."""
        statements = self.statements_of(permission.role)
        self._permit(permission.role, reduced(statements, permission, self.outputs))
        try:
            yield
        finally:
            self._permit(permission.role, statements)

    def _permit(self, who: str, statements: list[Statement]) -> None:
        role = self.role_of(who)
        self.clients.iam.put_role_policy(RoleName=role, PolicyName=role, PolicyDocument=local_server.policy(statements))


def new_key(name: str) -> str:
    """A key in a folder that nobody uses."""
    return f"p{uuid.uuid4().hex[:12]}/{name}"


def declared_permissions() -> set[Permission]:
    """All that functions.yaml lets the functions do."""
    outputs = provision.outputs_of("http://127.0.0.1")
    found: set[Permission] = set()
    for key, function in declaration.load().items():
        filled = declaration.fill(function, outputs.placeholders())
        found |= permissions(
            key,
            [{"Action": statement.actions, "Resource": statement.resources} for statement in filled.statements],
            outputs,
        )
    return found


@contextmanager
def running(folder: Path) -> Iterator[World]:
    """Start a cloud with everything in it, and with objects of every kind that a function has to do with."""
    with local_server.running(folder) as server:
        outputs = provision.outputs_of(server.endpoint_url)
        provision.deploy(provision.plan(RULES), outputs)
        world = World(outputs)
        _prepare(world)
        yield world


def _workflow(world: World) -> dict[str, Any]:
    """Executions that end at once: those of `failing.bin` fail, and those of `plain.bin` say that it arrived."""
    target = {"bucket": world.outputs.target_bucket, "region": world.outputs.target_region, "version_id": None}
    arrived = {
        "source.$": "$.source",
        "copy": {"status": "copied", "target": {**target, "key.$": "$.source.key", "etag.$": "$.source.etag"}},
        "verification": {"status": "verified", "grade": "checksum"},
    }
    ends = {"*/failing.bin": "Failed", "*/plain.bin": "Arrived"}
    choices = [{"Variable": "$.source.key", "StringMatches": key, "Next": end} for key, end in ends.items()]
    states = {
        "Which?": {"Type": "Choice", "Choices": choices, "Default": "End"},
        "Failed": {"Type": "Fail", "Error": "Failed"},
        "Arrived": {"Type": "Pass", "Parameters": arrived, "Next": "End"},
        "End": {"Type": "Succeed"},
    }
    return {"StartAt": "Which?", "States": states}


def _prepare(world: World) -> None:
    """Let nothing copy by itself; have objects from before the buckets kept versions, and then Object Lock."""
    source, target = world.outputs.source_bucket, world.outputs.target_bucket
    s3 = world.target
    world.source.put_bucket_notification_configuration(Bucket=source, NotificationConfiguration={})
    world.clients.stepfunctions.update_state_machine(
        stateMachineArn=world.outputs.state_machine_arn,
        definition=json.dumps(_workflow(world)),
    )
    s3.put_bucket_versioning(Bucket=target, VersioningConfiguration={"Status": "Suspended"})
    for bucket in (source, target):
        world.put(bucket, "early/plain.bin")
        world.put(bucket, "early/tagged.bin", Tagging="a=b")
        world.put(bucket, "early/annotated.bin")
        world.annotate(bucket, "early/annotated.bin", "berth")
        for algorithm in ("SHA256", "CRC32"):
            upload(s3, bucket, f"early/{algorithm}.bin", [BYTES], ChecksumAlgorithm=algorithm)
    for bucket, body in ((source, BYTES), (target, OTHER_BYTES)):
        upload(s3, bucket, "early/parts.bin", [body], ChecksumAlgorithm="CRC32")
    world.put(target, "early_table/a.csv", CSV)
    world.put_early_targets(16)
    for bucket in (source, target):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
