"""Dates and times that texts state, in MySQL's and Joda's formats.

Sources: DateTimeFunctions of Trino; "Date and time functions" (Trino documentation): the specifiers of date_format and
date_parse. DuckDB passes and takes a timestamp without its zone, as a naive datetime.
"""

import datetime as dt
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from infra.local.athena.errors import Fault, QueryFailure, fault_of
from infra.local.athena.rowwise import years
from infra.local.athena.rowwise.texts import INVALID_ARGUMENT
from infra.local.athena.rowwise.zones import in_zone

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_NOT_SUPPORTED = "DUuVwX"
_PIVOT_START = 1970
_DEFAULT_YEAR = 2000
# Joda letters of a pattern, as the parts below name them. A quote that nothing closes ends with the pattern.
_JODA = re.compile(r"('')|'((?:[^']|'')*)(?:'|$)|([A-Za-z])\3*|[^A-Za-z']+")

# A field takes as many digits as it can, and gives none back, as Joda's formatters do.
_TWO_DIGITS = r"(?P<{}>\d{{1,2}}+)"
_NAMES = "|".join(f"{n}|{n.lower()}|{n.upper()}" for n in (*_MONTHS, *(month[:3] for month in _MONTHS)))
_PARSERS = {
    "Y": r"(?P<year>[+-]?\d{1,4}+)",
    "y": r"(?P<short>\d\d)",
    **dict.fromkeys("mc", _TWO_DIGITS.format("month")),
    **dict.fromkeys("de", _TWO_DIGITS.format("day")),
    **dict.fromkeys("Hk", _TWO_DIGITS.format("hour")),
    **dict.fromkeys("hIl", _TWO_DIGITS.format("half")),
    "i": _TWO_DIGITS.format("minute"),
    **dict.fromkeys("sS", _TWO_DIGITS.format("second")),
    "f": r"(?P<fraction>\d{1,9}+)",
    "p": r"(?P<noon>AM|PM|am|pm)",
    "j": r"(?P<ordinal>\d{1,3}+)",
    **dict.fromkeys("Mb", f"(?P<name>(?>{_NAMES}))"),
    "%": "%",
}
_GROUP = re.compile(r"\?P<(\w+)>")
_CONFLICTS = ({"hour", "half"}, {"day", "ordinal"}, {"month", "name"})
"""Fields of a format of which one overrides the other; by rules of Joda that are not answered here."""
_JODA_TO_MYSQL = {"y": "Y", "Y": "Y", "M": "m", "d": "d", "H": "H", "h": "h", "m": "i", "s": "s", "S": "f", "a": "p"}
_JODA_NUMBERS = "cCxyYdhHmsSeDFwWkK"


def _specifiers(template: str) -> list[tuple[str, bool]]:
    """Split a MySQL format into characters and specifiers."""
    parts: list[tuple[str, bool]] = []
    position = 0
    while position < len(template):
        char = template[position]
        if char == "%":
            position += 1
            letter = template[position : position + 1]
            if not letter:
                break
            if letter in _NOT_SUPPORTED:
                raise QueryFailure(f"INVALID_FUNCTION_ARGUMENT: %{letter} not supported in date format string")
            parts.extend(
                [(c, c not in ": ") for c in {"T": "H:i:s", "r": "h:i:s p"}[letter]]
                if letter in "Tr"
                else [(letter, True)]
            )
        else:
            parts.append((char, False))
        position += 1
    return parts


def check_format(template: str) -> None:
    """Raise QueryFailure for a specifier that Trino rejects, and for a format without any character."""
    if not _specifiers(template):
        raise QueryFailure("INVALID_FUNCTION_ARGUMENT: Both printing and parsing not supported")


def check_parser(name: str, pattern: str) -> None:
    """Raise QueryFailure for a format that date_parse or parse_datetime cannot read here."""
    try:
        (_parser if name == "date_parse" else _joda_parser)(pattern)
    except Fault as error:
        raise QueryFailure(fault_of(str(error))) from None


def date_format(value: dt.datetime | str, template: str) -> str:
    """Print a time in MySQL's format."""
    moment = years.known(value)
    return "".join(_print(letter, moment) if is_specifier else letter for letter, is_specifier in _specifiers(template))


