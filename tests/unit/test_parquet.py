"""The reader of Parquet footers: what DuckDB writes is read, and whatever else comes ends in one error."""

import itertools
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.catalogue import file_columns
from functions.catalogue.file_columns import LONGEST_FOOTER_READ, Unreadable, parquet_footer, read_columns
from functions.catalogue.formats import Format
from functions.catalogue.parquet_footer import Footer, FooterCutOff, FooterUnreadable, read_footer
from functions.catalogue.thrift import DEEPEST
from tests.support.parquet_files import footer, parquet, schema
from tests.unit.conftest import Cloud
from tests.unit.parquet_by_duckdb import FIELDS, SMALL, ask, footer_of, put, write


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parquet") / "a.parquet"


@pytest.fixture(scope="module")
def written(path: Path) -> bytes:
    """A footer with a nested column."""
    return write(path, [("id", "INTEGER"), ("more", "STRUCT(a INTEGER[])")], 3)


@SMALL
@given(fields=FIELDS, rows=st.integers(0, 5000))
def test_the_columns_and_rows_that_duckdb_writes_are_read(path: Path, fields: list[tuple[str, str]], rows: int) -> None:
    written = write(path, fields, rows)
    described = ask(f"DESCRIBE SELECT * FROM read_parquet('{path}')")
    found = read_footer(written)
    assert found == Footer(tuple(name for name, *_ in described), rows)
    assert found.columns == tuple(name for name, _ in fields)


@SMALL
@given(length=st.integers(0, 1000))
def test_a_beginning_tells_all_or_that_it_is_cut_off(written: bytes, length: int) -> None:
    try:
        assert read_footer(written[:length]) == Footer(("id", "more"), 3)
    except FooterCutOff:
        assert length < len(written)


@given(garbage=st.binary(max_size=300))
def test_garbage_is_rejected_or_read_and_nothing_else_happens(garbage: bytes) -> None:
    with suppress(FooterUnreadable):
        read_footer(garbage)


NAMES_OF_GOOD = ("id", "name", "né")
SCHEMA, GOOD = schema(*NAMES_OF_GOOD), footer(*NAMES_OF_GOOD, rows=3)


