"""Literals and their types.

Sources: "Data types" (Trino documentation), Decimals.parse, ParseTimestamp and IntervalLiteral of Trino: a decimal has
as many digits as are written, without leading zeros; a timestamp as many as its fraction.
"""

import datetime as dt
import re

from infra.local.athena.analysis import types
from infra.local.athena.analysis.casts import require_cast
from infra.local.athena.analysis.types import Type
from infra.local.athena.analysis.values import Context, Value, failure, text, unsupported
from infra.local.athena.errors import Fault, QueryFailure, fault_of
from infra.local.athena.literals import literal
from infra.local.athena.rowwise import json_texts
from infra.local.athena.rowwise.zones import MOST_MINUTES, try_instant, zone_name
from infra.local.athena.sql import nodes
from infra.local.athena.sql.tokens import BINARY, DECIMAL, DOUBLE, INTEGER, STRING, Position

_TIMESTAMP = re.compile(
    r"\s*(\d{4,6})-(\d{1,2})-(\d{1,2})(?: (\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d+))?)?)?(\s*[^\d\s].*)?\s*",
    re.ASCII,
)
_DATE = re.compile(r"\s*(\d{1,6})-(\d{1,2})-(\d{1,2})\s*", re.ASCII)
_SIGNED = re.compile(r"\s*[+-]\d")
_SIGNED_YEARS = "does not support literals whose year has a sign"
_DECIMAL = re.compile(r"([+-]?)0*(\d*)(?:\.(\d*))?", re.ASCII)
_MILLISECONDS = {"DAY": 86_400_000, "HOUR": 3_600_000, "MINUTE": 60_000, "SECOND": 1000}
_UNITS = ("DAY", "HOUR", "MINUTE", "SECOND")
_MAX_INTEGER, _MAX_BIGINT = 2**31, 2**63


def of_literal(node: nodes.Literal) -> Value:
    """Return a literal without a type's name."""
    if node.kind == INTEGER:
        return integer(node)
    if node.kind == DECIMAL:
        return _decimal(node.text, node.at)
    if node.kind == DOUBLE:
        return Value(f"CAST({literal(node.text)} AS DOUBLE)", types.DOUBLE, node.text)
    if node.kind == STRING:
        return text(node.text)
    if node.kind == BINARY:
        return Value(f"unhex({literal(node.text)})", types.VARBINARY)
    if node.kind == "boolean":
        return Value(node.text, types.BOOLEAN)
    return Value("NULL", types.UNKNOWN)


def integer(node: nodes.Literal) -> Value:
    """Return an integer, or a bigint if it is larger."""
    value = int(node.text)
    if -_MAX_INTEGER <= value < _MAX_INTEGER:
        return Value(f"CAST({value} AS INTEGER)", types.INTEGER, str(value))
    if -_MAX_BIGINT <= value < _MAX_BIGINT:
        return Value(f"CAST({value} AS BIGINT)", types.BIGINT, str(value))
    raise failure("INVALID_LITERAL", node.at, f"Invalid numeric literal: {node.text}")


def _decimal(written: str, at: Position) -> Value:
    match = _DECIMAL.fullmatch(written.strip())
    if match is None or not (match[2] or match[3] or "0" in written):
        raise failure("INVALID_LITERAL", at, f"'{written}' is not a valid DECIMAL literal")
    whole, fraction = match[2], match[3] or ""
    precision = max(1, len(whole) + len(fraction))
    if precision > types.MAX_PRECISION:
        raise failure("INVALID_LITERAL", at, f"'{written}' is not a valid DECIMAL literal")
    kind = types.decimal(precision, len(fraction))
    return Value(f"CAST('{match[1]}{whole or '0'}.{fraction or '0'}' AS {kind.duckdb})", kind, written)


def of_typed(context: Context, node: nodes.TypedLiteral) -> Value:
    """Return a literal with the name of its type."""
    name, written = node.type.name, node.text
    invalid = failure("INVALID_LITERAL", node.at, f"'{written}' is not a valid {name.upper()} literal")
    if name == "date":
        return Value(f"DATE '{_date(written, invalid)}'", types.DATE, written)
    if name == "timestamp":
        return _timestamp(written, invalid)
    if name == "decimal":
        return _decimal(written, node.at)
    if name in {"time", "interval"}:
        raise unsupported(f"does not support {name.upper()} literals")
    kind = types.of_name(node.type)
    if kind.name == "char":
        raise unsupported("does not support CHAR literals")
    if kind.name == "json":
        return _json(context, written)
    value = text(written)
    return require_cast(context, value, kind)


def _json(context: Context, written: str) -> Value:
    try:
        return Value(literal(json_texts.parse(written)), types.JSON)
    except Fault:
        # It fails where it is evaluated, so TRY answers NULL.
        return Value(context.call(json_texts.parse, [text(written)], types.VARCHAR), types.JSON)


def _date(written: str, invalid: QueryFailure) -> str:
    match = _DATE.fullmatch(written)
    if match is None:
        raise unsupported(_SIGNED_YEARS) if _SIGNED.match(written) else invalid
    return _day(int(match[1]), int(match[2]), int(match[3]), invalid)


def _day(year: int, month: int, day: int, invalid: QueryFailure) -> str:
    """Write a day of any year: the calendar repeats every 400 years."""
    try:
        return f"{year:04}-{dt.date(2000 + year % 400, month, day):%m-%d}"
    except ValueError:
        raise invalid from None


