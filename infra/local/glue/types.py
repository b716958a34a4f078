"""Glue's column types: parse them, merge two, and translate them to and from DuckDB.

Raises UnknownType for text that is not a type of the catalogue.
"""

import re
from collections import Counter
from dataclasses import dataclass, replace

from functions.catalogue import column_types

_DUCKDB = {
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "string": "VARCHAR",
    "varchar": "VARCHAR",
    "char": "VARCHAR",
    "binary": "BLOB",
}
_FROM_DUCKDB = {
    "BOOLEAN": "boolean",
    "TINYINT": "tinyint",
    "SMALLINT": "smallint",
    "INTEGER": "int",
    "BIGINT": "bigint",
    "UTINYINT": "smallint",
    "USMALLINT": "int",
    "UINTEGER": "bigint",
    # Parquet stores it in 64 bits, and the catalogue has no wider integer.
    "UBIGINT": "bigint",
    "FLOAT": "float",
    "DOUBLE": "double",
    "DATE": "date",
    "VARCHAR": "string",
    "BLOB": "binary",
    # As the numbers and bytes that Parquet stores: no type of the catalogue shows more of them.
    **dict.fromkeys(("TIME", "TIME_NS", "TIME WITH TIME ZONE"), "bigint"),
    "UUID": "binary",
    "INTERVAL": "binary",
    # A column without values, of the type null: Parquet stores it as INT32.
    '"NULL"': "int",
}
_NUMBERS = ("tinyint", "smallint", "int", "bigint", "float", "double")
_INTEGERS = _NUMBERS[:4]
_TOKEN = re.compile(r"[<>(),:]|\"(?:[^\"]|\"\")*\"|[\w.$ ]+|.", re.DOTALL)
"""A name has letters, digits, `_`, `.`, `$` and blanks, as in Hive's grammar (TypeInfoUtils in apache/hive)."""


class UnknownType(ValueError):
    """Text is not a type of the Glue catalogue."""


@dataclass(frozen=True)
class GlueType:
    """A type: its name, size such as `(10,2)`, element types, and a struct's field names."""

    name: str
    size: tuple[int, ...] = ()
    of: tuple["GlueType", ...] = ()
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.name == "struct":
            return f"struct<{','.join(f'{n}:{t}' for n, t in zip(self.fields, self.of, strict=True))}>"
        if self.of:
            return f"{self.name}<{','.join(map(str, self.of))}>"
        return self.name + (f"({','.join(map(str, self.size))})" if self.size else "")

    @property
    def duckdb(self) -> str:
        """The type in DuckDB's SQL."""
        if self.name == "struct":
            inner = (
                f'"{n.replace(chr(34), chr(34) * 2)}" {t.duckdb}' for n, t in zip(self.fields, self.of, strict=True)
            )
            return f"STRUCT({', '.join(inner)})"
        if self.name == "array":
            return f"{self.of[0].duckdb}[]"
        if self.name == "map":
            return f"MAP({self.of[0].duckdb}, {self.of[1].duckdb})"
        if self.name == "decimal":
            precision, scale = self.digits
            return f"DECIMAL({precision},{scale})"
        return _DUCKDB[self.name]

    @property
    def digits(self) -> tuple[int, int]:
        """Precision and scale of a decimal; (10,0) in Hive where the type states none."""
        precision, scale = (*self.size, 0)[:2] if self.size else (10, 0)
        return precision, scale


STRING = GlueType("string")
UNKNOWN = GlueType("unknown")
"""Of a value that may have any type, such as null, until another value decides."""


def known(kind: GlueType) -> GlueType:
    """Return the type with strings for what no value has decided."""
    if kind == UNKNOWN:
        return STRING
    return replace(kind, of=tuple(map(known, kind.of)))


def parse(text: str) -> GlueType:
    """Parse a type as the catalogue writes it: `bigint`, `decimal(10,2)`, `array<struct<a:int>>`."""
    return _TypeParser(text).parse()


