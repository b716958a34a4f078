"""Functions of numbers whose type is that of their argument, and the functions of any type.

Sources: "Mathematical functions", "Conditional expressions", "Comparison functions" (Trino documentation);
MathFunctions of Trino (`round`, `ceiling`, `truncate` of decimals).
"""

from collections.abc import Callable

from infra.local.athena.analysis import operators, types
from infra.local.athena.analysis.functions.times import Coded
from infra.local.athena.analysis.values import SPECIAL, Context, Value, coerce, failure, let, text, unify, unsupported
from infra.local.athena.rowwise import json_paths, numbers, texts
from infra.local.athena.sql.tokens import Position

_BITS = {"tinyint": 8, "smallint": 16, "integer": 32, "bigint": 64}


def _same(template: str) -> Coded:
    def call(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
        (value,) = arguments
        return Value(template.format(value.sql), value.type) if value.type.is_number else None

    return call


def _whole(function: str) -> Coded:
    """Return floor or ceiling; of a decimal, a decimal without a scale."""

    def call(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
        (value,) = arguments
        if value.type.is_integer:
            return value
        if value.type.is_floating:
            return Value(f"CAST({function}({value.sql}) AS {value.type.duckdb})", value.type)
        if value.type.name != "decimal":
            return None
        precision, scale = value.type.size
        kind = types.decimal(precision - scale + min(scale, 1), 0)
        return Value(f"CAST({function}({value.sql}) AS {kind.duckdb})", kind)

    return call


def _round(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
    """Round half away from zero."""
    value, *digits = arguments
    if not value.type.is_number or (digits and not types.coerces(digits[0].type, types.INTEGER)):
        return None
    if value.type.name == "decimal":
        return _round_decimal(context, value, digits)
    if not digits:
        # The rounding of -0.0 is 0.0, that of -0.1 is -0.0.
        sql = let([value.sql], lambda v: f"CASE WHEN {v} = 0 THEN 0 ELSE round({v}) END")
        return value if value.type.is_integer else Value(f"CAST({sql} AS {value.type.duckdb})", value.type)
    count = coerce(context, digits[0], types.INTEGER)
    if value.type.is_integer:
        bits = Value(str(_BITS[value.type.name]), types.INTEGER)
        return Value(context.call(numbers.round_integer, [value, count, bits], value.type), value.type)
    argument = Value(f"CAST({value.sql} AS DOUBLE)", types.DOUBLE)
    rounded = context.call(numbers.round_double, [argument, count], types.DOUBLE)
    return Value(f"CAST({rounded} AS {value.type.duckdb})", value.type)


def _round_decimal(context: Context, value: Value, digits: list[Value]) -> Value:
    precision, scale = value.type.size
    if digits:
        kind = types.decimal(min(types.MAX_PRECISION, precision + 1), scale)
        count = coerce(context, digits[0], types.INTEGER)
    else:
        kind = types.decimal(min(types.MAX_PRECISION, precision - scale + min(1, scale)), 0)
        count = Value("CAST(0 AS INTEGER)", types.INTEGER)
    size = [Value(str(number), types.INTEGER) for number in kind.size]
    if not digits:
        # The scale of the result is 0, that of the argument decides how it is rounded.
        return Value(f"CAST({value.sql} AS {kind.duckdb})", kind)
    return Value(context.call(numbers.round_decimal, [value, count, *size], kind), kind)


def _truncate(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
    value, *digits = arguments
    if value.type.is_integer:
        raise unsupported("does not truncate integers")
    if digits:
        if value.type.name != "decimal" or not types.coerces(digits[0].type, types.INTEGER):
            return None
        if digits[0].constant is None:
            raise unsupported("supports only a literal as the second argument of truncate")
        return Value(f"CAST(trunc({value.sql}, {digits[0].constant}) AS {value.type.duckdb})", value.type)
    if value.type.is_floating:
        return Value(f"CAST(trunc({value.sql}) AS {value.type.duckdb})", value.type)
    if value.type.name != "decimal":
        return None
    precision, scale = value.type.size
    kind = types.decimal(max(1, precision - scale), 0)
    return Value(f"CAST(trunc({value.sql}) AS {kind.duckdb})", kind)


def _sign(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
    (value,) = arguments
    if not value.type.is_number:
        return None
    kind = types.decimal(1, 0) if value.type.name == "decimal" else value.type
    sql = let(
        [value.sql], lambda v: f"CASE WHEN isnan({v}) OR {v} = 0 THEN {v} ELSE CAST(sign({v}) AS {kind.duckdb}) END"
    )
    plain = f"CAST(sign({value.sql}) AS {kind.duckdb})"
    return Value(sql if value.type.is_floating else plain, kind)


def _modulus(context: Context, arguments: list[Value], at: Position) -> Value | None:
    left, right = arguments
    if not (left.type.is_number and right.type.is_number):
        return None
    return operators.arithmetic(context, "%", left, right, at)


def _random(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
    """Return a whole number below a bound, or between two."""
    values = unify(context, arguments)
    if values is None or not values[0].type.is_integer:
        return None
    kind = values[0].type
    is_below = len(values) == 1
    start, stop = ("0", values[0].sql) if is_below else (values[0].sql, values[1].sql)
    message = "bound must be positive" if is_below else "start value must be less than stop value"
    failed = context.fail(f"'INVALID_FUNCTION_ARGUMENT: {message}'", kind)
    # Not in a lambda, so that each row has a number of its own.
    drawn = f"CAST({start} AS HUGEINT) + CAST(floor(random() * (CAST({stop} AS HUGEINT) - {start})) AS HUGEINT)"
    inside = f"CAST(least({drawn}, CAST({stop} AS HUGEINT) - 1) AS {kind.duckdb})"
    sql = f"CASE WHEN {start} < {stop} THEN {inside} WHEN {start} >= {stop} THEN {failed} END"
    return Value(f"CAST({sql} AS {kind.duckdb})", kind)


def _extreme(name: str, sign: str) -> Coded:
    """Return greatest or least: NULL if any argument is NULL; NaN only if all are."""

    def call(context: Context, arguments: list[Value], at: Position) -> Value | None:
        values = unify(context, arguments)
        if values is None or not types.is_orderable(values[0].type):
            return None
        if values[0].type.of or values[0].type.is_floating:
            found = values[0]
            for value in values[1:]:
                found = _larger(found, value, sign, at)
            return found
        if values[0].type.is_instant:
            raise unsupported(f"does not support {name} of timestamps with time zone")
        kind = values[0].type
        parts = [value.sql for value in values]
        return Value(let(parts, lambda *sql: _unless_null(sql, f"{name}({', '.join(sql)})")), kind)

    return call


def _unless_null(parts: tuple[str, ...], otherwise: str) -> str:
    return f"CASE WHEN {' AND '.join(f'{part} IS NOT NULL' for part in parts)} THEN {otherwise} END"


def _larger(a: Value, b: Value, sign: str, at: Position) -> Value:
    if a.type.of:
        raise failure("NOT_SUPPORTED", at, f"the local Athena does not compare values of {a.type.name}")
    sql = let(
        [a.sql, b.sql],
        lambda x, y: (
            f"CASE WHEN {x} IS NULL OR {y} IS NULL THEN NULL WHEN isnan({x}) THEN {y} "
            f"WHEN isnan({y}) OR {x} {sign} {y} THEN {x} ELSE {y} END"
        ),
    )
    return Value(sql, a.type)


def _concat(context: Context, arguments: list[Value], at: Position) -> Value | None:
    if len(arguments) < 2:
        raise failure("FUNCTION_NOT_FOUND", at, "There must be two or more concatenation arguments to concat")
    return operators.concat(context, arguments, at)


def _concat_ws(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
    separator, *parts = arguments
    if not types.coerces(separator.type, types.VARCHAR) or not parts:
        return None
    first = coerce(context, separator, types.VARCHAR)
    texts_type = types.array(types.VARCHAR)
    if len(parts) == 1 and types.coerces(parts[0].type, texts_type):
        null = Value("CAST(NULL AS VARCHAR)", types.VARCHAR)
        return Value(
            context.call(texts.join, [coerce(context, parts[0], texts_type), first, null], types.VARCHAR, SPECIAL),
            types.VARCHAR,
        )
    if not all(types.coerces(part.type, types.VARCHAR) for part in parts):
        return None
    listed = ", ".join(coerce(context, part, types.VARCHAR).sql for part in parts)
    return Value(f"concat_ws({first.sql}, {listed})", types.VARCHAR)


def _substring(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
    """Return a part of a text: empty where it starts at 0 or outside of it."""
    value, *numbers_ = arguments
    if not types.coerces(value.type, types.VARCHAR) or not all(types.coerces(n.type, types.BIGINT) for n in numbers_):
        return None
    parts = [value.sql, *(coerce(context, n, types.BIGINT).sql for n in numbers_)]

    def body(sql: str, start: str, length: str = "") -> str:
        is_outside = f"{start} NOT BETWEEN -length({sql}) AND length({sql})"
        is_empty = f"{start} = 0 OR {is_outside}" + (f" OR {length} <= 0" if length else "")
        arguments_ = ", ".join(filter(None, (sql, start, length and f"least({length}, length({sql}))")))
        nulls = " OR ".join(f"{part} IS NULL" for part in filter(None, (sql, start, length)))
        return f"CASE WHEN {nulls} THEN NULL WHEN {is_empty} THEN '' ELSE substring({arguments_}) END"

    return Value(let(parts, body), value.type if value.type.is_text else types.VARCHAR)


def _json_array_contains(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
    document, value = arguments
    if document.type.name not in {"json", "varchar", "unknown"}:
        return None
    for kind in (types.BOOLEAN, types.BIGINT, types.DOUBLE, types.VARCHAR):
        if types.coerces(value.type, kind):
            shown = Value(f"CAST({coerce(context, value, kind).sql} AS VARCHAR)", types.VARCHAR)
            parts = [Value(document.sql, types.VARCHAR), shown, text(kind.name)]
            call: Callable[..., object] = json_paths.array_contains
            return Value(context.call(call, parts, types.BOOLEAN, "maybe"), types.BOOLEAN)
    return None


def _typeof(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
    (value,) = arguments
    if value.type.contains("row"):
        raise unsupported("does not support typeof of rows")
    return text(str(value.type))


def _coalesce(context: Context, arguments: list[Value], at: Position) -> Value | None:
    values = unify(context, arguments)
    if values is None:
        shown = ", ".join(dict.fromkeys(str(value.type) for value in arguments))
        message = "All COALESCE operands must be the same type or coercible to a common type"
        raise failure("TYPE_MISMATCH", at, f"{message}. All types: [{shown}]")
    return Value(f"coalesce({', '.join(value.sql for value in values)})", values[0].type)


def _nullif(context: Context, arguments: list[Value], at: Position) -> Value | None:
    first, second = arguments
    equal = operators.compare(context, "=", first, second, at).sql
    return Value(f"CASE WHEN {equal} THEN NULL ELSE {first.sql} END", first.type)


def _if(context: Context, arguments: list[Value], at: Position) -> Value | None:
    condition, *results = arguments
    if not types.coerces(condition.type, types.BOOLEAN):
        raise failure("TYPE_MISMATCH", at, f"IF condition must evaluate to a boolean (actual: {condition.type})")
    values = unify(context, [*results, Value("NULL", types.UNKNOWN)][:2])
    if values is None:
        message = "Result types for IF must be the same"
        raise failure("TYPE_MISMATCH", at, f"{message}: {results[0].type} vs {results[1].type}")
    when = coerce(context, condition, types.BOOLEAN).sql
    return Value(f"CASE WHEN {when} THEN {values[0].sql} ELSE {values[1].sql} END", values[0].type)


def _try(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
    (value,) = arguments
    return Value(f"TRY({value.sql})", value.type)


_ANY = tuple(range(1, 128))
FUNCTIONS: dict[str, tuple[tuple[int, ...], Coded]] = {
    "abs": ((1,), _same("abs({})")),
    "floor": ((1,), _whole("floor")),
    "ceil": ((1,), _whole("ceil")),
    "ceiling": ((1,), _whole("ceil")),
    "round": ((1, 2), _round),
    "truncate": ((1, 2), _truncate),
    "rand": ((1, 2), _random),
    "random": ((1, 2), _random),
    "sign": ((1,), _sign),
    "mod": ((2,), _modulus),
    "greatest": (_ANY, _extreme("greatest", ">=")),
    "least": (_ANY, _extreme("least", "<=")),
    "concat": (_ANY, _concat),
    "concat_ws": (_ANY, _concat_ws),
    "substr": ((2, 3), _substring),
    "substring": ((2, 3), _substring),
    "json_array_contains": ((2,), _json_array_contains),
    "typeof": ((1,), _typeof),
    "coalesce": (_ANY[1:], _coalesce),
    "nullif": ((2,), _nullif),
    "if": ((2, 3), _if),
    "try": ((1,), _try),
}
