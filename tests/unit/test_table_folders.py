"""A file of another kind in a table's folder: it is not copied there, and one that was there before is named."""

import gzip
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from functions import copy_object, run_validation_query
from functions.catalogue import recent_tables, table_folders
from functions.catalogue.formats import not_catalogued_reason
from functions.contract.models import Catalogue, Copy, Validation
from functions.objects.head import head
from functions.runtime.errors import AccessDenied, ForeignFile, ValidationFailed
from tests.support.lambda_context import LambdaContext
from tests.support.parquet_files import footer, parquet
from tests.unit.conftest import (
    SOURCE,
    SOURCE_REGION,
    TARGET,
    TARGET_REGION,
    Cloud,
    ErrorResponse,
    step_event,
)


def tables(classification: str = "parquet", keys: tuple[str, ...] = (), **parameters: str) -> dict[str, Any]:
    found = {
        "Name": "sales",
        "StorageDescriptor": {"Location": f"s3://{TARGET}/sales/", "Columns": [{"Name": "id", "Type": "int"}]},
        "Parameters": {"classification": classification}
        | {name.replace("header_lines", "skip.header.line.count"): value for name, value in parameters.items()},
        "PartitionKeys": [{"Name": key, "Type": "string"} for key in keys],
    }
    return {"TableList": [found]}


def of_two_columns(found: dict[str, Any]) -> dict[str, Any]:
    found["TableList"][0]["StorageDescriptor"]["Columns"].append({"Name": "name", "Type": "string"})
    return found


def copy(cloud: Cloud, key: str, body: bytes = b"text", **rule: Any) -> Copy:
    event = step_event(cloud.upload(body, key=key))
    event["document"]["rule"] |= rule
    return Copy.model_validate(copy_object.handler(event, LambdaContext()))


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("sales/README.txt", tables()),
        ("sales/notes.md", tables("csv", delimiter=",")),
        # Athena knows `.gz` in lower case only (CompressionKind of trinodb/trino), and reads these bytes as text.
        ("sales/x.csv.GZ", tables("csv", delimiter=",")),
        ("sales/deep/er/README.txt", tables()),
        ("sales/a.json", tables("csv", delimiter=",")),
        ("sales/a.tsv", of_two_columns(tables("csv", delimiter=","))),
        ("sales/a.csv", tables()),
        ("sales/a.parquet", tables("json")),
        ("sales/dt=1/_SUCCESS.txt/x", tables(keys=("dt",))),
        ("sales/dt=1/README", tables(keys=("dt",))),
    ],
)
def test_a_file_of_another_kind_is_not_copied_into_a_tables_folder(
    cloud: Cloud, key: str, found: dict[str, Any]
) -> None:
    cloud.hooks.answer("GetTables", found, found)
    if "/_" in key:
        assert copy(cloud, key).status == "copied", "Athena does not see it"
        return
    with pytest.raises(ForeignFile, match=r"the table ferry\.sales, which holds ") as raised:
        copy(cloud, key)
    assert f"s3://{TARGET}/{key}" in str(raised.value)
    assert not cloud.hooks.params["CopyObject"]


@pytest.mark.parametrize(
    ("key", "body", "found"),
    [
        ("sales/a.parquet", b"x", tables()),
        ("sales/a.csv.gz", b"x", tables("csv", delimiter=",")),
        ("sales/.README.txt", b"x", tables()),
        ("sales/_README.txt", b"x", tables()),
        ("sales/_tmp/README.txt", b"x", tables()),
        ("sales/README.txt", b"", tables()),
        ("sales/README.txt", b"x", tables(keys=("dt",))),
        ("sales/README.txt", b"x", tables("", table_type="ICEBERG")),
        ("sales_old/README.txt", b"x", tables()),
    ],
)
def test_what_athena_reads_as_meant_or_not_at_all_is_copied(
    cloud: Cloud, key: str, body: bytes, found: dict[str, Any]
) -> None:
    cloud.hooks.answer("GetTables", found)
    assert copy(cloud, key, body).status == "copied"


