"""RunValidationQuery: what is asked of the catalogue and of Athena, and what is made of the answers.

Glue's and Athena's answers are given here: moto's Glue needs a parser that is not installed, and its Athena
answers every query with nothing.
"""

import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from functions import run_validation_query
from functions.catalogue.formats import Format
from functions.catalogue.glue_table import Table, column_problem, find_table, missing_columns
from functions.contract.limits import QUERY_POLLS, READING_CALLS
from functions.contract.models import Catalogue, Copy, ObjectVersion, Source, Validation
from functions.objects.head import head
from functions.runtime.errors import QueryFailed, SettingInvalid, ValidationFailed
from functions.validation import text_blocks
from functions.validation.athena_queries import ROWS, validation_queries
from tests.support.facts import Naming
from tests.support.lambda_context import LambdaContext
from tests.unit.conftest import SOURCE, SOURCE_REGION, TARGET, TARGET_REGION, Cloud, ErrorResponse, Hooks, step_event

BEFORE = datetime(2020, 1, 1, tzinfo=UTC)
CSV = b"id,name\n1,one\n2,two\n"
KEY = "sales/a.csv"
COLUMNS = {"id": "bigint", "name": "string"}


def table(location: str = f"s3://{TARGET}/sales/", name: str = "sales", **more: Any) -> dict[str, Any]:
    columns = [{"Name": column, "Type": kind} for column, kind in COLUMNS.items()]
    return {"Name": name, "StorageDescriptor": {"Location": location, "Columns": columns}} | more


def tables(*found: dict[str, Any], token: str = "") -> dict[str, Any]:
    return {"TableList": list(found)} | ({"NextToken": token} if token else {})


def status(state: str, reason: str = "") -> dict[str, Any]:
    details = {"StateChangeReason": reason} if reason else {}
    return {"QueryExecution": {"Status": {"State": state} | details}}


def rows(*found: Any) -> dict[str, Any]:
    header = [["header"]]
    data = [{"Data": [{} if cell is None else {"VarCharValue": cell} for cell in row]} for row in (*header, *found)]
    return {"ResultSet": {"Rows": data}}


def copied(cloud: Cloud, body: bytes = CSV, key: str = KEY, **arguments: Any) -> tuple[Source, Copy]:
    upload = cloud.upload(body, key=key, **arguments)
    cloud.target.put_object(Bucket=TARGET, Key=key, Body=body, **arguments)
    source, target = head(SOURCE, SOURCE_REGION, key), head(TARGET, TARGET_REGION, key)
    assert source
    assert target
    cloud.hooks.forget()
    return upload, Copy(status="copied", source=source.object, target=target.object, copied_at=target.answered_at)


def run(
    given: tuple[Source, Copy | None], known: Validation | None = None, rule: dict[str, Any] | None = None, **more: Any
) -> Validation:
    event = step_event(given[0], copy=given[1], validation=known, **more)
    event["document"]["rule"] |= rule or {}
    return Validation.model_validate(run_validation_query.handler(event, LambdaContext()))


def pending(**fields: Any) -> Validation:
    given: dict[str, Any] = {"file_records": 2, "queries": {ROWS: "q1"}} | fields
    return Validation(status="pending", database="ferry", table="sales", **given)


def test_the_first_call_reads_the_file_finds_the_table_and_starts_the_queries(cloud: Cloud) -> None:
    given = copied(cloud, Metadata={"row-count": "2"})
    cloud.hooks.answer("GetTables", tables(table()))
    cloud.hooks.answer("StartQueryExecution", {"QueryExecutionId": "q1"})
    found = run(given)
    assert (found.status, found.database, found.table, found.columns) == ("pending", "ferry", "sales", COLUMNS)
    assert (found.file_records, found.expected_rows, found.queries) == (2, 2, {ROWS: "q1"})
    (sent,) = cloud.hooks.params["StartQueryExecution"]
    assert sent["WorkGroup"] == "ferry"
    assert sent["QueryString"] == f"""SELECT count(*) FROM "ferry"."sales" WHERE "$path" = 's3://{TARGET}/{KEY}'"""
    assert 32 <= len(sent["ClientRequestToken"]) <= 128


def test_the_same_question_is_asked_once_and_a_redrive_asks_again(cloud: Cloud) -> None:
    given = copied(cloud)
    cloud.hooks.answer("GetTables", *[tables(table())] * 3)
    cloud.hooks.answer("StartQueryExecution", *[{"QueryExecutionId": "q1"}] * 3)
    run(given)
    run(given)
    run(given, pending(), redrives=1)
    first, second, redriven = (sent["ClientRequestToken"] for sent in cloud.hooks.params["StartQueryExecution"])
    assert first == second != redriven


