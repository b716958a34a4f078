"""Arithmetic, comparisons and concatenation, with Trino's types and errors.

Sources: DecimalOperators (precision and scale of results), BigintOperators, DateTimeOperators,
IntervalDayTimeOperators, DoubleOperators (NaN equals nothing) of Trino; "Decimal functions and operators" (Trino
documentation).
"""

from collections.abc import Callable

from infra.local.athena.analysis import types
from infra.local.athena.analysis.moments import change_instant, change_local
from infra.local.athena.analysis.types import Type
from infra.local.athena.analysis.values import (
    SPECIAL,
    Context,
    Value,
    check_equal,
    coerce,
    failure,
    let,
    unify,
    unsupported,
)
from infra.local.athena.rowwise import collections, numbers
from infra.local.athena.sql.tokens import Position

_INTERVALS = {types.DAY_INTERVAL, types.YEAR_INTERVAL}
_MOMENTS = ("date", "timestamp", "timestamp with time zone")
_SHORT = 18
_NEGATED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


def arithmetic(context: Context, sign: str, left: Value, right: Value, at: Position) -> Value:
    """Return `left sign right`."""
    if sign == "||":
        return concat(context, [left, right], at)
    found = _temporal(context, sign, left, right) or _numeric(context, sign, left, right)
    if found is None:
        raise failure("TYPE_MISMATCH", at, f"Cannot apply operator: {left.type} {sign} {right.type}")
    return found


def _numeric(context: Context, sign: str, left: Value, right: Value) -> Value | None:
    both = types.common(left.type, right.type)
    if both is None or not both.is_number:
        return None
    if both.name == "decimal":
        return _decimal(context, sign, left, right)
    a, b = coerce(context, left, both).sql, coerce(context, right, both).sql
    if both.is_floating:
        return Value(f"({a} {sign} {b})", both)
    if sign in "/%":
        operator = "//" if sign == "/" else "%"
        if right.constant not in {None, "0", "-1"} and both.is_integer:
            return Value(f"({a} {operator} {b})", both)
        failed = context.fail("'DIVISION_BY_ZERO: Division by zero'", both)
        # DuckDB rejects the remainder of the least integer and -1, which is 0.
        other = "{0}" if sign == "/" else "CASE WHEN {0} = -1 THEN 1 ELSE {0} END"
        sql = let([b], lambda divisor: f"(CASE WHEN {divisor} = 0 THEN {failed} ELSE {other.format(divisor)} END)")
        return Value(f"({a} {operator} {sql})", both)
    return Value(f"({a} {sign} {b})", both)


def _decimal(context: Context, sign: str, left: Value, right: Value) -> Value:
    a, b = (_as_decimal(context, value) for value in (left, right))
    (p1, s1), (p2, s2) = a.type.size, b.type.size
    scale = max(s1, s2)
    function: Callable[..., object]
    if sign in "+-":
        precision = min(types.MAX_PRECISION, max(p1 - s1, p2 - s2) + scale + 1)
        result = types.decimal(precision, scale)
        if types.fits(a.type, result) and types.fits(b.type, result):
            x, y = coerce(context, a, result).sql, coerce(context, b, result).sql
            return Value(f"CAST({x} {sign} {y} AS {result.duckdb})", result)
        function = numbers.add if sign == "+" else numbers.subtract
    elif sign == "*":
        if s1 + s2 > types.MAX_PRECISION:
            raise unsupported(f"does not multiply decimals with {s1 + s2} digits of scale")
        result = types.decimal(min(types.MAX_PRECISION, p1 + p2), s1 + s2)
        # DuckDB keeps a product of two short decimals in 64 bits.
        wide = f"CAST({a.sql} AS {types.decimal(types.MAX_PRECISION, s1).duckdb})" if p1 + p2 > _SHORT else a.sql
        return Value(f"CAST({wide} * {b.sql} AS {result.duckdb})", result)
    elif sign == "/":
        precision = min(types.MAX_PRECISION, p1 + s2 + max(s2 - s1, 0))
        function = numbers.divide
    else:
        precision = min(p2 - s2, p1 - s1) + scale
        function = numbers.remainder
    result = types.decimal(precision, scale)
    size = [Value(str(number), types.INTEGER) for number in (precision, scale)]
    return Value(context.call(function, [a, b, *size], result), result)


def _as_decimal(context: Context, value: Value) -> Value:
    if value.type.name == "decimal":
        return value
    target = types.common(value.type, types.decimal(1, 0)) if value.type != types.UNKNOWN else types.decimal(1, 0)
    digits = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19}.get(value.type.name)
    return coerce(context, value, types.decimal(digits, 0) if digits else target or types.decimal(1, 0))


