r"""Passes most records of a JSON file, of whatever shape, after one look at each value. Pure.

A record passes only if the full check (json_lines.py, json_types.py) would pass it, with the same notes; whatever is in
doubt is left to that check. Keys that are there twice are found by counting, which costs less than a call for each
object: the members of the record as it was read are as many as the places in its line where a quote precedes a colon.
There are more such places if a key is there twice, or if a text has one of them.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from functions.catalogue.column_types import INTEGER_BITS, TEXTS, ColumnType
from functions.validation.json_types import AS_IT_IS, EXACT_IN_A_DOUBLE, LARGEST_DOUBLE, JsonTypes

MOST_KEYS = 10_000
"""No more are remembered of one object: a file may have as many keys as records."""

MOST_LEVELS = 30
"""A value without a type is in doubt if it is nested deeper."""

HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")
_PAIR = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_LONG_NUMBER = re.compile(r"[:,\[ \t]-?(?:[1-9](?=[0-9.]{18})[0-9]*\.[0-9]|0\.0*[1-9][0-9]{17})")
"""With a fraction, and more digits than any double needs (17)."""

_DIGITS = bytes(0x30 if chr(byte) in "0123456789" else byte for byte in range(256))
_DIGITS_AND_POINTS = bytes(0x30 if chr(byte) in "0123456789." else 0x20 for byte in range(256))
_BLANKS_BEFORE_COLON = re.compile(r'"[ \t]+:')

Check = Callable[[Any], int]
"""Returns how many members the objects in a value have; raises _Doubtful."""

Plan = tuple[Any, float, float, Check]
"""Of a value: the Python type that fits at first sight, for numbers its bounds, and the check of all other values."""


class _Doubtful(Exception):
    """The full check decides."""


class Records:
    """The columns of a file's records so far."""

    def __init__(self, kinds: Mapping[str, ColumnType], types: JsonTypes) -> None:
        self._scan = json.JSONDecoder(strict=False).raw_decode
        self._columns = _Plans("", kinds, types, is_top=True)
        self._has_long_numbers = False
        self._check = _object_check(self._columns)

    def enter(self, block: bytes) -> None:
        """Prepare for the lines of a block: seldom has one a number that is too long for a double."""
        digits = block.translate(_DIGITS)
        has_long_part = b"." + b"0" * 9 in digits or b"0" * 9 + b"." in digits
        self._has_long_numbers = has_long_part and b"0" * 19 in block.translate(_DIGITS_AND_POINTS)

    def passed(self, line: str) -> dict[str, Any] | None:
        """Return the record on a line if nothing about it is in doubt."""
        passed, _, record = self._pass_over(iter([line]))
        return record if passed else None

    def pass_over(self, lines: Iterator[str]) -> tuple[int, str | None]:
        """Return how many of the next lines have records about which nothing is in doubt; and the line after them."""
        passed, line, _ = self._pass_over(lines)
        return passed, line

    def _pass_over(self, lines: Iterator[str]) -> tuple[int, str | None, Any]:
        """Return the same, and the last record that was read."""
        scan, check, has_long_numbers = self._scan, self._check, self._has_long_numbers
        passed = 0
        line = record = None
        try:
            for line in lines:
                if "\\u" in line and may_have_half_a_pair(line):
                    return passed, line, record
                if has_long_numbers and _LONG_NUMBER.search(line):
                    return passed, line, record
                record, end = scan(line)
                members = check(record)
                # Every member has a colon; most texts have none.
                if end != len(line) or (line.count(":") != members and _most_members(line) != members):
                    return passed, line, record
                passed += 1
        except (_Doubtful, ValueError, RecursionError):
            return passed, line, record
        return passed, None, record

    def learn(self, record: Iterable[str]) -> None:
        """Remember the keys of a record that was checked in full."""
        for key in record:
            self._columns.learn(key)


def may_have_half_a_pair(line: str) -> bool:
    """Check whether an escape in the line may be half a surrogate pair."""
    # After an escaped backslash, what seems to be a pair need not be one.
    return HALF_PAIR.search(line) is not None and ("\\\\" in line or HALF_PAIR.search(_PAIR.sub("", line)) is not None)


def _most_members(line: str) -> int:
    return line.count('":') + len(_BLANKS_BEFORE_COLON.findall(line))


