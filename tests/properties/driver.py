"""Runs a case: the client's uploads, their events through the real starter, the executions, and the replays after."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote_plus

from botocore.exceptions import ClientError

from functions import starter
from functions.contract.models import Source
from functions.intake.executions import execution_name
from functions.intake.s3_events import read_upload
from tests.properties.cases import Case, Upload
from tests.properties.faults import Faults
from tests.support.lambda_context import LambdaContext
from tests.support.workflow.machine import Call, Execution
from tests.support.workflow.world import World

Values = dict[str, Any]
RECEIVES = 5
REDRIVES = 3
NOT_RETRYABLE = frozenset({"SourceMissing", "PurgeRejected"})
"""What a redrive cannot fix: the source was deleted by its owner, or an older version would come back."""

MEDDLED = b"somebody else's"


@dataclass(frozen=True)
class SentUpload:
    """An upload that was made, and its event."""

    key: str
    body: bytes
    metadata: dict[str, str]
    tags: tuple[dict[str, str], ...]
    """All that it had, one after the other."""

    source: Source
    record: Values


@dataclass
class Run:
    """One case as it runs, and all that is noticed."""

    world: World
    faults: Faults
    case: Case
    folder: str
    source: str
    target: str
    dead_letters: str
    sent: list[SentUpload] = field(default_factory=list)
    due: list[tuple[int, Values]] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    ended: dict[str, Execution] = field(default_factory=dict)
    started: Counter[str] = field(default_factory=Counter)
    writes: list[tuple[str, str]] = field(default_factory=list)
    """The key and the exact source of each write that an execution made at the target."""

    unverified: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    """What its owner deleted at the source: the uploads' executions."""

    meddled: bool = False
    deleting: tuple[str, list[Any]] | None = None
    sequence: int = 0

    def play(self) -> None:
        """Do all of it, and then redrive what failed."""
        self.faults.act = {
            "target overwritten": self._overwrite_target,
            "copy corrupted": self._corrupt_copy,
            "replaced at the source": self._replace,
            "deleted at the source": self._delete,
            "retagged at the source": self._retag,
        }
        self.world.interference.after["stepfunctions.StartExecution"] = self._was_started
        self.faults.on_every_answer, self.faults.before_every_call = self._answered, self._asked
        self.faults.begin(list(self.case.faults))
        deletions: list[tuple[int, str]] = []
        for step, upload in enumerate(self.case.uploads):
            sent = self.upload(f"{self.folder}/{upload.name}.bin", upload.bytes(), _metadata(upload), upload.tagged)
            self.due += [(step + wait, sent.record) for wait in upload.deliveries]
            if upload.deleted_after is not None:
                deletions.append((step + upload.deleted_after, sent.key))
            for _, key in [deletion for deletion in deletions if deletion[0] == step]:
                self._delete_at_source(key)
            self._deliver(step)
        while self.due:
            self._deliver(max(when for when, _ in self.due))
        self.faults.end()
        del self.world.interference.after["stepfunctions.StartExecution"]
        self._redrive_failed()

    def upload(self, key: str, body: bytes, metadata: dict[str, str], tagged: bool) -> SentUpload:
        """What a client does, and what S3 tells of it."""
        self.sequence += 1
        tagging: Values = {"Tagging": "team=data"} if tagged else {}
        put = self.world.source.put_object(Bucket=self.source, Key=key, Body=body, Metadata=metadata, **tagging)
        version = put.get("VersionId")
        obj = {
            "key": quote_plus(key),
            "size": len(body),
            "eTag": put["ETag"].strip('"'),
            "sequencer": f"{self.sequence:016X}",
            **({"versionId": version} if version else {}),
        }
        record = {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": self.world.outputs.source_region,
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": self.source}, "object": obj},
        }
        source = read_upload(record)
        assert source
        sent = SentUpload(key, body, metadata, ({"team": "data"} if tagged else {},), source, record)
        self.sent.append(sent)
        return sent

    # Delivering.

    def _deliver(self, now: int) -> None:
        records = [record for when, record in self.due if when <= now]
        self.due = [(when, record) for when, record in self.due if when > now]
        batches = [records[::-1]] if self.case.at_once else [[record] for record in records]
        for batch in filter(None, batches):
            bodies = [json.dumps({"Message": json.dumps({"Records": [record]})}) for record in batch]
            if self.case.junk:
                bodies.append(f'{{"junk": "{self.folder}"}}')
            self._receive(bodies)
            self._await()

    def _receive(self, bodies: list[str]) -> None:
        """As the event source mapping does: what failed is delivered again, and in the end a dead letter."""
        left = {str(number): body for number, body in enumerate(bodies)}
        for _ in range(RECEIVES):
            event = {"Records": [_message(name, body) for name, body in left.items()]}
            answer = starter.handler(event, LambdaContext([60_000], "starter"))  # type: ignore[arg-type]
            failed = {item["itemIdentifier"] for item in answer["batchItemFailures"]}
            left = {name: body for name, body in left.items() if name in failed}
            if not left:
                break
        self.dead += left.values()

    def _await(self) -> None:
        for sent in self.sent:
            name = execution_name(sent.source)
            if name in self.started and name not in self.ended:
                self.ended[name] = self.world.machine.wait(self.world.machine.arn(name))

    def _redrive_failed(self) -> None:
        for _ in range(REDRIVES):
            for name, execution in list(self.ended.items()):
                if execution.status == "FAILED" and execution.error not in NOT_RETRYABLE:
                    self.ended[name] = self.world.machine.redrive(execution)

    # What others do.

    def _latest(self) -> SentUpload:
        return self.sent[-1]

    def _overwrite_target(self, *_: Values) -> bool:
        key = self._latest().key
        if any(call.function == "verify_checksum" and _is_verification(call, key) for call in self.world.lambdas.calls):
            return False  # A write over a verified copy leaves nothing to find.
        self.world.target.put_object(Bucket=self.target, Key=key, Body=MEDDLED)
        self.meddled = True
        return True

    def _corrupt_copy(self, given: Values, answer: Values) -> bool:
        """Change the copy's bytes so that S3's own word for them is still the copy's: only reading finds it."""
        where = {"Bucket": given["Bucket"], "Key": given["Key"]}
        head = self.world.target.head_object(**where)
        if head["ContentLength"] == 0:
            return False
        size = head["ContentLength"]
        if head.get("VersionId"):
            self.world.target.delete_object(**where, VersionId=head["VersionId"])
        put = self.world.target.put_object(**where, Body=b"!" * size, Metadata=head["Metadata"])
        if "VersionId" in put:
            answer["VersionId"] = put["VersionId"]
        answer.get("CopyObjectResult", answer)["ETag"] = put["ETag"]
        return True

    def _replace(self, *_: Values) -> bool:
        latest = self._latest()
        body = b"newer " + str(self.sequence).encode() + latest.body
        sent = self.upload(latest.key, body, {"colour": "new"}, tagged=True)
        self.due.append((0, sent.record))
        return True

    def _delete(self, *_: Values) -> bool:
        self._delete_at_source(self._latest().key)
        return True

    def _delete_at_source(self, key: str) -> None:
        self.world.source.delete_object(Bucket=self.source, Key=key)
        self.deleted += [execution_name(sent.source) for sent in self.sent if sent.key == key]

    def _retag(self, *_: Values) -> bool:
        latest = self._latest()
        # Other values in the same number: HEAD tells no more than how many there are.
        tags = {f"tag {number}": str(self.sequence) for number in range(max(1, len(latest.tags[-1])))}
        tag_set: Any = [{"Key": name, "Value": value} for name, value in tags.items()]
        try:
            self.world.source.put_object_tagging(Bucket=self.source, Key=latest.key, Tagging={"TagSet": tag_set})
        except ClientError:
            return False
        self.sent[-1] = replace(latest, tags=(*latest.tags, tags))
        return True

    # What is noticed.

    def _was_started(self, given: Values, _answer: Values) -> None:
        self.started.update([given["name"]])

    def _asked(self, operation: str, given: Values) -> None:
        """Before a source is deleted: what it is."""
        if operation == "DeleteObject" and given["Bucket"] == self.source:
            which = {name: given[name] for name in ("Bucket", "Key", "VersionId") if name in given}
            try:
                self.deleting = (given["Key"], list(content(self.world.source, **which)))
            except ClientError:
                self.deleting = None

    def _answered(self, operation: str, given: Values, _answer: Values) -> None:
        if operation in ("CopyObject", "CompleteMultipartUpload") and given["Bucket"] == self.target:
            self.writes.append((given["Key"], _source_of(given)))
        if operation == "DeleteObject" and given["Bucket"] == self.source and self.deleting:
            key, deleted = self.deleting
            if not any(found == deleted for found in self.versions(key)):
                self.unverified.append(f"{key}: {deleted[0][:20]!r} {deleted[1:]}")

    def versions(self, key: str) -> Iterator[list[Any]]:
        """All versions at the target: bytes, metadata and tags."""
        listed = self.world.target.list_object_versions(Bucket=self.target, Prefix=key)
        for version in listed.get("Versions", []):
            if version["Key"] == key:
                which = {} if self.case.target == "never" else {"VersionId": version["VersionId"]}
                yield list(content(self.world.target, Bucket=self.target, Key=key, **which))

    def clean(self) -> None:
        """Leave nothing behind: thousands of cases share one cloud."""
        for client, bucket in ((self.world.source, self.source), (self.world.target, self.target)):
            listed = client.list_object_versions(Bucket=bucket, Prefix=self.folder)
            for version in [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]:
                client.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])


