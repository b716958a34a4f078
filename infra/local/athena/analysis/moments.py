"""Timestamps and dates in DuckDB's SQL: the local time of a zone, rounding, and their texts.

Sources: DateTimes of trinodb/trino; rowwise/years.py for the text of a year.
"""

from infra.local.athena.analysis.types import Type
from infra.local.athena.analysis.values import let


def local_time(sql: str) -> str:
    """Write the local timestamp of a timestamp with time zone."""

    def body(value: str) -> str:
        minutes = (
            f"CAST({value}.z[1] || '1' AS INTEGER) * (CAST({value}.z[2:3] AS INTEGER) * 60 "
            f"+ CAST({value}.z[5:6] AS INTEGER))"
        )
        return (
            f"CASE WHEN {value}.z = 'UTC' THEN {value}.u WHEN {value}.z[1] IN ('+', '-') "
            f"THEN {value}.u + to_minutes({minutes}) ELSE timezone({value}.z, timezone('UTC', {value}.u)) END"
        )

    return let([sql], body)


def round_timestamp(sql: str, precision: int, source: Type | None = None) -> str:
    """Write a timestamp rounded half up to a number of digits, unless its source has no more."""
    digits = 0 if source is not None and source.name == "date" else (source.size or (6,))[0] if source else 6
    if digits <= precision:
        return sql
    unit = 10 ** (6 - precision)
    return let(
        [f"(epoch_us({sql}) + {unit // 2})"],
        lambda moved: f"make_timestamp({moved} - ({moved} % {unit} + {unit}) % {unit})",
    )


def timestamp_text(sql: str, precision: int, separator: str = " ") -> str:
    """Write the text of a timestamp with this number of digits."""
    length = 16 + precision if precision else 15
    return _with_year(sql, f"-%m-%d{separator}%H:%M:%S.%f", length, "+")


def date_text(sql: str) -> str:
    """Write the text of a date."""
    return _with_year(sql, "-%m-%d", 6, "")


def _with_year(sql: str, rest: str, length: int, plus: str) -> str:
    """Write a year as rowwise/years.py prints it, and the first characters of the rest."""

    def body(value: str) -> str:
        number = f"year({value})"
        digits = f"printf('%04d', abs({number}))"
        sign = f"CASE WHEN {number} < 0 THEN '-' WHEN {number} > 9999 THEN '{plus}' ELSE '' END"
        return f"{sign} || {digits} || left(strftime({value}, '{rest}'), {length})"

    return let([sql], body)
