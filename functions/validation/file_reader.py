"""Reads a tabular file once, as Athena will: checks that its records are complete, and counts them.

Athena splits text at each line break, even one inside quotes, and silently ignores what does not fit; so the file is
checked here before its rows are counted there. It is read line by line: memory is bounded by one line. Idempotent: it
only reads. Sources: "OpenCSVSerDe for processing CSV" and "JSON SerDe
libraries" (Amazon Athena User Guide: one record a line), the Parquet format's file layout.

Raises ValidationFailed with the reason, ObjectChanged, AccessDenied, BucketMissing, Throttled,
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

from functions.catalogue.columns import PARQUET, Unreadable, catalogue_names, parquet_footer
from functions.catalogue.formats import Format
from functions.contract.models import StoredObject
from functions.objects.head import location, opened
from functions.runtime.errors import ValidationFailed

LONGEST_LINE = 32 * 1024 * 1024
"""Athena's own limit ("Considerations and limitations": a row of 32 MB)."""

LONGEST_FIELD = 1024 * 1024
OTHER_DELIMITERS = ";|\t,"
RECORDS_BETWEEN_TIME_CHECKS = 50_000
READ_AHEAD_BYTES = 1024 * 1024
SMALLEST_PARQUET = 12
MOST_COLUMNS = 10_000
"""No more are kept for a JSON file: it may have as many keys as records."""

