"""One query from RUNNING to its end.

Every failure is the query's: its state is FAILED and its StateChangeReason says why. DuckDB runs in memory, one
thread and at most 768 MB a query, and can open no file but the query's own. Running a query twice is harmless: it
only reads, and writes a result under its own id.
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
from infra.local.athena.errors import QueryFailure
from infra.local.athena.executions import Execution
from infra.local.athena.scan import Catalogue, Reader, new_folder
from infra.local.athena.sql import Statement, check_types, column_names

ROWS_AT_A_TIME = 2000
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


def run(execution: Execution, statement: Statement) -> None:
    """Run a query and write its result."""
    if not execution.move("RUNNING"):
        return
    try:
        with new_folder() as folder:
            _run(execution, statement, Path(folder))
    except QueryFailure as failure:
        execution.move("FAILED", str(failure))
    except duckdb.InterruptException:
        execution.move("CANCELLED", "Query cancelled by user")
    except duckdb.Error as error:
        execution.move("FAILED", _reason(error))


def _run(execution: Execution, statement: Statement, folder: Path) -> None:
    statement.check_functions()
    tree, scans = statement.scans(execution.database)
    catalogue = Catalogue(execution.caller)
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
        connection.execute(f"SET allowed_directories = ['{folder}']")
        for setting in _SETTINGS:
            connection.execute(f"SET {setting}")
        with closing(Reader(execution.caller, connection, folder)) as reader:
            for scan, table in zip(scans, tables, strict=True):
                reader.relation(scan, table, catalogue.partitions(table, scan))
                if execution.completed is not None:
                    return
        execution.bytes_scanned = reader.bytes_scanned
        execution.planned = time.time() - execution.started
        try:
            execution.interruptible(connection.interrupt)
            _write_result(execution, connection, tree.sql(dialect="duckdb"))
        finally:
            execution.interruptible(None)
    execution.move("SUCCEEDED")


def _write_result(execution: Execution, connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    described = connection.execute(f"DESCRIBE {sql}").fetchall()
    zoned = [i for i, (_, kind, *_) in enumerate(described) if kind == "TIMESTAMP WITH TIME ZONE"]
    cursor = connection.execute(sql) if not zoned else connection.execute(_with_texts(sql, described, set(zoned)))
    names = column_names([name for name, *_ in described])
    kinds: list[Any] = [kind for _, kind, *_ in cursor.description or []]
    printers = [results._zoned if i in zoned else results.printer(kind) for i, kind in enumerate(kinds)]
    execution.columns = [results.column_info(name, kind) for name, kind in zip(names, kinds, strict=True)]
    for i in zoned:
        execution.columns[i].update(Type="timestamp with time zone", Precision=3, CaseSensitive=False)
    with tempfile.SpooledTemporaryFile(max_size=1024 * 1024) as out:
        results.write_row(out, names)
        while rows := cursor.fetchmany(ROWS_AT_A_TIME):
            for row in rows:
                values = (None if v is None else p(v) for v, p in zip(row, printers, strict=True))
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


def _with_texts(sql: str, described: list[Any], zoned: set[int]) -> str:
    """Instants as text: DuckDB needs a further package to hand them to Python."""
    names = [f"c{i}" for i in range(len(described))]
    columns = [f"CAST({name} AS VARCHAR) AS {name}" if i in zoned else name for i, name in enumerate(names)]
    return f"SELECT {', '.join(columns)} FROM ({sql}) AS q({', '.join(names)})"  # noqa: S608 - names of our own


def _reason(error: duckdb.Error) -> str:
    """What DuckDB found, in Athena's codes."""
    text = str(error)
    column = _COLUMN.search(text)
    if isinstance(error, duckdb.BinderException) and column:
        return f"COLUMN_NOT_FOUND: Column '{column[1] or column[2]}' cannot be resolved"
    function = _FUNCTION.search(text)
    if isinstance(error, duckdb.CatalogException) and function:
        return f"NOT_SUPPORTED: the embedded Athena lacks the function {function[1]}, which Athena has"
    if isinstance(error, duckdb.ConversionException):
        return f"INVALID_CAST_ARGUMENT: {text}"
    if isinstance(error, duckdb.OutOfMemoryException):
        return f"EXCEEDED_LOCAL_MEMORY_LIMIT: {text}"
    if isinstance(error, duckdb.IOException | duckdb.InvalidInputException):
        return f"HIVE_CURSOR_ERROR: {text}"
    return f"SYNTAX_ERROR: {text}"
