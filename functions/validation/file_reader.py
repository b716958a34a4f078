"""Reads a tabular file once, as Athena will: are its records whole, and how many are there?

Athena splits text at each line break, even one inside quotes, and passes over what it cannot place without an
error; so a file is looked at here before its rows are counted there. Reading goes line by line: memory is
bounded by one line. Reading twice is harmless. Sources: "OpenCSVSerDe for processing CSV" and "JSON SerDe
libraries" (Amazon Athena User Guide: one record a line), the Parquet format's file layout.

Raises ValidationFailed with the reason in words, ObjectChanged, AccessDenied, BucketMissing, Throttled,
RequestRejected.
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

from functions.catalogue.columns import PARQUET, Unreadable, parquet_footer, spelled
from functions.catalogue.formats import Format
from functions.contract.models import StoredObject
from functions.objects.head import location, opened
from functions.runtime.errors import ValidationFailed

LONGEST_LINE = 32 * 1024 * 1024
"""Athena's own limit ("Considerations and limitations": a row of 32 MB)."""

LONGEST_FIELD = 1024 * 1024
OTHER_DELIMITERS = ";|\t,"
RECORDS_BETWEEN_LOOKS_AT_THE_CLOCK = 50_000
READ_AHEAD_BYTES = 1024 * 1024
SMALLEST_PARQUET = 12
MOST_COLUMNS = 10_000
"""Of a JSON file no more are remembered: its keys may be as many as its records."""

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
    """The columns, of JSON those of the first record, and how many records the file holds; None where not known.

    `later_columns` are those that only later JSON records have.
    """

    columns: tuple[str, ...] | None = None
    records: int | None = None
    warnings: tuple[str, ...] = ()
    later_columns: tuple[str, ...] = ()


def read_file(
    obj: StoredObject, layout: Format, time_is_left: Callable[[], bool], allow_empty: bool = False
) -> FileContents:
    """Look at a file whole; when no time is left its records stay uncounted."""
    try:
        contents = _read(obj, layout, time_is_left)
        if contents.records == 0 and not allow_empty:
            only = ", only a header" if layout.layout == "delimited" else ""
            unless = "where that is right: give its rule allow_empty, deploy, and upload it again"
            raise Unreadable(f"it has no rows{only} ({unless})")
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        reason = f"it is no whole gzip file: {error}"
    except UnicodeDecodeError as error:
        reason = f"it is not UTF-8 text: byte 0x{error.object[error.start]:02x} cannot be read"
    except csv.Error as error:
        reason = f"it is not readable as delimited text ({error}); perhaps a closing quote is missing"
    except Unreadable as error:
        reason = str(error)
    else:
        return contents
    raise ValidationFailed(
        f"{location(obj.bucket, obj.key)} is copied and proved, but it cannot be queried: {reason}. "
        "Mend the file and upload it again."
    )


def _read(obj: StoredObject, layout: Format, time_is_left: Callable[[], bool]) -> FileContents:
    if layout.layout == "parquet":
        return _read_parquet(obj)
    with opened(obj) as body:
        raw = cast("IO[bytes]", body)
        source = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if layout.gzipped else raw
        lines = _lines(io.BufferedReader(cast("io.RawIOBase", source), READ_AHEAD_BYTES))
        if layout.layout == "delimited":
            return _read_delimited(lines, layout.delimiter, time_is_left)
        return _read_json(lines, time_is_left)


def _lines(source: io.BufferedReader) -> Iterator[str]:
    beginning = source.peek(4)[:4]
    for known, name in KNOWN_BEGINNINGS.items():
        if beginning.startswith(known):
            raise Unreadable(f"it is {name}")
    text = io.TextIOWrapper(source, encoding="utf-8-sig", newline="")
    while line := text.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise Unreadable(f"it has a line of more than {LONGEST_LINE // 1024**2} MB")
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
            raise Unreadable(
                f"the record that begins in line {line} has a line break inside quotes, and Athena ends a record there"
            )
        if now.text.count('"') % 2:
            raise Unreadable(f"line {line} has a quote without its pair, and Athena reads nothing (NULL) there")
        if not fields:
            raise Unreadable(f"line {line} is empty, and Athena reads it as a record")
        if len(fields) != len(header):
            raise Unreadable(f"line {line} has {len(fields)} fields, the header has {len(header)}")
        records += 1
        if records % RECORDS_BETWEEN_LOOKS_AT_THE_CLOCK == 0 and not time_is_left():
            return FileContents(tuple(header), warnings=now.warnings)
    return FileContents(tuple(header), records, now.warnings)


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
        raise Unreadable("its first line is empty, and should name the columns")
    if lines_read > 1:
        raise Unreadable("its header has a line break inside quotes, and Athena ends a record there")
    others = [other for other in OTHER_DELIMITERS if other != delimiter and other in header[0]]
    if len(header) == 1 and others:
        raise Unreadable(f"its columns seem to be separated by {others[0]!r}; a .csv needs commas, a .tsv tabs")
    nameless = [str(position) for position, name in enumerate(header, start=1) if not name.strip()]
    if nameless:
        raise Unreadable(f"its header names no column at position {', '.join(nameless)}")
    twice = [name for name, times in Counter(name.strip().lower() for name in header).items() if times > 1]
    if twice:
        raise Unreadable(f"duplicate column names (upper and lower case are the same): {', '.join(twice)}")


def _read_json(lines: Iterator[str], time_is_left: Callable[[], bool]) -> FileContents:
    records = 0
    # Every column, by the line where it comes first.
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if number == 1 and line.lstrip().startswith("["):
            raise Unreadable("it is a JSON array; Athena needs one record a line, without brackets and commas around")
        if not line.strip():
            raise Unreadable(f"line {number} is empty; Athena needs one record a line")
        record = _record(line)
        if record is None:
            raise Unreadable(f"line {number} is no whole JSON object; Athena needs one record a line")
        if len(seen) < MOST_COLUMNS:
            for name in record:
                seen.setdefault(name, number)
        records += 1
        if records % RECORDS_BETWEEN_LOOKS_AT_THE_CLOCK == 0 and not time_is_left():
            return _json_contents(seen, None)
    return _json_contents(seen, records)


def _record(line: str) -> dict[str, object] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        # Not JSONDecodeError alone: a number of more digits than Python reads is another ValueError.
        return None
    return record if isinstance(record, dict) else None


def _json_contents(seen: dict[str, int], records: int | None) -> FileContents:
    first = spelled(name for name, line in seen.items() if line == 1)
    later = tuple(name for name in spelled(seen) if name not in first)
    return FileContents(first or None, records, later_columns=later)


def _read_parquet(obj: StoredObject) -> FileContents:
    """A Parquet file begins and ends with PAR1; before the end stands its footer, with its length."""
    if obj.size_bytes < SMALLEST_PARQUET:
        raise Unreadable("it is no Parquet file: it is too short")
    with opened(obj, "bytes=0-3") as body:
        beginning = body.read()
    if beginning != PARQUET:
        raise Unreadable(f"it is no Parquet file{_known_as(beginning)}")
    footer = parquet_footer(obj, obj.size_bytes)
    return FileContents(footer.columns, footer.rows) if footer else FileContents()


def _known_as(beginning: bytes) -> str:
    names = [name for known, name in KNOWN_BEGINNINGS.items() if beginning.startswith(known)]
    return f" but {names[0]}" if names else ""
