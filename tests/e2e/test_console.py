"""`ferry console` on a deployment: what its page asks for, without a browser. `ferry query`, `tables`, `queue`, too."""

import json
import signal
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.e2e.console import Running, running_console
from tests.support.deployed.deployment import Deployed
from tests.support.deployed.waiting import GIVEN, wait_for

BODY = b"ship,berth\nAurora,1\nBoreas,2\n"


@pytest.fixture(scope="module")
def console(deployment: Deployed) -> Iterator[Running]:
    with running_console(deployment, "--write") as running:
        yield running


def upload(console: Running, key: str, body: bytes) -> Any:
    answer = console.client.send("PUT", f"/api/upload?key={quote(key, safe='')}", body=body)
    assert answer.status == 200, answer.body
    return answer.json


def ended(console: Running, key: str) -> Any:
    """The row of a key, once its execution has ended and its key is known."""

    def look() -> Any:
        answer = console.client.get(f"/api/executions?{urlencode({'key': key})}").json
        return next((row for row in answer["rows"] if row["key"] == key and row["group"] != "running"), None)

    return wait_for(look, f"the end of {key}")


def test_an_upload_is_followed_to_its_rows(console: Running, deployment: Deployed, folder: str) -> None:
    key = f"{folder}/good.csv"
    assert upload(console, key, BODY)["skipped"] is None
    row = ended(console, key)
    assert (row["status"], row["state"], row["grade"], row["size"]) == ("SUCCEEDED", "Succeeded", "checksum", len(BODY))
    detail = console.client.get(f"/api/executions/{row['name']}").json
    facts = {fact["label"]: fact["text"] for fact in detail["facts"]}
    assert facts["Checked"].startswith("2 rows are queryable")
    picture = console.client.get(f"/api/pictures/{detail['definition']}").json
    assert {state["name"] for state in picture["states"]} >= set(detail["states"])
    drawn = {(edge["source"], edge["target"]) for edge in picture["edges"]}
    taken = {(source, target) for source, target, _ in detail["taken"]}
    assert taken <= drawn
    # Every state but the first was entered by a transition.
    assert {target for _, target in taken} == set(detail["states"]) - {"CopyObject"}
    for state in detail["states"]:
        shown = console.client.get(f"/api/executions/{row['name']}/state?{urlencode({'state': state})}").json
        assert json.loads(shown["visits"][0]["input"])["source"]["key"] == key

    assert folder in [table["name"] for table in console.client.get("/api/tables").json["tables"]]
    query = console.client.post("/api/queries", {"sql": f"SELECT ship FROM {folder} ORDER BY ship"}).json["id"]

    def result() -> Any:
        found = console.client.get(f"/api/queries/{query}").json
        return None if found["pending"] else found

    assert wait_for(result, "the query")["rows"] == [["Aurora"], ["Boreas"]]

    printed = deployment.ferry("query", f"SELECT ship, berth FROM {folder} ORDER BY ship", "--csv", "--limit", "1")
    assert printed.stdout == "ship,berth\nAurora,1\n"
    assert "first 1 rows" in printed.stderr
    columns = json.loads(deployment.ferry("tables", folder, "--json").stdout)["columns"]
    assert columns == {"ship": "string", "berth": "string"}


def test_a_failure_shows_its_reason_and_is_replayed(console: Running, folder: str) -> None:
    key = f"{folder}/ragged.csv"
    upload(console, key, b"a,b\n1,2\n1,2,3\n")
    row = ended(console, key)
    assert (row["group"], row["error"]) == ("failed", "ValidationFailed")
    assert "line 3 has 3 fields" in row["cause"]
    (result,) = console.client.post("/api/replay", {"names": [row["name"]], "restart": True}).json["results"]
    assert result["running"] == f"{row['name']}-replay-1"

    def settled() -> Any:
        rows = console.client.get(f"/api/executions?{urlencode({'key': key})}").json["rows"]
        first = next(each for each in rows if each["name"] == row["name"])
        return first if first["group"] == "settled" else None

    assert wait_for(settled, "the replay")["status"] == "FAILED"


def test_what_is_wrong_is_rejected_or_fails_with_its_reason(console: Running, deployment: Deployed) -> None:
    answer = console.client.send("PUT", "/api/upload?key=", body=b"x")
    assert answer.status == 400
    assert console.client.post("/api/queries", {"sql": "DROP TABLE x"}).status == 400
    failed = console.client.post("/api/queries", {"sql": "SELECT * FROM no_such_table"})
    if failed.status == 201:

        def look() -> Any:
            found = console.client.get(f"/api/queries/{failed.json['id']}").json
            return None if found["pending"] else found

        assert wait_for(look, "the query")["state"] == "FAILED"
    assert deployment.ferry("query", "SELECT * FROM no_such_table").returncode == 1


@pytest.mark.skipif(bool(GIVEN), reason="puts a message into the dead-letter queue")
def test_dead_letters_are_shown_with_their_reasons_and_put_back(console: Running, deployment: Deployed) -> None:
    deployment.sqs.send_message(
        QueueUrl=deployment.outputs.dead_letter_queue_url,
        MessageBody="{",
        MessageAttributes={"reason": {"DataType": "String", "StringValue": "not an S3 event"}},
    )
    depth = {queue["title"]: queue["waiting"] for queue in console.client.get("/api/queues").json["queues"]}
    assert depth["Dead letters"] == 1
    (letter,) = console.client.post("/api/queues/peek").json["letters"]
    assert (letter["body"], letter["reason"]) == ("{", "not an S3 event")
    assert "not an S3 event" in deployment.ferry("queue").stdout
    lines = console.client.post("/api/queues/return").json["lines"]
    assert lines[0] == "Returned 1 dead letter to the queue."

    def rejected_again() -> bool:
        found = json.loads(deployment.ferry("queue", "--json").stdout)
        return bool(found["dead_letters"])

    wait_for(rejected_again, "the dead letter, which the starter rejects again")
    deployment.sqs.purge_queue(QueueUrl=deployment.outputs.dead_letter_queue_url)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_with_a_signal_and_says_so(deployment: Deployed, number: int) -> None:
    with running_console(deployment) as running:
        assert running.client.get("/api/session").json["name"] == deployment.outputs.name
        running.process.send_signal(number)
        out, _ = running.process.communicate(timeout=120)
        assert out.endswith("Stopped the console.\n")
        assert running.process.returncode == 0
