"""The columns of a Parquet file: DuckDB's type of each, and what the Parquet schema says of its leaves.

Raises FooterUnreadable for a footer that is invalid, and duckdb.Error for a file that DuckDB cannot open.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from functions.catalogue.file_columns import FOOTER_END_BYTES
from functions.catalogue.parquet_footer import Footer, FooterUnreadable, ParquetField, read_footer
from infra.local.athena.literals import identifier

_NONE = ParquetField("")


@dataclass(frozen=True)
class FileType:
    """A column or nested column: `list`, `map`, `struct` or `leaf`, DuckDB's type, and of a leaf its Parquet schema."""

    name: str
    duckdb: str
    of: tuple["FileType", ...] = ()
    fields: tuple[str, ...] = ()
    leaf: ParquetField = _NONE

    def __str__(self) -> str:
        if self.name == "struct":
            return f"struct<{','.join(f'{n}:{t}' for n, t in zip(self.fields, self.of, strict=True))}>"
        if self.of:
            return f"{self.name}<{','.join(map(str, self.of))}>"
        if self.leaf.annotation == "decimal":
            return f"decimal({self.leaf.precision},{self.leaf.scale})"
        physical = self.leaf.physical.upper()
        return f"{physical} ({self.leaf.annotation})" if self.leaf.annotation else physical


UNKNOWN = FileType("leaf", "", leaf=ParquetField("", annotation="unknown"))
"""A column that DuckDB does not read as its leaves (VARIANT)."""
OUTSIDE = FileType("leaf", "", leaf=ParquetField("", annotation="outside"))
"""A column with numbers that are outside of DuckDB's timestamps, of microseconds in 64 bits."""


def footer_of(path: Path) -> Footer:
    """Read the footer of a file."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - FOOTER_END_BYTES))
        length = int.from_bytes(file.read(4), "little")
        if length > size - FOOTER_END_BYTES:
            raise FooterUnreadable("its footer is longer than the file")
        file.seek(size - FOOTER_END_BYTES - length)
        return read_footer(file.read(length))


def columns(connection: duckdb.DuckDBPyConnection, path: Path, footer: Footer) -> dict[str, FileType]:
    """Return the columns by the names that DuckDB gives them."""
    opened = connection.table_function("read_parquet", [str(path)])
    found = {}
    for name, kind, field in zip(opened.columns, opened.types, footer.fields, strict=True):
        remaining = _leaves(field)
        tree = _tree(kind, remaining)
        found[name] = UNKNOWN if tree is None or next(remaining, None) is not None else tree
    return found


def without_outside(
    connection: duckdb.DuckDBPyConnection, path: Path, found: dict[str, FileType]
) -> dict[str, FileType]:
    """Replace each column whose numbers DuckDB cannot convert: it fails every query that plans to join its file."""
    return {name: kind if _converts(connection, path, name) else OUTSIDE for name, kind in found.items()}


def _converts(connection: duckdb.DuckDBPyConnection, path: Path, name: str) -> bool:
    try:
        connection.execute(f"SELECT max(CAST({identifier(name)} AS VARCHAR)) FROM read_parquet(?)", [str(path)])  # noqa: S608
    except duckdb.ConversionException:
        return False
    return True


def _leaves(field: ParquetField) -> Iterator[ParquetField]:
    if not field.children:
        yield field
    for child in field.children:
        yield from _leaves(child)


def _tree(kind: Any, leaves: Iterator[ParquetField]) -> FileType | None:
    """Return DuckDB's type with the leaves, which both have in the same order; None if DuckDB has more of them."""
    if kind.id not in {"struct", "list", "map"}:
        leaf = next(leaves, None)
        return None if leaf is None else FileType("leaf", str(kind), leaf=leaf)
    inner = [(name, _tree(of, leaves)) for name, of in kind.children]
    names, of = tuple(name for name, _ in inner), tuple(found for _, found in inner if found is not None)
    return FileType(kind.id, str(kind), of, names if kind.id == "struct" else ()) if len(of) == len(inner) else None
