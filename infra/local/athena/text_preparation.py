"""Prepare text files for DuckDB: as they are where every line is regular, else rewritten as their SerDe reads them.

Raises QueryFailure for a JSON line that is not a record or does not fit its table, and BrokenFile for a broken gzip
stream.
"""

import re
from collections.abc import Callable
from pathlib import Path

from functions.catalogue.dialect import Dialect
from infra.local.athena import json_serde
from infra.local.athena.errors import QueryFailure
from infra.local.athena.models import HIVE_JSON_SERDE, JSON_SERDES, PreparedFile, QueryTable, TableObject, TableStorage
from infra.local.text_files import lines, reading

NULL = "\x02"
"""NULL in rewritten files. Dialect.regular_lines accepts no such character."""
BLOCK_BYTES = 256 * 1024
Row = list[str | None]


def prepare_text(stored: TableObject, table: QueryTable, fetched: Path, target: Path) -> PreparedFile:
    """Move or rewrite a fetched file to `target`."""
    storage = stored.partition.storage
    dialect = Dialect(storage.separator, storage.quote, storage.escape)
    if storage.serde in JSON_SERDES:
        rows = _rewrite(fetched, target, storage.skip_lines, lambda line: _json_row(line, table, stored))
    else:
        shape = _regular_shape(fetched, dialect, storage)
        if shape is not None:
            fetched.replace(target)
            field_count, line_count = shape
            return PreparedFile(target, field_count, storage.skip_lines, line_count - storage.skip_lines)
        rows = _rewrite(fetched, target, storage.skip_lines, lambda line: _text_row(line, table, dialect, storage))
    return PreparedFile(target, max(1, len(table.columns)), 0, rows, rewritten=True)


def _regular_shape(path: Path, dialect: Dialect, storage: TableStorage) -> tuple[int, int] | None:
    """Count the fields and lines of a file whose lines are all regular and equally wide; None for any other."""
    if len(dialect.separator) != 1 or not dialect.separator.isascii():
        return None
    with path.open("rb") as stream:
        first = stream.readline(BLOCK_BYTES)
        newline = b"\r\n" if first.endswith(b"\r\n") else b"\n"
        field_count = first.count(dialect.separator.encode()) + 1
        if dialect.quote and dialect.quote.encode() in first:
            field_count = len(dialect.split(first.decode(errors="replace").rstrip("\r\n")))
        # With one field, an empty line is a row for Hive and none for DuckDB.
        if field_count < 2 or first.startswith(b"\xef\xbb\xbf"):
            return None
        pattern = dialect.regular_lines(field_count, newline)
        stream.seek(0)
        rest, line_count = b"", 0
        while block := stream.read(BLOCK_BYTES):
            block = rest + block
            end = block.rfind(b"\n") + 1
            if not end and len(block) > 16 * BLOCK_BYTES:
                return None
            chunk, rest = block[:end], block[end:]
            line_count += chunk.count(b"\n")
            if not _is_regular(chunk, pattern, dialect, storage):
                return None
        if rest:
            line_count += 1
            if not _is_regular(rest + newline, pattern, dialect, storage):
                return None
    return (field_count, line_count) if line_count >= storage.skip_lines else None


def _is_regular(chunk: bytes, pattern: re.Pattern[bytes], dialect: Dialect, storage: TableStorage) -> bool:
    if not dialect.quote and storage.null_text and storage.null_text.encode() in chunk:
        return False
    try:
        chunk.decode()
    except UnicodeDecodeError:
        return False
    return pattern.fullmatch(chunk) is not None


def _rewrite(source: Path, target: Path, skip_lines: int, to_row: Callable[[str], Row]) -> int:
    """Write each line as a row of plain CSV; return the number of rows."""
    count = 0
    with (
        reading(source, compressed=False) as stream,
        target.open("w", encoding="utf-8", errors="replace", newline="") as out,
    ):
        for number, line in enumerate(lines(stream)):
            if number < skip_lines:
                continue
            out.write(",".join(NULL if v is None else '"' + v.replace('"', '""') + '"' for v in to_row(line)) + "\n")
            count += 1
    return count


def _text_row(line: str, table: QueryTable, dialect: Dialect, storage: TableStorage) -> Row:
    width = max(1, len(table.columns))
    fields: Row = list(dialect.split(line)[:width])
    if not dialect.quote:
        fields = [None if value == storage.null_text else value for value in fields]
    return fields + [None] * (width - len(fields))


def _json_row(line: str, table: QueryTable, stored: TableObject) -> Row:
    if not line.strip():
        return [None] * max(1, len(table.columns))
    try:
        record = json_serde.read_record(line)
    except json_serde.BadRecord as error:
        raise QueryFailure(
            f"HIVE_CURSOR_ERROR: Row is not a valid JSON Object - {error} (file {stored.path}); "
            "Athena reads one record per line"
        ) from error
    storage = stored.partition.storage
    rules = json_serde.JsonRules(storage.null_for_invalid, storage.serde == HIVE_JSON_SERDE)
    row: Row = []
    for index, column in enumerate(table.columns):
        try:
            row.append(json_serde.text_of(record.get(column.name), column.type, rules))
        except json_serde.BadValue as error:
            raise QueryFailure(
                f"HIVE_BAD_DATA: Error parsing field value for field {index} ({column.name} {column.type}): {error} "
                f"(file {stored.path})"
            ) from error
    return row or [None]
