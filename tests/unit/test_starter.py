"""Starter: which message starts what, under which name, and what becomes of the others."""

import json
import re
from typing import Any, cast
from urllib.parse import quote_plus

import boto3
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from functions import starter
from functions.contract.models import Rule, Source
from functions.contract.rules import NO_RULES, KeyRule, Renaming, Rules
from functions.intake import deployed_rules
from functions.intake.executions import execution_name
from functions.intake.s3_events import InvalidMessage, read_upload
from functions.intake.settings import StarterSettings
from functions.runtime import clients
from functions.runtime.errors import AccessDenied, SettingInvalid, Throttled
from functions.runtime.settings import read_settings
from tests.support.lambda_context import LambdaContext
from tests.unit.conftest import ErrorResponse, Hooks

REGION = "us-east-1"
ACCOUNT = "123456789012"
QUEUE_URL = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/dead-letters"
MACHINE_ARN = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:migrate"
RULES_BUCKET, RULES_KEY = "ferry-results", "rules/migration.json"
STEADY = settings(max_examples=60, deadline=None, derandomize=True)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)

UPLOAD = Source(
    bucket="ferry-source",
    region="us-west-2",
    key="sales/a.csv",
    version_id="v1",
    etag="0123",
    sequencer="0A",
    size_bytes=5,
)


class Deployed:
    """The state machine, the dead-letter queue and the rules."""

    def __init__(self, hooks: Hooks) -> None:
        self.hooks = hooks
        self.states = boto3.client("stepfunctions", REGION)
        self.sqs = boto3.client("sqs", REGION)
        self.s3 = boto3.client("s3", REGION)

    def put_rules(self, rules: Rules) -> None:
        """Deploy these rules."""
        self.s3.put_object(Bucket=RULES_BUCKET, Key=RULES_KEY, Body=rules.model_dump_json().encode())

    def executions(self) -> list[dict[str, Any]]:
        """The input of each execution."""
        found = self.states.list_executions(stateMachineArn=MACHINE_ARN)["executions"]
        described = [self.states.describe_execution(executionArn=execution["executionArn"]) for execution in found]
        return [cast("dict[str, Any]", json.loads(execution["input"])) for execution in described]

    def dead_letters(self) -> list[tuple[str, str]]:
        """Each dead letter with its reason."""
        answer = self.sqs.receive_message(
            QueueUrl=QUEUE_URL, MaxNumberOfMessages=10, MessageAttributeNames=["reason"], WaitTimeSeconds=0
        )
        found = answer.get("Messages", [])
        return [(message["Body"], message["MessageAttributes"]["reason"]["StringValue"]) for message in found]


@pytest.fixture
def deployed(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    monkeypatch.setenv("STATE_MACHINE_ARN", MACHINE_ARN)
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", QUEUE_URL)
    monkeypatch.setenv("RULES_BUCKET", RULES_BUCKET)
    monkeypatch.setenv("RULES_KEY", RULES_KEY)
    monkeypatch.setattr(clients, "ATTEMPTS", 1)
    # As in a process that has just begun.
    monkeypatch.setattr(deployed_rules, "_last_read", {})
    made = Deployed(hooks)
    made.sqs.create_queue(QueueName="dead-letters")
    made.states.create_state_machine(
        name="migrate",
        definition=json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}),
        roleArn=f"arn:aws:iam::{ACCOUNT}:role/migrate",
    )
    made.s3.create_bucket(Bucket=RULES_BUCKET)
    made.put_rules(Rules())
    hooks.params.clear()
    return made


def record(source: Source = UPLOAD, *, name: str = "ObjectCreated:Put", version: str = "2.1") -> dict[str, Any]:
    """A record as S3 writes it."""
    obj: dict[str, Any] = {
        "key": quote_plus(source.key),
        "size": source.size_bytes,
        "eTag": source.etag,
        "sequencer": source.sequencer,
    }
    if source.version_id:
        obj["versionId"] = source.version_id
    return {
        "eventVersion": version,
        "eventSource": "aws:s3",
        "awsRegion": source.region,
        "eventTime": "2026-11-01T10:00:00.000Z",
        "eventName": name,
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": source.bucket}, "object": obj},
    }


def without(*path: str) -> dict[str, Any]:
    changed: Any = record()
    inner = changed
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return cast("dict[str, Any]", changed)


def with_object(**fields: object) -> dict[str, Any]:
    changed = record()
    changed["s3"]["object"] |= fields
    return changed


def s3_event(*records: object) -> str:
    return json.dumps({"Records": records})