CSV = tables("csv", delimiter=",")
WITH_HEADER = tables("csv", delimiter=",", header_lines="1")
MORE = b'{"ID": 1, "b": 2}'
UUID = "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0"
UNNAMED = ("000000_0", "part-00000", UUID, UUID.upper(), "data", "a.1")
TEXT, JSON, PARQUET, BOM = b"id\n1\n", b'{"id":1}\n', parquet(footer("id", rows=1)), b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("name", "found", "body"),
    [
        *((name, found, TEXT) for name in UNNAMED for found in (CSV, WITH_HEADER)),
        *((name, tables(), PARQUET) for name in UNNAMED),
        *(
            (name, tables("json"), body)
            for name in UNNAMED[:2]
            for body in (JSON, BOM + JSON, b'{"ID": 1, "b": 2}', b"\n")
        ),
        ("data", tables("json"), b'{"id": "' + b"x" * 1_100_000 + b'"}\n'),
        ("data", tables("csv", delimiter="\x01"), b"1\x01a\n"),
        ("data", CSV, b"1,a\n"),
        (f"stream-1-2026-11-27-12-00-00-{UUID}", CSV, TEXT),
        (f"my.stream-1-2026-11-27-12-00-00-{UUID}.gz", CSV, gzip.compress(TEXT, mtime=0)),
        (f"my.stream-1-2026-11-27-12-00-00-{UUID}.gz", tables("json"), gzip.compress(JSON * 9999, mtime=0)),
        ("events.2026-11-27", CSV, TEXT),
        ("000000_0.gz", CSV, gzip.compress(TEXT, mtime=0)),
        ("part.0.gz", CSV, gzip.compress(TEXT * 99, mtime=0)),
        ("a.parq", tables(), PARQUET),
        ("a.PQ", tables(), PARQUET),
        ("a.snappy.parquet", tables(), PARQUET),
        # The validation compares what the name says with the table.
        ("a.tsv", CSV, TEXT),
        ("a.csv", WITH_HEADER, b"other,names\n1,2\n"),
        ("a.json", tables("json"), b'{"other": 1}\nnot json\n'),
        ("a.json", tables("json"), b"\n"),
        ("a.parquet.gz", tables(), PARQUET),
    ],
)
def test_what_may_be_data_of_the_table_is_copied(cloud: Cloud, name: str, found: dict[str, Any], body: bytes) -> None:
    cloud.hooks.answer("GetTables", found, found, found)
    assert copy(cloud, f"sales/{name}", body).status == "copied"


@pytest.mark.parametrize(
    ("name", "found", "body"),
    [
        *((name, tables(), body) for name in ("part-2", "data") for body in (TEXT, JSON, b"x")),
        ("a.parquet.gz", tables(), gzip.compress(PARQUET, mtime=0)),
        *((name, tables("json"), body) for name in ("part-2", "a.1") for body in (b"not json\n", PARQUET, b"1\n")),
        *(
            (name, WITH_HEADER, body)
            for name in ("part-2", "z")
            for body in (PARQUET, b"hello\n", b"1\n2\n", b"id,b\n")
        ),
        *(("part-2", found, b"\xff\xfe\xfd\n") for found in (CSV, tables("json"))),
        ("part-2.gz", CSV, TEXT),
        # What is not what its name says breaks the table before a validation finds it.
        ("a.csv", WITH_HEADER, b"\x89PNG\r\n"),
        ("a.csv.gz", CSV, TEXT),
        ("a.tsv", CSV, b"id\tname\n1\tx\n"),
        ("a.parquet", tables(), PARQUET[:-9]),
        ("a.pq", tables(), TEXT),
        *(("a.json", tables("json"), body) for body in (b'[{"id": 1}]', b'{\n  "id": 1\n}\n', b"\x00" * 99)),
        ("part-2.gz", tables("json"), gzip.compress(TEXT, mtime=0)),
    ],
)
def test_what_does_not_begin_as_data_of_the_table_is_not_copied(
    cloud: Cloud, name: str, found: dict[str, Any], body: bytes
) -> None:
    """Athena opens it as the table's format: HIVE_CURSOR_ERROR or HIVE_CANNOT_OPEN_SPLIT of every query."""
    cloud.hooks.answer("GetTables", found, found, found)
    with pytest.raises(ForeignFile, match=r"Athena would read it as (JSON|Parquet|delimited text)"):
        copy(cloud, f"sales/{name}", body)
    assert not cloud.hooks.params["CopyObject"]
    assert copy(cloud, f"sales/{name}", body, catalogue=False).status == "copied"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        *((name, CSV) for name in ("README", "LICENSE", "NOTICE", "MANIFEST", "CODE_OF_CONDUCT", "README.gz")),
        *(
            (name, CSV)
            for name in (
                "a.txt",
                "a.csv.br",
                "a.csv.xz",
                "a.csv.ZST",
                "a.csv.Bz2",
                "a.TXT.gz",
                "a.md",
                "a.png",
                "a.jpg",
                "a.xlsx",
                "a.zip",
                "a.c000",
            )
        ),
        *((name, CSV) for name in ("a.csv.br", "a.csv.xz", "a.csv.ZST", "a.csv.Bz2", "a.csv.Z", "a.lzma")),
        ("a.csv.bak", CSV),
        ("000000_0.GZ", tables("json")),
        ("a.tsv.gz", of_two_columns(tables("csv", delimiter=","))),
        ("a.parq", CSV),
    ],
)
def test_a_name_that_is_no_data_of_the_table_is_not_copied(cloud: Cloud, name: str, found: dict[str, Any]) -> None:
    cloud.hooks.answer("GetTables", found, found)
    with pytest.raises(ForeignFile):
        copy(cloud, f"sales/{name}")


