"""JSON texts as Trino reads and writes them.

Sources: JsonFunctions and JsonUtil of Trino, and Jackson, with which they read and write; "JSON functions and
operators" (Trino documentation).
"""

import json
import re
from typing import Any

from infra.local.athena.errors import Fault
from infra.local.athena.rowwise.numbers import java_double
from infra.local.athena.rowwise.texts import INVALID_ARGUMENT

_CONTROL = re.compile(r"(?<!\\)((?:\\\\)*)\\u([0-9a-f]{4})")
_INTEGER = re.compile(r"-?\d+")
_NUMBER_PARTS = frozenset("0123456789.eE")
_NAME_PARTS = frozenset("_$")
_BLANKS = frozenset(" \t\n\r")
_WHITE = re.compile(r"[ \t\n\r]*")


class Number(str):
    """A number with the digits of its JSON text."""

    __slots__ = ()

    @property
    def is_integer(self) -> bool:
        """Whether it is written without a point and an exponent."""
        return _INTEGER.fullmatch(self) is not None


class Members(tuple[tuple[str, Any], ...]):
    """The members of an object in their order, with those of one name."""

    __slots__ = ()


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    parse_float=Number, parse_int=Number, parse_constant=_reject_constant, object_pairs_hook=Members
)


def read(text: str) -> Any:
    """Parse a JSON text; numbers keep their digits, and objects all their members. Raises ValueError."""
    return _DECODER.decode(text)


def java_order(text: str) -> bytes:
    """Return what sorts texts as String.compareTo does: by 16 bits."""
    return text.encode("utf-16-be", "surrogatepass")


def skip(text: str, position: int) -> int:
    """Return the position of what follows the blanks."""
    if text[position : position + 1] not in _BLANKS:
        return position
    found = _WHITE.match(text, position)
    return position if found is None else found.end()


def read_at(text: str, position: int) -> tuple[Any, int]:
    """Parse the value at a position as Jackson reads one token after the other; return it and its end.

    Raises ValueError.
    """
    value, end = _DECODER.raw_decode(text, position)
    following = text[end : end + 1]
    if isinstance(value, Number):
        is_root = position == skip(text, 0)
        is_wrong = following in _NUMBER_PARTS or (is_root and following not in _BLANKS)
    else:
        is_wrong = (value is None or isinstance(value, bool)) and (following.isalnum() or following in _NAME_PARTS)
    if following and is_wrong:
        raise ValueError(f"{following} is behind a value")
    return value, end


def write(value: Any, is_sorted: bool) -> str:
    """Write a JSON value as Trino does: without blanks, doubles in Java's form; sorted, of one name the last stays."""
    if isinstance(value, Number):
        return _write_number(value)
    if isinstance(value, Members):
        items = sorted(dict(value).items(), key=lambda item: java_order(item[0]))
        listed = items if is_sorted else value
        return "{" + ",".join(f"{quote(key)}:{write(item, is_sorted)}" for key, item in listed) + "}"
    if isinstance(value, list):
        return "[" + ",".join(write(item, is_sorted) for item in value) + "]"
    if isinstance(value, str):
        return quote(value)
    return json.dumps(value)


def _write_number(value: Number) -> str:
    if value.is_integer:
        return "0" if value == "-0" else str(value)
    shown = java_double(float(value))
    return f'"{shown}"' if shown.endswith("Infinity") else shown


def quote(text: str) -> str:
    """Write a JSON string; Jackson's hexadecimal digits are capital letters."""
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise Fault("NOT_SUPPORTED", "the local Athena does not write half of a surrogate pair as JSON")
    return _CONTROL.sub(lambda m: f"{m[1]}\\u{m[2].upper()}", json.dumps(text, ensure_ascii=False))


def unique(value: Any) -> Any:
    """Keep of the members of one name the last, at the place of the first, as a tree of Jackson does."""
    if isinstance(value, Members):
        return Members((key, unique(item)) for key, item in dict(value).items())
    return [unique(item) for item in value] if isinstance(value, list) else value


def parse(text: str) -> str:
    """Return the canonical text of a JSON text: keys sorted, no blanks."""
    try:
        return write(read(text), is_sorted=True)
    except Fault:
        raise
    except (ValueError, RecursionError) as error:
        raise Fault(INVALID_ARGUMENT, f"Cannot convert value to JSON: '{text}'") from error


def is_scalar(text: str) -> bool:
    """Whether a JSON text is a scalar. Raises Fault if it is not JSON."""
    return parse(text)[0] not in "[{"