class _TypeParser:
    """A recursive descent parser of one type."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[str] = [*filter(str.strip, _TOKEN.findall(text.strip()))]
        self._position = 0

    def parse(self) -> GlueType:
        parsed = self._type()
        if self._peek() is not None:
            raise self._error()
        return parsed

    def _type(self) -> GlueType:
        name = self._next().strip().lower()
        if name in {"array", "map"}:
            self._expect("<")
            elements = [self._type()]
            if name == "map":
                self._expect(",")
                elements.append(self._type())
            self._expect(">")
            return GlueType(name, of=tuple(elements))
        if name == "struct":
            return self._struct()
        size = self._size()
        if name not in _DUCKDB and name != "decimal":
            raise self._error()
        return GlueType("int" if name == "integer" else name, size=size)

    def _struct(self) -> GlueType:
        fields: list[str] = []
        types: list[GlueType] = []
        self._expect("<")
        while True:
            field = self._next()
            if not re.match(r'["\w.$ ]', field):
                raise self._error()
            fields.append(field.strip('"'))
            self._expect(":")
            types.append(self._type())
            if self._peek() != ",":
                self._expect(">")
                return GlueType("struct", of=tuple(types), fields=tuple(fields))
            self._expect(",")

    def _size(self) -> tuple[int, ...]:
        size: list[int] = []
        if self._peek() == "(":
            self._expect("(")
            while (part := self._next()) != ")":
                if part.strip().isdecimal():
                    size.append(int(part))
                elif part != ",":
                    raise self._error()
        return tuple(size)

    def _peek(self) -> str | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def _next(self) -> str:
        token = self._peek()
        if token is None:
            raise self._error()
        self._position += 1
        return token.strip()

    def _expect(self, token: str) -> None:
        if self._next() != token:
            raise self._error()

    def _error(self) -> UnknownType:
        return UnknownType(f"{self._text!r} is not a type of the Glue catalogue")


def of_duckdb(text: str) -> GlueType:
    """Translate DuckDB's type into the catalogue's; a type that the catalogue lacks is a string."""
    text = text.strip()
    if text.endswith("[]"):
        return GlueType("array", of=(of_duckdb(text[:-2]),))
    if text.startswith("DECIMAL("):
        precision, scale = text[8:-1].split(",")
        return GlueType("decimal", size=(int(precision), int(scale)))
    if text.startswith("TIMESTAMP"):
        return GlueType("timestamp")
    if text.startswith("TUPLE("):
        # A struct whose fields have no names.
        of = tuple(map(of_duckdb, _split(text[len("TUPLE(") : -1])))
        return GlueType("struct", of=of, fields=("",) * len(of))
    if text.startswith(("STRUCT(", "MAP(")):
        parts = _split(text[text.index("(") + 1 : -1])
        if text.startswith("MAP"):
            return GlueType("map", of=(of_duckdb(parts[0]), of_duckdb(parts[1])))
        pairs = [_field(part) for part in parts]
        return GlueType("struct", of=tuple(of_duckdb(t) for _, t in pairs), fields=tuple(n.lower() for n, _ in pairs))
    if text == "HUGEINT":
        return GlueType("decimal", size=(38, 0))
    return GlueType(_FROM_DUCKDB.get(text, "string"))


def _split(text: str) -> list[str]:
    parts, depth, quoted, start = [], 0, False, 0
    for i, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        elif not quoted and char == "(":
            depth += 1
        elif not quoted and char == ")":
            depth -= 1
        elif char == "," and depth == 0 and not quoted:
            parts.append(text[start:i].strip())
            start = i + 1
    return [*parts, text[start:].strip()]


def _field(part: str) -> tuple[str, str]:
    if part.startswith('"'):
        end = re.match(r'"((?:[^"]|"")*)"\s+', part)
        if end is None:
            raise UnknownType(part)
        return end[1].replace('""', '"'), part[end.end() :]
    name, _, rest = part.partition(" ")
    return name, rest


def merge(a: GlueType, b: GlueType) -> GlueType:
    """Return the narrowest type that fits both: a wider number, a struct with the fields of both, else a string."""
    if b in (a, UNKNOWN):
        return a
    if a == UNKNOWN:
        return b
    if a.name in _NUMBERS and b.name in _NUMBERS:
        wider = max(a, b, key=lambda kind: _NUMBERS.index(kind.name))
        # A float does not fit every int; Glue uses a double for the mixture.
        return GlueType("double") if wider.name == "float" else wider
    if a.name == b.name == "decimal":
        (precision_a, scale_a), (precision_b, scale_b) = a.digits, b.digits
        scale = max(scale_a, scale_b)
        whole = max(precision_a - scale_a, precision_b - scale_b)
        return GlueType("decimal", size=(min(38, whole + scale), scale))
    if a.name == b.name and a.name in {"array", "map"}:
        return GlueType(a.name, of=tuple(merge(x, y) for x, y in zip(a.of, b.of, strict=True)))
    if a.name == b.name == "struct":
        types = dict(zip(a.fields, a.of, strict=True))
        for field, found in zip(b.fields, b.of, strict=True):
            types[field] = merge(types[field], found) if field in types else found
        return GlueType("struct", of=tuple(types.values()), fields=tuple(types))
    return STRING


def majority(kinds: list[GlueType], in_json: bool) -> GlueType:
    """Return the type that most files have, widened for the others as far as it still fits all that it is made of.

    Of equals, text wins in JSON, where it holds every value, else the first. What Athena cannot read comes last.
    """
    counts = Counter(kinds)
    ranked = sorted(counts, key=lambda kind: (not _is_readable(kind), -counts[kind], in_json and kind != STRING))
    chosen, members = ranked[0], [ranked[0]]
    for kind in ranked[1:]:
        wider = merge(chosen, kind)
        is_new_text = wider == STRING != chosen
        if not is_new_text and _is_readable(kind) and all(_fits(one, wider, in_json) for one in (*members, kind)):
            chosen = wider
            members.append(kind)
    return chosen


def _fits(kind: GlueType, wider: GlueType, in_json: bool) -> bool:
    """Check whether values of a type can be read as another one."""
    if kind.name == wider.name == "struct":
        kinds = dict(zip(wider.fields, wider.of, strict=True))
        return all(
            name in kinds and _fits(of, kinds[name], in_json) for name, of in zip(kind.fields, kind.of, strict=True)
        )
    if kind.name == wider.name and kind.of:
        return all(_fits(a, b, in_json) for a, b in zip(kind.of, wider.of, strict=True))
    if kind.name == wider.name or (in_json and wider == STRING and not kind.of):
        return True
    if kind.name in _INTEGERS and wider.name in _INTEGERS:
        return _INTEGERS.index(kind.name) <= _INTEGERS.index(wider.name)
    # Parquet stores whole numbers and others differently, and no reader converts them.
    return wider.name == "double" and (kind.name == "float" or (in_json and kind.name in _INTEGERS))


def _is_readable(kind: GlueType) -> bool:
    try:
        column_types.parse(str(kind))
    except column_types.TypeUnreadable:
        return False
    return True
