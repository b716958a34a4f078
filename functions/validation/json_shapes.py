r"""Recognizes many lines of JSON at once by their shape: the keys of a record, and the types of its columns. Pure.

A shape is a pattern that is made of records that were checked in full. It matches only lines that the full check would
pass without a note: some or all of the same keys in the same order, each value in the table's type or null, whole
numbers of fewer digits than their type holds, no escape that might be half a surrogate pair. Every other line is
checked in full.
"""

import functools
import re
from collections.abc import Mapping

from functions.catalogue.column_types import TEXTS, ColumnType
from functions.validation.text_blocks import LINE_BREAK

MOST_SHAPES = 32
MOST_LEARNED = 128
FEWEST_LEARNED = 48
"""After so many records, shapes that matched less than half of what they missed are given up: they only cost time."""

LONGEST_PATTERN = 20_000
DEEPEST = 8

_BLANKS = rb"[ \t]*+"
_NEXT = _BLANKS + rb"(?:," + _BLANKS + rb'(?=")|(?=\}))'
_TEXT = rb'[^"\\\x00-\x1f]*+'
_PAIR = rb"u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = rb'\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}|' + _PAIR + rb")"
_STRING = rb'"' + _TEXT + rb"(?:" + _ESCAPE + _TEXT + rb')*+"'
_FRACTION = rb"0(?:\.0*+(?:[1-9][0-9]{0,16}+)?+)?+(?<!\.)"
_WHOLE = rb"(?![0-9.]{19})[1-9][0-9]{0,14}+(?:\.[0-9]++)?+"
_NUMBER = rb"-?+(?:" + _FRACTION + rb"|" + _WHOLE + rb")(?:[eE][+-]?[0-9]{1,2}+)?+"
"""Of at most 17 digits: with more, a double may not keep them."""

_SCALAR = rb"(?:" + _STRING + rb"|" + _NUMBER + rb"|true|false|null)"
_INTEGERS = {
    "tinyint": rb"[1-9][0-9]?+",
    "smallint": rb"[1-9][0-9]{0,3}+",
    "int": rb"1[0-9]{9}|20[0-9]{8}|[1-9][0-9]{0,8}+",
    "bigint": rb"[1-8][0-9]{18}|[1-9][0-9]{0,17}+",
}
_DATE = rb'"[0-9]{4}-[0-9]{2}-[0-9]{2}"'
_TIMESTAMP = rb'"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9}+)?+Z?+"'
_UNSAFE_IN_KEY = re.compile(r'["\\\x00-\x1f]')


class _Unlearnable(Exception):
    """The record has a value that no pattern describes."""


class Shapes:
    """The shapes of a file's records so far, the one that matched last first."""

    def __init__(self, columns: Mapping[str, ColumnType]) -> None:
        self._columns = columns
        self._shapes: list[tuple[dict[str, object], re.Pattern[bytes]]] = []
        self._learned = 0
        self._matched_bytes = 0
        self._missed_bytes = 0

    @property
    def are_given_up(self) -> bool:
        """Check whether no line will match."""
        return not self._shapes and self._learned >= MOST_LEARNED

    def match(self, block: bytes, position: int) -> int:
        """Return where the lines end that have a known shape; `position` if the next line has none."""
        for index, (_, pattern) in enumerate(self._shapes):
            found = pattern.match(block, position)
            if found is not None:
                if index:
                    self._shapes.insert(0, self._shapes.pop(index))
                self._matched_bytes += found.end() - position
                return found.end()
        return position

    def learn(self, record: dict[str, object], size_bytes: int) -> None:
        """Add a record that was checked in full: to the first shape that can have its keys too, else as a new shape."""
        if self._learned >= MOST_LEARNED:
            return
        self._learned += 1
        self._missed_bytes += size_bytes
        if self._learned >= FEWEST_LEARNED and 2 * self._matched_bytes < self._missed_bytes:
            self._shapes, self._learned = [], MOST_LEARNED
            return
        try:
            _object(record, self._columns, 0)
            for index, (sample, _) in enumerate(self._shapes):
                merged = _merged(sample, record)
                if merged is not None:
                    self._shapes[index] = (merged, self._compiled(merged))
                    return
            self._shapes.insert(0, (record, self._compiled(record)))
        except (_Unlearnable, RecursionError):
            # What the table lacks may be nested deeply.
            return
        del self._shapes[MOST_SHAPES:]

    def _compiled(self, sample: Mapping[str, object]) -> re.Pattern[bytes]:
        pattern = _object(sample, self._columns, 0)
        if len(pattern) > LONGEST_PATTERN:
            raise _Unlearnable
        return re.compile(rb"(?:" + _BLANKS + pattern + _BLANKS + LINE_BREAK + rb")++")


