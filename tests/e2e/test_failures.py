"""What failed succeeds once its cause is gone and it is replayed, and what was good is not copied again.

These tests take permissions and code away, so they have a deployment to themselves.
"""

import io
import json
import textwrap
import uuid
import zipfile
from collections.abc import Callable

import pytest

from tests.e2e.deployed import GIVEN, Deployed, Run


@pytest.fixture(scope="module")
def deployment(broken_deployment: Deployed) -> Deployed:
    """The deployment of these tests."""
    return broken_deployment


BODY = b"ship,berth\nAurora,1\nBorealis,-999\n"

CHECK = "SELECT ship FROM {database}.{table} WHERE \"$path\" = {path} AND berth = '-999'"

CORRUPTING = textwrap.dedent(
    '''
    """CopyObject, and somebody who replaces each copy by other bytes of the same length at once."""

    import boto3

    from functions import honest_copy_object


    def handler(event, context):
        result = honest_copy_object.handler(event, context)
        target = result["target"]
        s3 = boto3.client("s3", region_name=target["region"])
        where = {"Bucket": target["bucket"], "Key": target["key"]}
        body = s3.get_object(**where)["Body"].read()
        put = s3.put_object(**where, Body=bytes([body[0] ^ 1]) + body[1:])
        target |= {"version_id": put["VersionId"], "etag": put["ETag"].strip('"')}
        return result | {"status": "copied"}
    '''
)


def failed(run: Run, error: str) -> Run:
    """Hold an execution to have failed with this error."""
    assert (run.status, run.error) == ("FAILED", error), run
    return run


def assert_replayed(deployment: Deployed, failure: Run) -> Run:
    """Replay all that failed: this one succeeds, and asking again replays nothing, now or later."""
    said = deployment.ferry("replay", "--failed")
    assert said.returncode == 0, said.stderr
    assert failure.name in said.stdout
    assert_nothing_to_replay(deployment, failure)
    *_, replayed = deployment.runs([failure.key], each=1 if deployment.redrives else 2)
    assert (replayed.status, replayed.cause) == ("SUCCEEDED", "")
    assert replayed.input == failure.input
    if not deployment.redrives:
        assert replayed.name == f"{failure.name}-replay-1"
    assert_nothing_to_replay(deployment, failure)
    assert len(deployment.execution_names(failure.key)) == (1 if deployment.redrives else 2)
    assert deployment.arrived(failure.key) == BODY
    return replayed


def assert_nothing_to_replay(deployment: Deployed, failure: Run) -> None:
    """Replay all that failed, but not this one."""
    said = deployment.ferry("replay", "--failed")
    assert said.returncode == 0, said.stderr
    if GIVEN:
        # There may be other failures.
        assert failure.name not in said.stdout
    else:
        assert said.stdout == "Nothing to replay.\n"


def assert_not_copied_again(deployment: Deployed, failure: Run, replay: Callable[[], Run]) -> None:
    """The target stays the very object it was."""
    before = deployment.head(failure.key)
    replayed = replay()
    after = deployment.head(failure.key)
    assert (after["VersionId"], after["LastModified"]) == (before["VersionId"], before["LastModified"])
    assert len(deployment.versions(failure.key)) == 1
    assert replayed.states["copy"] == ("copied" if deployment.redrives else "unchanged")


def added(name: str, content: str) -> Callable[[bytes], bytes]:
    """Add a file to a zip."""

    def change(original: bytes) -> bytes:
        buffer = io.BytesIO(original)
        with zipfile.ZipFile(buffer, "a") as target:
            target.writestr(name, content)
        return buffer.getvalue()

    return change


