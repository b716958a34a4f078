"""Finds columns whose type the catalogue cannot hold: objects with thousands of keys, which become fields, or odd ones.

Glue stores a type of at most 131,072 characters, without control characters ("Column", AWS Glue web API reference), and
the crawler makes a struct of all keys that the objects of a column have. The lengths here are the shortest that such a
type may have. A field without a name is not a type of Hive's (TypeInfoUtils in apache/hive). Pure.

Raises NoTable with the column and what to do.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from functions.catalogue.column_types import ColumnType
from functions.catalogue.file_columns import NoTable
from functions.catalogue.glue_table import abbreviated
from functions.catalogue.names import unstorable_name
from functions.catalogue.parquet_footer import ParquetField
from functions.catalogue.parquet_types import type_of

LONGEST_TYPE = 131_072
MOST_RECORDS = 1000
"""The crawler reads no more ("Why does the AWS Glue crawler create multiple tables", AWS re:Post)."""

_STRUCT, _FIELD, _ARRAY, _SCALAR = len("struct<>") - 1, len(":,"), len("array<>"), len("int")
LONGEST_FIELD = _FIELD + _STRUCT + _ARRAY + _SCALAR
"""At most what a new key or the elements of an array add to a type, without the key's own length."""

_ITEMS = ""
"""Where the tree of an array has its elements, of whatever kind."""

Tree = dict[str, Any]
"""The fields of objects by their names in lower case, each with a tree of its own; empty for anything else."""


class TypeLengths:
    """The columns of some JSON records: which keys their objects have, in all records together."""

    def __init__(self) -> None:
        self._columns: dict[str, Tree] = {}
        self._at_most: defaultdict[str, int] = defaultdict(lambda: LONGEST_FIELD)
        self._records = 0

    def add(self, record: Mapping[str, Any]) -> None:
        """Add a record, which must not be nested deeply; raise NoTable if the catalogue cannot hold a column's type."""
        self._records += 1
        if self._records > MOST_RECORDS:
            return
        for key, value in record.items():
            if type(value) is dict or type(value) is list:
                name = key.lower()
                tree = self._columns.setdefault(name, {})
                self._at_most[name] += _grow(key, tree, value)
                if self._at_most[name] > LONGEST_TYPE:
                    self._at_most[name] = _length(tree)
                    _require(key, self._at_most[name])


def require_fields(fields: Iterable[ParquetField]) -> None:
    """Raise NoTable if the catalogue cannot hold the type of a Parquet column."""
    for field in fields:
        _require(field.name, _length_of(field.name, type_of(field)))


def _require(name: str, length: int) -> None:
    if length > LONGEST_TYPE:
        raise NoTable(
            f"the column {abbreviated(name)} has so many nested keys that its type would have at least {length:,} "
            f"characters, but Glue allows {LONGEST_TYPE:,}. Write the keys as values, in an array of objects such as "
            '{"key": …, "value": …}, or the whole column as JSON text'
        )


def _require_name(name: str, column: str) -> None:
    problem = unstorable_name(name) if name.strip() else "a nested key without a name, which no query can name"
    if problem:
        raise NoTable(f"the column {abbreviated(column)} has {problem}")


def _grow(column: str, tree: Tree, value: Any) -> int:
    """Add what is new in a value; return by how many characters the type grows at most."""
    grown = 0
    for key, item in value.items() if type(value) is dict else ((_ITEMS, item) for item in value):
        if type(value) is dict:
            _require_name(key, column)
        if key.lower() not in tree:
            grown += len(key) + LONGEST_FIELD
        child = tree.setdefault(key.lower(), {})
        if type(item) is dict or type(item) is list:
            grown += _grow(column, child, item)
    return grown


def _length_of(column: str, kind: ColumnType) -> int:
    """Return the length of a type, without the groups that make a list or a map in Parquet."""
    if not kind.of:
        return _SCALAR
    for name in kind.fields:
        _require_name(name, column)
    names = sum(map(len, kind.fields)) + len(kind.fields)
    return len(kind.name) + len("<>") + len(kind.of) - 1 + names + sum(_length_of(column, of) for of in kind.of)


def _length(tree: Tree) -> int:
    if not tree:
        return _SCALAR
    if _ITEMS in tree:
        return _ARRAY + _length(tree[_ITEMS])
    return _STRUCT + sum(_FIELD + len(key) + _length(child) for key, child in tree.items())
