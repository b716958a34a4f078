"""Checks the lines of a JSON file: one complete record on each, with distinct keys, and values of the table's types.

Keys that are equal but for case are one column for Athena: its SerDe fails with a duplicate key, or drops a value. Half
a surrogate pair is not a character. Tabs and other control characters in a text need no escape: Athena reads them as
they are, except for NUL, where the SerDe's own parser takes the line to end. Pure. Sources: "JSON SerDe libraries"
(Amazon Athena User Guide: one record a line), "JSON data related errors" (the same guide: duplicate keys), JsonReader
in lib/trino-hive-formats of trinodb/trino and JSONTokener of rcongiu/Hive-JSON-Serde (control characters),
functions/validation/json_types.py for the types.

Raises Unreadable with the line and the reason.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from functions.catalogue.file_columns import TableMismatch, Unreadable, catalogue_names
from functions.catalogue.glue_table import Table, abbreviated
from functions.catalogue.names import unusable_name
from functions.catalogue.type_length import TypeLengths
from functions.contract.models import FileProgress
from functions.validation.json_records import HALF_PAIR, MOST_KEYS, Records
from functions.validation.json_shapes import Shapes
from functions.validation.json_types import JsonTypes, read_float
from functions.validation.text_blocks import count_lines, next_line, text_lines, whole_lines

MOST_LATER_COLUMNS = 50
FEWEST_WRAPPED = 10
"""So many columns of objects, and none of anything else, are seldom meant."""

DEEPEST = 100
"""Levels of a value that is to become a column: for no deeper type is there a known reader."""

TOO_DEEP = "its values are nested too deeply"


class _DuplicateKey(Exception):
    """An object has a key twice; the message is the key."""


class JsonLines:
    """Checks block after block of a file's lines."""

    def __init__(self, table: Table | None, accept: Callable[[Sequence[str]], None]) -> None:
        self.lines = 0
        self.records = 0
        self.first_columns: tuple[str, ...] | None = None
        self.later_columns: list[str] = []
        self._table = table
        self._accept = accept
        self._columns = {name: index for index, name in enumerate(table.columns)} if table else {}
        self._kinds = table.types if table else {}
        self._shapes = Shapes(self._kinds)
        self._types = JsonTypes()
        self._warnings: list[str] = []
        self._passing = Records(self._kinds, self._types)
        self._noted: set[str] = set()
        self._wrapped = ""
        self._first: frozenset[str] = frozenset()
        self._type_lengths = None if table else TypeLengths()
        self._decoder = json.JSONDecoder(object_pairs_hook=_object, parse_float=read_float, strict=False)
        self._seen = 0

    @property
    def warnings(self) -> list[str]:
        """What is read otherwise than by its type, but not wrongly."""
        found = {
            "has values that are not text, which Athena shows as their JSON text": self._types.as_text,
            "has numbers of more digits than a double keeps (about 16)": self._types.inexact,
            "has numbers that are not finite (NaN, Infinity, or beyond a double's range), which are not JSON: Athena "
            "shows NaN or Infinity, or fails a query of the column": self._types.not_finite,
            "is missing from the table, so Athena does not show it": self._types.unknown,
        }
        warnings = [f"the column {abbreviated(name)} {what}" for what, names in found.items() for name in names]
        if self.records == 1 and self._wrapped:
            warnings.insert(0, self._wrapped)
        return list(dict.fromkeys([*self._warnings, *warnings]))[:MOST_LATER_COLUMNS]

    def resume(self, progress: FileProgress) -> None:
        """Continue where an earlier call stopped."""
        self.lines, self.records = progress.lines, progress.records
        self._warnings, self.later_columns = list(progress.warnings), list(progress.later_columns)
        self._seen = int(progress.columns_seen, 16)

    def progress(self, until: FileProgress) -> FileProgress:
        """Return how far the reading has got."""
        warnings = [warning for warning in self.warnings if warning != self._wrapped]
        read = {"lines": self.lines, "records": self.records, "warnings": warnings}
        return until.model_copy(update=read | {"later_columns": self.later_columns, "columns_seen": f"{self._seen:x}"})

    def missing_columns(self) -> list[str]:
        """Return the table's columns that no record has."""
        return [name for name, index in self._columns.items() if not self._seen >> index & 1]

    def check(self, block: bytes) -> None:
        """Check whole lines, which are UTF-8 text; only the last one may lack its line break."""
        block = whole_lines(block)
        if (nul := block.find(b"\0")) >= 0:
            number = self.lines + count_lines(block[:nul] + b"\n")
            raise Unreadable(f"line {number} has a NUL character (byte 0x00), which is not text")
        position, has_returns = 0, b"\r" in block
        self._passing.enter(block)
        while position < len(block):
            if self._shapes.are_given_up:
                self._check_lines(text_lines(block[position:]))
                return
            end = self._shapes.match(block, position)
            if end > position:
                self._count(count_lines(block[position:end]))
                position = end
                continue
            line, end = next_line(block, position, has_returns)
            self._count(1)
            self._shapes.learn(self._checked_record(line.decode()), end - position)
            position = end

    def _count(self, lines: int) -> None:
        self.lines += lines
        self.records += lines

    def _check_lines(self, lines: Iterator[str]) -> None:
        line: str | None = ""
        while line is not None:
            passed, line = self._passing.pass_over(lines) if self._table else (0, next(lines, None))
            self._count(passed)
            if line is not None:
                self._count(1)
                self._passing.learn(self._check_line(line))

    def _checked_record(self, line: str) -> dict[str, Any]:
        record = self._passing.passed(line) if self._table and self.lines > 1 else None
        if record is None:
            record = self._check_line(line)
            self._passing.learn(record)
        return record

    def _check_line(self, line: str) -> dict[str, Any]:
        if self.lines == 1 and line.lstrip().startswith("["):
            raise Unreadable(
                "it is a JSON array, but Athena needs one record per line, without brackets and commas: convert it, "
                "for example with `jq -c '.[]'`"
            )
        if not line or line.isspace():
            raise Unreadable(f"line {self.lines} is empty, but Athena needs one record per line")
        record = self._record(line)
        try:
            self._check_record(line, record)
        except RecursionError as error:
            raise Unreadable(self._incomplete(TOO_DEEP)) from error
        return record

    def _check_record(self, line: str, record: dict[str, Any]) -> None:
        if self._table is None and line.count("{") + line.count("[") > DEEPEST and _is_deep(record):
            raise Unreadable(f"line {self.lines} has values that are nested deeper than {DEEPEST} levels")
        if "\\u" in line and HALF_PAIR.search(line) and not _is_encodable(record):
            raise Unreadable(
                f"line {self.lines} contains an unpaired surrogate (\\ud800 to \\udfff), which is not a valid character"
            )
        if self.lines == 1:
            self._wrapped = _wrapped_records(record)
        if self.lines == 1 or not record.keys() <= self._noted:
            self._note_columns(record)
        if self._type_lengths:
            self._type_lengths.add(record)
        for key, value in record.items():
            kind = self._kinds.get(key.lower())
            if kind is not None and (found := self._types.mismatch(key.lower(), value, kind)):
                raise TableMismatch(f"on line {self.lines} {found}")

    def _record(self, line: str) -> dict[str, Any]:
        try:
            record = self._decoder.decode(line)
            reason = "it is not an object"
        except _DuplicateKey as error:
            raise Unreadable(
                f"line {self.lines} has the key {_shown(str(error))} twice in one object (Athena ignores case): one of "
                "the values would be lost"
            ) from error
        except json.JSONDecodeError as error:
            record, reason = None, _reason(error)
        except ValueError:
            record, reason = None, f"a number has more than {sys.get_int_max_str_digits():,} digits"
        except RecursionError:
            record, reason = None, TOO_DEEP
        if not isinstance(record, dict):
            raise Unreadable(self._incomplete(reason))
        return record

    def _incomplete(self, reason: str) -> str:
        return f"line {self.lines} is not a complete JSON object ({reason}), but Athena needs one record per line"

    def _note_columns(self, record: dict[str, object]) -> None:
        """Note which columns there are."""
        keys = list(record) if self.lines == 1 else [key for key in record if key not in self._noted]
        names = catalogue_names(keys)
        # A later key that an existing table lacks harms nothing.
        if self.lines == 1 or self._table is None:
            if problem := unusable_name(names):
                raise Unreadable(f"line {self.lines} has {problem}")
            if not all(map(str.strip, names)):
                raise Unreadable(f"line {self.lines} has an empty key, which cannot name a column")
        if self.lines == 1:
            self.first_columns, self._first = names or None, frozenset(names)
            self._accept(names)
        for name in names:
            index = self._columns.get(name)
            if index is not None:
                self._seen |= 1 << index
            elif self.lines > 1 and name not in self._first:
                self._note_later(name)
        if len(self._noted) + len(keys) <= MOST_KEYS:
            self._noted.update(keys)

    def _note_later(self, name: str) -> None:
        shown = abbreviated(name)
        if len(self.later_columns) < MOST_LATER_COLUMNS and shown not in self.later_columns:
            self.later_columns.append(shown)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    record = dict(pairs)
    seen: set[str] = set()
    if len(set(map(str.lower, record))) < len(pairs):
        for key, _ in pairs:
            if key.lower() in seen:
                raise _DuplicateKey(key)
            seen.add(key.lower())
    return record


