"""What is taken away before and after these tests: all that is theirs, and nothing that only looks like it."""

import json
import textwrap
from typing import Any

import pytest

from infra.local import cloud_folder
from tests.e2e.cleaning import clean, is_own_letter
from tests.support.deployed.deployment import Deployed
from tests.support.deployed.names import OWN, OWN_QUEUES, new_folder
from tests.support.deployed.sabotage import code_replaced, in_front
from tests.support.deployed.waiting import wait_for

pytestmark = pytest.mark.own_cloud("puts objects beside those of these tests")

CSV = b"ship,berth\nAurora,1\n"

ENDLESS = textwrap.dedent(
    '''
    """PollCrawler, to which every crawl still runs until there is a file."""

    import os
    from pathlib import Path

    from functions import honest_poll_crawler


    def handler(event, context):
        if (Path(os.environ["TMPDIR"]) / "go-on").exists():
            return honest_poll_crawler.handler(event, context)
        return event["document"]["catalogue"]
    '''
)


@pytest.fixture(scope="module")
def deployment(broken_deployment: Deployed) -> Deployed:
    """A cloud where nothing else is."""
    return broken_deployment


def all_versions(deployment: Deployed, bucket: str) -> set[tuple[str, str]]:
    response: Any = deployment.target.list_object_versions(Bucket=bucket)
    return {
        (version["Key"], version["VersionId"])
        for version in [*response.get("Versions", []), *response.get("DeleteMarkers", [])]
    }


def uploads(deployment: Deployed, bucket: str) -> set[str]:
    return {upload["Key"] for upload in deployment.target.list_multipart_uploads(Bucket=bucket).get("Uploads", [])}


def tables(deployment: Deployed) -> set[str]:
    listed = deployment.glue.get_tables(DatabaseName=deployment.outputs.glue_database)["TableList"]
    return {table["Name"] for table in listed}


def letters(sqs: Any, url: str) -> set[str]:
    found: set[str] = set()
    for _ in range(5):
        response = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        found |= {letter["Body"] for letter in response.get("Messages", [])}
    return found


def event(*keys: str) -> str:
    return json.dumps({"Records": [{"s3": {"object": {"key": key}}} for key in keys]})


def test_all_of_theirs_goes_and_all_else_stays(deployment: Deployed) -> None:
    outputs, target = deployment.outputs, deployment.target
    own = [f"{new_folder()}/a.csv", f"{OWN}a+b &\n.bin", f"/{OWN}x//y"]
    foreign = [f"{OWN[:-1]}/a.csv", f"x/{OWN}a", f"//{OWN}a", OWN.upper(), f" {OWN}"]
    queues = deployment.client("sqs", outputs.source_region)
    for key in [*own, *foreign]:
        deployment.put(key, CSV)
    assert {run.status for run in deployment.runs([*own, *foreign])} == {"SUCCEEDED"}
    for key in (own[0], foreign[0]):
        for bucket in (outputs.source_bucket, outputs.target_bucket):
            target.put_object(Bucket=bucket, Key=key, Body=CSV)
            target.create_multipart_upload(Bucket=bucket, Key=key)
        target.delete_object(Bucket=outputs.target_bucket, Key=key)
    deployment.runs([own[0], foreign[0]], number=2)
    own_letters = [event(own[0]), json.dumps({"Message": event(f"{OWN}a%20b", own[1])}), f"{OWN} is not an event"]
    foreign_letters = [event(foreign[0]), event(own[0], foreign[1]), "no event"]
    # Only AWS's deployment has one.
    undelivered = queues.create_queue(QueueName=f"{outputs.name}-uploads-undelivered")["QueueUrl"]
    for body in [*own_letters, *foreign_letters]:
        deployment.sqs.send_message(QueueUrl=outputs.dead_letter_queue_url, MessageBody=body)
        queues.send_message(QueueUrl=undelivered, MessageBody=body)
    listeners = {
        name: queues.create_queue(QueueName=name)["QueueUrl"] for name in (f"{OWN_QUEUES}left", "s3-ferry-e2e")
    }
    for url in listeners.values():
        arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        deployment.sns.subscribe(TopicArn=outputs.uploads_topic_arn, Protocol="sqs", Endpoint=arn)
    running = [f"{new_folder()}/running.csv", f"x_{new_folder()}/running.csv"]
    buckets = (outputs.source_bucket, outputs.target_bucket)
    # These still run when all is cleaned, however long that takes.
    with code_replaced(deployment, f"{outputs.name}-poll-crawler", in_front("poll_crawler", ENDLESS)):
        for key in running:
            deployment.put(key, CSV)
            wait_for(lambda key=key: deployment.versions(key), f"the copy of {key}")  # type: ignore[misc]
        before = {bucket: all_versions(deployment, bucket) for bucket in buckets}
        assert {key for key, _ in before[outputs.source_bucket]} == {*own, *foreign, *running}

        found = clean(deployment)

        (deployment.outputs_file.parent / cloud_folder.TEMPORARY / "go-on").touch()
        stopped, went_on = (deployment.one_run(key) for key in running)
    assert (stopped.status, stopped.error) == ("ABORTED", "CleanedUp")
    assert went_on.status == "SUCCEEDED"
    assert f"execution of {running[0]}" in found
    for bucket in buckets:
        after = all_versions(deployment, bucket)
        assert {key for key, _ in after} == {*foreign, running[1]}
        assert after >= {(key, version) for key, version in before[bucket] if key in foreign}
        assert uploads(deployment, bucket) == {foreign[0]}
    assert not any(name.startswith(OWN) for name in tables(deployment))
    assert tables(deployment) == {"ferry_report", OWN[:-1], running[1].partition("/")[0]}
    assert letters(deployment.sqs, outputs.dead_letter_queue_url) == set(foreign_letters)
    assert letters(queues, undelivered) == set(foreign_letters)
    assert queues.list_queues(QueueNamePrefix="s3-ferry-e2e")["QueueUrls"] == [listeners["s3-ferry-e2e"]]
    subscriptions = deployment.sns.list_subscriptions_by_topic(TopicArn=outputs.uploads_topic_arn)["Subscriptions"]
    assert {subscription["Endpoint"].rpartition(":")[2] for subscription in subscriptions} == {
        f"{outputs.name}-uploads",
        "s3-ferry-e2e",
    }
    assert clean(deployment) == []


@pytest.mark.parametrize(
    ("body", "own"),
    [
        (event(f"{OWN}a/b"), True),
        (event(f"%2F{OWN}a"), True),
        (event(f"x{OWN}a"), False),
        (event(f"{OWN}a", "theirs"), False),
        (json.dumps({"Message": event("theirs"), "Subject": OWN}), False),
        (json.dumps({"mark": f"{OWN}12"}), True),
        ("theirs", False),
    ],
)
def test_whose_a_dead_letter_is(body: str, own: bool) -> None:
    assert is_own_letter(body) is own
