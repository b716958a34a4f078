"""The types of a Parquet file's columns, and whether Athena reads each as the table's: DuckDB writes, Trino decides."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given

from functions.catalogue.column_types import parse
from functions.catalogue.file_columns import NoTable
from functions.catalogue.formats import Format
from functions.catalogue.glue_table import Table
from functions.catalogue.parquet_chunks import CODECS, PHYSICAL_TYPES
from functions.catalogue.parquet_footer import ParquetField, read_footer
from functions.catalogue.parquet_types import compare, duplicate_names, type_of
from functions.catalogue.type_length import LONGEST_TYPE, require_fields
from functions.runtime.errors import ValidationFailed
from functions.validation.contents import Expected
from functions.validation.file_reader import read_file
from infra.local.glue import types
from tests.support.parquet_files import footer, footer_of_one_chunk, parquet
from tests.unit.conftest import Cloud
from tests.unit.parquet_by_duckdb import FIELDS, SMALL, ask, footer_of, put, write


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parquet") / "a.parquet"


def field(path: Path, kind: str, value: str = "NULL") -> ParquetField:
    """What DuckDB writes for a column of this type."""
    ask(f"COPY (SELECT {value}::{kind} AS c) TO '{path}' (FORMAT parquet)")
    (found,) = read_footer(footer_of(path.read_bytes())).fields
    return found


@SMALL
@given(fields=FIELDS)
def test_the_types_that_duckdb_writes_are_those_that_it_reads(path: Path, fields: list[tuple[str, str]]) -> None:
    found = read_footer(write(path, fields, 3)).fields
    for column, (_, kind, *_) in zip(found, ask(f"DESCRIBE SELECT * FROM read_parquet('{path}')"), strict=True):
        assert str(type_of(column)) == str(types.of_duckdb(kind))


@pytest.mark.parametrize(
    ("in_file", "in_table"),
    [
        ("BIGINT", "string"),
        ("VARCHAR", "bigint"),
        ("BIGINT", "int"),
        ("INTEGER", "smallint"),
        ("INTEGER", "double"),
        ("DOUBLE", "float"),
        ("DOUBLE", "bigint"),
        ("DOUBLE", "string"),
        ("BOOLEAN", "int"),
        ("BOOLEAN", "string"),
        ("DATE", "timestamp"),
        ("DATE", "string"),
        ("DATE", "int"),
        ("TIMESTAMP", "date"),
        ("TIMESTAMP", "int"),
        ("TIMESTAMP[]", "array<int>"),
        ("TIMESTAMP", "string"),
        ("DECIMAL(5,2)", "decimal(4,2)"),
        ("DECIMAL(5,2)", "decimal(5,1)"),
        ("DECIMAL(5,2)", "double"),
        ("DECIMAL(5,2)", "string"),
        ("DOUBLE", "decimal(5,2)"),
        ("INTEGER[]", "array<string>"),
        ("INTEGER[]", "int"),
        ("INTEGER", "array<int>"),
        ("STRUCT(a BIGINT)", "struct<a:int>"),
        ("STRUCT(a BIGINT)", "string"),
        ("STRUCT(a STRUCT(b VARCHAR[]))", "struct<a:struct<b:array<int>>>"),
        ("MAP(VARCHAR, BIGINT)", "map<string,int>"),
        ("MAP(VARCHAR, BIGINT)", "struct<key:string>"),
        ("UBIGINT", "string"),
        ("UTINYINT", "tinyint"),
        ("USMALLINT", "smallint"),
    ],
)
def test_a_column_of_another_type_is_a_mismatch_with_both_types(path: Path, in_file: str, in_table: str) -> None:
    found = compare([field(path, in_file)], {"c": parse(in_table)})
    (mismatch,) = found.mismatches
    assert mismatch.startswith("the column c")
    assert " in the file, but " in mismatch
    assert found.warnings == []


@pytest.mark.parametrize(
    ("in_file", "in_table"),
    [
        ("INTEGER", "bigint"),
        ("SMALLINT", "int"),
        ("TINYINT", "tinyint"),
        ("UTINYINT", "smallint"),
        ("UTINYINT", "int"),
        ("USMALLINT", "int"),
        ("FLOAT", "double"),
        ("DECIMAL(4,2)", "decimal(5,2)"),
        ("DECIMAL(4,2)", "decimal(6,3)"),
        ("DECIMAL(30,2)", "decimal(30,2)"),
        ("VARCHAR", "varchar(10)"),
        ("BLOB", "string"),
        ("BLOB", "binary"),
        ("JSON", "string"),
        ("TIMESTAMP", "timestamp"),
        ("TIMESTAMP_MS", "timestamp"),
        ("TIMESTAMP WITH TIME ZONE", "timestamp"),
        ("DATE", "date"),
        ("STRUCT(A INTEGER)", "struct<a:bigint,b:string>"),
        ("MAP(VARCHAR, DOUBLE[])", "map<string,array<double>>"),
    ],
)
def test_the_same_type_or_a_wider_one_passes(path: Path, in_file: str, in_table: str) -> None:
    found = compare([field(path, in_file)], {"c": parse(in_table)})
    assert (found.mismatches, found.warnings) == ([], [])


@pytest.mark.parametrize(
    ("in_file", "in_table", "warning"),
    [
        (
            "TIME",
            "bigint",
            "a Parquet time_micros, but bigint in the table: Athena shows whole numbers of microseconds",
        ),
        ("TIMESTAMP_MS", "bigint", "a Parquet timestamp_millis, but bigint in the table"),
        ("TIMESTAMP", "bigint", "a Parquet timestamp_micros, but bigint in the table"),
        ("TIMESTAMP_NS", "bigint", "shows whole numbers of nanoseconds instead of times"),
        ("TIMESTAMP[]", "array<bigint>", "the column c[] is a Parquet timestamp_micros, but bigint in the table"),
        ("UBIGINT", "bigint", "a Parquet uint_64, and Athena reads it as signed"),
        ("UINTEGER", "bigint", "a Parquet uint_32, and Athena reads it as signed"),
        ("UUID", "string", "a Parquet uuid, and Athena shows its 16 bytes"),
        ("UUID", "binary", "a Parquet uuid, and Athena shows its 16 bytes"),
        ("INTERVAL", "string", "a Parquet interval, and Athena shows it as bytes"),
        ("STRUCT(a TIME)", "struct<a:bigint>", "the column c.a is a Parquet time_micros"),
        ("STRUCT(a TIMESTAMP_NS)", "struct<a:bigint>", "the column c.a is a Parquet timestamp_nanos"),
        ("STRUCT(a INTEGER, b INTEGER)", "struct<a:int>", "the column c.b is missing from the table"),
    ],
)
def test_what_athena_has_no_type_for_is_a_warning_that_says_what_differs(
    path: Path, in_file: str, in_table: str, warning: str
) -> None:
    found = compare([field(path, in_file)], {"c": parse(in_table)})
    assert found.mismatches == []
    assert warning in found.warnings[0]


@pytest.mark.parametrize(
    ("column", "warning"),
    [
        (ParquetField("c", "int32", "null"), "a Parquet null, and a file that has values may not fit"),
        (
            ParquetField("c", "fixed_len_byte_array", "decimal", 40, 2),
            "a Parquet decimal(40,2), and Athena supports at most 38",
        ),
    ],
)
def test_types_that_duckdb_does_not_write_are_warned_of_as_well(column: ParquetField, warning: str) -> None:
    assert warning in compare([column], {"c": parse("int")}).warnings[0]


@pytest.mark.parametrize(
    ("column", "kinds"),
    [
        # ColumnReaderFactory: BIGINT of a time is read from INT64 alone; the catalogue lacks TimeType.
        (ParquetField("c", "int32", "time_millis"), ["int", "bigint", "string", "timestamp", "date"]),
        (ParquetField("c", "int64", "time_micros"), ["int", "string", "timestamp", "double"]),
        (ParquetField("c", "int64", "time_nanos"), ["string", "decimal(20,0)"]),
        # Of bytes of a fixed length: VARBINARY, and VARCHAR without a limit.
        (ParquetField("c", "fixed_len_byte_array", "uuid"), ["varchar(36)", "char(36)", "bigint"]),
        (ParquetField("c", "fixed_len_byte_array", "float16"), ["float", "double", "int"]),
        (ParquetField("c", "fixed_len_byte_array", "interval"), ["bigint"]),
        (ParquetField("c", "fixed_len_byte_array"), ["varchar(16)", "double"]),
        (ParquetField("c", "byte_array", "geometry"), ["double"]),
        (ParquetField("c", "byte_array", "bson"), ["struct<a:int>"]),
    ],
)
def test_a_column_whose_every_query_fails_is_a_mismatch(column: ParquetField, kinds: list[str]) -> None:
    for kind in kinds:
        found = compare([column], {"c": parse(kind)})
        assert found.warnings == []
        assert f"but {kind} in the table" in found.mismatches[0]


@pytest.mark.parametrize("kind", ["string", "binary"])
@pytest.mark.parametrize("annotation", ["uuid", "float16", "interval"])
def test_a_column_that_is_shown_as_bytes_is_a_warning(annotation: str, kind: str) -> None:
    found = compare([ParquetField("c", "fixed_len_byte_array", annotation)], {"c": parse(kind)})
    assert (found.mismatches, len(found.warnings)) == ([], 1)
    assert "bytes" in found.warnings[0]


@pytest.mark.parametrize("kind", ["string", "double", "boolean", "timestamp", "array<int>"])
def test_a_column_without_a_type_breaks_the_queries_of_another_column(kind: str) -> None:
    # As pandas writes a column without a value: INT32, which Trino reads as numbers only (ColumnReaderFactory).
    (mismatch,) = compare([ParquetField("c", "int32", "null")], {"c": parse(kind)}).mismatches
    assert "no type in the file" in mismatch
    assert f"but {kind} in the table" in mismatch


def test_a_timestamp_of_96_bits_in_a_column_of_numbers_is_a_mismatch() -> None:
    found = compare([ParquetField("c", "int96")], {"c": parse("bigint")})
    assert found.mismatches == ["the column c is timestamp in the file, but bigint in the table"]


ITEM = ParquetField("item", "int32")


@pytest.mark.parametrize(
    "column",
    [
        # "Lists" in LogicalTypes.md: today's three levels, and the rules for older writers.
        ParquetField("c", annotation="list", children=(ParquetField("list", repeated=True, children=(ITEM,)),)),
        ParquetField("c", annotation="list", children=(ParquetField("element", "int32", repeated=True),)),
        ParquetField("c", "int32", repeated=True),
    ],
)
def test_lists_of_every_writer_are_arrays(column: ParquetField) -> None:
    assert str(type_of(column)) == "array<int>"


def test_a_list_of_structs_of_an_older_writer_keeps_its_structs() -> None:
    for name in ("array", "c_tuple"):
        column = ParquetField("c", annotation="list", children=(ParquetField(name, repeated=True, children=(ITEM,)),))
        assert str(type_of(column)) == "array<struct<item:int>>"


@pytest.mark.parametrize(
    ("annotation", "physical", "kind"),
    [
        ("int_8", "int32", "tinyint"),
        ("", "int96", "timestamp"),
        ("enum", "byte_array", "string"),
        ("timestamp_nanos", "int64", "timestamp"),
        ("", "fixed_len_byte_array", "binary"),
    ],
)
def test_a_physical_type_and_its_annotation_are_one_type(annotation: str, physical: str, kind: str) -> None:
    assert str(type_of(ParquetField("c", physical, annotation))) == kind


def test_names_that_differ_in_case_only_are_found_on_every_level() -> None:
    deep = ParquetField("s", children=(ParquetField("Name", "int32"), ParquetField("name", "int32")))
    fields = [ParquetField("id", "int32"), ParquetField("ID", "int32"), deep]
    assert duplicate_names(fields) == ["id", "s.name"]
    assert duplicate_names([ParquetField("id"), ParquetField("name")]) == []


def read(cloud: Cloud, body: bytes) -> None:
    read_file(
        put(cloud, body),
        Format("parquet"),
        lambda: True,
        Expected(Table("ferry", "t", {"id": "int", "name": "string"}, {})),
    )


def test_a_column_without_a_name_is_rejected(cloud: Cloud, path: Path) -> None:
    ask(f"COPY (SELECT 1 AS id, 2 AS ' ') TO '{path}' (FORMAT parquet)")
    with pytest.raises(ValidationFailed, match="a column without a name"):
        read(cloud, path.read_bytes())


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec not in {"lzo", "lz4"}])
def test_only_what_athena_can_decompress_passes(cloud: Cloud, path: Path, codec: str) -> None:
    ask(f"COPY (SELECT 1 AS id, 'x' AS name) TO '{path}' (FORMAT parquet, COMPRESSION {codec})")
    body = path.read_bytes()
    assert read_footer(footer_of(body)).codecs == {codec}
    if codec not in {"brotli", "lz4_raw"}:
        read(cloud, body)
        return
    with pytest.raises(ValidationFailed, match="(?i)compressed with " + codec):
        read(cloud, body)


BYTE_STREAM_SPLIT, DELTA_BYTE_ARRAY = 9, 7


@pytest.mark.parametrize("physical", ["int32", "int64", "fixed_len_byte_array", "float", "double"])
def test_a_split_encoding_passes_only_where_athena_decodes_it(cloud: Cloud, physical: str) -> None:
    # Apache Parquet, Encodings.md: the types that may be split. trinodb/trino, ValueDecoders: those that it decodes.
    body = parquet(footer_of_one_chunk("name", PHYSICAL_TYPES.index(physical), BYTE_STREAM_SPLIT))
    assert read_footer(footer_of(body)).split_types == {physical}
    if physical in {"float", "double"}:
        read(cloud, body)
        return
    with pytest.raises(ValidationFailed, match=f"{physical} columns in the encoding BYTE_STREAM_SPLIT"):
        read(cloud, body)


def test_the_groups_that_make_a_list_or_a_map_do_not_lengthen_a_type() -> None:
    number = ParquetField("element", "int32")
    items = (ParquetField("list", repeated=True, children=(number,)),)
    pairs = (ParquetField("key_value", repeated=True, children=(number, number)),)
    for annotation, children in (("list", items), ("map", pairs)):
        nested = ParquetField("", annotation=annotation, children=children)
        fields = tuple(replace(nested, name=f"key_{index:04}") for index in range(5500))
        column = ParquetField("s", children=fields)
        assert len(str(type_of(column))) < LONGEST_TYPE
        require_fields([column])
        with pytest.raises(NoTable, match="characters"):
            require_fields([ParquetField("s", children=tuple(replace(each, name=each.name * 3) for each in fields))])


def test_other_encodings_pass(cloud: Cloud) -> None:
    read(cloud, parquet(footer_of_one_chunk("name", PHYSICAL_TYPES.index("byte_array"), DELTA_BYTE_ARRAY)))


@pytest.mark.parametrize(
    ("select", "reason"),
    [
        ("SELECT 'x' AS id, 'x' AS name", "the column id is string in the file, but int in the table"),
        (f"SELECT 1 AS id, 1 AS {'n' * 256}", "a column name of 256 bytes"),
    ],
)
def test_a_file_that_its_table_cannot_read_is_rejected(cloud: Cloud, path: Path, select: str, reason: str) -> None:
    ask(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    with pytest.raises(ValidationFailed, match=reason):
        read(cloud, path.read_bytes())


def test_an_encrypted_file_is_named(cloud: Cloud) -> None:
    with pytest.raises(ValidationFailed, match="an encrypted Parquet file"):
        read(cloud, b"PARE" + parquet(footer("id", "name", rows=3))[4:])


def test_a_file_with_two_columns_of_a_name_is_rejected(cloud: Cloud) -> None:
    with pytest.raises(ValidationFailed, match=r"duplicate column names \(case-insensitive\): id"):
        read(cloud, parquet(footer("id", "ID", rows=1)))
