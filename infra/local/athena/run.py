"""Run one statement from RUNNING to its end.

Every failure fails the query: its state becomes FAILED and its StateChangeReason says why. Idempotent: a query only
reads, and writes its result under its own id; CREATE TABLE AS fails if its table exists.
"""

import tempfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import IO

import duckdb
from botocore.exceptions import BotoCoreError, ClientError

from infra.local.athena import descriptions, results, tables
from infra.local.athena.errors import QueryFailure
from infra.local.athena.executions import QueryExecution
from infra.local.athena.failures import state_change_reason
from infra.local.athena.file_cache import FileCache
from infra.local.athena.prepared_query import PreparedQuery
from infra.local.athena.sql import commands, query_nodes
from infra.local.athena.statement import ParsedStatement

ROWS_PER_FETCH = 2000


def run(execution: QueryExecution, statement: ParsedStatement, cache: FileCache) -> None:
    """Run a statement and write its result."""
    if not execution.move("RUNNING"):
        return
    try:
        with tempfile.TemporaryDirectory(prefix="athena-query-") as folder:
            is_done = _run(execution, statement, Path(folder), cache)
    except QueryFailure as failure:
        execution.move("FAILED", str(failure))
    except duckdb.InterruptException:
        execution.move("CANCELLED", "Query cancelled by user")
    except duckdb.Error as error:
        execution.move("FAILED", state_change_reason(error))
    else:
        if is_done:
            execution.move("SUCCEEDED")


def _run(execution: QueryExecution, statement: ParsedStatement, folder: Path, cache: FileCache) -> bool:
    """Run a statement; False if it was stopped."""
    if statement.failure is not None:
        raise statement.failure
    tree, query = statement.tree, statement.query
    if query is None:
        _run_command(execution, tree)
        return True
    if isinstance(tree, commands.CreateTableAs) and tables.exists(execution, tree):
        return True
    with closing(PreparedQuery(execution, statement, query, folder, cache)) as prepared:
        if isinstance(tree, commands.Explain):
            _write_text(execution, ("Query Plan",), ["Query Plan", *descriptions.plan(prepared)])
            return True
        if not prepared.prepare():
            return False
        if isinstance(tree, commands.CreateTableAs):
            tables.create_table_as(execution, tree, prepared, folder)
        elif isinstance(tree, commands.Unload):
            tables.unload(execution, tree, prepared, folder)
        else:
            _write_result(execution, prepared)
    return True


def _run_command(execution: QueryExecution, tree: query_nodes.Query | commands.Command | None) -> None:
    if isinstance(tree, commands.Show):
        names, lines = descriptions.show(execution, tree)
        _write_text(execution, names, lines)
        return
    if isinstance(tree, commands.Drop):
        tables.drop(execution, tree)
    elif isinstance(tree, commands.CreateDatabase):
        tables.create_database(execution, tree)
    elif isinstance(tree, commands.SetProperties):
        tables.set_properties(execution, tree)
    _write_text(execution, (), [])


def _write_text(execution: QueryExecution, names: tuple[str, ...], lines: list[str]) -> None:
    """Write lines of text as the result, with tabs between the columns."""
    execution.columns = [results.text_column(name) for name in names]
    _write(execution, [line.encode() + b"\n" for line in lines])


def _write_result(execution: QueryExecution, query: PreparedQuery) -> None:
    cursor = query.connection.execute(query.compiled.sql)
    outputs = query.compiled.outputs
    names = [output.name or f"_col{i}" for i, output in enumerate(outputs)]
    printers = [results.printer(output.type) for output in outputs]
    execution.columns = [results.column_info(name, o.type) for name, o in zip(names, outputs, strict=True)]
    with tempfile.SpooledTemporaryFile(max_size=1024 * 1024) as out:
        results.write_row(out, names)
        while rows := cursor.fetchmany(ROWS_PER_FETCH):
            for row in rows:
                values = (None if v is None else print_value(v) for v, print_value in zip(row, printers, strict=True))
                results.write_row(out, values)
        query.check()
        out.seek(0)
        _put(execution, out)


def _write(execution: QueryExecution, lines: Iterable[bytes]) -> None:
    with tempfile.SpooledTemporaryFile(max_size=1024 * 1024) as out:
        out.writelines(lines)
        out.seek(0)
        _put(execution, out)


def _put(execution: QueryExecution, body: IO[bytes]) -> None:
    bucket, key = results.split_s3(execution.output_location)
    try:
        execution.caller.s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/octet-stream")
    except (ClientError, BotoCoreError) as error:
        raise tables.write_failure(execution.output_location, error) from error
