"""Time zones by the names that Trino takes, and texts that are cast to a timestamp with time zone.

Sources: TimeZoneKey of trino-spi (names, offsets), DateTimes and VarcharToTimestampWithTimeZoneCast of Trino.
"""

import datetime as dt
import re
from contextlib import suppress
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from infra.local.athena.errors import Fault
from infra.local.athena.rowwise import years

_TIME = r"(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,18}))?)?"
_INSTANT = re.compile(rf"\s*([+-]?\d{{4,9}})-(\d{{1,2}})-(\d{{1,2}})(?: (?:{_TIME})?\s*(.+?)?)?\s*", re.ASCII)
_UTC_NAMES = """
Z UTC GMT UT UCT GMT0 Zulu Greenwich Universal Etc/UTC Etc/GMT Etc/UT Etc/UCT Etc/Universal Etc/GMT0
"""
_UTC = frozenset(_UTC_NAMES.split())
_WITHOUT_SLASH = """
CET CST6CDT Cuba EET EST5EDT Egypt Eire GB GB-Eire Hongkong Iceland Iran Israel Jamaica Japan Kwajalein Libya MET
MST7MDT NZ NZ-CHAT Navajo PRC PST8PDT Poland Portugal ROK Singapore Turkey W-SU WET
"""
_SHORT_NAMES = frozenset(_WITHOUT_SLASH.split())
"""Those of Java: the zones of tzdata without a slash, except EST, HST, MST and ROC."""
_LONG_NAME = re.compile(r"[A-Z][\w+-]*(/[A-Z][\w+-]*)+", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d|\d\d|\d\d:?\d\d)", re.ASCII)
_LEGACY_OFFSET = re.compile(r"(Etc/GMT|Etc/UTC|Etc/UT|GMT|UTC|UT)([+-])(\d{1,2})(?::(\d{1,2}))?", re.ASCII)
MOST_MINUTES = 14 * 60


def zone_name(zone: str) -> str:
    """Return the name of a zone as Trino prints it: UTC, an offset, or the name itself. Raises Fault for no zone."""
    minutes = _minutes(zone)
    if minutes is not None:
        sign = "-" if minutes < 0 else "+"
        return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}" if minutes else "UTC"
    if _LONG_NAME.fullmatch(zone) or zone in _SHORT_NAMES:
        with suppress(ZoneInfoNotFoundError, ValueError, OSError):
            return ZoneInfo(zone).key
    raise Fault("INVALID_CAST_ARGUMENT", f"'{zone}' is not a valid time zone")


def _minutes(zone: str) -> int | None:
    """Return the offset from UTC that a zone is named by."""
    if zone in _UTC:
        return 0
    legacy, offset = _LEGACY_OFFSET.fullmatch(zone), _OFFSET.fullmatch(zone)
    if legacy is not None:
        hours, rest = int(legacy[3]), int(legacy[4] or 0)
        # Etc/GMT+5 is five hours behind UTC.
        is_west = (legacy[2] == "-") != (legacy[1] == "Etc/GMT")
    elif offset is not None:
        digits = offset[2].replace(":", "")
        hours, rest = int(digits[:2]), int(digits[2:] or 0)
        is_west = offset[1] == "-"
    else:
        return None
    if rest >= 60 or hours * 60 + rest > MOST_MINUTES:
        return None
    return (hours * 60 + rest) * (-1 if is_west else 1)


def zone_offset(zone: str, local: dt.datetime) -> tuple[dt.timedelta, str]:
    """Return the offset of a zone at a local time, and the zone's name. Raises Fault for a time that the zone skips."""
    name = zone_name(zone)
    minutes = _minutes(name)
    if minutes is not None:
        return dt.timedelta(minutes=minutes), name
    place = ZoneInfo(name)
    offset = local.replace(tzinfo=place).utcoffset() or dt.timedelta()
    try:
        found = (local - offset).replace(tzinfo=dt.UTC).astimezone(place)
    except OverflowError:
        raise years.unsupported(f"{local} {zone}") from None
    if found.replace(tzinfo=None) != local:
        raise Fault("INVALID_CAST_ARGUMENT", f"{local} does not exist in {zone}: its clocks were set forward")
    return offset, name


def in_zone(moment: dt.datetime, zone: str) -> dict[str, Any]:
    """Return the timestamp with time zone of a local time."""
    offset, name = zone_offset(zone, moment)
    try:
        return {"u": moment - offset, "z": name}
    except OverflowError:
        raise years.unsupported(f"{moment} {zone}") from None


def instant(text: str, precision: int) -> dict[str, Any]:
    """Cast a text to a timestamp with time zone; without a zone it is UTC, the session's."""
    found = try_instant(text, precision)
    if found is None:
        raise Fault("INVALID_CAST_ARGUMENT", f"Value cannot be cast to timestamp with time zone: {text}")
    return found


def try_instant(text: str, precision: int) -> dict[str, Any] | None:
    """Cast a text to a timestamp with time zone; None if it is not one. Raises Fault for a year that Python has not."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    years.require(int(year))
    try:
        local = dt.datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))  # noqa: DTZ001 - its zone follows
        offset, name = zone_offset(zone or "UTC", local)
    except (ValueError, Fault):
        return None
    digits = fraction or "0"
    unit = 10 ** max(len(digits) - precision, 0)
    rounded = (int(digits) + unit // 2) // unit * 10 ** (6 - min(len(digits), precision))
    try:
        return {"u": local - offset + dt.timedelta(microseconds=rounded), "z": name}
    except OverflowError:
        raise years.unsupported(text) from None
