"""Reads a tabular file once, as Athena will: are its records whole, and how many are there?

Athena splits text at each line break, even one inside quotes, and passes over what it cannot place without an
error; so a file is looked at here before its rows are counted there. Reading goes line by line: memory is
bounded by one line. Reading twice is harmless. Sources: "OpenCSVSerDe for processing CSV" and "JSON SerDe
libraries" (Amazon Athena User Guide: one record a line), the Parquet format's file layout.

Raises ValidationFailed with the reason in words, ObjectChanged, AccessDenied, Throttled.
"""

import csv
import gzip
import io
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, cast

from functions.common.errors import ValidationFailed
from functions.common.models import StoredObject
from functions.common.objects import location, opened
from functions.common.tabular import Format

LONGEST_LINE = 32 * 1024 * 1024
"""Athena's own limit ("Considerations and limitations": a row of 32 MB)."""

LONGEST_FIELD = 1024 * 1024
OTHER_DELIMITERS = ";|\t,"
RECORDS_BETWEEN_LOOKS_AT_THE_CLOCK = 50_000
READ_AHEAD_BYTES = 1024 * 1024

KNOWN_BEGINNINGS = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a zip archive (or an Excel file)",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"\x1f\x8b": "gzip, so its name should end in .gz",
    b"PAR1": "Parquet",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}


@dataclass(frozen=True)
class FileContents:
    """A delimited file's header, and how many records the file holds; None where that was not counted."""

    header: list[str] | None = None
    records: int | None = None
    warnings: tuple[str, ...] = ()


class _Unreadable(Exception):
    """What is wrong with the file, in words."""


def read_file(obj: StoredObject, layout: Format, time_is_left: Callable[[], bool]) -> FileContents:
    """Look at a file whole; when no time is left its records stay uncounted."""
    try:
        if layout.layout == "parquet":
            return _read_parquet(obj)
        with opened(obj) as body:
            raw = cast("IO[bytes]", body)
            source = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if layout.gzipped else raw
            lines = _lines(io.BufferedReader(cast("io.RawIOBase", source), READ_AHEAD_BYTES))
            read = _read_delimited(lines, layout.delimiter, time_is_left) if layout.delimiter else None
            return read or _read_json(lines, time_is_left)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        reason = f"it is no whole gzip file: {error}"
    except UnicodeDecodeError as error:
        reason = f"it is not UTF-8 text: byte 0x{error.object[error.start]:02x} cannot be read"
    except csv.Error as error:
        reason = f"it is not readable as delimited text ({error}); perhaps a closing quote is missing"
    except _Unreadable as error:
        reason = str(error)
    raise ValidationFailed(
        f"{location(obj.bucket, obj.key)} is copied and proved, but it cannot be queried: {reason}. "
        "Mend the file and upload it again."
    )


def _lines(source: io.BufferedReader) -> Iterator[str]:
    beginning = source.peek(4)[:4]
    for known, name in KNOWN_BEGINNINGS.items():
        if beginning.startswith(known):
            raise _Unreadable(f"it is {name}")
    text = io.TextIOWrapper(source, encoding="utf-8-sig", newline="")
    while line := text.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise _Unreadable(f"it has a line of more than {LONGEST_LINE // 1024**2} MB")
        yield line


def _read_delimited(lines: Iterator[str], delimiter: str, time_is_left: Callable[[], bool]) -> FileContents:
    csv.field_size_limit(LONGEST_FIELD)
    now = _Line(lines)
    reader = csv.reader(now, delimiter=delimiter)
    header = next(reader, [])
    _require_header(header, reader.line_num, delimiter)
    records, line = 0, reader.line_num
    for fields in reader:
        line += 1
        if reader.line_num != line:
            raise _Unreadable(
                f"the record that begins in line {line} has a line break inside quotes, and Athena ends a record there"
            )
        if now.text.count('"') % 2:
            raise _Unreadable(f"line {line} has a quote without its pair, and Athena reads nothing (NULL) there")
        if not fields:
            raise _Unreadable(f"line {line} is empty, and Athena reads it as a record")
        if len(fields) != len(header):
            raise _Unreadable(f"line {line} has {len(fields)} fields, the header has {len(header)}")
        records += 1
        if records % RECORDS_BETWEEN_LOOKS_AT_THE_CLOCK == 0 and not time_is_left():
            return FileContents(header, warnings=now.warnings)
    if records == 0:
        raise _Unreadable("it has no rows, only a header")
    return FileContents(header, records, now.warnings)


class _Line:
    """The lines of a delimited file; remembers the last, and the first with a backslash."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.text = ""
        self.warnings: tuple[str, ...] = ()
        self._lines = enumerate(lines, start=1)

    def __iter__(self) -> "_Line":
        return self

    def __next__(self) -> str:
        number, self.text = next(self._lines)
        if not self.warnings and "\\" in self.text:
            self.warnings = (f"from line {number} on: Athena takes a backslash as an escape and leaves it out",)
        return self.text


def _require_header(header: list[str], lines_read: int, delimiter: str) -> None:
    if not header:
        raise _Unreadable("its first line is empty, and should name the columns")
    if lines_read > 1:
        raise _Unreadable("its header has a line break inside quotes, and Athena ends a record there")
    others = [other for other in OTHER_DELIMITERS if other != delimiter and other in header[0]]
    if len(header) == 1 and others:
        raise _Unreadable(f"its columns seem to be separated by {others[0]!r}; a .csv needs commas, a .tsv tabs")
    nameless = [str(position) for position, name in enumerate(header, start=1) if not name.strip()]
    if nameless:
        raise _Unreadable(f"its header names no column at position {', '.join(nameless)}")
    twice = [name for name, times in Counter(name.strip().lower() for name in header).items() if times > 1]
    if twice:
        raise _Unreadable(f"duplicate column names (upper and lower case are the same): {', '.join(twice)}")


def _read_json(lines: Iterator[str], time_is_left: Callable[[], bool]) -> FileContents:
    records = 0
    for number, line in enumerate(lines, start=1):
        if number == 1 and line.lstrip().startswith("["):
            raise _Unreadable("it is a JSON array; Athena needs one record a line, without brackets and commas around")
        if not line.strip():
            raise _Unreadable(f"line {number} is empty; Athena needs one record a line")
        if not _is_record(line):
            raise _Unreadable(f"line {number} is no whole JSON object; Athena needs one record a line")
        records += 1
        if records % RECORDS_BETWEEN_LOOKS_AT_THE_CLOCK == 0 and not time_is_left():
            return FileContents()
    if records == 0:
        raise _Unreadable("it has no rows")
    return FileContents(records=records)


def _is_record(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (json.JSONDecodeError, RecursionError):
        return False


def _read_parquet(obj: StoredObject) -> FileContents:
    """A Parquet file begins and ends with PAR1; before the end stands its footer's length."""
    if obj.size_bytes < 12:
        raise _Unreadable("it is no Parquet file: it is too short")
    with opened(obj, "bytes=0-3") as body:
        beginning = body.read()
    with opened(obj, "bytes=-8") as body:
        end = body.read()
    if beginning != b"PAR1":
        raise _Unreadable(f"it is no Parquet file{_known_as(beginning)}")
    if end[4:] != b"PAR1" or int.from_bytes(end[:4], "little") > obj.size_bytes - 12:
        raise _Unreadable("it is a truncated Parquet file: its footer is missing")
    return FileContents()


def _known_as(beginning: bytes) -> str:
    names = [name for known, name in KNOWN_BEGINNINGS.items() if beginning.startswith(known)]
    return f" but {names[0]}" if names else ""
