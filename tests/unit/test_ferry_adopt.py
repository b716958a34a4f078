"""Adopting a bucket: ours comes and goes, and what others have configured for it stays, whatever it is."""

import itertools
import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any
from urllib.parse import unquote_plus
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import boto3
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st

from ferry import cli
from ferry.aws import sources
from ferry.aws.bucket_notifications import (
    EVENT_BRIDGE,
    KINDS,
    DeploymentNotifications,
    Notification,
    configuration,
    overlap,
)
from ferry.aws.clients import Deployment
from ferry.commands import adopt as command
from ferry.errors import CommandError
from infra.terraform import outputs as outputs_file
from infra.terraform.outputs import DeployedSource
from tests.unit.ferry_fakes import outputs

BUCKET, ACCOUNT, OWNER = "their-bucket", "000000000000", "111122223333"
TOPIC = f"arn:aws:sns:eu-west-1:{ACCOUNT}:ferry-uploads"
OURS = "s3-ferry-ferry-theirs"
CREATED = "s3:ObjectCreated:*"
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
WIRE = {
    "TopicConfigurations": ("TopicConfiguration", "Topic"),
    "QueueConfigurations": ("QueueConfiguration", "Queue"),
    "LambdaFunctionConfigurations": ("CloudFunctionConfiguration", "CloudFunction"),
}
ARNS = {
    "TopicConfigurations": ("TopicArn", "arn:aws:sns:eu-west-1:111122223333:{}"),
    "QueueConfigurations": ("QueueArn", "arn:aws:sqs:eu-west-1:111122223333:{}"),
    "LambdaFunctionConfigurations": ("LambdaFunctionArn", "arn:aws:lambda:eu-west-1:111122223333:function:{}"),
}


class FakeS3:
    """One bucket's notifications behind a real client, as S3 returns them: with Prefix and Suffix, even if empty."""

    def __init__(self) -> None:
        self.configuration: dict[str, Any] = {}
        self.more_xml = ""
        self.requests: list[AWSRequest] = []
        self.answers: list[tuple[str, int, str, str]] = []
        """Errors for the next calls: method, status, code, and what stands beside the code."""

        self.meanwhile: dict[tuple[str, int], Callable[[], object]] = {}
        """What happens before the n-th call of a method is answered."""

        self.client = cache(self._client)

    def _client(self, region: str = "eu-west-1") -> Any:
        once = Config(retries={"total_max_attempts": 1})
        client: Any = boto3.client("s3", region, aws_access_key_id="k", aws_secret_access_key="s", config=once)
        client.meta.events.register("before-send.s3", self.answer)
        return client

    def answer(self, request: Any, **_: object) -> AWSResponse:
        self.requests.append(request)
        number = sum(1 for earlier in self.requests if earlier.method == request.method)
        self.meanwhile.pop((request.method, number), lambda: None)()
        status, body = self._answered(request)
        response = AWSResponse(request.url, status, HTTPHeaders(), None)
        response._content = body.encode()  # type: ignore[attr-defined]
        return response

    def _answered(self, request: Any) -> tuple[int, str]:
        if request.method == "HEAD":
            # Where boto3 asks for the bucket's region, and may not know it.
            return 403, ""
        assert request.url.endswith("?notification")
        if self.answers and self.answers[0][0] == request.method:
            _, status, code, more = self.answers.pop(0)
            return status, f"<Error><Code>{code}</Code>{more}</Error>"
        if request.method == "GET":
            return 200, self.xml()
        assert request.method == "PUT"
        self.configuration = parsed(request.body.decode())
        return 200, ""

    def xml(self) -> str:
        shown = []
        for kind, (element, arn) in WIRE.items():
            for configured in self.configuration.get(kind, []):
                rules = {rule["Name"].lower(): rule["Value"] for rule in filter_rules(configured)}
                filter_xml = "".join(
                    f"<FilterRule><Name>{name}</Name><Value>{escape(rules.get(name.lower(), ''))}</Value></FilterRule>"
                    for name in ("Prefix", "Suffix")
                )
                key = f"<Filter><S3Key>{filter_xml if rules else ''}</S3Key></Filter>"
                events = "".join(f"<Event>{event}</Event>" for event in configured["Events"])
                destination = f"<{arn}>{escape(configured[ARNS[kind][0]])}</{arn}>"
                shown.append(f"<{element}><Id>{escape(configured['Id'])}</Id>{destination}{events}{key}</{element}>")
        bridge = "<EventBridgeConfiguration/>" if "EventBridgeConfiguration" in self.configuration else ""
        root = f'<NotificationConfiguration xmlns="{NAMESPACE}">{"".join(shown)}{bridge}{self.more_xml}'
        return f'<?xml version="1.0" encoding="UTF-8"?>{root}</NotificationConfiguration>'

    @property
    def written(self) -> int:
        return sum(1 for request in self.requests if request.method == "PUT")


