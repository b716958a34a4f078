"""Values at JSON paths, and elements of JSON arrays.

Trino reads a text only as far as it needs to: what follows the value may be invalid, and of members with one name the
first is found. Sources: JsonExtract, JsonPathTokenizer and JsonFunctions of Trino; the page "JSON functions and
operators" of its documentation.
"""

import math
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from infra.local.athena.errors import Fault
from infra.local.athena.rowwise.json_texts import Members, Number, read, read_at, skip, unique, write
from infra.local.athena.rowwise.texts import INVALID_ARGUMENT

_STEP = re.compile(r'\.([\w:]+)|\[(?:"((?:[^"\\]|\\["\\])*)"|(\w+))\]')
_MISSING = object()
_INDEX = re.compile(r"\+?\d+")
_LETTERS = {"Lu", "Ll", "Lt", "Lm", "Lo", "Nd"}


@lru_cache(maxsize=256)
def steps(path: str) -> tuple[str, ...]:
    """Split a path such as `$.a[0]["b c"]`. Raises Fault if Trino rejects it."""
    invalid = Fault(INVALID_ARGUMENT, f"Invalid JSON path: '{path}'")
    if not path.startswith("$"):
        raise invalid
    found: list[str] = []
    position = 1
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None or not all(map(_is_plain, match[1] or match[3] or "")):
            raise invalid
        quoted = None if match[2] is None else re.sub(r"\\(.)", r"\1", match[2])
        found.append(match[1] or match[3] or quoted or "")
        position = match.end()
    return tuple(found)


def _is_plain(char: str) -> bool:
    """Whether a character needs no quotes: Character.isLetterOrDigit of 16 bits."""
    return char in "_:" or (ord(char) < 0x10000 and unicodedata.category(char) in _LETTERS)


def _members(text: str, position: int) -> Iterator[tuple[str, int]]:
    """Yield the names of an object and where their values begin. Raises ValueError."""
    position = skip(text, position + 1)
    if text.startswith("}", position):
        return
    while text.startswith('"', position):
        name, position = read_at(text, position)
        position = skip(text, position)
        if not text.startswith(":", position):
            break
        position = skip(text, position + 1)
        yield name, position
        position = skip(text, read_at(text, position)[1])
        if text.startswith("}", position):
            return
        if not text.startswith(",", position):
            break
        position = skip(text, position + 1)
    raise ValueError("the object is invalid")


def _elements(text: str, position: int) -> Iterator[int]:
    """Yield where the elements of an array begin. Raises ValueError."""
    position = skip(text, position + 1)
    if text.startswith("]", position):
        return
    while True:
        yield position
        position = skip(text, read_at(text, position)[1])
        if text.startswith("]", position):
            return
        if not text.startswith(",", position):
            raise ValueError("the array is invalid")
        position = skip(text, position + 1)


def _find(text: str, path: str) -> Any:
    """Return the value at a path, _MISSING if there is none. Raises ValueError for a text that is invalid before it."""
    wanted = steps(path)
    try:
        value = read(text)
    except ValueError:
        return _find_in_part(text, wanted)
    for step in wanted:
        if isinstance(value, Members):
            value = next((item for name, item in value if name == step), _MISSING)
        else:
            index = _index(step)
            value = value[index] if isinstance(value, list) and 0 <= index < len(value) else _MISSING
    return value


def _index(step: str) -> int:
    return int(step) if _INDEX.fullmatch(step) else -1


def _find_in_part(text: str, wanted: tuple[str, ...]) -> Any:
    """Return the value at a path of a text that is not JSON as a whole, slowly."""
    position: int | None = skip(text, 0)
    for step in wanted:
        if position is None:
            return _MISSING
        if text.startswith("{", position):
            position = next((at for name, at in _members(text, position) if name == step), None)
        elif text.startswith("[", position):
            index = _index(step)
            position = next((at for i, at in enumerate(_elements(text, position)) if i == index), None)
        else:
            return _MISSING
    return _MISSING if position is None else read_at(text, position)[0]


def extract(text: str, path: str) -> str | None:
    """Return the value at a path as JSON; NULL if there is none."""
    value = _found(text, path)
    return None if value is _MISSING else write(value, is_sorted=False)


def extract_scalar(text: str, path: str) -> str | None:
    """Return the scalar at a path as text; NULL if there is none."""
    value = _found(text, path)
    return None if value is _MISSING or value is None or isinstance(value, list | Members) else _shown(value)


def size(text: str, path: str) -> int | None:
    """Return the number of members at a path; 0 for a scalar."""
    value = _found(text, path)
    if value is _MISSING:
        return None
    return len(value) if isinstance(value, list | Members) else 0


def _found(text: str, path: str) -> Any:
    """Return the value at a path, or _MISSING, also for a text that is invalid before its end."""
    try:
        return _find(text, path)
    except Fault:
        raise
    except (ValueError, RecursionError):
        return _MISSING


def _shown(value: Any) -> str:
    """Return the text of a scalar; half of a surrogate pair becomes a question mark, as in Java."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).encode(errors="replace").decode()


def _array(text: str) -> Iterator[Any]:
    """Yield the elements of an array. Raises ValueError for another text, and where it turns out to be invalid."""
    start = skip(text, 0)
    if not text.startswith("[", start):
        raise ValueError("it is not an array")
    try:
        found = read(text)
    except ValueError:
        yield from (read_at(text, position)[0] for position in _elements(text, start))
    else:
        yield from found


def array_length(text: str) -> int | None:
    """Return the length of an array; NULL for anything else."""
    try:
        return sum(1 for _ in _array(text))
    except (ValueError, RecursionError):
        return None


def array_get(text: str, index: int) -> str | None:
    """Return an element of an array, from the end if the index is negative."""
    try:
        if index >= 0:
            value = next((item for i, item in enumerate(_array(text)) if i == index), None)
        else:
            found = list(_array(text))
            value = found[index] if -len(found) <= index else None
    except (ValueError, RecursionError):
        return None
    if value is None:
        return None
    # A text comes without quotes, which Trino's page calls broken, and a number with its digits.
    return write(unique(value), is_sorted=False) if isinstance(value, list | Members) else _shown(value)


def array_contains(text: str, value: str, kind: str) -> bool | None:
    """Whether an array has a value, which comes as its text."""
    if kind == "double" and not math.isfinite(float(value)):
        return False
    try:
        return any(_equals(item, value, kind) for item in _array(text))
    except (ValueError, RecursionError):
        return None


def _equals(item: Any, value: str, kind: str) -> bool:
    if kind == "boolean":
        return isinstance(item, bool) and item == (value == "true")
    if kind == "varchar":
        return isinstance(item, str) and not isinstance(item, Number) and item == value
    if not isinstance(item, Number) or item.is_integer != (kind == "bigint"):
        return False
    return int(item) == int(value) if kind == "bigint" else float(item) == float(value)