@pytest.mark.parametrize("ending", [".bz2", ".zst", ".deflate", ".snappy", ".lz4", ".lzo", ".lzo_deflate"])
@pytest.mark.parametrize("name", ["x.csv", "000000_0", f"my.stream-1-2026-11-27-12-00-00-{UUID}", "x.json"])
def test_a_compression_that_only_athena_reads_is_not_copied_into_a_table_with_that_as_the_reason(
    cloud: Cloud, name: str, ending: str
) -> None:
    """CompressionKind of trinodb/trino has these suffixes; what cannot be checked must not join a table unseen."""
    cloud.hooks.answer("GetTables", CSV, CSV)
    with pytest.raises(ForeignFile, match=rf"S3 Ferry does not read {ending} files") as raised:
        copy(cloud, f"sales/{name}{ending}")
    assert "Athena would read the file as" not in str(raised.value)
    assert ending in str(not_catalogued_reason(f"other/{name}{ending}", 1))


@pytest.mark.parametrize("name", ["/x.csv", "dt=/x.csv", f"{'d' * 300}/x.csv", "./x.csv", "a\x01b/x.csv"])
def test_a_file_that_would_join_a_table_without_validation_is_not_copied(cloud: Cloud, name: str) -> None:
    """Athena reads whatever is below a table's location ("Table location in Amazon S3", Amazon Athena User Guide)."""
    cloud.hooks.answer("GetTables", CSV, CSV)
    if name.startswith("."):
        assert copy(cloud, f"sales/{name}").status == "copied", "hidden"
        return
    with pytest.raises(
        ForeignFile, match=r"S3 Ferry does not validate it, because .*, but Athena reads it in the table"
    ):
        copy(cloud, f"sales/{name}")


