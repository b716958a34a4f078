"""StartCrawler says that no crawl is needed: by the table, the partition and the file's own columns.

Glue's answers are given here: moto's Glue needs a parser that is not installed.
"""

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from functions import poll_crawler, start_crawler
from functions.contract.models import Catalogue, Copy, Validation
from functions.objects.head import head
from functions.runtime.errors import AccessDenied, SettingInvalid, Throttled, ValidationFailed
from tests.support.lambda_context import LambdaContext
from tests.support.parquet_files import footer, footer_of_a_struct, parquet
from tests.unit.conftest import SOURCE, SOURCE_REGION, TARGET, TARGET_REGION, Cloud, ErrorResponse, Values, step_event

COPIED_AT = datetime(2026, 11, 1, 10, 10, tzinfo=UTC)
CSV = b"id,name\n1,one\n"
GOOD_FILES = {
    "sales/a.csv": CSV,
    "sales/crlf.csv": b"\xef\xbb\xbfID, Name \r\n1,one\r\n",
    "sales/no-rows.csv": b"id,name",
    "sales/quoted.csv": b'"id","name"\n"1","one, two"\n',
    "sales/a.csv.gz": gzip.compress(CSV, mtime=0),
    "sales/a.tsv": b"id\tname\n1\tone\n",
    "sales/a.json": b'{"name": "one", "ID": 1}\n{"id": 2}\n',
    "sales/a.jsonl.gz": gzip.compress(b'{"id": 1, "name": "one"}', mtime=0),
    "sales/a.parquet": parquet(footer("ID", "name", rows=1)),
}


def table(key: str = "sales/a.csv", columns: tuple[str, ...] = ("id", "name"), **more: Any) -> Values:
    """The table that a crawl makes of such a file, as GetTables tells it."""
    name = key.removesuffix(".gz")
    classification = "parquet" if name.endswith("parquet") else "csv" if name.endswith("sv") else "json"
    delimiter = {"csv": ",", "tsv": "\t"}.get(name.rpartition(".")[2])
    return {
        "Name": "sales",
        "Parameters": {"classification": classification} | ({"delimiter": delimiter} if delimiter else {}),
        "StorageDescriptor": {
            "Location": f"s3://{TARGET}/sales/",
            "Columns": [{"Name": column, "Type": "string"} for column in columns],
        },
    } | more


def partitioned(key: str, *keys: str) -> Values:
    return table(key, PartitionKeys=[{"Name": name, "Type": "string"} for name in keys])


def partition(folder: str) -> Values:
    return {"Partition": {"StorageDescriptor": {"Location": f"s3://{TARGET}/{folder}"}}}


def call(cloud: Cloud, key: str, body: bytes, **states: Any) -> Catalogue:
    """StartCrawler on a copied file; a crawl is started if it wants one."""
    upload = cloud.upload(body, key=key)
    cloud.target.put_object(Bucket=TARGET, Key=key, Body=body)
    source, target = head(SOURCE, SOURCE_REGION, key), head(TARGET, TARGET_REGION, key)
    assert source
    assert target
    copy = Copy(status="copied", source=source.object, target=target.object, copied_at=COPIED_AT)
    cloud.hooks.answer("ListCrawls", {"Crawls": []})
    cloud.hooks.answer("StartCrawler", {})
    cloud.hooks.params.clear()
    return Catalogue.model_validate(start_crawler.handler(step_event(upload, copy=copy, **states), LambdaContext()))


@pytest.mark.parametrize("key", GOOD_FILES)
def test_a_file_with_the_tables_columns_needs_no_crawl(cloud: Cloud, key: str) -> None:
    cloud.hooks.answer("GetTables", {"TableList": [table(key)]})
    found = call(cloud, key, GOOD_FILES[key])
    assert (found.status, found.copied_at, found.crawl_id) == ("not_needed", COPIED_AT, None)
    assert not cloud.hooks.params["ListCrawls"]
    assert not cloud.hooks.params["StartCrawler"]


def test_columns_are_read_of_exactly_the_copied_target_and_no_more_than_its_beginning(cloud: Cloud) -> None:
    body = CSV + b"2,two\n" * 100_000
    cloud.hooks.answer("GetTables", {"TableList": [table()]})
    assert call(cloud, "sales/a.csv", body).status == "not_needed"
    version = cloud.target.head_object(Bucket=TARGET, Key="sales/a.csv")
    (asked,) = cloud.hooks.params["GetObject"]
    assert asked == {
        "Bucket": TARGET,
        "Key": "sales/a.csv",
        "Range": "bytes=0-65535",
        "IfMatch": version["ETag"].strip('"'),
        "VersionId": version["VersionId"],
    }