def by_sns(body: str) -> str:
    return json.dumps({"Type": "Notification", "TopicArn": "arn:aws:sns:us-west-2:1:uploads", "Message": body})


def run(*bodies: str) -> list[str]:
    """Deliver a batch; the ids of the messages that SQS shall deliver again."""
    messages = [
        {"messageId": f"m{number}", "body": body, "eventSource": "aws:sqs", "receiptHandle": "r", "attributes": {}}
        for number, body in enumerate(bodies)
    ]
    answer = starter.handler({"Records": messages}, cast("Any", LambdaContext()))
    return [str(failure["itemIdentifier"]) for failure in answer["batchItemFailures"]]


@pytest.mark.parametrize("wrap", [by_sns, str], ids=["through SNS", "raw"])
def test_an_upload_becomes_an_execution_under_its_name(deployed: Deployed, wrap: Any) -> None:
    assert run(wrap(s3_event(record()))) == []
    (sent,) = deployed.hooks.params["StartExecution"]
    assert (sent["stateMachineArn"], sent["name"]) == (MACHINE_ARN, execution_name(UPLOAD))
    assert deployed.executions() == [{"source": UPLOAD.model_dump(), "rule": Rule().model_dump()}]
    assert deployed.dead_letters() == []


def test_the_rule_that_decides_goes_with_the_upload(deployed: Deployed) -> None:
    moved = Rule(decided_by="m.yaml:4", mode="move", minimum_grade="readback", multipart_threshold_bytes=6 * 1024**2)
    renaming = Renaming(before="table/", of="rest")
    deployed.put_rules(Rules(rules=(KeyRule(prefix="sales/", renaming=renaming, rule=moved),)))
    second = UPLOAD.model_copy(update={"key": "second.csv"})
    assert run(s3_event(record(), record(second))) == []
    decided = {execution["source"]["key"]: execution["rule"] for execution in deployed.executions()}
    assert decided == {
        "sales/a.csv": moved.model_copy(update={"target_key": "table/a.csv"}).model_dump(),
        "second.csv": Rule().model_dump(),
    }


def test_an_excluded_upload_starts_nothing_and_the_others_beside_it_go_on(deployed: Deployed) -> None:
    deployed.put_rules(Rules(rules=(KeyRule(suffix="a.csv", exclude=True, rule=Rule()),)))
    second = UPLOAD.model_copy(update={"key": "sales/b.csv"})
    assert run(s3_event(record(), record(second))) == []
    assert [execution["source"]["key"] for execution in deployed.executions()] == ["sales/b.csv"]
    assert deployed.dead_letters() == []


@pytest.mark.parametrize(
    ("renaming", "reason"),
    [
        (Renaming(before="x" * 1020, of="rest"), "m.yaml:4 is 1,025 bytes"),
        (Renaming(before="é" * 510, of="rest"), "m.yaml:4 is 1,025 bytes"),
    ],
    ids=["ascii", "utf-8"],
)
def test_an_upload_whose_target_key_cannot_be_is_dead_lettered_with_the_reason(
    deployed: Deployed, renaming: Renaming, reason: str
) -> None:
    rule = KeyRule(prefix="sales/", suffix=".csv", renaming=renaming, rule=Rule(decided_by="m.yaml:4"))
    deployed.put_rules(Rules(rules=(rule,)))
    assert run(s3_event(record())) == []
    ((_, message),) = deployed.dead_letters()
    assert reason in message
    assert deployed.executions() == []


def test_a_deployment_without_rules_copies_everything_and_looks_for_none(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RULES_KEY", "")
    deployed.s3.delete_object(Bucket=RULES_BUCKET, Key=RULES_KEY)
    assert deployed_rules.read_rules(read_settings(StarterSettings), REGION) == NO_RULES


def test_the_rules_are_sent_again_only_when_they_change(deployed: Deployed) -> None:
    uploads = [UPLOAD.model_copy(update={"key": f"sales/{name}.csv"}) for name in "abc"]
    etag = deployed.s3.head_object(Bucket=RULES_BUCKET, Key=RULES_KEY)["ETag"]
    for upload in uploads[:2]:
        assert run(s3_event(record(upload))) == []
    deployed.put_rules(Rules(default=Rule(decided_by="the new ones")))
    assert run(s3_event(record(uploads[2]))) == []
    asked = [params.get("IfNoneMatch") for params in deployed.hooks.params["GetObject"]]
    assert asked == [None, etag, etag]
    decided = {execution["source"]["key"]: execution["rule"]["decided_by"] for execution in deployed.executions()}
    assert decided == {"sales/a.csv": "default", "sales/b.csv": "default", "sales/c.csv": "the new ones"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"rules": [{"prefix": "a/"}]}', b'{"exclude": true}', b'{"default": {"mode": "delete"}}'],
    ids=["empty", "cut", "list", "half a rule", "unknown", "wrong"],
)
def test_without_rules_that_can_be_read_nothing_is_started(deployed: Deployed, body: bytes) -> None:
    deployed.s3.put_object(Bucket=RULES_BUCKET, Key=RULES_KEY, Body=body)
    with pytest.raises(SettingInvalid, match=rf"s3://{RULES_BUCKET}/{RULES_KEY}"):
        run(s3_event(record()))
    assert (deployed.executions(), deployed.dead_letters()) == ([], [])


