"""Return dead letters to the upload queue: those of the queue, and events that SNS could not deliver.

Messages are received, sent and deleted here, on AWS too, and not by StartMessageMoveTask: that moves a message to the
queue it came from, and those that the starter sent itself came from none; it does not accept the undelivered events of
SNS, which wait in each source's region; and it continues after the command has ended, so a message that the starter
rejects would be moved again and again.

Idempotent: a message that arrives twice starts nothing twice. Raises CommandError at the end, with the reason for each
region whose messages could not be returned; the others are returned. SQS Developer Guide, "Learn how to configure a
dead-letter queue redrive in Amazon SQS", and API Reference, StartMessageMoveTask.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ferry.aws.clients import Deployment
from ferry.errors import CommandError
from infra.aws_errors import explain

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

Clock = Callable[[], float]
"""Seconds since some moment."""

REASON = "reason"
HIDDEN_SECONDS = 300
"""How long received messages are hidden from others while they are moved; half of it is for receiving."""

MOVERS = 8
"""Messages moved at a time: each takes two calls, and after an outage there are thousands."""


@dataclass(frozen=True)
class DeadLetterQueue:
    """A queue whose messages belong in the upload queue, and what they are called."""

    client: "SQSClient"
    url: str
    noun: str
    origin: str = ""

    def describe(self, number: int) -> str:
        """A number of its messages, in words."""
        return f"{number} {self.noun}{'' if number == 1 else 's'}{self.origin}"


def return_dead_letters(deployment: Deployment, now: Clock = time.monotonic) -> Iterator[str]:
    """Move all dead letters and undelivered events to the upload queue; yield what was done, nothing if there are none.

    A queue that cannot be reached does not keep the others from being emptied: the CommandError comes last.
    """
    failed: list[str] = []
    for region, open_queue in dead_letter_queues(deployment):
        try:
            yield from _return_messages(deployment, open_queue(), now)
        except (BotoCoreError, ClientError) as error:
            failed.append(f"{region} ({explain(error, deployment.outputs.endpoint_url or 'AWS').rstrip('.')})")
    if failed:
        raise CommandError(
            f"Some dead letters could not be returned to the queue. Regions that failed: {'; '.join(failed)}. "
            "Fix the cause and replay again; replaying is idempotent."
        )


def dead_letter_queues(deployment: Deployment) -> Iterator[tuple[str, Callable[[], DeadLetterQueue]]]:
    """By region: the dead-letter queue, and on AWS the queue of undelivered events in each source's region."""
    outputs = deployment.outputs
    yield outputs.target_region, lambda: DeadLetterQueue(deployment.sqs, outputs.dead_letter_queue_url, "dead letter")
    for region in sorted({source.region for source in (outputs.sources or {}).values()}):
        yield region, partial(_undelivered, deployment, region)


def _undelivered(deployment: Deployment, region: str) -> DeadLetterQueue:
    client = deployment.sqs_in(region)
    url = client.get_queue_url(QueueName=f"{deployment.outputs.name}-uploads-undelivered")["QueueUrl"]
    return DeadLetterQueue(client, url, "undelivered event", f" from {region}")


def _return_messages(deployment: Deployment, queue: DeadLetterQueue, now: Clock) -> Iterator[str]:
    """Move the messages of one queue, and describe the result."""
    moved, left = _move_all(deployment, queue, now)
    if moved:
        yield f"Returned {queue.describe(len(moved))} to the queue."
    if left:
        yield f"Ran out of time with {queue.describe(left)} left. Replay again in a few minutes."
    reasons = Counter(reason for message in moved if (reason := reason_of(message)))
    if reasons:
        yield f"{reasons.total()} of them will probably fail again, because the starter rejected them:"
        yield from (f"  {times} with: {reason}" for reason, times in reasons.most_common())


def _move_all(deployment: Deployment, queue: DeadLetterQueue, now: Clock) -> tuple[list["MessageTypeDef"], int]:
    """Move the messages; return those that were moved, and how many were received but not moved in time.

    If it is stopped midway, the remaining messages become visible in their queue again.
    """
    deadline = now() + HIDDEN_SECONDS
    messages = _receive_all(deployment, queue, now)

    def move(message: "MessageTypeDef") -> bool:
        if now() > deadline:
            return False
        # Send first: a duplicate starts nothing twice, but a message that is deleted first may be lost.
        deployment.sqs.send_message(
            QueueUrl=deployment.outputs.queue_url,
            MessageBody=message["Body"],
            MessageAttributes={
                name: value for name, value in message.get("MessageAttributes", {}).items() if name != REASON
            },
        )
        queue.client.delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])
        return True

    with ThreadPoolExecutor(MOVERS) as pool:
        results = list(pool.map(move, messages))
    moved = [message for message, was_moved in zip(messages, results, strict=True) if was_moved]
    return moved, len(messages) - len(moved)


def _receive_all(deployment: Deployment, queue: DeadLetterQueue, now: Clock) -> list["MessageTypeDef"]:
    """Receive all messages before the first is moved: a bad one would be back before the last is received."""
    messages: dict[str, MessageTypeDef] = {}
    # Messages that are not received by then are left for the next replay.
    deadline = now() + HIDDEN_SECONDS / 2
    while now() < deadline:
        previous = len(messages)
        messages |= {message["MessageId"]: message for message in _receive(deployment, queue)}
        if len(messages) == previous:
            break
    return list(messages.values())


def _receive(deployment: Deployment, queue: DeadLetterQueue) -> list["MessageTypeDef"]:
    return queue.client.receive_message(
        QueueUrl=queue.url,
        MaxNumberOfMessages=10,
        MessageAttributeNames=["All"],
        VisibilityTimeout=HIDDEN_SECONDS,
        # A short poll on AWS asks only some of its servers.
        WaitTimeSeconds=1 if deployment.on_aws else 0,
    ).get("Messages", [])


def reason_of(message: "MessageTypeDef") -> str | None:
    """Why the starter rejected this message; None for one that merely failed too often."""
    attribute = message.get("MessageAttributes", {}).get(REASON)
    return attribute.get("StringValue") if attribute else None