def parsed(body: str) -> dict[str, Any]:
    """A configuration as a client sends it."""
    root = ElementTree.fromstring(body)  # noqa: S314 - this test's own client wrote it
    found: dict[str, Any] = {}
    for kind, (element, arn) in WIRE.items():
        for element_of_kind in root.iter(f"{{{NAMESPACE}}}{element}"):
            rules = [
                {"Name": text(rule, "Name"), "Value": text(rule, "Value")}
                for rule in element_of_kind.iter(f"{{{NAMESPACE}}}FilterRule")
            ]
            shown: dict[str, Any] = {"Id": text(element_of_kind, "Id"), ARNS[kind][0]: text(element_of_kind, arn)}
            shown["Events"] = [event.text for event in element_of_kind.iter(f"{{{NAMESPACE}}}Event")]
            shown["Filter"] = {"Key": {"FilterRules": rules}}
            found.setdefault(kind, []).append(shown)
    if root.find(f"{{{NAMESPACE}}}EventBridgeConfiguration") is not None:
        found["EventBridgeConfiguration"] = {}
    return found


def as_written(shown: dict[str, Any]) -> set[tuple[Any, ...]]:
    """All of a configuration to the letter, but for the order of things."""
    found: set[tuple[Any, ...]] = {("EventBridge",)} if "EventBridgeConfiguration" in shown else set()
    for kind, (arn, _) in ARNS.items():
        for configured in shown.get(kind, []):
            rules = frozenset(
                (rule["Name"].lower(), rule["Value"]) for rule in filter_rules(configured) if rule["Value"]
            )
            found.add((kind, configured["Id"], configured[arn], frozenset(configured["Events"]), rules))
    return found


def text(element: ElementTree.Element, name: str) -> str:
    return element.findtext(f"{{{NAMESPACE}}}{name}") or ""


def filter_rules(shown: dict[str, Any]) -> list[dict[str, str]]:
    rules: list[dict[str, str]] = shown.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    return rules


def notification(kind: str, name: str, events: Sequence[str], prefix: str = "", suffix: str = "") -> dict[str, Any]:
    member, arn = ARNS[kind]
    rules = [{"Name": n, "Value": v} for n, v in (("prefix", prefix), ("suffix", suffix)) if v]
    shown = {"Id": name, member: arn.format(name), "Events": list(events)}
    return shown | ({"Filter": {"Key": {"FilterRules": rules}}} if rules else {})


THEIRS = {
    "TopicConfigurations": [notification("TopicConfigurations", "lost", ["s3:ReducedRedundancyLostObject"])],
    "QueueConfigurations": [
        notification("QueueConfigurations", "removed", ["s3:ObjectRemoved:*", "s3:ObjectTagging:Put"], "incoming/")
    ],
    "LambdaFunctionConfigurations": [
        notification("LambdaFunctionConfigurations", "thumbnails", [CREATED], "images/", ".jpg"),
        notification("LambdaFunctionConfigurations", "b<&>ü", ["s3:ObjectCreated:Put"], "a+b/%26"),
    ],
    "EventBridgeConfiguration": {},
}


