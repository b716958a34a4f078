"""Dates and times that texts state in ISO 8601's formats.

Sources: DateTimeFunctions of Trino, and the parsers of Joda's ISODateTimeFormat that it uses.
"""

import datetime as dt
import re
from typing import Any

from infra.local.athena.errors import Fault
from infra.local.athena.rowwise import years
from infra.local.athena.rowwise.texts import INVALID_ARGUMENT
from infra.local.athena.rowwise.zones import in_zone

_ISO_DATE = re.compile(r"([+-]?\d{4,9})(?:-(\d{1,2})(?:-(\d{1,2}))?|-W(\d{1,2})(?:-(\d))?|-(\d{3}))?", re.ASCII)
_ISO_TIME = re.compile(
    r"(?:(\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:[.,](\d{1,9}))?)?)?)?(Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII
)
_PART_OF_HOUR = re.compile(r"\d{1,2}(:\d{1,2})?[.,]\d+(Z|[+-].*)?", re.ASCII)


def from_iso8601(text: str) -> dict[str, Any]:
    """Read a timestamp in ISO 8601's format; without a date it is 1970's first day, without a zone in UTC."""
    date, has_time, time = text.partition("T")
    day = from_iso8601_date(date) if date or not has_time else dt.date(1970, 1, 1)
    if _PART_OF_HOUR.fullmatch(time):
        raise Fault("NOT_SUPPORTED", f"the local Athena does not read fractions of hours and minutes: {text}")
    match = _ISO_TIME.fullmatch(time)
    if match is None or not (date or match[1]):
        raise Fault(INVALID_ARGUMENT, f'Invalid format: "{text}"')
    hour, minute, second, fraction, zone = match.groups()
    try:
        at = dt.time(
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "0").ljust(3, "0")[:3]) * 1000,
        )
    except ValueError as error:
        raise Fault(INVALID_ARGUMENT, f'Cannot parse "{text}": {error}') from error
    if zone and zone != "Z":
        zone = f"{zone[:3]}:{zone[3:].lstrip(':') or '00'}"
    return in_zone(dt.datetime.combine(day, at), zone or "UTC")


def from_iso8601_date(text: str) -> dt.date:
    """Read a date in ISO 8601's format: of a month, a week or a year, whose first day it may leave out."""
    match = _ISO_DATE.fullmatch(text)
    if match is None:
        raise Fault(INVALID_ARGUMENT, f'Invalid format: "{text}"')
    year, month, day, week, weekday, ordinal = (int(part) if part else None for part in match.groups())
    years.require(year or 0)
    try:
        if week is not None:
            return dt.date.fromisocalendar(year or 0, week, weekday or 1)
        if ordinal is None:
            return dt.date(year or 0, 1 if month is None else month, 1 if day is None else day)
        if 1 <= ordinal <= dt.date(year or 0, 12, 31).timetuple().tm_yday:
            return dt.date(year or 0, 1, 1) + dt.timedelta(ordinal - 1)
    except ValueError:
        pass
    raise Fault(INVALID_ARGUMENT, f'Invalid format: "{text}"')
