"""Texts as Trino splits, compares and formats them, and times that texts state.

Sources: StringFunctions, FormatFunction, VarcharToTimestampWithTimeZoneCast of Trino; "String functions" and
"Conversion functions" (Trino documentation); java.util.Formatter.
"""

import re
import unicodedata
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

from infra.local.athena.errors import Fault
from infra.local.athena.rowwise.numbers import java_double

INVALID_ARGUMENT = "INVALID_FUNCTION_ARGUMENT"
FORMAT_ITEM = re.compile(r"%(\d+\$)?([-#+ 0,(]*)(\d+)?(\.\d+)?([a-zA-Z%])")


def upper(text: str) -> str:
    """Return the upper case of each code point, where it is one code point (Character.toUpperCase)."""
    return "".join(c if len(c.upper()) > 1 else c.upper() for c in text) if not text.isascii() else text.upper()


def lower(text: str) -> str:
    """Return the lower case of each code point (Character.toLowerCase)."""
    return "".join(map(str.lower, text.replace("\u0130", "i")))


def reverse(text: str) -> str:
    """Reverse the code points."""
    return text[::-1]


def split(text: str, delimiter: str, limit: int) -> list[str]:
    """Split at a delimiter into `limit` parts at most."""
    if not delimiter:
        raise Fault(INVALID_ARGUMENT, "The delimiter may not be the empty string")
    if limit <= 0:
        raise Fault(INVALID_ARGUMENT, "Limit must be positive")
    return text.split(delimiter, limit - 1)


def split_part(text: str, delimiter: str, index: int) -> str | None:
    """Return one part of a text; NULL beyond the last one."""
    if index <= 0:
        raise Fault(INVALID_ARGUMENT, "Index must be greater than zero")
    if not delimiter:
        return text[index - 1] if index <= len(text) else None
    parts = text.split(delimiter)
    return parts[index - 1] if index <= len(parts) else None


def split_to_map(text: str, entry_delimiter: str, key_delimiter: str) -> dict[str, str]:
    """Split a text into a map."""
    if not entry_delimiter or not key_delimiter or entry_delimiter == key_delimiter:
        raise Fault(INVALID_ARGUMENT, "entryDelimiter and keyValueDelimiter must be different and not empty")
    found: dict[str, str] = {}
    for entry in filter(None, text.split(entry_delimiter)):
        parts = entry.split(key_delimiter)
        if len(parts) != 2:
            raise Fault(
                INVALID_ARGUMENT, f"Key-value delimiter must appear exactly once in each entry. Bad input: '{entry}'"
            )
        if parts[0] in found:
            raise Fault(INVALID_ARGUMENT, f"Duplicate keys ({parts[0]}) are not allowed")
        found[parts[0]] = parts[1]
    return found


def position(text: str, part: str, instance: int) -> int:
    """Return the position of an occurrence, from the end if it is negative; 0 if there is none."""
    if instance == 0:
        raise Fault(INVALID_ARGUMENT, "'instance' must be a positive or negative number.")
    if not part:
        return 1
    found = [match.start() + 1 for match in re.finditer(f"(?={re.escape(part)})", text, re.DOTALL)]
    if abs(instance) > len(found):
        return 0
    return found[instance - 1] if instance > 0 else found[instance]


def replace(text: str, search: str, replacement: str) -> str:
    """Replace a text; an empty one is found around every character."""
    return text.replace(search, replacement)