def test_rules_that_are_gone_are_not_replaced_by_those_of_before(deployed: Deployed) -> None:
    run(s3_event(record()))
    deployed.s3.delete_object(Bucket=RULES_BUCKET, Key=RULES_KEY)
    with pytest.raises(SettingInvalid, match=f"s3://{RULES_BUCKET}/{RULES_KEY}"):
        run(s3_event(record(UPLOAD.model_copy(update={"key": "later"}))))
    assert len(deployed.executions()) == 1


@pytest.mark.parametrize(
    ("code", "error"), [("AccessDenied", AccessDenied), ("SlowDown", Throttled)], ids=["denied", "throttled"]
)
def test_rules_that_cannot_be_read_now_fail_the_batch_so_that_it_is_delivered_again(
    deployed: Deployed, code: str, error: type[Exception]
) -> None:
    deployed.hooks.answer("GetObject", ErrorResponse(code))
    with pytest.raises(error, match=f"s3://{RULES_BUCKET}/{RULES_KEY}"):
        run(s3_event(record()))
    assert deployed.executions() == []
    assert run(s3_event(record())) == []
    assert len(deployed.executions()) == 1


def test_a_message_with_many_records_starts_them_all(deployed: Deployed) -> None:
    second = UPLOAD.model_copy(update={"key": "sales/b.csv"})
    assert run(s3_event(record(), record(second)), s3_event()) == []
    assert {execution["source"]["key"] for execution in deployed.executions()} == {"sales/a.csv", "sales/b.csv"}


def test_the_same_event_five_times_is_one_execution(deployed: Deployed) -> None:
    assert run(*[by_sns(s3_event(record()))] * 5) == []
    assert len(deployed.executions()) == 1


def test_an_event_of_an_execution_that_has_ended_is_acknowledged(deployed: Deployed) -> None:
    deployed.hooks.answer("StartExecution", ErrorResponse("ExecutionAlreadyExists"))
    assert run(s3_event(record())) == []
    assert deployed.dead_letters() == []


@pytest.mark.parametrize("how", ["Put", "Post", "Copy", "CompleteMultipartUpload"])
@pytest.mark.parametrize("prefix", ["", "s3:"])
def test_every_way_to_write_an_object_starts_one(deployed: Deployed, how: str, prefix: str) -> None:
    run(s3_event(record(name=f"{prefix}ObjectCreated:{how}")))
    assert len(deployed.executions()) == 1


@pytest.mark.parametrize(
    "name",
    ["ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated", "ObjectTagging:Put", "ObjectRestore:Completed"],
)
def test_an_event_without_new_bytes_is_acknowledged(deployed: Deployed, name: str) -> None:
    assert run(s3_event(without("s3") | {"eventName": name})) == []
    assert (deployed.executions(), deployed.dead_letters()) == ([], [])


