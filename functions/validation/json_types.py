"""Compares JSON values with the types of a table's columns. Pure.

A value fits if Athena's JSON SerDe (OpenX) reads it as it is meant. For others the SerDe fails every query that reads
the column, or returns NULL or false. A number or an object in a text column is read as its JSON text, which is only
noted. Sources: "OpenX JSON SerDe" (Amazon Athena User Guide), rcongiu/Hive-JSON-Serde, and the type mapping of Trino's
implementation (trinodb/trino, lib/trino-hive-formats, openxjson/README.md), from which differences are taken: a whole
number with a fraction (`10.0`) fails in the former, and a text of digits with a leading zero is octal in both.
"""

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from math import isinf

from functions.catalogue.column_types import INTEGER_BITS, TEXTS, ColumnType

LONGEST_SHOWN = 40
MOST_NOTES = 50
EXACT_IN_A_DOUBLE = 2**53
LARGEST_DOUBLE = sys.float_info.max
DIGITS_OF_A_DOUBLE = sys.float_info.dig
MOST_DIGITS_WRITTEN = 17
"""As many as tell any two doubles apart: who writes doubles writes no more."""

_ANY_PRECISION = Context(prec=2000, Emax=MAX_EMAX, Emin=MIN_EMIN)
_INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[+-]?(?:NaN|Infinity)")
"""Which Double.valueOf reads from a text (Java SE, class Double)."""

_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?: .*)?")
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
    r"(?:[T ][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:[zZ]|[+-][0-9]{2}:?[0-9]{2})?)?"
)
AS_IT_IS = {"string": str, "varchar": str, "char": str, "boolean": bool, "double": float, "float": float, "binary": str}
"""Values of these Python types fit at first sight."""


class InexactFloat(float):
    """A number in JSON with more digits than a double keeps."""


def read_float(text: str) -> float:
    """Read a number with a fraction or an exponent; of more than 17 digits, a double may not keep all."""
    value = float(text)
    is_short = len(text) <= MOST_DIGITS_WRITTEN or len(_digits(text)) <= MOST_DIGITS_WRITTEN
    return value if is_short or _is_kept(text, value) else InexactFloat(value)


def _digits(text: str) -> str:
    return text.lower().partition("e")[0].replace(".", "").lstrip("+-0")


def _is_kept(text: str, value: float) -> bool:
    """Check whether a double is the number as it is written, or has all of the digits that are written."""
    if isinf(value):
        return True
    try:
        written = Decimal(text)
        last_digit = Decimal((0, (1,), int(written.as_tuple().exponent)))
        return written == Decimal(repr(value)) or written == Decimal(value).quantize(last_digit, None, _ANY_PRECISION)
    except ArithmeticError:
        # It has thousands of digits.
        return False


@dataclass(frozen=True)
class Mismatch:
    """A value that Athena cannot read as it is meant: where it is, and both types."""

    path: str
    found: str
    value: str
    expected: str

    def __str__(self) -> str:
        return f"the column {self.path} is {self.found} ({self.value}), but {self.expected} in the table"