def corrupting(original: bytes) -> bytes:
    """Put the corrupting handler in front of the honest one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(original)) as source, zipfile.ZipFile(buffer, "w") as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename == "functions/copy_object.py":
                entry.filename = "functions/honest_copy_object.py"
            target.writestr(entry, content)
        target.writestr("functions/copy_object.py", CORRUPTING)
    return buffer.getvalue()


def test_a_check_that_finds_offending_rows(deployment: Deployed, folder: str) -> None:
    key, function = f"{folder}/berths.csv", f"{deployment.outputs.name}-run-validation-query"
    with deployment.code_replaced(function, added("functions/checks/no_missing_berth.sql", CHECK)):
        deployment.put(key, BODY)
        failure = failed(deployment.one_run(key), "ValidationFailed")
    assert "no_missing_berth" in failure.cause
    assert "found 1 offending rows, the first: ['Borealis']" in failure.cause
    assert_not_copied_again(deployment, failure, lambda: assert_replayed(deployment, failure))


def test_as_long_as_the_cause_is_there_a_replay_fails_too(deployment: Deployed, folder: str) -> None:
    key = f"{folder}/berths.csv"
    with deployment.permission_removed(f"{deployment.outputs.name}-verify-checksum", "s3:GetObject"):
        deployment.put(key, BODY)
        failure = failed(deployment.one_run(key), "AccessDenied")
        assert deployment.ferry("replay", failure.name).returncode == 0
        *_, second = deployment.runs([key], each=1 if deployment.redrives else 2)
        failed(second, "AccessDenied")
    versions = deployment.versions(key)
    said = deployment.ferry("replay", second.name)
    assert said.returncode == 0, said.stderr
    *_, third = deployment.runs([key], each=1 if deployment.redrives else 3)
    assert (third.status, third.cause) == ("SUCCEEDED", "")
    assert deployment.versions(key) == versions
    assert_nothing_to_replay(deployment, failure)


def test_a_crawler_that_fails(deployment: Deployed, folder: str) -> None:
    key = f"{folder}/berths.csv"
    with deployment.policy_removed(f"{deployment.outputs.name}-crawler"):
        deployment.put(key, BODY)
        failure = failed(deployment.one_run(key), "CrawlerFailed")
    assert failure.cause.startswith(f"The crawler {deployment.outputs.crawler_name} failed 3 times, the last with: ")
    assert "not authorized" in failure.cause
    assert failure.cause.endswith("Mend the crawler (its role, database or target), then replay.")
    assert_not_copied_again(deployment, failure, lambda: assert_replayed(deployment, failure))


def test_every_copy_is_corrupted(deployment: Deployed, folder: str) -> None:
    key = f"{folder}/berths.csv"
    with deployment.code_replaced(f"{deployment.outputs.name}-copy-object", corrupting):
        deployment.put(key, BODY)
        failure = failed(deployment.one_run(key), "ChecksumMismatchPersists")
    assert failure.cause.startswith(f"3 copies of s3://{deployment.outputs.source_bucket}/{key} in ")
    # Each was discarded: what is left are good copies only.
    for version in deployment.versions(key):
        body = deployment.target.get_object(Bucket=deployment.outputs.target_bucket, Key=key, VersionId=version)["Body"]
        assert body.read() == BODY
    assert_replayed(deployment, failure)


def test_a_missing_permission_is_named(deployment: Deployed, folder: str) -> None:
    key, outputs = f"{folder}/berths.csv", deployment.outputs
    with deployment.permission_removed(f"{outputs.name}-copy-object", "s3:PutObject"):
        deployment.put(key, BODY)
        failure = failed(deployment.one_run(key), "AccessDenied")
    assert f"copying s3://{outputs.source_bucket}/{key} to s3://{outputs.target_bucket}/{key}" in failure.cause
    assert "Give the function's role the permission behind CopyObject in infra/functions.yaml" in failure.cause
    assert deployment.versions(key) == []
    assert_replayed(deployment, failure)


def test_a_dead_letter_goes_back_and_is_handled(deployment: Deployed, folder: str) -> None:
    key, outputs = f"{folder}/manifest.bin", deployment.outputs
    with deployment.overheard() as message_about:
        deployment.put(key, BODY)
        event = json.loads(json.loads(message_about(key))["Message"])
    assert deployment.one_run(key).status == "SUCCEEDED"
    # Another upload of it, whose message the starter has failed on too often.
    event["Records"][0]["s3"]["object"]["sequencer"] = uuid.uuid4().hex[:16].upper()
    deployment.sqs.send_message(QueueUrl=outputs.dead_letter_queue_url, MessageBody=json.dumps(event))
    said = deployment.ferry("replay", "--failed")
    assert said.returncode == 0, said.stderr
    assert "1 dead letter put back into the queue." in said.stdout
    runs = deployment.runs([key], each=2)
    assert [(run.status, run.states["copy"]) for run in runs] == [("SUCCEEDED", "copied"), ("SUCCEEDED", "unchanged")]
    assert "dead letter" not in deployment.ferry("replay", "--failed").stdout
