"""Reads a tabular file once, as Athena will: checks that its records are read as they are meant, and counts them.

Athena splits text at each line break, even one inside quotes, and silently ignores what does not fit; so the file is
checked here before its rows are counted there. A file that one call cannot read to its end is continued by the next
one. Idempotent: it only reads. Sources: "OpenCSVSerDe for processing CSV" and "JSON SerDe libraries" (Amazon Athena
User Guide: one record a line), the Parquet format's file layout.

Raises ValidationFailed with the reason, ObjectChanged, AccessDenied, BucketMissing, Throttled,
RequestRejected.
"""

import gzip
import re
import zlib
from collections.abc import Callable, Sequence

from functions.catalogue.file_columns import TableMismatch, Unreadable
from functions.catalogue.formats import Format
from functions.catalogue.glue_table import abbreviated, delete_table_command, how_to_drop
from functions.contract.models import FileProgress, StoredObject
from functions.objects.head import location
from functions.runtime.errors import ValidationFailed
from functions.validation.contents import Expected, FileContents
from functions.validation.delimited_lines import DelimitedLines
from functions.validation.header_check import header_warnings, read_header
from functions.validation.json_lines import JsonLines
from functions.validation.parquet_file import read_parquet
from functions.validation.text_blocks import BYTE_ORDER_MARK, LINE_BREAK, blocks, opened_text

_LINE_BREAK = re.compile(LINE_BREAK)
Lines = DelimitedLines | JsonLines
COMPRESSED = re.compile(r"gzip|deflate|compress|\bbr\b|zstd", re.IGNORECASE)
"""What HTTP calls compressions (RFC 9110, "Content Codings", and the registry of IANA)."""

FIX_THE_FILE = "Fix the file and upload it again."


class _NoRows(Unreadable):
    """The file has no rows, but its rule does not allow that."""


def read_file(
    obj: StoredObject,
    layout: Format,
    time_is_left: Callable[[], bool],
    expected: Expected,
    progress: FileProgress | None = None,
) -> FileContents:
    """Read a whole file, or from where `progress` ends; if time runs out, return how far it got."""
    try:
        if layout.layout == "parquet":
            contents = read_parquet(obj, expected)
        else:
            contents = _TextReader(obj, layout, expected).read(time_is_left, progress)
        _require_rows(contents, layout, expected)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        reason, remedy = _broken_gzip(error), _remedy(expected, error)
    except Unreadable as error:
        reason, remedy = str(error), _remedy(expected, error)
    else:
        return contents
    encoding = "" if layout.gzipped else _encoding(expected)
    raise ValidationFailed(
        f"{location(obj.bucket, obj.key)} was copied and verified, but it cannot be queried: {reason}. "
        f"{encoding}{remedy}"
    )


def _broken_gzip(error: Exception) -> str:
    is_other = "Not a gzipped file" in str(error)
    return f"it is not a complete gzip file: {'it, or what follows its data, is not gzip' if is_other else error}"


def _encoding(expected: Expected) -> str:
    """Say that the object's Content-Encoding may be the cause: Athena decompresses by the name alone."""
    if not COMPRESSED.search(expected.content_encoding):
        return ""
    return (
        f"The object has the header Content-Encoding: {abbreviated(expected.content_encoding)}, which Athena ignores: "
        "it decompresses only by the suffix of the name, such as .csv.gz. "
    )


def _remedy(expected: Expected, error: Exception) -> str:
    """Say what to do, also to a table of which the file is a part, or which it may have made."""
    table = expected.table
    if isinstance(error, _NoRows):
        return FIX_THE_FILE
    until = f"{FIX_THE_FILE} Until you replace it, or delete it from the target,"
    if table is None:
        return f"{until} a table of its folder would read it."
    in_table = f"{until} queries on the table {table.database}.{table.name} fail or return its rows."
    if isinstance(error, TableMismatch):
        return f"{in_table} Or, if the table is wrong: {how_to_drop(table)}."
    if expected.may_have_made_the_table:
        return f"{in_table} If the table was created from this file, drop it, too: {delete_table_command(table)}."
    return in_table