class FakeDeployment(Deployment):
    """A deployment on AWS whose S3 is the fake."""

    def __init__(self, fake: FakeS3, **changes: Any) -> None:
        super().__init__(outputs(**changes))
        self.regions: list[tuple[str, int | None]] = []

        def make(_: str, region: str, attempts: int | None = None) -> Any:
            self.regions.append((region, attempts))
            return fake.client(region)

        self._client = make  # type: ignore[assignment]


def source(**changes: Any) -> DeployedSource:
    values = {"bucket": BUCKET, "region": "eu-west-1", "account_id": OWNER, "prefix": "incoming/", "topic_arn": TOPIC}
    return DeployedSource(**{**values, "create": False, **changes})


@pytest.fixture
def fake() -> FakeS3:
    fake = FakeS3()
    fake.configuration = dict(THEIRS)
    return fake


@pytest.fixture
def deployment(fake: FakeS3) -> FakeDeployment:
    return FakeDeployment(fake, sources={"theirs": source()})


def adopt(deployment: Deployment, bucket: str = BUCKET, *, dry_run: bool = False) -> None:
    command.adopt(deployment, bucket, dry_run=dry_run, read_back_seconds=0)


def unadopt(deployment: Deployment, bucket: str = BUCKET, *, dry_run: bool = False) -> None:
    command.unadopt(deployment, bucket, dry_run=dry_run, read_back_seconds=0)


def of_ids(fake: FakeS3) -> dict[str, Notification]:
    return {notification.id: notification for notification in configuration(fake.configuration).notifications}


