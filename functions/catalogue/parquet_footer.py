"""Reads the start of a Parquet footer: columns with their types, the number of rows, how the first pages are stored.

A footer is a struct FileMetaData in Thrift's compact protocol: 1 version, 2 schema (a list of SchemaElement, the
tree in depth-first order, the root first), 3 number of rows, 4 row groups, of which the first is read as far as its
bytes are there. Pure. Sources: parquet.thrift and "File Format" of the Apache Parquet format.

A footer is untrusted input: functions/catalogue/thrift.py reads it within bounds, and what it claims is checked.

Raises FooterUnreadable, which never leaves a function.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from functions.catalogue.parquet_chunks import PHYSICAL_TYPES, Chunk, RowGroup, named, row_groups, split_types
from functions.catalogue.thrift import (
    BINARY,
    FALSE,
    INTEGERS,
    LIST,
    STOP,
    STRUCT,
    TRUE,
    CompactReader,
    ThriftCutOff,
    ThriftUnreadable,
)

MOST_ELEMENTS = 100_000
"""Of a schema, nested columns included: more than any table can have, and few enough to keep in memory."""

DEEPEST_COLUMN = 100

_CONVERTED_TYPES = (
    *("utf8", "map", "map_key_value", "list", "enum", "decimal", "date", "time_millis", "time_micros"),
    *("timestamp_millis", "timestamp_micros", "uint_8", "uint_16", "uint_32", "uint_64"),
    *("int_8", "int_16", "int_32", "int_64", "json", "bson", "interval"),
)
_LOGICAL_TYPES = {
    **{1: "utf8", 2: "map", 3: "list", 4: "enum", 5: "decimal", 6: "date", 7: "time", 8: "timestamp", 10: "int"},
    **{11: "null", 12: "json", 13: "bson", 14: "uuid", 15: "float16", 16: "variant", 17: "geometry", 18: "geography"},
}
_TIME_UNITS = {1: "millis", 2: "micros", 3: "nanos"}
_REPEATED = 2

_SCHEMA, _NUM_ROWS = 2, 3
_TYPE, _REPETITION, _NAME, _NUM_CHILDREN, _CONVERTED, _SCALE, _PRECISION, _LOGICAL = 1, 3, 4, 5, 6, 7, 8, 10


class FooterUnreadable(Exception):
    """The footer is invalid; the message says why."""


class FooterCutOff(FooterUnreadable):
    """The bytes end too early."""


@dataclass(frozen=True)
class ParquetField:
    """A column or nested column: its name, its physical type (empty for a group), and what annotates it.

    `annotation` is the logical type, else the converted one, in the names of the latter (`utf8`, `uint_64`,
    `timestamp_micros`).
    """

    name: str
    physical: str = ""
    annotation: str = ""
    precision: int = 0
    scale: int = 0
    repeated: bool = False
    children: tuple["ParquetField", ...] = ()


@dataclass(frozen=True)
class Footer:
    """The top-level columns in order, as the file names them, and the number of rows.

    `fields` are the columns with their types. Of the first row group, if its start was read: `codecs`, and the physical
    types of the columns that are encoded with BYTE_STREAM_SPLIT. `data` is the footer itself, if it was read whole.
    """

    columns: tuple[str, ...]
    rows: int
    fields: tuple[ParquetField, ...] = field(default=(), compare=False)
    codecs: frozenset[str] = field(default=frozenset(), compare=False)
    split_types: frozenset[str] = field(default=frozenset(), compare=False)
    data: bytes = field(default=b"", compare=False, repr=False)


@dataclass
class _Element:
    """A SchemaElement, and how many of the next ones are its children."""

    field: ParquetField
    children: int


def read_footer(data: bytes) -> Footer:
    """Read a footer, or as much of its start as contains the schema and the number of rows."""
    try:
        return _read(CompactReader(data))
    except ThriftCutOff as error:
        raise FooterCutOff(str(error)) from error
    except ThriftUnreadable as error:
        raise FooterUnreadable(str(error)) from error


def _read(reader: CompactReader) -> Footer:
    fields, rows = None, None
    number = 0
    while fields is None or rows is None:
        number, kind = reader.field(number)
        if kind == STOP:
            raise FooterUnreadable("the schema is missing" if fields is None else "the number of rows is missing")
        if number == _SCHEMA and kind == LIST:
            fields = _tree(_elements(reader))
        elif number == _NUM_ROWS and kind in INTEGERS:
            rows = reader.integer()
        else:
            reader.skip(kind)
    if rows < 0:
        raise FooterUnreadable("the number of rows is negative")
    chunks = _first_chunks(reader, number)
    return Footer(
        tuple(column.name for column in fields),
        rows,
        fields,
        codecs=frozenset(chunk.codec for chunk in chunks if chunk.codec),
        split_types=split_types(chunks),
    )


def _elements(reader: CompactReader) -> list[_Element]:
    """Read every element of the schema."""
    kind, size = reader.list_header()
    if kind != STRUCT:
        raise FooterUnreadable("the schema is not a list of columns")
    if size > MOST_ELEMENTS:
        raise FooterUnreadable(f"the schema has more than {MOST_ELEMENTS:,} columns and nested columns")
    return [_element(reader) for _ in range(size)]


def _element(reader: CompactReader) -> _Element:
    name, logical = None, ""
    numbers: dict[int, int] = {}
    for number, kind in reader.fields():
        if number == _NAME and kind == BINARY:
            name = reader.text()
        elif number == _LOGICAL and kind == STRUCT:
            logical = _logical_type(reader)
        elif kind in INTEGERS:
            numbers[number] = reader.integer()
        else:
            reader.skip(kind)
    children = numbers.get(_NUM_CHILDREN, 0)
    if name is None or children < 0:
        raise FooterUnreadable("the schema has a column without a name, or with a negative number of children")
    return _Element(
        ParquetField(
            name=name,
            physical="" if children else named(PHYSICAL_TYPES, numbers.get(_TYPE)),
            annotation=logical or named(_CONVERTED_TYPES, numbers.get(_CONVERTED)),
            precision=numbers.get(_PRECISION, 0),
            scale=numbers.get(_SCALE, 0),
            repeated=numbers.get(_REPETITION) == _REPEATED,
        ),
        children,
    )


def _logical_type(reader: CompactReader) -> str:
    """Read a LogicalType, a union, in the words of the converted types; empty if it is unknown."""
    name = ""
    for number, kind in reader.fields():
        base = _LOGICAL_TYPES.get(number, "")
        if kind == STRUCT and base == "int":
            name = _integer_type(reader)
        elif kind == STRUCT and base in {"time", "timestamp"}:
            name = f"{base}_{_time_unit(reader)}"
        else:
            name = base
            reader.skip(kind)
    return name


def _integer_type(reader: CompactReader) -> str:
    bits, signed = 0, True
    for number, kind in reader.fields():
        if number == 1:
            bits = reader.byte()
        elif number == 2 and kind in (TRUE, FALSE):
            signed = kind == TRUE
        else:
            reader.skip(kind)
    return f"{'int' if signed else 'uint'}_{bits}"


def _time_unit(reader: CompactReader) -> str:
    unit = "micros"
    for number, kind in reader.fields():
        if number == 2 and kind == STRUCT:
            for choice, value in reader.fields():
                unit = _TIME_UNITS.get(choice, unit)
                reader.skip(value)
        else:
            reader.skip(kind)
    return unit


def _tree(elements: list[_Element]) -> tuple[ParquetField, ...]:
    """Return the root's own children with all that is nested in them."""
    if not elements or not elements[0].children:
        raise FooterUnreadable("the schema has no columns")
    remaining = iter(elements[1:])
    columns = _children(remaining, elements[0].children, 0)
    if next(remaining, None) is not None:
        raise FooterUnreadable("the schema does not have the number of columns that it declares")
    return columns


def _subtree(remaining: Iterator[_Element], depth: int) -> ParquetField:
    element = next(remaining, None)
    if element is None:
        raise FooterUnreadable("the schema does not have the number of columns that it declares")
    if depth > DEEPEST_COLUMN:
        raise FooterUnreadable(f"a column is nested deeper than {DEEPEST_COLUMN} levels")
    if not element.children:
        return element.field
    return replace(element.field, children=_children(remaining, element.children, depth + 1))


def _children(remaining: Iterator[_Element], number: int, depth: int) -> tuple[ParquetField, ...]:
    # A number that is too large ends at the last element.
    return tuple(_subtree(remaining, depth) for _ in range(number))


def _first_chunks(reader: CompactReader, previous: int) -> list[Chunk]:
    """Return the columns of the first row group; what is cut off or invalid is left out: only the schema counts."""
    first = None
    with suppress(ThriftUnreadable):
        groups = row_groups(reader, previous)
        first = next(groups, None)
        next(groups, None)
    return first.chunks if first else []


def read_row_groups(data: bytes) -> list[RowGroup]:
    """Read all row groups of a whole footer."""
    try:
        return list(row_groups(CompactReader(data)))
    except ThriftUnreadable as error:
        raise FooterUnreadable(str(error)) from error
