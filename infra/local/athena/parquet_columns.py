"""How Trino reads a column of a Parquet file as a type of the table: DuckDB's SQL for it, or why it fails.

A column that cannot be read fails only the queries that open it, as in Trino: its SQL is an error. What Trino answers
and DuckDB cannot fails as NOT_SUPPORTED.

Sources: trinodb/trino, lib/trino-parquet: ColumnReaderFactory (which Parquet types a column may have),
TransformingValueDecoders (rounding, exact narrowing), ParquetTypeUtils (`lookupColumnByName`, `constructField`: the
fields of a struct are found by name, and a struct without any of them is missing, so NULL).
"""

from dataclasses import dataclass

from infra.local.athena.analysis.moments import round_timestamp
from infra.local.athena.analysis.values import let, local_name
from infra.local.athena.literals import identifier, literal
from infra.local.athena.models import Column
from infra.local.athena.parquet_schema import OUTSIDE, UNKNOWN, FileType
from infra.local.glue import types
from infra.local.glue.types import GlueType

_TEXTS = frozenset({"string", "varchar", "char"})
_INTEGERS = frozenset({"tinyint", "smallint", "int", "bigint"})
_WHOLE_ANNOTATIONS = frozenset(f"{sign}int_{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
_UNANNOTATED = frozenset({"", "null"})
"""A column of the type null is stored as INT32 without an annotation."""
_SIGNED = {"uint_32": 32, "uint_64": 64}
_MOST_SHORT_DIGITS, _MOST_DIGITS = 18, 38
_LARGEST = "it is the number that DuckDB takes for infinity"
_NANOSECONDS = 1_000_000
"""In a millisecond: a `timestamp` of the catalogue has milliseconds."""


_REASONS = {
    UNKNOWN: "DuckDB does not read its Parquet type",
    OUTSIDE: "it supports timestamps of the years -290307 to 294246 only",
}


class _Unreadable(Exception):
    """A column cannot be read; the message has a place for the path of its file."""


@dataclass(frozen=True)
class _Reading:
    """One leaf that is read: its expression, its type in the file, the table's type, its name, the file's path."""

    sql: str
    found: FileType
    kind: GlueType
    name: str
    path: str

    def cast(self, sql: str | None = None) -> str:
        """Write the value as the table's type."""
        return self.sql if sql is None and self.found.duckdb == self.kind.duckdb else self._cast(sql or self.sql)

    def _cast(self, sql: str) -> str:
        return f"CAST({sql} AS {self.kind.duckdb})"

    def unless(self, condition: str, reason: str, sql: str) -> str:
        """Write `sql`, or the failure of the query for a row that has the condition."""
        failed = _error(_unsupported(self.name, reason), self.path, self.kind)
        return f"CASE WHEN {condition} THEN {failed} ELSE {sql} END"


def value(sql: str, found: FileType, column: Column, path: str) -> str:
    """Write the value of a column as the table's type; `path` is SQL for the path of its file."""
    if found in _REASONS:
        return _error(_unsupported(column.name, _REASONS[found]), path, column.type)
    try:
        read = _read(sql, found, column.type, column.name, path)
    except _Unreadable as error:
        return _error(str(error), path, column.type)
    return f"CAST({'NULL' if read is None else read} AS {column.type.duckdb})"


def _error(message: str, path: str, kind: GlueType) -> str:
    """Write an expression that fails the query where it is evaluated: it depends on a row, so nothing folds it."""
    before, _, after = message.partition("\0")
    return f"CAST(error(chr(1) || {literal(before)} || {path} || {literal(after)} || chr(1)) AS {kind.duckdb})"


def _unsupported(name: str, reason: str) -> str:
    return f"NOT_SUPPORTED: the local Athena cannot read the column {name} of \0: {reason}"


def _incompatible(name: str, found: FileType, kind: GlueType) -> _Unreadable:
    return _Unreadable(
        f"HIVE_BAD_DATA: Field {name}'s type {found} in parquet file \0 is incompatible with type {kind} defined in "
        "table schema"
    )


def _read(sql: str, found: FileType, kind: GlueType, name: str, path: str) -> str | None:
    """Write a value as `kind`; None for a struct that has no field of the table's, at any depth."""
    nested = {"struct": "struct", "array": "list", "map": "map"}.get(kind.name, "leaf")
    if found.name != nested:
        raise _incompatible(name, found, kind)
    if nested == "struct":
        return _read_struct(sql, found, kind, name, path)
    if nested == "leaf":
        return _read_leaf(_Reading(sql, found, kind, name, path))
    item = local_name("e", sql, kind.duckdb)
    if nested == "list":
        read = _read_item(item, found.of[0], kind.of[0], f"{name}[]", path)
        return sql if read == item else f"list_transform({sql}, lambda {item}: {read})"
    key = _read_item(f"{item}.key", found.of[0], kind.of[0], f"{name}.key", path)
    entry = _read_item(f"{item}.value", found.of[1], kind.of[1], f"{name}.value", path)
    if (key, entry) == (f"{item}.key", f"{item}.value"):
        return sql
    pair = f"struct_pack(k := {key}, v := {entry})"
    return f"map_from_entries(list_transform(map_entries({sql}), lambda {item}: {pair}))"


def _read_item(sql: str, found: FileType, kind: GlueType, name: str, path: str) -> str:
    read = _read(sql, found, kind, name, path)
    if read is None:
        # ParquetReader.readArray and readMap: releases of Trino fail ("No value present") or return NULL.
        reason = f"no field of {kind} is in the file's {found}, and releases of Trino differ in what they do then"
        raise _Unreadable(_unsupported(name, reason))
    return read


def _read_struct(sql: str, found: FileType, kind: GlueType, name: str, path: str) -> str | None:
    item = local_name("s", sql, kind.duckdb)
    in_file = {field.lower(): i for i, field in reversed(list(enumerate(found.fields)))}
    in_file |= {field: i for i, field in enumerate(found.fields)}
    fields: list[str | None] = []
    is_same = found.fields == kind.fields
    for field, of in zip(kind.fields, kind.of, strict=True):
        index = in_file.get(field.lower())
        plain = "" if index is None else f"{item}.{identifier(found.fields[index])}"
        fields.append(None if index is None else _read(plain, found.of[index], of, f"{name}.{field}", path))
        is_same = is_same and fields[-1] == plain
    if all(field is None for field in fields):
        return None
    if is_same:
        return sql
    packed = ", ".join(
        f"{identifier(field)} := CAST({'NULL' if read is None else read} AS {of.duckdb})"
        for field, read, of in zip(kind.fields, fields, kind.of, strict=True)
    )
    return f"list_transform([{sql}], lambda {item}: CASE WHEN {item} IS NOT NULL THEN struct_pack({packed}) END)[1]"


def _read_leaf(reading: _Reading) -> str:
    found, name = reading.found.leaf, reading.kind.name
    read = None
    if name in _INTEGERS:
        read = _integer(reading)
    elif name == "decimal":
        read = _decimal(reading)
    elif name in _TEXTS or name == "binary":
        read = _bytes(reading)
    elif name == "timestamp":
        read = _timestamp(reading)
    elif name == "date":
        read = _date(reading)
    elif name == found.physical or (name == "double" and found.physical == "float"):
        read = reading.cast()
    if read is None:
        raise _incompatible(reading.name, reading.found, reading.kind)
    return read


def _integer(reading: _Reading) -> str | None:
    """Read a number exactly: the signed one of its bits, else the query fails (`toIntExact`)."""
    leaf, sql = reading.found.leaf, reading.sql
    name, _, unit = leaf.annotation.partition("_")
    if reading.kind.name == "bigint" and leaf.physical == "int64" and name in {"time", "timestamp"}:
        read = {"millis": "epoch_ms", "micros": "epoch_us", "nanos": "epoch_ns"}[unit]
        return _unless_infinite(reading, f"{read}({sql})", f"{read}({sql})")
    if leaf.annotation == "decimal":
        is_short = leaf.scale == 0 and leaf.precision <= _MOST_SHORT_DIGITS
        return reading.cast() if is_short else None
    if leaf.physical not in {"int32", "int64"} or leaf.annotation not in _WHOLE_ANNOTATIONS | _UNANNOTATED:
        return None
    return reading.cast(_signed(sql, leaf.annotation) if leaf.annotation in _SIGNED else None)


def _signed(sql: str, annotation: str) -> str:
    half, whole = 1 << _SIGNED[annotation] - 1, 1 << _SIGNED[annotation]
    return f"CASE WHEN {sql} >= {half} THEN CAST({sql} AS HUGEINT) - {whole} ELSE CAST({sql} AS HUGEINT) END"


def _decimal(reading: _Reading) -> str | None:
    """Read a decimal with another scale, rounded half up; one of up to 18 digits also from INT32."""
    leaf, kind = reading.found.leaf, reading.kind
    if leaf.annotation == "decimal":
        return reading.cast() if leaf.precision <= _MOST_DIGITS else None
    is_short = kind.digits[0] <= _MOST_SHORT_DIGITS
    if is_short and leaf.physical == "int32" and leaf.annotation in _WHOLE_ANNOTATIONS | _UNANNOTATED:
        return reading.cast(_signed(reading.sql, leaf.annotation) if leaf.annotation in _SIGNED else None)
    return None


def _bytes(reading: _Reading) -> str | None:
    """Read bytes or text, which are the same to Trino, of any annotation."""
    leaf, kind, sql, duckdb = reading.found.leaf, reading.kind, reading.sql, reading.found.duckdb
    is_fixed = leaf.physical == "fixed_len_byte_array"
    if leaf.physical != "byte_array" and not (is_fixed and kind.name in {"string", "binary"}):
        return None
    if leaf.annotation == "uuid" and kind.name == "binary":
        return f"unhex(replace(CAST({sql} AS VARCHAR), '-', ''))"
    if duckdb in {"VARCHAR", "JSON"}:
        text = sql if duckdb == "VARCHAR" else f"CAST({sql} AS VARCHAR)"
        return f"encode({text})" if kind.name == "binary" else shortened(text, kind)
    if duckdb != "BLOB" or leaf.annotation == "uuid":
        raise _Unreadable(_unsupported(reading.name, f"Trino returns the raw bytes of {reading.found}"))
    if kind.name == "binary":
        return sql
    is_text = f"{sql} IS NOT NULL AND TRY(decode({sql})) IS NULL"
    return shortened(reading.unless(is_text, "its bytes are not text in UTF-8", f"decode({sql})"), kind)


def _timestamp(reading: _Reading) -> str | None:
    """Read a timestamp, rounded half up to milliseconds, whether or not it is adjusted to UTC."""
    leaf, sql = reading.found.leaf, reading.sql
    unit = leaf.annotation.removeprefix("timestamp_") if leaf.annotation.startswith("timestamp_") else ""
    if leaf.physical != "int96" and (leaf.physical != "int64" or not unit):
        return None
    if unit == "nanos":
        read = let(
            [f"(epoch_ns({sql}) + {_NANOSECONDS // 2})"],
            lambda v: f"make_timestamp(({v} - ({v} % {_NANOSECONDS} + {_NANOSECONDS}) % {_NANOSECONDS}) // 1000)",
        )
    else:
        moment = sql if reading.found.duckdb == "TIMESTAMP" else f"CAST({sql} AS TIMESTAMP)"
        read = moment if unit == "millis" else round_timestamp(moment, 3)
    return _unless_infinite(reading, f"epoch_us({sql})" if unit != "nanos" else f"epoch_ns({sql})", read)


def _date(reading: _Reading) -> str | None:
    leaf, sql = reading.found.leaf, reading.sql
    if leaf.physical != "int32" or leaf.annotation not in _UNANNOTATED | {"date"}:
        return None
    if leaf.annotation == "date":
        return reading.unless(f"isinf({sql})", _LARGEST, sql)
    return f"(DATE '1970-01-01' + CAST({sql} AS INTEGER))"


def _unless_infinite(reading: _Reading, number: str, sql: str) -> str:
    """Write `sql`, or fail for the largest or the smallest number but one, of which `number` is NULL."""
    return reading.unless(f"{reading.sql} IS NOT NULL AND {number} IS NULL", _LARGEST, sql)


def shortened(sql: str, kind: types.GlueType) -> str:
    """Cut a text to the length of its type ("Considerations for data types", Amazon Athena User Guide)."""
    if kind.name == "char":
        # Blanks at the end do not count (Chars.truncateToLengthAndTrimSpaces).
        return f"rtrim(left({sql}, {kind.size[0] if kind.size else 1}), ' ')"
    return f"left({sql}, {kind.size[0]})" if kind.name == "varchar" and kind.size else sql
