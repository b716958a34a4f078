"""Replay: failures are retried, once, and nothing else is."""

import itertools
import re
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

from ferry.aws import dead_letters
from ferry.aws.dead_letters import Clock, return_dead_letters
from ferry.commands.replay import check_request, replay
from ferry.errors import CommandError, UsageError
from ferry.stepfunctions.failures import base_name
from ferry.stepfunctions.replays import next_name
from infra.terraform.outputs import DeployedSource
from tests.support.client_errors import client_error
from tests.support.facts import Naming
from tests.unit.ferry_fakes import HASH, FakeDeployment, FakeStepFunctions, document

OTHER_HASH = "f" * 40


@pytest.fixture
def sqs() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("sqs", "us-east-1", aws_access_key_id="test", aws_secret_access_key="test")


@pytest.fixture
def states() -> FakeStepFunctions:
    return FakeStepFunctions()


@pytest.fixture
def cloud(states: FakeStepFunctions, sqs: Any) -> FakeDeployment:
    return FakeDeployment(
        {"stepfunctions": states, "sqs": sqs},
        endpoint_url="http://127.0.0.1:1",
        queue_url=sqs.create_queue(QueueName="ferry-uploads")["QueueUrl"],
        dead_letter_queue_url=sqs.create_queue(QueueName="ferry-uploads-dead-letters")["QueueUrl"],
    )


def replay_failed(cloud: FakeDeployment, *, restart: bool = False) -> None:
    replay(cloud, [], failed=True, restart=restart)


