"""Reads the start of a Parquet footer: the names of the columns, and the number of rows. Pure.

A footer is a struct FileMetaData in Thrift's compact protocol: 1 version, 2 schema (a list of SchemaElement, the
tree in depth-first order, the root first), 3 number of rows, then what is not read here. A nested column is one
column. Sources: parquet.thrift and "File Format" of the Apache Parquet format; "Thrift compact protocol"
(Apache Thrift specification).

A footer is untrusted input. Every step consumes at least a byte, and the nesting has a limit, so reading terminates
whatever the bytes are.

Raises FooterUnreadable, which never leaves a function.
"""

from dataclasses import dataclass

DEEPEST = 32
"""How deep structs may be nested; the schema's own elements need four levels."""

LONGEST_VARINT_BYTES = 10
MOST_ELEMENTS = 100_000
"""Of a schema, nested columns included: more than any table can have, and few enough to keep in memory."""

_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT, _UUID = range(14)
_INTEGERS = frozenset({_I16, _I32, _I64})
_FIXED_BYTES = {_TRUE: 1, _FALSE: 1, _BYTE: 1, _DOUBLE: 8, _UUID: 16}
"""The size of a value outside a field, where it does not depend on the value."""

_SCHEMA, _NUM_ROWS = 2, 3
_NAME, _NUM_CHILDREN = 4, 5


class FooterUnreadable(Exception):
    """The footer is invalid; the message says why."""


class FooterCutOff(FooterUnreadable):
    """The bytes end too early."""


@dataclass(frozen=True)
class Footer:
    """The top-level columns in order, as the file names them, and the number of rows."""

    columns: tuple[str, ...]
    rows: int


def read_footer(data: bytes) -> Footer:
    """Read a footer, or as much of its start as contains the schema and the number of rows."""
    reader, schema, rows = _Reader(data), None, None
    field = 0
    while schema is None or rows is None:
        field, kind = reader.field(field)
        if kind == _STOP:
            raise FooterUnreadable("the schema is missing" if schema is None else "the number of rows is missing")
        if field == _SCHEMA and kind == _LIST:
            schema = _top_level(_elements(reader))
        elif field == _NUM_ROWS and kind in _INTEGERS:
            rows = reader.integer()
        else:
            reader.skip(kind)
    if rows < 0:
        raise FooterUnreadable("the number of rows is negative")
    return Footer(schema, rows)


def _elements(reader: "_Reader") -> list[tuple[str, int]]:
    """Read every element of the schema: its name, and how many of the next ones are its children."""
    kind, size = reader.list_header()
    if kind != _STRUCT:
        raise FooterUnreadable("the schema is not a list of columns")
    if size > MOST_ELEMENTS:
        raise FooterUnreadable(f"the schema has more than {MOST_ELEMENTS:,} columns and nested columns")
    return [_element(reader) for _ in range(size)]


def _element(reader: "_Reader") -> tuple[str, int]:
    name, children, field = None, 0, 0
    while True:
        field, kind = reader.field(field)
        if kind == _STOP:
            break
        if field == _NAME and kind == _BINARY:
            name = reader.text()
        elif field == _NUM_CHILDREN and kind in _INTEGERS:
            children = reader.integer()
        else:
            reader.skip(kind)
    if name is None or children < 0:
        raise FooterUnreadable("the schema has a column without a name, or with a negative number of children")
    return name, children


def _top_level(elements: list[tuple[str, int]]) -> tuple[str, ...]:
    """Return the names of the root's own children; skip what is nested in them."""
    if not elements or not elements[0][1]:
        raise FooterUnreadable("the schema has no columns")
    columns = []
    # How many elements remain of the column that is skipped.
    inside = 0
    for name, children in elements[1:]:
        if inside:
            inside += children - 1
        else:
            columns.append(name)
            inside = children
    if inside or len(columns) != elements[0][1]:
        raise FooterUnreadable("the schema does not have the number of columns that it declares")
    return tuple(columns)


class _Reader:
    """Reads bytes of the compact protocol, forward only."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def field(self, previous: int) -> tuple[int, int]:
        """Read the next field's number and type; `previous` is the number of the preceding field."""
        header = self._byte()
        kind, delta = header & 0x0F, header >> 4
        if kind == _STOP:
            return 0, _STOP
        return (previous + delta if delta else self.integer()), kind

    def integer(self) -> int:
        """Read a number of any width: a zigzag varint."""
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def text(self) -> str:
        """Read a name."""
        try:
            return self._take(self._varint()).decode()
        except UnicodeDecodeError as error:
            raise FooterUnreadable("a column's name is not UTF-8") from error

    def list_header(self) -> tuple[int, int]:
        """Read the type of a list's elements, and their number."""
        header = self._byte()
        size = header >> 4
        return header & 0x0F, self._varint() if size == 0x0F else size

    def skip(self, kind: int, depth: int = 0) -> None:
        """Skip a field's value."""
        if depth > DEEPEST:
            raise FooterUnreadable(f"the nesting is deeper than {DEEPEST} levels")
        if kind in (_TRUE, _FALSE):
            # For a boolean field the type is the value.
            return
        self._skip_value(kind, depth)

    def _skip_value(self, kind: int, depth: int) -> None:
        if kind in _FIXED_BYTES:
            self._take(_FIXED_BYTES[kind])
        elif kind in _INTEGERS:
            self._varint()
        elif kind == _BINARY:
            self._take(self._varint())
        elif kind in (_LIST, _SET):
            element, size = self.list_header()
            for _ in range(size):
                self._skip_element(element, depth)
        elif kind == _MAP:
            self._skip_map(depth)
        elif kind == _STRUCT:
            field, kind = self.field(0)
            while kind != _STOP:
                self.skip(kind, depth + 1)
                field, kind = self.field(field)
        else:
            raise FooterUnreadable(f"unknown type {kind}")

    def _skip_map(self, depth: int) -> None:
        size = self._varint()
        if not size:
            return
        kinds = self._byte()
        for _ in range(size):
            self._skip_element(kinds >> 4, depth)
            self._skip_element(kinds & 0x0F, depth)

    def _skip_element(self, kind: int, depth: int) -> None:
        """Skip an element. It takes at least a byte, so a huge size soon reaches the end of the bytes."""
        if depth > DEEPEST:
            raise FooterUnreadable(f"the nesting is deeper than {DEEPEST} levels")
        self._skip_value(kind, depth + 1)

    def _varint(self) -> int:
        value = 0
        for index in range(LONGEST_VARINT_BYTES):
            byte = self._byte()
            value |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                return value
        raise FooterUnreadable("a number has more than 64 bits")

    def _byte(self) -> int:
        return self._take(1)[0]

    def _take(self, length: int) -> bytes:
        taken = self._data[self._position : self._position + length]
        if len(taken) < length:
            raise FooterCutOff("it ends too early")
        self._position += length
        return taken