CHANGED: dict[str, tuple[str, bytes]] = {
    "a column more": ("sales/a.csv", b"id,name,x\n1,one,2\n"),
    "a column fewer": ("sales/a.csv", b"id\n1\n"),
    "another order": ("sales/a.csv", b"name,id\none,1\n"),
    "a JSON key more": ("sales/a.json", b'{"id": 1, "name": "one", "x": 2}\n'),
    "a JSON key fewer": ("sales/a.json", b'{"id": 1}\n'),
    "a Parquet column more": ("sales/a.parquet", parquet(footer("id", "name", "x", rows=1))),
    "a Parquet column fewer": ("sales/a.parquet", parquet(footer("id", rows=1))),
}


@pytest.mark.parametrize("what", CHANGED)
def test_a_changed_schema_is_crawled(cloud: Cloud, what: str) -> None:
    key, body = CHANGED[what]
    cloud.hooks.answer("GetTables", {"TableList": [table(key)]})
    assert call(cloud, key, body).status == "running"
    assert cloud.hooks.params["StartCrawler"]


UNREADABLE: dict[str, tuple[str, bytes]] = {
    "a line without end": ("sales/a.csv", b"x" * (2 * 1024 * 1024)),
    "no text": ("sales/a.csv", b"id,n\xe9\n1,2\n"),
    "an empty line": ("sales/a.csv", b"\n1,one\n"),
    "a quote without its pair": ("sales/a.csv", b'id,"na\nme"\n1,2\n'),
    "a column twice": ("sales/a.csv", b"id,id\n1,2\n"),
    "a column without a name": ("sales/a.csv", b"id,\n1,2\n"),
    "an endless field": ("sales/a.csv", b"id," + b"x" * 200_000 + b"\n"),
    "no gzip": ("sales/a.csv.gz", CSV),
    "broken gzip": ("sales/a.csv.gz", gzip.compress(CSV, mtime=0)[:12] + b"\xff" * 20),
    "cut gzip": ("sales/a.csv.gz", gzip.compress(b"id,name", mtime=0)[:-8]),
    "a line over two gzip members": (
        "sales/a.csv.gz",
        gzip.compress(b"id,name", mtime=0) + gzip.compress(b",x\n", mtime=0),
    ),
    "a gzip bomb": ("sales/a.csv.gz", gzip.compress(b"x" * 4 * 1024 * 1024, mtime=0)),
    "a JSON array": ("sales/a.json", b'[{"id": 1, "name": "one"}]'),
    "no JSON": ("sales/a.json", b"id,name\n"),
    "no JSON object": ("sales/a.json", b"7\n"),
    "an empty JSON object": ("sales/a.json", b"{}\n"),
    "nested without end": ("sales/a.json", b'{"a":' * 10_000),
    "a number without end": ("sales/a.json", b'{"id": ' + b"9" * 5000 + b"}\n"),
    "no Parquet": ("sales/a.parquet", CSV),
    "truncated Parquet": ("sales/a.parquet", GOOD_FILES["sales/a.parquet"][:-10]),
    "a Parquet footer that is garbage": ("sales/a.parquet", parquet(b"\xff" * 100)),
    "a Parquet footer longer than the file": ("sales/a.parquet", b"PAR1" + b"\xff\xff\xff\xff" + b"PAR1"),
    "a few bytes": ("sales/a.parquet", b"PAR1"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_file_whose_columns_cannot_be_read_is_crawled_and_does_not_fail(cloud: Cloud, what: str) -> None:
    key, body = UNREADABLE[what]
    cloud.hooks.answer("GetTables", {"TableList": [table(key)]})
    assert call(cloud, key, body).status == "running"


OTHER_TABLES: dict[str, tuple[str, Values]] = {
    "of another folder": ("sales/a.csv", table(StorageDescriptor={"Location": f"s3://{TARGET}/sale/", "Columns": []})),
    "of another format": ("sales/a.csv", table("a.json")),
    "of another delimiter": ("sales/a.tsv", table("a.csv")),
    "of unknown format": ("sales/a.csv", table(Parameters={})),
    "of no delimiter": ("sales/a.csv", table(Parameters={"classification": "csv"})),
    "without its deeper folder": ("sales/deep/a.csv", table()),
    "in partitions, beside them": ("sales/a.csv", partitioned("a.csv", "dt")),
    "in partitions, deeper than they": ("sales/dt=1/more/a.csv", partitioned("a.csv", "dt")),
}


@pytest.mark.parametrize("what", OTHER_TABLES)
def test_a_table_that_is_not_the_files_is_crawled(cloud: Cloud, what: str) -> None:
    key, found = OTHER_TABLES[what]
    cloud.hooks.answer("GetTables", {"TableList": [found]})
    assert call(cloud, key, b"id\tname\n" if key.endswith("tsv") else CSV).status == "running"
    assert not cloud.hooks.params["GetPartition"]


def test_without_a_database_the_crawler_is_asked(cloud: Cloud) -> None:
    cloud.hooks.answer("GetTables", ErrorResponse("EntityNotFoundException"))
    assert call(cloud, "sales/a.csv", CSV).status == "running"


@pytest.mark.parametrize("name", ["separatorChar", "field.delim"])
def test_a_delimiter_that_only_the_serde_tells_counts(cloud: Cloud, name: str) -> None:
    found = table(Parameters={"classification": "csv"})
    found["StorageDescriptor"]["SerdeInfo"] = {"Parameters": {name: ","}}
    cloud.hooks.answer("GetTables", {"TableList": [found]})
    assert call(cloud, "sales/a.csv", CSV).status == "not_needed"


@pytest.mark.parametrize(
    ("folder", "keys", "values"),
    [
        ("sales/dt=2026-01-01/", ["dt"], ["2026-01-01"]),
        ("sales/north/dt=1/", ["partition_0", "dt"], ["north", "1"]),
    ],
)
def test_a_file_in_a_registered_partition_needs_no_crawl(
    cloud: Cloud, folder: str, keys: list[str], values: list[str]
) -> None:
    cloud.hooks.answer("GetTables", {"TableList": [partitioned("a.csv", *keys)]})
    cloud.hooks.answer("GetPartition", partition(folder))
    assert call(cloud, f"{folder}a.csv", CSV).status == "not_needed"
    asked = {"DatabaseName": "ferry", "TableName": "sales", "PartitionValues": values}
    assert cloud.hooks.params["GetPartition"] == [asked]


@pytest.mark.parametrize(
    "answer",
    [
        ErrorResponse("EntityNotFoundException"),
        {"Partition": {"StorageDescriptor": {"Location": f"s3://{TARGET}/elsewhere/dt=1"}}},
    ],
    ids=["not there", "of another table's folder"],
)
def test_a_file_in_no_registered_partition_is_crawled(cloud: Cloud, answer: Any) -> None:
    cloud.hooks.answer("GetTables", {"TableList": [partitioned("a.csv", "dt")]})
    cloud.hooks.answer("GetPartition", answer)
    assert call(cloud, "sales/dt=1/a.csv", CSV).status == "running"
    assert not cloud.hooks.params["GetObject"]


@pytest.mark.parametrize("key", ["sales/dt=1/a.csv", "sales/Dt=1/a.csv"])
def test_a_partition_of_another_folder_is_named_before_a_crawl_could_move_it(cloud: Cloud, key: str) -> None:
    """A partition has one location (Partition, AWS Glue web API reference): the rows at the first folder would go."""
    cloud.hooks.answer("GetTables", {"TableList": [partitioned("a.csv", "dt")]})
    cloud.hooks.answer("GetPartition", partition("sales/DT=1"))
    with pytest.raises(
        ValidationFailed, match=f"of the table ferry.sales already has the folder s3://{TARGET}/sales/DT=1/"
    ):
        call(cloud, key, CSV)
    assert not cloud.hooks.params["StartCrawler"]


def test_after_a_validation_that_found_nothing_only_a_crawl_is_believed(cloud: Cloud) -> None:
    cloud.hooks.answer("GetTables", {"TableList": [table()]})
    assert call(cloud, "sales/a.csv", CSV, validation=Validation(status="not_covered")).status == "running"
    assert not cloud.hooks.params["GetTables"]


def test_a_definition_that_polls_after_not_needed_comes_to_a_crawl(cloud: Cloud) -> None:
    """The first release's: whatever is not `covered` is waited for, and then StartCrawler is asked again."""
    cloud.hooks.answer("GetTables", *[{"TableList": [table()]}] * 2)
    first = call(cloud, "sales/a.csv", CSV)
    assert first.status == "not_needed"
    began = first.covers_from
    assert began
    looked = poll_crawler.poll_crawler(first, began, [])
    assert (looked.status, looked.polls) == ("not_covered", 1)
    assert call(cloud, "sales/a.csv", CSV, catalogue=looked).status == "running"
    assert cloud.hooks.params["StartCrawler"]


def test_a_target_that_is_replaced_meanwhile_is_left_to_the_validation(cloud: Cloud) -> None:
    cloud.hooks.answer("GetTables", {"TableList": [table()]})
    cloud.hooks.answer("GetObject", ErrorResponse("PreconditionFailed"))
    assert call(cloud, "sales/a.csv", CSV).status == "running"


@pytest.mark.parametrize("operation", ["GetTables", "GetPartition", "GetObject"])
@pytest.mark.parametrize(("code", "error"), [("AccessDenied", AccessDenied), ("SlowDown", Throttled)])
def test_what_aws_rejects_is_no_reason_for_a_crawl(
    cloud: Cloud, operation: str, code: str, error: type[Exception]
) -> None:
    if operation != "GetTables":
        cloud.hooks.answer("GetTables", {"TableList": [partitioned("a.csv", "dt")]})
    if operation == "GetObject":
        cloud.hooks.answer("GetPartition", partition("sales/dt=1"))
    cloud.hooks.answer(operation, ErrorResponse(code))
    with pytest.raises(error):
        call(cloud, "sales/dt=1/a.csv", CSV)
    assert not cloud.hooks.params["StartCrawler"]


MANY_KEYS = [f"key_number_{number:06}" for number in range(6000)]
LONG_TYPES = {
    "sales/a.json": json.dumps({"id": 1, "S": dict.fromkeys(MANY_KEYS, 1)}).encode() + b"\n",
    "sales/a.json.gz": gzip.compress(json.dumps({"S": [{key: {"x": "y"} for key in MANY_KEYS}]}).encode(), mtime=0),
    "sales/a.parquet": parquet(footer_of_a_struct("S", MANY_KEYS)),
}


@pytest.mark.parametrize("key", LONG_TYPES)
def test_a_type_that_is_too_long_for_the_catalogue_fails_before_a_crawl(cloud: Cloud, key: str) -> None:
    """At most 131,072 characters ("Column", AWS Glue web API reference)."""
    cloud.hooks.answer("GetTables", {"TableList": []})
    with pytest.raises(ValidationFailed, match="the column S has so many nested keys") as raised:
        call(cloud, key, LONG_TYPES[key])
    assert "Glue allows 131,072" in str(raised.value)
    assert "StartCrawler" not in cloud.hooks.params


NO_TABLES: dict[str, tuple[str, bytes, str]] = {
    "a control character in a header": (
        "sales/a.csv",
        b"a\x01b,c\n1,2\n",
        r"U\+0001 in the name 'a\\x01b'",
    ),
    "one in gzip": ("sales/a.tsv.gz", gzip.compress(b"a\x1fb\tc\n1\t2\n", mtime=0), r"U\+001F"),
    "one in a key": ("sales/a.json", b'{"a\\nb":1}\n', r"U\+000A in the name 'a\\nb'"),
    "one in a nested key": (
        "sales/a.json",
        b'{"s":[{"t":{"a\\u0007b":1}}]}\n',
        r"the column s has .* U\+0007",
    ),
    "no character": ("sales/a.json", '{"a\uffff":1}'.encode(), r"U\+FFFF"),
    "one in Parquet": ("sales/a.parquet", parquet(footer("id", "c\x01", rows=1)), r"U\+0001"),
    "one in a field": ("sales/a.parquet", parquet(footer_of_a_struct("s", ["a\nb"])), r"the column s has .* U\+000A"),
    "a field without a name": (
        "sales/a.parquet",
        parquet(footer_of_a_struct("s", ["a", ""])),
        "key without a name",
    ),
    "an empty key": ("sales/a.json", b'{"id":1,"s":{"":1}}\n', "the column s has a nested key without a name"),
    "a blank key": ("sales/a.json", b'{"id":1,"s":[[{" ":1}]]}\n', "the column s has a nested key without a name"),
    "a hidden column": ("sales/a.csv", b"$path,b\n1,2\n", "a column named \\$path"),
    "a hidden partition": ("sales/$path=1/a.csv", CSV, "`\\$path=1` makes a partition column \\$path, which clashes"),
    "a hidden one in capitals": ("sales/x/$File_Size=1/a.csv", CSV, "a partition column \\$File_Size, which clashes"),
    "the one of partitions": ("sales/dt=1/a.csv", b"id,$partition\n1,2\n", "a column named \\$partition"),
    "the one as a partition": ("sales/$partition=1/a.csv", CSV, "makes a partition column \\$partition, which clashes"),
    "names that differ in blanks": ("sales/a.json", b'{" a":1,"A ":2}\n', "which differ only in blanks"),
    "a separator and a long header": (
        "sales/a.csv",
        b";".join([b"a_long_name"] * 30) + b"\n1\n",
        "its columns seem to be separated by ';'",
    ),
    "a column as its folder": (
        "sales/dt=1/a.csv",
        b"dt,v\n5,1\n",
        "`dt=1` makes .* dt, but it has a column dt",
    ),
    "but for case": (
        "sales/DT=1/a.json",
        b'{"v":1,"Dt":1}\n',
        "`DT=1` makes .* DT, but it has a column Dt",
    ),
    "of a deeper folder": (
        "sales/y=1/ID=2/a.parquet",
        parquet(footer("id", rows=1)),
        "makes a partition column ID",
    ),
    "but for a hyphen": ("sales/my-id=1/a.csv", b"my_id,v\n5,1\n", "but it has a column my_id"),
    "two folders": ("sales/dt=1/DT=2/a.csv", CSV, "`DT=2` makes a partition column DT, but it has the folder `dt=1`"),
}


@pytest.mark.parametrize("what", NO_TABLES)
def test_names_of_which_no_table_can_be_made_fail_before_a_crawl(cloud: Cloud, what: str) -> None:
    """The pattern of names and types is that of Column (AWS Glue web API reference); the rest, HiveMetadata's."""
    key, body, reason = NO_TABLES[what]
    cloud.hooks.answer("GetTables", {"TableList": []})
    with pytest.raises(ValidationFailed, match=reason) as raised:
        call(cloud, key, body)
    assert f"s3://{TARGET}/{key} was copied and verified" in str(raised.value)
    assert "StartCrawler" not in cloud.hooks.params


@pytest.mark.parametrize(
    "record",
    ['{"a\\ud800":{"":1}}', '{"a\\ud800":{"b\\n":1}}', '{"a\\ud800\\n":1}', '{"\\ud800%s":1}' % ("x" * 256)],
)
def test_half_a_surrogate_pair_in_a_name_is_replaced_in_the_message(cloud: Cloud, record: str) -> None:
    cloud.hooks.answer("GetTables", {"TableList": []})
    with pytest.raises(ValidationFailed) as raised:
        call(cloud, "sales/a.json", record.encode())
    assert str(raised.value).encode()


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("sales/a.csv", b"a\tb,c\x7f\n1,2\n"),
        ("sales/a.csv", b"$partition,id\n1,2\n"),
        ("sales/dt=1/a.csv", b"dt_1,v\n5,1\n"),
        ("sales/dt/a.csv", b"dt,v\n5,1\n"),
        ("sales/dt=1/x=1/a.csv", "größe,😀\n1,2\n".encode()),
        ("id=1/a.csv", CSV),
    ],
)
def test_names_that_a_table_can_have_are_crawled(cloud: Cloud, key: str, body: bytes) -> None:
    cloud.hooks.answer("GetTables", {"TableList": []})
    assert call(cloud, key, body).status == "running"


