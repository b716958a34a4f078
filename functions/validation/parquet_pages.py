"""Checks that the pages of a Parquet file are where its footer says, and whole: a damaged one fails each later query.

`count(*)` opens no page. Each page's header is read: its type, its sizes, its number of values; of its bytes, what
costs no decompression: the CRC if there is one, and how they begin (Snappy's length, the magic numbers of gzip and
Zstandard). Other damage inside a page is not noticed. At most MOST_BYTES and MOST_PAGES are read, from the start of the
file on; of the rest, only that the footer's offsets are inside the file.

Idempotent: it only reads. Sources: parquet.thrift (PageHeader; crc: of the page as it is stored), Compression.md of the
Apache Parquet format; google/snappy, format_description.txt; RFC 1952; RFC 8878; which page is the first and how many
there are, as trinodb/trino reads them (ColumnChunkMetadata, ParquetColumnChunkIterator in lib/trino-parquet).

Raises Unreadable with the column, the place and the reason, and what opening the object raises.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from functions.catalogue.file_columns import FOOTER_END_BYTES, PARQUET, Unreadable
from functions.catalogue.glue_table import abbreviated
from functions.catalogue.parquet_chunks import Chunk, RowGroup
from functions.catalogue.parquet_footer import Footer, FooterUnreadable, read_row_groups
from functions.catalogue.thrift import INTEGERS, STRUCT, CompactReader, ThriftCutOff, ThriftUnreadable
from functions.contract.models import StoredObject
from functions.objects.head import opened

MOST_BYTES = 256 * 1024**2
MOST_PAGES = 50_000
WINDOW_BYTES = 32 * 1024**2
"""How much is read by one request, and is in memory."""

LONGEST_HEADER = 16 * 1024**2
"""A header is short, unless it has statistics of long texts. Behind a longer one, a column is not checked."""

SMALLEST_JOIN = 100
"""Bytes of what is between the pages of a file and the footer of a second one: a footer, and pages."""

MOST_SEARCHED = 8 * 1024**2

COSTLY_HEADER = 256
"""For each so many bytes, a header counts as one more page: what is read of headers is bounded too."""

DATA_PAGE, INDEX_PAGE, DICTIONARY_PAGE, DATA_PAGE_V2 = range(4)
_TYPE, _UNCOMPRESSED, _COMPRESSED, _CRC = 1, 2, 3, 4
_DETAILS = {DATA_PAGE: 5, DICTIONARY_PAGE: 7, DATA_PAGE_V2: 8}
_VALUES, _DEFINITION_BYTES, _REPETITION_BYTES, _IS_COMPRESSED = 1, 5, 6, 7
_MAGIC = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}


def require_whole_pages(obj: StoredObject, footer: Footer) -> list[RowGroup]:
    """Return the row groups; raise Unreadable if they have fewer rows than the footer says, or if a page is damaged."""
    if not footer.data:
        # Too long to have been read whole.
        return []
    try:
        groups = read_row_groups(footer.data)
    except FooterUnreadable as error:
        raise Unreadable(f"the Parquet footer cannot be read: {error}") from error
    end = obj.size_bytes - FOOTER_END_BYTES - len(footer.data)
    chunks = list(_located_chunks(groups, footer, end))
    _require_one_file(obj, max((chunk.start + chunk.size_bytes for chunk in chunks), default=len(PARQUET)), end)
    pages_left = MOST_PAGES
    for window in _windows(sorted(chunks, key=lambda chunk: chunk.start)):
        with opened(obj, f"bytes={window.start}-{window.end - 1}") as body:
            data = body.read()
        for chunk in window.chunks:
            pages_left -= _check_pages(chunk, data, chunk.start - window.start, window.end, pages_left)
            if pages_left <= 0:
                return groups
    return groups


def _require_one_file(obj: StoredObject, pages_end: int, footer_start: int) -> None:
    """Raise Unreadable if another file's end and this one's start are between the pages and the footer.

    Offsets count from the start of a file, so the footer of joined files points into the first one. What else is there,
    such as the indexes of pages, has no such mark.
    """
    searched = min(footer_start, pages_end + MOST_SEARCHED)
    if searched - pages_end < SMALLEST_JOIN:
        return
    with opened(obj, f"bytes={pages_end}-{searched - 1}") as body:
        between = body.read()
    if PARQUET + PARQUET in between:
        raise Unreadable(
            "it seems to be several Parquet files, one behind the other: Athena would read the rows of one of them. "
            "Upload them one by one"
        )


def _located_chunks(groups: Sequence[RowGroup], footer: Footer, end: int) -> Iterator[Chunk]:
    rows = [group.rows for group in groups]
    known = [number for number in rows if number is not None]
    if rows and len(known) == len(rows) and sum(known) != footer.rows:
        raise Unreadable(f"its footer says that it has {footer.rows:,} rows, but its row groups have {sum(known):,}")
    for group in groups:
        for chunk in group.chunks:
            _require_here(chunk)
            if not chunk.is_located or not chunk.values:
                continue
            if chunk.start < len(PARQUET) or chunk.size_bytes < 0 or chunk.start + chunk.size_bytes > end:
                raise Unreadable(
                    f"it is damaged: the pages of the column {_named(chunk)} are at the bytes {chunk.start:,} to "
                    f"{chunk.start + chunk.size_bytes:,}, outside of its data, which ends at {end:,}"
                )
            if not chunk.size_bytes:
                raise _damaged(chunk, 0, "ends too early")
            yield chunk


def _require_here(chunk: Chunk) -> None:
    if chunk.is_encrypted:
        raise Unreadable(f"the column {_named(chunk)} is encrypted, and Athena has no keys for it")
    if chunk.is_elsewhere:
        raise Unreadable(
            f"the pages of the column {_named(chunk)} are in another file, which Athena does not open: a summary of "
            "other files needs a name that begins with `_`, such as `_metadata`"
        )


@dataclass
class _Window:
    """A part of the file that is read at once, and the columns whose pages begin in it."""

    start: int
    end: int
    chunks: list[Chunk] = field(default_factory=list)


def _windows(chunks: Sequence[Chunk]) -> Iterator[_Window]:
    window: _Window | None = None
    bytes_left = MOST_BYTES
    for chunk in chunks:
        end = chunk.start + min(chunk.size_bytes, WINDOW_BYTES)
        if window and end - window.start <= WINDOW_BYTES:
            window.end = max(window.end, end)
            window.chunks.append(chunk)
            continue
        if window:
            yield window
            bytes_left -= window.end - window.start
        if bytes_left <= 0:
            return
        window = _Window(chunk.start, end, [chunk])
    if window:
        yield window


@dataclass
class _Page:
    """A page's header: its length, its numbers, and those of its kind of page.

    `is_cut_off`: only its start was read. `is_too_long`: more of it is there than is read.
    """

    header_bytes: int = 0
    is_cut_off: bool = False
    is_too_long: bool = False
    numbers: dict[int, int] = field(default_factory=dict)
    details: dict[int, int] = field(default_factory=dict)

    @property
    def kind(self) -> int:
        """Which kind of page it is."""
        return self.numbers.get(_TYPE, -1)

    @property
    def level_bytes(self) -> int:
        """How long what precedes the values is, which is never compressed."""
        if self.kind != DATA_PAGE_V2:
            return 0
        return self.details.get(_DEFINITION_BYTES, 0) + self.details.get(_REPETITION_BYTES, 0)


def _check_pages(chunk: Chunk, data: bytes, position: int, window_end: int, most: int) -> int:
    """Check the pages of a column that were read; return how many headers were read, a costly one as several."""
    values = number = cost = 0
    is_whole = chunk.start + chunk.size_bytes <= window_end
    end = min(position + chunk.size_bytes, len(data))
    while values < chunk.values and cost < most:
        page = _page(memoryview(data)[position : min(end, position + LONGEST_HEADER)], position + LONGEST_HEADER < end)
        cost += 1 + page.header_bytes // COSTLY_HEADER
        stored = page.numbers.get(_COMPRESSED, -1)
        if page.is_too_long:
            return cost
        if page.is_cut_off or position + page.header_bytes + stored > end:
            if is_whole:
                raise _damaged(chunk, values, "ends too early")
            return cost
        position += page.header_bytes
        if problem := _problem(page, memoryview(data)[position : position + max(stored, 0)], chunk, number):
            raise _damaged(chunk, values, problem)
        position += stored
        number += 1
        if page.kind in (DATA_PAGE, DATA_PAGE_V2):
            values += page.details.get(_VALUES, 0)
    return cost


def _page(data: memoryview, has_more: bool) -> _Page:
    """Read a page's header. What is not a header has no size."""
    reader = CompactReader(data)
    try:
        return _header(reader)
    except ThriftCutOff:
        return _Page(reader.position, is_cut_off=not has_more, is_too_long=has_more)
    except ThriftUnreadable:
        return _Page(reader.position, numbers={_COMPRESSED: -1})


