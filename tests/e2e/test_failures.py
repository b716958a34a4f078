"""What failed succeeds once its cause is gone and it is replayed, and what was good is not copied again.

Each fault meets a copy and a move at once: whatever goes wrong, the source of either is still there.
These tests take permissions and code away, so they have a deployment to themselves.
"""

import io
import json
import re
import textwrap
import uuid
import zipfile
from collections.abc import Callable, Sequence

import pytest

from tests.support.deployed.deployment import Deployed, Run
from tests.support.deployed.names import MODES, in_mode
from tests.support.deployed.queues import overheard
from tests.support.deployed.sabotage import code_replaced, in_front, permission_removed, policy_removed
from tests.support.deployed.waiting import wait_for
from tests.support.facts import Naming

pytestmark = pytest.mark.own_cloud("takes permissions and code away, and replays all that failed")


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

WAITING = textwrap.dedent(
    '''
    """CopyObject, once the source has a tag."""

    import time

    import boto3

    from functions import honest_copy_object


    def handler(event, context):
        source = event["document"]["source"]
        s3 = boto3.client("s3", region_name=source["region"])
        while not s3.get_object_tagging(Bucket=source["bucket"], Key=source["key"])["TagSet"]:
            time.sleep(0.1)
        return honest_copy_object.handler(event, context)
    '''
)


def put(deployment: Deployed, folder: str, tagging: str = "", modes: Sequence[str] = MODES) -> list[str]:
    """Upload the file in each of these modes, as far as the deployment has rules for them."""
    keys = [in_mode(mode, f"{folder}/berths.csv") for mode in modes if mode == "copy" or deployment.moves]
    for key in keys:
        deployment.put(key, BODY, **({"Tagging": tagging} if tagging else {}))
    return keys


def failed(deployment: Deployed, keys: Sequence[str], error: str = "") -> list[Run]:
    """Hold the only execution of each key to have failed (with this error), and its source to be still there."""
    failures = deployment.runs(keys)
    assert [(run.status, run.error) for run in failures] == [("FAILED", error or run.error) for run in failures]
    assert len(failures) == len(keys)
    for key in keys:
        assert deployment.is_at_source(key), key
    return failures


