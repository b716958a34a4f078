"""Reads the row groups of a Parquet footer: where each column's pages are, and how they are stored. Pure.

Field 4 of FileMetaData is a list of RowGroup (1 columns, 3 number of rows); a ColumnChunk has a ColumnMetaData. Source:
parquet.thrift of the Apache Parquet format.

Raises ThriftUnreadable, which never leaves a function.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from functions.catalogue.thrift import BINARY, INTEGERS, LIST, STOP, STRUCT, CompactReader, ThriftUnreadable

PHYSICAL_TYPES = ("boolean", "int32", "int64", "int96", "float", "double", "byte_array", "fixed_len_byte_array")
CODECS = ("uncompressed", "snappy", "gzip", "lzo", "brotli", "lz4", "zstd", "lz4_raw")
BYTE_STREAM_SPLIT = 9
MOST_CHUNKS = 150_000
"""Of all row groups, which count too: more than a footer that is read whole can describe, and few enough for memory."""

_ROW_GROUPS, _COLUMNS, _GROUP_ROWS = 4, 1, 3
_FILE_PATH, _META_DATA, _CRYPTO = 1, 3, 8
_TYPE, _ENCODINGS, _PATH, _CODEC, _VALUES, _SIZE, _DATA_PAGE, _DICTIONARY_PAGE = 1, 2, 3, 4, 5, 7, 9, 11
_STATISTICS = 12
_BOUNDS = {1, 2, 5, 6}
BYTES_OF_INT64 = 8


@dataclass
class Chunk:
    """A ColumnChunk: the pages of a column in a row group."""

    path: str = ""
    encodings: set[int] = field(default_factory=set)
    numbers: dict[int, int] = field(default_factory=dict)
    is_encrypted: bool = False
    is_elsewhere: bool = False
    """Whether the pages are in another file."""

    bounds: list[int] = field(default_factory=list)
    """The least and the largest value, and the like, of 64-bit integers (Statistics)."""

    @property
    def codec(self) -> str:
        """How the pages are compressed; empty if the footer does not say, or the format has no such codec."""
        return named(CODECS, self.numbers.get(_CODEC))

    @property
    def physical(self) -> str:
        """The physical type; empty as for a codec."""
        return named(PHYSICAL_TYPES, self.numbers.get(_TYPE))

    @property
    def values(self) -> int:
        """How many values the pages have, NULLs included."""
        return self.numbers.get(_VALUES, 0)

    @property
    def size_bytes(self) -> int:
        """How long all pages are together, headers included."""
        return self.numbers.get(_SIZE, 0)

    @property
    def is_located(self) -> bool:
        """Whether the footer says where the pages are."""
        return _DATA_PAGE in self.numbers

    @property
    def start(self) -> int:
        """Where the first page is: the dictionary if there is one (as in Trino's ColumnChunkMetadata)."""
        data, dictionary = self.numbers.get(_DATA_PAGE, 0), self.numbers.get(_DICTIONARY_PAGE, 0)
        return dictionary if 0 < dictionary < data else data


@dataclass
class RowGroup:
    """The columns of a row group, and its rows; None if it does not say."""

    chunks: list[Chunk] = field(default_factory=list)
    rows: int | None = None


def row_groups(reader: CompactReader, previous: int = 0) -> Iterator[RowGroup]:
    """Read the row groups of a FileMetaData, from the field after `previous` on.

    A row group is yielded before it is read, and filled while the next one is asked for: what is cut off is there.
    """
    number, kind = reader.field(previous)
    while kind != STOP and number != _ROW_GROUPS:
        reader.skip(kind)
        number, kind = reader.field(number)
    if kind != LIST:
        return
    left = MOST_CHUNKS
    for _ in range(_size(reader, left)):
        group = RowGroup()
        yield group
        _read_group(reader, group, left)
        left -= 1 + len(group.chunks)


def _size(reader: CompactReader, most: int) -> int:
    size = reader.list_header()[1]
    if size > most:
        raise ThriftUnreadable(f"it has more than {MOST_CHUNKS:,} row groups and columns in them")
    return size


def _read_group(reader: CompactReader, group: RowGroup, most: int) -> None:
    for number, kind in reader.fields():
        if number == _COLUMNS and kind == LIST:
            for _ in range(_size(reader, most - len(group.chunks))):
                group.chunks.append(Chunk())
                _read_chunk(reader, group.chunks[-1])
        elif number == _GROUP_ROWS and kind in INTEGERS:
            group.rows = reader.integer()
        else:
            reader.skip(kind)


def _read_chunk(reader: CompactReader, chunk: Chunk) -> None:
    found = set()
    for number, kind in reader.fields():
        found.add(number)
        if number == _META_DATA and kind == STRUCT:
            _read_meta_data(reader, chunk)
        else:
            reader.skip(kind)
    chunk.is_encrypted, chunk.is_elsewhere = _CRYPTO in found, _FILE_PATH in found


def _read_meta_data(reader: CompactReader, chunk: Chunk) -> None:
    for number, kind in reader.fields():
        if number == _ENCODINGS and kind == LIST:
            chunk.encodings = _encodings(reader)
        elif number == _PATH and kind == LIST:
            chunk.path = _joined(reader)
        elif kind in INTEGERS:
            chunk.numbers[number] = reader.integer()
        elif number == _STATISTICS and kind == STRUCT:
            chunk.bounds = list(_bounds(reader))
        else:
            reader.skip(kind)


def _bounds(reader: CompactReader) -> Iterator[int]:
    for number, kind in reader.fields():
        if number in _BOUNDS and kind == BINARY:
            value = reader.binary()
            if len(value) == BYTES_OF_INT64:
                yield int.from_bytes(value, "little", signed=True)
        else:
            reader.skip(kind)


def _encodings(reader: CompactReader) -> set[int]:
    kind, size = reader.list_header()
    # Of an empty list, some writers state no type.
    if size and kind not in INTEGERS:
        raise ThriftUnreadable("the encodings are not numbers")
    return {reader.integer() for _ in range(size)}


def _joined(reader: CompactReader) -> str:
    kind, size = reader.list_header()
    if size and kind != BINARY:
        raise ThriftUnreadable("the path of a column is not text")
    return ".".join(reader.text() for _ in range(size))


def split_types(chunks: Iterable[Chunk]) -> frozenset[str]:
    """Return the physical types of the columns that are encoded with BYTE_STREAM_SPLIT."""
    return frozenset(chunk.physical for chunk in chunks if BYTE_STREAM_SPLIT in chunk.encodings)


def named(names: tuple[str, ...], number: int | None) -> str:
    """Return what an enumeration calls a number; empty if it does not."""
    return names[number] if number is not None and 0 <= number < len(names) else ""
