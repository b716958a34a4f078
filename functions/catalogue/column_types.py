"""Reads the types of the catalogue's columns. Pure.

`bigint`, `decimal(10,2)`, `array<struct<a:int>>`: "Data types in Amazon Athena" (Amazon Athena User Guide), and Hive's
grammar of types (TypeInfoUtils in apache/hive): a struct's field names may have letters, digits, `_`, `.`, `$` and
blanks only, which belong to the name also at its ends. Athena cannot read a table with another one, even if a query
does not use the column ("Error: : expected at the position 13 of 'struct<first-name:string>' but '-' is found").
"""

import re
from dataclasses import dataclass
from functools import cached_property

PRIMITIVES = frozenset(
    {
        *("boolean", "tinyint", "smallint", "int", "bigint", "float", "double", "decimal"),
        *("string", "varchar", "char", "binary", "date", "timestamp"),
    }
)
INTEGER_BITS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
TEXTS = frozenset({"string", "varchar", "char"})
_SYNONYMS = {"integer": "int", "real": "float"}
_TOKEN = re.compile(r"[<>(),:]|[\w.$ ]+|.", re.DOTALL)


class TypeUnreadable(ValueError):
    """The text is not a type that Athena can read. It never leaves a function."""


@dataclass(frozen=True)
class ColumnType:
    """A type: its name, its size as in `(10,2)`, the types of its elements, and a struct's field names."""

    name: str
    size: tuple[int, ...] = ()
    of: tuple["ColumnType", ...] = ()
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.name == "struct":
            return f"struct<{','.join(f'{field}:{kind}' for field, kind in zip(self.fields, self.of, strict=True))}>"
        if self.of:
            return f"{self.name}<{','.join(map(str, self.of))}>"
        return self.name + (f"({','.join(map(str, self.size))})" if self.size else "")

    @cached_property
    def types_of_fields(self) -> dict[str, "ColumnType"]:
        """A struct's types by the names of its fields; empty for other types."""
        return dict(zip(self.fields, self.of, strict=True)) if self.fields else {}

    @property
    def digits(self) -> tuple[int, int]:
        """Precision and scale of a decimal; (10,0) in Hive where the type states none."""
        precision, scale = (*self.size, 0)[:2] if self.size else (10, 0)
        return precision, scale


def _may_be_in_a_name(char: str) -> bool:
    """Check a character of a field's name as Java does, which sees two units, and no letter, beyond U+FFFF."""
    if char.isascii():
        return char.isalnum() or char in "_.$ "
    return char <= "\uffff" and (char.isalpha() or char.isdecimal())


def parse(text: str) -> ColumnType:
    """Parse a type as the catalogue writes it."""
    parser = _Parser(text)
    try:
        found = parser.type()
    except RecursionError as error:
        raise parser.error() from error
    if parser.next() is not None:
        raise parser.error()
    return found


class _Parser:
    """A recursive descent parser of one type."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = filter(str.strip, _TOKEN.findall(text))
        self._ahead: str | None = next(self._tokens, None)

    def next(self) -> str | None:
        """Take the next token; None at the end."""
        token, self._ahead = self._ahead, next(self._tokens, None)
        return token

    def error(self) -> TypeUnreadable:
        return TypeUnreadable(f"{self._text!r} is not a type that Athena can read")

    def type(self) -> ColumnType:
        """Read one type."""
        name = (self.next() or "").strip().lower()
        name = _SYNONYMS.get(name, name)
        if name in {"array", "map"}:
            self._expect("<")
            of = [self.type()]
            if name == "map":
                self._expect(",")
                of.append(self.type())
            self._expect(">")
            return ColumnType(name, of=tuple(of))
        if name == "struct":
            return self._struct()
        if name not in PRIMITIVES:
            raise self.error()
        return ColumnType(name, size=self._size())

    def _struct(self) -> ColumnType:
        fields: list[str] = []
        types: list[ColumnType] = []
        self._expect("<")
        while True:
            field = self.next()
            if field is None or not all(map(_may_be_in_a_name, field)):
                raise self.error()
            fields.append(field)
            self._expect(":")
            types.append(self.type())
            end = self.next()
            if end == ">":
                return ColumnType("struct", of=tuple(types), fields=tuple(fields))
            if end != ",":
                raise self.error()

    def _size(self) -> tuple[int, ...]:
        if self._ahead != "(":
            return ()
        self.next()
        size: list[int] = []
        while (part := self.next()) != ")":
            if part is None or not (part == "," or part.strip().isdecimal()):
                raise self.error()
            if part != ",":
                size.append(int(part))
        return tuple(size)

    def _expect(self, token: str) -> None:
        if self.next() != token:
            raise self.error()
