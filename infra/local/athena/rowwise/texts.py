"""Texts as Trino splits and compares them, and times that texts state.

Sources: StringFunctions and VarcharToTimestampWithTimeZoneCast of Trino; "String functions" (Trino documentation).
"""

import re
import unicodedata
from collections.abc import Sequence

from infra.local.athena.errors import Fault

INVALID_ARGUMENT = "INVALID_FUNCTION_ARGUMENT"
_MAX_LEVENSHTEIN = 1_000_000


def upper(text: str) -> str:
    """Return the upper case of each code point, where it is one code point (Character.toUpperCase)."""
    return text.upper() if text.isascii() else "".join(map(_upper_char, text))


def _upper_char(char: str) -> str:
    """Return the simple mapping of Unicode: that of a Greek letter with an iota below is its title case."""
    return next((case for case in (char.upper(), char.title()) if len(case) == 1), char)


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
    if limit >= 2**31:
        raise Fault(INVALID_ARGUMENT, "Limit is too large")
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
    a, b = sorted((a, b), key=len, reverse=True)
    if b and len(a) * (len(b) - 1) > _MAX_LEVENSHTEIN:
        raise Fault(INVALID_ARGUMENT, "The combined inputs for Levenshtein distance are too large")
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


def join(items: Sequence[str | None] | None, delimiter: str | None, null: str | None) -> str | None:
    """Join texts; without a text for NULL, NULL is left out."""
    if items is None or delimiter is None:
        return None
    return delimiter.join(null if item is None else item for item in items if item is not None or null is not None)  # type: ignore[misc]