def test_rows_that_are_all_there_pass(cloud: Cloud) -> None:
    given = copied(cloud)
    cloud.hooks.answer("GetQueryExecution", status("SUCCEEDED"), status("SUCCEEDED"))
    cloud.hooks.answer("GetQueryResults", rows(["2"]), rows())
    found = run(given, pending(expected_rows=2, queries={ROWS: "q1", "no_nulls": "q2"}))
    assert (found.status, found.rows) == ("passed", 2)


@pytest.mark.parametrize("records", [None, 2])
def test_records_that_were_not_counted_are_not_compared(cloud: Cloud, records: int | None) -> None:
    given = copied(cloud)
    cloud.hooks.answer("GetQueryExecution", status("SUCCEEDED"))
    cloud.hooks.answer("GetQueryResults", rows(["2"]))
    assert run(given, pending(file_records=records)).status == "passed"


@pytest.mark.parametrize(
    ("answers", "known", "problem"),
    [
        ([rows(["0"])], {}, "none of its rows can be queried"),
        ([rows([None])], {}, "none of its rows can be queried"),
        ([rows(["1"])], {}, "1 rows can be queried, but the file has 2 records"),
        ([rows(["2"])], {"expected_rows": 3}, "row-count metadata says 3"),
        ([rows(["2"]), rows(["7", None])], {}, "found 1 offending rows; the first is ['7', None]"),
        ([rows(["2"]), rows(*[["7"]] * 5)], {}, "found at least 5 offending rows; the first is ['7']"),
        ([rows(["1"]), rows(["7"])], {"expected_rows": 3}, "2 records; 1 rows"),
    ],
)
def test_what_is_wrong_with_the_rows_is_reported_with_the_file_and_the_table(
    cloud: Cloud, answers: list[dict[str, Any]], known: dict[str, Any], problem: str
) -> None:
    given = copied(cloud)
    cloud.hooks.answer("GetTables", tables(table()))
    queries = dict(zip((ROWS, "no_nulls"), ("q1", "q2"), strict=True)) if len(answers) > 1 else {ROWS: "q1"}
    cloud.hooks.answer("GetQueryExecution", *[status("SUCCEEDED")] * len(queries))
    cloud.hooks.answer("GetQueryResults", *answers)
    with pytest.raises(ValidationFailed) as raised:
        run(given, pending(queries=queries, **known))
    assert problem in str(raised.value)
    assert f"s3://{TARGET}/{KEY} " in str(raised.value)
    assert "table ferry.sales" in str(raised.value)


@pytest.mark.parametrize("state", ["QUEUED", "RUNNING"])
def test_a_query_that_runs_is_waited_for_longer_and_longer_but_not_for_ever(cloud: Cloud, state: str) -> None:
    given = copied(cloud)
    cloud.hooks.answer("GetQueryExecution", *[status(state)] * 3)
    first, later = run(given, pending()), run(given, pending(polls=QUERY_POLLS - 2))
    assert (first.status, first.polls, later.polls) == ("pending", 1, QUERY_POLLS - 1)
    assert 0 < first.wait_seconds < later.wait_seconds <= 60
    with pytest.raises(QueryFailed, match="about 26 minutes") as raised:
        run(given, later)
    assert f"s3://{TARGET}/{KEY}" in str(raised.value)
    assert not cloud.hooks.params["GetQueryResults"]


@pytest.mark.parametrize(
    ("check", "state", "reason", "error", "message"),
    [
        (ROWS, "FAILED", "HIVE_BAD_DATA: not valid", ValidationFailed, "Athena cannot read it: HIVE_BAD_DATA"),
        (ROWS, "FAILED", "GENERIC_USER_ERROR: x", ValidationFailed, "Athena cannot read it: GENERIC_USER_ERROR"),
        (ROWS, "FAILED", "INTERNAL", QueryFailed, "The query rows on .* failed: INTERNAL"),
        (ROWS, "CANCELLED", "", QueryFailed, "CANCELLED"),
        ("no_nulls", "FAILED", "HIVE_BAD_DATA: not valid", QueryFailed, "The query no_nulls on .* failed"),
    ],
)
def test_a_query_that_failed_is_distinguished_from_a_file_that_cannot_be_read(
    cloud: Cloud, check: str, state: str, reason: str, error: type[Exception], message: str
) -> None:
    given = copied(cloud)
    cloud.hooks.answer("GetQueryExecution", status(state, reason))
    with pytest.raises(error, match=message) as raised:
        run(given, pending(queries={check: "q1"}))
    assert f"s3://{TARGET}/{KEY}" in str(raised.value)


