"""Uploads that carry their signature with them: a browser's POST, and presigned PUTs, in the local cloud.

AWS: "POST Object" (S3 API reference), "Authenticating requests: using query parameters" and "Amazon S3 Event
Notifications" (S3 User Guide). The bucket is in another region than the server's own: a POST names no region outside of
its form, and Signature Version 2 none at all.
"""

import json
import uuid
from typing import Any

import boto3
import pytest
import urllib3
from botocore.config import Config

from infra.local.s3 import checksums
from tests.support.local_server import Server, allow, policy

REGION = "us-west-2"
BODY = b"ship,berth\nAurora,1\n"
VERSIONS = pytest.mark.parametrize("version", ["s3v4", "s3"], ids=["Signature Version 4", "Signature Version 2"])
TAGS = "<Tagging><TagSet><Tag><Key>team</Key><Value>a&amp;b</Value></Tag></TagSet></Tagging>"


class West:
    """The server, as it is used from that region."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def client(self, service: str, keys: dict[str, str] | None = None, version: str | None = None) -> Any:
        config = Config(signature_version=version, s3={"addressing_style": "path"})
        keys = keys or {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        url = self._server.endpoint_url
        return boto3.client(service, region_name=REGION, endpoint_url=url, config=config, **keys)  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def west(server: Server) -> West:
    return West(server)


@pytest.fixture(scope="module")
def s3(west: West) -> Any:
    return west.client("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"presigned-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


class Notified:
    """What a topic in the bucket's region tells a queue in the server's own."""

    def __init__(self, server: Server, west: West, bucket: str) -> None:
        self._sqs, sns = server.client("sqs"), west.client("sns")
        self._url = self._sqs.create_queue(QueueName=bucket)["QueueUrl"]
        wanted = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        queue, topic = wanted["Attributes"]["QueueArn"], sns.create_topic(Name=bucket)["TopicArn"]
        send = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": queue}
        publish = {"Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": topic}
        self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": policy([send])})
        sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy([publish]))
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
        told = {"TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]}
        west.client("s3").put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=told)

    def next(self) -> dict[str, Any]:
        """Wait for the next event's record."""
        while messages := self._sqs.receive_message(QueueUrl=self._url, WaitTimeSeconds=10).get("Messages"):
            for message in messages:
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
                # A bucket's first message is s3:TestEvent, without records.
                for record in json.loads(json.loads(message["Body"])["Message"]).get("Records", []):
                    found: dict[str, Any] = record
                    return found
        raise AssertionError("no event came")


def post(s3: Any, bucket: str, **fields: str) -> tuple[int, bytes]:
    """Send BODY as a browser does."""
    form = s3.generate_presigned_post(bucket, "k", Fields=fields, Conditions=[{name: fields[name]} for name in fields])
    body, kind = urllib3.encode_multipart_formdata([*form["fields"].items(), ("file", ("k.csv", BODY, "text/csv"))])
    answer = urllib3.request("POST", form["url"], body=body, headers={"Content-Type": kind})
    return answer.status, answer.data


def put(url: str) -> int:
    return int(urllib3.request("PUT", url, body=BODY).status)


@VERSIONS
def test_a_browsers_post_is_an_event(server: Server, west: West, bucket: str, version: str) -> None:
    events = Notified(server, west, bucket)
    assert post(west.client("s3", version=version), bucket) == (204, b"")
    record = events.next()
    assert (record["eventName"], record["awsRegion"]) == ("ObjectCreated:Post", REGION)
    assert record["s3"]["object"]["size"] == len(BODY)


@VERSIONS
def test_a_presigned_put_is_an_event(server: Server, west: West, bucket: str, version: str) -> None:
    events = Notified(server, west, bucket)
    signer = west.client("s3", version=version)
    assert put(signer.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})) == 200
    record = events.next()
    assert (record["eventName"], record["awsRegion"]) == ("ObjectCreated:Put", REGION)


def test_a_post_has_a_checksum_by_default(s3: Any, bucket: str) -> None:
    """Recorded from AWS, February 2026."""
    post(s3, bucket)
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head["ChecksumCRC64NVME"], head["ChecksumType"]) == (checksums.compute("CRC64NVME", BODY), "FULL_OBJECT")


def test_a_posts_own_checksum_is_stored_and_held_to(s3: Any, bucket: str) -> None:
    value = str(checksums.compute("SHA256", BODY))
    algorithm = {"x-amz-checksum-algorithm": "SHA256"}
    status, answer = post(s3, bucket, **algorithm, **{"x-amz-checksum-sha256": value[::-1]})
    assert (status, b"<Code>BadDigest</Code>" in answer) == (400, True)
    assert post(s3, bucket, **algorithm, **{"x-amz-checksum-sha256": value})[0] == 204
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head["ChecksumSHA256"], "ChecksumCRC64NVME" in head) == (value, False)


def test_a_posts_tags_are_an_xml_document(s3: Any, bucket: str) -> None:
    assert post(s3, bucket, tagging=TAGS)[0] == 204
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "team", "Value": "a&b"}]
    status, answer = post(s3, bucket, tagging="team=a")
    assert (status, b"<Code>MalformedXML</Code>" in answer) == (400, True)


def test_tags_in_a_post_need_their_permission(server: Server, west: West, bucket: str) -> None:
    for actions, expected in ((["s3:PutObject"], 403), (["s3:PutObject", "s3:PutObjectTagging"], 204)):
        keys = server.user(f"user-{uuid.uuid4().hex[:12]}", [allow(actions, [f"arn:aws:s3:::{bucket}/*"])])
        signer = west.client("s3", keys)
        assert post(signer, bucket)[0] == 204
        assert post(signer, bucket, tagging=TAGS)[0] == expected