def _is_verification(call: Call, key: str) -> bool:
    return call.event["document"]["source"]["key"] == key and (call.answer or {}).get("status") == "verified"


def _source_of(given: Values) -> str:
    """What was written: which object exactly, or of which parts."""
    return repr((given.get("CopySource"), given.get("CopySourceIfMatch"), given.get("MultipartUpload")))


def _metadata(upload: Upload) -> dict[str, str]:
    return [{}, {"colour": "red"}, {"colour": "blue", "row-count": "1"}][upload.metadata]


def _message(name: str, body: str) -> Values:
    return {
        "messageId": name,
        "receiptHandle": name,
        "body": body,
        "attributes": {},
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:ferry-uploads",
        "awsRegion": "us-east-1",
    }


def content(client: Any, **which: Any) -> tuple[bytes, Values, Values]:
    """An object's bytes, metadata and tags."""
    got = client.get_object(**which)
    tags = client.get_object_tagging(**which)["TagSet"]
    return got["Body"].read(), got["Metadata"], {tag["Key"]: tag["Value"] for tag in tags}


@contextmanager
def target_bucket(bucket: str) -> Iterator[None]:
    """Have the functions copy to another bucket for a while."""
    before = os.environ["TARGET_BUCKET"]
    os.environ["TARGET_BUCKET"] = bucket
    try:
        yield
    finally:
        os.environ["TARGET_BUCKET"] = before
