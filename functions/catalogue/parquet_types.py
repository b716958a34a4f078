"""Compares the columns of a Parquet file with those of its table: whether Athena reads each one as it is meant. Pure.

Athena reads Parquet by column name, and a query that opens no column (`count(*)`) checks no type; the query that opens
it fails, or shows something else. Of what Trino's reader accepts, only what keeps every value passes: the same type, or
a wider one of the same kind. What the catalogue has no type for (a UUID, unsigned numbers) is a warning if the table's
type shows its bytes or its number, because no other table would show more; else every query of the column fails, and
so does the file (a time of day that is not in a column of bigint, a float of 16 bits in one of numbers). A timestamp
that is read as a number, as Glue's crawler has it, is a warning.

Sources: trinodb/trino, lib/trino-parquet, ColumnReaderFactory; parquet.thrift and LogicalTypes.md of the Apache Parquet
format; "Data types in Amazon Athena".
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from functions.catalogue.column_types import INTEGER_BITS, TEXTS, ColumnType
from functions.catalogue.parquet_footer import ParquetField

MOST_DIGITS = 38
READ_FROM_NULLS = frozenset({*INTEGER_BITS, "date"})
"""A column of the type null is stored as INT32 without an annotation: what Trino reads from that. Any other type of the
table is HIVE_BAD_DATA ("incompatible with type varchar"), as files of pandas show whose column has no value at all."""


_INTEGERS = {
    **{"int_8": "tinyint", "int_16": "smallint", "int_32": "int", "int_64": "bigint"},
    # Their values fit the next signed type, and Trino reads any integer type from INT32.
    **{"uint_8": "smallint", "uint_16": "int"},
}
_BY_PHYSICAL = {
    "boolean": "boolean",
    "int32": "int",
    "int64": "bigint",
    "int96": "timestamp",
    "float": "float",
    "double": "double",
    "byte_array": "binary",
    "fixed_len_byte_array": "binary",
}
_TEXT_ANNOTATIONS = frozenset({"utf8", "enum", "json"})
UNITS = {"millis": "milliseconds", "micros": "microseconds", "nanos": "nanoseconds"}
_LACKING = {
    "time": ("Athena has no such column type", "as text, or as a number"),
    "uint": ("Athena reads it as signed: values above half of its range appear negative", ""),
    "uuid": ("Athena shows its 16 bytes, not its text", "as text"),
    "null": ("a file that has values may not fit the table's type", ""),
    "interval": ("Athena shows it as bytes", "as text, or as a number"),
    "float16": ("Athena shows it as bytes", "as a float of 32 bits"),
    "variant": ("Athena shows it as bytes", "as JSON text"),
    "geometry": ("Athena shows it as bytes", "as text"),
    "geography": ("Athena shows it as bytes", "as text"),
    "bson": ("Athena shows it as bytes", "as JSON text"),
    "wide decimal": (f"Athena supports at most {MOST_DIGITS} digits: queries of the column fail", ""),
}
"""What the catalogue has no type for: what Athena makes of it, and how to write what it cannot read."""

_READ_AS_BYTES = {"fixed_len_byte_array": frozenset({"string", "binary"}), "byte_array": frozenset({*TEXTS, "binary"})}
"""As which types Trino reads bytes, by their physical type. In a text of limited length, it reads none of fixed length
(ColumnReaderFactory: `VARCHAR.equals(type)`, which is the type without a limit)."""


@dataclass
class TypeComparison:
    """What is wrong with the columns, and what is only unusual."""

    mismatches: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def compare(self, column: ParquetField, kind: ColumnType, path: str) -> None:
        """Compare a column or nested column with its type in the table."""
        found, lacking = type_of(column), _lacking(column)
        if unit := _unit_as_number(column, kind):
            self.warnings.append(
                f"the column {path} is {_described(column)}, but bigint in the table: Athena shows whole numbers of "
                f"{unit} instead of times"
            )
        elif lacking == "null" and kind.name not in READ_FROM_NULLS:
            self.mismatches.append(
                f"the column {path} has no type in the file (a Parquet null, because it has no values), but {kind} in "
                "the table: every query of the column would fail. Write it with the table's type"
            )
        elif lacking in _LACKING and (lacking != "uint" or kind.name in INTEGER_BITS):
            self._note_lacking(column, kind, path, *_LACKING[lacking])
        elif found.name != kind.name and not _widened(column, found, kind):
            self.mismatches.append(f"the column {path} is {found} in the file, but {kind} in the table")
        elif kind.name == "struct":
            self._compare_fields(column, kind, path)
        elif kind.name == "array":
            self.compare(_element(column), kind.of[0], f"{path}[]")
        elif kind.name == "map":
            for part, of, name in zip(_key_value(column), kind.of, ("key", "value"), strict=True):
                self.compare(part, of, f"{path}.{name}")
        elif not _keeps_values(found, kind):
            self.mismatches.append(f"the column {path} is {found} in the file, but {kind} in the table")

    def _note_lacking(self, column: ParquetField, kind: ColumnType, path: str, reason: str, remedy: str) -> None:
        if remedy and not _reads_bytes(column, kind):
            self.mismatches.append(
                f"the column {path} is {_described(column)}, but {kind} in the table: every query of the column would "
                f"fail. Write it {remedy}"
            )
        else:
            self.warnings.append(f"the column {path} is {_described(column)}, and {reason}")

    def _compare_fields(self, column: ParquetField, kind: ColumnType, path: str) -> None:
        kinds = {name.lower(): of for name, of in zip(kind.fields, kind.of, strict=True)}
        for child in column.children:
            name = child.name.lower()
            if name in kinds:
                self.compare(child, kinds[name], f"{path}.{name}")
            else:
                self.warnings.append(f"the column {path}.{name} is missing from the table, so Athena does not show it")


def compare(fields: Sequence[ParquetField], columns: Mapping[str, ColumnType]) -> TypeComparison:
    """Compare a file's columns with a table's; those that only one of them has are left out."""
    comparison = TypeComparison()
    for column in fields:
        kind = columns.get(column.name.lower())
        if kind is not None:
            comparison.compare(column, kind, column.name.lower())
    return comparison


def duplicate_names(fields: Sequence[ParquetField], path: str = "") -> list[str]:
    """Return the names that columns of one level share (case-insensitive), nested columns included."""
    counts = Counter(column.name.lower() for column in fields)
    found = [f"{path}{name}" for name, count in counts.items() if count > 1]
    for column in fields:
        found += duplicate_names(column.children, f"{path}{column.name.lower()}.")
    return found


def type_of(column: ParquetField) -> ColumnType:
    """Return the type that the catalogue has for a column; what it lacks is named by its physical type."""
    if _is_list(column):
        return ColumnType("array", of=(type_of(_element(column)),))
    if _is_map(column):
        return ColumnType("map", of=tuple(map(type_of, _key_value(column))))
    if column.children:
        names = tuple(child.name.lower() for child in column.children)
        return ColumnType("struct", of=tuple(map(type_of, column.children)), fields=names)
    return _primitive(column)


def _primitive(column: ParquetField) -> ColumnType:
    annotation = column.annotation
    if annotation == "decimal":
        return ColumnType("decimal", size=(column.precision, column.scale))
    if annotation in _INTEGERS:
        return ColumnType(_INTEGERS[annotation])
    if annotation == "date" or annotation.startswith("timestamp_"):
        return ColumnType(annotation.partition("_")[0])
    if annotation in _TEXT_ANNOTATIONS and column.physical == "byte_array":
        return ColumnType("string")
    return ColumnType(_BY_PHYSICAL.get(column.physical, "binary"))


def _lacking(column: ParquetField) -> str:
    if column.annotation == "decimal" and column.precision > MOST_DIGITS:
        return "wide decimal"
    name = column.annotation.partition("_")[0]
    # Unsigned numbers of 8 and 16 bits are stored in 32, so none is negative.
    return "" if column.annotation in {"uint_8", "uint_16"} else name


def _described(column: ParquetField) -> str:
    if column.annotation == "decimal":
        return f"a Parquet decimal({column.precision},{column.scale})"
    return f"a Parquet {column.annotation}"


def _unit_as_number(column: ParquetField, kind: ColumnType) -> str:
    """Return the unit of a time or timestamp that Athena reads as a number; empty if the column is none.

    Trino's reader takes BIGINT from INT64 with either annotation (ColumnReaderFactory), and Glue's crawler makes
    `bigint` of pandas' TIMESTAMP(NANOS) (NatLabRockies/buildstockbatch, issue 411): such a file made the table itself.
    """
    name, _, unit = column.annotation.partition("_")
    is_time = name in {"time", "timestamp"} and column.physical == "int64" and not column.children
    return UNITS.get(unit, "") if is_time and kind.name == "bigint" else ""


def _reads_bytes(column: ParquetField, kind: ColumnType) -> bool:
    """Check whether Athena reads a column that it has no type for, as its bytes."""
    if column.children:
        return kind.name == "struct"
    return kind.name in _READ_AS_BYTES.get(column.physical, ())


def _widened(column: ParquetField, found: ColumnType, kind: ColumnType) -> bool:
    """Check whether a type may be read as another one, which keeps every value."""
    if found.name in INTEGER_BITS and kind.name in INTEGER_BITS:
        return INTEGER_BITS[found.name] <= INTEGER_BITS[kind.name]
    # Text without an annotation is binary, as some writers store it.
    if (found.name, kind.name) in {("float", "double"), ("string", "binary")}:
        return True
    return found.name in TEXTS | {"binary"} and kind.name in TEXTS and _reads_bytes(column, kind)


def _keeps_values(found: ColumnType, kind: ColumnType) -> bool:
    if kind.name != "decimal":
        return True
    (precision, scale), (table_precision, table_scale) = found.digits, kind.digits
    return scale <= table_scale and precision - scale <= table_precision - table_scale


def _is_list(column: ParquetField) -> bool:
    return column.repeated or (column.annotation == "list" and len(column.children) == 1)


def _is_map(column: ParquetField) -> bool:
    return (
        column.annotation in {"map", "map_key_value"}
        and len(column.children) == 1
        and len(column.children[0].children) == 2
    )


def _element(column: ParquetField) -> ParquetField:
    """Return the elements' own column ("Lists" in LogicalTypes.md, with its rules for older writers)."""
    if column.repeated:
        return _once(column)
    (repeated,) = column.children
    is_wrapper = len(repeated.children) == 1 and repeated.name not in {"array", f"{column.name}_tuple"}
    return repeated.children[0] if is_wrapper else _once(repeated)


def _once(column: ParquetField) -> ParquetField:
    return ParquetField(
        column.name, column.physical, column.annotation, column.precision, column.scale, children=column.children
    )


def _key_value(column: ParquetField) -> Iterator[ParquetField]:
    return iter(column.children[0].children)