def _padding(text: str, size: int, padding: str) -> str:
    """Return the characters that bring a text to a size."""
    if not 0 <= size < 2**31:
        raise Fault(INVALID_ARGUMENT, f"Target length must be in the range [0..{2**31 - 1}]")
    if not padding:
        raise Fault(INVALID_ARGUMENT, "Padding string must not be empty")
    missing = max(0, size - len(text))
    return (padding * (missing // len(padding) + 1))[:missing]


def left_pad(text: str, size: int, padding: str) -> str:
    """Pad or cut a text on the left."""
    return _padding(text, size, padding) + text[:size]


def right_pad(text: str, size: int, padding: str) -> str:
    """Pad or cut a text on the right."""
    return text[:size] + _padding(text, size, padding)


def translate(text: str, source: str, target: str) -> str:
    """Replace single characters."""
    table: dict[int, str | None] = {}
    for i, char in enumerate(source):
        table.setdefault(ord(char), target[i] if i < len(target) else None)
    return text.translate(table)


def levenshtein(a: str, b: str) -> int:
    """Return the edit distance of two texts."""
    previous = list(range(len(b) + 1))
    for i, char in enumerate(a, 1):
        current = [i]
        for j, other in enumerate(b, 1):
            current.append(min(previous[j] + 1, current[-1] + 1, previous[j - 1] + (char != other)))
        previous = current
    return previous[-1]


def hamming(a: str, b: str) -> int:
    """Return the number of places where two texts of one length differ."""
    if len(a) != len(b):
        raise Fault(INVALID_ARGUMENT, "The input strings to hamming_distance function must have the same length")
    return sum(x != y for x, y in zip(a, b, strict=True))


def normalize(text: str, form: str) -> str:
    """Normalize a Unicode text."""
    return unicodedata.normalize(form, text)  # type: ignore[arg-type]


def codepoint(text: str) -> int:
    """Return the code point of a text of one character."""
    if len(text) != 1:
        raise Fault(INVALID_ARGUMENT, "Input string must be a single character string")
    return ord(text)


def char(code: int) -> str:
    """Return the character of a code point."""
    if not 0 <= code < 0x110000 or 0xD800 <= code < 0xE000:
        raise Fault(INVALID_ARGUMENT, f"Not a valid Unicode code point: {code}")
    return chr(code)


def format_text(items: list[str], template: str) -> str:
    """Fill a Java format with values that are texts already: numbers as digits, others as `%s` prints them."""
    following = iter(range(len(items)))

    def item(match: re.Match[str]) -> str:
        index, flags, width, precision, kind = match.groups()
        if kind in "%n":
            return "%" if kind == "%" else "\n"
        value = items[int(index[:-1]) - 1 if index else next(following)]
        return _format_item(value, flags, int(width or 0), precision, kind)

    return FORMAT_ITEM.sub(item, template)


def _format_item(value: str, flags: str, width: int, precision: str | None, kind: str) -> str:
    if kind in "sS" or value == "null":
        text = value[: int(precision[1:])] if precision else value
        text = text.upper() if kind == "S" else text
    else:
        text = _format_number(value, flags, precision, kind)
        if "0" in flags and len(text) < width:
            sign = text[0] if text[0] in "+- (" else ""
            text = sign + text[len(sign) :].rjust(width - len(sign), "0")
    return text.ljust(width) if "-" in flags else text.rjust(width)


def _format_number(value: str, flags: str, precision: str | None, kind: str) -> str:
    if kind in "xX":
        number = int(value)
        shown = format(number if number >= 0 else number + 2**64, "x")
        return shown.upper() if kind == "X" else shown
    if value in {"NaN", "Infinity", "-Infinity"}:
        return value
    number_value = Decimal(value)
    if kind == "d":
        shown = format(abs(number_value), "f")
    elif kind == "f":
        digits = int(precision[1:]) if precision else 6
        shown = format(abs(number_value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP), "f")
    else:
        digits = int(precision[1:]) if precision else 6
        shown = f"{abs(number_value):.{digits}e}"
        shown = shown.upper() if kind == "E" else shown
    if "," in flags:
        whole, dot, rest = shown.partition(".")
        shown = f"{int(whole):,}{dot}{rest}"
    negative = number_value < 0
    if negative and "(" in flags:
        return f"({shown})"
    return ("-" if negative else "+" if "+" in flags else " " if " " in flags else "") + shown


def java_text(value: float) -> str:
    """Print a double as `%s` does."""
    return java_double(value)


def join(items: Sequence[str | None] | None, delimiter: str | None, null: str | None) -> str | None:
    """Join texts; without a text for NULL, NULL is left out."""
    if items is None or delimiter is None:
        return None
    return delimiter.join(null if item is None else item for item in items if item is not None or null is not None)  # type: ignore[misc]