def test_a_file_that_no_table_contains_is_named_with_the_database(cloud: Cloud) -> None:
    given = copied(cloud)
    cloud.hooks.answer("GetTables", tables(table(f"s3://{TARGET}/other/")))
    with pytest.raises(ValidationFailed, match="database ferry") as raised:
        run(given)
    assert f"s3://{TARGET}/{KEY}" in str(raised.value)


@pytest.mark.parametrize(
    ("files", "cause"),
    [
        (
            {"0.csv": b"id;name\n", "1.csv": b"%PDF-1", "b.csv": b"a\x02,b\n1,2\n", "c.csv": b"id,name\n"},
            r"because no table can be made with s3://\S+/b\.csv: it has the character U\+0002 .* then replay",
        ),
        (
            {"0.csv": b"id;name\n", "_d.csv": b"\x02\n", "e.csv": b"%PDF-1"},
            r"perhaps because of s3://\S+/e\.csv: it is a PDF document\. Delete that file",
        ),
        ({"0.csv": b"id;name\n", "dt=1/b.csv": b"dt,v\n"}, "Check the crawler's log"),
    ],
)
def test_a_file_that_another_one_keeps_from_the_catalogue_names_that_one(
    cloud: Cloud, files: dict[str, bytes], cause: str
) -> None:
    given = copied(cloud)
    for name, body in files.items():
        cloud.target.put_object(Bucket=TARGET, Key=f"{KEY.rpartition('/')[0]}/{name}", Body=body)
    cloud.hooks.answer("GetTables", tables())
    with pytest.raises(ValidationFailed, match=cause) as raised:
        run(given)
    assert f"s3://{TARGET}/{KEY} was copied and verified" in str(raised.value)


def test_a_file_beside_one_that_cannot_be_read_says_what_is_wrong_with_itself(cloud: Cloud) -> None:
    given = copied(cloud)
    key = f"{KEY.rpartition('/')[0]}/old.csv"
    cloud.target.put_object(Bucket=TARGET, Key=key, Body=b"id\n", StorageClass="GLACIER")
    cloud.hooks.answer("GetTables", tables())
    with pytest.raises(ValidationFailed, match="Check the crawler's log"):
        run(given)


def test_a_file_without_rows_is_not_said_to_harm_its_table(cloud: Cloud) -> None:
    given = copied(cloud, b"id,name\n")
    cloud.hooks.answer("GetTables", tables(table()))
    with pytest.raises(ValidationFailed, match=r"it has no rows, only a header .* Fix the file and upload it again\.$"):
        run(given)


def test_a_broken_file_says_what_it_does_to_its_table_and_how_to_drop_one_that_it_made(cloud: Cloud) -> None:
    given = copied(cloud, b"id,name\n1\n")
    for created, ending in (
        (datetime(2020, 1, 1, tzinfo=UTC), "return its rows."),
        (datetime(2100, 1, 1, tzinfo=UTC), "sales`."),
    ):
        cloud.hooks.answer("GetTables", tables(table() | {"CreateTime": created}))
        with pytest.raises(
            ValidationFailed, match=r"queries on the table ferry\.sales fail or return its rows\."
        ) as raised:
            run(given)
        assert str(raised.value).endswith(ending)


def test_a_header_that_is_not_the_tables_is_reported_and_nothing_is_asked(cloud: Cloud) -> None:
    given = copied(cloud, b"id,title\n1,x\n")
    cloud.hooks.answer("GetTables", tables(table()))
    with pytest.raises(ValidationFailed, match=r"name; .*title") as raised:
        run(given)
    assert str(raised.value) == Naming(f"s3://{TARGET}/{KEY}", "ferry.sales")
    assert not cloud.hooks.params["StartQueryExecution"]


LONG = b"id,name\n" + b"".join(b"%d,name\n" % number for number in range(100))


def read_on(given: tuple[Source, Copy], monkeypatch: pytest.MonkeyPatch, known: Validation | None = None) -> Validation:
    """One call that has the time for one block of lines."""
    monkeypatch.setattr(text_blocks, "BLOCK_BYTES", 300)
    monkeypatch.setattr(LambdaContext, "get_remaining_time_in_millis", lambda _: 1)
    return run(given, known)


