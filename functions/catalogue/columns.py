"""A file's own columns, spelled as the catalogue spells them, from a few ranged reads of exactly that object.

Of delimited text the header line, of JSON the keys of the first line, of Parquet the footer's beginning. Gzip is
unpacked no further than the first line. Reading twice is harmless. Sources: GetObject (Range; Amazon S3 API
reference), "File Format" of the Apache Parquet format.

Raises Unreadable (in words, never leaves a function), ObjectChanged, AccessDenied, BucketMissing, Throttled,
RequestRejected.
"""

import csv
import json
import re
import zlib
from collections.abc import Iterable

from functions.catalogue.formats import Format
from functions.catalogue.parquet_footer import Footer, FooterCutOff, FooterUnreadable, read_footer
from functions.contract.models import ObjectVersion
from functions.objects.head import opened

FIRST_READ_BYTES = 64 * 1024
LONGEST_FIRST_LINE = 1024 * 1024
LONGEST_FOOTER_BEGINNING = 4 * 1024 * 1024
"""Of a longer footer no more is read: the schema stands at its beginning."""

PARQUET = b"PAR1"
FOOTER_END_BYTES = 8
_LINE_BREAK = re.compile(rb"\r\n|\n|\r")


class Unreadable(Exception):
    """What is wrong with a file, in words."""


def read_columns(obj: ObjectVersion, size_bytes: int, layout: Format) -> tuple[str, ...] | None:
    """The columns; None where they cannot be told, which says nothing against the file."""
    if layout.layout == "parquet":
        try:
            footer = parquet_footer(obj, size_bytes)
        except Unreadable:
            return None
        return spelled(footer.columns) if footer else None
    line = _first_line(obj, size_bytes, layout.gzipped)
    if line is None:
        return None
    return _header(line, layout.delimiter) if layout.layout == "delimited" else _keys(line)


def spelled(names: Iterable[str]) -> tuple[str, ...]:
    """Names as Glue keeps them, in lower case, each once."""
    return tuple(dict.fromkeys(name.lower() for name in names))


def spelled_header(names: Iterable[str]) -> tuple[str, ...]:
    """A header's names: by position, so none is left out, and without the blanks around them."""
    return tuple(name.strip().lower() for name in names)


def parquet_footer(obj: ObjectVersion, size_bytes: int) -> Footer | None:
    """A Parquet file's columns and rows; None for one whose schema is too long to be read here.

    Raises Unreadable when it is no whole Parquet file.
    """
    end = _read(obj, f"bytes=-{FIRST_READ_BYTES}")
    length = int.from_bytes(end[-FOOTER_END_BYTES:-4], "little")
    if end[-4:] != PARQUET or length > size_bytes - FOOTER_END_BYTES - len(PARQUET):
        raise Unreadable("it is a truncated Parquet file: its footer is missing")
    start = size_bytes - FOOTER_END_BYTES - length
    if length <= len(end) - FOOTER_END_BYTES:
        beginning = end[len(end) - FOOTER_END_BYTES - length : -FOOTER_END_BYTES]
    else:
        beginning = _read(obj, f"bytes={start}-{start + min(length, LONGEST_FOOTER_BEGINNING) - 1}")
    try:
        return read_footer(beginning)
    except FooterCutOff as error:
        if len(beginning) < length:
            return None
        raise Unreadable(f"its Parquet footer cannot be read: {error}") from error
    except FooterUnreadable as error:
        raise Unreadable(f"its Parquet footer cannot be read: {error}") from error


def _first_line(obj: ObjectVersion, size_bytes: int, gzipped: bool) -> str | None:
    """The first line of a text; None where it is too long, or no text."""
    for length in (FIRST_READ_BYTES, LONGEST_FIRST_LINE):
        data = _read(obj, f"bytes=0-{length - 1}")
        whole = len(data) >= size_bytes
        if gzipped:
            unpacker = zlib.decompressobj(wbits=31)
            try:
                data = unpacker.decompress(data, LONGEST_FIRST_LINE)
            except zlib.error:
                return None
            whole = whole and unpacker.eof and not unpacker.unused_data
        line_break = _LINE_BREAK.search(data)
        if line_break or whole:
            try:
                return (data[: line_break.start()] if line_break else data).decode("utf-8-sig")
            except UnicodeDecodeError:
                return None
    return None


def _header(line: str, delimiter: str) -> tuple[str, ...] | None:
    try:
        names = spelled_header(next(csv.reader([line], delimiter=delimiter), []))
    except csv.Error:
        return None
    # A quote without its pair, a column without a name, or one twice: the validation tells it better.
    if line.count('"') % 2 or not all(names) or len(set(names)) < len(names):
        return None
    return names or None


def _keys(line: str) -> tuple[str, ...] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        # Also a number of more digits than Python reads.
        return None
    return spelled(record) or None if isinstance(record, dict) else None


def _read(obj: ObjectVersion, byte_range: str) -> bytes:
    with opened(obj, byte_range) as body:
        return body.read()