@pytest.mark.parametrize("wrap", [by_sns, str], ids=["through SNS", "raw"])
def test_the_test_event_is_acknowledged(deployed: Deployed, wrap: Any) -> None:
    test_event = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "ferry-source"}
    assert run(wrap(json.dumps(test_event))) == []
    assert (deployed.executions(), deployed.dead_letters()) == ([], [])


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2", "2.3", "2.9"])
def test_later_minor_versions_of_the_event_with_more_fields_are_read(version: str) -> None:
    newer = record(version=version) | {"glacierEventData": {}, "userIdentity": {"principalId": "A"}}
    newer["s3"]["object"]["newField"] = {"nested": 1}
    assert read_upload(newer) == UPLOAD


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{", "the message is not valid JSON"),
        ("", "the message is not valid JSON"),
        ("[]", "the message is not a JSON object"),
        ('"x"', "the message is not a JSON object"),
        ("{}", "Records"),
        ('{"Records": {}}', "Records"),
        (by_sns("{"), "notification in the message is not valid JSON"),
        (by_sns("[]"), "notification in the message is not a JSON object"),
        (by_sns("{}"), "Records"),
    ],
)
def test_a_message_that_is_no_s3_event_is_dead_lettered_at_once_with_the_reason(
    deployed: Deployed, body: str, reason: str
) -> None:
    if not body:
        deployed.hooks.answer("SendMessage", {"MessageId": "1", "MD5OfMessageBody": "x"})
    assert run(body, s3_event(record())) == []
    if body:
        ((letter, message),) = deployed.dead_letters()
        assert letter == body
    else:
        message = deployed.hooks.params["SendMessage"][0]["MessageAttributes"]["reason"]["StringValue"]
    assert reason in message
    assert len(deployed.executions()) == 1, "the good message starts its execution"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (without("eventName"), "'eventName'"),
        (without("eventSource"), "'eventSource'"),
        (without("awsRegion"), "'awsRegion'"),
        (without("s3"), "'s3'"),
        (without("s3", "bucket"), "'bucket'"),
        (without("s3", "bucket", "name"), "'name'"),
        (without("s3", "object", "key"), "'key'"),
        (without("s3", "object", "size"), "'size'"),
        (without("s3", "object", "eTag"), "'eTag'"),
        (without("s3", "object", "sequencer"), "'sequencer'"),
        (with_object(size=-1), "invalid size_bytes"),
        (with_object(size="many"), "invalid size_bytes"),
        (with_object(sequencer=None, versionId=3), "invalid version_id, sequencer"),
        (with_object(key="%ff.csv"), "can't decode byte 0xff"),
        (with_object(key="\ud800.csv"), "Unicode"),
        (with_object(key=7), "not an S3 event"),
        (with_object(eTag=None), "not an S3 event"),
        (record() | {"eventSource": "aws:sns"}, "aws:sns"),
        ("not a record", "not an S3 event"),
        (None, "not an S3 event"),
    ],
)
def test_a_bad_record_is_dead_lettered_with_the_reason_and_the_good_ones_beside_it_go_on(
    deployed: Deployed, bad: object, reason: str
) -> None:
    second = UPLOAD.model_copy(update={"key": "sales/b.csv"})
    body = s3_event(record(), bad, record(second))
    assert run(body) == []
    assert {execution["source"]["key"] for execution in deployed.executions()} == {"sales/a.csv", "sales/b.csv"}
    ((letter, message),) = deployed.dead_letters()
    assert letter == body
    assert message.startswith("record 2 of 3: ")
    assert reason in message


def test_all_reasons_of_a_message_are_reported_in_text_that_sqs_takes(deployed: Deployed) -> None:
    run(s3_event(record() | {"eventSource": "bell\x07"}, without("s3"), record() | {"eventSource": "x" * 2000}))
    ((_, message),) = deployed.dead_letters()
    assert "record 2 of 3: " in message
    assert "bell\N{REPLACEMENT CHARACTER}" in message
    assert len(message) == 1000


@pytest.mark.parametrize("code", ["ThrottlingException", "AccessDeniedException", "StateMachineDoesNotExist"])
def test_only_the_message_that_could_not_be_started_is_delivered_again(deployed: Deployed, code: str) -> None:
    deployed.hooks.answer("StartExecution", lambda: None, ErrorResponse(code))
    uploads = [UPLOAD.model_copy(update={"key": f"sales/{name}.csv"}) for name in "abc"]
    assert run(*(s3_event(record(upload)) for upload in uploads)) == ["m1"]
    assert {execution["source"]["key"] for execution in deployed.executions()} == {"sales/a.csv", "sales/c.csv"}
    assert deployed.dead_letters() == [], "SQS delivers it again; it is not a dead letter yet"


def test_a_whole_batch_that_was_throttled_is_delivered_again(deployed: Deployed) -> None:
    deployed.hooks.answer("StartExecution", ErrorResponse("ThrottlingException"), ErrorResponse("ThrottlingException"))
    assert run(s3_event(record()), s3_event(record())) == ["m0", "m1"]


