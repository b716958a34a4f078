"""Casts that a query writes out: which exist, and how Trino converts the values.

Sources: the classes DoubleOperators, RealOperators, BigintOperators, VarcharOperators, DecimalCasts, DateOperators,
BooleanOperators and JsonOperators of Trino, and its documentation's page "Conversion functions".
"""

from collections.abc import Callable

from infra.local.athena.analysis import text_casts, types
from infra.local.athena.analysis.json_casts import from_json, to_json
from infra.local.athena.analysis.moments import date_text, local_time, round_timestamp, timestamp_text
from infra.local.athena.analysis.text_casts import CastCall
from infra.local.athena.analysis.types import Type
from infra.local.athena.analysis.values import (
    MAYBE,
    Context,
    Value,
    coerce,
    instant,
    let,
    local_name,
    of_decimal,
    to_real,
    unsupported,
)
from infra.local.athena.errors import QueryFailure
from infra.local.athena.rowwise import numbers


def cast(context: Context, value: Value, target: Type, is_try: bool = False) -> Value | None:
    """Return the value as `target`, or None if Trino has no such cast; with `is_try`, NULL where the cast fails."""
    source = value.type
    if source in {target, types.UNKNOWN}:
        return coerce(context, value, target)
    if source.name == "char" and target.is_text:
        return Value(_padded(value, target), target)
    if target.name == "char" or source.name == "char":
        raise unsupported(f"does not support casts of {source} to {target}; cast char to varchar first")
    if source.of and target.of:
        return _cast_inside(context, value, target, is_try)
    if target.name == "json":
        return to_json(context, value)
    if source.name == "json":
        return from_json(context, value, target, is_try)
    if source.is_text and target.is_text:
        return Value(f"left({value.sql}, {target.size[0]})" if target.size else value.sql, target)
    if target.is_text:
        return _to_text(context, value, target, is_try)
    convert = _CASTS.get((_family(source), _family(target)))
    if convert is None and "time" in {source.name, target.name}:
        raise unsupported(f"does not cast {source} to {target}")
    return None if convert is None else Value(convert(CastCall(context, value, target, is_try)), target)


def _padded(value: Value, target: Type) -> str:
    """Write a char, which is stored without its blanks, as varchar (CharacterStringCasts.charToVarcharCast)."""
    length = value.type.size[0] if value.type.size else 1
    return f"rpad({value.sql}, {min([length, *target.size])}, ' ')"


def _family(kind: Type) -> str:
    if kind.is_integer:
        return "integer"
    return "floating" if kind.is_floating else kind.name


def _to_boolean(cast: CastCall) -> str:
    return f"({cast.sql} <> 0)"


def _boolean_to_number(cast: CastCall) -> str:
    if cast.target.name == "decimal" and cast.target.size[0] == cast.target.size[1]:
        raise unsupported(f"does not cast boolean to {cast.target}, which has no digit for a 1")
    return f"CAST({cast.sql} AS {cast.target.duckdb})"


def _integer_to_number(cast: CastCall) -> str:
    return _ranged(cast, lambda sql: sql)


def _floating_to_integer(cast: CastCall) -> str:
    # Trino rounds half away from zero; DuckDB's own cast rounds half to even.
    return _ranged(cast, lambda sql: f"round({sql})")


def _ranged(cast: CastCall, convert: Callable[[str], str]) -> str:
    """Convert to a type that may be too narrow."""
    duckdb = cast.target.duckdb
    if types.fits(cast.source, cast.target):
        return f"CAST({convert(cast.sql)} AS {duckdb})"

    def body(sql: str) -> str:
        shown = f"CAST({sql} AS VARCHAR)"
        code, message = "NUMERIC_VALUE_OUT_OF_RANGE", f"'Out of range for {cast.target.name}: ' || {shown}"
        if cast.target.name == "decimal":
            precision, scale = cast.target.size
            code = "INVALID_CAST_ARGUMENT"
            message = f"'Cannot cast {cast.source.name.upper()} ''' || {shown} || ''' to DECIMAL({precision}, {scale})'"
        if cast.source.name == "decimal" and cast.target.is_integer:
            code = "INVALID_CAST_ARGUMENT"
        if cast.source.is_floating and cast.target == types.BIGINT:
            code, message = "INVALID_CAST_ARGUMENT", f"'Unable to cast ' || {shown} || ' to bigint'"
        converted = f"coalesce(TRY_CAST({convert(sql)} AS {duckdb}), {cast.fail(message, code)})"
        if cast.source.is_floating:
            nan = cast.fail(f"'Cannot cast {cast.source} NaN to {cast.target}'")
            converted = f"CASE WHEN isnan({sql}) THEN {nan} ELSE {converted} END"
        return f"CASE WHEN {sql} IS NOT NULL THEN {converted} END"

    return let([cast.sql], body)


