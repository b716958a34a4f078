"""What the tests of the local cloud's S3 share."""

import base64
import hashlib
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.local_server import Server, policy

MIB = 1024**2
SMALLEST_PART = 5 * MIB


def content(size_bytes: int, seed: int = 1) -> bytes:
    """Bytes without a pattern, the same ones every time."""
    return hashlib.shake_128(str(seed).encode()).digest(size_bytes)


def md5(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


def sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def new_bucket(s3: Any, name: str, *, versioned: bool = False, **arguments: Any) -> str:
    """A bucket that no other test uses."""
    bucket = f"{name}-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket, **arguments)
    if versioned:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


@contextmanager
def rejected(code: str, status: int) -> Iterator[pytest.ExceptionInfo[ClientError]]:
    """Inside it S3 must respond with this error; HEAD has the status only."""
    with pytest.raises(ClientError) as caught:
        yield caught
    answer = caught.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)


class Events:
    """The events of a bucket from now on."""

    def __init__(self, server: Server, bucket: str) -> None:
        self._sqs = server.client("sqs")
        self._url = self._sqs.create_queue(QueueName=bucket)["QueueUrl"]
        answer = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        arn = answer["Attributes"]["QueueArn"]
        permitted = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
        self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": policy([permitted])})
        configuration = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
        server.client("s3").put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration=configuration
        )

    def next(self) -> dict[str, Any]:
        """Wait for the next one: the record's own form."""
        while True:
            for message in self._sqs.receive_message(QueueUrl=self._url, WaitTimeSeconds=5).get("Messages", []):
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
                # A bucket's first message is s3:TestEvent, without records.
                for record in json.loads(message["Body"]).get("Records", []):
                    found: dict[str, Any] = record
                    return found


def upload(s3: Any, bucket: str, key: str, parts: list[bytes], **arguments: Any) -> list[dict[str, Any]]:
    """A finished multipart upload of these parts; gives them as Complete named them."""
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key=key, **arguments)["UploadId"]
    where = {"Bucket": bucket, "Key": key, "UploadId": upload_id}
    algorithm = {name: value for name, value in arguments.items() if name == "ChecksumAlgorithm"}
    named = []
    for number, body in enumerate(parts, 1):
        answer = s3.upload_part(**where, PartNumber=number, Body=body, **algorithm)
        # Without an algorithm S3 takes no checksums of parts.
        named.append({"PartNumber": number, **(part_of(answer) if algorithm else {"ETag": answer["ETag"]})})
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": named})
    return named


def part_of(answer: dict[str, Any]) -> dict[str, Any]:
    """A part as CompleteMultipartUpload names it, from the response to UploadPart or UploadPartCopy."""
    found = answer.get("CopyPartResult", answer)
    return {name: value for name, value in found.items() if name == "ETag" or name.startswith("Checksum")}
