"""The demo checks for itself: a file that did not arrive, or cannot be queried, is an error."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from ferry.commands import demo
from ferry.errors import CommandError
from ferry.ui import terminal
from functions.contract.models import ObjectVersion, Validation
from tests.unit.ferry_fakes import FakeDeployment, FakeStepFunctions, document, event

KEY = "air/it's.csv"
VALIDATION = Validation(status="passed", database="ferry", table="air", columns={"icao": "string"}, rows=1)


class FakeAthena:
    """Answers every query with the rows that it is given, after a while."""

    def __init__(self, *rows: list[str | None], ends: str = "SUCCEEDED") -> None:
        self.rows = rows
        self.states = iter(["QUEUED", "RUNNING", ends])
        self.asked: dict[str, Any] = {}

    def start_query_execution(self, **asked: Any) -> dict[str, str]:
        self.asked = asked
        return {"QueryExecutionId": "q"}

    def get_query_execution(self, **_: str) -> dict[str, Any]:
        return {"QueryExecution": {"Status": {"State": next(self.states), "StateChangeReason": "a reason"}}}

    def get_query_results(self, **_: Any) -> dict[str, Any]:
        cells = [[{"VarCharValue": cell} if cell is not None else {} for cell in row] for row in self.rows]
        return {"ResultSet": {"Rows": [{"Data": row} for row in cells]}}


class FakeGlue:
    """One table, with these columns and partition keys."""

    def __init__(self, columns: list[str], keys: list[str]) -> None:
        self.table = {
            "StorageDescriptor": {"Columns": [{"Name": name, "Type": "string"} for name in columns]},
            "PartitionKeys": [{"Name": name, "Type": "string"} for name in keys],
        }

    def get_table(self, **asked: str) -> dict[str, Any]:
        assert asked == {"DatabaseName": "ferry", "Name": "air"}
        return {"Table": self.table}


def a_cloud(athena: FakeAthena, columns: tuple[str, ...] = ("icao",), keys: tuple[str, ...] = ()) -> FakeDeployment:
    return FakeDeployment({"athena": athena, "glue": FakeGlue(list(columns), list(keys))})


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", "us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
        client.create_bucket(Bucket="target")
        client.put_bucket_versioning(Bucket="target", VersioningConfiguration={"Status": "Enabled"})
        yield client


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "air.csv"
    path.write_bytes(b"icao\nEDDF\n")
    return path


def put(s3: Any, body: bytes) -> ObjectVersion:
    shown = s3.put_object(Bucket="target", Key=KEY, Body=body)
    return ObjectVersion(bucket="target", region="us-east-1", key=KEY, version_id=shown["VersionId"], etag="e")


def test_the_very_version_is_compared_byte_for_byte(s3: Any, file: Path) -> None:
    cloud = FakeDeployment({"s3": s3})
    right = put(s3, b"icao\nEDDF\n")
    wrong = put(s3, b"icao\nEDDG\n")
    assert "all 10 bytes" in demo._compare(cloud, right, file)
    with pytest.raises(CommandError, match=str(file)):
        demo._compare(cloud, wrong, file)


def test_the_rows_are_those_of_this_very_object(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    athena = FakeAthena(["icao", "dt"], ["EDDF", None])
    demo._print_rows(a_cloud(athena, ("icao",), ("dt",)), VALIDATION, put(s3, b""), terminal.console())
    assert athena.asked == {
        "QueryString": """SELECT "icao", "dt" FROM "ferry"."air" WHERE "$path" = 's3://target/air/it''s.csv' LIMIT 3""",
        "QueryExecutionContext": {"Database": "ferry"},
        "WorkGroup": "ferry",
    }
    assert [row.split() for row in capsys.readouterr().out.splitlines()[2:]] == [
        ["icao", "string", "EDDF"],
        ["dt", "partition", "NULL"],
    ]


def test_of_a_wide_table_some_columns_are_asked_for_and_the_rest_counted(
    s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = tuple(f'c"{number}' for number in range(3000))
    athena = FakeAthena(list(columns[:40]), ["x"] * 40)
    demo._print_rows(a_cloud(athena, columns, ("dt",)), VALIDATION, put(s3, b""), terminal.console())
    assert athena.asked["QueryString"].startswith('SELECT "c""0", "c""1", ')
    assert '"c""39" FROM' in athena.asked["QueryString"]
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.split() for row in rows[:40]] == [[name, "string", "x"] for name in columns[:40]]
    assert rows[40:] == ["… and 2,961 more"]


def test_no_rows_and_a_query_that_fails_are_problems(s3: Any) -> None:
    target = put(s3, b"")
    with pytest.raises(CommandError, match="s3://target/"):
        demo._print_rows(a_cloud(FakeAthena(["icao"])), VALIDATION, target, terminal.console())
    failing = a_cloud(FakeAthena(ends="FAILED"))
    with pytest.raises(CommandError, match="FAILED: a reason"):
        demo._print_rows(failing, VALIDATION, target, terminal.console())


def test_a_failed_execution_fails_the_demo_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    states = FakeStepFunctions()
    failed = states.add("one", "FAILED")
    failed.events += [
        event(0, "TaskStateEntered", name="CopyObject", input=document()),
        event(1, "ExecutionFailed", error="SourceMissing", cause="it is gone"),
    ]
    with pytest.raises(CommandError, match="SourceMissing: it is gone"):
        demo._follow_to_success(FakeDeployment({"stepfunctions": states}), failed.arn, terminal.console())
    assert "✗ CopyObject" in capsys.readouterr().out