def test_ours_is_put_beside_theirs_and_taken_away_again(
    fake: FakeS3, deployment: FakeDeployment, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = configuration(THEIRS)
    adopt(deployment)
    ours = of_ids(fake)[OURS]
    assert (ours.kind, ours.destination, ours.events) == ("TopicConfigurations", TOPIC, frozenset({CREATED}))
    assert (ours.prefix, ours.suffix) == ("incoming/", "")
    assert configuration(fake.configuration).notifications - {ours} == theirs.notifications
    assert "EventBridgeConfiguration" in fake.configuration
    assert as_written(fake.configuration) > as_written(THEIRS)
    shown = capsys.readouterr().out
    assert f"+ add    {OURS}  {CREATED} of prefix incoming/  → topic {TOPIC}\n" in shown
    assert "keep   thumbnails  s3:ObjectCreated:* of prefix images/ and suffix .jpg  → function arn:aws:lambda" in shown
    assert "keep   every event  → EventBridge" in shown
    assert f"✓ s3://{BUCKET} " in shown

    unadopt(deployment)
    assert configuration(fake.configuration) == theirs
    shown = capsys.readouterr().out
    assert f"- remove {OURS}" in shown
    assert f"✓ s3://{BUCKET} " in shown


def test_a_filter_is_written_as_s3_compares_it(fake: FakeS3) -> None:
    adopt(FakeDeployment(fake, sources={"theirs": source(prefix="dt=2026/ä b+c*/", suffix="~1!.csv")}))
    (shown,) = [topic for topic in fake.configuration["TopicConfigurations"] if topic["Id"] == OURS]
    assert filter_rules(shown) == [
        {"Name": "prefix", "Value": "dt%3D2026/%C3%A4+b%2Bc*/"},
        {"Name": "suffix", "Value": "~1!.csv"},
    ]


def test_a_bucket_without_any_notification(fake: FakeS3, deployment: FakeDeployment) -> None:
    fake.configuration = {}
    adopt(deployment)
    assert list(of_ids(fake)) == [OURS]
    assert "EventBridgeConfiguration" not in fake.configuration
    unadopt(deployment)
    assert fake.configuration == {}


@pytest.mark.parametrize("command", [adopt, unadopt])
def test_a_second_time_writes_nothing(
    command: Callable[..., None],
    fake: FakeS3,
    deployment: FakeDeployment,
    capsys: pytest.CaptureFixture[str],
) -> None:
    adopt(deployment)
    command(deployment)
    written = fake.written
    capsys.readouterr()
    command(deployment)
    assert fake.written == written
    assert "Nothing was changed" in capsys.readouterr().out


@pytest.mark.parametrize("command", [adopt, unadopt])
def test_a_dry_run_shows_the_change_and_writes_nothing(
    command: Callable[..., None], fake: FakeS3, deployment: FakeDeployment, capsys: pytest.CaptureFixture[str]
) -> None:
    if command is unadopt:
        adopt(deployment)
    written = fake.written
    capsys.readouterr()
    command(deployment, dry_run=True)
    shown = capsys.readouterr().out
    assert ("+ add" if command is adopt else "- remove") in shown
    assert "Dry run" in shown
    assert "✓" not in shown
    assert fake.written == written


def test_an_older_one_of_ours_is_replaced(fake: FakeS3, capsys: pytest.CaptureFixture[str]) -> None:
    adopt(FakeDeployment(fake, sources={"theirs": source(prefix="old/"), "gone": source(prefix="gone/")}))
    capsys.readouterr()
    adopt(FakeDeployment(fake, sources={"theirs": source(), "new": source(prefix="new/", suffix=".csv")}))
    ours = {key: notification for key, notification in of_ids(fake).items() if key.startswith("s3-ferry-")}
    assert {key: (notification.prefix, notification.suffix) for key, notification in ours.items()} == {
        OURS: ("incoming/", ""),
        "s3-ferry-ferry-new": ("new/", ".csv"),
    }
    assert configuration(fake.configuration).notifications - set(ours.values()) == configuration(THEIRS).notifications
    shown = capsys.readouterr().out
    assert "- remove s3-ferry-ferry-gone" in shown
    assert f"- remove {OURS}  {CREATED} of prefix old/" in shown


def test_a_bucket_that_is_no_source_any_more_can_be_let_go(fake: FakeS3, deployment: FakeDeployment) -> None:
    adopt(deployment)
    fake.requests.clear()
    unadopt(FakeDeployment(fake, sources={"main": source(bucket="another")}))
    assert configuration(fake.configuration) == configuration(THEIRS)
    # Whose it is, the deployment does not know any more.
    assert all("x-amz-expected-bucket-owner" not in request.headers for request in fake.requests)


def test_another_deployment_is_skipped(fake: FakeS3, deployment: FakeDeployment) -> None:
    """Its name begins with ours, and so do its ids: the topic tells them apart."""
    second = FakeDeployment(
        fake,
        name="ferry-eu",
        sources={"theirs": source(prefix="eu/", topic_arn=TOPIC.replace("ferry-uploads", "ferry-eu-uploads"))},
    )
    adopt(second)
    adopt(deployment)
    unadopt(deployment)
    assert [key for key in of_ids(fake) if key.startswith("s3-ferry")] == ["s3-ferry-ferry-eu-theirs"]


def test_a_deployment_of_the_same_name_in_another_account_is_not_replaced(fake: FakeS3) -> None:
    theirs = "999999999999"
    machine = f"arn:aws:states:us-east-1:{theirs}:stateMachine:ferry-migrate"
    topic = TOPIC.replace(ACCOUNT, theirs)
    adopt(FakeDeployment(fake, state_machine_arn=machine, sources={"theirs": source(topic_arn=topic)}))
    with pytest.raises(CommandError, match=f"{OURS}, which sends to {topic}"):
        adopt(FakeDeployment(fake, sources={"theirs": source(prefix="other/")}))
    unadopt(FakeDeployment(fake, sources={"theirs": source()}))
    assert of_ids(fake)[OURS].destination == topic


@pytest.mark.parametrize(
    ("kind", "event", "prefix", "suffix"),
    [
        ("LambdaFunctionConfigurations", "s3:ObjectCreated:Put", "incoming/2026/", ".csv"),
        ("QueueConfigurations", CREATED, "", ""),
        ("TopicConfigurations", "s3:ObjectCreated:CompleteMultipartUpload", "in", ""),
        ("TopicConfigurations", "s3:ObjectCreated:Copy", "incoming%2F", "csv"),
    ],
)
def test_an_overlapping_filter_is_rejected_and_described(
    kind: str, event: str, prefix: str, suffix: str, fake: FakeS3, deployment: FakeDeployment
) -> None:
    theirs = notification(kind, "other", ["s3:ObjectRemoved:*", event], prefix, suffix)
    fake.configuration = {kind: [theirs]}
    with pytest.raises(CommandError) as problem:
        adopt(deployment)
    printed = str(problem.value)
    assert fake.written == 0
    assert "\n" not in printed
    for words in ("other", theirs[ARNS[kind][0]], event, TOPIC):
        assert words in printed
    for words in (prefix, suffix):
        assert unquote_plus(words) in printed


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        ((["s3:ObjectCreated:Put"], "a/", ""), True),
        ((["s3:ObjectCreated:*"], "a/b/", ".csv"), True),
        ((["s3:ObjectRemoved:*"], "a/", ""), False),
        ((["s3:ObjectCreated:*"], "b/", ""), False),
        ((["s3:ObjectCreated:*"], "", "csv.gz"), False),
        ((["s3:ObjectCreated:*"], "", "sv"), True),
        ((["s3:ObjectAnnotation:*", "s3:ObjectRestore:Completed"], "", ""), False),
        ((["s3:ObjectCreated:Post"], "", ""), True),
    ],
)
def test_what_overlaps(configured: tuple[list[str], str, str], expected: bool) -> None:
    events, prefix, suffix = configured
    ours = DeploymentNotifications("ferry", ACCOUNT).create("main", source(prefix="a/", suffix=".csv"))
    (theirs,) = configuration(
        {"QueueConfigurations": [notification("QueueConfigurations", "other", events, prefix, suffix)]}
    ).notifications
    assert overlap(ours, theirs) is overlap(theirs, ours) is expected


