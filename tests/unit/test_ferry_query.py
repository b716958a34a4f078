"""`ferry query`, `tables` and `queue`: only what reads, as much as asked for, with reasons for what failed."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from ferry.aws import queries, queues, tables
from ferry.commands import query, queue
from ferry.commands import tables as tables_command
from ferry.errors import CommandError, UsageError
from tests.support.client_errors import client_error
from tests.unit.ferry_fakes import FakeDeployment

QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/ferry-uploads"


class FakeAthena:
    """A query that ends after a while, and its rows in pages."""

    def __init__(self, *rows: Sequence[str | None], ends: str = "SUCCEEDED", page: int = 1000) -> None:
        self.rows: list[Sequence[str | None]] = [["a", "b"], *rows]
        self.states = iter(["QUEUED", "RUNNING"])
        self.ends = ends
        self.page = page
        self.asked: dict[str, Any] = {}
        self.stopped: list[str] = []
        self.pages = 0

    def start_query_execution(self, **asked: Any) -> dict[str, str]:
        self.asked = asked
        return {"QueryExecutionId": "q"}

    def get_query_execution(self, **_: str) -> dict[str, Any]:
        status = {"State": next(self.states, self.ends), "StateChangeReason": "a reason"}
        return {"QueryExecution": {"Status": status, "Statistics": {"DataScannedInBytes": 7}}}

    def stop_query_execution(self, **asked: str) -> None:
        self.stopped.append(asked["QueryExecutionId"])

    def get_query_results(self, *, QueryExecutionId: str, MaxResults: int, NextToken: str = "0") -> dict[str, Any]:  # noqa: N803
        assert QueryExecutionId == "q"
        self.pages += 1
        first = int(NextToken)
        last = first + min(MaxResults, self.page)
        cells = [[{} if cell is None else {"VarCharValue": cell} for cell in row] for row in self.rows[first:last]]
        columns = [{"Name": name, "Type": "varchar"} for name in ("a", "b")]
        found: dict[str, Any] = {
            "ResultSet": {"Rows": [{"Data": row} for row in cells], "ResultSetMetadata": {"ColumnInfo": columns}}
        }
        return found | ({"NextToken": str(last)} if last < len(self.rows) else {})


def a_cloud(**clients: Any) -> FakeDeployment:
    return FakeDeployment(clients, endpoint_url="http://127.0.0.1:1")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "select 1;",
        " \n-- a comment\nWITH x AS (SELECT 1) SELECT * FROM x",
        "/* c */ VALUES 1",
        "(SELECT 1)",
    ],
)
def test_queries_that_read_are_accepted(sql: str) -> None:
    assert not queries.check_sql(sql).endswith(";")


@pytest.mark.parametrize(
    "sql",
    ["", " ", "--", "DROP TABLE a", "insert into a select 1", "-- SELECT\nDELETE FROM a", "/* SELECT */ CREATE TABLE a",
     "EXPLAIN SELECT 1", "1", "SELECTED", "UNLOAD (SELECT 1)", "SELECT '" + "x" * 262_144 + "'"],
)  # fmt: skip
def test_everything_else_is_rejected_before_it_is_sent(sql: str) -> None:
    with pytest.raises(UsageError):
        query.check_request(sql, csv=False, json=False)


def test_only_as_many_rows_as_asked_for_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    athena = FakeAthena(*([str(number), None] for number in range(5000)))
    query.query(a_cloud(athena=athena), "SELECT * FROM t", 2, "json")
    shown = capsys.readouterr()
    printed = json.loads(shown.out)
    assert printed["rows"] == [["0", None], ["1", None]]
    assert printed["truncated"] is True
    assert "--limit 0" in shown.err
    assert athena.pages == 1
    assert athena.asked["QueryExecutionContext"] == {"Database": "ferry"}


def test_all_rows_are_read_page_by_page(capsys: pytest.CaptureFixture[str]) -> None:
    athena = FakeAthena(*([str(number), 'x,"y"'] for number in range(2500)))
    query.query(a_cloud(athena=athena), "SELECT * FROM t", 0, "csv")
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["a,b", '0,"x,""y"""']
    assert len(lines) == 2501
    assert athena.pages == 3


def test_exactly_as_many_rows_as_the_limit_are_not_truncated() -> None:
    athena = FakeAthena(["1", "2"], ["3", "4"], page=2)
    found = queries.results(a_cloud(athena=athena), "q", 2)
    assert (len(found.rows), found.more) == (2, False)


def test_a_table_shows_null_and_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    query.query(a_cloud(athena=FakeAthena(["\x1b[31m", None])), "SELECT 1", 10, "table")
    assert capsys.readouterr().out.split() == ["a", "b", "\\x1b[31m", "NULL"]


def test_a_query_that_fails_is_one_line() -> None:
    with pytest.raises(CommandError, match="FAILED: a reason"):
        queries.run(a_cloud(athena=FakeAthena(ends="FAILED")), "SELECT 1", 1)


def test_a_query_that_does_not_end_is_cancelled() -> None:
    athena, clock = FakeAthena(ends="RUNNING"), iter([0.0, 1.0, 2.0, 99.0])
    with pytest.raises(CommandError, match="did not finish"):
        queries.run(a_cloud(athena=athena), "SELECT 1", 1, 10, lambda: next(clock))
    assert athena.stopped == ["q"]


def test_ctrl_c_cancels_the_query(monkeypatch: pytest.MonkeyPatch) -> None:
    athena = FakeAthena(ends="RUNNING")

    def interrupted(**_: str) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(athena, "get_query_execution", interrupted)
    with pytest.raises(KeyboardInterrupt):
        queries.run(a_cloud(athena=athena), "SELECT 1", 1)
    assert athena.stopped == ["q"]