def _header(reader: CompactReader) -> _Page:
    page = _Page()
    for number, kind in reader.fields():
        if kind in INTEGERS:
            page.numbers[number] = reader.integer()
        elif kind == STRUCT and number == _DETAILS.get(page.kind):
            for detail, value in reader.fields():
                if value in INTEGERS:
                    page.details[detail] = reader.integer()
                else:
                    # The value of a boolean field is its type: 1 is true, 2 is false.
                    page.details[detail] = value
                    reader.skip(value)
        else:
            reader.skip(kind)
    page.header_bytes = reader.position
    return page


def _problem(page: _Page, stored: memoryview, chunk: Chunk, number: int) -> str:
    """Return what is wrong with a page; empty if nothing is seen."""
    numbers, details = page.numbers, page.details
    sizes = (numbers.get(_UNCOMPRESSED, -1), numbers.get(_COMPRESSED, -1))
    if page.kind not in _DETAILS and page.kind != INDEX_PAGE:
        return "has no valid header"
    if min(sizes) < 0 or (page.kind != INDEX_PAGE and details.get(_VALUES, -1) < 0):
        return "has no valid header"
    if page.kind == DICTIONARY_PAGE and number:
        return "is a dictionary, but not the first page"
    if not 0 <= page.level_bytes <= min(sizes):
        return "is shorter than its levels"
    if _CRC in numbers and numbers[_CRC] & 0xFFFFFFFF != zlib.crc32(stored):
        return "does not have its CRC"
    is_compressed = chunk.codec != "uncompressed" and details.get(_IS_COMPRESSED) != 2
    if not is_compressed:
        return "" if not chunk.codec or sizes[0] == sizes[1] else "does not have its length"
    begins = stored[page.level_bytes :][:10].tobytes()
    if page.kind == INDEX_PAGE or not begins:
        return ""
    if chunk.codec == "snappy" and _varint(begins) != sizes[0] - page.level_bytes:
        return "is not compressed with Snappy"
    return "" if begins.startswith(_MAGIC.get(chunk.codec, b"")) else f"is not compressed with {chunk.codec}"


def _varint(data: bytes) -> int:
    value = 0
    for index, byte in enumerate(data):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value
    return -1


def _damaged(chunk: Chunk, values: int, problem: str) -> Unreadable:
    return Unreadable(
        f"it is damaged: of the column {_named(chunk)}, in the part that starts at byte {chunk.start:,}, the page "
        f"after {values:,} values {problem}. Athena would fail queries of the column. Write the file again, and "
        "transfer it as binary data"
    )


def _named(chunk: Chunk) -> str:
    return abbreviated(chunk.path or "?")
