"""Run one query from RUNNING to its end.

Every failure fails the query: its state becomes FAILED and its StateChangeReason says why. DuckDB runs in memory, with
one thread and at most 768 MB per query, and opens no file but the query's own. Idempotent: a query only reads, and
writes its result under its own id.
"""

import re
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
from botocore.exceptions import BotoCoreError, ClientError

from infra.local.athena import results
from infra.local.athena.catalogue import QueryCatalogue
from infra.local.athena.errors import QueryFailure
from infra.local.athena.executions import QueryExecution
from infra.local.athena.file_cache import FileCache
from infra.local.athena.literals import literal
from infra.local.athena.preparation import Preparation
from infra.local.athena.relations import Relations
from infra.local.athena.sql import SqlStatement, check_types, column_names

ROWS_PER_FETCH = 2000
_SETTINGS = (
    "TimeZone = 'UTC'",
    "integer_division = true",
    "enable_external_access = false",
    "lock_configuration = true",
)
_FUNCTION = re.compile(r"Function with name (\S+) does not exist")
_COLUMN = re.compile(
    r'(?:Referenced column|column named) "([^"]+)"|Values list "[^"]+" does not have a column named "([^"]+)"'
)


def run(execution: QueryExecution, statement: SqlStatement, cache: FileCache) -> None:
    """Run a query and write its result."""
    if not execution.move("RUNNING"):
        return
    try:
        with tempfile.TemporaryDirectory(prefix="athena-query-") as folder:
            _run(execution, statement, Path(folder), cache)
    except QueryFailure as failure:
        execution.move("FAILED", str(failure))
    except duckdb.InterruptException:
        execution.move("CANCELLED", "Query cancelled by user")
    except duckdb.Error as error:
        execution.move("FAILED", _state_change_reason(error))


def _run(execution: QueryExecution, statement: SqlStatement, folder: Path, cache: FileCache) -> None:
    statement.check_functions()
    tree, scans = statement.scans(execution.database)
    catalogue = QueryCatalogue(execution.caller)
    tables = [catalogue.table(scan.database, scan.table) for scan in scans]
    check_types(
        tree,
        {
            scan.relation: {
                **{c.name: c.type.duckdb for c in (*table.columns, *table.partition_keys)},
                **({"$path": "VARCHAR"} if scan.needs_path else {}),
            }
            for scan, table in zip(scans, tables, strict=True)
        },
    )
    with duckdb.connect(
        ":memory:",
        config={
            "threads": 1,
            "memory_limit": "768MB",
            "temp_directory": str(folder / "spill"),
        },
    ) as connection:
        connection.execute(f"SET allowed_directories = [{literal(folder)}]")
        for setting in _SETTINGS:
            connection.execute(f"SET {setting}")
        with closing(Preparation(execution.caller, connection, folder, cache)) as preparation:
            relations = Relations(execution.caller, connection, preparation)
            for scan, table in zip(scans, tables, strict=True):
                relations.create(scan, table, catalogue.partitions(table, scan))
                if execution.completed is not None:
                    return
        execution.bytes_scanned = relations.bytes_scanned
        execution.planned = time.time() - execution.started
        try:
            execution.set_interrupt(connection.interrupt)
            _write_result(execution, connection, tree.sql(dialect="duckdb"))
        finally:
            execution.set_interrupt(None)
    execution.move("SUCCEEDED")


def _write_result(execution: QueryExecution, connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    described = connection.execute(f"DESCRIBE {sql}").fetchall()
    zoned = [i for i, (_, kind, *_) in enumerate(described) if kind == "TIMESTAMP WITH TIME ZONE"]
    cursor = connection.execute(sql) if not zoned else connection.execute(_cast_to_text(sql, described, set(zoned)))
    names = column_names([name for name, *_ in described])
    kinds: list[Any] = [kind for _, kind, *_ in cursor.description or []]
    printers = [results.print_zoned if i in zoned else results.printer(kind) for i, kind in enumerate(kinds)]
    execution.columns = [results.column_info(name, kind) for name, kind in zip(names, kinds, strict=True)]
    for i in zoned:
        execution.columns[i].update(Type="timestamp with time zone", Precision=3, CaseSensitive=False)
    with tempfile.SpooledTemporaryFile(max_size=1024 * 1024) as out:
        results.write_row(out, names)
        while rows := cursor.fetchmany(ROWS_PER_FETCH):
            for row in rows:
                values = (None if v is None else print_value(v) for v, print_value in zip(row, printers, strict=True))
                results.write_row(out, values)
        out.seek(0)
        bucket, key = results.split_s3(execution.output_location)
        try:
            execution.caller.s3.put_object(Bucket=bucket, Key=key, Body=out, ContentType="application/octet-stream")
        except (ClientError, BotoCoreError) as error:
            raise QueryFailure(
                f"Access denied when writing output to url: {execution.output_location}. Please ensure you are "
                f"allowed to access the S3 bucket. ({error})"
                if "AccessDenied" in str(error)
                else f"Unable to write the output to {execution.output_location}: {error}"
            ) from error


def _cast_to_text(sql: str, described: list[Any], zoned: set[int]) -> str:
    """Cast instants to text: DuckDB needs another package to return them to Python."""
    names = [f"c{i}" for i in range(len(described))]
    columns = [f"CAST({name} AS VARCHAR) AS {name}" if i in zoned else name for i, name in enumerate(names)]
    return f"SELECT {', '.join(columns)} FROM ({sql}) AS q({', '.join(names)})"  # noqa: S608 - generated names


def _state_change_reason(error: duckdb.Error) -> str:
    """Translate DuckDB's error into Athena's codes."""
    text = str(error)
    column = _COLUMN.search(text)
    if isinstance(error, duckdb.BinderException) and column:
        return f"COLUMN_NOT_FOUND: Column '{column[1] or column[2]}' cannot be resolved"
    function = _FUNCTION.search(text)
    if isinstance(error, duckdb.CatalogException) and function:
        return f"NOT_SUPPORTED: the local Athena lacks the function {function[1]}, which Athena has"
    if isinstance(error, duckdb.ConversionException):
        return f"INVALID_CAST_ARGUMENT: {text}"
    if isinstance(error, duckdb.OutOfMemoryException):
        return f"EXCEEDED_LOCAL_MEMORY_LIMIT: {text}"
    if isinstance(error, duckdb.IOException | duckdb.InvalidInputException):
        return f"HIVE_CURSOR_ERROR: {text}"
    return f"SYNTAX_ERROR: {text}"
