"""Text as Athena reads it, and types of the catalogue: no server."""

import gzip
import io
from pathlib import Path

import pytest

from infra.local import glue_types
from infra.local.athena.results import java_double
from infra.local.textfiles import BrokenFile, Dialect, lines, reading, unpack_start

CSV = Dialect()


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("a,b", ["a", "b"]),
        ("a,,", ["a", "", ""]),
        ("", []),
        ('"a,b",c', ["a,b", "c"]),
        ('"say ""hi""",c', ['say "hi"', "c"]),
        ('""', [""]),
        ('a,"b', ["a"]),  # an unterminated field is NULL
        ('"Lima, Peru', []),
        ("a\\b,c", ["ab", "c"]),  # an escape character that escapes nothing vanishes
        ('"a\\"b",c', ['a"b', "c"]),
        ("a\\,b", ["a", "b"]),
        ('abc"d"ef,g', ['abc"d"ef', "g"]),
        ("ünï,日本", ["ünï", "日本"]),
    ],
)
def test_a_line_is_split_as_opencsvserde_does(line: str, fields: list[str]) -> None:
    assert CSV.split(line) == fields


def test_plain_serde_keeps_quotes_and_splits_inside_them() -> None:
    assert Dialect(",", "", "").split('"a,b",c') == ['"a', 'b"', "c"]
    assert Dialect(",", "", "\\").split("a\\,b,c") == ["a,b", "c"]


def test_lines_end_at_every_kind_of_line_break_even_inside_quotes() -> None:
    assert list(lines(io.BytesIO(b'\xef\xbb\xbfa\r\n"b\nc"\rd\n\n'))) == ["a", '"b', 'c"', "d", ""]


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert list(lines(io.BytesIO(b"a\xffb"))) == ["a\ufffdb"]


@pytest.mark.parametrize(
    ("text", "fields", "regular"),
    [
        (b'a,b\n"c,d",e\n', 2, True),
        (b"a,b\nc\n", 2, False),
        (b'a,"b\nc"\n', 2, False),
        (b'a,b"c\n', 2, False),
        (b"a,b\\c\n", 2, False),
        (b"a,b\r\n", 2, False),
        (b"a,b\x00\n", 2, False),
    ],
)
def test_only_a_file_without_quirks_is_left_to_duckdb(text: bytes, fields: int, regular: bool) -> None:
    assert bool(CSV.regular_lines(fields, b"\n").fullmatch(text)) is regular


@pytest.mark.parametrize(
    "damage", [b"not gzip at all", gzip.compress(b"x" * 5000, mtime=0)[:-12], b"\x1f\x8b\x08broken"]
)
def test_broken_gzip_is_said_to_be_broken(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "a.gz").write_bytes(damage)
    with pytest.raises(BrokenFile), reading(tmp_path / "a.gz", compressed=True) as stream:
        stream.read()


def test_the_beginning_of_a_gzip_file_can_be_unpacked_alone() -> None:
    packed = gzip.compress("".join(f"{i},{i * i}\n" for i in range(20000)).encode())
    assert unpack_start(packed[:5000]).startswith(b"0,0\n1,1\n2,4\n")
    with pytest.raises(BrokenFile):
        unpack_start(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1.0"),
        (0.1, "0.1"),
        (-0.0, "-0.0"),
        (1e7, "1.0E7"),
        (1234567.5, "1234567.5"),
        (1e-4, "1.0E-4"),
        (1.5e300, "1.5E300"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
    ],
)
def test_doubles_are_printed_as_java_does(value: float, text: str) -> None:
    assert java_double(value) == text


@pytest.mark.parametrize(
    ("a", "b", "both"),
    [
        ("int", "bigint", "bigint"),
        ("int", "double", "double"),
        ("bigint", "float", "double"),
        ("int", "string", "string"),
        ("boolean", "int", "string"),
        ("decimal(5,2)", "decimal(8,1)", "decimal(9,2)"),
        ("array<int>", "array<double>", "array<double>"),
        ("struct<a:int>", "struct<a:bigint,b:string>", "struct<a:bigint,b:string>"),
        ("date", "timestamp", "string"),
    ],
)
def test_two_types_become_the_narrowest_that_holds_both(a: str, b: str, both: str) -> None:
    assert str(glue_types.merge(glue_types.parse(a), glue_types.parse(b))) == both
    assert str(glue_types.merge(glue_types.parse(b), glue_types.parse(a))) == both


@pytest.mark.parametrize("wrong", ["", "text", "array<int", "array<>", "struct<a>", "map<int>", "int>"])
def test_a_wrong_type_is_refused(wrong: str) -> None:
    with pytest.raises(glue_types.UnknownType):
        glue_types.parse(wrong)


@pytest.mark.parametrize(
    ("duckdb", "glue"),
    [
        ('STRUCT("A b" INTEGER, c STRUCT(d VARCHAR[]))', "struct<a b:int,c:struct<d:array<string>>>"),
        ("MAP(VARCHAR, DECIMAL(10,2))", "map<string,decimal(10,2)>"),
        ("TIMESTAMP WITH TIME ZONE", "timestamp"),
        ("UUID", "string"),
        ("HUGEINT", "decimal(38,0)"),
    ],
)
def test_types_of_parquet_files_become_glue_types(duckdb: str, glue: str) -> None:
    assert str(glue_types.of_duckdb(duckdb)) == glue
