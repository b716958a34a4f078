"""Text as Athena reads it, and types of the catalogue: no server."""

import gzip
import io
from pathlib import Path
from typing import Any

import duckdb
import pytest

from functions.catalogue.dialect import Dialect
from infra.local.athena.file_cache import FileCache
from infra.local.athena.models import OPEN_CSV_SERDE, Column, PreparedFile, QueryTable, TableStorage
from infra.local.athena.relations import Relations
from infra.local.athena.rowwise.numbers import java_double
from infra.local.athena.statement import ParsedStatement
from infra.local.glue import types
from infra.local.text_files import BrokenFile, lines, reading, unpack_start

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


def test_bytes_that_are_not_utf8_are_replaced() -> None:
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
def test_broken_gzip_is_reported(tmp_path: Path, damage: bytes) -> None:
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
        ("decimal", "decimal(5,2)", "decimal(12,2)"),  # Hive's decimal without a size is decimal(10,0)
        ("decimal(4)", "decimal(5,2)", "decimal(6,2)"),
    ],
)
def test_two_types_become_the_narrowest_that_holds_both(a: str, b: str, both: str) -> None:
    assert str(types.merge(types.parse(a), types.parse(b))) == both
    assert str(types.merge(types.parse(b), types.parse(a))) == both


@pytest.mark.parametrize(
    "wrong",
    [
        *("", "text", "array<int", "array<>", "struct<a>", "map<int>", "int>"),
        *("struct<", "struct<a:int,", "struct<>", "struct<,:int>", "decimal(", "decimal(a,b)"),
    ],
)
def test_an_invalid_type_is_rejected(wrong: str) -> None:
    with pytest.raises(types.UnknownType):
        types.parse(wrong)


@pytest.mark.parametrize(
    ("duckdb", "glue"),
    [
        ('STRUCT("A b" INTEGER, c STRUCT(d VARCHAR[]))', "struct<a b:int,c:struct<d:array<string>>>"),
        ("MAP(VARCHAR, DECIMAL(10,2))", "map<string,decimal(10,2)>"),
        ("TIMESTAMP WITH TIME ZONE", "timestamp"),
        ("UUID", "binary"),
        ("TIME", "bigint"),
        ("HUGEINT", "decimal(38,0)"),
    ],
)
def test_types_of_parquet_files_become_glue_types(duckdb: str, glue: str) -> None:
    assert str(types.of_duckdb(duckdb)) == glue


def prepared_file(path: Path, size_bytes: int) -> PreparedFile:
    path.write_bytes(b"x" * size_bytes)
    return PreparedFile(path, 2, 0, 1)


@pytest.fixture
def cache_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


def test_caching_a_file_checks_no_other_cached_file(
    tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [prepared_file(tmp_path / str(number), 1) for number in range(20)]
    checked: list[Path] = []
    stat = Path.stat

    def counted(path: Path, *, follow_symlinks: bool = True) -> object:
        checked.append(path)
        return stat(path, follow_symlinks=follow_symlinks)

    cache = FileCache(cache_folder, 1000)
    monkeypatch.setattr(Path, "stat", counted)
    for number, file in enumerate(files):
        cache.put((number,), file)
    assert len(checked) <= len(files)


def test_the_files_that_were_used_longest_ago_are_dropped_first(tmp_path: Path, cache_folder: Path) -> None:
    cache = FileCache(cache_folder, 10)
    for number, size_bytes in enumerate((4, 4, 2)):
        cache.put((number,), prepared_file(tmp_path / f"made-{number}", size_bytes))
    assert cache.take((0,), tmp_path / "used") == PreparedFile(tmp_path / "used", 2, 0, 1)
    cache.put((0,), prepared_file(tmp_path / "again", 9))
    cache.put((3,), prepared_file(tmp_path / "made-3", 3))
    left = [number for number in range(4) if cache.take((number,), tmp_path / f"left-{number}")]
    assert left == [0, 2, 3]
    assert (tmp_path / "left-0").read_bytes() == b"xxxx"


def test_a_file_larger_than_the_cache_is_not_cached(tmp_path: Path, cache_folder: Path) -> None:
    cache = FileCache(cache_folder, 10)
    cache.put((0,), prepared_file(tmp_path / "large", 11))
    cache.put((1,), prepared_file(tmp_path / "small", 10))
    assert cache.take((0,), tmp_path / "left-0") is None
    assert cache.take((1,), tmp_path / "left-1")


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("SELECT count(*) FROM t", []),
        ("SELECT name FROM t WHERE id = '1'", ["id", "name"]),
        ('SELECT "$path" FROM t', ["$path"]),
        ("SELECT * FROM t", ["id", "name", 'say "x"', "day"]),
        ('SELECT a."say ""x""" FROM t AS a ORDER BY a.day', ['say "x"', "day"]),
    ],
)
def test_a_view_has_only_the_columns_that_the_query_uses(sql: str, columns: list[str]) -> None:
    """Tables of 20,000 columns are read, too: each of them would cost a cast, and DuckDB quadratic time."""
    storage = TableStorage("", OPEN_CSV_SERDE, ",", "", "", "", 0)
    names = ("id", "name", 'say "x"')
    day = (Column("day", types.STRING),)
    table = QueryTable("d", "t", tuple(Column(name, types.STRING) for name in names), day, storage)
    statement = ParsedStatement.parse(sql, [])
    assert statement.query is not None
    analyzer = statement.analyzer(lambda _database, _name: table, "d")
    compiled = analyzer.whole(statement.query)
    (scan,) = analyzer.scans
    with duckdb.connect() as connection:
        caller: Any = None
        Relations(caller, connection, caller).create(scan.with_columns_of(compiled.sql), table, [])
        found = [name for name, *_ in connection.execute(f"DESCRIBE {scan.relation}").fetchall()]
        assert connection.execute(compiled.sql).fetchall() in ([], [(0,)])
    assert found[:-1] == columns
