"""Make a DuckDB view of each table that a query reads.

The view has those of the table's columns, its partition keys and `"$path"` that the query uses. Values are cast as the
SerDe of the table or partition casts them.

Raises QueryFailure for a column type that the SerDe or the local Athena cannot read.
"""

from pathlib import Path
from typing import NamedTuple

import duckdb

from infra.local.athena import parquet_columns
from infra.local.athena.analysis.results import PATH, TableScan
from infra.local.athena.errors import QueryFailure
from infra.local.athena.literals import identifier, literal
from infra.local.athena.models import (
    JSON_SERDES,
    NULL_PARTITION,
    OPEN_CSV_SERDE,
    PARQUET_SERDE,
    Column,
    Partition,
    PreparedFile,
    QueryTable,
    TableObject,
    TableStorage,
)
from infra.local.athena.objects import list_objects
from infra.local.athena.preparation import Preparation
from infra.local.athena.text_preparation import NULL
from infra.local.caller import Caller

_NO_COLUMN = '1 AS "(none)"'
"""A view needs a column, even for a query that uses none of the table's."""


class _FileKind(NamedTuple):
    """What files must share to be read by one DuckDB function call."""

    serde: str
    field_count: int
    skip_lines: int
    rewritten: bool
    parquet_columns: tuple[tuple[str, tuple[str, str]], ...]


class Relations:
    """The views of one query."""

    def __init__(self, caller: Caller, connection: duckdb.DuckDBPyConnection, preparation: Preparation) -> None:
        self._caller = caller
        self._connection = connection
        self._preparation = preparation
        self.bytes_scanned = 0

    def create(self, scan: TableScan, table: QueryTable, partitions: list[Partition]) -> None:
        """Create the view `scan.relation`."""
        groups = self._prepared_files(scan, table, partitions)
        path_column = [f'CAST(NULL AS VARCHAR) AS "{PATH}"'] if scan.needs_path else []
        columns = [column for column in (*table.columns, *table.partition_keys) if _is_used(column, scan)]
        empty = [f"CAST(NULL AS {column.type.duckdb}) AS {identifier(column.name)}" for column in columns]
        selects = [f"SELECT {', '.join([*empty, *path_column, _NO_COLUMN])} WHERE false"]
        for number, files in enumerate(groups):
            selects.append(self._select(scan, table, files, f"{scan.relation}_{number}"))
        self._connection.execute(f'CREATE VIEW "{scan.relation}" AS {" UNION ALL ".join(selects)}')

    def _prepared_files(
        self, scan: TableScan, table: QueryTable, partitions: list[Partition]
    ) -> list[list[tuple[PreparedFile, TableObject]]]:
        """Prepare as many files as the query needs, grouped by kind."""
        groups: dict[_FileKind, list[tuple[PreparedFile, TableObject]]] = {}
        row_count = 0
        for stored in list_objects(self._caller, partitions, scan):
            if scan.max_rows is not None and row_count >= scan.max_rows:
                break
            prepared = self._preparation.prepare(stored, table)
            row_count += prepared.row_count
            self.bytes_scanned += stored.size_bytes
            kind = _FileKind(
                stored.partition.storage.serde,
                prepared.field_count,
                prepared.skip_lines,
                prepared.rewritten,
                tuple(prepared.parquet_columns.items()),
            )
            groups.setdefault(kind, []).append((prepared, stored))
        return list(groups.values())

    def _select(
        self, scan: TableScan, table: QueryTable, files: list[tuple[PreparedFile, TableObject]], file_table: str
    ) -> str:
        """Select all rows of files of one kind, joined by file name to their partition values and path."""
        prepared, stored = files[0]
        storage = stored.partition.storage
        source = _read_function([file.path for file, _ in files], prepared, storage)
        named = [
            f"{_value(index, column, prepared, storage.serde)} AS {identifier(column.name)}"
            for index, column in enumerate(table.columns)
            if _is_used(column, scan)
        ]
        keys = [
            f"CAST(f.k{i} AS {c.type.duckdb}) AS {identifier(c.name)}"
            for i, c in enumerate(table.partition_keys)
            if _is_used(c, scan)
        ]
        path_column = [f'f.path AS "{PATH}"'] if scan.needs_path else []
        self._create_file_table(file_table, files, len(table.partition_keys))
        columns = ", ".join([*named, *keys, *path_column, _NO_COLUMN])
        return f'SELECT {columns} FROM {source} r JOIN "{file_table}" f ON r.filename = f.file'  # noqa: S608

    def _create_file_table(self, name: str, files: list[tuple[PreparedFile, TableObject]], key_count: int) -> None:
        """Create a table of file, path and partition values."""
        fields = ["file", "path", *(f"k{i}" for i in range(key_count))]
        self._connection.execute(f'CREATE TABLE "{name}" ({", ".join(f"{field} VARCHAR" for field in fields)})')
        columns: list[list[str | None]] = [
            [str(prepared.path) for prepared, _ in files],
            [stored.path for _, stored in files],
        ]
        for index in range(key_count):
            columns.append([_value_at(stored.partition.values, index) for _, stored in files])
        # Inserted by column: a row at a time costs more than a millisecond each.
        placeholders = ", ".join(["unnest(?::VARCHAR[])"] * len(fields))
        self._connection.execute(f'INSERT INTO "{name}" SELECT {placeholders}', columns)


