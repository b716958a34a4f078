"""Functions of dates and timestamps whose types depend on their arguments.

Sources: "Date and time functions and operators" (Trino documentation), DateTimeFunctions and the package
io.trino.operator.scalar.timestamp of Trino.
"""

from collections.abc import Callable

from infra.local.athena.analysis import literals, types
from infra.local.athena.analysis.casts import cast, instant_of
from infra.local.athena.analysis.moments import (
    change_instant,
    change_local,
    date_text,
    in_utc,
    local_time,
    milliseconds,
    round_timestamp,
    timestamp_text,
)
from infra.local.athena.analysis.values import Context, Value, coerce, failure, instant, let, unify, unsupported
from infra.local.athena.errors import QueryFailure
from infra.local.athena.literals import literal
from infra.local.athena.rowwise import times as rowwise
from infra.local.athena.sql.tokens import Position

Coded = Callable[[Context, list[Value], Position], Value | None]
_DATE_UNITS = ("day", "week", "month", "quarter", "year")
_TIME_UNITS = ("millisecond", "second", "minute", "hour")
_MILLISECONDS = {
    "millisecond": 1,
    "second": 1000,
    "minute": 60_000,
    "hour": 3_600_000,
    "day": 86_400_000,
    "week": 604_800_000,
}
_MOST_MILLIS = 2**51
"""Of a timestamp with time zone, which shares 64 bits with its zone (DateTimeEncoding of trino-spi)."""
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_PARTS = {
    "year": "year",
    "quarter": "quarter",
    "month": "month",
    "week": "week",
    "week_of_year": "week",
    "day": "day",
    "day_of_month": "day",
    "day_of_week": "isodow",
    "dow": "isodow",
    "day_of_year": "dayofyear",
    "doy": "dayofyear",
    "year_of_week": "isoyear",
    "yow": "isoyear",
    "hour": "hour",
    "minute": "minute",
    "second": "second",
}
_OF_TIMES = {"hour", "minute", "second", "millisecond"}
_MOMENTS = {"date", "timestamp", "timestamp with time zone"}


_DAY_PARTS = {
    "day": (86_400_000, 2**63),
    "day_of_month": (86_400_000, 2**63),
    "hour": (3_600_000, 24),
    "minute": (60_000, 60),
    "second": (1000, 60),
    "millisecond": (1, 1000),
}
_YEAR_PARTS = {"year": (12, 2**31), "month": (1, 12)}
"""Of an interval, in milliseconds or months: the unit, and how many of them the next one has."""


