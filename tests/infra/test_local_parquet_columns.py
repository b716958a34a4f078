"""How the local Athena reads a Parquet column as a type of its table: no server.

After trinodb/trino, lib/trino-parquet: ColumnReaderFactory, TransformingValueDecoders, ParquetTypeUtils.
"""

import datetime as dt
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from infra.local.athena import parquet_columns, parquet_schema
from infra.local.athena.failures import state_change_reason
from infra.local.athena.models import Column
from infra.local.glue import types
from infra.local.glue.errors import UnreadableFile
from infra.local.glue.layout import is_tabular
from infra.local.glue.schema import of_text

LOCAL_NANOS, UTC_NANOS = b"\x12\x1c\x3c\x00\x00", b"\x11\x1c\x3c\x00\x00"
"""TimestampType of parquet.thrift: isAdjustedToUTC, and the unit NANOS. DuckDB writes no such type with a time zone."""
NANOS = "TIMESTAMP_NS '2024-01-02 03:04:05.678500001'"
ROUNDED = dt.datetime(2024, 1, 2, 3, 4, 5, 679000)  # noqa: DTZ001 - a timestamp has no zone
CONNECTION = duckdb.connect(config={"threads": 1})
CONNECTION.execute("SET TimeZone = 'UTC'")


def read(folder: Path, in_file: str, in_table: str, in_utc: bool = False) -> list[Any] | str:
    """The values of a column that DuckDB writes, as the table's type; or why the query fails."""
    path, kind = folder / "a.parquet", types.parse(in_table)
    CONNECTION.execute(f"COPY (SELECT {in_file} AS v) TO '{path}' (FORMAT parquet)")
    if in_utc:
        body = path.read_bytes()
        assert LOCAL_NANOS in body
        path.write_bytes(body.replace(LOCAL_NANOS, UTC_NANOS))
    found = parquet_schema.columns(CONNECTION, path, parquet_schema.footer_of(path))["v"]
    sql = parquet_columns.value('r."v"', found, Column("v", kind), "f.path")
    rows = f"FROM read_parquet('{path}') r, (SELECT 's3://b/k' AS path) f"
    # A column that is not opened fails nothing.
    assert CONNECTION.execute(f"SELECT count(*) FROM (SELECT {sql} AS v {rows})").fetchall()[0][0] > 0
    try:
        return [value for (value,) in CONNECTION.execute(f"SELECT {sql} {rows}").fetchall()]
    except duckdb.Error as error:
        return state_change_reason(error)


@pytest.mark.parametrize(
    ("in_file", "in_table", "shown"),
    [
        ("TIMESTAMP '2024-01-02 03:04:05.678901'", "bigint", 1704164645678901),
        ("TIMESTAMP '2024-01-02 03:04:05.678500'", "timestamp", ROUNDED),
        ("TIMESTAMPTZ '2024-01-02 03:04:05.678500+00'", "timestamp", ROUNDED),
        (NANOS, "bigint", 1704164645678500001),
        ("unnest([5, 4294967295]::UINTEGER[])", "bigint", [5, -1]),
        ("unnest([5, 4294967295]::UINTEGER[])", "int", [5, -1]),
        ("unnest([5, 4294967295]::UINTEGER[])", "tinyint", [5, -1]),
        ("unnest([5, 18446744073709551615]::UBIGINT[])", "int", [5, -1]),
        ("200::UTINYINT", "smallint", 200),
        ("200::USMALLINT", "tinyint", "NUMERIC_VALUE_OUT_OF_RANGE"),
        ("5::BIGINT", "smallint", 5),
        ("3000000000::BIGINT", "int", "NUMERIC_VALUE_OUT_OF_RANGE"),
        ("[4294967295]::UINTEGER[]", "array<int>", [[-1]]),
        ("5::INTEGER", "decimal(5,2)", "5.00"),
        ("1.55::DECIMAL(5,2)", "decimal(4,1)", "1.6"),
        ("15::DECIMAL(5,0)", "int", 15),
        ("'é'", "binary", "é".encode()),
        ("encode('é')", "string", "é"),
        ("'\\xFF'::BLOB", "string", "NOT_SUPPORTED: .* not text in UTF-8"),
        ("'abc'", "varchar(2)", "ab"),
        ("'00000000-0000-0000-0000-0000000000ff'::UUID", "binary", b"\0" * 15 + b"\xff"),
        ("TIME '10:00'", "bigint", 36_000_000_000),
    ],
)
def test_a_value_is_read_as_trino_reads_it(tmp_path: Path, in_file: str, in_table: str, shown: Any) -> None:
    found = read(tmp_path, in_file, in_table)
    if isinstance(found, str):
        assert re.match(str(shown), found)
    elif isinstance(shown, list):
        assert found == shown
    else:
        assert str(found[0]) == str(shown)