def test_each_call_names_the_expected_bucket_owner(fake: FakeS3, deployment: FakeDeployment) -> None:
    adopt(deployment)
    assert [request.method for request in fake.requests] == ["GET", "GET", "PUT", "GET"]
    assert {request.headers["x-amz-expected-bucket-owner"] for request in fake.requests} == {OWNER.encode()}
    # The write is never sent again by the SDK.
    assert deployment.regions == [("eu-west-1", None), ("eu-west-1", 1)]


def test_a_change_between_the_reads_stops_it_before_it_writes(fake: FakeS3, deployment: FakeDeployment) -> None:
    def change() -> None:
        fake.configuration = {"QueueConfigurations": THEIRS["QueueConfigurations"]}

    fake.meanwhile["GET", 2] = change
    with pytest.raises(CommandError, match="removed: thumbnails") as problem:
        adopt(deployment)
    assert "EventBridge was turned off" in str(problem.value)
    assert "Nothing was written" in str(problem.value)
    assert fake.written == 0


def test_a_change_after_the_write_is_seen(fake: FakeS3, deployment: FakeDeployment) -> None:
    def change() -> None:
        fake.configuration = dict(THEIRS) | {
            "TopicConfigurations": [notification("TopicConfigurations", "new", ["s3:ObjectRemoved:Delete"])]
        }

    fake.meanwhile["GET", 3] = change
    with pytest.raises(CommandError, match="added: new") as problem:
        adopt(deployment)
    printed = str(problem.value)
    assert f"removed: lost; removed: {OURS}; added: new" in printed
    assert "is missing" in printed