def test_a_failure_is_started_again_once(
    cloud: FakeDeployment, states: FakeStepFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    states.add(HASH, "FAILED")
    replay_failed(cloud)
    assert states.names == [HASH, f"{HASH}-replay-1"]
    assert f"{HASH}-replay-1" in capsys.readouterr().out
    replay_failed(cloud)
    assert states.names == [HASH, f"{HASH}-replay-1"]
    assert capsys.readouterr().out == "Nothing to replay.\n"


def test_an_execution_of_another_workflow_is_skipped(cloud: FakeDeployment, states: FakeStepFunctions) -> None:
    foreign = states.add("theirs", "FAILED")
    arn = foreign.arn.replace("ferry-migrate", "payroll")
    states.executions[arn] = foreign
    states.describe_execution = lambda **_: foreign.described() | {"executionArn": arn, "input": "{}"}  # type: ignore[method-assign]
    with pytest.raises(CommandError, match=r"payroll:theirs .*ferry-migrate\."):
        replay(cloud, [arn], failed=False, restart=False)
    assert states.names == ["theirs", "theirs"]


def test_a_replay_that_failed_is_replayed_under_the_next_number(
    cloud: FakeDeployment, states: FakeStepFunctions
) -> None:
    states.add(HASH, "FAILED")
    states.add(f"{HASH}-replay-1", "TIMED_OUT")
    replay_failed(cloud)
    assert states.names[2:] == [f"{HASH}-replay-2"]


def test_a_failure_before_a_success_is_skipped_and_one_after_it_is_not(
    cloud: FakeDeployment, states: FakeStepFunctions
) -> None:
    states.add(HASH, "FAILED", minutes=1)
    states.add(f"{HASH}-replay-1", "SUCCEEDED", minutes=2)
    states.add(OTHER_HASH, "SUCCEEDED", document("b"), minutes=1)
    states.add(f"{OTHER_HASH}-replay-1", "ABORTED", document("b"), minutes=2)
    replay_failed(cloud)
    assert states.names[4:] == [f"{OTHER_HASH}-replay-2"]


def test_a_later_success_under_any_name_counts_by_its_input(cloud: FakeDeployment, states: FakeStepFunctions) -> None:
    states.add(HASH, "FAILED")
    states.add("started-in-the-console", "SUCCEEDED", document().replace(": ", ":"))
    replay_failed(cloud)
    assert len(states.names) == 2


def test_inputs_of_other_uploads_are_not_read(cloud: FakeDeployment, states: FakeStepFunctions) -> None:
    states.add(HASH, "FAILED")
    for number in range(20):
        states.add(f"{number:040x}", "SUCCEEDED", document(str(number)))
    replay_failed(cloud)
    assert set(states.described) == {HASH}


def test_it_is_redriven_where_the_service_can(
    cloud: FakeDeployment, states: FakeStepFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    states.redrives = True
    states.add(HASH, "FAILED")
    replay_failed(cloud)
    assert (states.redriven, states.names) == ([HASH], [HASH])
    assert 1 <= len(states.tokens[0]) <= 64
    assert "redriven" in capsys.readouterr().out
    replay_failed(cloud)
    assert states.redriven == [HASH]


def test_restart_starts_again_even_where_redrive_is_possible(cloud: FakeDeployment, states: FakeStepFunctions) -> None:
    states.redrives = True
    states.add(HASH, "FAILED")
    replay_failed(cloud, restart=True)
    assert (states.redriven, states.names) == ([], [HASH, f"{HASH}-replay-1"])


def test_what_is_too_old_for_a_redrive_is_started_again(
    cloud: FakeDeployment, states: FakeStepFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    states.redrive_error = client_error("ExecutionNotRedrivable", "RedriveExecution", "older than 14 days.")
    states.add(HASH, "FAILED")
    replay(cloud, [HASH], failed=False, restart=False)
    assert states.names == [HASH, f"{HASH}-replay-1"]
    assert "older than 14 days" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("code", "status"), [("InvalidAction", 400), ("InternalFailure", 501), ("UnknownOperationException", 400)]
)
def test_where_the_engine_has_no_redrive_a_new_execution_starts(
    code: str, status: int, cloud: FakeDeployment, states: FakeStepFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    states.redrive_error = client_error(code, "RedriveExecution", status=status)
    states.add(HASH, "FAILED")
    replay_failed(cloud)
    assert states.names == [HASH, f"{HASH}-replay-1"]
    assert "does not support redrive" in capsys.readouterr().out


@pytest.mark.parametrize(("code", "status"), [("AccessDeniedException", 400), ("InternalFailure", 500)])
def test_a_redrive_that_is_denied_or_fails_starts_nothing(
    code: str, status: int, cloud: FakeDeployment, states: FakeStepFunctions
) -> None:
    states.redrive_error = client_error(code, "RedriveExecution", status=status)
    states.add(HASH, "FAILED")
    with pytest.raises(type(states.redrive_error)):
        replay_failed(cloud)
    assert states.names == [HASH]


def test_two_named_executions_of_one_input_are_replayed_once(
    cloud: FakeDeployment, states: FakeStepFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    states.add(HASH, "FAILED")
    states.add(f"{HASH}-replay-1", "FAILED")
    replay(cloud, [HASH, f"{HASH}-replay-1", HASH], failed=False, restart=False)
    assert states.names[2:] == [f"{HASH}-replay-2"]
    assert "skipped: " in capsys.readouterr().out


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED"])
def test_naming_one_that_did_not_fail_does_nothing_at_all(
    cloud: FakeDeployment, states: FakeStepFunctions, status: str
) -> None:
    states.add(HASH, "FAILED")
    states.add("other", status, document("b"))
    with pytest.raises(CommandError, match=f"other is {status}"):
        replay(cloud, [HASH, "other"], failed=False, restart=False)
    assert states.names == [HASH, "other"]


def test_naming_a_replayed_execution_shows_the_replay(
    cloud: FakeDeployment, states: FakeStepFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    states.add(HASH, "FAILED")
    replay(cloud, [HASH], failed=False, restart=True)
    replay(cloud, [HASH], failed=False, restart=True)
    assert len(states.names) == 2
    assert f"{HASH}-replay-1 (RUNNING)" in capsys.readouterr().out


def test_when_two_replay_at_once_one_execution_starts(
    cloud: FakeDeployment, states: FakeStepFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    states.add(HASH, "FAILED")
    states.start_execution = fail_start  # type: ignore[method-assign]
    replay_failed(cloud)
    assert f"started again as {HASH}-replay-1" in capsys.readouterr().out


def fail_start(**_: Any) -> dict[str, Any]:
    raise client_error("ExecutionAlreadyExists")


@pytest.mark.parametrize(("names", "failed"), [([], False), (["a"], True)])
def test_it_is_either_some_or_all(names: list[str], failed: bool) -> None:
    with pytest.raises(UsageError):
        check_request(names, failed=failed)


@pytest.mark.parametrize(
    ("name", "taken", "new"),
    [
        ("x", [], "x-replay-1"),
        ("x-replay-1", ["x-replay-1"], "x-replay-2"),
        ("x", ["x-replay-9", "x-replay-10", "xy-replay-20"], "x-replay-11"),
        ("a-replay-1-replay-2", [], "a-replay-1-replay-1"),
        ("y" * 80, [], "y" * 71 + "-replay-1"),
        ("y" * 80, ["y" * 71 + "-replay-9"], "y" * 70 + "-replay-10"),
        ("y" * 80, ["y" * 71 + "-replay-9", "y" * 70 + "-replay-12"], "y" * 70 + "-replay-13"),
    ],
)
def test_names_of_replays(name: str, taken: list[str], new: str) -> None:
    assert next_name(name, taken) == new
    assert len(new) <= 80


def test_only_a_replays_own_ending_is_taken_off() -> None:
    assert [base_name(name) for name in ("x-replay-3", "x-replay-", "x-replay-0", "-replay-1")] == [
        "x", "x-replay-", "x-replay-0", "-replay-1",
    ]  # fmt: skip


def returned(deployment: FakeDeployment, now: Clock = lambda: 0.0) -> list[str]:
    """What is printed; time stands still unless a clock is given."""
    return list(return_dead_letters(deployment, now))


def put(sqs: Any, url: str, body: str, **attributes: str) -> None:
    sqs.send_message(
        QueueUrl=url,
        MessageBody=body,
        MessageAttributes={name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()},
    )


def test_dead_letters_go_back_whole_but_for_the_reason(cloud: FakeDeployment, sqs: Any) -> None:
    put(sqs, cloud.outputs.dead_letter_queue_url, "one", reason="not an S3 event", trace="7")
    for number in range(24):
        put(sqs, cloud.outputs.dead_letter_queue_url, f"{number}")
    lines = returned(cloud)
    assert "25 dead letters" in lines[0]
    assert lines[1].startswith("1 of them ")
    assert lines[2] == "  1 with: not an S3 event"
    back: dict[str, Any] = {}
    while messages := sqs.receive_message(
        QueueUrl=cloud.outputs.queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    ).get("Messages"):
        back |= {message["Body"]: message.get("MessageAttributes", {}) for message in messages}
    assert len(back) == 25
    assert back["one"] == {"trace": {"DataType": "String", "StringValue": "7"}}
    assert returned(cloud) == []


def test_a_bad_letter_that_comes_back_at_once_is_moved_only_once(cloud: FakeDeployment, sqs: Any) -> None:
    url = cloud.outputs.dead_letter_queue_url
    put(sqs, url, "bad", reason="not an S3 event")

    def set_aside_again(**_: Any) -> None:
        put(sqs, url, "bad", reason="not an S3 event")

    sqs.meta.events.register("after-call.sqs.DeleteMessage", set_aside_again)
    assert returned(cloud)[0] == Naming("1 dead letter")


def test_a_stop_midway_loses_no_letter(cloud: FakeDeployment, sqs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "HIDDEN_SECONDS", 1)
    for number in range(3):
        put(sqs, cloud.outputs.dead_letter_queue_url, f"{number}")
    sends = iter([None, client_error("ServiceUnavailable", "SendMessage")])

    def refuse_the_second(**_: Any) -> None:
        error = next(sends, None)
        if error:
            raise error

    sqs.meta.events.register("before-call.sqs.SendMessage", refuse_the_second)
    with pytest.raises(CommandError, match="ServiceUnavailable"):
        returned(cloud)
    found = set(bodies(sqs, cloud.outputs.queue_url))
    # Whether the third was begun before the second was rejected is nobody's choice.
    assert 1 <= len(found) <= 2
    while len(found) < 3:
        # It waits until those that were not sent are visible again.
        more = bodies(sqs, cloud.outputs.dead_letter_queue_url, WaitTimeSeconds=5)
        assert more
        found |= set(more)


def bodies(sqs: Any, url: str, **arguments: Any) -> list[str]:
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, **arguments).get("Messages", [])
    return [message["Body"] for message in messages]


def test_letters_that_show_up_again_while_they_are_read_are_moved_once(
    cloud: FakeDeployment, sqs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(sqs, cloud.outputs.dead_letter_queue_url, "one")
    receive = sqs.receive_message
    monkeypatch.setattr(sqs, "receive_message", lambda **given: receive(**{**given, "VisibilityTimeout": 0}))
    assert returned(cloud) == [Naming("1 dead letter")]
    assert bodies(sqs, cloud.outputs.queue_url) == ["one"]


def test_reading_ends_even_when_letters_never_stop_coming(cloud: FakeDeployment, sqs: Any) -> None:
    url = cloud.outputs.dead_letter_queue_url
    put(sqs, url, "bad")
    sqs.meta.events.register("after-call.sqs.ReceiveMessage", lambda **_: put(sqs, url, "bad"))
    clock = itertools.count(step=dead_letters.HIDDEN_SECONDS / 10)
    assert returned(cloud, lambda: next(clock))[0].startswith("Returned ")


def test_letters_that_could_not_be_moved_in_time_are_shown_and_stay(cloud: FakeDeployment, sqs: Any) -> None:
    for number in range(dead_letters.MOVERS + 2):
        put(sqs, cloud.outputs.dead_letter_queue_url, f"{number}")
    clock = [0.0]
    # All movers have begun; none ends before the letters are visible to others again.
    begun = threading.Barrier(dead_letters.MOVERS, lambda: clock.append(dead_letters.HIDDEN_SECONDS + 1.0))

    def wait_for_all(**_: Any) -> None:
        begun.wait(timeout=60)

    sqs.meta.events.register("before-call.sqs.SendMessage", wait_for_all)
    # moto's queue may keep a message that several threads delete at once: the requests are counted, not what is left.
    deleted: list[str] = []
    sqs.meta.events.register(
        "provide-client-params.sqs.DeleteMessage", lambda params, **_: deleted.append(params["ReceiptHandle"])
    )
    assert returned(cloud, lambda: clock[-1]) == [
        Naming(f"{dead_letters.MOVERS} dead letters"),
        "Ran out of time with 2 dead letters left. Replay again in a few minutes.",
    ]
    assert len(set(bodies(sqs, cloud.outputs.queue_url))) == dead_letters.MOVERS
    assert len(set(deleted)) == len(deleted) == dead_letters.MOVERS


def test_letters_go_back_the_same_way_on_aws(sqs: Any) -> None:
    dead = sqs.create_queue(QueueName="aws-dead-letters")["QueueUrl"]
    queue = sqs.create_queue(QueueName="aws")["QueueUrl"]
    on_aws = FakeDeployment({"sqs": sqs}, endpoint_url=None, queue_url=queue, dead_letter_queue_url=dead)
    put(sqs, dead, "one", reason="not an S3 event")
    assert returned(on_aws)[0] == Naming("1 dead letter")
    assert bodies(sqs, queue) == ["one"]
    assert bodies(sqs, dead) == []


class SourcesElsewhere:
    """A deployment on AWS with sources in two regions, and a queue of what SNS could not deliver in each."""

    REGIONS = ("eu-west-1", "us-west-2")

    def __init__(self, sqs: Any) -> None:
        self.queue = sqs.create_queue(QueueName="ferry-uploads")["QueueUrl"]
        self.dead = sqs.create_queue(QueueName="ferry-uploads-dead-letters")["QueueUrl"]
        self.clients: dict[str, Any] = {
            region: boto3.client("sqs", region, aws_access_key_id="test", aws_secret_access_key="test")
            for region in self.REGIONS
        }
        self.waiting = {
            region: client.create_queue(QueueName="ferry-uploads-undelivered")["QueueUrl"]
            for region, client in self.clients.items()
        }
        sources = {
            name: DeployedSource(
                bucket=name, region=region, account_id="123456789012", topic_arn=f"arn:aws:sns:{region}:1:t"
            )
            for name, region in (("a", "us-west-2"), ("b", "us-west-2"), ("c", "eu-west-1"))
        }
        self.deployment = FakeDeployment(
            {
                "stepfunctions": FakeStepFunctions(),
                "sqs": sqs,
                **{f"sqs {region}": client for region, client in self.clients.items()},
            },
            endpoint_url=None,
            queue_url=self.queue,
            dead_letter_queue_url=self.dead,
            sources=sources,
        )
        for number in range(2):
            put(self.clients["us-west-2"], self.waiting["us-west-2"], f"west {number}")
        put(self.clients["eu-west-1"], self.waiting["eu-west-1"], "europe")
        put(sqs, self.dead, "dead")


@pytest.fixture
def elsewhere(sqs: Any) -> SourcesElsewhere:
    return SourcesElsewhere(sqs)


def test_what_sns_could_not_deliver_goes_back_from_each_source_region(elsewhere: SourcesElsewhere, sqs: Any) -> None:
    assert returned(elsewhere.deployment) == [
        Naming("1 dead letter"),
        Naming("1 undelivered event", "eu-west-1"),
        Naming("2 undelivered events", "us-west-2"),
    ]
    assert sorted(bodies(sqs, elsewhere.queue)) == ["dead", "europe", "west 0", "west 1"]
    assert [bodies(client, elsewhere.waiting[region]) for region, client in elsewhere.clients.items()] == [[], []]
    assert returned(elsewhere.deployment) == []


def test_a_region_that_cannot_be_reached_keeps_no_other_letter_back(
    elsewhere: SourcesElsewhere, sqs: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://sqs.eu-west-1.amazonaws.com")

    elsewhere.clients["eu-west-1"].meta.events.register("before-call.sqs.GetQueueUrl", fail)
    with pytest.raises(CommandError) as raised:
        replay_failed(elsewhere.deployment)
    assert capsys.readouterr().out.splitlines() == [
        Naming("1 dead letter"),
        Naming("2 undelivered events", "us-west-2"),
    ]
    assert re.findall(r"[a-z]+-[a-z]+-\d \(", str(raised.value)) == ["eu-west-1 ("]
    assert "https://sqs.eu-west-1.amazonaws.com" in str(raised.value)
    assert sorted(bodies(sqs, elsewhere.queue)) == ["dead", "west 0", "west 1"]


def test_a_denied_dead_letter_queue_does_not_block_the_others(elsewhere: SourcesElsewhere, sqs: Any) -> None:
    def fail(params: dict[str, Any], **_: Any) -> None:
        if elsewhere.dead in str(params):
            raise client_error("AccessDenied", "ReceiveMessage")

    sqs.meta.events.register("before-call.sqs.ReceiveMessage", fail)
    with pytest.raises(CommandError, match=r"us-east-1 \(ReceiveMessage failed on AWS: AccessDenied: "):
        returned(elsewhere.deployment)
    assert sorted(bodies(sqs, elsewhere.queue)) == ["europe", "west 0", "west 1"]
