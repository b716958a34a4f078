"""The queues of a deployment: how many messages wait, for how long, and why messages were dead-lettered.

`depths` only reads. `peek` receives dead letters to read them, which hides them from others for a moment; they are made
visible again at once, or by SQS after HIDDEN_SECONDS. Nothing is deleted. SQS API Reference, GetQueueAttributes and
ReceiveMessage. The age of the oldest message is a metric of CloudWatch ("Available CloudWatch metrics for Amazon SQS",
Amazon SQS Developer Guide), so an emulator and a caller without cloudwatch:GetMetricStatistics do not know it.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from botocore.exceptions import BotoCoreError, ClientError

from ferry.aws.clients import Deployment
from ferry.aws.dead_letters import DeadLetterQueue, dead_letter_queues, reason_of
from infra.aws_errors import explain

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeFilterType
    from mypy_boto3_sqs.type_defs import MessageTypeDef

HIDDEN_SECONDS = 30
RECEIVED_AT_ONCE = 10
ATTRIBUTES: tuple["QueueAttributeFilterType", ...] = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


@dataclass(frozen=True)
class QueueDepth:
    """How many messages a queue has. `error` says why it could not be read; then the numbers are 0."""

    name: str
    title: str
    waiting: int = 0
    in_flight: int = 0
    oldest_seconds: int | None = None
    error: str | None = None
    holds_failures: bool = False
    """Whether each of its messages is a file that is not transferred."""


@dataclass(frozen=True)
class DeadLetter:
    """A message that could not be delivered or handled. `reason` is None for one that merely failed too often."""

    id: str
    title: str
    reason: str | None
    sent: datetime | None
    receives: int
    keys: tuple[str, ...]
    body: str


def depths(deployment: Deployment) -> list[QueueDepth]:
    """The upload queue, the dead-letter queue and, on AWS, the undelivered events of each region."""
    outputs = deployment.outputs
    found = [_depth(deployment, deployment.sqs, outputs.queue_url, "Uploads")]
    for region, open_queue in dead_letter_queues(deployment):
        title = _title(region, first=len(found) == 1)
        try:
            queue = open_queue()
            found.append(_depth(deployment, queue.client, queue.url, title, holds_failures=True))
        except (BotoCoreError, ClientError) as error:
            found.append(QueueDepth(region, title, error=_explain(deployment, error), holds_failures=True))
    return found


def peek(deployment: Deployment, limit: int) -> Iterator[DeadLetter]:
    """The dead letters and undelivered events, at most so many of each queue."""
    for number, (region, open_queue) in enumerate(dead_letter_queues(deployment)):
        title = _title(region, first=number == 0)
        yield from _peek_queue(open_queue(), title, limit, wait_seconds=1 if deployment.on_aws else 0)


def _peek_queue(queue: DeadLetterQueue, title: str, limit: int, *, wait_seconds: int) -> list[DeadLetter]:
    messages: dict[str, MessageTypeDef] = {}
    try:
        while len(messages) < limit:
            previous = len(messages)
            received = queue.client.receive_message(
                QueueUrl=queue.url,
                MaxNumberOfMessages=min(RECEIVED_AT_ONCE, limit - previous),
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
                VisibilityTimeout=HIDDEN_SECONDS,
                WaitTimeSeconds=wait_seconds,
            ).get("Messages", [])
            messages |= {message["MessageId"]: message for message in received}
            if len(messages) == previous:
                break
    finally:
        for message in messages.values():
            # Without the permission they are visible again after HIDDEN_SECONDS.
            with suppress(ClientError):
                queue.client.change_message_visibility(
                    QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
                )
    return [_dead_letter(message, title) for message in messages.values()]


def _dead_letter(message: "MessageTypeDef", title: str) -> DeadLetter:
    attributes: Any = message.get("Attributes", {})
    sent = attributes.get("SentTimestamp")
    return DeadLetter(
        id=message["MessageId"],
        title=title,
        reason=reason_of(message),
        sent=datetime.fromtimestamp(int(sent) / 1000, UTC) if sent else None,
        receives=int(attributes.get("ApproximateReceiveCount", 0)),
        keys=tuple(_keys(message["Body"])),
        body=message["Body"],
    )


def _keys(body: str) -> Iterator[str]:
    """The keys that a message names, as far as it is an S3 event."""
    try:
        event = json.loads(body)
        if isinstance(event.get("Message"), str):
            event = json.loads(event["Message"])
        for record in event.get("Records", []):
            yield unquote_plus(str(record["s3"]["object"]["key"]))
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return


def _depth(
    deployment: Deployment, client: "SQSClient", url: str, title: str, *, holds_failures: bool = False
) -> QueueDepth:
    name = url.rpartition("/")[2]
    try:
        found: Any = client.get_queue_attributes(QueueUrl=url, AttributeNames=list(ATTRIBUTES))["Attributes"]
    except (BotoCoreError, ClientError) as error:
        return QueueDepth(name, title, error=_explain(deployment, error), holds_failures=holds_failures)
    waiting, in_flight, delayed = (int(found.get(attribute, 0)) for attribute in ATTRIBUTES)
    age = _oldest(deployment, name, client.meta.region_name) if deployment.on_aws and waiting else None
    return QueueDepth(name, title, waiting + delayed, in_flight, age, holds_failures=holds_failures)


def _oldest(deployment: Deployment, name: str, region: str) -> int | None:
    now = datetime.now(UTC)
    try:
        points = deployment.cloudwatch_in(region).get_metric_statistics(
            Namespace="AWS/SQS",
            MetricName="ApproximateAgeOfOldestMessage",
            Dimensions=[{"Name": "QueueName", "Value": name}],
            StartTime=now - timedelta(minutes=10),
            EndTime=now,
            Period=60,
            Statistics=["Maximum"],
        )["Datapoints"]
    except (BotoCoreError, ClientError):
        return None
    newest = max(points, key=lambda point: point["Timestamp"], default=None)
    return int(newest["Maximum"]) if newest else None


def _title(region: str, *, first: bool) -> str:
    return "Dead letters" if first else f"Undelivered events from {region}"


def _explain(deployment: Deployment, error: BotoCoreError | ClientError) -> str:
    return explain(error, deployment.outputs.endpoint_url or "AWS")