def test_a_bad_message_that_cannot_be_dead_lettered_is_delivered_again(deployed: Deployed) -> None:
    deployed.hooks.answer("SendMessage", ErrorResponse("AccessDenied"))
    assert run("{", s3_event(record())) == ["m0"]


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("STATE_MACHINE_ARN", None, "STATE_MACHINE_ARN: is not set"),
        ("STATE_MACHINE_ARN", "migrate", "STATE_MACHINE_ARN: String should match"),
        ("DEAD_LETTER_QUEUE_URL", "ferry-dead-letters", "DEAD_LETTER_QUEUE_URL: String should match"),
        ("RULES_BUCKET", None, "RULES_BUCKET: is not set"),
    ],
)
def test_a_wrong_setting_is_named_before_anything_is_started(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, name: str, value: str | None, reason: str
) -> None:
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingInvalid, match=reason):
        run(s3_event(record()))
    assert not deployed.hooks.params["StartExecution"]


UPLOADS = st.builds(
    Source,
    bucket=TEXT,
    region=st.just("us-west-2"),
    key=TEXT,
    version_id=st.none() | TEXT.filter(lambda text: text != "null"),
    etag=TEXT,
    sequencer=TEXT,
    size_bytes=st.integers(min_value=0),
)
IDENTITY = ["bucket", "key", "version_id", "etag", "sequencer"]


@STEADY
@given(UPLOADS)
def test_a_name_is_one_that_step_functions_takes_with_room_for_replays(upload: Source) -> None:
    name = execution_name(upload)
    assert re.fullmatch(r"[0-9A-Za-z_-]{1,60}", name)
    assert len(f"{name}-replay-{10**6}") <= 80


@STEADY
@given(UPLOADS, st.integers(min_value=0), TEXT)
def test_the_same_upload_has_the_same_name_however_often_it_is_reported(upload: Source, size: int, region: str) -> None:
    again = Source.model_validate_json(upload.model_dump_json())
    elsewhere = again.model_copy(update={"size_bytes": size, "region": region})
    assert execution_name(upload) == execution_name(again) == execution_name(elsewhere)


@STEADY
@given(UPLOADS, st.sampled_from(IDENTITY), TEXT)
def test_another_upload_has_another_name_whichever_field_differs(upload: Source, field: str, value: str) -> None:
    changed = upload.model_copy(update={field: value})
    assert (execution_name(changed) == execution_name(upload)) == (changed == upload)


@STEADY
@given(UPLOADS)
def test_text_that_moves_from_one_field_to_the_next_makes_another_name(upload: Source) -> None:
    moved = upload.model_copy(update={"bucket": upload.bucket + upload.key[:1], "key": upload.key[1:]})
    assert execution_name(moved) != execution_name(upload)


def test_a_null_version_is_no_version_for_the_name_either() -> None:
    unversioned = UPLOAD.model_copy(update={"version_id": None})
    upload = read_upload(with_object(versionId="null"))
    assert upload == unversioned == read_upload(without("s3", "object", "versionId"))
    assert execution_name(upload) == execution_name(unversioned)


def test_names_stay_the_same_from_release_to_release() -> None:
    """Else a message that waits in the queue during a deployment starts a second execution."""
    assert execution_name(UPLOAD) == "c33e6ec5ae54fc2492df975dbd6b222c8c26afc1"


def test_quotes_around_an_etag_are_not_part_of_it() -> None:
    assert read_upload(with_object(eTag='"0123"')) == UPLOAD


@STEADY
@given(TEXT)
@example("a b+c")
@example("a+b c%20d")
@example("already%2Fencoded%2520twice+and+plus")
@example("100%")
@example("%zz%")
@example("line\nbreak\ttab")
@example("e\u0301 and \u00e9")
@example("\U0001f6a2/${x}/../'\"<&>#?=;")
@example("//leading/" + "x" * 1000)
@example("\x00\x7f\ufffe")
def test_every_key_comes_back_as_it_was_from_the_way_s3_writes_it(key: str) -> None:
    upload = read_upload(record(UPLOAD.model_copy(update={"key": key})))
    assert upload
    assert upload.key == key


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("my+file.csv", "my file.csv"),
        ("my%2Bfile.csv", "my+file.csv"),
        ("my%20file.csv", "my file.csv"),
        ("a%252Fb", "a%2Fb"),
        ("a%25+b", "a% b"),
        ("dir/caf%C3%A9", "dir/caf\u00e9"),
        ("%F0%9F%9A%A2", "\U0001f6a2"),
        ("plain/é", "plain/é"),
    ],
)
def test_a_key_is_decoded_once_and_a_plus_is_a_space(written: str, key: str) -> None:
    upload = read_upload(with_object(key=written))
    assert upload
    assert upload.key == key


def test_a_key_that_is_no_utf_8_is_rejected_and_never_guessed() -> None:
    with pytest.raises(InvalidMessage, match="not an S3 event"):
        read_upload(with_object(key="%E9.csv"))
