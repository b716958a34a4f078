"""The beginning of a Parquet footer: the names of the columns, and how many rows there are. Pure.

A footer is a struct FileMetaData in Thrift's compact protocol: 1 version, 2 schema (a list of SchemaElement, the
tree written depth first, the root at its beginning), 3 number of rows, then what is not read here. A nested column
is one column. Sources: parquet.thrift and "File Format" of the Apache Parquet format; "Thrift compact protocol"
(Apache Thrift specification).

A footer comes from anybody. Every step forward takes at least a byte, and nothing is nested deeper than a bound, so
reading ends whatever the bytes are.

Raises FooterUnreadable, which never leaves a function.
"""

from dataclasses import dataclass

DEEPEST = 32
"""How deep structs may lie in each other; the schema's own elements need four levels."""

LONGEST_VARINT_BYTES = 10
MOST_ELEMENTS = 100_000
"""Of a schema, nested columns and their parts counted: more than any table can have, and few enough to remember."""

_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT, _UUID = range(14)
_INTEGERS = frozenset({_I16, _I32, _I64})
_SCHEMA, _NUM_ROWS = 2, 3
_NAME, _NUM_CHILDREN = 4, 5


class FooterUnreadable(Exception):
    """What is wrong with a footer, in words."""


class FooterCutOff(FooterUnreadable):
    """The bytes end before what was looked for."""


@dataclass(frozen=True)
class Footer:
    """The top-level columns in order, as the file writes them, and the number of rows."""

    columns: tuple[str, ...]
    rows: int


def read_footer(data: bytes) -> Footer:
    """Read a footer, or as much of its beginning as holds the schema and the number of rows."""
    reader, schema, rows = _Reader(data), None, None
    field = 0
    while schema is None or rows is None:
        field, kind = reader.field(field)
        if kind == _STOP:
            raise FooterUnreadable("it tells no schema" if schema is None else "it tells no number of rows")
        if field == _SCHEMA and kind == _LIST:
            schema = _top_level(_elements(reader))
        elif field == _NUM_ROWS and kind in _INTEGERS:
            rows = reader.integer()
        else:
            reader.skip(kind)
    if rows < 0:
        raise FooterUnreadable("its number of rows is less than none")
    return Footer(schema, rows)


def _elements(reader: "_Reader") -> list[tuple[str, int]]:
    """Every element of the schema: its name, and how many of the next ones are its own."""
    kind, size = reader.list_header()
    if kind != _STRUCT:
        raise FooterUnreadable("its schema is no list of columns")
    if size > MOST_ELEMENTS:
        raise FooterUnreadable(f"its schema has more than {MOST_ELEMENTS:,} columns and parts of columns")
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
        raise FooterUnreadable("its schema has a column without a name, or with fewer parts than none")
    return name, children


def _top_level(elements: list[tuple[str, int]]) -> tuple[str, ...]:
    """The names of the root's own children; what lies in them is passed over."""
    if not elements or not elements[0][1]:
        raise FooterUnreadable("its schema has no columns")
    columns = []
    # How many elements are still to come in the column that is passed over.
    inside = 0
    for name, children in elements[1:]:
        if inside:
            inside += children - 1
        else:
            columns.append(name)
            inside = children
    if inside or len(columns) != elements[0][1]:
        raise FooterUnreadable("its schema has other columns than it says")
    return tuple(columns)


class _Reader:
    """Goes through bytes of the compact protocol, forward only."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def field(self, before: int) -> tuple[int, int]:
        """The next field's number and type; `before` is the number of the one before it."""
        header = self._byte()
        kind, delta = header & 0x0F, header >> 4
        if kind == _STOP:
            return 0, _STOP
        return (before + delta if delta else self.integer()), kind

    def integer(self) -> int:
        """A number of any width: a varint, zigzag."""
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def text(self) -> str:
        """A name."""
        try:
            return self._take(self._varint()).decode()
        except UnicodeDecodeError as error:
            raise FooterUnreadable("a column's name is no UTF-8") from error

    def list_header(self) -> tuple[int, int]:
        """The type of a list's elements, and how many there are."""
        header = self._byte()
        size = header >> 4
        return header & 0x0F, self._varint() if size == 0x0F else size

    def skip(self, kind: int, depth: int = 0) -> None:
        """Pass over a field's value."""
        if depth > DEEPEST:
            raise FooterUnreadable(f"it is nested deeper than {DEEPEST} levels")
        if kind in (_TRUE, _FALSE):
            # In a field the type is the value.
            return
        self._skip_value(kind, depth)

    def _skip_value(self, kind: int, depth: int) -> None:
        if kind in (_TRUE, _FALSE, _BYTE):
            self._take(1)
        elif kind in _INTEGERS:
            self._varint()
        elif kind == _DOUBLE:
            self._take(8)
        elif kind == _BINARY:
            self._take(self._varint())
        elif kind == _UUID:
            self._take(16)
        elif kind in (_LIST, _SET):
            of, size = self.list_header()
            for _ in range(size):
                self._skip_element(of, depth)
        elif kind == _MAP:
            self._skip_map(depth)
        elif kind == _STRUCT:
            field, of = self.field(0)
            while of != _STOP:
                self.skip(of, depth + 1)
                field, of = self.field(field)
        else:
            raise FooterUnreadable(f"it has a value of an unknown kind ({kind})")

    def _skip_map(self, depth: int) -> None:
        size = self._varint()
        if not size:
            return
        kinds = self._byte()
        for _ in range(size):
            self._skip_element(kinds >> 4, depth)
            self._skip_element(kinds & 0x0F, depth)

    def _skip_element(self, kind: int, depth: int) -> None:
        """An element takes a byte at least, so that a huge size soon meets the end of the bytes."""
        if depth > DEEPEST:
            raise FooterUnreadable(f"it is nested deeper than {DEEPEST} levels")
        self._skip_value(kind, depth + 1)

    def _varint(self) -> int:
        value = 0
        for place in range(LONGEST_VARINT_BYTES):
            byte = self._byte()
            value |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                return value
        raise FooterUnreadable("it has a number of more than 64 bits")

    def _byte(self) -> int:
        return self._take(1)[0]

    def _take(self, length: int) -> bytes:
        taken = self._data[self._at : self._at + length]
        if len(taken) < length:
            raise FooterCutOff("it ends too early")
        self._at += length
        return taken
