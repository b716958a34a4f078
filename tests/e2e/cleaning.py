"""Takes away everything that the end-to-end tests have left in a deployment, and nothing else.

Theirs is what begins with one of OWN_PREFIXES: objects at source and target in all their versions, unfinished uploads,
running executions of these keys, tables over them, dead letters and undelivered events about nothing else, and the
queues that listened to the topic. What cannot be taken away, or is nobody's by its name, stays: ended executions (Step
Functions keeps them for 90 days), logs, and Athena's results, which expire in their bucket.

Again and again until there is nothing, since a function that was at work when its execution was stopped, a crawl that
ran, or an event that was on its way may bring something back. It is idempotent.
"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from tests.support.deployed.deployment import Deployed
from tests.support.deployed.names import OWN, OWN_PREFIXES, OWN_QUEUES, is_own
from tests.support.deployed.waiting import AWS_PATIENCE_SECONDS, PATIENCE_SECONDS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SETTLE_SECONDS = 1.0
AWS_SETTLE_SECONDS = 20.0
"""After so long what was on its way has come."""

READING_SECONDS = 120
"""So long are all dead letters hidden, while they are read."""


def clean(deployed: Deployed) -> list[str]:
    """Take away all of it; gives what there was, in words."""
    on_aws = deployed.outputs.endpoint_url is None
    deadline = time.monotonic() + (AWS_PATIENCE_SECONDS if on_aws else PATIENCE_SECONDS)
    found: list[str] = []
    last_found = datetime.min.replace(tzinfo=UTC)
    quiet = 0
    # Two looks, with some time between them, must find nothing.
    while quiet < 2:
        assert time.monotonic() < deadline, f"it does not get clean: {found[-20:]}"
        last = sweep(deployed)
        if last:
            found += last
            last_found = datetime.now(UTC)
        quiet = 0 if last or _is_crawled_since(deployed, last_found) else quiet + 1
        if found and quiet < 2:
            time.sleep(AWS_SETTLE_SECONDS if on_aws else SETTLE_SECONDS)
    return found


def sweep(deployed: Deployed) -> list[str]:
    """Take away what is there now; gives what there was, in words."""
    outputs = deployed.outputs
    return [
        # First what would bring the rest back.
        *_stop_executions(deployed),
        *_remove_objects(deployed.source, outputs.source_bucket),
        *_remove_objects(deployed.target, outputs.target_bucket),
        *_remove_tables(deployed),
        *_remove_dead_letters(deployed),
        *_remove_queues(deployed),
    ]


def _stop_executions(deployed: Deployed) -> Iterator[str]:
    client = deployed.step_functions
    pages = client.get_paginator("list_executions").paginate(
        stateMachineArn=deployed.outputs.state_machine_arn, statusFilter="RUNNING"
    )
    for execution in [item for page in pages for item in page["executions"]]:
        arn = execution["executionArn"]
        key = _key_of(client.describe_execution(executionArn=arn)["input"])
        if key is not None and is_own(key):
            client.stop_execution(executionArn=arn, error="CleanedUp", cause="its end-to-end tests are over")
            yield f"execution of {key}"


def _key_of(document: str) -> str | None:
    """The key that an execution is about; whoever starts one of another kind is none of these tests."""
    try:
        return str(json.loads(document)["source"]["key"])
    except (ValueError, KeyError, TypeError):
        return None


def _remove_objects(s3: "S3Client", bucket: str) -> list[str]:
    found: list[tuple[str, str]] = []
    uploads: list[tuple[str, str]] = []
    for prefix in OWN_PREFIXES:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
            listed: list[Any] = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            found += [(version["Key"], version["VersionId"]) for version in listed]
        for parts in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
            uploads += [(upload["Key"], upload["UploadId"]) for upload in parts.get("Uploads", [])]
    foreign = [key for key, _ in [*found, *uploads] if not is_own(key)]
    assert not foreign, f"s3://{bucket} lists {foreign} under {OWN_PREFIXES}"
    for key, upload_id in uploads:
        s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
    with ThreadPoolExecutor(8) as pool:
        # One by one: no list of keys in XML can hold each of these keys.
        list(pool.map(lambda version: s3.delete_object(Bucket=bucket, Key=version[0], VersionId=version[1]), found))
    return [
        *(f"unfinished upload to s3://{bucket}/{key}" for key, _ in uploads),
        *(f"s3://{bucket}/{key} version {version}" for key, version in found),
    ]


def _remove_tables(deployed: Deployed) -> Iterator[str]:
    """By where their data lie, since a crawler chooses the names."""
    database, target = deployed.outputs.glue_database, deployed.outputs.target_bucket
    own = tuple(f"s3://{target}/{prefix}" for prefix in OWN_PREFIXES)
    pages = deployed.glue.get_paginator("get_tables").paginate(DatabaseName=database)
    for table in [item for page in pages for item in page["TableList"]]:
        if table.get("StorageDescriptor", {}).get("Location", "").startswith(own):
            deployed.glue.delete_table(DatabaseName=database, Name=table["Name"])
            yield f"table {table['Name']}"


def _is_crawled_since(deployed: Deployed, moment: datetime) -> bool:
    """Whether a crawl runs that began before this moment: it may make tables of what it saw then."""
    crawls = deployed.glue.list_crawls(CrawlerName=deployed.outputs.crawler_name, MaxResults=20)["Crawls"]
    return any(crawl["State"] == "RUNNING" and crawl["StartTime"] <= moment for crawl in crawls)


def _remove_dead_letters(deployed: Deployed) -> Iterator[str]:
    """Also what SNS could not deliver, which waits in the topic's region, where there is a queue for it."""
    yield from _remove_letters(deployed, deployed.sqs, deployed.outputs.dead_letter_queue_url)
    sqs = deployed.client("sqs", _topics_region(deployed))
    with suppress(sqs.exceptions.QueueDoesNotExist):
        url = sqs.get_queue_url(QueueName=f"{deployed.outputs.name}-uploads-undelivered")["QueueUrl"]
        yield from _remove_letters(deployed, sqs, url)