def test_a_file_that_one_call_cannot_read_is_continued_by_the_next_ones(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = copied(cloud, LONG)
    cloud.hooks.answer("GetTables", *[tables(table())] * 9)
    cloud.hooks.answer("StartQueryExecution", {"QueryExecutionId": "q1"})
    found, calls = read_on(given, monkeypatch), 1
    while found.status == "reading":
        assert (found.reading_calls, found.wait_seconds, found.file_records) == (calls, 1, None)
        assert found.progress
        assert found.progress.position_bytes <= 300 * calls
        found, calls = read_on(given, monkeypatch, found), calls + 1
    assert (found.status, found.file_records, found.warnings, found.progress) == ("pending", 100, [], None)
    assert calls == 3
    ranges = [sent.get("Range") for sent in cloud.hooks.params["GetObject"]]
    assert len(set(ranges)) == calls
    assert ranges[0] is None


def test_what_the_calls_leave_unread_is_a_warning_that_names_the_line(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = copied(cloud, LONG + 2 * LONG.partition(b"\n")[2])
    cloud.hooks.answer("GetTables", *[tables(table())] * 20)
    cloud.hooks.answer("StartQueryExecution", {"QueryExecutionId": "q1"})
    found = read_on(given, monkeypatch)
    while found.status == "reading":
        found = read_on(given, monkeypatch, found)
    assert (found.status, found.file_records, found.reading_calls) == ("pending", None, READING_CALLS)
    (warning,) = found.warnings
    assert "only the first" in warning
    lines = int(re.findall(r"first ([0-9,]+) lines", warning)[0])
    assert 100 < lines < 300


def test_progress_on_another_copy_or_another_table_is_void(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    given = copied(cloud, LONG)
    cloud.hooks.answer("GetTables", *[tables(table())] * 3)
    began = read_on(given, monkeypatch)
    assert began.progress
    for other in ({"target": "another"}, {"table": "another"}):
        known = began.changed(progress=began.progress.model_copy(update=other | {"lines": 1000}))
        again = read_on(given, monkeypatch, known)
        assert again.progress == began.progress
        assert again.reading_calls == 2


def test_an_older_definition_that_drops_the_progress_reads_as_far_as_one_call_can(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = copied(cloud, LONG)
    cloud.hooks.answer("GetTables", *[tables(table())] * 2)
    cloud.hooks.answer("StartQueryExecution", {"QueryExecutionId": "q1"})
    began = read_on(given, monkeypatch)
    ended = read_on(given, monkeypatch, began.changed(progress=None, reading_calls=0))
    assert (ended.status, ended.file_records) == ("pending", None)
    assert "only the first" in ended.warnings[0]


@pytest.mark.parametrize(
    ("created", "origin"),
    # A good file that is crawled together with a bad one has as young a table.
    [
        (datetime(2030, 1, 1, tzinfo=UTC), "this file, or from one that was crawled with it"),
        (BEFORE, "an earlier file"),
    ],
)
def test_a_table_that_athena_cannot_read_is_named_with_its_origin_and_how_to_drop_it(
    cloud: Cloud, created: datetime, origin: str
) -> None:
    given = copied(cloud, b'{"id": 1, "tags": {"aws:x": "s"}}\n', key="sales/a.json")
    found = table(CreateTime=created)
    found["StorageDescriptor"]["Columns"][1] = {"Name": "tags", "Type": "struct<aws:x:string>"}
    cloud.hooks.answer("GetTables", tables(found))
    with pytest.raises(ValidationFailed) as raised:
        run(given)
    message = str(raised.value)
    assert f"The table was created from {origin}, " in message
    assert "struct<aws:x:string>" in message
    assert "aws glue delete-table --region us-east-1 --database-name ferry --name sales" in message
    assert not cloud.hooks.params["GetObject"]


@pytest.mark.parametrize(
    ("columns", "keys", "name"),
    [
        (["id", "dt"], ["dt"], "dt"),
        (["id"], ["dt", "dt"], "dt"),
        (["$path"], [], "$path"),
        ([], ["$path"], "$path"),
    ],
)
def test_a_table_with_a_name_twice_is_named_with_how_to_drop_it(
    cloud: Cloud, columns: list[str], keys: list[str], name: str
) -> None:
    """HiveMetadata in trinodb/trino: HIVE_INVALID_METADATA, "Table descriptor contains duplicate columns"."""
    given = copied(cloud, b'{"id": 1}\n', key="sales/dt=1/dt=2/a.json")
    found = table(PartitionKeys=[{"Name": key, "Type": "string"} for key in keys])
    found["StorageDescriptor"]["Columns"] = [{"Name": column, "Type": "int"} for column in columns]
    cloud.hooks.answer("GetTables", tables(found))
    with pytest.raises(ValidationFailed) as raised:
        run(given)
    assert f"it has the column {name} twice" in str(raised.value)
    assert "aws glue delete-table --region us-east-1 --database-name ferry --name sales" in str(raised.value)


def test_the_content_encoding_of_a_file_that_athena_cannot_read_is_named(cloud: Cloud) -> None:
    given = copied(cloud, b"\x1f\x8b\x08packed", ContentEncoding="gzip")
    cloud.hooks.answer("GetTables", tables(table()))
    with pytest.raises(ValidationFailed, match="Content-Encoding: gzip, which Athena ignores"):
        run(given)


def test_a_file_that_differs_from_a_wrong_table_says_how_to_drop_it(cloud: Cloud) -> None:
    given = copied(cloud, b'{"id": "x"}\n', key="sales/a.json")
    cloud.hooks.answer("GetTables", tables(table()))
    with pytest.raises(ValidationFailed, match=r"if the table is wrong: .*delete-table"):
        run(given)


def crawled(status: str = "succeeded", **fields: Any) -> Catalogue:
    return Catalogue(status=status, covers_from=datetime(2030, 1, 1, tzinfo=UTC), **fields)


def test_a_json_file_with_columns_that_the_table_lacks_is_reported_and_nothing_is_asked(cloud: Cloud) -> None:
    given = copied(cloud, b'{"id": 1, "title": "x"}\n', key="sales/a.json")
    cloud.hooks.answer("GetTables", tables(table()))
    with pytest.raises(ValidationFailed, match=r"name; .*title"):
        run(given)
    assert not cloud.hooks.params["StartQueryExecution"]


def test_a_json_file_that_lacks_columns_is_asked_and_warned_of(cloud: Cloud) -> None:
    given = copied(cloud, b'{"id": 1}\n{"ID": 2, "late": 3}\n', key="sales/a.json")
    cloud.hooks.answer("GetTables", tables(table()))
    cloud.hooks.answer("StartQueryExecution", {"QueryExecutionId": "q1"})
    found = run(given)
    assert (found.status, found.file_records) == ("pending", 2)
    missing, later = found.warnings
    assert " name" in missing
    assert " late," in later


def test_names_and_types_of_any_length_leave_room_in_the_document(cloud: Cloud) -> None:
    """Step Functions passes on 256 KiB in all, as UTF-8; these characters take three or four bytes each."""
    wide = [f"{number}" + "\U00020000" * 1000 for number in range(200)]
    late = json.dumps({f"late {name}": 1 for name in wide}, ensure_ascii=False)
    given = copied(cloud, f'{{"id": 1}}\n{late}\n'.encode(), key="sales/a.json")
    columns = [{"Name": "id", "Type": "int"}] + [{"Name": name, "Type": f"struct<{'中' * 1300}:int>"} for name in wide]
    found = table()
    found["StorageDescriptor"]["Columns"] = columns
    cloud.hooks.answer("GetTables", tables(found))
    cloud.hooks.answer("StartQueryExecution", {"QueryExecutionId": "q1"})
    began = run(given)
    assert (len(began.columns), began.column_count, len(began.warnings)) == (100, 201, 2)
    assert all(name.endswith("…") and kind.endswith("…") for name, kind in [*began.columns.items()][1:])
    assert len(began.model_dump_json().encode()) < 128 * 1024


@pytest.mark.parametrize("allowed", [True, False])
def test_a_file_without_rows_passes_where_its_rule_allows_it(cloud: Cloud, allowed: bool) -> None:
    given = copied(cloud, b"id,name\n")
    cloud.hooks.answer("GetTables", tables(table()))
    cloud.hooks.answer("StartQueryExecution", {"QueryExecutionId": "q1"})
    if not allowed:
        with pytest.raises(ValidationFailed, match="allow_empty"):
            run(given)
        return
    began = run(given, rule={"allow_empty": True})
    assert (began.status, began.file_records) == ("pending", 0)
    cloud.hooks.answer("GetQueryExecution", status("SUCCEEDED"))
    cloud.hooks.answer("GetQueryResults", rows(["0"]))
    found = run(given, began, rule={"allow_empty": True})
    assert (found.status, found.rows) == ("passed", 0)


def test_an_allowed_file_without_rows_of_which_no_table_is_made_passes_with_a_warning(cloud: Cloud) -> None:
    given = copied(cloud, b"id,name\n")
    cloud.hooks.answer("GetTables", tables())
    found = run(given, rule={"allow_empty": True}, catalogue=crawled())
    assert (found.status, found.rows) == ("passed", 0)
    assert found.warnings == ["it has no rows, and after the crawl, no table in the database ferry contains it"]


def test_rows_that_are_not_found_although_no_crawl_was_needed_are_crawled_first(cloud: Cloud) -> None:
    given = copied(cloud)
    cloud.hooks.answer("GetTables", tables())
    assert run(given, catalogue=crawled("not_needed")).status == "not_covered"
    cloud.hooks.answer("GetQueryExecution", status("SUCCEEDED"))
    cloud.hooks.answer("GetQueryResults", rows(["0"]))
    found = run(given, pending(), catalogue=crawled("not_needed"))
    assert (found.status, found.queries) == ("not_covered", {})


def test_rows_in_another_folder_of_the_same_partition_are_reported_with_both_folders(cloud: Cloud) -> None:
    given = copied(cloud, key="sales/dt=1/a.csv")
    cloud.hooks.answer("GetQueryExecution", status("SUCCEEDED"))
    cloud.hooks.answer("GetQueryResults", rows(["0"]))
    cloud.hooks.answer("GetTables", tables(table(PartitionKeys=[{"Name": "dt"}])))
    cloud.hooks.answer("GetPartition", {"Partition": {"StorageDescriptor": {"Location": f"s3://{TARGET}/sales/DT=1/"}}})
    with pytest.raises(ValidationFailed) as raised:
        run(given, pending())
    assert f"s3://{TARGET}/sales/dt=1/a.csv was copied" in str(raised.value)
    assert f"dt=1 of the table ferry.sales already has the folder s3://{TARGET}/sales/DT=1/" in str(raised.value)


@pytest.mark.parametrize("other", ["Sales", "SALES"])
def test_a_table_whose_name_another_folder_has_taken_is_a_warning_with_both_folders(cloud: Cloud, other: str) -> None:
    hashed = f"sales_{'0123456789abcdef' * 2}"
    both = [table(f"s3://{TARGET}/{other}/"), table(name=hashed)]
    given = copied(cloud)
    cloud.hooks.answer("GetTables", tables(*both), tables(table()))
    cloud.hooks.answer("StartQueryExecution", *[{"QueryExecutionId": "q1"}] * 2)
    (warning,) = run(given).warnings
    for named in (f"s3://{TARGET}/{other}/", f"s3://{TARGET}/sales/", hashed):
        assert named in warning
    assert run(given).warnings == []


def test_after_the_crawl_that_was_not_needed_before_the_same_question_is_asked_again(cloud: Cloud) -> None:
    given = copied(cloud)
    for catalogue in (crawled("not_needed"), crawled(crawl_id="c1"), crawled(crawl_id="c1")):
        cloud.hooks.answer("GetTables", tables(table()))
        cloud.hooks.answer("StartQueryExecution", {"QueryExecutionId": "q1"})
        run(given, catalogue=catalogue)
    before, after, again = (sent["ClientRequestToken"] for sent in cloud.hooks.params["StartQueryExecution"])
    assert before != after == again


@pytest.mark.parametrize("count", ["many", "-1", "2.0", "\u0662", ""])
def test_a_row_count_that_is_no_number_is_reported(cloud: Cloud, count: str) -> None:
    given = copied(cloud)
    cloud.hooks.edits["HeadObject"] = lambda answer: answer.update(Metadata={"row-count": count})
    cloud.hooks.answer("GetTables", tables(table()))
    with pytest.raises(ValidationFailed, match="row-count") as raised:
        run(given)
    assert repr(count) in str(raised.value)


def test_a_target_that_a_newer_upload_replaced_is_superseded(cloud: Cloud) -> None:
    given = copied(cloud)
    cloud.upload(b"id,name\n9,new\n", key=KEY)
    cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=b"id,name\n9,new\n")
    assert run(given, pending()).status == "superseded"
    assert not cloud.hooks.params["GetQueryExecution"]


def test_a_target_that_is_replaced_while_it_is_read_is_superseded_by_a_newer_upload(cloud: Cloud) -> None:
    given = copied(cloud)
    cloud.upload(b"id,name\n9,new\n", key=KEY)
    cloud.hooks.answer("GetTables", tables(table()))
    cloud.hooks.answer("GetObject", ErrorResponse("PreconditionFailed"))
    assert run(given).status == "superseded"


MOVE: dict[str, Any] = {"mode": "move"}


def test_a_file_that_a_newer_execution_has_moved_already_is_superseded(cloud: Cloud) -> None:
    given = copied(cloud)
    cloud.upload(b"id,name\n9,new\n", key=KEY)
    cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=b"id,name\n9,new\n")
    cloud.source.delete_object(Bucket=SOURCE, Key=KEY)
    assert run(given, pending(), MOVE).status == "superseded"
    with pytest.raises(ValidationFailed, match="its source is gone too"):
        run(given, pending())  # Nobody moves in copy mode.


def test_a_file_whose_source_is_gone_and_whose_copy_was_deleted_fails(cloud: Cloud) -> None:
    given = copied(cloud)
    cloud.source.delete_object(Bucket=SOURCE, Key=KEY)
    cloud.target.delete_object(Bucket=TARGET, Key=KEY)
    with pytest.raises(ValidationFailed, match="its source is gone too"):
        run(given, pending(), MOVE)


def test_a_file_whose_source_is_gone_and_whose_verified_version_is_gone_under_another_fails(cloud: Cloud) -> None:
    given = copied(cloud)
    cloud.source.delete_object(Bucket=SOURCE, Key=KEY)
    cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=b"id,name\n9,new\n")
    assert given[1].target
    cloud.target.delete_object(Bucket=TARGET, Key=KEY, VersionId=str(given[1].target.version_id))
    with pytest.raises(ValidationFailed, match="its source is gone too"):
        run(given, pending(), MOVE)


@pytest.mark.parametrize("name", ["TARGET_REGION", "GLUE_DATABASE", "ATHENA_WORKGROUP"])
def test_a_missing_setting_is_named_at_the_first_call(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    given = copied(cloud)
    monkeypatch.delenv(name)
    with pytest.raises(SettingInvalid, match=f"{name}: "):
        run(given)
    assert not cloud.hooks.params["HeadObject"]


def test_without_a_copy_or_for_no_table_it_is_a_fault_of_the_workflow(cloud: Cloud) -> None:
    with pytest.raises(ValueError, match="without a finished copy"):
        run((cloud.upload(), None))
    with pytest.raises(ValueError, match="not a tabular file"):
        run(copied(cloud, key="sales/a.png"))


UPLOADED = ObjectVersion(bucket=TARGET, region=TARGET_REGION, key="sales/dt=2026/a.csv", version_id=None, etag="0")


@pytest.mark.parametrize(
    ("locations", "found"),
    [
        (["s3://ferry-target/sales/"], 0),
        (["s3://ferry-target/sales"], 0),
        (["s3://ferry-target/sal"], None),
        (["s3://ferry-target/sales_old/"], None),
        (["s3://ferry-target/", "s3://ferry-target/sales/"], 1),
        (["s3://ferry-target/sales/dt=2026/", "s3://ferry-target/sales/"], 0),
        (["s3://other/sales/"], None),
        ([""], None),
        ([], None),
    ],
)
def test_the_table_is_the_one_with_the_longest_folder_around_the_file(
    hooks: Hooks, locations: list[str], found: int | None
) -> None:
    pages = [table(where, name=str(number)) for number, where in enumerate(locations)]
    hooks.answer("GetTables", tables(token="more"), tables(*pages, {"Name": "a view"}))
    seen = find_table(UPLOADED, "ferry")
    assert (seen.name if seen else None) == (None if found is None else str(found))
    assert [given.get("NextToken") for given in hooks.params["GetTables"]] == [None, "more"]


@pytest.mark.parametrize(
    ("keys", "partition"),
    [
        ([], {}),
        (["dt"], {"dt": "2026"}),
        (["partition_0"], {"partition_0": "dt=2026"}),
        (["dt", "hour"], {}),
    ],
)
def test_a_partitions_value_is_in_its_folders_name(hooks: Hooks, keys: list[str], partition: dict[str, str]) -> None:
    hooks.answer("GetTables", tables(table(PartitionKeys=[{"Name": key, "Type": "string"} for key in keys])))
    found = find_table(UPLOADED, "ferry")
    assert found
    assert found.partition == partition


DELIMITED, JSON, PARQUET = Format("delimited", ","), Format("json"), Format("parquet")


@pytest.mark.parametrize(
    ("header", "difference"),
    [
        (["id", "name"], ""),
        ([" ID ", "Name"], ""),
        (["name", "id"], "the order differs: name, id in the file, id, name in the table"),
        (["id"], "the file lacks the table's columns name"),
        (["id", "name", "x", "y"], "the table lacks the file's columns x, y"),
        (["a", "name"], "the file lacks the table's columns id; the table lacks the file's columns a"),
    ],
)
def test_a_header_is_compared_with_the_columns_by_name_and_order(header: list[str], difference: str) -> None:
    assert column_problem(header, Table("ferry", "sales", COLUMNS, {}), DELIMITED) == difference


@pytest.mark.parametrize("layout", [JSON, PARQUET], ids=["json", "parquet"])
@pytest.mark.parametrize(
    ("names", "problem", "missing"),
    [
        (["name", "ID"], "", []),
        (["id"], "", ["name"]),
        (["id", "x", "name"], "the table lacks the file's columns x", []),
        (["x"], "the file lacks the table's columns id, name; the table lacks the file's columns x", ["id", "name"]),
    ],
)
def test_columns_that_are_read_by_name_may_be_missing_and_may_not_be_added(
    layout: Format, names: list[str], problem: str, missing: list[str]
) -> None:
    table = Table("ferry", "sales", COLUMNS, {})
    assert (column_problem(names, table, layout), missing_columns(names, table)) == (problem, missing)


def test_names_that_only_look_alike_are_explained() -> None:
    table = Table("ferry", "sales", {"\u00e9": "string"}, {}, classification="csv", delimiter=",")
    problem = column_problem(["e\u0301"], table, Format("delimited", ","))
    assert problem.endswith("only look alike: their accents are encoded in two ways (Unicode NFC and NFD)")


def test_of_very_many_columns_some_are_named() -> None:
    names = [f"c{number}" for number in range(1000)]
    problem = column_problem(names, Table("ferry", "sales", {}, {}), DELIMITED)
    assert problem.startswith("the table lacks the file's columns c0, c1")
    assert problem.endswith("c49 and 950 more")


def test_of_a_very_long_name_the_beginning_is_reported() -> None:
    problem = column_problem(["x" * 300_000, "y"], Table("ferry", "sales", {}, {}), JSON)
    assert problem == f"the table lacks the file's columns {'x' * 80}…, y"


def test_names_and_values_are_quoted_in_every_query(tmp_path: Path) -> None:
    (tmp_path / "b.sql").write_text("SELECT * FROM {database}.{table} WHERE \"$path\" = {path} AND x <> '{y}';\n")
    (tmp_path / "a.sql").write_text("SELECT 1 FROM {table}")
    (tmp_path / "README.md").write_text("no check")
    odd = Table('d"b', 'a"b', {}, {'p"k': "o'clock", "q": ""})
    queries = validation_queries(odd, "s3://b/it's {table}.csv", checks=tmp_path)
    path = "'s3://b/it''s {table}.csv'"
    assert [*queries.values()] == [
        f"""SELECT count(*) FROM "d""b"."a""b" WHERE "$path" = {path} AND "p""k" = 'o''clock' AND "q" = ''""",
        'SELECT 1 FROM "a""b"',
        f"""SELECT * FROM "d""b"."a""b" WHERE "$path" = {path} AND x <> '{{y}}'""",
    ]
    assert [name.removesuffix(".sql") for name in queries] == [ROWS, "a", "b"]


def test_the_partition_null_equals_nothing(tmp_path: Path) -> None:
    partition = {"dt": "__HIVE_DEFAULT_PARTITION__", "hour": "1"}
    queries = validation_queries(Table("d", "t", {}, partition), "s3://b/a.csv", checks=tmp_path)
    assert queries[ROWS].endswith("""WHERE "$path" = 's3://b/a.csv' AND "dt" IS NULL AND "hour" = '1'""")


@pytest.mark.parametrize(
    ("named", "asked"),
    [
        (None, [ROWS, "a.sql", "b.sql"]),
        ([], [ROWS]),
        (["b.sql", "b.sql"], [ROWS, "b.sql"]),
        (["b.sql", "a.sql"], [ROWS, "b.sql", "a.sql"]),
    ],
    ids=str,
)
def test_a_rule_chooses_the_checks(tmp_path: Path, named: list[str] | None, asked: list[str]) -> None:
    for name in ("a.sql", "b.sql"):
        (tmp_path / name).write_text("SELECT 1 FROM {table}")
    assert [*validation_queries(Table("d", "t", {}, {}), "s3://b/a.csv", named, tmp_path)] == asked


def test_a_check_that_a_rule_names_and_nobody_wrote_is_reported(cloud: Cloud) -> None:
    given = copied(cloud)
    cloud.hooks.answer("GetTables", tables(table()))
    with pytest.raises(QueryFailed, match=r"none_such\.sql") as raised:
        run(given, rule={"checks": ["none_such.sql"]})
    assert f"s3://{TARGET}/{KEY}" in str(raised.value)
    assert not cloud.hooks.params["StartQueryExecution"]


def test_a_token_has_the_length_that_athena_asks_for() -> None:
    shape = boto3.Session().client("athena", "us-east-1").meta.service_model.shape_for("IdempotencyToken")
    assert shape.metadata["min"] <= len(hashlib.sha256().hexdigest()) <= shape.metadata["max"]


@pytest.mark.parametrize(
    ("header", "named"), [(b"col/1,col_2", "col/1"), (b"First Name,id", "first name"), (b"\xc3\xa9t\xc3\xa9,_id2", "")]
)
def test_names_with_special_characters_are_warned_of(cloud: Cloud, header: bytes, named: str) -> None:
    given = copied(cloud, header + b"\n1,2\n")
    found = table()
    names = header.decode().lower().split(",")
    found["StorageDescriptor"]["Columns"] = [{"Name": name, "Type": "string"} for name in names]
    cloud.hooks.answer("GetTables", tables(found))
    cloud.hooks.answer("StartQueryExecution", {"QueryExecutionId": "q1"})
    assert [f"name {named} may fail" in warning for warning in run(given).warnings] == ([True] if named else [])
