"""The messages of a deployment: what the starter received, what it dead-lettered, and what the topic delivers."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from tests.support.deployed.deployment import Deployed
from tests.support.deployed.names import OWN_QUEUES
from tests.support.deployed.waiting import wait_for

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


def await_empty_queue(deployed: Deployed) -> None:
    """Wait until the starter has taken every message."""

    def is_empty() -> bool:
        attributes = deployed.sqs.get_queue_attributes(
            QueueUrl=deployed.outputs.queue_url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )["Attributes"]
        return not any(int(number) for number in attributes.values())

    wait_for(is_empty, "an empty queue")


def take_dead_letters(deployed: Deployed, text: str, number: int) -> dict[str, str]:
    """Wait for dead letters whose bodies contain this text, and remove them; returns the reason of each body."""
    reasons: dict[str, str] = {}
    url = deployed.outputs.dead_letter_queue_url

    def enough() -> bool:
        response = deployed.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["reason"], VisibilityTimeout=0
        )
        for message in response.get("Messages", []):
            if text in message["Body"]:
                reasons[message["Body"]] = message["MessageAttributes"]["reason"]["StringValue"]
                deployed.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(reasons) >= number

    wait_for(enough, f"{number} dead letters with {text}")
    return reasons


@contextmanager
def overheard(deployed: Deployed) -> Iterator[Callable[[str], str]]:
    """Subscribe a queue to the topic for a while; yields what returns the message that the queue gets about a key."""
    topic = deployed.outputs.uploads_topic_arn
    region, account = topic.split(":")[3:5]
    name = f"{OWN_QUEUES}{uuid.uuid4().hex[:8]}"
    arn = f"arn:aws:sqs:{region}:{account}:{name}"
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    sqs: SQSClient = deployed.client("sqs", region)
    url = sqs.create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"]
    subscription = deployed.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)

    def message_about(key: str) -> str:
        def receive() -> str | None:
            for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
                records = json.loads(json.loads(message["Body"])["Message"]).get("Records", [])
                if any(unquote_plus(record["s3"]["object"]["key"]) == key for record in records):
                    return message["Body"]
            return None

        return wait_for(receive, f"a message about {key}")

    def is_subscribed() -> bool:
        # The starter acknowledges S3's test event, and starts nothing.
        deployed.sns.publish(TopicArn=topic, Message=json.dumps({"Event": "s3:TestEvent"}))
        return "Messages" in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)

    try:
        wait_for(is_subscribed, f"the subscription of {name}")
        yield message_about
    finally:
        deployed.sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
        sqs.delete_queue(QueueUrl=url)
