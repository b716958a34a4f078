"""A bucket that is let go tells of nothing any more, and one that is adopted tells of the next upload."""

import json

import pytest

from tests.support.deployed.deployment import Deployed
from tests.support.deployed.queues import await_empty_queue

pytestmark = pytest.mark.own_cloud("takes the source's notification away for a while")


@pytest.fixture
def bucket(deployment: Deployed) -> str:
    return deployment.outputs.source_bucket


def test_only_what_an_adopted_bucket_tells_of_is_moved(deployment: Deployed, bucket: str, folder: str) -> None:
    """The others' notifications stay, whatever is done."""
    source, queues = deployment.source, deployment.client("sqs", deployment.outputs.source_region)
    url = queues.create_queue(QueueName=folder)["QueueUrl"]
    try:
        arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        response = source.get_bucket_notification_configuration(Bucket=bucket)
        theirs = {"Id": folder, "QueueArn": arn, "Events": ["s3:ObjectRemoved:*"]}
        before = {"TopicConfigurations": response["TopicConfigurations"], "QueueConfigurations": [theirs]}
        queues.set_queue_attributes(QueueUrl=url, Attributes={"Policy": _policy(arn)})
        source.put_bucket_notification_configuration(
            Bucket=bucket,
            NotificationConfiguration=before | {"EventBridgeConfiguration": {}},  # type: ignore[arg-type]
        )

        result = deployment.ferry("unadopt", bucket)
        assert (result.returncode, result.stderr) == (0, "")
        unadopted = source.get_bucket_notification_configuration(Bucket=bucket)
        assert "TopicConfigurations" not in unadopted
        assert unadopted["QueueConfigurations"] == [theirs]
        deployment.put(f"{folder}/before.bin", b"before")

        result = deployment.ferry("adopt", bucket)
        assert (result.returncode, result.stderr) == (0, "")
        adopted = source.get_bucket_notification_configuration(Bucket=bucket)
        assert adopted["TopicConfigurations"] == before["TopicConfigurations"]
        assert adopted["QueueConfigurations"] == [theirs]
        assert "EventBridgeConfiguration" in adopted
        deployment.put(f"{folder}/after.bin", b"after")
        assert deployment.one_run(f"{folder}/after.bin").status == "SUCCEEDED"
        await_empty_queue(deployment)
        assert deployment.execution_names(f"{folder}/before.bin") == []
    finally:
        assert deployment.ferry("adopt", bucket).returncode == 0
        left = source.get_bucket_notification_configuration(Bucket=bucket)
        source.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"TopicConfigurations": left["TopicConfigurations"]}
        )
        queues.delete_queue(QueueUrl=url)


def test_a_topic_that_does_not_admit_the_bucket_is_reported(deployment: Deployed, folder: str) -> None:
    """Its policy names the sources, so a bucket that was not deployed as one cannot be adopted by a trick."""
    bucket = folder.replace("_", "-")
    deployment.source.create_bucket(
        Bucket=bucket,
        CreateBucketConfiguration={"LocationConstraint": deployment.outputs.source_region},  # type: ignore[typeddict-item]
    )
    outputs = deployment.outputs_file.with_name("other") / "outputs.json"
    outputs.parent.mkdir(exist_ok=True)
    outputs.write_text(deployment.outputs.model_copy(update={"source_bucket": bucket}).model_dump_json())
    outputs.with_name("env").write_text(deployment.outputs_file.with_name("env").read_text())
    try:
        result = deployment.run("ferry", "adopt", bucket, "--outputs", outputs)
        assert result.returncode == 1
        assert result.stderr.startswith(f"ferry: s3://{bucket}: S3 is not allowed to publish")
        assert result.stderr.count("\n") == 1
        assert "TopicConfigurations" not in deployment.source.get_bucket_notification_configuration(Bucket=bucket)
    finally:
        deployment.source.delete_bucket(Bucket=bucket)


def _policy(queue: str) -> str:
    allowed = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage"}
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed | {"Resource": queue}]})
