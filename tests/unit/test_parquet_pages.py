"""Damage of a Parquet file that its footer does not show: pages that are not where they should be, or not whole.

Hand-made pages after parquet.thrift; files of several writers (Arrow, Polars, fastparquet) were tried by hand.
"""

import zlib
from pathlib import Path
from typing import Any

import pytest

from functions.catalogue import parquet_chunks
from functions.catalogue.formats import Format
from functions.catalogue.glue_table import Table
from functions.catalogue.parquet_footer import FooterUnreadable, read_row_groups
from functions.runtime.errors import ValidationFailed
from functions.validation import parquet_pages
from functions.validation.contents import Expected, FileContents
from functions.validation.file_reader import read_file
from tests.support.parquet_files import footer_of_empty_chunks, footer_of_one_chunk, footer_of_pages, page, parquet
from tests.unit.conftest import Cloud
from tests.unit.parquet_by_duckdb import ask, footer_of, put

ROWS = 3000
VALUES = bytes(range(200))


def read(cloud: Cloud, body: bytes) -> FileContents:
    return read_file(put(cloud, body), Format("parquet"), lambda: True, Expected())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Files of DuckDB, by codec and version of the format."""
    found = {}
    for codec in ("uncompressed", "snappy", "gzip", "zstd"):
        for version in ("V1", "V2"):
            path = Path(tmp_path_factory.mktemp("parquet")) / "a.parquet"
            ask(
                "COPY (SELECT i, 'text ' || i AS t, CASE WHEN i % 3 = 0 THEN NULL ELSE i / 7 END AS f, [i, NULL] AS l "
                f"FROM range({ROWS}) AS r(i)) TO '{path}' "
                f"(FORMAT parquet, COMPRESSION {codec}, PARQUET_VERSION {version}, ROW_GROUP_SIZE 2048)"
            )
            found[f"{codec} {version}"] = path.read_bytes()
    return found


def test_whole_files_of_every_codec_pass(cloud: Cloud, files: dict[str, bytes]) -> None:
    for body in files.values():
        assert read(cloud, body).records == ROWS


def test_a_file_that_was_transferred_as_text_is_damaged(cloud: Cloud, files: dict[str, bytes]) -> None:
    for body in files.values():
        footer = footer_of(body)
        damaged = parquet(footer, body[4 : -8 - len(footer)].replace(b"\n", b"\r\n"))
        with pytest.raises(ValidationFailed, match=r"it is damaged: of the column .* transfer it as binary data"):
            read(cloud, damaged)


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ({"encrypted": True}, "the column name is encrypted, and Athena has no keys for it"),
        ({"elsewhere": True}, "the pages of the column name are in another file"),
    ],
)
def test_pages_that_athena_cannot_open_are_rejected(cloud: Cloud, where: dict[str, bool], reason: str) -> None:
    """Encryption.md of the Apache Parquet format; ColumnChunk.file_path of parquet.thrift."""
    with pytest.raises(ValidationFailed, match=reason):
        read(cloud, parquet(footer_of_one_chunk("name", 6, 0, **where)))


@pytest.mark.parametrize(
    ("values", "kind", "table", "columns"),
    [
        ("TIMESTAMP '2020-01-01 00:00:00.123456'", "TIMESTAMP", None, ["a"]),
        ("TIMESTAMP '2020-01-01 00:00:00.123'", "TIMESTAMP", None, []),
        ("TIMESTAMP_NS '2020-01-01 00:00:00.000000001'", "TIMESTAMP_NS", None, ["a"]),
        ("TIMESTAMP_NS '2020-01-01 00:00:00.000000001'", "TIMESTAMP_NS", "bigint", []),
        ("TIMESTAMP_NS '2020-01-01 00:00:00.000000001'", "TIMESTAMP_NS", "timestamp", ["a"]),
        ("{'t': TIMESTAMP '2020-01-01 00:00:00.000001'}", "STRUCT(t TIMESTAMP)", None, ["a.t"]),
        ("1234567", "BIGINT", None, []),
    ],
)
def test_times_finer_than_athena_shows_are_a_warning(
    cloud: Cloud, tmp_path: Path, values: str, kind: str, table: str | None, columns: list[str]
) -> None:
    """Data types in Amazon Athena: a timestamp has milliseconds."""
    path = tmp_path / "a.parquet"
    ask(f"COPY (SELECT CAST({values} AS {kind}) AS a) TO '{path}' (FORMAT parquet)")
    expected = Expected(Table("ferry", "t", {"a": table}, {}) if table else None)
    warnings = read_file(put(cloud, path.read_bytes()), Format("parquet"), lambda: True, expected).warnings
    assert [each.rpartition(": ")[2] for each in warnings if "rounded to milliseconds" in each] == columns


def test_joined_files_are_named_for_athena_reads_one_of_them(cloud: Cloud, files: dict[str, bytes]) -> None:
    for body in files.values():
        with pytest.raises(ValidationFailed, match="several Parquet files, one behind the other"):
            read(cloud, body + body)


def test_a_file_that_lacks_a_byte_is_damaged(cloud: Cloud, files: dict[str, bytes]) -> None:
    for body in files.values():
        footer = footer_of(body)
        data = body[4 : -8 - len(footer)]
        middle = len(data) // 2
        with pytest.raises(ValidationFailed, match="it is damaged"):
            read(cloud, parquet(footer, data[:middle] + data[middle + 1 :]))


def of(pages: bytes, values: int = 5, **more: int) -> bytes:
    return parquet(footer_of_pages("id", values, more.pop("size", len(pages)), **more), pages)


CRC = zlib.crc32(VALUES)
DAMAGED = {
    "another byte, with a CRC": (of(page(VALUES[:-1] + b"x", 5, CRC)), "after 0 values does not have its CRC"),
    "a second page that is cut off": (of((page(VALUES, 2) + page(VALUES, 3))[:-1]), "after 2 values ends too early"),
    "no page after the first": (of(page(VALUES, 2)), "after 2 values ends too early"),
    "zeros in place of a page": (of(page(VALUES, 2) + bytes(300)), "after 2 values has no valid header"),
    "a negative number of values": (of(page(VALUES, -1)), "has no valid header"),
    "a page of no known kind": (of(page(VALUES, 5, kind=9)), "has no valid header"),
    "a dictionary after a page": (of(page(VALUES, 2) + page(VALUES, 3, kind=2)), "is a dictionary, but not the first"),
    "no Snappy": (of(page(VALUES, 5), codec=1), "is not compressed with Snappy"),
    "no gzip": (of(page(VALUES, 5), codec=2), "is not compressed with gzip"),
    "no Zstandard": (of(page(VALUES, 5), codec=6), "is not compressed with zstd"),
    "pages beyond the end": (of(page(VALUES, 5), size=10_000), "outside of its data"),
    "pages before the start": (of(page(VALUES, 5), start=1), "outside of its data"),
    "other rows": (of(page(VALUES, 5), rows=4), "its footer says that it has 5 rows, but its row groups have 4"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damage_is_named_with_the_column_and_the_place(cloud: Cloud, damage: str) -> None:
    body, reason = DAMAGED[damage]
    with pytest.raises(ValidationFailed) as raised:
        read(cloud, body)
    assert reason in str(raised.value)
    assert "rows" in reason or "the column id" in str(raised.value)


@pytest.mark.parametrize(
    "body",
    [
        of(page(VALUES, 5, CRC)),
        of(page(VALUES, 2) + page(VALUES, 3)),
        of(page(VALUES, 5) + b"what follows the last page"),
        of(page(VALUES, 9, kind=2) + page(VALUES, 5)),
        # Arrow, of a table without rows.
        parquet(footer_of_pages("id", 0, 15, start=0), b"no page"),
    ],
)
def test_whole_pages_pass(cloud: Cloud, body: bytes) -> None:
    contents = read_file(put(cloud, body), Format("parquet"), lambda: True, Expected(allow_empty=True))
    assert contents.columns == ("id",)


def test_no_more_is_read_than_a_part_of_a_large_file(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    body = of(b"".join(page(VALUES, 1) for _ in range(90)) + bytes(5000), values=100)
    with pytest.raises(ValidationFailed, match="after 90 values"):
        read(cloud, body)
    monkeypatch.setattr(parquet_pages, "MOST_PAGES", 80)
    assert read(cloud, body).records == 100
    monkeypatch.setattr(parquet_pages, "MOST_PAGES", 1000)
    monkeypatch.setattr(parquet_pages, "WINDOW_BYTES", 10_000)
    cloud.hooks.forget()
    assert read(cloud, body).records == 100
    ranges = [asked["Range"] for asked in cloud.hooks.params["GetObject"]]
    assert ranges[-1] == "bytes=4-10003"


def test_a_header_with_statistics_of_long_texts_passes_and_one_that_is_too_long_is_not_checked(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = of(page(VALUES, 2, largest=bytes(2 * 1024**2)) + page(VALUES, 3))
    assert read(cloud, body).records == 5
    monkeypatch.setattr(parquet_pages, "LONGEST_HEADER", 1024**2)
    assert read(cloud, body).records == 5
    with pytest.raises(ValidationFailed, match="after 0 values ends too early"):
        read(cloud, of(page(VALUES, 5, largest=bytes(3000))[:2500]))


def test_what_is_read_of_headers_is_bounded(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    body = of(page(VALUES, 1, largest=bytes(4096)) * 9 + bytes(300), values=100)
    with pytest.raises(ValidationFailed, match="after 9 values"):
        read(cloud, body)
    monkeypatch.setattr(parquet_pages, "MOST_PAGES", 100)
    assert read(cloud, body).records == 100


def test_columns_whose_pages_are_cut_off_are_counted_too(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = []
    check = parquet_pages._check_pages

    def counted(*given: Any) -> int:
        checked.append(given)
        return check(*given)

    monkeypatch.setattr(parquet_pages, "_check_pages", counted)
    monkeypatch.setattr(parquet_pages, "MOST_PAGES", 6)
    monkeypatch.setattr(parquet_pages, "WINDOW_BYTES", 100)
    assert read(cloud, of(page(VALUES, 5), chunks=14)).records == 5
    assert len(checked) == 6


def test_a_column_of_values_without_bytes_is_damaged(cloud: Cloud) -> None:
    with pytest.raises(ValidationFailed, match="after 0 values ends too early"):
        read(cloud, of(page(VALUES, 5), size=0, start=50))
    assert all(asked["Range"] != "bytes=50-49" for asked in cloud.hooks.params["GetObject"])


def test_an_empty_list_of_encodings_needs_no_type(cloud: Cloud) -> None:
    pages = page(VALUES, 5)
    footer = footer_of_pages("id", 5, len(pages)).replace(b"\x15\x02\x19\x15\x00", b"\x15\x02\x19\x00")
    assert read(cloud, parquet(footer, pages)).records == 5


@pytest.mark.parametrize(("groups", "chunks"), [(150, 0), (1, 150), (15, 15)])
def test_a_footer_of_more_parts_than_it_can_describe_is_rejected(
    monkeypatch: pytest.MonkeyPatch, groups: int, chunks: int
) -> None:
    monkeypatch.setattr(parquet_chunks, "MOST_CHUNKS", 100)
    with pytest.raises(FooterUnreadable, match="more than 100 row groups and columns"):
        read_row_groups(footer_of_empty_chunks(groups, chunks))


def test_the_windows_of_a_file_with_many_columns_are_bounded(
    files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    chunks = [chunk for group in read_row_groups(footer_of(files["snappy V1"])) for chunk in group.chunks]
    (all_at_once,) = parquet_pages._windows(chunks)
    assert all_at_once.chunks == chunks
    monkeypatch.setattr(parquet_pages, "WINDOW_BYTES", 6000)
    monkeypatch.setattr(parquet_pages, "MOST_BYTES", 12_000)
    windows = list(parquet_pages._windows(chunks))
    assert 1 < len(windows) < len(chunks)
    assert sum(window.end - window.start for window in windows) <= 18_000
