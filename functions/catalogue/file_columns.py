"""Reads a file's own columns, named as in the catalogue, with a few ranged reads of exactly that object.

It reads the header line of delimited text, the keys of the first line of JSON, and the start of a Parquet footer. Gzip
is decompressed only up to the first line. Idempotent: it only reads. Sources: GetObject (Range; Amazon S3 API
reference), "File Format" of the Apache Parquet format.

Raises Unreadable (which never leaves a function), ObjectChanged, AccessDenied, BucketMissing, Throttled,
RequestRejected.
"""

import json
import re
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from functions.catalogue.dialect import Dialect
from functions.catalogue.formats import Format
from functions.catalogue.gzip_members import unpack_start
from functions.catalogue.known_formats import SNIFFED_BYTES, known_format
from functions.catalogue.parquet_footer import Footer, FooterCutOff, FooterUnreadable, read_footer
from functions.contract.models import ObjectVersion
from functions.objects.head import opened

FIRST_READ_BYTES = 64 * 1024
LONGEST_FIRST_LINE = 1024 * 1024
LONGEST_FOOTER_READ = 4 * 1024 * 1024
"""No more is read of a longer footer: the schema is at its start."""

OTHER_DELIMITERS = ";|\t,\x01"
"""The last is Hive's own (Apache Hive, "LanguageManual DDL": Control-A, unless FIELDS TERMINATED BY says otherwise)."""

PARQUET = b"PAR1"
FOOTER_END_BYTES = 8
_LINE_BREAK = re.compile(rb"\r\n|\n|\r")


class Unreadable(Exception):
    """The file cannot be read; the message says why."""


class NoTable(Unreadable):
    """The catalogue cannot hold a table of the file's columns; the message says why."""


class OtherFormat(NoTable):
    """The file is of another format than its name says; the message names it."""


class TableMismatch(Unreadable):
    """The file cannot be read as its table; the message says why. Either of the two may be wrong."""


def read_columns(obj: ObjectVersion, size_bytes: int, layout: Format) -> tuple[str, ...] | None:
    """Return the columns; None if they cannot be determined, although the file may be valid."""
    try:
        return columns_of(obj, size_bytes, layout)
    except Unreadable:
        return None


def columns_of(obj: ObjectVersion, size_bytes: int, layout: Format) -> tuple[str, ...] | None:
    """Return the columns, as `read_columns` does; raises Unreadable if the file is of no kind that has any."""
    if layout.layout == "parquet":
        footer = parquet_footer(obj, size_bytes)
        return catalogue_names(footer.columns) if footer else None
    line = _first_line(obj, size_bytes, layout.gzipped)
    if line is None:
        return None
    return _header(line, layout.delimiter) if layout.layout == "delimited" else _keys(line)


def first_records(obj: ObjectVersion, size_bytes: int, layout: Format) -> list[dict[str, Any]]:
    """Return the records at the start of a JSON file, up to the first that cannot be read. Raises Unreadable."""
    start = _start(obj, size_bytes, layout.gzipped) or b""
    records: list[dict[str, Any]] = []
    for line in _LINE_BREAK.split(start.removeprefix(BOM_UTF8)):
        record = _record(line)
        if record is None:
            break
        records.append(record)
    return records


def unlike(obj: ObjectVersion, size_bytes: int, layout: Format, header: Sequence[str] = ()) -> str:
    """Say why a file cannot be opened in this format; empty if it may be, or if its start does not tell.

    `header`: the names in the first line that Athena skips, if it does.
    """
    try:
        if layout.layout == "parquet":
            parquet_footer(obj, size_bytes)
            return ""
        line = _first_line(obj, size_bytes, layout.gzipped)
    except Unreadable as error:
        return str(error)
    if line is None:
        return ""
    if layout.layout == "json":
        is_record = not line.strip() or _record(line) is not None
        return "" if is_record else "its first line is not a JSON record, and Athena reads one on each line"
    is_other = header and _header(line, layout.delimiter) != tuple(header)
    return "its first line, which Athena skips, is not the header of the table" if is_other else ""


