"""The aggregates min, max, min_by and max_by.

Sources: MinAggregationFunction, MaxAggregationFunction, MaxByAggregationFunction and MaxNStateFactory of Trino: NaN is
the least value for max and the greatest for min, so neither prefers it.
"""

from infra.local.athena.analysis import types
from infra.local.athena.analysis.functions.aggregation import Aggregate, Aggregation
from infra.local.athena.analysis.sorting import comparable
from infra.local.athena.analysis.values import Value, let, unsupported
from infra.local.athena.errors import QueryFailure

_MAX_COUNT = 10_000


def extreme(name: str) -> Aggregate:
    """Return min or max, of one value or of several."""

    def aggregate(call: Aggregation) -> Value | None:
        value, *count = call.arguments
        kind = value.type
        if not types.is_orderable(kind) or any(not types.coerces(n.type, types.BIGINT) for n in count):
            return None
        if count:
            return _some(name, call, value, count[0])
        sql = value.sql if kind.is_instant else comparable(call.context, value)
        found = call.core(name, sql)
        if name == "max" and kind.is_floating:
            numbers = call.core(name, f"CASE WHEN NOT isnan({sql}) THEN {sql} END")
            found = f"coalesce({numbers}, {found})"
        return Value(found, kind)

    return aggregate


def _some(name: str, call: Aggregation, value: Value, count: Value) -> Value:
    """Return the largest or smallest values."""
    if count.constant is None:
        raise unsupported(f"supports only a literal as the second argument of {name}")
    if not 1 <= int(count.constant) <= _MAX_COUNT:
        message = f"INVALID_FUNCTION_ARGUMENT: second argument of {name}_n must be from 1 to {_MAX_COUNT}"
        raise QueryFailure(message)
    if name == "max" and value.type.is_floating:
        found = call.core(name, f"{_nan_first(value.sql)}, {count.constant}")
        return Value(f"list_transform({found}, lambda pair: pair.v)", types.array(value.type))
    sql = value.sql if value.type.is_instant else comparable(call.context, value)
    return Value(call.core(name, f"{sql}, {count.constant}"), types.array(value.type))


def _nan_first(sql: str) -> str:
    """Write what orders NaN before all numbers, as COMPARISON_UNORDERED_FIRST of Trino does."""
    return let([sql], lambda v: f"CASE WHEN {v} IS NOT NULL THEN struct_pack(n := NOT isnan({v}), v := {v}) END")


def extreme_by(function: str) -> Aggregate:
    """Return min_by or max_by."""

    def aggregate(call: Aggregation) -> Value | None:
        if len(call.arguments) != 2:
            raise unsupported("supports min_by and max_by only with two arguments")
        value, key = call.arguments
        if not types.is_orderable(key.type):
            return None
        # Trino returns the value of the row with the largest key, even if that value is NULL.
        packed = f"struct_pack(v := CAST({value.sql} AS {value.type.duckdb}))"
        is_nan_first = function == "arg_max" and key.type.is_floating
        order = _nan_first(key.sql) if is_nan_first else comparable(call.context, key)
        return Value(f"({call.core(function, f'{packed}, {order}')}).v", value.type)

    return aggregate
