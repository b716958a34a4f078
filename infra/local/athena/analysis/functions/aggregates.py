"""Aggregate functions.

Sources: "Aggregate functions" (Trino documentation) and the package io.trino.operator.aggregation of Trino: the types
of sums and averages, and what NULL does. Approximate functions are answered exactly, which is within their error.
"""

from collections.abc import Callable
from typing import Any

from infra.local.athena.analysis import types
from infra.local.athena.analysis.functions.aggregation import Aggregate, Aggregation
from infra.local.athena.analysis.functions.extremes import extreme, extreme_by
from infra.local.athena.analysis.values import MAYBE, Value, coerce, to_real, unsupported
from infra.local.athena.errors import QueryFailure
from infra.local.athena.rowwise import numbers

_ERRORS = (0.0040625, 0.26)
"""The standard errors that approx_distinct takes (ApproximateCountDistinctAggregation)."""

_MAX_LISTAGG = 2**20
"""The bytes that a result of listagg may have (ListaggAggregationFunction)."""


def _sum(call: Aggregation) -> Value | None:
    (value,) = call.arguments
    kind = value.type
    if kind.is_integer:
        return Value(f"CAST({call.core('sum', value.sql)} AS BIGINT)", types.BIGINT)
    if kind.name == "decimal":
        result = types.decimal(types.MAX_PRECISION, kind.size[1])
        return Value(f"CAST({call.core('sum', value.sql)} AS {result.duckdb})", result)
    if kind == types.REAL:
        return Value(to_real(call.core("sum", value.sql)), kind)
    if kind == types.DOUBLE or kind in {types.DAY_INTERVAL, types.YEAR_INTERVAL}:
        return Value(f"CAST({call.core('sum', value.sql)} AS {kind.duckdb})", kind)
    return None


def _avg(call: Aggregation) -> Value | None:
    (value,) = call.arguments
    kind = value.type
    if kind.is_integer or kind == types.DOUBLE:
        return Value(call.core("avg", f"CAST({value.sql} AS DOUBLE)"), types.DOUBLE)
    if kind == types.REAL:
        return Value(f"CAST({call.core('avg', value.sql)} AS FLOAT)", types.REAL)
    if kind in {types.DAY_INTERVAL, types.YEAR_INTERVAL}:
        # Math.round of Java.
        average = call.core("avg", f"CAST({value.sql} AS DOUBLE)")
        return Value(f"CAST(floor({average} + 0.5) AS {kind.duckdb})", kind)
    if kind.name != "decimal":
        return None
    precision, scale = kind.size
    total = Value(call.core("sum", value.sql), types.decimal(types.MAX_PRECISION, scale))
    count = Value(call.core("count", value.sql), types.BIGINT)
    size = [Value(str(number), types.INTEGER) for number in (precision, scale)]
    return Value(call.context.call(numbers.average, [total, count, *size], kind), kind)


def _count(call: Aggregation) -> Value | None:
    if not call.arguments and not call.is_distinct:
        return Value(call.core("count", "*"), types.BIGINT)
    return Value(call.core("count", call.arguments[0].sql), types.BIGINT) if len(call.arguments) == 1 else None


def _count_if(call: Aggregation) -> Value | None:
    (value,) = call.arguments
    if not types.coerces(value.type, types.BOOLEAN):
        return None
    return Value(call.core("count", f"CASE WHEN {value.sql} THEN 1 END"), types.BIGINT)


def _any_value(call: Aggregation) -> Value | None:
    (value,) = call.arguments
    return Value(call.core("any_value", value.sql), value.type)


def _boolean(function: str) -> Aggregate:
    def aggregate(call: Aggregation) -> Value | None:
        (value,) = call.arguments
        if not types.coerces(value.type, types.BOOLEAN):
            return None
        return Value(call.core(function, coerce(call.context, value, types.BOOLEAN).sql), types.BOOLEAN)

    return aggregate


def _array_agg(call: Aggregation) -> Value | None:
    (value,) = call.arguments
    return Value(call.core("list", f"CAST({value.sql} AS {value.type.duckdb})"), types.array(value.type))


def _map_agg(function: Callable[..., Any], is_multimap: bool) -> Aggregate:
    def aggregate(call: Aggregation) -> Value | None:
        key, value = call.arguments
        if key.type.of or key.type.is_instant:
            raise unsupported(f"does not support {key.type.name} as the type of map keys")
        pair = types.row((key.type, value.type))
        packed = (
            f"struct_pack(f0 := CAST({key.sql} AS {key.type.duckdb}), f1 := CAST({value.sql} AS {value.type.duckdb}))"
        )
        listed = Value(call.core("list", packed), types.array(pair))
        kind = types.map_of(key.type, types.array(value.type) if is_multimap else value.type)
        return Value(call.context.call(function, [listed], kind, MAYBE), kind)

    return aggregate