def test_a_late_answer_of_s3_is_waited_for(fake: FakeS3, deployment: FakeDeployment) -> None:
    """Bucket configurations are eventually consistent: the first read after the write may tell of the old one."""
    new: list[dict[str, Any]] = []

    def old() -> None:
        new.append(fake.configuration)
        fake.configuration = dict(THEIRS)

    def caught_up() -> None:
        fake.configuration = new[0]

    fake.meanwhile |= {("GET", 3): old, ("GET", 4): caught_up}
    command.adopt(deployment, BUCKET, dry_run=False, read_back_seconds=60)
    assert OURS in of_ids(fake)


def test_a_kind_of_notification_that_this_sdk_would_drop_is_never_written_over(
    fake: FakeS3, deployment: FakeDeployment
) -> None:
    fake.more_xml = "<StreamConfiguration><Id>new</Id><Stream>arn:aws:kinesis:x</Stream></StreamConfiguration>"
    with pytest.raises(CommandError, match="Stream, StreamConfiguration"):
        adopt(deployment)
    assert fake.written == 0


def test_nothing_that_this_sdk_knows_is_left_out() -> None:
    """A botocore that knows a new kind of notification, or more of one, must have us look at it."""
    model = FakeS3().client().meta.service_model
    shape = model.operation_model("PutBucketNotificationConfiguration").input_shape.members["NotificationConfiguration"]
    assert set(shape.members) == {*KINDS, EVENT_BRIDGE}
    for kind, (arn, _) in KINDS.items():
        members = shape.members[kind].member.members
        assert set(members) == {"Id", arn, "Events", "Filter"}
        assert set(members["Filter"].members) == {"Key"}
        assert set(members["Filter"].members["Key"].members) == {"FilterRules"}
        assert set(members["Filter"].members["Key"].members["FilterRules"].member.members) == {"Name", "Value"}
    assert shape.members[EVENT_BRIDGE].members == {}
    read = model.operation_model("GetBucketNotificationConfiguration").output_shape
    assert set(read.members) == set(shape.members)


UNREACHABLE = "<Message>Unable to validate the following destination configurations</Message>"
ERRORS = {
    "no-bucket": ("GET", 404, "NoSuchBucket", "", BUCKET),
    "may-not-read": (
        "GET",
        403,
        "AccessDenied",
        "<Message>Access Denied</Message>",
        OWNER,
    ),
    "may-not-write": ("PUT", 403, "AccessDenied", "", "s3:PutBucketNotification"),
    "elsewhere": ("GET", 301, "PermanentRedirect", "", "is not in eu-west-1"),
    "topic-elsewhere": (
        "PUT",
        400,
        "InvalidArgument",
        "<Message>The notification destination service region is not valid for the bucket location</Message>",
        "is not in eu-west-1",
    ),
    "our-topic": (
        "PUT",
        400,
        "InvalidArgument",
        f"{UNREACHABLE}<ArgumentName1>{TOPIC}, null</ArgumentName1><ArgumentValue1>no</ArgumentValue1>",
        "not allowed to publish to the deployment's topic",
    ),
    "their-queue": (
        "PUT",
        400,
        "InvalidArgument",
        f"{UNREACHABLE}<ArgumentName1>arn:aws:sqs:eu-west-1:111122223333:removed, null</ArgumentName1>",
        "S3 cannot reach arn:aws:sqs:eu-west-1:111122223333:removed",
    ),
    "busy": ("PUT", 409, "OperationAborted", "", "another change is in progress"),
}


@pytest.mark.parametrize(("method", "status", "code", "more", "words"), ERRORS.values(), ids=ERRORS)
def test_each_error_of_s3_is_one_line(
    method: str, status: int, code: str, more: str, words: str, fake: FakeS3, deployment: FakeDeployment
) -> None:
    fake.answers = [(method, status, code, more)]
    with pytest.raises(CommandError) as problem:
        adopt(deployment)
    assert words in str(problem.value)
    assert "\n" not in str(problem.value)
    assert configuration(fake.configuration) == configuration(THEIRS)