def _merged(a: dict[str, object], b: dict[str, object]) -> dict[str, object] | None:
    """Return an object with the keys of both, in an order that both have; None if there is none."""
    merged: dict[str, object] = {}
    rest = list(a)
    common = [key for key in b if key in a]
    if [key for key in rest if key in b] != common:
        return None
    for key, value in b.items():
        if key in a:
            # First what precedes the common key in the other object.
            while rest:
                earlier = rest.pop(0)
                both = _merged_value(a[earlier], value) if earlier == key else a[earlier]
                merged[earlier] = both
                if earlier == key:
                    break
        else:
            merged[key] = value
    merged |= {key: a[key] for key in rest}
    return merged if len({key.lower() for key in merged}) == len(merged) else None


def _merged_value(a: object, b: object) -> object:
    if isinstance(a, dict) and isinstance(b, dict):
        merged = _merged(a, b)
        if merged is None:
            raise _Unlearnable
        return merged
    if isinstance(a, list) and isinstance(b, list):
        return [_merged_value(a[0], b[0])] if a and b else a or b
    # In a text column, what is not text decides.
    return b if a is None or isinstance(a, str) else a


def _object(sample: Mapping[str, object], kinds: Mapping[str, ColumnType], depth: int) -> bytes:
    """Match an object with some or all of these keys, in this order."""
    members = []
    for key, value in sample.items():
        if _UNSAFE_IN_KEY.search(key):
            raise _Unlearnable
        name = b'"' + re.escape(key.encode()) + b'"' + _BLANKS + b":" + _BLANKS
        members.append(rb"(?:" + name + _value(value, kinds.get(key.lower()), depth + 1) + _NEXT + rb")?+")
    return rb"\{" + _BLANKS + b"".join(members) + rb"\}"


def _value(value: object, kind: ColumnType | None, depth: int) -> bytes:
    if depth > DEEPEST:
        # The pattern of an array has that of its items twice: arrays in arrays double it with each level.
        raise _Unlearnable
    if kind is None and isinstance(value, dict | list):
        # The table lacks the column: anything is allowed in it, but its keys must still be distinct.
        raise _Unlearnable
    if kind is None:
        return _SCALAR
    if kind.name == "struct" and isinstance(value, dict):
        fields = dict(zip(kind.fields, kind.of, strict=True))
        return rb"(?:" + _object(value, fields, depth) + rb"|null)"
    if kind.name == "array" and isinstance(value, list):
        item = _item(value, kind.of[0], depth)
        items = item + rb"(?:" + _BLANKS + rb"," + _BLANKS + item + rb")*+"
        return rb"(?:\[" + _BLANKS + rb"(?:" + items + rb")?+" + _BLANKS + rb"\]|null)"
    if kind.name in {"struct", "array"} and value is None:
        return rb"null"
    return _scalar(value, kind)


def _item(value: list[object], kind: ColumnType, depth: int) -> bytes:
    if kind.name in {"struct", "array"}:
        if not value:
            # Nothing is known of the elements: only another empty array has this shape.
            return rb"(?!)"
        return _value(functools.reduce(_merged_value, value), kind, depth + 1)
    return _scalar(None, kind)


def _scalar(value: object, kind: ColumnType) -> bytes:
    if kind.name in TEXTS:
        if isinstance(value, dict | list):
            raise _Unlearnable
        # A number in a text column has been noted.
        return rb"(?:" + _STRING + rb"|null)" if isinstance(value, str | None) else _SCALAR
    if kind.name in _INTEGERS:
        return rb"(?:-?+(?:" + _INTEGERS[kind.name] + rb"|0)|null)"
    patterns = {
        "boolean": rb"true|false",
        "double": _NUMBER,
        "float": _NUMBER,
        "date": _DATE,
        "timestamp": _TIMESTAMP,
        "binary": _STRING,
    }
    if kind.name not in patterns:
        raise _Unlearnable
    return rb"(?:" + patterns[kind.name] + rb"|null)"
