"""DuckDB, as the queries of the local Athena need it.

DuckDB runs in memory, with one thread and at most 768 MB per query, and opens no file but the query's own.
"""

import functools
import inspect
import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import duckdb

from infra.local.athena.analysis.values import MAYBE, STRICT, PythonFunction, fail
from infra.local.athena.errors import Fault, QueryFailure, fault_of
from infra.local.athena.literals import literal

_FLOATS = re.compile("DOUBLE|FLOAT")
_SETTINGS = (
    "TimeZone = 'UTC'",
    "order_by_non_integer_literal = true",
    "enable_external_access = false",
    "lock_configuration = true",
)


def connect(folder: Path) -> duckdb.DuckDBPyConnection:
    """Return a connection that reads and writes files of `folder` only."""
    connection = duckdb.connect(
        ":memory:",
        config={"threads": 1, "memory_limit": "768MB", "temp_directory": str(folder / "spill")},
    )
    connection.execute(f"SET allowed_directories = [{literal(folder)}]")
    for setting in _SETTINGS:
        connection.execute(f"SET {setting}")
    return connection


def add_functions(connection: duckdb.DuckDBPyConnection, functions: Iterable[PythonFunction]) -> list[str]:
    """Add the Python functions of a query. The first call imports numpy, which DuckDB needs for them.

    Return a list to which they add what they do not support when it occurs.
    """
    refusals: list[str] = []
    for function in functions:
        noted = function.call if function.call is fail else _noting(function.call, refusals)
        checked = _without_nan(noted) if _FLOATS.search(function.returns) else noted
        call = _of_parameters(checked, len(function.parameters), function.nulls == MAYBE)
        handling: dict[str, Any] = {} if function.nulls == STRICT else {"null_handling": "special"}
        connection.create_function(function.name, call, list(function.parameters), function.returns, **handling)
    return refusals


def check_refusals(sql: str, refusals: list[str]) -> None:
    """Raise QueryFailure if TRY may have made NULL of what the local Athena does not support and Athena answers."""
    if refusals and "TRY(" in sql:
        raise QueryFailure(refusals[0])


def _noting(function: Callable[..., Any], refusals: list[str]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Fault as fault:
            message = fault_of(str(fault)) or ""
            if message.startswith("NOT_SUPPORTED"):
                refusals.append(message)
            raise

    return call


def _without_nan(function: Callable[..., Any]) -> Callable[..., Any]:
    """Fail for a NaN inside a result: DuckDB takes it from Python as NULL."""

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        found = function(*arguments)
        if _has_nan(found):
            raise Fault(
                "NOT_SUPPORTED", "the local Athena does not support NaN in arrays, maps and rows that it computes"
            )
        return found

    return call


def _has_nan(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_has_nan, value))
    if isinstance(value, dict):
        return any(map(_has_nan, value)) or any(map(_has_nan, value.values()))
    return isinstance(value, float) and math.isnan(value)


def _of_parameters(function: Callable[..., Any], count: int, is_null_for_null: bool) -> Callable[..., Any]:
    """Return a function with the number of parameters that DuckDB asks for."""

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        return None if is_null_for_null and None in arguments else function(*arguments)

    kind = inspect.Parameter.POSITIONAL_ONLY
    signature = inspect.Signature([inspect.Parameter(f"p{i}", kind) for i in range(count)])
    call.__signature__ = signature  # type: ignore[attr-defined]
    return call