def _print(letter: str, moment: dt.datetime) -> str:
    printers: dict[str, Callable[[], str]] = {
        "a": lambda: _DAYS[moment.weekday()][:3],
        "b": lambda: _MONTHS[moment.month - 1][:3],
        "c": lambda: str(moment.month),
        "d": lambda: f"{moment.day:02}",
        "e": lambda: str(moment.day),
        "f": lambda: f"{moment.microsecond:06}",
        "H": lambda: f"{moment.hour:02}",
        "h": lambda: f"{(moment.hour + 11) % 12 + 1:02}",
        "I": lambda: f"{(moment.hour + 11) % 12 + 1:02}",
        "i": lambda: f"{moment.minute:02}",
        "j": lambda: f"{moment.timetuple().tm_yday:03}",
        "k": lambda: str(moment.hour),
        "l": lambda: str((moment.hour + 11) % 12 + 1),
        "M": lambda: _MONTHS[moment.month - 1],
        "m": lambda: f"{moment.month:02}",
        "p": lambda: "AM" if moment.hour < 12 else "PM",
        "S": lambda: f"{moment.second:02}",
        "s": lambda: f"{moment.second:02}",
        "v": lambda: f"{moment.isocalendar()[1]:02}",
        "W": lambda: _DAYS[moment.weekday()],
        "x": lambda: f"{moment.isocalendar()[0]:04}",
        "Y": lambda: f"{moment.year:04}",
        "y": lambda: f"{moment.year % 100:02}",
    }
    return printers[letter]() if letter in printers else letter


@lru_cache(maxsize=256)
def _parser(template: str) -> re.Pattern[str]:
    parts = []
    for letter, is_specifier in _specifiers(template):
        pattern = _PARSERS.get(letter, letter if letter not in "aWvx" else None) if is_specifier else re.escape(letter)
        if pattern is None:
            raise Fault("NOT_SUPPORTED", f"the local Athena cannot parse %{letter}")
        parts.append(pattern)
    return _compiled("".join(parts), template)


def _compiled(pattern: str, written: str) -> re.Pattern[str]:
    names = _GROUP.findall(pattern)
    if len(names) > len(set(names)) or any(pair <= set(names) for pair in _CONFLICTS):
        raise Fault("NOT_SUPPORTED", f"the local Athena cannot parse a format that has a field twice: {written}")
    return re.compile(pattern, re.ASCII)


def date_parse(text: str, template: str) -> dt.datetime:
    """Read a time in MySQL's format."""
    moment = _parse(_parser(template), text)
    if moment is None:
        raise Fault(INVALID_ARGUMENT, f'Invalid format: "{text}"')
    return moment


def _parse(pattern: re.Pattern[str], text: str) -> dt.datetime | None:
    match = pattern.fullmatch(text)
    if match is None:
        return None
    found = {name: value for name, value in match.groupdict().items() if value is not None}
    has_date = found.keys() & {"month", "day", "name", "ordinal"}
    year = int(found.get("year", _DEFAULT_YEAR if has_date else 1970))
    if [field for field in found if field in {"year", "short"}][-1:] == ["short"]:
        # Of both, the last one counts.
        year = _PIVOT_START + (int(found["short"]) - _PIVOT_START) % 100
    month = int(found.get("month", 1))
    if "name" in found:
        month = [name[:3].lower() for name in _MONTHS].index(found["name"][:3].lower()) + 1
    years.require(year)
    hour = int(found.get("hour", 0))
    if "half" in found:
        if not 1 <= int(found["half"]) <= 12:
            return None
        hour = int(found["half"]) % 12 + (12 if found.get("noon", "AM").upper() == "PM" else 0)
    microsecond = int(found.get("fraction", "0").ljust(6, "0")[:3]) * 1000
    try:
        moment = dt.datetime(  # noqa: DTZ001 - a timestamp has no zone
            year,
            month,
            int(found.get("day", 1)),
            hour,
            int(found.get("minute", 0)),
            int(found.get("second", 0)),
            microsecond,
        )
        if "ordinal" in found:
            days = int(found["ordinal"])
            last = 366 if (dt.date(year, 12, 31) - dt.date(year, 1, 1)).days == 365 else 365
            return moment.replace(month=1, day=1) + dt.timedelta(days - 1) if 1 <= days <= last else None
    except ValueError:
        return None
    return moment