def test_files_outside_the_catalogue_are_their_owners_decision(cloud: Cloud) -> None:
    cloud.hooks.answer("GetTables", tables())
    assert copy(cloud, "sales/README.txt", catalogue=False).status == "copied"
    assert not cloud.hooks.params["GetTables"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets seconds pass for what is remembered of the tables."""
    now = [1000.0]
    monkeypatch.setattr(recent_tables, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


def test_the_tables_are_listed_once_a_minute(cloud: Cloud, clock: Callable[[float], None]) -> None:
    cloud.hooks.answer("GetTables", CSV, CSV)
    for seconds, listed in ((0, 1), (59, 1), (2, 2), (58, 2)):
        clock(seconds)
        assert copy(cloud, f"sales/{seconds}.csv").status == "copied"
        assert len(cloud.hooks.params["GetTables"]) == listed


def test_the_columns_of_a_table_are_asked_for_once_a_minute(cloud: Cloud, clock: Callable[[float], None]) -> None:
    cloud.hooks.answer("GetTables", *[WITH_HEADER] * 4)
    for seconds, listed in ((0, 2), (59, 2), (2, 4)):
        clock(seconds)
        assert copy(cloud, f"sales/part-{seconds}", TEXT).status == "copied"
        assert len(cloud.hooks.params["GetTables"]) == listed


def test_a_table_that_was_just_made_is_found_within_seconds(cloud: Cloud, clock: Callable[[float], None]) -> None:
    for seconds, listed in ((0, 1), (4, 1)):
        clock(seconds)
        assert copy(cloud, f"sales/{seconds}.txt").status == "copied"
        assert len(cloud.hooks.params["GetTables"]) == listed
    clock(2)
    cloud.hooks.answer("GetTables", CSV, CSV)
    with pytest.raises(ForeignFile):
        copy(cloud, "sales/NOTES.txt")


def test_a_table_that_was_dropped_rejects_no_file(cloud: Cloud) -> None:
    cloud.hooks.answer("GetTables", CSV, CSV)
    with pytest.raises(ForeignFile):
        copy(cloud, "sales/README.txt")
    assert copy(cloud, "sales/README.txt").status == "copied", "whoever drops it replays at once"


def test_at_the_root_of_the_bucket_is_no_table(cloud: Cloud) -> None:
    assert copy(cloud, "README.txt").status == "copied"
    assert not cloud.hooks.params["GetTables"]


def test_a_missing_permission_is_named(cloud: Cloud) -> None:
    cloud.hooks.answer("GetTables", ErrorResponse("AccessDeniedException"))
    with pytest.raises(AccessDenied, match="looking for the table"):
        copy(cloud, "sales/README.txt")


def validate(cloud: Cloud, key: str, crawled: str, body: bytes = b"id\n1\n") -> Validation:
    upload = cloud.upload(body, key=key)
    cloud.target.put_object(Bucket=TARGET, Key=key, Body=body)
    source, target = head(SOURCE, SOURCE_REGION, key), head(TARGET, TARGET_REGION, key)
    assert source
    assert target
    copied = Copy(status="copied", source=source.object, target=target.object, copied_at=target.answered_at)
    cloud.hooks.answer("StartQueryExecution", {"QueryExecutionId": "q1"})
    event = step_event(upload, copy=copied, catalogue=Catalogue(status=crawled))
    return Validation.model_validate(run_validation_query.handler(event, LambdaContext()))


@pytest.mark.parametrize(
    ("keys", "foreign", "key"),
    [
        ((), "sales/notes.md", "sales/a.csv"),
        ((), "sales/x.csv.bz2", "sales/a.csv"),
        ((), "sales/deep/a.json", "sales/a.csv"),
        (("dt",), "sales/dt=1/README.txt", "sales/dt=1/a.csv"),
    ],
)
def test_the_first_files_of_a_table_name_a_foreign_file_that_was_there_before(
    cloud: Cloud, keys: tuple[str, ...], foreign: str, key: str
) -> None:
    cloud.target.put_object(Bucket=TARGET, Key=foreign, Body=b"x")
    cloud.hooks.answer("GetTables", tables("csv", keys, delimiter=","))
    with pytest.raises(ValidationFailed, match="Delete that file") as raised:
        validate(cloud, key, "covered")
    assert f"s3://{TARGET}/{foreign} as " in str(raised.value)
    assert ("does not read .bz2 files" in str(raised.value)) == foreign.endswith(".bz2")
    cloud.hooks.answer("GetTables", tables("csv", keys, delimiter=","))
    with pytest.raises(ValidationFailed, match="Delete that file"):
        validate(cloud, key, "not_needed")


@pytest.mark.parametrize(
    ("classification", "delimiter", "body", "reason"),
    [
        ("json", "", b"id\n1\n", "holds JSON, and Athena would read the file as JSON"),
        # The file's own problem is the more useful reason.
        ("csv", "\t", b"id\tname\n1\tx\n", "its columns seem to be separated by"),
    ],
)
def test_a_file_whose_table_is_of_another_kind_fails(
    cloud: Cloud, classification: str, delimiter: str, body: bytes, reason: str
) -> None:
    cloud.hooks.answer("GetTables", tables(classification, delimiter=delimiter))
    with pytest.raises(ValidationFailed, match=reason):
        validate(cloud, "sales/a.csv", "covered", body)


def test_files_of_other_tables_partitions_and_hidden_ones_are_not_foreign(cloud: Cloud) -> None:
    seen = ("sales/dt=1/000000_0", "sales/dt=1/x.gz", "sales/dt=1/part.0")
    hidden = ("sales/dt=2/README.txt", "sales/dt=1/_x.txt", "sales/dt=1/sub/.y", "sales/README.txt", "other/z.txt")
    for key in (*seen, *hidden):
        cloud.target.put_object(Bucket=TARGET, Key=key, Body=b"x")
    cloud.target.put_object(Bucket=TARGET, Key="sales/dt=1/empty.txt", Body=b"")
    cloud.hooks.answer("GetTables", tables("csv", ("dt",), delimiter=","))
    assert validate(cloud, "sales/dt=1/a.csv", "covered").status == "pending"


@pytest.mark.parametrize(("crawled", "found"), [("covered", True), ("not_needed", False)])
def test_the_first_files_search_the_whole_folder_and_later_ones_its_start(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, crawled: str, found: bool
) -> None:
    monkeypatch.setattr(table_folders, "PAGE_KEYS", 2)
    for key in ("sales/a.csv", "sales/b.csv", "sales/c.txt"):
        cloud.target.put_object(Bucket=TARGET, Key=key, Body=b"id\n1\n")
    cloud.hooks.answer("GetTables", tables("csv", delimiter=","))
    if found:
        with pytest.raises(ValidationFailed, match=r"c\.txt as "):
            validate(cloud, "sales/a.csv", crawled)
    else:
        assert validate(cloud, "sales/a.csv", crawled).status == "pending"
