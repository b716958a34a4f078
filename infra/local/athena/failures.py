"""Translate DuckDB's errors into Athena's codes."""

import re

import duckdb

from infra.local.athena.errors import fault_of

_UNGROUPED = re.compile(r'column "?([^"]+?)"? must appear in the GROUP BY clause')
_OVERFLOW = re.compile(
    r"Overflow in (addition|subtraction|multiplication|division) (?:of (?:U?INT|DECIMAL)[^ ]* ?\()?([^)\n]*)"
)
_OUTSIDE = re.compile(
    r"Could not convert Timestamp\(|Date out of range in timestamp conversion|Date and time not in timestamp range|"
    r"timestamp field value out of range|Type INT32 with value \S+-\d\d-\d\d\S* can't be cast"
)
"""DuckDB's timestamps have microseconds, in 64 bits; Trino reads a file's number of milliseconds that exceeds them."""
_NO_TRY = "NOT_SUPPORTED: the local Athena does not support TRY around aggregates and queries"
_CONSTANT_FRACTION = "NOT_SUPPORTED: the local Athena supports only a constant fraction in approx_percentile"
_KNOWN = {
    "aggregates are not allowed inside the TRY": _NO_TRY,
    "TRY can not be used": _NO_TRY,
    "More than one row returned by a subquery": "SUBQUERY_MULTIPLE_ROWS: Scalar sub-query has returned multiple rows",
    "QUANTILE can only take parameters in the range": (
        "INVALID_FUNCTION_ARGUMENT: Percentile must be between 0 and 1 in approx_percentile"
    ),
    'The "quantile" argument in function': _CONSTANT_FRACTION,
    "subqueries in lambda expressions are not supported": (
        "NOT_SUPPORTED: the local Athena does not support queries inside lambdas"
    ),
    "Map keys must be unique": "INVALID_CAST_ARGUMENT: duplicate keys in a map",
    "Map keys can not be NULL": "INVALID_CAST_ARGUMENT: map key is null",
}
"""Words of DuckDB → the reason of Athena."""
_INTERNAL = re.compile(r"(?:scan|q|u|v|with)_?\d*\.")


def state_change_reason(error: duckdb.Error) -> str:
    """Return the StateChangeReason of a query that DuckDB could not run."""
    text = str(error)
    fault = fault_of(text)
    if fault is not None:
        return fault
    ungrouped = _UNGROUPED.search(text)
    if ungrouped:
        name = _INTERNAL.sub("", ungrouped[1])
        return f"EXPRESSION_NOT_AGGREGATE: '{name}' must be an aggregate expression or appear in GROUP BY clause"
    overflow = _OVERFLOW.search(text)
    if overflow:
        return f"NUMERIC_VALUE_OUT_OF_RANGE: {overflow[1]} overflow: {overflow[2]}"
    found = next((reason for words, reason in _KNOWN.items() if words in text), None)
    if found is not None:
        return found
    if isinstance(error, duckdb.OutOfRangeException | duckdb.ConversionException):
        return _of_conversion(error, text)
    if isinstance(error, duckdb.OutOfMemoryException):
        return f"EXCEEDED_LOCAL_MEMORY_LIMIT: {text}"
    is_of_python = "exception occurred while executing the UDF" in text
    if isinstance(error, duckdb.IOException | duckdb.InvalidInputException) and not is_of_python:
        return f"HIVE_CURSOR_ERROR: {text}"
    return f"NOT_SUPPORTED: the local Athena cannot run this query: {text}"


def _of_conversion(error: duckdb.Error, text: str) -> str:
    if _OUTSIDE.search(text):
        return f"NOT_SUPPORTED: the local Athena supports timestamps of the years -290307 to 294246 only ({text})"
    is_range = isinstance(error, duckdb.OutOfRangeException) or "out of range" in text
    # Without DuckDB's own words around it: its class of errors, and its SQL.
    message = re.sub(r"^[\w ]+ Error: ", "", text.partition("\nLINE ")[0].strip())
    message = message.partition(" when casting from source column ")[0]
    return f"{'NUMERIC_VALUE_OUT_OF_RANGE' if is_range else 'INVALID_CAST_ARGUMENT'}: {message}"