MAGIC_NUMBERS = {
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
    """The columns (for JSON: of the first record), and the number of records in the file; None if unknown.

    `later_columns` are those that only later JSON records have.
    """

    columns: tuple[str, ...] | None = None
    records: int | None = None
    warnings: tuple[str, ...] = ()
    later_columns: tuple[str, ...] = ()


def read_file(
    obj: StoredObject, layout: Format, time_is_left: Callable[[], bool], allow_empty: bool = False
) -> FileContents:
    """Read a whole file; if time runs out, its records are not counted."""
    try:
        contents = _read(obj, layout, time_is_left)
        _require_rows(contents, layout, allow_empty)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        reason = f"it is not a complete gzip file: {error}"
    except UnicodeDecodeError as error:
        reason = f"it is not UTF-8 text: byte 0x{error.object[error.start]:02x} is invalid"
    except csv.Error as error:
        reason = f"it is not valid delimited text ({error}); a closing quote may be missing"
    except Unreadable as error:
        reason = str(error)
    else:
        return contents
    raise ValidationFailed(
        f"{location(obj.bucket, obj.key)} is copied and verified, but it cannot be queried: {reason}. "
        "Fix the file and upload it again."
    )


def _require_rows(contents: FileContents, layout: Format, allow_empty: bool) -> None:
    if contents.records == 0 and not allow_empty:
        only = ", only a header" if layout.layout == "delimited" else ""
        raise Unreadable(
            f"it has no rows{only} (if that is correct, set allow_empty in its rule, deploy, and upload it again)"
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
    kind = _known_format(source.peek(4)[:4])
    if kind:
        raise Unreadable(f"it is {kind}")
    text = io.TextIOWrapper(source, encoding="utf-8-sig", newline="")
    while line := text.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise Unreadable(f"it has a line of more than {LONGEST_LINE // 1024**2} MB")
        yield line


def _read_delimited(lines: Iterator[str], delimiter: str, time_is_left: Callable[[], bool]) -> FileContents:
    csv.field_size_limit(LONGEST_FIELD)
    current = _Line(lines)
    reader = csv.reader(current, delimiter=delimiter)
    header = next(reader, [])
    _require_header(header, reader.line_num, delimiter)
    records, line = 0, reader.line_num
    for fields in reader:
        line += 1
        if reader.line_num != line:
            raise Unreadable(
                f"the record that starts on line {line} has a line break inside quotes, where Athena ends a record"
            )
        if current.text.count('"') % 2:
            raise Unreadable(f"line {line} has an unpaired quote, so Athena reads it as NULL")
        if not fields:
            raise Unreadable(f"line {line} is empty, but Athena reads it as a record")
        if len(fields) != len(header):
            raise Unreadable(f"line {line} has {len(fields)} fields, but the header has {len(header)}")
        records += 1
        if records % RECORDS_BETWEEN_TIME_CHECKS == 0 and not time_is_left():
            return FileContents(tuple(header), warnings=current.warnings)
    return FileContents(tuple(header), records, current.warnings)


class _Line:
    """Iterates over the lines of a delimited file; keeps the current one, and warns of the first backslash."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.text = ""
        self.warnings: tuple[str, ...] = ()
        self._lines = enumerate(lines, start=1)

    def __iter__(self) -> "_Line":
        return self

    def __next__(self) -> str:
        number, self.text = next(self._lines)
        if not self.warnings and "\\" in self.text:
            self.warnings = (f"from line {number} on, Athena treats a backslash as an escape character and drops it",)
        return self.text


def _require_header(header: list[str], lines_read: int, delimiter: str) -> None:
    if not header:
        raise Unreadable("its first line is empty, but must name the columns")
    if lines_read > 1:
        raise Unreadable("its header has a line break inside quotes, where Athena ends a record")
    candidates = [char for char in OTHER_DELIMITERS if char != delimiter and char in header[0]]
    if len(header) == 1 and candidates:
        raise Unreadable(
            f"its columns seem to be separated by {candidates[0]!r}; a .csv file needs commas, a .tsv file tabs"
        )
    nameless = [str(position) for position, name in enumerate(header, start=1) if not name.strip()]
    if nameless:
        raise Unreadable(f"its header has an unnamed column at position {', '.join(nameless)}")
    duplicates = [name for name, times in Counter(name.strip().lower() for name in header).items() if times > 1]
    if duplicates:
        raise Unreadable(f"its header has duplicate column names (case-insensitive): {', '.join(duplicates)}")


def _read_json(lines: Iterator[str], time_is_left: Callable[[], bool]) -> FileContents:
    records = 0
    # Each column, with the line where it first occurs.
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if number == 1 and line.lstrip().startswith("["):
            raise Unreadable("it is a JSON array, but Athena needs one record per line, without brackets and commas")
        if not line.strip():
            raise Unreadable(f"line {number} is empty, but Athena needs one record per line")
        record = _record(line)
        if record is None:
            raise Unreadable(f"line {number} is not a complete JSON object, but Athena needs one record per line")
        if len(seen) < MOST_COLUMNS:
            for name in record:
                seen.setdefault(name, number)
        records += 1
        if records % RECORDS_BETWEEN_TIME_CHECKS == 0 and not time_is_left():
            return _json_contents(seen, None)
    return _json_contents(seen, records)


def _record(line: str) -> dict[str, object] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        # Not only JSONDecodeError: a number with more digits than Python parses is another ValueError.
        return None
    return record if isinstance(record, dict) else None


def _json_contents(seen: dict[str, int], records: int | None) -> FileContents:
    first = catalogue_names(name for name, line in seen.items() if line == 1)
    later = tuple(name for name in catalogue_names(seen) if name not in first)
    return FileContents(first or None, records, later_columns=later)


def _read_parquet(obj: StoredObject) -> FileContents:
    """Read a Parquet file. It starts and ends with PAR1; its footer is at the end, followed by its length."""
    if obj.size_bytes < SMALLEST_PARQUET:
        raise Unreadable("it is not a Parquet file: it is too short")
    with opened(obj, "bytes=0-3") as body:
        first_bytes = body.read()
    if first_bytes != PARQUET:
        kind = _known_format(first_bytes)
        raise Unreadable(f"it is not a Parquet file but {kind}" if kind else "it is not a Parquet file")
    footer = parquet_footer(obj, obj.size_bytes)
    return FileContents(footer.columns, footer.rows) if footer else FileContents()


def _known_format(first_bytes: bytes) -> str:
    """Return the file format that starts like this; empty if unknown."""
    return next((name for magic, name in MAGIC_NUMBERS.items() if first_bytes.startswith(magic)), "")