def replay(deployment: Deployed, *arguments: str) -> str:
    """Run `ferry replay`; return what it printed."""
    result = deployment.ferry("replay", *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


def assert_replayed(deployment: Deployed, failures: Sequence[Run]) -> list[Run]:
    """Replay all that failed: these are redriven and succeed, and asking again replays nothing, now or later."""
    lines = replay(deployment, "--failed").splitlines()
    for failure in failures:
        assert f"{failure.name}  {failure.key}  redriven: the failed step is running again" in lines
    assert_nothing_to_replay(deployment)
    replayed = [deployment.run_of(failure.arn) for failure in failures]
    for failure, run in zip(failures, replayed, strict=True):
        deployment.assert_arrived(run, BODY, mode_of(run))
        assert run.input == failure.input
        assert run.redrives == failure.redrives + 1
        assert deployment.execution_names(run.key) == [failure.name]
    assert_nothing_to_replay(deployment)
    return replayed


def mode_of(run: Run) -> str:
    """What its rule says."""
    return str(json.loads(run.input)["rule"]["mode"])


def assert_nothing_to_replay(deployment: Deployed) -> None:
    """Replay all that failed: there is nothing."""
    assert replay(deployment, "--failed") == "Nothing to replay.\n"


def assert_replayed_without_another_copy(deployment: Deployed, failures: Sequence[Run]) -> None:
    """The targets stay the very objects that they were."""
    before = {failure.key: deployment.head(failure.key) for failure in failures}
    for run in assert_replayed(deployment, failures):
        was, after = before[run.key], deployment.head(run.key)
        assert (after["VersionId"], after["LastModified"]) == (was["VersionId"], was["LastModified"])
        assert len(deployment.versions(run.key)) == 1
        assert deployment.visits(run.arn, "CopyObject") == 1


def added(name: str, content: str) -> Callable[[bytes], bytes]:
    """Add a file to a zip."""

    def change(original: bytes) -> bytes:
        buffer = io.BytesIO(original)
        with zipfile.ZipFile(buffer, "a") as target:
            target.writestr(name, content)
        return buffer.getvalue()

    return change


def test_a_check_that_finds_offending_rows(deployment: Deployed, folder: str) -> None:
    function = f"{deployment.outputs.name}-run-validation-query"
    with code_replaced(deployment, function, added("functions/checks/no_missing_berth.sql", CHECK)):
        failures = failed(deployment, put(deployment, folder), "ValidationFailed")
    for failure in failures:
        assert "no_missing_berth" in failure.cause
        assert Naming("found 1 offending rows", "['Borealis']") == failure.cause
    assert_replayed_without_another_copy(deployment, failures)


def test_as_long_as_the_cause_is_there_a_replay_fails_too(deployment: Deployed, folder: str) -> None:
    with permission_removed(deployment, f"{deployment.outputs.name}-verify-checksum", "s3:GetObject"):
        keys = put(deployment, folder)
        failures = failed(deployment, keys, "AccessDenied")
        replay(deployment, *(failure.name for failure in failures))
        seconds = failed(deployment, keys, "AccessDenied")
        assert [second.redrives for second in seconds] == [1] * len(keys)
    shown = json.loads(deployment.ferry("show", seconds[0].name, "--json").stdout)
    assert (shown["status"], shown["attempt"]) == ("FAILED", 2)
    versions = [deployment.versions(key) for key in keys]
    # A new execution finds the copies, and is what `--restart` is for.
    output = replay(deployment, "--restart", *(second.name for second in seconds))
    for second in seconds:
        assert f"{second.name}  {second.key}  started again as {second.name}-replay-1" in output.splitlines()
        _, third = deployment.runs([second.key], number=2)
        deployment.assert_arrived(third, BODY, mode_of(third))
        assert (third.name, third.redrives, third.states["copy"]) == (f"{second.name}-replay-1", 0, "unchanged")
    assert [deployment.versions(key) for key in keys] == versions
    assert_nothing_to_replay(deployment)


def test_a_copy_that_is_stopped_and_redriven_while_its_function_still_runs(deployment: Deployed, folder: str) -> None:
    """StopExecution stops no function: two calls copy the object at once, and one copy is at the target."""
    (key,) = put(deployment, folder, modes=["copy"])
    first = deployment.one_run(key)
    with code_replaced(deployment, f"{deployment.outputs.name}-copy-object", in_front("copy_object", WAITING)):
        (held,) = put(deployment, f"{folder}/held", modes=["copy"])
        arn = wait_for(lambda: deployment.running(held), f"the execution of {held}")
        wait_for(lambda: deployment.visits(arn, "CopyObject"), "the copy")
        deployment.step_functions.stop_execution(executionArn=arn)
        stopped = deployment.run_of(arn)
        assert (stopped.status, stopped.redrives) == ("ABORTED", 0)
        assert f"{stopped.name}  {held}  redriven" in replay(deployment, "--failed")
        assert deployment.running(held) == arn
        tags = {"TagSet": [{"Key": "go", "Value": "on"}]}
        deployment.source.put_object_tagging(Bucket=deployment.outputs.source_bucket, Key=held, Tagging=tags)  # type: ignore[arg-type]
        run = deployment.run_of(arn)
    deployment.assert_arrived(run, BODY, "copy")
    assert (run.redrives, len(deployment.versions(held))) == (1, 1)
    assert deployment.one_run(key) == first


def test_a_redrive_after_a_new_release_runs_the_definition_of_the_start(deployment: Deployed, folder: str) -> None:
    states, machine = deployment.step_functions, deployment.outputs.state_machine_arn
    (key,) = put(deployment, folder, modes=["copy"])
    first = deployment.one_run(key)
    source = {"Bucket": deployment.outputs.source_bucket, "Key": key}
    deployment.source.delete_object(**source)  # type: ignore[arg-type]
    started = states.start_execution(stateMachineArn=machine, name=f"{folder}-old", input=first.input)
    failure = deployment.run_of(started["executionArn"])
    assert (failure.status, failure.error) == ("FAILED", "SourceMissing")
    old = states.describe_state_machine(stateMachineArn=machine)["definition"]
    new = {"StartAt": "NewRelease", "States": {"NewRelease": {"Type": "Succeed"}}}
    states.update_state_machine(stateMachineArn=machine, definition=json.dumps(new))
    try:
        deployment.put(key, BODY)
        assert f"{failure.name}  {key}  redriven" in replay(deployment, failure.name)
        run = deployment.run_of(failure.arn)
        shown = deployment.ferry("show", failure.name).stdout
    finally:
        states.update_state_machine(stateMachineArn=machine, definition=old)
    assert (run.status, run.redrives) == ("SUCCEEDED", 1)
    assert "CopyObject" in shown
    assert "NewRelease" not in shown
    assert deployment.visits(run.arn, "CopyObject") == 1


def test_a_crawler_that_fails(deployment: Deployed, folder: str) -> None:
    with policy_removed(deployment, f"{deployment.outputs.name}-crawler"):
        failures = failed(deployment, put(deployment, folder), "CrawlerFailed")
    for failure in failures:
        # The other executions may have started more while this one looked away.
        assert re.match(rf"The crawler {deployment.outputs.crawler_name} failed ([3-9]|\d\d) times, ", failure.cause)
        assert "not authorized" in failure.cause
    assert_replayed_without_another_copy(deployment, failures)


def test_every_copy_is_corrupted(deployment: Deployed, folder: str) -> None:
    with code_replaced(deployment, f"{deployment.outputs.name}-copy-object", in_front("copy_object", CORRUPTING)):
        failures = failed(deployment, put(deployment, folder), "ChecksumMismatchPersists")
    for failure in failures:
        assert failure.cause.startswith(f"3 copies of s3://{deployment.outputs.source_bucket}/{failure.key} in ")
        # Each copy was discarded: what is left are good copies only.
        for version in deployment.versions(failure.key):
            where = {"Bucket": deployment.outputs.target_bucket, "Key": failure.key, "VersionId": version}
            assert deployment.target.get_object(**where)["Body"].read() == BODY  # type: ignore[arg-type]
    assert_replayed(deployment, failures)


def test_a_missing_permission_is_named(deployment: Deployed, folder: str) -> None:
    outputs = deployment.outputs
    with permission_removed(deployment, f"{outputs.name}-copy-object", "s3:PutObject"):
        failures = failed(deployment, put(deployment, folder), "AccessDenied")
    for failure in failures:
        key = failure.key
        assert f"copying s3://{outputs.source_bucket}/{key} to s3://{outputs.target_bucket}/{key}" in failure.cause
        assert Naming("CopyObject", "infra/functions.yaml") == failure.cause
        assert deployment.versions(key) == []
    assert_replayed(deployment, failures)


def test_tags_that_may_not_be_read_are_not_left_behind(deployment: Deployed, folder: str) -> None:
    hidden = ("s3:GetObjectTagging", "s3:GetObjectVersionTagging")
    with permission_removed(deployment, f"{deployment.outputs.name}-copy-object", *hidden):
        failures = failed(deployment, put(deployment, folder, tagging="class=express&berth=4%2F2"), "AccessDenied")
    for failure in failures:
        assert "GetObjectTagging" in failure.cause
        assert "infra/functions.yaml" in failure.cause
    for run in assert_replayed(deployment, failures):
        assert deployment.tags(run.key) == {"class": "express", "berth": "4/2"}


def test_queries_that_may_not_be_started(deployment: Deployed, folder: str) -> None:
    with permission_removed(
        deployment, f"{deployment.outputs.name}-run-validation-query", "athena:StartQueryExecution"
    ):
        failures = failed(deployment, put(deployment, folder), "AccessDenied")
    for failure in failures:
        assert "StartQueryExecution" in failure.cause
    assert_replayed_without_another_copy(deployment, failures)


@pytest.mark.parametrize(
    "actions",
    [
        ["s3:DeleteObject"],
        # What it may not see might have been changed since the verification.
        ["s3:GetObjectTagging", "s3:GetObjectVersionTagging"],
    ],
    ids=["delete", "see-its-tags"],
)
def test_a_verified_source_that_its_function_may_not(actions: list[str], deployment: Deployed, folder: str) -> None:
    if not deployment.moves:
        pytest.skip("no rule of this deployment moves anything")
    with permission_removed(deployment, f"{deployment.outputs.name}-delete-source", *actions):
        keys = put(deployment, folder, tagging="class=express", modes=["move"])
        failures = failed(deployment, keys)
    assert_replayed_without_another_copy(deployment, failures)
    assert deployment.tags(*keys) == {"class": "express"}


def test_a_dead_letter_goes_back_and_is_handled(deployment: Deployed, folder: str) -> None:
    key, outputs = f"{folder}/manifest.bin", deployment.outputs
    with overheard(deployment) as message_about:
        deployment.put(key, BODY)
        event = json.loads(json.loads(message_about(key))["Message"])
    assert deployment.one_run(key).status == "SUCCEEDED"
    # Another upload of it, whose message the starter has failed on too often.
    event["Records"][0]["s3"]["object"]["sequencer"] = uuid.uuid4().hex[:16].upper()
    deployment.sqs.send_message(QueueUrl=outputs.dead_letter_queue_url, MessageBody=json.dumps(event))
    assert "Returned 1 dead letter to the queue." in replay(deployment, "--failed")
    runs = deployment.runs([key], number=2)
    assert [(run.status, run.states["copy"]) for run in runs] == [("SUCCEEDED", "copied"), ("SUCCEEDED", "unchanged")]
    assert "dead letter" not in replay(deployment, "--failed")