@pytest.mark.parametrize("body", [b'{"s": ' + b"[" * 20_000, b"x" * 40_000, b'{"s": {"a": "' + b"x" * 40_000 + b'"}}'])
def test_a_file_with_other_faults_or_long_values_is_crawled(cloud: Cloud, body: bytes) -> None:
    cloud.hooks.answer("GetTables", {"TableList": []})
    assert call(cloud, "sales/a.json", body).status == "running"


def test_a_missing_database_setting_is_named(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLUE_DATABASE")
    with pytest.raises(SettingInvalid, match="GLUE_DATABASE: is not set"):
        call(cloud, "sales/a.csv", CSV)


def test_glue_tells_what_is_compared() -> None:
    glue: Any = boto3.Session().client("glue", "us-east-1").meta.service_model
    members = glue.shape_for("Table").members
    assert {"Parameters", "PartitionKeys", "StorageDescriptor"} <= set(members)
    assert {"Columns", "Location", "SerdeInfo"} <= set(members["StorageDescriptor"].members)
    asked = set(glue.operation_model("GetPartition").input_shape.members)
    assert {"DatabaseName", "TableName", "PartitionValues"} <= asked
    errors = {shape.name for shape in glue.operation_model("GetPartition").error_shapes}
    assert "EntityNotFoundException" in errors
