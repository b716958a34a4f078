"""How the local Athena reads a Parquet column as a type of its table: no server.

After trinodb/trino, lib/trino-parquet: ColumnReaderFactory, TransformingValueDecoders, ParquetCompressionUtils.
"""

import duckdb
import pytest

from infra.local.athena import parquet_columns
from infra.local.glue import types
from infra.local.glue.errors import UnreadableFile
from infra.local.glue.layout import is_tabular
from infra.local.glue.schema import of_text


@pytest.mark.parametrize(
    ("in_file", "in_table", "shown"),
    [
        ("TIMESTAMP '2024-01-02 03:04:05.678901'", "bigint", 1704164645678901),
        ("TIMESTAMP_MS '2024-01-02 03:04:05.678'", "bigint", 1704164645678),
        ("TIMESTAMP_NS '2024-01-02 03:04:05.678901234'", "bigint", 1704164645678901234),
        ("4000000000::UINTEGER", "bigint", -294967296),
        ("5::UINTEGER", "bigint", 5),
        ("18446744073709551615::UBIGINT", "bigint", -1),
        ("200::UTINYINT", "smallint", 200),
        ("TIME '00:00:01.5'", "bigint", 1500000),
        ("'00112233-4455-6677-8899-aabbccddeeff'::UUID", "binary", bytes.fromhex("00112233445566778899aabbccddeeff")),
        ("'é'", "binary", "é".encode()),
        ("encode('é')", "string", "é"),
        ("'abc'", "varchar(2)", "ab"),
    ],
)
def test_a_value_is_read_as_trino_reads_it(in_file: str, in_table: str, shown: object) -> None:
    kind = types.parse(in_table)
    with duckdb.connect() as connection:
        ((name,),) = connection.execute(f"SELECT typeof({in_file})").fetchall()
        assert parquet_columns.fits(name, kind)
        assert connection.execute(f"SELECT {parquet_columns.value(in_file, name, kind)}").fetchall() == [(shown,)]


@pytest.mark.parametrize(
    ("in_file", "in_table"),
    [
        *(('"NULL"', "string"), ("BIGINT", "string"), ("DOUBLE", "float"), ("TIMESTAMP", "date"), ("BLOB", "bigint")),
        *(("TIME", "string"), ("TIME", "timestamp"), ("TIME", "int"), ("UUID", "string"), ("INTERVAL", "binary")),
    ],
)
def test_what_trino_does_not_read_does_not_fit(in_file: str, in_table: str) -> None:
    assert not parquet_columns.fits(in_file, types.parse(in_table))


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