def first_of_each_key(entries: list[dict[str, Any]]) -> dict[Any, Any] | None:
    """Make a map of pairs; the first value of a key stays, and a NULL key is left out. None if no pair is left."""
    found: dict[Any, Any] = {}
    for entry in entries:
        if entry["f0"] is not None:
            found.setdefault(entry["f0"], entry["f1"])
    return found or None


def all_of_each_key(entries: list[dict[str, Any]]) -> dict[Any, list[Any]] | None:
    """Make a map of the values of each key; a NULL key is left out. None if no pair is left."""
    found: dict[Any, list[Any]] = {}
    for entry in entries:
        if entry["f0"] is not None:
            found.setdefault(entry["f0"], []).append(entry["f1"])
    return found or None


def count_each(items: list[Any]) -> dict[Any, int] | None:
    """Count each value but NULL. None if there is none."""
    found: dict[Any, int] = {}
    for item in items:
        if item is not None:
            found[item] = found.get(item, 0) + 1
    return found or None


def _histogram(call: Aggregation) -> Value | None:
    (value,) = call.arguments
    if value.type.of or value.type.is_instant:
        raise unsupported(f"does not count values of {value.type.name} in histogram")
    listed = Value(call.core("list", value.sql), types.array(value.type))
    kind = types.map_of(value.type, types.BIGINT)
    return Value(call.context.call(count_each, [listed], kind, MAYBE), kind)


def _doubles(function: str, count: int) -> Aggregate:
    def aggregate(call: Aggregation) -> Value | None:
        if len(call.arguments) != count or not all(types.coerces(a.type, types.DOUBLE) for a in call.arguments):
            return None
        listed = ", ".join(coerce(call.context, a, types.DOUBLE).sql for a in call.arguments)
        found = call.core(function, listed)
        if function.endswith("_pop"):
            # DuckDB answers 0 for one value, even if it is not finite.
            one = call.core("any_value", listed)
            found = f"CASE WHEN {found} = 0 AND NOT isfinite({one}) THEN CAST('NaN' AS DOUBLE) ELSE {found} END"
        return Value(found, types.DOUBLE)

    return aggregate


def _floats(function: str, is_finite: bool = False) -> Aggregate:
    """Return an aggregate of two doubles or reals: without a double, Trino chooses reals (trinodb/trino#23880).

    With `is_finite`, another result is NULL (RealCorrelationAggregation, RealRegressionAggregation).
    """

    def aggregate(call: Aggregation) -> Value | None:
        kind = types.DOUBLE if types.DOUBLE in {a.type for a in call.arguments} else types.REAL
        if len(call.arguments) != 2 or not all(types.coerces(a.type, kind) for a in call.arguments):
            return None
        listed = ", ".join(f"CAST({coerce(call.context, a, kind).sql} AS DOUBLE)" for a in call.arguments)
        found = call.core(function, listed)
        found = f"CASE WHEN isfinite({found}) THEN {found} END" if is_finite else found
        return Value(f"CAST({found} AS {kind.duckdb})", kind)

    return aggregate


def _geometric_mean(call: Aggregation) -> Value | None:
    (value,) = call.arguments
    if not types.coerces(value.type, types.DOUBLE):
        return None
    kind = types.REAL if value.type.name in {"real", "decimal"} else types.DOUBLE
    logarithm = f"ln(CAST({coerce(call.context, value, kind).sql} AS DOUBLE))"
    return Value(f"CAST(exp({call.core('avg', logarithm)}) AS {kind.duckdb})", kind)


def _bits(function: str) -> Aggregate:
    def aggregate(call: Aggregation) -> Value | None:
        (value,) = call.arguments
        if not types.coerces(value.type, types.BIGINT):
            return None
        return Value(call.core(function, coerce(call.context, value, types.BIGINT).sql), types.BIGINT)

    return aggregate


def _approx_distinct(call: Aggregation) -> Value | None:
    error = call.arguments[1] if len(call.arguments) > 1 else None
    if error is not None:
        if not types.coerces(error.type, types.DOUBLE):
            return None
        if error.constant is None:
            raise unsupported("supports only a literal as the standard error of approx_distinct")
        if not _ERRORS[0] <= float(error.constant) <= _ERRORS[1]:
            message = f"Standard error must be in [{_ERRORS[0]}, {_ERRORS[1]}]: {error.constant}"
            raise QueryFailure(f"INVALID_FUNCTION_ARGUMENT: {message}")
    return Value(call.core("count", f"DISTINCT {call.arguments[0].sql}"), types.BIGINT)