@pytest.mark.parametrize("in_utc", [False, True])
@pytest.mark.parametrize(
    ("in_file", "in_table", "shown"),
    [
        (NANOS, "timestamp", ROUNDED),
        (f"{{'a': {NANOS}}}", "struct<a:timestamp>", {"a": ROUNDED}),
        (f"[{{'a': [{NANOS}]}}, NULL]", "array<struct<a:array<timestamp>>>", [{"a": [ROUNDED]}, None]),
        (f"MAP([{NANOS}], [{NANOS}])", "map<timestamp,timestamp>", {ROUNDED: ROUNDED}),
        # Rounded once: not first to microseconds.
        ("TIMESTAMP_NS '1970-01-01 00:00:00.000499999'", "timestamp", dt.datetime(1970, 1, 1)),  # noqa: DTZ001
    ],
)
def test_nanoseconds_become_milliseconds_with_and_without_a_time_zone(
    tmp_path: Path, in_file: str, in_table: str, shown: Any, in_utc: bool
) -> None:
    assert read(tmp_path, in_file, in_table, in_utc) == [shown]


@pytest.mark.parametrize(
    ("in_file", "in_table", "shown"),
    [
        ("unnest([{'c': 1}, NULL])", "struct<a:int>", [None, None]),
        ("unnest([{'C': 1}, NULL])", "struct<a:int,c:bigint>", [{"a": None, "c": 1}, None]),
        ("{'a': 1, 's': {'c': 1}}", "struct<s:struct<b:int>,a:int>", [{"s": None, "a": 1}]),
        ("{'s': {'c': 1}}", "struct<s:struct<b:int>>", [None]),
        ("[{'c': 1}]", "array<struct<a:string,c:int>>", [[{"a": None, "c": 1}]]),
        ("MAP(['k'], [{'c': 1}])", "map<string,struct<c:int,a:int>>", [{"k": {"c": 1, "a": None}}]),
        ("[{'c': 1}]", "array<struct<a:int>>", "NOT_SUPPORTED: .* no field of struct<a:int>"),
        ("MAP(['k'], [{'c': 1}])", "map<string,struct<a:int>>", "NOT_SUPPORTED: .* no field of struct<a:int>"),
    ],
)
def test_a_field_is_found_by_name_and_a_struct_without_any_is_null(
    tmp_path: Path, in_file: str, in_table: str, shown: Any
) -> None:
    found = read(tmp_path, in_file, in_table)
    assert re.match(shown, found) if isinstance(found, str) else found == shown


@pytest.mark.parametrize(
    ("in_file", "in_table"),
    [
        ("NULL", "string"),
        ("1::BIGINT", "string"),
        ("1::INTEGER", "double"),
        ("1::BIGINT", "decimal(5,2)"),
        ("1::DOUBLE", "float"),
        ("TIMESTAMP '2024-01-01'", "date"),
        ("DATE '2024-01-01'", "int"),
        ("'x'::BLOB", "bigint"),
        ("TIME '10:00'", "string"),
        ("{'t': TIME '10:00'}", "struct<t:string>"),
        ("gen_random_uuid()", "string"),
        ("gen_random_uuid()", "varchar(36)"),
        ("INTERVAL 1 DAY", "string"),
        ("1.5::DECIMAL(5,2)", "double"),
    ],
)
def test_what_trino_does_not_read_fails_the_queries_that_open_it(tmp_path: Path, in_file: str, in_table: str) -> None:
    found = read(tmp_path, in_file, in_table)
    assert isinstance(found, str)
    assert re.match(r"(HIVE_BAD_DATA|NOT_SUPPORTED): .* s3://b/k", found)


def test_a_field_may_have_blanks_in_its_name_and_no_other_special_character() -> None:
    assert types.parse("struct<b c:int,d.e$ : decimal(10, 2)>").fields == ("b c", "d.e$")
    assert types.parse('struct<"x-y":int>').fields == ("x-y",)
    for text in ("struct<d-e:int>", "struct<a/b:int>", "struct<:int>", "struct<a:int,>"):
        with pytest.raises(types.UnknownType):
            types.parse(text)


def test_json_that_is_nested_too_deeply_fails_alone() -> None:
    with pytest.raises(UnreadableFile, match="nested deeper than 100 levels"):
        of_text(b'{"a":' + b'{"a":' * 500 + b"1" + b"}" * 501, True, "a.json", [])


def test_gzip_is_known_by_its_suffix_in_lower_case_only() -> None:
    # trinodb/trino, CompressionKind.forFile.
    assert [is_tabular(f"t/a.csv{suffix}") for suffix in (".gz", ".GZ")] == [True, False]
    assert is_tabular("t/a.CSV.gz")