def _floating_to_decimal(cast: CastCall) -> str:
    # The digits that are printed are rounded half up: BigDecimal.valueOf.
    functions = {
        ("double", False): numbers.decimal_of_double,
        ("double", True): numbers.try_decimal_of_double,
        ("real", False): numbers.decimal_of_real,
        ("real", True): numbers.try_decimal_of_real,
    }
    function = functions[cast.source.name, cast.is_try]
    size = [Value(str(number), types.INTEGER) for number in cast.target.size]
    argument = Value(f"CAST({cast.sql} AS DOUBLE)", types.DOUBLE)
    return cast.context.call(function, [argument, *size], cast.target, nulls=MAYBE)


def _floating_to_floating(cast: CastCall) -> str:
    return let([cast.sql], to_real) if cast.target == types.REAL else f"CAST({cast.sql} AS DOUBLE)"


def _decimal_to_floating(cast: CastCall) -> str:
    return of_decimal(cast.sql, cast.source, cast.target)


def _plain(cast: CastCall) -> str:
    return f"CAST({cast.sql} AS {cast.target.duckdb})"


def _to_timestamp(cast: CastCall) -> str:
    return round_timestamp(f"CAST({cast.sql} AS TIMESTAMP)", cast.target.size[0], cast.source)


def _to_instant(cast: CastCall) -> str:
    return let(
        [round_timestamp(f"CAST({cast.sql} AS TIMESTAMP)", cast.target.size[0], cast.source)],
        instant,
    )


def _instant_to_instant(cast: CastCall) -> str:
    return let(
        [cast.sql],
        lambda sql: instant(round_timestamp(f"{sql}.u", cast.target.size[0], cast.source), f"{sql}.z"),
    )


def _from_instant(cast: CastCall) -> str:
    local = local_time(cast.sql)
    if cast.target.name == "timestamp":
        return round_timestamp(local, cast.target.size[0], cast.source)
    return f"CAST({local} AS {cast.target.duckdb})"


def _to_text(context: Context, value: Value, target: Type, is_try: bool) -> Value | None:
    source = value.type
    if source.of or source.name in {"varbinary"}:
        return None
    sql = text_of(context, value)
    if target.size:
        length = target.size[0]
        message = f"'INVALID_CAST_ARGUMENT: Value ' || %s || ' cannot be represented as varchar({length})'"
        sql = let(
            [sql],
            lambda s: (
                f"CASE WHEN length({s}) <= {length} THEN {s} WHEN {s} IS NOT NULL THEN "
                f"{'NULL' if is_try else context.fail(message % s, types.VARCHAR)} END"
            ),
        )
    return Value(sql, target)


def text_of(context: Context, value: Value) -> str:
    """Write the text of a scalar."""
    source, sql = value.type, value.sql
    if source.name == "decimal" and source.size[0] == source.size[1]:
        # DuckDB leaves out a zero that no digit of the precision stands for.
        return f"regexp_replace(CAST({sql} AS VARCHAR), '^(-?)\\.', '\\10.')"
    if source == types.DOUBLE:
        return context.call(numbers.text_of_double, [value], types.VARCHAR)
    if source == types.REAL:
        return context.call(numbers.text_of_real, [value], types.VARCHAR)
    if source == types.DATE:
        return date_text(sql)
    if source.name == "timestamp":
        return timestamp_text(sql, source.size[0])
    if source.is_instant:
        precision = source.size[0]
        return let([sql], lambda s: f"{timestamp_text(local_time(s), precision)} || ' ' || {s}.z")
    if source == types.DAY_INTERVAL:
        return context.call(numbers.text_of_day_interval, [value], types.VARCHAR)
    if source == types.YEAR_INTERVAL:
        return context.call(numbers.text_of_year_interval, [value], types.VARCHAR)
    if source.name == "time":
        digits = source.size[0]
        return f"left(strftime(DATE '1970-01-01' + {sql}, '%H:%M:%S.%f'), {9 + digits if digits else 8})"
    return f"CAST({sql} AS VARCHAR)"