def _temporal(context: Context, sign: str, left: Value, right: Value) -> Value | None:
    if sign in "*/" and left.type in _INTERVALS and right.type.is_number:
        return _scaled(context, sign, left, right)
    if sign == "*" and right.type in _INTERVALS and left.type.is_number:
        return _scaled(context, sign, right, left)
    if sign not in "+-":
        return None
    if sign == "+" and left.type in _INTERVALS and right.type.name in _MOMENTS:
        left, right = right, left
    if left.type in _INTERVALS and left.type == right.type:
        return Value(f"({left.sql} {sign} {right.sql})", left.type)
    if left.type.name in _MOMENTS and right.type in _INTERVALS:
        return _shifted(context, sign, left, right)
    if sign == "-" and left.type.name in _MOMENTS:
        both = unify(context, [left, right])
        if both is not None and both[0].type.name in _MOMENTS:
            # The difference is rounded to milliseconds, half up; // truncates.
            return Value(
                let(
                    [f"{_microseconds(both[0])} - {_microseconds(both[1])} + 500"],
                    lambda us: f"(({us} - ({us} % 1000 + 1000) % 1000) // 1000)",
                ),
                types.DAY_INTERVAL,
            )
    return None


def _microseconds(value: Value) -> str:
    sql = f"({value.sql}).u" if value.type.is_instant else f"CAST({value.sql} AS TIMESTAMP)"
    return f"epoch_us({sql})"


def _scaled(context: Context, sign: str, interval: Value, factor: Value) -> Value:
    """Multiply or divide an interval: by an integer exactly, else as a double that is truncated."""
    kind = interval.type
    if sign == "*" and factor.type.is_integer:
        return Value(f"({interval.sql} * CAST({factor.sql} AS {kind.duckdb}))", kind)
    verb = "multiply" if sign == "*" else "divide"
    invalid = context.fail(f"'INVALID_FUNCTION_ARGUMENT: Cannot {verb} by double NaN or zero'", kind)
    large = context.fail("'NOT_SUPPORTED: the local Athena does not support such a long interval'", kind)

    def body(a: str, b: str) -> str:
        is_invalid = f"isnan({b})" + (f" OR {b} = 0" if sign == "/" else "")
        scaled = f"coalesce(TRY_CAST(trunc(CAST({a} AS DOUBLE) {sign} {b}) AS {kind.duckdb}), {large})"
        return f"CASE WHEN {a} IS NULL OR {b} IS NULL THEN NULL WHEN {is_invalid} THEN {invalid} ELSE {scaled} END"

    return Value(let([interval.sql, f"CAST({factor.sql} AS DOUBLE)"], body), kind)


def _shifted(context: Context, sign: str, moment: Value, interval: Value) -> Value:
    def shift(sql: str) -> str:
        amount = interval.sql if sign == "+" else f"-({interval.sql})"
        step = f"to_months({amount})" if interval.type == types.YEAR_INTERVAL else f"to_microseconds(({amount}) * 1000)"
        return f"({sql} + {step})"

    if moment.type == types.DATE:
        if interval.type == types.DAY_INTERVAL:
            days = let(
                [interval.sql],
                lambda ms: (
                    f"(CASE WHEN {ms} % 86400000 = 0 THEN CAST({ms} // 86400000 AS INTEGER) ELSE "
                    + context.fail(
                        "'INVALID_FUNCTION_ARGUMENT: Cannot add hour, minutes or seconds to a date'", types.INTEGER
                    )
                    + " END)"
                ),
            )
            return Value(f"({moment.sql} {sign} {days})", types.DATE)
        return Value(f"CAST({shift(moment.sql)} AS DATE)", types.DATE)
    kind = moment.type
    if interval.type == types.DAY_INTERVAL:
        # An interval has milliseconds.
        kind = Type(kind.name, (max(kind.size[0], 3),))
    if not kind.is_instant:
        return Value(shift(moment.sql), kind)
    if interval.type == types.DAY_INTERVAL:
        return Value(change_instant(moment.sql, shift), kind)
    return Value(change_local(moment.sql, shift), moment.type)


def negate(value: Value, at: Position) -> Value:
    """Return `-value`."""
    if not value.type.is_number and value.type not in _INTERVALS:
        raise failure("TYPE_MISMATCH", at, f"Cannot negate {value.type}")
    if value.type.is_integer or value.type in _INTERVALS:
        # Which fails for the least integer; DuckDB's own negation gives it a wider type.
        return Value(f"(CAST(0 AS {value.type.duckdb}) - {value.sql})", value.type)
    return Value(f"(-{value.sql})", value.type)


def concat(context: Context, values: list[Value], at: Position) -> Value:
    """Return the concatenation of texts, arrays or binaries; NULL if any is NULL."""
    kinds = [value.type for value in values if value.type != types.UNKNOWN]
    if any(kind.name == "array" for kind in kinds):
        return _concat_arrays(context, values, at)
    if all(kind.is_text for kind in kinds):
        return Value(f"({' || '.join(coerce(context, v, types.VARCHAR).sql for v in values)})", types.VARCHAR)
    if all(kind == types.VARBINARY for kind in kinds):
        return Value(f"({' || '.join(coerce(context, v, types.VARBINARY).sql for v in values)})", types.VARBINARY)
    if any(kind.name == "char" for kind in kinds):
        raise unsupported("does not concatenate char; cast it to varchar")
    shown = ", ".join(str(value.type) for value in values)
    raise failure("FUNCTION_NOT_FOUND", at, f"Unexpected parameters ({shown}) for function concat")