def _value_at(values: tuple[str, ...], index: int) -> str | None:
    """Return a partition's value; the folder of NULL has a name of its own (Hive's default partition)."""
    value = values[index] if index < len(values) else None
    return None if value == NULL_PARTITION else value


def _is_used(column: Column, scan: TableScan) -> bool:
    return identifier(column.name) in scan.columns


def _value(index: int, column: Column, prepared: PreparedFile, serde: str) -> str:
    """Write the SQL expression of a column of the table; NULL for one that the files lack."""
    null = f"CAST(NULL AS {column.type.duckdb})"
    if serde == PARQUET_SERDE:
        found = prepared.parquet_columns.get(column.name)
        return null if found is None else parquet_columns.value(f"r.{identifier(found[0])}", found[1], column.type)
    return _cast(f"r.c{index}", column, serde) if index < prepared.field_count else null


def _read_function(paths: list[Path], prepared: PreparedFile, storage: TableStorage) -> str:
    """Write the call of the DuckDB function that reads these files."""
    files = "[" + ", ".join(map(literal, paths)) + "]"
    if storage.serde == PARQUET_SERDE:
        return f"read_parquet({files}, union_by_name = true, filename = true)"
    columns = ", ".join(f"c{i}: 'VARCHAR'" for i in range(prepared.field_count))
    separator = "," if prepared.rewritten else storage.separator
    quote = '"' if prepared.rewritten else storage.quote
    return (
        f"read_csv({files}, auto_detect = false, header = false, skip = {prepared.skip_lines}, "
        f"delim = {literal(separator)}, quote = {literal(quote)}, "
        f"escape = {literal(quote)}, columns = {{{columns}}}, strict_mode = true, nullstr = '{NULL}', "
        "allow_quoted_nulls = false, filename = true, max_line_size = 16000000)"
    )


def _cast(value: str, column: Column, serde: str) -> str:
    """Cast text as the SerDe does: a value that does not fit is NULL, but with OpenCSVSerDe an error."""
    kind = column.type
    if kind.name in {"string", "varchar", "char"}:
        return parquet_columns.shortened(value, kind)
    if kind.of:
        if serde in JSON_SERDES:
            return f"CAST(CAST({value} AS JSON) AS {kind.duckdb})"
        raise QueryFailure(f"NOT_SUPPORTED: the local Athena cannot read {kind.name} from text (column {column.name})")
    if serde == OPEN_CSV_SERDE:
        if kind.name in {"date", "timestamp", "binary"}:
            raise QueryFailure(
                f"NOT_SUPPORTED: the local Athena cannot read {kind.name} with OpenCSVSerDe (column {column.name})"
            )
        return _strict_cast(value, column)
    if kind.name == "boolean":
        otherwise = "false" if serde in JSON_SERDES else "NULL"
        # NULL equals no value of a WHEN, so it has a condition of its own.
        return (
            f"CASE WHEN {value} IS NULL THEN NULL WHEN lower({value}) = 'true' THEN true "
            f"WHEN lower({value}) = 'false' THEN false ELSE {otherwise} END"
        )
    if kind.name in {"tinyint", "smallint", "int", "bigint"}:
        return f"CASE WHEN regexp_full_match({value}, '[+-]?[0-9]+') THEN TRY_CAST({value} AS {kind.duckdb}) END"
    return f"TRY_CAST({value} AS {kind.duckdb})"


_NUMBERS = {
    **dict.fromkeys(("tinyint", "smallint", "int", "bigint"), "[+-]?[0-9]+"),
    **dict.fromkeys(("float", "double"), r"\s*[+-]?(NaN|Infinity|([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)\s*"),
}


def _strict_cast(value: str, column: Column) -> str:
    """Cast text as Java parses it, or fail the query."""
    kind = column.type
    message = literal("HIVE_BAD_DATA: Error parsing field value '"), literal(f"' for field {column.name}")
    failed = f"CAST(error(chr(1) || {message[0]} || {value} || {message[1]} || chr(1)) AS {kind.duckdb})"
    matches = f"regexp_full_match({value}, '{_NUMBERS[kind.name]}')" if kind.name in _NUMBERS else "true"
    parsed = f"CASE WHEN {matches} THEN TRY_CAST({value} AS {kind.duckdb}) END"
    return f"CASE WHEN {value} IS NOT NULL THEN coalesce({parsed}, {failed}) END"