def _require_rows(contents: FileContents, layout: Format, expected: Expected) -> None:
    has_columns = contents.columns or contents.later_columns or contents.progress
    if layout.layout == "json" and contents.records and expected.table is None and not has_columns:
        raise Unreadable("its records have no keys, so the table would have no columns")
    if contents.records == 0 and not expected.allow_empty:
        only = ", only a header" if layout.layout == "delimited" else ""
        raise _NoRows(
            f"it has no rows{only} (if that is correct, set allow_empty in its rule, deploy, and upload it again)"
        )


class _TextReader:
    """Reads one text file in one call."""

    def __init__(self, obj: StoredObject, layout: Format, expected: Expected) -> None:
        self._obj = obj
        self._layout = layout
        self._expected = expected
        self._columns: tuple[str, ...] | None = None

    def read(self, time_is_left: Callable[[], bool], progress: FileProgress | None) -> FileContents:
        """Read blocks of lines to the end of the file, or until no time is left."""
        position, lines = 0, None
        if progress is not None:
            position, lines = progress.position_bytes, self._continued(progress)
        with opened_text(self._obj, self._layout, position) as text:
            for block in blocks(text, position == 0):
                content = block if lines or position else block.removeprefix(BYTE_ORDER_MARK)
                _require_utf8(content, lines.lines if lines else 0)
                if lines is None:
                    lines, content = self._started(content)
                if content:
                    lines.check(content)
                position += len(block)
                is_end = position >= self._obj.size_bytes and not self._layout.gzipped
                if not is_end and not time_is_left():
                    return self._stopped(lines, position)
        if lines is None:
            lines, _ = self._started(b"")
        return self._contents(lines, lines.records)

    def _started(self, first_block: bytes) -> tuple[Lines, bytes]:
        """Read what is before the records; return the check of the records, and the rest of the block."""
        if self._layout.layout == "json":
            return JsonLines(self._expected.table, self._expected.accept), first_block
        end = _LINE_BREAK.search(first_block)
        header = first_block[: end.start()] if end else first_block
        self._columns = read_header(header.decode(), self._layout.delimiter)
        delimiter = self._delimiter(self._columns)
        if delimiter != self._layout.delimiter:
            self._columns = read_header(header.decode(), delimiter)
        self._expected.accept(self._columns)
        rest = first_block[end.end() :] if end else b""
        lines = DelimitedLines(delimiter, self._columns)
        lines.warnings += header_warnings(header.decode(), self._columns)
        return lines, rest

    def _continued(self, progress: FileProgress) -> Lines:
        table = self._expected.table
        if table is None:
            raise ValueError("A file that has no table cannot be read in several calls.")
        if self._layout.layout == "json":
            lines: Lines = JsonLines(table, self._expected.accept)
        else:
            self._columns = tuple(table.columns)
            lines = DelimitedLines(self._delimiter(self._columns), self._columns)
        lines.resume(progress)
        return lines

    def _delimiter(self, columns: Sequence[str]) -> str:
        """Return the delimiter by which Athena splits the lines: the table's own, if it has one column, as the file."""
        table = self._expected.table
        if table is not None and len(columns) == len(table.columns) == len(table.delimiter) == 1:
            return table.delimiter
        return self._layout.delimiter

    def _stopped(self, lines: Lines, position: int) -> FileContents:
        read = FileProgress(target=self._obj.version_or_etag, table=self._expected.digest(), position_bytes=position)
        return self._contents(lines, None, lines.progress(read))

    def _contents(self, lines: Lines, records: int | None, progress: FileProgress | None = None) -> FileContents:
        if isinstance(lines, DelimitedLines):
            return FileContents(self._columns, records, tuple(lines.warnings), progress=progress)
        return FileContents(
            lines.first_columns,
            records,
            tuple(lines.warnings),
            later_columns=tuple(lines.later_columns),
            missing_columns=tuple(lines.missing_columns()) if records else (),
            progress=progress,
        )


def _require_utf8(block: bytes, lines_before: int) -> None:
    if block.isascii():
        return
    try:
        block.decode()
    except UnicodeDecodeError as error:
        line = lines_before + len(_LINE_BREAK.findall(block, 0, error.start)) + 1
        raise Unreadable(
            f"it is not UTF-8 text: byte 0x{block[error.start]:02x} on line {line:,} is invalid. Save it as UTF-8 (in "
            "Excel: `CSV UTF-8`)"
        ) from error