class _Plans(dict[str, Plan]):
    """The plans of an object's keys, of which no two are equal but for case."""

    def __init__(self, name: str, kinds: Mapping[str, ColumnType], types: JsonTypes, is_top: bool = False) -> None:
        super().__init__()
        self._name = name
        self._is_top = is_top
        self._kinds = kinds
        self._types = types
        self._lowered: set[str] = set()

    def learn(self, key: str) -> None:
        """Plan a key, unless another one is the same but for case, or there are too many."""
        lowered = key.lower()
        if lowered not in self._lowered and len(self) < MOST_KEYS:
            self._lowered.add(lowered)
            path = f"{self._name}.{lowered}" if self._name else lowered
            self[key] = _plan(path, self._kinds.get(key) or self._kinds.get(lowered), self._types)

    def __missing__(self, key: str) -> Plan:
        """Plan a struct's field when it is first seen. A new column is left to the full check."""
        if not self._is_top:
            self.learn(key)
        if key not in self:
            raise _Doubtful
        if key not in self._kinds and key.lower() not in self._kinds:
            self._types.note_unknown(self._name, key)
        return self[key]


def _plan(name: str, kind: ColumnType | None, types: JsonTypes) -> Plan:
    if kind is None:
        return str, False, True, _members
    if kind.name == "array":
        return None, False, True, _array_check(_plan(name, kind.of[0], types))
    if kind.name == "map":
        return None, False, True, _map_check(_plan(name, kind.of[1], types))
    if kind.name == "struct":
        return None, False, True, _object_check(_Plans(name, kind.types_of_fields, types))
    check = _value_check(name, kind, types)
    if kind.name in INTEGER_BITS:
        most = (1 << INTEGER_BITS[kind.name] - 1) - 1
        return int, -most - 1, most, check
    if kind.name in {"double", "float"}:
        return float, -LARGEST_DOUBLE, LARGEST_DOUBLE, check
    return AS_IT_IS.get(kind.name), False, True, check


def _value_check(name: str, kind: ColumnType, types: JsonTypes) -> Check:
    may_be_whole = kind.name in {"double", "float"}

    def check(value: Any) -> int:
        if may_be_whole and type(value) is int and -EXACT_IN_A_DOUBLE <= value <= EXACT_IN_A_DOUBLE:
            return 0
        if types.mismatch(name, value, kind):
            raise _Doubtful
        return _members(value) if kind.name in TEXTS else 0

    return check


def _object_check(plans: Mapping[str, Plan]) -> Check:
    def check(value: Any) -> int:
        if type(value) is not dict:
            raise _Doubtful
        members = len(value)
        for key, item in value.items():
            quick, least, most, check_item = plans[key]
            if type(item) is quick:
                if quick is str or least <= item <= most:
                    continue
            elif item is None:
                continue
            members += check_item(item)
        return members

    return check


def _items_check(plan: Plan) -> Callable[[Iterable[Any]], int]:
    quick, least, most, check_item = plan

    def check(values: Iterable[Any]) -> int:
        members = 0
        for item in values:
            if type(item) is quick and least <= item <= most:
                continue
            if item is not None:
                members += check_item(item)
        return members

    def check_texts(values: Iterable[Any]) -> int:
        members = 0
        for item in values:
            if type(item) is not str and item is not None:
                members += check_item(item)
        return members

    return check_texts if quick is str else check


def _array_check(plan: Plan) -> Check:
    check_items = _items_check(plan)

    def check(value: Any) -> int:
        if type(value) is not list:
            raise _Doubtful
        return check_items(value)

    return check


def _map_check(plan: Plan) -> Check:
    check_items = _items_check(plan)

    def check(value: Any) -> int:
        if type(value) is not dict or _has_duplicates(value):
            raise _Doubtful
        return len(value) + check_items(value.values())

    return check


def _members(value: Any, levels: int = MOST_LEVELS) -> int:
    items: Iterable[Any] = ()
    members = 0
    if type(value) is dict:
        if not levels or _has_duplicates(value):
            raise _Doubtful
        items, members = value.values(), len(value)
    elif type(value) is list:
        if not levels:
            raise _Doubtful
        items = value
    for item in items:
        if type(item) is dict or type(item) is list:
            members += _members(item, levels - 1)
    return members


def _has_duplicates(value: Mapping[str, Any]) -> bool:
    return len(set(map(str.lower, value))) != len(value)
