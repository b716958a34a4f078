"""Java's Formatter over values that are texts already.

Sources: FormatFunction of Trino, java.util.Formatter.
"""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal

_ITEM = re.compile(r"%(\d+\$)?([-#+ 0,(<]*)(\d+)?(\.\d+)?([a-zA-Z%])")
_FLAGS = {"s": "-", "b": "-", "d": "-+ 0,(", "x": "-0#", "o": "-0#", "f": "-+ 0,(#", "e": "-+ 0(#", "%": "-", "n": ""}
CONVERSIONS = frozenset("sSbBdoxXfeE%n")
OTHERS = frozenset("hHcCgGaAtT")
"""Conversions that Formatter has and the local Athena lacks."""


class InvalidFormat(ValueError):
    """Formatter rejects the template; the message names its exception."""


@dataclass(frozen=True)
class FormatItem:
    """A conversion: its argument (-1: that of the item before), flags, width, digits and letter."""

    argument: int | None
    flags: str
    width: int | None
    precision: int | None
    kind: str


def parse(template: str) -> tuple[str | FormatItem, ...]:
    """Split a template into texts and items whose arguments are counted. Raises InvalidFormat."""
    parts: list[str | FormatItem] = []
    position, following, last = 0, 0, None
    for match in _ITEM.finditer(template):
        parts.append(template[position : match.start()])
        position = match.end()
        index, flags, width, precision, kind = match.groups()
        argument: int | None = None
        if kind not in "%n":
            if "<" in flags:
                argument = last
            elif index:
                argument = int(index[:-1]) - 1
            else:
                argument, following = following, following + 1
            if argument is None or argument < 0:
                raise InvalidFormat("MissingFormatArgument" if argument is None else "IllegalFormatArgumentIndex")
            last = argument
        number = int(precision[1:]) if precision else None
        item = FormatItem(argument, flags.replace("<", ""), int(width) if width else None, number, kind)
        _check(item)
        parts.append(item)
    parts.append(template[position:])
    if any("%" in part for part in parts if isinstance(part, str)):
        raise InvalidFormat("UnknownFormatConversion")
    return tuple(parts)


def _check(item: FormatItem) -> None:
    """Raise InvalidFormat for flags, a width or a precision that the conversion does not take."""
    kind, flags = item.kind.lower() if item.kind in "SBXE" else item.kind, item.flags
    if kind in OTHERS:
        return
    if kind not in _FLAGS:
        raise InvalidFormat("UnknownFormatConversion")
    if len(set(flags)) != len(flags):
        raise InvalidFormat("DuplicateFormatFlags")
    if not set(flags) <= set(_FLAGS[kind]):
        raise InvalidFormat("FormatFlagsConversionMismatch")
    if set(flags) >= {"-", "0"} or set(flags) >= {"+", " "}:
        raise InvalidFormat("IllegalFormatFlags")
    if item.width is None and set(flags) & {"-", "0"}:
        raise InvalidFormat("MissingFormatWidth")
    if item.precision is not None and kind in "doxn%":
        raise InvalidFormat("IllegalFormatPrecision")
    if item.width is not None and kind == "n":
        raise InvalidFormat("IllegalFormatWidth")


def format_text(items: list[str | None], template: str) -> str:
    """Fill a checked template with texts: numbers as digits, others as `%s` prints them."""
    return "".join(part if isinstance(part, str) else _fill(part, items) for part in parse(template))


def _fill(item: FormatItem, items: list[str | None]) -> str:
    value = None if item.argument is None else items[item.argument]
    kind, width = item.kind, item.width or 0
    if kind == "n":
        return "\n"
    if kind == "%":
        shown = "%"
    elif kind in "bB":
        shown = (value or "false")[: item.precision]
    elif kind in "sS" or value is None:
        shown = ("null" if value is None else value)[: item.precision]
    elif kind in "xXo":
        shown = _unsigned(int(value), item)
    else:
        shown = _signed(value, item)
    shown = shown.upper() if kind in "SBXE" else shown
    return shown.ljust(width) if "-" in item.flags else shown.rjust(width)


def _unsigned(value: int, item: FormatItem) -> str:
    """Write the 64 bits of a number."""
    is_octal = item.kind == "o"
    shown = format(value % 2**64, "o" if is_octal else "x")
    prefix = "" if "#" not in item.flags else "0" if is_octal else "0x"
    return prefix + (shown.rjust((item.width or 0) - len(prefix), "0") if "0" in item.flags else shown)


def _signed(value: str, item: FormatItem) -> str:
    if value == "NaN":
        return value
    is_negative = value.startswith("-")
    digits = value.removeprefix("-")
    before = "-" if is_negative else "+" if "+" in item.flags else " " if " " in item.flags else ""
    after = ""
    if is_negative and "(" in item.flags:
        before, after = "(", ")"
    if digits != "Infinity":
        digits = _digits(Decimal(digits), item)
        if "," in item.flags:
            whole, dot, rest = digits.partition(".")
            digits = f"{int(whole):,}{dot}{rest}"
        if "0" in item.flags:
            digits = digits.rjust((item.width or 0) - len(before + after), "0")
    return before + digits + after


def _digits(value: Decimal, item: FormatItem) -> str:
    """Write a number that is not negative; digits beyond the precision are rounded half up."""
    if item.kind == "d":
        return format(value, "f")
    places = 6 if item.precision is None else item.precision
    dot = "." if not places and "#" in item.flags else ""
    if item.kind == "f":
        return format(_rounded(value, places), "f") + dot
    exponent = value.adjusted() if value else 0
    mantissa = _rounded(value.scaleb(-exponent), places)
    if mantissa >= 10:
        exponent, mantissa = exponent + 1, _rounded(mantissa / 10, places)
    return f"{mantissa:f}{dot}e{exponent:+03}"


def _rounded(value: Decimal, places: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), context=Context(prec=1000, rounding=ROUND_HALF_UP))


def java_decimal(text: str) -> str:
    """Write a decimal as BigDecimal.toString does: `1E-7` from seven places on."""
    return str(Decimal(text))
