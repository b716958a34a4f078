"""Dates and timestamps of any year: DuckDB passes those that Python has not, before 1 and after 9999, as its own text.

Sources: SqlDate and DateTimes of trinodb/trino (the year in Java's pattern `uuuu`: `-0001`, `+10000`), and its
DateTimeUtils.printDate for a date that is cast to text (Joda's ISO format: `10000`).
"""

import datetime as dt
import re
from zoneinfo import ZoneInfo

from infra.local.athena.errors import Fault

_TEXT = re.compile(r"(\d+)-(\d\d-\d\d)( \(BC\))?(?: (\d\d:\d\d:\d\d(?:\.\d+)?))?")
_LAST = 9999
_REPEATED = 400
"""Years after which the calendar repeats, weekdays included."""


def split(value: dt.date | str) -> tuple[dt.datetime, int]:
    """Return a moment that Python has, and how many years the value is after it.

    It is in a year that has the same rules of time zones: after the last change, or before the first.
    """
    if isinstance(value, dt.datetime):
        return value, 0
    if isinstance(value, dt.date):
        return dt.datetime.combine(value, dt.time()), 0
    match = _TEXT.fullmatch(value)
    if match is None:
        raise Fault("NOT_SUPPORTED", f"the local Athena does not print the time {value}")
    year = 1 - int(match[1]) if match[3] else int(match[1])
    near = year % _REPEATED + _REPEATED * (6 if year > 0 else 1)
    return dt.datetime.fromisoformat(f"{near:04}-{match[2]} {match[4] or '00:00:00'}"), year - near


def known(value: dt.datetime | str) -> dt.datetime:
    """Return a timestamp. Raises Fault for a year that Python has not."""
    if isinstance(value, str):
        raise unsupported(value)
    return value


def require(year: int) -> None:
    """Raise Fault for a year that Python has not."""
    if not 1 <= year <= _LAST:
        raise unsupported(str(year))


def unsupported(value: str) -> Fault:
    """Return the failure of a function that knows the years of Python only."""
    return Fault("NOT_SUPPORTED", f"the local Athena supports only the years 1 to {_LAST} here, not {value}")


def year_text(year: int, plus: str = "+") -> str:
    """Print a year with at least four digits; `plus` precedes one of more."""
    return f"{plus if year > _LAST else ''}{year:0{4 if year >= 0 else 5}}"


def date_text(value: dt.date | str, plus: str = "+") -> str:
    """Print a date."""
    moment, years = split(value)
    return f"{year_text(moment.year + years, plus)}-{moment:%m-%d}"


def timestamp_text(value: dt.datetime | str, digits: int = 3) -> str:
    """Print a timestamp with a number of digits after the second."""
    return _shown(*split(value), digits)


def _shown(moment: dt.datetime, years: int, digits: int) -> str:
    rest = moment.replace(tzinfo=None).isoformat(" ", "microseconds")[4:]
    return year_text(moment.year + years) + rest[: 16 + digits if digits else 15]


def instant_text(value: dt.datetime | str, zone: str) -> str:
    """Print a timestamp in UTC as the local time of a zone, with milliseconds and the zone."""
    moment, years = split(value)
    moment = moment.replace(tzinfo=dt.UTC)
    if zone[0] in "+-":
        sign = -1 if zone[0] == "-" else 1
        moment += sign * dt.timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
    elif zone != "UTC":
        moment = moment.astimezone(ZoneInfo(zone))
    return f"{_shown(moment, years, 3)} {zone}"