def joda_parts(pattern: str) -> list[tuple[str, str]]:
    """Split a Joda pattern into (letter, its run) and ("", text). Raises QueryFailure for what is not supported."""
    if not pattern:
        raise QueryFailure("INVALID_FUNCTION_ARGUMENT: Invalid pattern specification")
    parts = []
    for match in _JODA.finditer(pattern):
        if match[1] is not None:
            parts.append(("", "'"))
        elif match[2] is not None:
            parts.append(("", match[2].replace("''", "'")))
        elif match[3] is not None:
            if match[3] not in "yYMdHhKkmsSaEDewxZz":
                raise QueryFailure(f"NOT_SUPPORTED: the local Athena does not support {match[3]} in date patterns")
            parts.append((match[3], match[0]))
        else:
            parts.append(("", match[0]))
    return parts


def format_datetime(value: dt.datetime | str, pattern: str) -> str:
    """Print a time in UTC by a Joda pattern."""
    moment = years.known(value)
    return "".join(run if not letter else _print_joda(letter, len(run), moment) for letter, run in joda_parts(pattern))


def _print_joda(letter: str, width: int, moment: dt.datetime) -> str:
    year, week, day = moment.isocalendar()
    if letter in "yYx":
        value = year if letter == "x" else moment.year
        return f"{value % 100:02}" if width == 2 else f"{value:0{width}}"
    if letter == "M" and width >= 3:
        return _MONTHS[moment.month - 1][: 3 if width == 3 else None]
    if letter == "E":
        return _DAYS[day - 1][: 3 if width <= 3 else None]
    if letter == "a":
        return "AM" if moment.hour < 12 else "PM"
    if letter == "S":
        return f"{moment.microsecond:06}".ljust(width, "0")[:width]
    numbers = {
        "M": moment.month,
        "d": moment.day,
        "H": moment.hour,
        "h": (moment.hour + 11) % 12 + 1,
        "K": moment.hour % 12,
        "k": (moment.hour + 23) % 24 + 1,
        "m": moment.minute,
        "s": moment.second,
        "D": moment.timetuple().tm_yday,
        "e": day,
        "w": week,
    }
    return f"{numbers[letter]:0{width}}"


@lru_cache(maxsize=256)
def _joda_parser(pattern: str) -> re.Pattern[str]:
    parts = []
    tokens = joda_parts(pattern)
    for (letter, run), (following, next_run) in zip(tokens, [*tokens[1:], ("", "")], strict=True):
        width = len(run)
        if not letter:
            parts.append(re.escape(run))
        elif letter == "Z" and width <= 2:
            parts.append(r"(?P<zone>Z|[+-]\d\d:?\d\d)")
        elif letter == "M" and width >= 3:
            parts.append(_PARSERS["M"])
        elif letter in "yY" and width != 2:
            is_number = (bool(following) and following in _JODA_NUMBERS) or (following == "M" and len(next_run) <= 2)
            sign = "[+-]?" if letter == "y" else ""
            parts.append(rf"(?P<year>{sign}\d{{1,{width if is_number else 9}}}+)")
        elif letter == "S" and width <= 9:
            parts.append(rf"(?P<fraction>\d{{1,{width}}}+)")
        elif letter in _JODA_TO_MYSQL and width <= 2 and letter not in "yY":
            parts.append(_PARSERS[_JODA_TO_MYSQL[letter]])
        else:
            raise Fault("NOT_SUPPORTED", f"the local Athena cannot parse {run} in a date pattern")
    return _compiled("".join(parts), pattern)


def parse_datetime(text: str, pattern: str) -> dict[str, Any]:
    """Read a time by a Joda pattern."""
    parser = _joda_parser(pattern)
    moment = _parse(parser, text)
    if moment is None:
        raise Fault(INVALID_ARGUMENT, f'Invalid format: "{text}"')
    match = parser.fullmatch(text)
    zone = match["zone"] if match is not None and "zone" in parser.groupindex else "UTC"
    return in_zone(moment, zone if zone in {"Z", "UTC"} or ":" in zone else f"{zone[:3]}:{zone[3:]}")