def _cast_inside(context: Context, value: Value, target: Type, is_try: bool) -> Value | None:
    """Cast the elements of an array or a map, or the fields of a row."""
    source = value.type
    if source.name != target.name or len(source.of) != len(target.of):
        return None
    if is_try:
        inner = _cast_inside(context, value, target, is_try=False)
        return inner and Value(f"TRY({inner.sql})", target)
    if source.name == "array":
        name = local_name("e", value.sql, target.duckdb)
        item = cast(context, Value(name, source.of[0]), target.of[0])
        return item and Value(f"list_transform({value.sql}, lambda {name}: {item.sql})", target)
    if source.name == "map":
        name = local_name("e", value.sql, target.duckdb)
        key = cast(context, Value(f"{name}.key", source.of[0]), target.of[0])
        item = cast(context, Value(f"{name}.value", source.of[1]), target.of[1])
        if key is None or item is None:
            return None
        pair = f"struct_pack(k := {key.sql}, v := {item.sql})"
        return Value(f"map_from_entries(list_transform(map_entries({value.sql}), lambda {name}: {pair}))", target)
    name = local_name("v", value.sql, target.duckdb)
    fields = []
    for old, new, kind, wanted in zip(source.duck_names, target.duck_names, source.of, target.of, strict=True):
        item = cast(context, Value(f'{name}."{old}"', kind), wanted)
        if item is None:
            return None
        fields.append(f'"{new}" := {item.sql}')
    packed = f"CASE WHEN {name} IS NOT NULL THEN struct_pack({', '.join(fields)}) END"
    return Value(f"list_transform([{value.sql}], lambda {name}: {packed})[1]", target)


_CASTS: dict[tuple[str, str], Callable[[CastCall], str]] = {
    ("varchar", "boolean"): text_casts.text_to_boolean,
    ("varchar", "integer"): text_casts.text_to_number,
    ("varchar", "floating"): text_casts.text_to_floating,
    ("varchar", "decimal"): text_casts.text_to_decimal,
    ("varchar", "date"): text_casts.text_to_date,
    ("varchar", "timestamp"): text_casts.text_to_timestamp,
    ("varchar", "timestamp with time zone"): text_casts.text_to_instant,
    ("varchar", "varbinary"): text_casts.text_to_binary,
    ("boolean", "integer"): _boolean_to_number,
    ("boolean", "floating"): _boolean_to_number,
    ("boolean", "decimal"): _boolean_to_number,
    ("integer", "boolean"): _to_boolean,
    ("floating", "boolean"): _to_boolean,
    ("decimal", "boolean"): _to_boolean,
    ("integer", "integer"): _integer_to_number,
    ("integer", "decimal"): _integer_to_number,
    ("integer", "floating"): _plain,
    ("floating", "integer"): _floating_to_integer,
    ("floating", "decimal"): _floating_to_decimal,
    ("floating", "floating"): _floating_to_floating,
    ("decimal", "integer"): _integer_to_number,
    ("decimal", "decimal"): _integer_to_number,
    ("decimal", "floating"): _decimal_to_floating,
    ("date", "timestamp"): _to_timestamp,
    ("date", "timestamp with time zone"): _to_instant,
    ("timestamp", "date"): _plain,
    ("timestamp", "time"): _plain,
    ("timestamp", "timestamp"): _to_timestamp,
    ("timestamp", "timestamp with time zone"): _to_instant,
    ("timestamp with time zone", "date"): _from_instant,
    ("timestamp with time zone", "time"): _from_instant,
    ("timestamp with time zone", "timestamp"): _from_instant,
    ("timestamp with time zone", "timestamp with time zone"): _instant_to_instant,
}


def require_cast(context: Context, value: Value, target: Type, is_try: bool = False) -> Value:
    """Return the value as `target`. Raises QueryFailure if Trino has no such cast."""
    found = cast(context, value, target, is_try)
    if found is None:
        raise QueryFailure(f"TYPE_MISMATCH: Cannot cast {value.type} to {target}")
    return found


def instant_of(context: Context, value: Value) -> Value:
    """Return a date or timestamp as a timestamp with time zone, in the session's zone, UTC."""
    if value.type.is_instant:
        return value
    kind = Type("timestamp with time zone", value.type.size or (0,))
    return coerce(context, value, kind)
