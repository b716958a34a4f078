"""Finds columns whose type is too long for the catalogue: objects with thousands of keys, which become fields.

Glue stores a type of at most 131,072 characters ("Column", AWS Glue web API reference), and the crawler makes a struct
of all keys that the objects of a column have. The lengths here are the shortest that such a type may have. Pure.

Raises TypeTooLong with the column and what to do.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from functions.catalogue.file_columns import Unreadable
from functions.catalogue.glue_table import abbreviated
from functions.catalogue.parquet_footer import ParquetField

LONGEST_TYPE = 131_072
MOST_RECORDS = 1000
"""The crawler reads no more ("Why does the AWS Glue crawler create multiple tables", AWS re:Post)."""

SHORTEST_RECORD_BYTES = LONGEST_TYPE // 4
"""No shorter JSON has such a type: `[[1]]` is `array<array<int>>`, seven characters for every two."""

_STRUCT, _FIELD, _ARRAY, _SCALAR = len("struct<>") - 1, len(":,"), len("array<>"), len("int")
_ITEMS = ""
"""Where the tree of an array has its elements, of whatever kind."""

Tree = dict[str, Any]
"""The fields of objects by their names in lower case, each with a tree of its own; empty for anything else."""


class TypeTooLong(Unreadable):
    """The catalogue cannot hold the type of a column."""


class TypeLengths:
    """The columns of some JSON records: which keys their objects have, in all records together."""

    def __init__(self) -> None:
        self._columns: dict[str, Tree] = {}
        self._records = 0

    def add(self, record: Mapping[str, Any]) -> None:
        """Add a record, which must not be nested deeply; raise TypeTooLong if the type of a column is too long."""
        self._records += 1
        if self._records > MOST_RECORDS:
            return
        for key, value in record.items():
            if type(value) is dict or type(value) is list:
                tree = self._columns.setdefault(key.lower(), {})
                _grow(tree, value)
                _require(key, _length(tree))


def require_fields(fields: Iterable[ParquetField]) -> None:
    """Raise TypeTooLong if the type of a Parquet column is too long."""
    for field in fields:
        _require(field.name, _length(_tree(field)))


def _require(name: str, length: int) -> None:
    if length > LONGEST_TYPE:
        raise TypeTooLong(
            f"the column {abbreviated(name)} has so many nested keys that its type would have at least {length:,} "
            f"characters, but Glue allows {LONGEST_TYPE:,}. Write the keys as values, in an array of objects such as "
            '{"key": …, "value": …}, or the whole column as JSON text'
        )


def _grow(tree: Tree, value: Any) -> None:
    items = value.items() if type(value) is dict else ((_ITEMS, item) for item in value)
    for key, item in items:
        child = tree.setdefault(key.lower(), {})
        if type(item) is dict or type(item) is list:
            _grow(child, item)


def _tree(field: ParquetField) -> Tree:
    return {child.name.lower(): _tree(child) for child in field.children}


def _length(tree: Tree) -> int:
    if not tree:
        return _SCALAR
    if _ITEMS in tree:
        return _ARRAY + _length(tree[_ITEMS])
    return _STRUCT + sum(_FIELD + len(key) + _length(child) for key, child in tree.items())
