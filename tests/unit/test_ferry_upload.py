"""An upload arrives under exactly the key that was asked for, or is rejected before anything is sent."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from ferry.commands.upload import check_file, check_key, default_key, find_execution, key_of, send, upload, why_skipped
from ferry.errors import UsageError
from ferry.ui import terminal
from functions.contract.models import Rule
from functions.contract.rules import KeyRule, Renaming, Rules
from infra.terraform.outputs import DeployedSource
from tests.support.client_errors import client_error
from tests.unit.ferry_fakes import HASH, FakeDeployment, FakeStepFunctions, document, event, source

BUCKET = "ferry-source-us-west-2"


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", "us-west-2", aws_access_key_id="test", aws_secret_access_key="test")
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        yield client


@pytest.fixture
def states() -> FakeStepFunctions:
    return FakeStepFunctions()


class FakeLambda:
    """Returns the starter's settings, or denies them."""

    settings: dict[str, str] | None = None

    def get_function_configuration(self, **named: str) -> dict[str, Any]:
        assert named == {"FunctionName": "ferry-starter"}
        if self.settings is None:
            raise client_error("AccessDeniedException", "GetFunctionConfiguration")
        return {"Environment": {"Variables": self.settings}}


@pytest.fixture
def starter() -> FakeLambda:
    return FakeLambda()


@pytest.fixture
def cloud(s3: Any, states: FakeStepFunctions, starter: FakeLambda) -> FakeDeployment:
    clients = {"s3": s3, "stepfunctions": states, "lambda": starter}
    return FakeDeployment(clients, endpoint_url="http://127.0.0.1:1")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "airports.csv.gz"
    path.write_bytes(b"icao\nEDDF\n")
    return path


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("airports.csv", "airports/airports.csv"),
        ("airports.csv.gz", "airports/airports.csv.gz"),
        ("README", "README/README"),
        (".hidden.csv", ".hidden/.hidden.csv"),
        ("a b.tar.gz", "a b/a b.tar.gz"),
    ],
)
def test_the_default_folder_is_the_name_without_its_suffixes(name: str, key: str) -> None:
    assert default_key(Path("/somewhere") / name) == key


@pytest.mark.parametrize(
    ("given", "key"), [("sales/", "sales/a.csv"), ("sales/b.csv", "sales/b.csv"), (None, "a/a.csv")]
)
def test_a_key_that_is_a_folder_gets_the_name_of_the_file(given: str | None, key: str) -> None:
    assert key_of(Path("/somewhere/a.csv"), given) == key


@pytest.mark.parametrize("key", ["a b+c%20", "/lead", "a//b", "nl\nx", "é🚢/é", "${x}", "k" * 1024])
def test_the_key_is_taken_as_it_is(cloud: FakeDeployment, s3: Any, file: Path, key: str) -> None:
    sent = send(cloud, file, key, terminal.console())
    assert (sent.key, sent.size_bytes) == (key, 10)
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == file.read_bytes()
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET)["Contents"]] == [key]


@pytest.mark.parametrize("key", ["", "k" * 1025, "é" * 513, "bad\udcff"])
def test_an_invalid_key_is_rejected(key: str) -> None:
    with pytest.raises(UsageError, match="KEY"):
        check_key(key)


def test_an_unreadable_file_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="absent"):
        check_file(tmp_path / "absent")
    with pytest.raises(UsageError, match=str(tmp_path)):
        check_file(tmp_path)
    with pytest.raises(UsageError, match="xxx"):
        check_file(tmp_path / ("x" * 300))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="pipe"):
        check_file(tmp_path / "pipe")


def test_the_next_command_is_shown(
    cloud: FakeDeployment, s3: Any, states: FakeStepFunctions, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    s3.put_object(Bucket=BUCKET, Key="k", Body=file.read_bytes())
    etag = s3.head_object(Bucket=BUCKET, Key="k")["ETag"].strip('"')
    now = datetime.now(UTC)
    running = states.add("other", "RUNNING")
    running.started = now
    mine = states.add(HASH, "RUNNING")
    mine.started = now
    mine.events = [event(0, "ExecutionStarted", input=document(source=source("k", etag=etag)))]
    before = states.add("before", "SUCCEEDED")
    before.started = now - timedelta(minutes=1)
    before.events = mine.events
    upload(cloud, file, "k")
    out = capsys.readouterr().out
    assert f"to s3://{BUCKET}/k" in out
    assert f"ferry show {HASH}" in out


def test_an_execution_that_does_not_come_is_not_awaited_for_ever(cloud: FakeDeployment, file: Path) -> None:
    sent = send(cloud, file, "k", terminal.console())
    assert find_execution(cloud, sent, seconds=0) is None


RULES = Rules(
    rules=(
        KeyRule(suffix=".tmp", exclude=True, rule=Rule(decided_by="m.yaml:2")),
        KeyRule(prefix="long/", renaming=Renaming(before="x" * 1024, of="rest"), rule=Rule(decided_by="m.yaml:4")),
    )
)


@pytest.mark.parametrize(
    ("key", "detail"),
    [
        ("a.tmp", "(m.yaml:2)"),
        ("long/a", "dead-letter queue: "),
    ],
    ids=["excluded", "no target key"],
)
def test_a_key_that_the_rules_exclude_is_reported_at_once(
    key: str,
    detail: str,
    cloud: FakeDeployment,
    s3: Any,
    starter: FakeLambda,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    starter.settings = {"RULES_BUCKET": BUCKET, "RULES_KEY": "rules"}
    s3.put_object(Bucket=BUCKET, Key="rules", Body=RULES.model_dump_json())
    # To look for an execution is to wait for one.
    monkeypatch.delattr(FakeStepFunctions, "get_paginator")
    upload(cloud, file, key)
    out = " ".join(capsys.readouterr().out.split())
    assert detail in out
    assert "ferry list" not in out
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == file.read_bytes()


def test_a_key_outside_the_sources_filters_is_reported_at_once(s3: Any) -> None:
    entry = DeployedSource(bucket=BUCKET, region="us-west-2", account_id="1", prefix="in/", topic_arn="arn:topic")
    second = entry.model_copy(update={"suffix": ".csv", "prefix": "x/"})
    elsewhere = entry.model_copy(update={"bucket": "another", "prefix": ""})
    cloud = FakeDeployment(
        {"s3": s3, "lambda": FakeLambda()}, sources={"main": entry, "more": second, "else": elsewhere}
    )
    reason = why_skipped(cloud, "out/a.csv")
    assert reason
    assert "prefix in/ or prefix x/ and suffix .csv" in reason
    assert why_skipped(cloud, "in/a.tmp") is None
    assert why_skipped(cloud, "x/a.csv") is None


@pytest.mark.parametrize(
    "rules", [RULES.model_dump_json(), "no rules", None], ids=["another key", "no JSON", "missing"]
)
def test_rules_that_do_not_leave_a_key_out_or_cannot_be_read_state_nothing(
    rules: str | None, cloud: FakeDeployment, s3: Any, starter: FakeLambda
) -> None:
    assert why_skipped(cloud, "a.tmp") is None, "they may not be read"
    starter.settings = {"RULES_BUCKET": BUCKET, "RULES_KEY": "rules"}
    if rules is not None:
        s3.put_object(Bucket=BUCKET, Key="rules", Body=rules)
    assert why_skipped(cloud, "a.csv") is None