def _timestamp(written: str, invalid: QueryFailure) -> Value:
    match = _TIMESTAMP.fullmatch(written)
    if match is None:
        raise unsupported(_SIGNED_YEARS) if _SIGNED.match(written) else invalid
    precision = len(match[7] or "")
    if precision > 6:
        raise unsupported("does not support timestamps with more than 6 digits")
    if not match[8]:
        try:
            time = dt.time(int(match[4] or 0), int(match[5] or 0), int(match[6] or 0)).isoformat()
        except ValueError:
            raise invalid from None
        day = _day(int(match[1]), int(match[2]), int(match[3]), invalid)
        return Value(f"TIMESTAMP '{day} {time}.{match[7] or '0'}'", Type("timestamp", (precision,)), written)
    try:
        found = try_instant(written, precision)
    except Fault as error:
        raise QueryFailure(fault_of(str(error))) from error
    if found is None:
        raise invalid
    sql = f"struct_pack(u := TIMESTAMP '{found['u']}', z := {literal(found['z'])})"
    return Value(sql, Type("timestamp with time zone", (precision,)))


def of_interval(node: nodes.IntervalLiteral) -> Value:
    """Return an interval."""
    sign = -1 if node.is_negative else 1
    invalid = failure("INVALID_LITERAL", node.at, f"'{node.text}' is not a valid INTERVAL literal")
    if node.start in {"YEAR", "MONTH"}:
        months = sign * _months(node, invalid)
        if abs(months) >= _MAX_INTEGER:
            raise invalid
        return Value(f"CAST({months} AS INTEGER)", types.YEAR_INTERVAL, str(months))
    milliseconds = sign * _milliseconds(node, invalid)
    if abs(milliseconds) >= _MAX_BIGINT:
        raise invalid
    return Value(f"CAST({milliseconds} AS BIGINT)", types.DAY_INTERVAL, str(milliseconds))


def _months(node: nodes.IntervalLiteral, invalid: QueryFailure) -> int:
    written = node.text.strip()
    if (node.start, node.end) == ("MONTH", "YEAR"):
        raise invalid
    # The smaller unit may be left out.
    if re.fullmatch(r"-?\d+", written, re.ASCII):
        return int(written) * (12 if node.start == "YEAR" else 1)
    match = re.fullmatch(r"(-?)(\d+)-(\d+)", written, re.ASCII)
    if match is None or (node.start, node.end) != ("YEAR", "MONTH"):
        raise invalid
    return (-1 if match[1] else 1) * (int(match[2]) * 12 + int(match[3]))


def _milliseconds(node: nodes.IntervalLiteral, invalid: QueryFailure) -> int:
    units = (
        _UNITS[_UNITS.index(node.start) : _UNITS.index(node.end or node.start) + 1]
        if node.end in {None, *_UNITS}
        else ()
    )
    if not units:
        raise invalid
    match = re.fullmatch(r"\s*(-?)([\d: ]+?)(?:\.(\d{1,3}))?\s*", node.text, re.ASCII)
    parts = re.split(r"[: ]", match[2]) if match is not None else []
    # The smaller units may be left out.
    if match is None or len(parts) > len(units) or (match[3] and units[len(parts) - 1] != "SECOND"):
        raise invalid
    separators = "".join(char for char in match[2] if not char.isdecimal())
    expected = " ::" if units[0] == "DAY" else "::"
    if not all(part.isdecimal() for part in parts) or not expected.startswith(separators):
        raise invalid
    total = sum(int(part) * _MILLISECONDS[unit] for part, unit in zip(parts, units, strict=False))
    total += int((match[3] or "").ljust(3, "0"))
    return -total if match[1] else total


def zone_of(value: Value, at: Position) -> str:
    """Return the zone that a literal names. Raises QueryFailure if it is none."""
    if value.type == types.DAY_INTERVAL and value.constant is not None:
        minutes, rest = divmod(int(value.constant), 60_000)
        if rest or abs(minutes) > MOST_MINUTES:
            raise failure("INVALID_FUNCTION_ARGUMENT", at, f"Invalid offset minutes {minutes}")
        return "UTC" if not minutes else f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    if value.constant is None or not value.type.is_text:
        raise unsupported("supports only literal time zones")
    try:
        return zone_name(value.constant)
    except Fault as error:
        raise failure("INVALID_ARGUMENTS", at, f"Time zone not supported: {value.constant}") from error


def now(node: nodes.Now, moment: dt.datetime) -> Value:
    """Return CURRENT_DATE and the like; the session's zone is UTC, Athena's."""
    if node.name == "CURRENT_DATE":
        return Value(f"DATE '{moment.date()}'", types.DATE)
    if node.name in {"CURRENT_TIME", "LOCALTIME"}:
        raise unsupported(f"does not support {node.name}")
    precision = 3 if node.precision is None else node.precision
    if precision > 6:
        raise unsupported("does not support timestamps with more than 6 digits")
    shown = moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=None)
    if node.name == "LOCALTIMESTAMP":
        return Value(f"TIMESTAMP '{shown}'", Type("timestamp", (precision,)))
    return Value(f"struct_pack(u := TIMESTAMP '{shown}', z := 'UTC')", Type("timestamp with time zone", (precision,)))
