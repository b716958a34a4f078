"""An event starts one execution, however often it arrives; an invalid one is dead-lettered, and delays no valid one."""

import json
import uuid

from tests.support.deployed.deployment import Deployed
from tests.support.deployed.queues import await_empty_queue, overheard, take_dead_letters

BODY = b"ship,berth\nAurora,1\n"


def test_the_same_event_many_times_is_one_execution_and_one_copy(deployment: Deployed, folder: str) -> None:
    key, outputs = f"{folder}/once.csv", deployment.outputs
    with overheard(deployment) as message_about:
        deployment.put(key, BODY)
        message = message_about(key)
    # While the first still runs.
    for _ in range(5):
        deployment.sqs.send_message(QueueUrl=outputs.queue_url, MessageBody=message)
    deployment.sns.publish(TopicArn=outputs.uploads_topic_arn, Message=json.loads(message)["Message"])
    await_empty_queue(deployment)
    run = deployment.one_run(key)
    assert (run.status, run.cause) == ("SUCCEEDED", "")
    # And after its end, with three at once.
    entries = [{"Id": str(number), "MessageBody": message} for number in range(3)]
    deployment.sqs.send_message_batch(QueueUrl=outputs.queue_url, Entries=entries)  # type: ignore[arg-type]
    # What is behind them in the queue is taken after them.
    deployment.put(f"{folder}_behind.bin", b"behind")
    assert deployment.one_run(f"{folder}_behind.bin").status == "SUCCEEDED"
    await_empty_queue(deployment)
    assert deployment.execution_names(key) == [run.name]
    assert len(deployment.versions(key)) == 1
    assert deployment.arrived(key) == BODY


def test_bad_messages_are_set_aside_with_the_reason(deployment: Deployed, folder: str) -> None:
    messages = {
        json.dumps({"mark": folder, "hello": "world"}): "not an S3 event: Records",
        f"{folder} {{not JSON": "the message is not valid JSON",
        json.dumps({"Message": f"{folder} {{neither"}): "the notification in the message is not valid JSON",
        json.dumps([folder]): "the message is not a JSON object",
    }
    for body in messages:
        deployment.sqs.send_message(QueueUrl=deployment.outputs.queue_url, MessageBody=body)
    reasons = take_dead_letters(deployment, folder, len(messages))
    assert set(reasons) == set(messages)
    for body, reason in messages.items():
        assert reasons[body].startswith(reason)
    key = f"{folder}/next.bin"
    deployment.put(key, b"next")
    assert deployment.one_run(key).status == "SUCCEEDED"


def test_the_good_records_beside_a_bad_one_go_on(deployment: Deployed, folder: str) -> None:
    keys = [f"{folder}/one.bin", f"{folder}/two.bin"]
    with overheard(deployment) as message_about:
        deployment.put(keys[0], b"one")
        record = json.loads(json.loads(message_about(keys[0]))["Message"])["Records"][0]
    deployment.put(keys[1], b"two")
    assert {run.status for run in deployment.runs(keys)} == {"SUCCEEDED"}

    def sent_again(key: str) -> dict[str, object]:
        """An upload of its own, by its sequencer, of what is there already."""
        head = deployment.source.head_object(Bucket=deployment.outputs.source_bucket, Key=key)
        notified = {"key": key, "size": 3, "eTag": head["ETag"].strip('"'), "sequencer": uuid.uuid4().hex[:16].upper()}
        if "VersionId" in head:
            notified["versionId"] = head["VersionId"]
        complete_record: dict[str, object] = record | {"s3": record["s3"] | {"object": notified}}
        return complete_record

    bad = sent_again(keys[0])
    bad["s3"] = {"bucket": {"name": deployment.outputs.source_bucket}, "object": {"key": folder}}
    body = json.dumps({"Records": [sent_again(keys[0]), bad, sent_again(keys[1])]})
    deployment.sqs.send_message(QueueUrl=deployment.outputs.queue_url, MessageBody=body)
    ended = deployment.runs(keys, number=2)
    assert [run.status for run in ended] == ["SUCCEEDED"] * 4
    assert [run.states["copy"] for run in ended].count("unchanged") == 2
    assert take_dead_letters(deployment, folder, 1)[body].startswith("record 2 of 3: not an S3 event: ")
