"""The console's API: what it answers about executions, and that it does only what the command line can."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar

import boto3
import pytest
from moto import mock_aws

from ferry.console import rows as listing
from ferry.console.poller import Pace, Poller
from ferry.console.state import Console
from tests.support.client_errors import client_error
from tests.support.console_server import Client, serving
from tests.support.hostile_keys import HOSTILE
from tests.unit.ferry_fakes import BEGIN, HASH, FakeDeployment, FakeStepFunctions, document, event

OTHER = "b" * 40
COPY = {
    "status": "copied",
    "target": {"bucket": "t", "region": "us-east-1", "key": "k", "version_id": "v", "etag": "e"},
}


class NoLambda:
    """Does not say which rules there are, as to an operator without the permission."""

    def get_function_configuration(self, **_: str) -> Any:
        raise client_error("AccessDeniedException")


def fail(states: FakeStepFunctions, name: str, key: str = "a/a.csv", error: str = "CrawlerFailed") -> None:
    """An execution that failed in its second state."""
    given = document(key)
    cause = json.dumps({"errorMessage": f"{error} happened"})
    states.add(name, "FAILED", given).events += [
        event(0, "TaskStateEntered", name="CopyObject", input=given),
        event(0, "TaskScheduled"),
        event(1, "TaskSucceeded"),
        event(1, "TaskStateExited", name="CopyObject", output=document(key, copy=COPY)),
        event(1, "TaskStateEntered", name="Succeeded", input=document(key, copy=COPY)),
        event(2, "TaskFailed", error=error, cause=cause),
        event(2, "ExecutionFailed", error=error, cause=cause),
    ]


def succeed(states: FakeStepFunctions, name: str, key: str = "a/a.csv") -> None:
    states.add(name, "SUCCEEDED", document(key))


@contextmanager
def console(
    states: FakeStepFunctions, clients: dict[str, Any] | None = None, *, writable: bool = True
) -> Iterator[tuple[Console, Client]]:
    deployment = FakeDeployment({"stepfunctions": states, **(clients or {})}, endpoint_url="http://127.0.0.1:1")
    found = Console.of(deployment, writable=writable)
    with serving(found) as client:
        found.poller.refresh()
        yield found, client


def test_the_list_has_the_key_the_state_and_the_reason_in_each_row() -> None:
    states = FakeStepFunctions()
    fail(states, HASH)
    with console(states) as (_, client):
        answer = client.get("/api/executions").json
    (row,) = answer["rows"]
    assert (row["name"], row["key"], row["status"], row["group"]) == (HASH, "a/a.csv", "FAILED", "failed")
    assert (row["state"], row["error"], row["cause"]) == ("Succeeded", "CrawlerFailed", "CrawlerFailed happened")
    assert row["size"] == 4_100_000
    assert answer["counts"] == {"running": 0, "failed": 1, "settled": 0, "succeeded": 0}


def test_nothing_is_sent_while_nothing_changes() -> None:
    states = FakeStepFunctions()
    succeed(states, HASH)
    with console(states) as (found, client):
        revision = client.get("/api/executions").json["revision"]
        found.poller.refresh()
        assert client.get(f"/api/executions?rev={revision}").status == 204
        assert client.get(f"/api/overview?rev={revision}").status == 204
        succeed(states, OTHER, "b/b.csv")
        found.poller.refresh()
        assert client.get(f"/api/executions?rev={revision}").json["all"] == 2


def test_filters_select_by_key_status_and_period() -> None:
    states = FakeStepFunctions()
    succeed(states, HASH, "Ships/One.csv")
    fail(states, OTHER, "planes/two.csv")
    with console(states) as (_, client):

        def keys(query: str) -> list[str]:
            return [row["key"] for row in client.get(f"/api/executions?{query}").json["rows"]]

        assert keys("key=ships") == ["Ships/One.csv"]
        assert keys(f"key={OTHER[:9]}") == ["planes/two.csv"]
        assert keys("status=failed") == ["planes/two.csv"]
        assert keys("status=nonsense") == keys("from=nonsense") == ["planes/two.csv", "Ships/One.csv"]
        # The fakes' executions began long ago.
        assert keys("from=1h") == []
        assert client.get("/api/executions?status=failed").json["counts"]["succeeded"] == 1


def test_a_page_has_a_hundred_of_thousands_of_rows() -> None:
    states = FakeStepFunctions()
    for number in range(5000):
        states.add(f"{number:040d}", "SUCCEEDED", document(f"folder/{number}.csv"))
    with console(states) as (found, client):
        while found.poller.snapshot().unread:
            found.poller.refresh()
        first = client.get("/api/executions").json
        assert (len(first["rows"]), first["selected"], first["pages"]) == (100, 5000, 50)
        assert first["rows"][0]["key"] == "folder/4999.csv"
        last = client.get("/api/executions?page=50").json
        assert last["rows"][-1]["key"] == "folder/0.csv"
        assert client.get("/api/executions?page=51").json["rows"] == []
        assert client.get("/api/executions?page=-1").json["page"] == 1
        assert [row["key"] for row in client.get("/api/executions?key=folder/4321").json["rows"]] == ["folder/4321.csv"]


def test_a_failure_that_was_replayed_is_settled_and_names_its_successor() -> None:
    states = FakeStepFunctions()
    fail(states, HASH)
    succeed(states, f"{HASH}-replay-1")
    with console(states) as (_, client):
        rows = {row["name"]: row for row in client.get("/api/executions").json["rows"]}
        detail = client.get(f"/api/executions/{HASH}").json
    assert rows[HASH]["group"] == "settled"
    assert rows[HASH]["successor"] == detail["successor"] == f"{HASH}-replay-1"
    assert "Replayed" in [fact["label"] for fact in detail["facts"]]


def test_of_two_failures_with_one_input_only_the_later_one_counts() -> None:
    states = FakeStepFunctions()
    fail(states, HASH)
    fail(states, f"{HASH}-replay-1")
    with console(states) as (_, client):
        answer = client.get("/api/executions").json
    assert answer["counts"] == {"running": 0, "failed": 1, "settled": 1, "succeeded": 0}
    assert [row["repeated"] for row in answer["rows"]] == [None, f"{HASH}-replay-1"]


@pytest.mark.parametrize("key", HOSTILE, ids=lambda key: ascii(key)[:20])
def test_hostile_keys_travel_as_plain_text(key: str) -> None:
    states = FakeStepFunctions()
    given = document("placeholder").replace('"placeholder"', json.dumps(key))
    states.add(HASH, "SUCCEEDED", given)
    with console(states) as (_, client):
        answer = client.get("/api/executions")
        assert client.get(f"/api/executions/{HASH}").status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.body.isascii()
    # A lone surrogate is not a key: such an execution is shown by its name.
    assert answer.json["rows"][0]["key"] in (key, None)


def test_an_execution_has_its_outcome_its_states_and_the_transitions_taken() -> None:
    states = FakeStepFunctions()
    fail(states, HASH)
    with console(states) as (_, client):
        detail = client.get(f"/api/executions/{HASH}").json
        assert client.get(f"/api/executions/{HASH}?rev={detail['revision']}").status == 204
        picture = client.get(f"/api/pictures/{detail['definition']}").json
        state = client.get(f"/api/executions/{HASH}/state?state=CopyObject").json
        missing = client.get(f"/api/executions/{HASH}/state?state=Nothing")
    assert detail["states"]["Succeeded"]["status"] == "FAILED"
    assert detail["states"]["CopyObject"]["notes"] == "copied"
    assert [visit["state"] for visit in detail["visits"]] == ["CopyObject", "Succeeded"]
    assert ["Failed", "CrawlerFailed: ", "CrawlerFailed happened"] in [
        [fact["label"], fact["strong"], fact["text"]] for fact in detail["facts"]
    ]
    assert {state["name"] for state in picture["states"]} == {"", "CopyObject", "Succeeded"}
    assert json.loads(state["visits"][0]["output"])["copy"]["status"] == "copied"
    assert missing.status == 409


def test_an_ended_execution_is_read_once_until_it_is_redriven() -> None:
    states = FakeStepFunctions(redrives=True)
    fail(states, HASH)
    with console(states) as (found, client):
        client.get(f"/api/executions/{HASH}")
        reads = len(states.described)
        found.details._fresh_seconds = 0
        client.get(f"/api/executions/{HASH}")
        assert len(states.described) == reads
        client.post("/api/replay", {"names": [HASH]})
        found.poller.refresh()
        assert client.get(f"/api/executions/{HASH}").json["status"] == "RUNNING"


def test_an_unknown_execution_and_an_unknown_address_are_one_line() -> None:
    with console(FakeStepFunctions()) as (_, client):
        assert "not found" in client.get("/api/executions/absent").json["error"]
        assert client.get("/api/executions/absent").status == 409
        assert client.get("/api/absent").status == 404


def test_replays_are_those_of_the_command_line() -> None:
    states = FakeStepFunctions()
    fail(states, HASH)
    fail(states, OTHER, "b/b.csv")
    with console(states) as (_, client):
        one = client.post("/api/replay", {"names": [HASH]}).json["results"]
        everything = client.post("/api/replay", {"failed": True}).json["results"]
    assert [(item["name"], item["running"]) for item in one] == [(HASH, f"{HASH}-replay-1")]
    assert "does not support redrive" in one[0]["note"]
    # The first one has a successor already.
    assert [item["running"] for item in everything] == [f"{OTHER}-replay-1"]
    assert states.names == [HASH, OTHER, f"{HASH}-replay-1", f"{OTHER}-replay-1"]


@pytest.mark.parametrize(
    "body", [None, [], {}, {"names": []}, {"names": [""]}, {"names": "x"}, {"names": [1]},
             {"names": ["a"], "failed": True}, {"names": ["a"] * 1001}],
)  # fmt: skip
def test_a_replay_of_nothing_in_particular_is_rejected(body: Any) -> None:
    with console(FakeStepFunctions()) as (_, client):
        answer = client.post("/api/replay", body)
    assert answer.status == 400
    assert answer.json["error"]


def test_what_is_not_json_is_rejected() -> None:
    with console(FakeStepFunctions()) as (_, client):
        assert client.send("POST", "/api/replay", body=b"{").status == 400
        assert client.send("POST", "/api/queries", body=b"{").status == 400


def test_a_query_is_cancelled_and_a_missing_permission_is_one_line() -> None:
    class Athena:
        stopped: ClassVar[list[str]] = []

        def stop_query_execution(self, *, QueryExecutionId: str) -> None:  # noqa: N803
            self.stopped.append(QueryExecutionId)

        def get_query_execution(self, *, QueryExecutionId: str) -> Any:  # noqa: ARG002, N803
            raise client_error("AccessDeniedException", "GetQueryExecution")

    with console(FakeStepFunctions(), {"athena": Athena()}) as (_, client):
        assert client.send("DELETE", "/api/queries/q1").status == 200
        denied = client.get("/api/queries/q1")
    assert Athena.stopped == ["q1"]
    assert (denied.status, "AccessDenied" in denied.json["error"]) == (502, True)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/replay", b'{"failed": true}'),
        ("PUT", "/api/upload?key=a/a.csv", b"x"),
        ("POST", "/api/queues/return", b""),
    ],
)
def test_a_read_only_console_changes_nothing(method: str, path: str, body: bytes) -> None:
    states = FakeStepFunctions()
    fail(states, HASH)
    with console(states, writable=False) as (_, client):
        answer = client.send(method, path, body=body)
        assert client.get("/api/session").json["writable"] is False
    assert answer.status == 403
    assert "--write" in answer.json["error"]
    assert states.names == [HASH]


def test_an_upload_arrives_whole_under_its_key() -> None:
    with mock_aws():
        s3 = boto3.client("s3", "us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        s3.create_bucket(Bucket="ferry-source-us-west-2")
        with console(FakeStepFunctions(), {"s3": s3, "lambda": NoLambda()}) as (_, client):
            # Larger than the part size of the SDK.
            body = bytes(range(256)) * 40_000
            answer = client.send("PUT", "/api/upload?key=a%2Fb%20%C3%A9.bin", body=body)
            empty = client.send("PUT", "/api/upload?key=empty", body=b"")
            stored = s3.get_object(Bucket="ferry-source-us-west-2", Key="a/b é.bin")["Body"].read()
    assert answer.json == {"bucket": "ferry-source-us-west-2", "key": "a/b é.bin", "size": len(body), "skipped": None}
    assert stored == body
    assert empty.json["size"] == 0


@pytest.mark.parametrize("query", ["", "?key=", "?key=s3://bucket/key", f"?key={'k' * 1025}"])
def test_an_upload_needs_a_key_that_s3_accepts(query: str) -> None:
    with console(FakeStepFunctions()) as (_, client):
        assert client.send("PUT", f"/api/upload{query}", body=b"x").status == 400


def test_the_overview_counts_what_happened_and_groups_what_failed() -> None:
    states = FakeStepFunctions()
    fail(states, HASH, "a/a.csv")
    fail(states, OTHER, "b/b.csv")
    fail(states, "c" * 40, "c/c.csv", error="SourceMissing")
    with console(states) as (_, client):
        answer = client.get("/api/overview").json
    assert [(group["error"], group["count"]) for group in answer["failures"]] == [
        ("CrawlerFailed", 2),
        ("SourceMissing", 1),
    ]
    assert answer["failed_now"] == 3
    assert len(answer["hours"]) == 24


def test_while_the_cloud_is_gone_the_rows_stay_and_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def throttled(_: str) -> Any:
        raise client_error("ThrottlingException", message="slow down")

    states = FakeStepFunctions()
    succeed(states, HASH)
    with console(states) as (found, client):
        with monkeypatch.context() as patch:
            patch.setattr(states, "get_paginator", throttled)
            found.poller.refresh()
        answer = client.get("/api/executions").json
        assert "slow down" in answer["error"]
        assert [row["name"] for row in answer["rows"]] == [HASH]
        assert found.poller._pause > found.poller.pace.seconds
        found.poller.refresh()
        assert client.get("/api/executions").json["error"] is None
        assert found.poller._pause == found.poller.pace.seconds


def test_executions_of_a_cloud_that_was_started_again_disappear() -> None:
    states = FakeStepFunctions()
    succeed(states, HASH)
    with console(states) as (found, client):
        states.executions.clear()
        succeed(states, OTHER)
        found.poller.refresh()
        assert [row["name"] for row in client.get("/api/executions").json["rows"]] == [OTHER]


def test_what_has_ended_is_read_once_and_what_runs_at_every_poll() -> None:
    states = FakeStepFunctions()
    succeed(states, HASH)
    running = states.add(OTHER, "RUNNING", document("b/b.csv"))
    poller = Poller(FakeDeployment({"stepfunctions": states}, endpoint_url="http://127.0.0.1:1"))
    poller.refresh()
    before = poller.snapshot()
    states.executions[next(iter(states.executions))].events.clear()
    running.events.append(event(1, "TaskStateEntered", name="CopyObject", input=document("b/b.csv")))
    poller.refresh()
    rows = {row.summary.info.name: row for row in poller.snapshot().rows}
    assert poller.snapshot().revision > before.revision
    assert rows[OTHER].summary.state == "CopyObject"
    assert rows[HASH].summary.source is not None


def test_what_nobody_asks_for_is_not_polled() -> None:
    clock = [0.0]
    poller = Poller(FakeDeployment({}, endpoint_url="http://127.0.0.1:1"), lambda: clock[0])
    assert poller.watched
    clock[0] = 60.0
    assert not poller.watched
    poller.snapshot()
    assert poller.watched
    assert poller._wake.is_set()


def test_a_row_is_the_same_whether_it_was_listed_or_described() -> None:
    states = FakeStepFunctions()
    fail(states, HASH)
    rows = listing.settle(
        [
            listing.Row(summary, read=True, input=listing.identify(summary))
            for summary in _summaries(states)
        ]
    )  # fmt: skip
    assert [row.group for row in rows] == ["failed"]
    later = BEGIN + timedelta(days=1)
    assert listing.Filter(period="24h").select(rows, later + timedelta(hours=1)) == []
    assert listing.Filter(period="7d").select(rows, later) == rows


def _summaries(states: FakeStepFunctions) -> Any:
    from ferry.stepfunctions import executions
    from tests.unit.ferry_fakes import MACHINE

    return executions.summarize_all(states, executions.list_executions(states, MACHINE))  # type: ignore[arg-type]


def test_older_executions_that_failed_are_looked_at_in_turn() -> None:
    poller = Poller(FakeDeployment({}, endpoint_url="http://127.0.0.1:1"))
    arns = [str(number) for number in range(50)]
    assert set(poller._rotate(arns)) | set(poller._rotate(arns)) | set(poller._rotate(arns)) == set(arns)
    assert poller._rotate([]) == []
    assert poller._rotate(["a"]) == ["a"]


def test_a_row_never_shows_a_status_without_the_state_that_belongs_to_it() -> None:
    states = FakeStepFunctions()
    running = states.add(HASH, "RUNNING", document())
    running.events.append(event(1, "TaskStateEntered", name="CopyObject", input=document()))
    poller = Poller(FakeDeployment({"stepfunctions": states}, endpoint_url="http://127.0.0.1:1"))
    poller.refresh()
    running.status = "SUCCEEDED"
    running.events.append(event(2, "SucceedStateEntered", name="Succeeded", input=document()))
    poller.pace = Pace(seconds=1, reads=0)
    poller.refresh()
    assert [(row.group, row.summary.state) for row in poller.snapshot().rows] == [("running", "CopyObject")]
    poller.pace = Pace(seconds=1, reads=1)
    poller.refresh()
    assert [(row.group, row.summary.state) for row in poller.snapshot().rows] == [("succeeded", "Succeeded")]


def test_an_upload_that_is_cancelled_stores_nothing_and_the_server_goes_on() -> None:
    with mock_aws():
        s3 = boto3.client("s3", "us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        s3.create_bucket(Bucket="ferry-source-us-west-2")
        with console(FakeStepFunctions(), {"s3": s3}) as (_, client):
            with socket.create_connection(("127.0.0.1", client.port)) as connection:
                head = f"PUT /api/upload?key=half HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\n"
                head += f"X-Ferry-Token: {client.token}\r\nContent-Length: 100000\r\n\r\n"
                connection.sendall(head.encode() + b"x" * 1000)
            assert client.get("/api/session").status == 200
        assert s3.list_objects_v2(Bucket="ferry-source-us-west-2")["KeyCount"] == 0