def _topics_region(deployed: Deployed) -> str:
    return deployed.outputs.uploads_topic_arn.split(":")[3]


def _remove_letters(deployed: Deployed, sqs: Any, url: str) -> Iterator[str]:
    wait_seconds = 1 if deployed.outputs.endpoint_url is None else 0
    letters: dict[str, Any] = {}
    while response := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=READING_SECONDS, WaitTimeSeconds=wait_seconds
    ).get("Messages"):
        letters |= {letter["MessageId"]: letter for letter in response}
    for letter in letters.values():
        where = {"QueueUrl": url, "ReceiptHandle": letter["ReceiptHandle"]}
        if is_own_letter(letter["Body"]):
            sqs.delete_message(**where)
            yield f"dead letter {letter['Body'][:80]}"
        else:
            sqs.change_message_visibility(**where, VisibilityTimeout=0)


def is_own_letter(body: str) -> bool:
    """Whether a message is about these tests' keys, and about nothing else."""
    return OWN in body and all(is_own(key) for key in _keys_in(body))


def _keys_in(body: str) -> Iterator[str]:
    """The keys of an S3 event, as S3 or SNS send it; none where the message is nothing of that kind."""
    try:
        event = json.loads(body)
        event = json.loads(event["Message"]) if "Message" in event else event
        for record in event["Records"]:
            yield unquote_plus(record["s3"]["object"]["key"])
    except (ValueError, KeyError, TypeError):
        return


def _remove_queues(deployed: Deployed) -> Iterator[str]:
    sqs: Any = deployed.client("sqs", _topics_region(deployed))
    pages = deployed.sns.get_paginator("list_subscriptions_by_topic").paginate(
        TopicArn=deployed.outputs.uploads_topic_arn
    )
    for subscription in [item for page in pages for item in page["Subscriptions"]]:
        name = subscription["Endpoint"].rpartition(":")[2]
        if subscription["Protocol"] == "sqs" and name.startswith(OWN_QUEUES):
            deployed.sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
            yield f"subscription of {name}"
    for url in sqs.list_queues(QueueNamePrefix=OWN_QUEUES).get("QueueUrls", []):
        # One that was deleted is listed for another minute.
        with suppress(sqs.exceptions.QueueDoesNotExist):
            sqs.delete_queue(QueueUrl=url)
            yield f"queue {url}"
