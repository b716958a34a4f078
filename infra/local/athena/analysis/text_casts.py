"""Casts of texts that a query writes out, and what every cast has: its value, its target and its failure.

Sources: the classes VarcharOperators, DecimalCasts, DateOperators and VarcharToTimestampCast of Trino.
"""

from collections.abc import Callable

from infra.local.athena.analysis import types
from infra.local.athena.analysis.moments import round_timestamp
from infra.local.athena.analysis.types import Type
from infra.local.athena.analysis.values import MAYBE, Context, Value, let
from infra.local.athena.rowwise import zones

_DECIMAL_TEXT = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
_DOUBLE_TEXT = rf"[\x00-\x20]*([+-]?(NaN|Infinity)|{_DECIMAL_TEXT}[fFdD]?)[\x00-\x20]*"
_HEXADECIMAL = r"[\x00-\x20]*[+-]?0[xX].*"
"""What Java's parser of doubles reads with a binary exponent: `0x1p3`."""

_DATE_TEXT = r"\s*[0-9]{1,6}-[0-9]{1,2}-[0-9]{1,2}\s*"
_TIME_TEXT = r"([01]?[0-9]|2[0-3]):[0-9]{1,2}(:[0-9]{1,2}(\.[0-9]{1,18})?)?"
_TIMESTAMP_TEXT = rf"\s*[0-9]{{4,6}}-[0-9]{{1,2}}-[0-9]{{1,2}}( {_TIME_TEXT})?\s*"
_SIGNED_YEAR = r"\s*([+-][0-9]{4,}|[0-9]{7,})-[0-9]{1,2}-[0-9]{1,2}.*"
_JAVA_NAMES = {"integer": "INT"}


class CastCall:
    """One cast: the value, its target, and what happens where it fails."""

    def __init__(self, context: Context, value: Value, target: Type, is_try: bool) -> None:
        self.context, self.value, self.target, self.is_try = context, value, target, is_try
        self.sql, self.source = value.sql, value.type

    def fail(self, message: str, code: str = "INVALID_CAST_ARGUMENT") -> str:
        """Write what a failed cast is: NULL, or an error with this message (SQL)."""
        return "NULL" if self.is_try else self.context.fail(f"'{code}: ' || {message}", self.target)

    def checked(
        self, pattern: str, convert: Callable[[str], str], message: Callable[[str], str], refused: str = ""
    ) -> str:
        """Convert a text that matches the pattern; fail for any other, also in TRY_CAST for the pattern `refused`."""

        def body(sql: str) -> str:
            converted = f"coalesce({convert(sql)}, {self.fail(message(sql))})"
            unread = f"'NOT_SUPPORTED: the local Athena does not read ' || {sql} || ' as {self.target}'"
            refusal = self.context.fail(unread, self.target)
            return (
                f"CASE WHEN {sql} IS NULL THEN NULL WHEN regexp_full_match({sql}, '{pattern}') THEN {converted} "
                + (f"WHEN regexp_full_match({sql}, '{refused}') THEN {refusal} " if refused else "")
                + f"ELSE {self.fail(message(sql))} END"
            )

        return let([self.sql], body)


def text_to_number(cast: CastCall) -> str:
    """Read an integer."""
    name = _JAVA_NAMES.get(cast.target.name, cast.target.name.upper())
    duckdb = cast.target.duckdb
    return cast.checked(
        "[+-]?[0-9]+",
        lambda sql: f"TRY_CAST({sql} AS {duckdb})",
        lambda sql: f"'Cannot cast ''' || {sql} || ''' to {name}'",
    )


def text_to_floating(cast: CastCall) -> str:
    """Read a double or a real, as Java's parsers do."""
    name, duckdb = cast.target.name.upper(), cast.target.duckdb
    return cast.checked(
        _DOUBLE_TEXT,
        lambda sql: f"TRY_CAST(regexp_replace({sql}, '([0-9.])[fFdD]\\s*$', '\\1') AS {duckdb})",
        lambda sql: f"'Cannot cast ''' || {sql} || ''' to {name}'",
        _HEXADECIMAL,
    )


def text_to_decimal(cast: CastCall) -> str:
    """Read a decimal."""
    precision, scale = cast.target.size
    return cast.checked(
        _DECIMAL_TEXT,
        lambda sql: f"TRY_CAST({sql} AS {cast.target.duckdb})",
        lambda sql: f"'Cannot cast VARCHAR ''' || {sql} || ''' to DECIMAL({precision}, {scale})'",
    )


def text_to_boolean(cast: CastCall) -> str:
    """Read a boolean."""

    def body(sql: str) -> str:
        message = f"'Cannot cast ''' || {sql} || ''' to BOOLEAN'"
        return (
            f"CASE WHEN {sql} IS NULL THEN NULL WHEN lower({sql}) IN ('t', 'true', '1') THEN true "
            f"WHEN lower({sql}) IN ('f', 'false', '0') THEN false ELSE {cast.fail(message)} END"
        )

    return let([cast.sql], body)


def text_to_date(cast: CastCall) -> str:
    """Read a date."""
    return cast.checked(
        _DATE_TEXT,
        lambda sql: f"TRY_CAST(trim({sql}) AS DATE)",
        lambda sql: f"'Value cannot be cast to date: ' || {sql}",
        _SIGNED_YEAR,
    )


def text_to_timestamp(cast: CastCall) -> str:
    """Read a timestamp, with a fraction of any length."""
    return cast.checked(
        _TIMESTAMP_TEXT,
        lambda sql: round_timestamp(_parsed_timestamp(sql), cast.target.size[0]),
        lambda sql: f"'Value cannot be cast to timestamp: ' || {sql}",
        _SIGNED_YEAR,
    )


def _parsed_timestamp(sql: str) -> str:
    """Parse a timestamp whose hours, minutes and seconds may have one digit or be missing; the 7th digit rounds it."""
    cut = f"regexp_replace(trim({sql}), '(\\.[0-9]{{6}})[0-9]+$', '\\1')"
    up = f"to_microseconds(CAST(regexp_matches({sql}, '\\.[0-9]{{6}}[5-9]') AS INTEGER))"
    padded = f"regexp_replace({cut}, '([ :])([0-9])(:|\\.|$)', '\\10\\2\\3', 'g')"
    padded = f"regexp_replace({padded}, '([ :])([0-9])(:|\\.|$)', '\\10\\2\\3', 'g')"
    return f"(TRY_CAST(regexp_replace({padded}, '^([^ ]+ [0-9]+:[0-9]+)$', '\\1:00') AS TIMESTAMP) + {up})"


def text_to_instant(cast: CastCall) -> str:
    """Read a timestamp with time zone."""
    function = zones.try_instant if cast.is_try else zones.instant
    precision = Value(str(cast.target.size[0]), types.INTEGER)
    return cast.context.call(function, [cast.value, precision], cast.target, nulls=MAYBE)


def text_to_binary(cast: CastCall) -> str:
    """Encode a text."""
    return f"encode({cast.sql})"