_PERCENTILE = "CASE WHEN ({0}) BETWEEN 0 AND 1 THEN least({0} + 1e-12, 1) ELSE 2 END"
"""Of a few values, Trino takes the one behind floor(fraction * n) others (airlift's TDigest); DuckDB, where the
product is whole, the one before. DuckDB rejects 2, but counts a negative fraction from the other end."""


def _approx_percentile(call: Aggregation) -> Value | None:
    if len(call.arguments) != 2:
        raise unsupported("supports approx_percentile only with two arguments")
    value, fraction = call.arguments
    if not value.type.is_number:
        return None
    # Of the overloads that take a decimal, Trino chooses that of real (trinodb/trino, issue 23880).
    kind = {"real": types.REAL, "double": types.DOUBLE, "decimal": types.REAL}.get(value.type.name, types.BIGINT)
    argument = f"CAST({value.sql} AS {kind.duckdb})"
    if fraction.type.name == "array" and types.coerces(fraction.type, types.array(types.DOUBLE)):
        fractions = coerce(call.context, fraction, types.array(types.DOUBLE)).sql
        fractions = f"list_transform({fractions}, lambda f: {_PERCENTILE.format('f')})"
        return Value(call.core("quantile_disc", f"{argument}, {fractions}"), types.array(kind))
    if not types.coerces(fraction.type, types.DOUBLE):
        return None
    written = _PERCENTILE.format(coerce(call.context, fraction, types.DOUBLE).sql)
    return Value(call.core("quantile_disc", f"{argument}, {written}"), kind)


def _listagg(call: Aggregation) -> Value | None:
    value, *separator = call.arguments
    for argument in call.arguments:
        if not types.coerces(argument.type, types.VARCHAR):
            raise QueryFailure(f"TYPE_MISMATCH: Expected listagg's arguments to be varchar, but found {argument.type}")
    written = separator[0].sql if separator else "''"
    found = call.core("string_agg", f"{value.sql}, {written}")
    message = f"Concatenated string has the length in bytes larger than the maximum output length {_MAX_LISTAGG}"
    failed = call.context.fail(f"'EXCEEDED_FUNCTION_MEMORY_LIMIT: {message}'", types.VARCHAR)
    return Value(f"CASE WHEN strlen({found}) > {_MAX_LISTAGG} THEN {failed} ELSE {found} END", types.VARCHAR)


AGGREGATES: dict[str, tuple[tuple[int, ...], Aggregate]] = {
    "count": ((0, 1), _count),
    "count_if": ((1,), _count_if),
    "sum": ((1,), _sum),
    "avg": ((1,), _avg),
    "min": ((1, 2), extreme("min")),
    "max": ((1, 2), extreme("max")),
    "min_by": ((2, 3), extreme_by("arg_min")),
    "max_by": ((2, 3), extreme_by("arg_max")),
    "arbitrary": ((1,), _any_value),
    "any_value": ((1,), _any_value),
    "bool_and": ((1,), _boolean("bool_and")),
    "every": ((1,), _boolean("bool_and")),
    "bool_or": ((1,), _boolean("bool_or")),
    "array_agg": ((1,), _array_agg),
    "map_agg": ((2,), _map_agg(first_of_each_key, is_multimap=False)),
    "multimap_agg": ((2,), _map_agg(all_of_each_key, is_multimap=True)),
    "histogram": ((1,), _histogram),
    "stddev": ((1,), _doubles("stddev_samp", 1)),
    "stddev_samp": ((1,), _doubles("stddev_samp", 1)),
    "stddev_pop": ((1,), _doubles("stddev_pop", 1)),
    "variance": ((1,), _doubles("var_samp", 1)),
    "var_samp": ((1,), _doubles("var_samp", 1)),
    "var_pop": ((1,), _doubles("var_pop", 1)),
    "corr": ((2,), _floats("corr", is_finite=True)),
    "covar_samp": ((2,), _floats("covar_samp")),
    "covar_pop": ((2,), _floats("covar_pop")),
    "regr_slope": ((2,), _floats("regr_slope", is_finite=True)),
    "regr_intercept": ((2,), _floats("regr_intercept", is_finite=True)),
    "geometric_mean": ((1,), _geometric_mean),
    "bitwise_and_agg": ((1,), _bits("bit_and")),
    "bitwise_or_agg": ((1,), _bits("bit_or")),
    "approx_distinct": ((1, 2), _approx_distinct),
    "approx_percentile": ((2, 3, 4), _approx_percentile),
    "listagg": ((1, 2), _listagg),
}