@given(changes=st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_changed_footer_is_rejected_or_read_and_nothing_else_happens(changes: list[tuple[int, int]]) -> None:
    hostile = bytearray(GOOD)
    for index, value in changes:
        hostile[index] = value
    with suppress(FooterUnreadable):
        read_footer(bytes(hostile))


MANY = b"\xff\xff\xff\xff\x0f"
"""4,294,967,295 as a varint."""

HOSTILE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "ends unexpectedly"),
    "a stop at once": (b"\x00", "schema is missing"),
    "no number of rows": (b"\x29" + SCHEMA + b"\x00", "number of rows is missing"),
    "fewer rows than none": (b"\x29" + SCHEMA + b"\x16\x01\x00", "negative"),
    "more columns than bytes": (b"\x29\xfc\xff\x01", "ends unexpectedly"),
    "more columns than any table": (b"\x29\xfc" + MANY, "more than 100,000 columns"),
    "more bytes in a name than there are": (b"\x29\x1c\x48" + MANY + b"x", "ends unexpectedly"),
    "a schema of numbers": (b"\x29\x15\x02", "not a list of columns"),
    "a schema without a root": (b"\x29\x0c\x16\x02\x00", "no columns"),
    "a root without columns": (b"\x29\x1c\x48\x01r\x00\x16\x02\x00", "no columns"),
    "a column without a name": (b"\x29\x2c\x48\x01r\x15\x02\x00\x15\x02\x00", "without a name"),
    "a name that is not UTF-8": (b"\x29\x1c\x48\x01\xff\x00", "not UTF-8"),
    "fewer columns than declared": (b"\x29\x2c\x48\x01r\x15\x06\x00\x48\x01a\x00\x16\x02\x00", "number of columns"),
    "a column of more parts than there are": (
        b"\x29\x2c\x48\x01r\x15\x02\x00\x48\x01a\x15\x06\x00\x16\x02\x00",
        "number of columns",
    ),
    "fewer parts than none": (b"\x29\x1c\x48\x01r\x15\x01\x00", "negative number of children"),
    "an endless number": (b"\x15" + b"\xff" * 50, "more than 64 bits"),
    "an unknown kind": (b"\x1e\x00", "unknown type 14"),
    "structs in structs": (b"\x1c" * 10_000, "deeper than"),
    "lists in lists": (b"\x19" + b"\x19" * 10_000, "deeper than"),
    "maps in maps": (b"\x1b" + b"\x01\xbb" * 10_000, "deeper than"),
    "a long list of long lists": (b"\x19\xf9" + MANY + b"\xf3" + MANY, "ends unexpectedly"),
    "a map of very many": (b"\x1b" + MANY + b"\x33", "ends unexpectedly"),
    "a list of no kind": (b"\x19\xf0" + MANY, "unknown type 0"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_footer_is_rejected_with_the_reason(what: str) -> None:
    data, reason = HOSTILE[what]
    with pytest.raises(FooterUnreadable) as raised:
        read_footer(data)
    assert reason in str(raised.value)


def test_every_kind_of_value_that_thrift_knows_is_passed_over() -> None:
    values = b"".join(
        [
            b"\x11",  # true, in field 1
            b"\x02\x02",  # false, its field's number written out: 1
            b"\x03\x02\x7f",  # a byte
            b"\x04\x02\x01",  # 16 bits
            b"\x07\x02" + bytes(8),  # a double
            b"\x08\x02\x02ab",  # bytes
            b"\x09\x02\x21\x01\x02",  # a list of two truths
            b"\x0a\x02\x13\x01",  # a set of a byte
            b"\x0b\x02\x01\x85\x01a\x01",  # a map of bytes to a number
            b"\x0b\x02\x00",  # an empty map
            b"\x0c\x02\x1c\x11\x00\x00",  # a struct with a struct
            b"\x0d\x02" + bytes(16),  # a UUID
        ]
    )
    # Field 2, the schema, and field 3, with their numbers written out as well.
    rest = b"\x09\x04" + SCHEMA + b"\x06\x06\x06"
    assert read_footer(values + rest) == Footer(NAMES_OF_GOOD, 3)


def test_a_struct_may_be_as_deep_as_the_bound() -> None:
    assert DEEPEST >= 8
    fits = b"\x1c" * DEEPEST + b"\x00" * DEEPEST
    assert read_footer(fits + b"\x09\x04" + SCHEMA + b"\x06\x06\x06").rows == 3


def test_a_file_with_a_short_footer_is_read_once_at_its_end(cloud: Cloud) -> None:
    obj = put(cloud, parquet(GOOD, data=b"d" * 1_000_000))
    assert parquet_footer(obj, obj.size_bytes) == Footer(NAMES_OF_GOOD, 3)
    assert [asked["Range"] for asked in cloud.hooks.params["GetObject"]] == ["bytes=-65536"]


def test_a_file_with_a_long_footer_is_read_at_the_footers_beginning(cloud: Cloud, path: Path) -> None:
    names = [f"a_column_with_a_long_name_{number}" for number in range(3000)]
    write(path, [(name, "INTEGER") for name in names], 1)
    obj = put(cloud, path.read_bytes())
    found = parquet_footer(obj, obj.size_bytes)
    assert found
    assert found.columns == tuple(names)
    end, beginning = (asked["Range"] for asked in cloud.hooks.params["GetObject"])
    start = obj.size_bytes - 8 - len(footer_of(path.read_bytes()))
    assert (end, beginning.partition("-")[0]) == ("bytes=-65536", f"bytes={start}")


def test_of_a_footer_without_end_no_more_is_read_than_its_beginning(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LONGEST_FOOTER_READ <= 8 * 1024 * 1024
    monkeypatch.setattr(file_columns, "LONGEST_FOOTER_READ", 50)
    long = footer(*(f"c{number}" for number in range(13)), rows=1) + bytes(100_000)
    obj = put(cloud, parquet(long))
    assert parquet_footer(obj, obj.size_bytes) is None
    assert read_columns(obj, obj.size_bytes, Format("parquet")) is None
    ranges = [asked["Range"] for asked in cloud.hooks.params["GetObject"]]
    assert ranges == ["bytes=-65536", "bytes=8-57"] * 2


@pytest.mark.parametrize("cut", [1, 4, 5, 8, 9, 20])
def test_a_truncated_file_is_reported_and_its_columns_are_not(cloud: Cloud, path: Path, cut: int) -> None:
    write(path, [("id", "INTEGER")], 10)
    obj = put(cloud, path.read_bytes()[:-cut])
    with pytest.raises(Unreadable, match="footer"):
        parquet_footer(obj, obj.size_bytes)
    assert read_columns(obj, obj.size_bytes, Format("parquet")) is None


def test_the_hand_made_footers_of_these_tests_are_parquets(path: Path) -> None:
    """DuckDB finds the same columns in one, so that the hostile ones differ from it by what they are to show."""
    path.write_bytes(parquet(footer("id", "name", rows=0)))
    names = itertools.chain.from_iterable(ask(f"SELECT name FROM parquet_schema('{path}')"))
    assert list(names) == ["r", "id", "name"]
