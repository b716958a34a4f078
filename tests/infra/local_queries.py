"""Run queries as the local Athena does, over a small table and without a server: parse, resolve, execute, print."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from infra.local.athena import engine, results
from infra.local.athena.errors import QueryFailure
from infra.local.athena.failures import state_change_reason
from infra.local.athena.models import Column, QueryTable, TableStorage
from infra.local.athena.statement import ParsedStatement
from infra.local.glue import types

COLUMNS = {
    "id": "int",
    "name": "string",
    "price": "double",
    "amount": "decimal(10,2)",
    "day": "date",
    "at": "timestamp",
    "tags": "array<string>",
    "sizes": "map<string,int>",
    "o": "struct<n:struct<x:int>,items:array<struct<sku:string,count:int>>>",
    "ok": "boolean",
    "code": "char(3)",
}
ROWS = """
    (1, 'anna', 1.5::DOUBLE, 10.25, DATE '2026-01-31', TIMESTAMP '2026-01-31 10:20:30.5', ['x', 'y'],
     MAP(['s', 'm'], [1, 2]), {'n': {'x': 7}, 'items': [{'sku': 'A', 'count': 2}, {'sku': 'B', 'count': 3}]}, true,
     'ab'),
    (2, 'ben', 'NaN'::DOUBLE, 20.50, DATE '2026-02-28', TIMESTAMP '2026-02-28 00:00:00', [], MAP {}, NULL, false,
     'abc'),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
"""
_TABLE = QueryTable(
    "shop",
    "t",
    tuple(Column(name, types.parse(kind)) for name, kind in COLUMNS.items()),
    (),
    TableStorage("", "", ",", "", "", "", 0),
)


def _find(database: str, name: str) -> QueryTable:
    if name != "t":
        raise QueryFailure(f"TABLE_NOT_FOUND: Table 'awsdatacatalog.{database}.{name}' does not exist")
    return _TABLE


def require_values(cases: Iterable[tuple[str, str | None]], folder: Path) -> None:
    """Compare expressions with their values, all in one query."""
    expected = dict(cases)
    (found,) = rows(f"SELECT {', '.join(expected)}", folder)
    assert dict(zip(expected, found, strict=True)) == expected


def each_failure(failures: Mapping[str, Iterable[tuple[str, str]]]) -> list[Any]:
    """Return a parameter for each query and its reason, with the source in its name."""
    return [pytest.param(*case, id=f"{source}: {case[0]}") for source, cases in failures.items() for case in cases]


def require_failure(sql: str, reason: str, folder: Path) -> None:
    """Require that a query fails with a reason that starts like this."""
    with pytest.raises(QueryFailure) as failed:
        rows(sql, folder)
    assert str(failed.value).startswith(reason)


def rows(sql: str, folder: Path) -> list[list[str | None]]:
    """Return the rows as Athena prints them. Raises QueryFailure with the StateChangeReason."""
    statement = ParsedStatement.parse(sql, [])
    if statement.failure is not None:
        raise statement.failure
    assert statement.query is not None
    analyzer = statement.analyzer(_find, "shop")
    compiled = analyzer.whole(statement.query)
    columns = ", ".join(f'CAST("{name}" AS {types.parse(kind).duckdb}) AS "{name}"' for name, kind in COLUMNS.items())
    with engine.connect(folder) as connection:
        for scan in analyzer.scans:
            names = ", ".join(f'"{name}"' for name in COLUMNS)
            source = f"(VALUES {ROWS}) AS r({names})"
            connection.execute(f"CREATE VIEW {scan.relation} AS SELECT {columns} FROM {source}")
        refusals = engine.add_functions(connection, analyzer.context.functions.values())
        try:
            found = connection.execute(compiled.sql).fetchall()
        except duckdb.Error as error:
            raise QueryFailure(state_change_reason(error)) from error
    engine.check_refusals(compiled.sql, refusals)
    printers = [results.printer(output.type) for output in compiled.outputs]
    return [[None if v is None else p(v) for v, p in zip(row, printers, strict=True)] for row in found]