def test_names_are_quoted() -> None:
    assert queries.sample_sql('a"b', ("c d",)) == 'SELECT "c d" FROM "a""b" LIMIT 20'


class FakeGlue:
    """Two tables, of which one has a partition."""

    class exceptions:  # noqa: N801 - boto3's name
        class EntityNotFoundException(Exception): ...

    def __init__(self) -> None:
        storage = {"Columns": [{"Name": "a", "Type": "bigint"}], "Location": "s3://t/"}
        day = [{"Name": "day", "Type": "string"}]
        self.tables: list[dict[str, Any]] = [
            {"Name": "ships", "StorageDescriptor": storage, "Parameters": {"classification": "csv"}},
            {"Name": "days", "StorageDescriptor": storage, "PartitionKeys": day},
        ]

    def get_table(self, *, DatabaseName: str, Name: str) -> Any:  # noqa: N803
        assert DatabaseName == "ferry"
        for table in self.tables:
            if table["Name"] == Name:
                return {"Table": table}
        raise self.exceptions.EntityNotFoundException

    def get_paginator(self, name: str) -> Any:
        found = {
            "get_tables": [{"TableList": [table]} for table in self.tables],
            "get_partitions": [{"Partitions": [{"Values": ["2026-01-01"]}]}],
        }[name]

        class Pages:
            def paginate(self, **_: Any) -> Any:
                return found

        return Pages()


@pytest.fixture
def glue() -> FakeGlue:
    return FakeGlue()


def test_tables_are_listed_with_their_columns_and_partitions(glue: Any, capsys: pytest.CaptureFixture[str]) -> None:
    cloud = a_cloud(glue=glue)
    tables_command.show_tables(cloud, None, as_json=True)
    assert [table["table"] for table in json.loads(capsys.readouterr().out)] == ["days", "ships"]
    tables_command.show_tables(cloud, "days", as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert (shown["columns"], shown["partition_keys"]) == ({"a": "bigint"}, {"day": "string"})
    assert shown["partitions"] == [["2026-01-01"]]
    tables_command.show_tables(cloud, "days", as_json=False)
    assert "day=2026-01-01" in capsys.readouterr().out
    with pytest.raises(CommandError, match="Table absent not found"):
        tables.read_table(cloud, "absent")


@pytest.fixture
def sqs() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("sqs", "us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        for name in ("ferry-uploads", "ferry-uploads-dead-letters"):
            client.create_queue(QueueName=name)
        yield client


def queued(sqs: Any) -> FakeDeployment:
    return FakeDeployment(
        {"sqs": sqs}, endpoint_url="http://127.0.0.1:1", queue_url=QUEUE, dead_letter_queue_url=f"{QUEUE}-dead-letters"
    )


def test_dead_letters_are_shown_with_their_reasons_and_stay(sqs: Any, capsys: pytest.CaptureFixture[str]) -> None:
    s3_event = {"Records": [{"s3": {"object": {"key": "a/b+c%C3%A9.csv"}}}]}
    reason = {"reason": {"DataType": "String", "StringValue": "not an S3 event"}}
    sqs.send_message(QueueUrl=f"{QUEUE}-dead-letters", MessageBody="{", MessageAttributes=reason)
    sqs.send_message(QueueUrl=f"{QUEUE}-dead-letters", MessageBody=json.dumps({"Message": json.dumps(s3_event)}))
    cloud = queued(sqs)
    for _ in range(2):
        queue.show_queues(cloud, 100, as_json=True)
        shown = json.loads(capsys.readouterr().out)
        assert [item["waiting"] for item in shown["queues"]] == [0, 2]
        letters = {letter["body"][:2]: letter for letter in shown["dead_letters"]}
        assert letters["{"]["reason"] == "not an S3 event"
        assert letters['{"']["keys"] == ["a/b cé.csv"]
        assert letters['{"']["reason"] is None
    queue.show_queues(cloud, 100, as_json=False)
    assert "not an S3 event" in capsys.readouterr().out


def test_no_more_dead_letters_are_read_than_asked_for(sqs: Any) -> None:
    for number in range(15):
        sqs.send_message(QueueUrl=f"{QUEUE}-dead-letters", MessageBody=str(number))
    assert len(list(queues.peek(queued(sqs), 12))) == 12
    assert len(list(queues.peek(queued(sqs), 100))) == 15


def test_a_queue_that_cannot_be_read_hides_no_other(sqs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    working = sqs.get_queue_attributes

    def only_uploads(**asked: Any) -> Any:
        if asked["QueueUrl"] != QUEUE:
            raise client_error("AccessDenied", "GetQueueAttributes", "not allowed")
        return working(**asked)

    monkeypatch.setattr(sqs, "get_queue_attributes", only_uploads)
    uploads, letters = queues.depths(queued(sqs))
    assert uploads.error is None
    assert "not allowed" in (letters.error or "")


def test_on_aws_the_oldest_message_is_known(sqs: Any) -> None:
    sqs.send_message(QueueUrl=QUEUE, MessageBody="x")

    class CloudWatch:
        def get_metric_statistics(self, **asked: Any) -> Any:
            assert asked["Dimensions"] == [{"Name": "QueueName", "Value": "ferry-uploads"}]
            points = [(1, 30.0), (2, 90.0)]
            return {
                "Datapoints": [
                    {"Timestamp": datetime(2026, 1, day, tzinfo=UTC), "Maximum": value} for day, value in points
                ]
            }

    cloud = FakeDeployment(
        {"sqs": sqs, "cloudwatch": CloudWatch()}, queue_url=QUEUE, dead_letter_queue_url=f"{QUEUE}-dead-letters"
    )
    assert [depth.oldest_seconds for depth in queues.depths(cloud)] == [90, None]