def separator_problem(header: str, separator: str) -> str:
    """Describe a header that seems to have another separator than its file's name says; empty if it does not."""
    candidates = [char for char in OTHER_DELIMITERS if char in header]
    if separator in header or not candidates:
        return ""
    return f"its columns seem to be separated by {candidates[0]!r}; a .csv file needs commas, and a .tsv file tabs"


def catalogue_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return names as Glue stores them: in lower case, without duplicates."""
    return tuple(dict.fromkeys(name.lower() for name in names))


def catalogue_header(names: Iterable[str]) -> tuple[str, ...]:
    """Return a header's names as Glue stores them: all of them, by position, without surrounding blanks."""
    return tuple(name.strip().lower() for name in names)


def parquet_footer(obj: ObjectVersion, size_bytes: int) -> Footer | None:
    """Return a Parquet file's columns and rows; None if its schema is too long to be read here.

    Raises Unreadable if it is not a complete Parquet file.
    """
    end = _read(obj, f"bytes=-{FIRST_READ_BYTES}")
    length = int.from_bytes(end[-FOOTER_END_BYTES:-4], "little")
    if end[-4:] != PARQUET or length > size_bytes - FOOTER_END_BYTES - len(PARQUET):
        raise Unreadable("the Parquet file is truncated: its footer is missing")
    start = size_bytes - FOOTER_END_BYTES - length
    if length <= len(end) - FOOTER_END_BYTES:
        beginning = end[len(end) - FOOTER_END_BYTES - length : -FOOTER_END_BYTES]
    else:
        beginning = _read(obj, f"bytes={start}-{start + min(length, LONGEST_FOOTER_READ) - 1}")
    try:
        footer = read_footer(beginning)
        return replace(footer, data=beginning) if len(beginning) == length else footer
    except FooterCutOff as error:
        if len(beginning) < length:
            return None
        raise Unreadable(f"the Parquet footer cannot be read: {error}") from error
    except FooterUnreadable as error:
        raise Unreadable(f"the Parquet footer cannot be read: {error}") from error


def _first_line(obj: ObjectVersion, size_bytes: int, gzipped: bool) -> str | None:
    """Return the first line of a text file; None if it is too long, or if its end is missing. Raises Unreadable."""
    start = _start(obj, size_bytes, gzipped)
    if start is None:
        return None
    try:
        return _LINE_BREAK.split(start, maxsplit=1)[0].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("its first line is not UTF-8 text") from error


def _start(obj: ObjectVersion, size_bytes: int, gzipped: bool) -> bytes | None:
    """Return the start of a file with its whole first line; None if that is too long, or if its end is missing.

    Raises OtherFormat.
    """
    for length in (FIRST_READ_BYTES, LONGEST_FIRST_LINE):
        data = _read(obj, f"bytes=0-{length - 1}")
        whole = len(data) >= size_bytes
        if gzipped:
            data, complete = _decompressed(data)
            whole = whole and complete
        if kind := known_format(data[:SNIFFED_BYTES]):
            raise OtherFormat(f"it is {kind}")
        if whole or _LINE_BREAK.search(data):
            return data
    return None


def _decompressed(data: bytes) -> tuple[bytes, bool]:
    try:
        return unpack_start(data, LONGEST_FIRST_LINE)
    except zlib.error as error:
        raise Unreadable("it is not gzip, although its name ends in .gz") from error


def _header(line: str, delimiter: str) -> tuple[str, ...] | None:
    fields, is_open = Dialect(delimiter).read_quirky(line)
    names = catalogue_header(fields)
    # An unpaired quote, an unnamed or a duplicate column: the validation reports it better.
    if is_open or not all(names) or len(set(names)) < len(names):
        return None
    return names or None


def _keys(line: str) -> tuple[str, ...] | None:
    record = _record(line)
    return catalogue_names(record) or None if record is not None else None


def _record(line: str | bytes) -> dict[str, Any] | None:
    try:
        # Athena, too, takes control characters in a text as they are.
        record = json.loads(line, strict=False)
    except (ValueError, RecursionError):
        # Also a number with more digits than Python parses.
        return None
    return record if isinstance(record, dict) else None


def _read(obj: ObjectVersion, byte_range: str) -> bytes:
    with opened(obj, byte_range) as body:
        return body.read()