def _concat_arrays(context: Context, values: list[Value], at: Position) -> Value:
    """Join arrays, or an array and one element.

    Sources: ArrayConcatFunction, ArrayToElementConcatFunction, ElementToArrayConcatFunction, TestArrayOperators.
    """
    kinds = [value.type for value in values]
    joined: Type | None = kinds[0]
    for kind in kinds[1:]:
        joined = joined and types.common(joined, kind)
    found: list[tuple[Type, list[Value]]] = [] if joined is None else [(joined, values)]
    if len(values) == len("ab") and kinds[0] != kinds[1]:
        for i, value in enumerate(values):
            # The other value may be an array that this one is an element of.
            both = types.common(kinds[1 - i], types.array(kinds[i]))
            if both is not None and kinds[1 - i].name == "array":
                one = Value(f"[CAST({coerce(context, value, both.of[0]).sql} AS {both.of[0].duckdb})]", both)
                found.append((both, [one if j == i else other for j, other in enumerate(values)]))
    shown = ", ".join(map(str, kinds))
    if len(found) > 1:
        raise failure("AMBIGUOUS_FUNCTION_CALL", at, f"concat({shown}) joins arrays or adds an element: cast a value")
    if not found:
        raise failure("FUNCTION_NOT_FOUND", at, f"Unexpected parameters ({shown}) for function concat")
    ((result, parts),) = found
    # list_concat leaves NULL out; in Trino a NULL array makes the result NULL.
    return Value(let([coerce(context, part, result).sql for part in parts], _concat_lists), result)


def _concat_lists(*parts: str) -> str:
    joined = parts[0]
    for part in parts[1:]:
        joined = f"list_concat({joined}, {part})"
    return f"CASE WHEN {' AND '.join(f'{part} IS NOT NULL' for part in parts)} THEN {joined} END"


def compare(context: Context, sign: str, left: Value, right: Value, at: Position) -> Value:
    """Return a comparison, also IS [NOT] DISTINCT FROM."""
    both = unify(context, [left, right])
    if both is None:
        if sign.endswith("FROM"):
            raise failure("TYPE_MISMATCH", at, f"Cannot check if {left.type} is distinct from {right.type}")
        raise failure("TYPE_MISMATCH", at, f"Cannot apply operator: {left.type} {sign} {right.type}")
    kind = both[0].type
    is_order = sign in _NEGATED
    if is_order and not types.is_orderable(kind) and kind != types.UNKNOWN:
        raise failure("TYPE_MISMATCH", at, f"Cannot apply operator: {left.type} {sign} {right.type}")
    if kind.name == "char":
        raise unsupported("does not compare values of char; cast them to varchar")
    return Value(_comparison(context, sign, both[0], both[1]), types.BOOLEAN)


def _comparison(context: Context, sign: str, left: Value, right: Value) -> str:
    kind = left.type
    if kind.is_instant:
        return f"({left.sql}).u {sign} ({right.sql}).u"
    if kind.of:
        check_equal(kind)
        if sign.endswith("FROM"):
            distinct = context.call(collections.is_distinct, [left, right], types.BOOLEAN, SPECIAL)
            return distinct if sign == "IS DISTINCT FROM" else f"(NOT {distinct})"
        if sign not in {"=", "<>"}:
            raise unsupported(f"does not compare values of {kind.name} with {sign}")
        equal = context.call(collections.equals, [left, right], types.BOOLEAN, SPECIAL)
        return equal if sign == "=" else f"(NOT {equal})"
    if kind.is_floating and not sign.endswith("FROM"):
        return _floating_comparison(sign, left, right)
    return f"({left.sql} {sign} {right.sql})"


def _floating_comparison(sign: str, left: Value, right: Value) -> str:
    """Compare so that NaN is neither equal to, less nor greater than anything; DuckDB sorts it last."""
    plain = f"({left.sql} {sign} {right.sql})"
    greater = right if sign in {"<", "<="} else left
    if greater.constant is not None:
        return plain
    if sign == "<>":
        return let([left.sql, right.sql], lambda a, b: f"({a} <> {b} OR (isnan({a}) AND {b} IS NOT NULL))")
    return let(
        [left.sql, right.sql],
        lambda a, b: (
            f"({a} {sign} {b} AND NOT (isnan({b if greater is right else a}) AND {a} IS NOT NULL AND {b} IS NOT NULL))"
        ),
    )


def any_of(parts: list[str]) -> str:
    """Join conditions by OR."""
    return f"({' OR '.join(parts)})"