@pytest.mark.parametrize("command", [adopt, unadopt])
def test_terraforms_own_bucket_is_left_to_terraform(command: Callable[..., None], fake: FakeS3) -> None:
    made = FakeDeployment(fake, sources={"main": source(create=True)})
    with pytest.raises(CommandError, match="created by Terraform"):
        command(made)
    assert fake.requests == []


@pytest.mark.parametrize("command", [adopt, unadopt])
def test_outputs_without_sources_are_no_word_about_whose_a_bucket_is(
    command: Callable[..., None], fake: FakeS3
) -> None:
    with pytest.raises(CommandError, match=r"outputs\.json"):
        command(FakeDeployment(fake), outputs().source_bucket)
    assert fake.requests == []


def test_a_bucket_that_is_no_source_is_not_adopted(fake: FakeS3, deployment: FakeDeployment) -> None:
    with pytest.raises(CommandError, match=rf"other-bucket .*\(its sources: {BUCKET}\)"):
        adopt(deployment, "other-bucket")
    assert fake.requests == []


@pytest.mark.parametrize("command", ["adopt", "unadopt"])
@pytest.mark.parametrize("bucket", ["s3://bucket", "bucket/key", "", "Bucket"])
def test_what_is_no_buckets_name_is_called_wrongly(
    command: str, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([command, bucket]) == 2
    assert re.fullmatch(r"ferry: BUCKET .*\n", capsys.readouterr().err)


def test_without_sources_there_is_the_one_of_the_embedded_cloud() -> None:
    assert sources.of(outputs()) == {
        "main": DeployedSource(
            bucket="ferry-source-us-west-2",
            region="us-west-2",
            account_id=ACCOUNT,
            topic_arn="arn:aws:sns:us-west-2:000000000000:ferry-uploads",
        )
    }
    assert outputs_file.Outputs.model_fields["sources"].default is None


SHARED = FakeS3()
"""For many examples: a client takes longer to make than all that is asked of it."""

ALL_EVENTS = sorted(
    SHARED.client().meta.service_model.shape_for("Event").enum  # what anybody may have configured
)
PIECES = st.text("ab/+%ü", max_size=3)
THEIR_NOTIFICATIONS = st.builds(
    lambda kind, events, prefix, suffix: (kind, events, prefix, suffix),
    st.sampled_from(sorted(KINDS)),
    st.lists(st.sampled_from(ALL_EVENTS), min_size=1, max_size=3, unique=True),
    PIECES,
    PIECES,
)


@settings(max_examples=50, deadline=None)
@given(st.lists(THEIR_NOTIFICATIONS, max_size=6), st.booleans(), PIECES, PIECES)
def test_whatever_others_have_configured_is_never_changed(
    others: list[tuple[str, list[str], str, str]], bridge: bool, prefix: str, suffix: str
) -> None:
    fake, fake.configuration, fake.requests = SHARED, {}, []
    for number, (kind, events, theirs_prefix, theirs_suffix) in enumerate(others):
        shown = notification(kind, f"other-{number}", events, theirs_prefix, theirs_suffix)
        fake.configuration.setdefault(kind, []).append(shown)
    if bridge:
        fake.configuration["EventBridgeConfiguration"] = {}
    before = as_written(fake.configuration)
    deployment = FakeDeployment(fake, sources={"theirs": source(prefix=prefix, suffix=suffix)})
    try:
        adopt(deployment)
    except CommandError:
        assert fake.written == 0
        assert any("s3:ObjectCreated:" in event for event in itertools.chain(*(events for _, events, _, _ in others)))
    else:
        ours = of_ids(fake)[OURS]
        assert (ours.prefix, ours.suffix) == (prefix, suffix)
        assert {notification for notification in as_written(fake.configuration) if OURS not in notification} == before
    unadopt(deployment)
    assert as_written(fake.configuration) == before
