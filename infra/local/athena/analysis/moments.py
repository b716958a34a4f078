"""Timestamps and dates in DuckDB's SQL: the local time of a zone, rounding, and their texts.

Sources: DateTimes of trinodb/trino, and the fields of Joda that its DateTimeFunctions uses (ZonedChronology);
rowwise/years.py for the text of a year.
"""

from collections.abc import Callable

from infra.local.athena.analysis.types import Type
from infra.local.athena.analysis.values import let


def local_time(sql: str) -> str:
    """Write the local timestamp of a timestamp with time zone."""

    def body(value: str) -> str:
        zone = f"{value}.z"
        return (
            f"CASE WHEN {zone} = 'UTC' THEN {value}.u WHEN {zone}[1] IN ('+', '-') "
            f"THEN {value}.u + to_minutes({_offset_minutes(zone)}) "
            f"ELSE timezone({zone}, timezone('UTC', {value}.u)) END"
        )

    return let([sql], body)


def in_utc(local: str, zone: str) -> str:
    """Write the timestamp in UTC of a local one: the first of two; an hour later if the zone's clocks skip it."""

    def body(moment: str) -> str:
        return (
            f"CASE WHEN {zone} = 'UTC' THEN {moment} WHEN {zone}[1] IN ('+', '-') THEN {moment} - "
            f"to_minutes({_offset_minutes(zone)}) ELSE {_first(moment, zone)} END"
        )

    return let([local], body)


def _offset_minutes(zone: str) -> str:
    """Write the minutes of a zone such as `+05:30`."""
    return f"CAST({zone}[1] || '1' AS INTEGER) * (CAST({zone}[2:3] AS INTEGER) * 60 + CAST({zone}[5:6] AS INTEGER))"


def _first(moment: str, zone: str) -> str:
    """Write the first instant of a local time; DuckDB finds the second. It has the offset of three hours before."""

    def local(utc: str) -> str:
        return f"timezone({zone}, timezone('UTC', {utc}))"

    def earlier(last: str) -> str:
        before = f"({last} - to_hours(3))"
        first = f"{moment} - ({local(before)} - {before})"
        return let([first], lambda found: f"CASE WHEN {local(found)} = {moment} THEN {found} ELSE {last} END")

    return let([f"timezone('UTC', timezone({zone}, {moment}))"], earlier)


def change_instant(sql: str, change: Callable[[str], str]) -> str:
    """Write a timestamp with time zone whose instant is changed."""
    return let(
        [sql],
        lambda v: f"CASE WHEN {v} IS NOT NULL THEN struct_pack(u := {change(f'{v}.u')}, z := {v}.z) END",
    )


def change_local(sql: str, change: Callable[[str], str], *, is_time: bool = False) -> str:
    """Write a timestamp with time zone whose local time is changed, with the same offset.

    Unless only its time of the day changes, it has the offset of the new day if the old one is none there.
    """

    def body(v: str, local: str, changed: str) -> str:
        kept = f"{v}.u + ({changed} - {local})"
        if is_time:
            return kept
        stored = f"struct_pack(u := {kept}, z := {v}.z)"
        return f"CASE WHEN {local_time(stored)} = {changed} THEN {kept} ELSE {in_utc(changed, f'{v}.z')} END"

    def packed(v: str) -> str:
        utc = let([local_time(v)], lambda local: let([change(local)], lambda changed: body(v, local, changed)))
        return f"CASE WHEN {v} IS NOT NULL THEN struct_pack(u := {utc}, z := {v}.z) END"

    return let([sql], packed)


def milliseconds(sql: str) -> str:
    """Write the whole milliseconds of a timestamp since 1970; DuckDB's epoch_ms rounds them."""
    return f"epoch_ms(date_trunc('millisecond', {sql}))"


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