def _reason(error: json.JSONDecodeError) -> str:
    if not error.doc[error.pos :].strip():
        return "it is cut off, or continues on the next line: then convert the file, for example with `jq -c .`"
    return f"{error.msg[:1].lower()}{error.msg[1:].removesuffix(' at')}, at character {error.pos + 1}"


def _shown(key: str) -> str:
    # Half a surrogate pair fits into no message.
    return abbreviated(key.encode(errors="replace").decode())


def _wrapped_records(record: dict[str, Any]) -> str:
    """Say how to unwrap what is one record, but seems to hold the records; empty if it does not."""
    values = list(record.values())
    if len(values) == 1 and isinstance(values[0], list) and sum(isinstance(item, dict) for item in values[0]) > 1:
        what, path = "an array", ".[][]"
    elif len(values) >= FEWEST_WRAPPED and all(isinstance(value, dict) for value in values):
        what, path = "objects only", ".[]"
    else:
        return ""
    return f"its only record holds {what}, and Athena reads it as one row: for a row of each, use `jq -c '{path}'`"


def _is_deep(value: object) -> bool:
    """Check whether a value has more than DEEPEST levels, without recursion: its depth is not limited."""
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [
            item
            for found in level
            if isinstance(found, dict | list)
            for item in (found.values() if isinstance(found, dict) else found)
        ]
    return bool(level)


def _is_encodable(record: Iterable[object]) -> bool:
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
