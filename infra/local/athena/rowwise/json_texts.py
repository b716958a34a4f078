"""JSON texts and paths as Trino's JSON functions read and write them.

Sources: JsonFunctions, JsonExtract, JsonPathTokenizer and JsonUtil of Trino; "JSON functions and operators" (Trino
documentation).
"""

import json
import re
from functools import lru_cache
from typing import Any

from infra.local.athena.errors import Fault
from infra.local.athena.rowwise.numbers import java_double
from infra.local.athena.rowwise.texts import INVALID_ARGUMENT

_STEP = re.compile(r'\.([\w:]+)|\[(?:"((?:[^"\\]|\\["\\])*)"|(\w+))\]')
_MISSING = object()


class Number(str):
    """A number with the digits of its JSON text."""

    __slots__ = ()


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def read(text: str) -> Any:
    """Parse a JSON text; numbers keep their digits. Raises ValueError."""
    return json.loads(text, parse_float=Number, parse_int=Number, parse_constant=_reject_constant)


def write(value: Any, is_sorted: bool) -> str:
    """Write a JSON value as Trino does: without blanks, doubles in Java's form."""
    if isinstance(value, Number):
        return str(value) if re.fullmatch(r"-?\d+", value) else java_double(float(value))
    if isinstance(value, dict):
        items = sorted(value.items()) if is_sorted else value.items()
        return "{" + ",".join(f"{quote(key)}:{write(item, is_sorted)}" for key, item in items) + "}"
    if isinstance(value, list):
        return "[" + ",".join(write(item, is_sorted) for item in value) + "]"
    if isinstance(value, str):
        return quote(value)
    return json.dumps(value)


def quote(text: str) -> str:
    """Write a JSON string."""
    return json.dumps(text, ensure_ascii=False)


def parse(text: str) -> str:
    """Return the canonical text of a JSON text: keys sorted, no blanks."""
    try:
        return write(read(text), is_sorted=True)
    except (ValueError, RecursionError) as error:
        raise Fault(INVALID_ARGUMENT, f"Cannot convert value to JSON: '{text}'") from error


@lru_cache(maxsize=256)
def steps(path: str) -> tuple[str, ...]:
    """Split a path such as `$.a[0]["b c"]`. Raises Fault if Trino rejects it."""
    if not path.startswith("$"):
        raise Fault(INVALID_ARGUMENT, f"Invalid JSON path: '{path}'")
    found: list[str] = []
    position = 1
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            raise Fault(INVALID_ARGUMENT, f"Invalid JSON path: '{path}'")
        quoted = None if match[2] is None else re.sub(r"\\(.)", r"\1", match[2])
        found.append(match[1] or match[3] or quoted or "")
        position = match.end()
    return tuple(found)


def _find(text: str, path: str) -> Any:
    wanted = steps(path)
    try:
        value = read(text)
    except (ValueError, RecursionError):
        return _MISSING
    for step in wanted:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return _MISSING
    return value


def extract(text: str, path: str) -> str | None:
    """Return the value at a path as JSON; NULL if there is none."""
    value = _find(text, path)
    return None if value is _MISSING else write(value, is_sorted=False)


def extract_scalar(text: str, path: str) -> str | None:
    """Return the scalar at a path as text; NULL if there is none."""
    value = _find(text, path)
    if value is _MISSING or value is None or isinstance(value, dict | list):
        return None
    return str(value) if isinstance(value, str) else json.dumps(value)


def size(text: str, path: str) -> int | None:
    """Return the number of members at a path; 0 for a scalar."""
    value = _find(text, path)
    if value is _MISSING:
        return None
    return len(value) if isinstance(value, dict | list) else 0


def _array(text: str) -> list[Any] | None:
    value = _find(text, "$")
    return value if isinstance(value, list) else None


def array_length(text: str) -> int | None:
    """Return the length of an array; NULL for anything else."""
    found = _array(text)
    return None if found is None else len(found)


def array_get(text: str, index: int) -> str | None:
    """Return an element of an array, from the end if the index is negative."""
    found = _array(text)
    if found is None or not -len(found) <= index < len(found) or found[index] is None:
        return None
    # A text comes without quotes, which Trino's page calls broken.
    value = found[index]
    return str(value) if isinstance(value, str) else write(value, is_sorted=False)


def array_contains(text: str, value: str, kind: str) -> bool | None:
    """Whether an array has a value, which comes as its text."""
    found = _array(text)
    if found is None:
        return None
    if kind == "varchar":
        return any(isinstance(item, str) and not isinstance(item, Number) and item == value for item in found)
    if kind == "boolean":
        return any(isinstance(item, bool) and item == (value == "true") for item in found)
    is_integer = kind == "bigint"
    numbers = (item for item in found if isinstance(item, Number) and (not is_integer or "." not in item))
    return any(float(item) == float(value) for item in numbers)


def is_scalar(text: str) -> bool:
    """Whether a JSON text is a scalar. Raises Fault if it is not JSON."""
    return not isinstance(read(parse(text)), dict | list)
