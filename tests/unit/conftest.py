"""A cloud by moto for the functions' own tests, whose answers can be replaced where moto has none to give."""

import os
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError
from moto import mock_aws
from moto.s3.models import S3Backend

from functions.catalogue import recent_tables
from functions.contract.models import Model, Source
from functions.runtime import clients

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Values = dict[str, Any]

SOURCE_REGION, TARGET_REGION = "us-west-2", "us-east-1"
SOURCE, TARGET = "ferry-source", "ferry-target"
KEY = "sales/a b+c%é.csv"
STARTED = "2026-11-01T10:00:00Z"
REDRIVEN = "2026-11-01T12:00:00Z"


@dataclass(frozen=True)
class ErrorResponse:
    """An error answer of AWS; of a HEAD the code is the status, since a HEAD has no body."""

    code: str
    message: str = "as the test wants it"


NO_ANSWER = ReadTimeoutError(endpoint_url="https://s3")
Answer = Values | ErrorResponse | Exception | Callable[[], object]


@dataclass
class Hooks:
    """What is seen of the calls to AWS, and what is answered instead of moto, through botocore's own events."""

    params: dict[str, list[Values]] = field(default_factory=lambda: defaultdict(list))
    """The parameters of every call, by operation."""

    sent: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    """The HTTP requests of every call, each attempt one."""

    own: threading.local = field(default_factory=threading.local)
    """`params`: those of the last call of this thread."""

    answers: dict[str, deque[Answer]] = field(default_factory=lambda: defaultdict(deque))
    edits: dict[str, Callable[[Values], object]] = field(default_factory=dict)

    def answer(self, operation: str, *answers: Answer) -> None:
        """Answer the next calls of an operation with these; a function is called first, then moto answers."""
        self.answers[operation].extend(answers)

    def install(self, session: boto3.Session) -> None:
        """Watch every client of this session."""
        session.events.register("provide-client-params", self._params)
        session.events.register("before-call", self._before)  # type: ignore[arg-type]
        session.events.register("before-send", self._sent)
        session.events.register("after-call", self._after)

    def forget(self) -> None:
        """Begin a new test."""
        for memory in (self.params, self.sent, self.answers, self.edits):
            memory.clear()

    def _params(self, params: Values, model: Any, **_: object) -> None:
        self.own.params = dict(params)
        self.params[model.name].append(self.own.params)

    def _before(self, model: Any, **_: object) -> tuple[SimpleNamespace, Values] | None:
        if not self.answers[model.name]:
            # moto's Glue needs a parser that is not installed.
            return (SimpleNamespace(status_code=200), {"TableList": []}) if model.name == "GetTables" else None
        answer = self.answers[model.name].popleft()
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            answer()
            return None
        if isinstance(answer, ErrorResponse):
            parsed: Values = {"Error": {"Code": answer.code, "Message": answer.message}, "ResponseMetadata": {}}
            return SimpleNamespace(status_code=400), parsed
        return SimpleNamespace(status_code=200), answer

    def _sent(self, request: Any, event_name: str, **_: object) -> None:
        self.sent[event_name.rpartition(".")[2]].append(request)

    def _after(self, parsed: Values, model: Any, **_: object) -> None:
        # S3 dates every answer; moto does not.
        headers = parsed.setdefault("ResponseMetadata", {}).setdefault("HTTPHeaders", {})
        headers.setdefault("date", format_datetime(datetime.now(UTC), usegmt=True))
        if model.name in self.edits and "Error" not in parsed:
            self.edits[model.name](parsed)


@dataclass(frozen=True)
class Cloud:
    """Two versioned buckets in two regions, and the hooks on every call."""

    hooks: Hooks
    source: "S3Client"
    target: "S3Client"

    def upload(self, body: bytes = b"id\n1\n", key: str = KEY, **arguments: Any) -> Source:
        """Upload an object; what the starter would say of it."""
        put = self.source.put_object(Bucket=SOURCE, Key=key, Body=body, **arguments)
        version, etag = put.get("VersionId"), put["ETag"].strip('"')
        region = SOURCE_REGION
        return Source(
            bucket=SOURCE, region=region, key=key, version_id=version, etag=etag, sequencer="0A", size_bytes=len(body)
        )

    def unversion(self) -> None:
        """Make both buckets again, without versions."""
        for client, bucket in ((self.source, SOURCE), (self.target, TARGET)):
            client.delete_bucket(Bucket=bucket)
            _create(client, bucket)

    def arrived(self, key: str = KEY) -> bytes:
        """The bytes at the target."""
        return self.target.get_object(Bucket=TARGET, Key=key)["Body"].read()


def step_event(
    source: Source, *, redrives: int = 0, minimum_grade: str = "any", started: str = STARTED, **states: Model | None
) -> Values:
    """What a step's Lambda is called with, after these states."""
    execution = {"Id": "arn:execution", "Name": "name-1", "StartTime": started}
    if redrives:
        execution |= {"RedriveCount": redrives, "RedriveTime": REDRIVEN}  # type: ignore[dict-item]
    document = {"source": source.model_dump(mode="json"), "rule": {"mode": "copy", "minimum_grade": minimum_grade}}
    document |= {name: state.model_dump(mode="json") for name, state in states.items() if state}
    return {"execution": execution, "document": document}


@pytest.fixture(scope="session")
def hooked_session() -> Iterator[tuple[boto3.Session, Hooks]]:
    """Made once: reading the services' models takes a second."""
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test")
    hooks = Hooks()
    hooks.install(session)
    with pytest.MonkeyPatch.context() as patch:
        # Else moto loads its module of S3's URLs again, twice for each request, in case its settings have changed.
        patch.delattr(S3Backend, "_url_module")
        yield session, hooks


@pytest.fixture
def hooks(hooked_session: tuple[boto3.Session, Hooks], monkeypatch: pytest.MonkeyPatch) -> Iterator[Hooks]:
    """Moto, the functions' environment, and the hooks on the functions' clients."""
    session, hooks = hooked_session
    hooks.forget()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "TARGET_BUCKET": TARGET,
        "TARGET_REGION": TARGET_REGION,
        "CRAWLER_NAME": "ferry",
        "GLUE_DATABASE": "ferry",
        "ATHENA_WORKGROUP": "ferry",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws(config={"core": {"mock_credentials": False, "reset_boto3_session": False}}):
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
        clients._client.cache_clear()
        recent_tables.forget()
        yield hooks
    clients._client.cache_clear()


@pytest.fixture
def session(hooks: Hooks) -> boto3.Session:  # noqa: ARG001 - it sets the session up
    """The one that the functions' clients are made of."""
    assert boto3.DEFAULT_SESSION
    return boto3.DEFAULT_SESSION


@pytest.fixture(scope="session")
def clients_of_tests() -> tuple["S3Client", "S3Client"]:
    """The tests' own clients, which no hook sees."""
    own = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test")
    return own.client("s3", SOURCE_REGION), own.client("s3", TARGET_REGION)


@pytest.fixture
def cloud(hooks: Hooks, clients_of_tests: tuple["S3Client", "S3Client"]) -> Cloud:
    """Source and target."""
    source, target = clients_of_tests
    for client, bucket in ((source, SOURCE), (target, TARGET)):
        _create(client, bucket)
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return Cloud(hooks, source, target)


def _create(client: "S3Client", bucket: str) -> None:
    if client.meta.region_name == "us-east-1":
        client.create_bucket(Bucket=bucket)
    else:
        region: Any = client.meta.region_name
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})