def part(name: str) -> Coded:
    """Return the function of one part of a date, a timestamp or an interval."""

    def call(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
        (value,) = arguments
        for kind, parts in ((types.DAY_INTERVAL, _DAY_PARTS), (types.YEAR_INTERVAL, _YEAR_PARTS)):
            if value.type == kind and name in parts:
                unit, most = parts[name]
                return Value(f"CAST({value.sql} // {unit} % {most} AS BIGINT)", types.BIGINT)
        if value.type.name not in _MOMENTS or (name in _OF_TIMES and value.type == types.DATE):
            return None
        local = local_time(value.sql) if value.type.is_instant else value.sql
        if name == "millisecond":
            return Value(f"({milliseconds(local)} % 1000 + 1000) % 1000", types.BIGINT)
        return Value(f"CAST(date_part('{_PARTS[name]}', {local}) AS BIGINT)", types.BIGINT)

    return call


def _unit(value: Value, kind: types.Type, at: Position) -> str:
    if value.constant is None or not value.type.is_text:
        raise unsupported("supports only a literal as the unit of a date function")
    unit = value.constant.lower()
    if unit not in _DATE_UNITS and (kind == types.DATE or unit not in _TIME_UNITS):
        shown = "DATE" if kind == types.DATE else "Timestamp"
        raise failure("INVALID_FUNCTION_ARGUMENT", at, f"'{value.constant}' is not a valid {shown} field")
    return unit


def date_trunc(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
    """Truncate; a date stays a date."""
    unit_value, value = arguments
    if value.type.name not in _MOMENTS:
        return None
    unit = _unit(unit_value, value.type, at)

    def truncate(sql: str) -> str:
        return f"CAST(date_trunc('{unit}', {sql}) AS {'DATE' if value.type == types.DATE else 'TIMESTAMP'})"

    if value.type.is_instant:
        return Value(change_local(value.sql, truncate, is_time=unit in _TIME_UNITS), value.type)
    return Value(truncate(value.sql), value.type)


def date_add(context: Context, arguments: list[Value], at: Position) -> Value | None:
    """Add a number of units."""
    unit_value, amount, value = arguments
    if value.type.name not in _MOMENTS or not types.coerces(amount.type, types.BIGINT):
        return None
    unit = _unit(unit_value, value.type, at)
    count = _count(context, amount)

    def add(sql: str) -> str:
        if unit in _MONTHS:
            step = f"to_months(CAST({count} * {_MONTHS[unit]} AS INTEGER))"
        else:
            step = f"to_microseconds({count} * {_MILLISECONDS[unit] * 1000})"
        shifted = f"({sql} + {step})"
        if value.type == types.DATE:
            return f"CAST({shifted} AS DATE)"
        precision = value.type.size[0]
        return round_timestamp(shifted, precision, types.TIMESTAMP) if unit == "millisecond" else shifted

    if value.type.is_instant:
        return Value((change_instant if unit in _TIME_UNITS else change_local)(value.sql, add), value.type)
    return Value(add(value.sql), value.type)


def _count(context: Context, amount: Value) -> str:
    """Write a number of units, which has 32 bits in Joda."""
    count = coerce(context, amount, types.BIGINT).sql
    if amount.type != types.BIGINT:
        return count
    failed = context.fail("'INVALID_FUNCTION_ARGUMENT: integer overflow'", types.BIGINT)
    return let(
        [count], lambda v: f"CASE WHEN {v} BETWEEN -2147483648 AND 2147483647 OR {v} IS NULL THEN {v} ELSE {failed} END"
    )


def date_diff(context: Context, arguments: list[Value], at: Position) -> Value | None:
    """Count the whole units between two times."""
    unit_value, *moments = arguments
    if any(value.type.name not in _MOMENTS for value in moments):
        return None
    both = unify(context, moments)
    if both is None:
        return None
    unit = _unit(unit_value, both[0].type, at)
    one, other = (value.sql for value in both)
    if both[0].type.is_instant:
        # Both in the zone of the first; with more than milliseconds, in UTC.
        is_utc = unit in _OF_TIMES or both[0].type.size[0] > types.INSTANT.size[0]
        stored = [one, f"struct_pack(u := CAST(({other}).u AS TIMESTAMP), z := CAST(({one}).z AS VARCHAR))"]
        one, other = (f"({sql}).u" if is_utc else local_time(sql) for sql in stored)
    first, second = (f"date_trunc('millisecond', CAST({sql} AS TIMESTAMP))" for sql in (one, other))
    if unit in _MONTHS:
        return Value(f"date_sub('{unit}', {first}, {second})", types.BIGINT)
    return Value(f"((epoch_ms({second}) - epoch_ms({first})) // {_MILLISECONDS[unit]})", types.BIGINT)


def of_date(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
    """Return a date: `date(x)`."""
    return cast(context, arguments[0], types.DATE) if len(arguments) == 1 else None


def last_day_of_month(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
    """Return the last day of the month of a time in its zone."""
    (value,) = arguments
    if value.type.name not in _MOMENTS:
        return None
    return Value(f"last_day({local_time(value.sql) if value.type.is_instant else value.sql})", types.DATE)


def from_unixtime(context: Context, arguments: list[Value], at: Position) -> Value | None:
    """Return the time of a number of seconds since 1970, in UTC or in a zone."""
    seconds, *zone = arguments
    if not types.coerces(seconds.type, types.DOUBLE) or len(zone) > 1:
        return None
    value = coerce(context, seconds, types.DOUBLE).sql
    failed = context.fail("'GENERIC_INTERNAL_ERROR: Millis overflow'", types.TIMESTAMP)

    def body(milliseconds: str) -> str:
        is_inside = f"{milliseconds} >= {-_MOST_MILLIS} AND {milliseconds} < {_MOST_MILLIS}"
        moment = f"make_timestamp(CAST({milliseconds} AS BIGINT) * 1000)"
        return f"CASE WHEN {is_inside} THEN {moment} WHEN {milliseconds} IS NOT NULL THEN {failed} END"

    # Math.round of Java.
    moment = let([f"floor({value} * 1000 + 0.5)"], body)
    name = literals.zone_of(zone[0], at) if zone else "UTC"
    return Value(let([moment], lambda m: instant(m, literal(name))), types.INSTANT)


def at_timezone(context: Context, arguments: list[Value], at: Position) -> Value | None:
    """Return a time in another zone."""
    value, zone_value = arguments
    if value.type == types.DATE:
        raise unsupported("does not take a date in at_timezone; cast it to timestamp")
    if value.type.name not in {"timestamp", "timestamp with time zone"}:
        return None
    zone = literal(literals.zone_of(zone_value, at))
    moment = instant_of(context, value)
    sql = let([moment.sql], lambda v: f"CASE WHEN {v} IS NOT NULL THEN struct_pack(u := {v}.u, z := {zone}) END")
    return Value(sql, moment.type)


def with_timezone(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
    """Return a local time in its zone."""
    value, zone_value = arguments
    if value.type == types.DATE:
        raise unsupported("does not take a date in with_timezone; cast it to timestamp")
    if value.type.name != "timestamp":
        return None
    zone = literals.zone_of(zone_value, at)
    kind = types.Type("timestamp with time zone", value.type.size)
    shown = literal(zone)
    sql = let([value.sql], lambda v: instant(in_utc(v, shown), shown))
    return Value(sql, kind)


def to_iso8601(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
    """Print a time in ISO 8601's format."""
    (value,) = arguments
    kind = value.type
    if kind == types.DATE:
        return Value(date_text(value.sql), types.Type("varchar", (16,)))
    if kind.name not in _MOMENTS:
        return None

    def shown(sql: str) -> str:
        return timestamp_text(sql, kind.size[0], "T")

    if kind.name == "timestamp":
        return Value(shown(value.sql), types.Type("varchar", (23 + kind.size[0],)))

    def body(sql: str) -> str:
        local = local_time(sql)
        minutes = f"((epoch_ms({local}) - epoch_ms({sql}.u)) // 60000)"
        offset = (
            f"CASE WHEN {sql}.z = 'UTC' THEN 'Z' ELSE CASE WHEN {minutes} < 0 THEN '-' ELSE '+' END || "
            f"printf('%02d:%02d', abs({minutes}) // 60, abs({minutes}) % 60) END"
        )
        return f"{shown(local)} || {offset}"

    return Value(let([value.sql], body), types.Type("varchar", (29 + kind.size[0],)))


def zone_part(divisor: int) -> Coded:
    """Return the function of the hours or minutes of a zone's offset."""

    def call(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
        if arguments[0].type.name not in _MOMENTS:
            return None
        value = instant_of(context, arguments[0])

        def body(sql: str) -> str:
            minutes = f"((epoch_ms({local_time(sql)}) - epoch_ms({sql}.u)) // 60000)"
            return f"{minutes} // 60" if divisor == 60 else f"{minutes} % 60"

        return Value(let([value.sql], body), types.BIGINT)

    return call


def checked_format(name: str, arguments: list[Value]) -> None:
    """Raise QueryFailure for a pattern that Trino rejects or the local Athena cannot use."""
    pattern = arguments[-1]
    if pattern.constant is None:
        raise unsupported(f"supports only a literal as the pattern of {name}")
    if name in {"date_format", "date_parse"}:
        rowwise.check_format(pattern.constant)
        if name == "date_parse":
            rowwise.check_parser(name, pattern.constant)
        return
    letters = {letter for letter, _ in rowwise.joda_parts(pattern.constant)}
    if letters & {"Z", "z"} and name == "format_datetime":
        if not arguments[0].type.is_instant:
            message = "cannot use 'Z' nor 'z' in format, as this type does not contain TZ information"
            raise QueryFailure(f"INVALID_FUNCTION_ARGUMENT: format_datetime for TIMESTAMP type, {message}")
        raise unsupported("does not print time zones with format_datetime; use to_iso8601")
    if name == "parse_datetime":
        rowwise.check_parser(name, pattern.constant)


def printed(value: Value) -> Value:
    """Return the timestamp that a function prints: a local time, rounded to milliseconds."""
    if value.type.name not in _MOMENTS or value.type == types.DATE:
        return value
    local = local_time(value.sql) if value.type.is_instant else value.sql
    precision = min(value.type.size[0], types.TIMESTAMP.size[0])
    return Value(round_timestamp(local, precision, value.type), types.Type("timestamp", (precision,)))


FUNCTIONS: dict[str, tuple[tuple[int, ...], Coded]] = {
    **{name: ((1,), part(name)) for name in (*_PARTS, "millisecond")},
    "date_trunc": ((2,), date_trunc),
    "date_add": ((3,), date_add),
    "date_diff": ((3,), date_diff),
    "date": ((1,), of_date),
    "from_unixtime": ((1, 2), from_unixtime),
    "last_day_of_month": ((1,), last_day_of_month),
    "at_timezone": ((2,), at_timezone),
    "with_timezone": ((2,), with_timezone),
    "to_iso8601": ((1,), to_iso8601),
    "timezone_hour": ((1,), zone_part(60)),
    "timezone_minute": ((1,), zone_part(1)),
}