class JsonTypes:
    """Checks values; remembers the columns whose values are read otherwise than by type, but not wrongly."""

    def __init__(self) -> None:
        self.as_text: dict[str, None] = {}
        self.inexact: dict[str, None] = {}
        self.not_finite: dict[str, None] = {}
        self.unknown: dict[str, None] = {}

    def mismatch(self, name: str, value: object, kind: ColumnType) -> Mismatch | None:
        """Return what is wrong with the value of a column or field; None if it fits."""
        if value is None:
            return None
        if kind.name in INTEGER_BITS:
            # First, because most numbers are these.
            return None if _fits_integer(value, kind) else _mismatch(name, value, kind)
        if kind.name in TEXTS:
            if not isinstance(value, str):
                _note(self.as_text, name)
            return None
        if kind.name == "array":
            return self._array_mismatch(name, value, kind)
        if kind.name in {"struct", "map"}:
            return self._object_mismatch(name, value, kind)
        if kind.name in {"double", "float"}:
            self._note_inexact(name, value)
        if isinstance(value, float) and not -LARGEST_DOUBLE <= value <= LARGEST_DOUBLE:
            _note(self.not_finite, name)
        return None if _FITS[kind.name](value, kind) else _mismatch(name, value, kind)

    def _note_inexact(self, name: str, value: object) -> None:
        """Note a number that a double does not keep as it is written, also in a text."""
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            number = float(value)
            if isinf(number):
                _note(self.not_finite, name)
            value = number if len(value) <= DIGITS_OF_A_DOUBLE or _is_kept(value, number) else InexactFloat(number)
        if isinstance(value, InexactFloat) or (type(value) is int and abs(value) > EXACT_IN_A_DOUBLE):
            _note(self.inexact, name)

    def _array_mismatch(self, name: str, value: object, kind: ColumnType) -> Mismatch | None:
        if not isinstance(value, list):
            return _mismatch(name, value, kind)
        for item in value:
            found = self.mismatch(name, item, kind.of[0])
            if found is not None:
                return found
        return None

    def _object_mismatch(self, name: str, value: object, kind: ColumnType) -> Mismatch | None:
        if not isinstance(value, dict):
            return _mismatch(name, value, kind)
        fields = kind.types_of_fields
        for key, item in value.items():
            of = (fields.get(key) or fields.get(key.lower())) if kind.name == "struct" else kind.of[1]
            if of is None:
                self.note_unknown(name, key)
                continue
            if kind.name == "map":
                # Its keys may be as many as records: what is only noted is noted of the column.
                found = self.mismatch(name, item, of)
                if found is not None:
                    return replace(found, path=f"{name}.{key.lower()}{found.path[len(name) :]}")
                continue
            found = self.mismatch(f"{name}.{key.lower()}", item, of)
            if found is not None:
                return found
        return None

    def note_unknown(self, name: str, field: str) -> None:
        """Note a struct's field that the table lacks."""
        _note(self.unknown, f"{name}.{field.lower()}")


def _note(notes: dict[str, None], name: str) -> None:
    # Keys may be as many as records.
    if len(notes) < MOST_NOTES:
        notes[name] = None


def _mismatch(name: str, value: object, kind: ColumnType) -> Mismatch:
    text = json.dumps(value, ensure_ascii=False, default=str)
    shown = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
    return Mismatch(name, type_of(value), shown, str(kind))


def type_of(value: object) -> str:
    """Name the type of a JSON value as the catalogue would."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        bits = value.bit_length() + 1
        return "int" if bits <= 32 else "bigint" if bits <= 64 else "an integer of more than 64 bits"
    names: dict[type, str] = {float: "double", InexactFloat: "double", str: "string", list: "array", dict: "struct"}
    return names.get(type(value), "null")


def _fits_boolean(value: object, _kind: ColumnType) -> bool:
    # A text other than "true" is false, whatever it says.
    return isinstance(value, bool) or (isinstance(value, str) and value.lower() in {"true", "false"})


def _fits_integer(value: object, kind: ColumnType) -> bool:
    bits = INTEGER_BITS[kind.name]
    if isinstance(value, str) and _INTEGER.fullmatch(value) and len(value) < 30:
        value = int(value)
    return type(value) is int and -(1 << bits - 1) <= value < 1 << bits - 1


def _fits_number(value: object, _kind: ColumnType) -> bool:
    if isinstance(value, str):
        return (_NUMBER.fullmatch(value) or _NOT_FINITE.fullmatch(value)) is not None
    return _is_number(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _fits_decimal(value: object, kind: ColumnType) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    if not _NUMBER.fullmatch(str(value)):
        return False
    precision, scale = kind.digits
    try:
        digits, exponent = Decimal(str(value)).normalize().as_tuple()[1:]
    except ArithmeticError:
        # Its exponent is beyond what any type can hold.
        return False
    fraction = max(0, -int(exponent))
    whole = max(0, len(digits) + int(exponent))
    return fraction <= scale and whole <= precision - scale


def _fits_date(value: object, _kind: ColumnType) -> bool:
    return isinstance(value, str) and _DATE.fullmatch(value) is not None


def _fits_timestamp(value: object, _kind: ColumnType) -> bool:
    # A number counts seconds or milliseconds since 1970.
    return _is_number(value) or (isinstance(value, str) and _TIMESTAMP.fullmatch(value) is not None)


def _fits_binary(value: object, _kind: ColumnType) -> bool:
    return isinstance(value, str)


_FITS: dict[str, Callable[[object, ColumnType], bool]] = {
    "boolean": _fits_boolean,
    **dict.fromkeys(INTEGER_BITS, _fits_integer),
    "float": _fits_number,
    "double": _fits_number,
    "decimal": _fits_decimal,
    "date": _fits_date,
    "timestamp": _fits_timestamp,
    "binary": _fits_binary,
}
