"""Arrays, maps and rows as Trino compares and combines them: with NULL unknown, in the order of the arguments.

Sources: ArrayDistinctFunction, ArrayIntersectFunction, ArrayUnionFunction, GenericEqualOperator and others of Trino;
"Array functions and operators" (Trino documentation).
"""

import math
from itertools import combinations as all_combinations
from typing import Any

from infra.local.athena.errors import Fault
from infra.local.athena.rowwise.texts import INVALID_ARGUMENT

Items = list[Any]


def equals(a: Any, b: Any) -> bool | None:
    """Compare two values; None if a NULL inside leaves it open."""
    if a is None or b is None:
        return None
    if isinstance(a, dict):
        if a.keys() != b.keys():
            return False
        return _all(equals(value, b[key]) for key, value in a.items())
    if isinstance(a, list):
        return False if len(a) != len(b) else _all(equals(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def _all(found: Any) -> bool | None:
    answers = list(found)
    return False if False in answers else None if None in answers else True


def key(value: Any) -> Any:
    """Return what tells a value from others that are distinct from it."""
    if isinstance(value, dict):
        return tuple((k, key(v)) for k, v in sorted(value.items(), key=repr))
    if isinstance(value, list):
        return tuple(map(key, value))
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


def is_distinct(a: Any, b: Any) -> bool:
    """Whether two values differ; NULL and NaN are values as others."""
    return bool(key(a) != key(b))


def distinct(items: Items) -> Items:
    """Return each value once, in the order of the first."""
    seen: dict[Any, Any] = {}
    for item in items:
        seen.setdefault(key(item), item)
    return list(seen.values())


def union(a: Items, b: Items) -> Items:
    """Return the values of both, each once."""
    return distinct(a + b)


def intersect(a: Items, b: Items) -> Items:
    """Return the values that both have, each once, in the order of the longer array (ArrayIntersectFunction)."""
    longer, shorter = (a, b) if len(a) >= len(b) else (b, a)
    other = set(map(key, shorter))
    return [item for item in distinct(longer) if key(item) in other]


def difference(a: Items, b: Items) -> Items:
    """Return the values of the first that the second lacks, each once."""
    other = set(map(key, b))
    return [item for item in distinct(a) if key(item) not in other]


def overlap(a: Items, b: Items) -> bool | None:
    """Whether both share a value; None if only a NULL leaves it open."""
    if {key(x) for x in a if x is not None} & {key(x) for x in b if x is not None}:
        return True
    return None if (None in a and b) or (None in b and a) else False


def _is_equal(item: Any, value: Any, name: str) -> bool:
    """Compare an element that is not NULL; the query fails if a NULL inside leaves it open."""
    found = equals(item, value)
    if found is None:
        raise Fault("NOT_SUPPORTED", f"{name} does not support arrays with elements that are null or contain null")
    return found


def contains(items: Items, value: Any) -> bool | None:
    """Whether an array has a value; None if a NULL leaves it open."""
    if any(_is_equal(item, value, "contains") for item in items if item is not None):
        return True
    return None if None in items else False


def position(items: Items, value: Any) -> int:
    """Return the position of a value; 0 if there is none."""
    found = (i for i, item in enumerate(items, 1) if item is not None and _is_equal(item, value, "array_position"))
    return next(found, 0)


def remove(items: Items, value: Any) -> Items:
    """Return an array without the elements that equal a value."""
    return [item for item in items if item is None or not _is_equal(item, value, "array_remove")]


def combinations(items: Items, count: int) -> list[Items]:
    """Return every choice of some elements, in the order of Trino: by the last element that differs."""
    if not 0 <= count <= 5:
        raise Fault(INVALID_ARGUMENT, "combination size must be between 0 and 5")
    chosen = sorted(all_combinations(range(len(items)), count), key=lambda c: c[::-1])
    return [[items[i] for i in indexes] for indexes in chosen]


def ngrams(items: Items, count: int) -> list[Items]:
    """Return every run of some elements."""
    if count <= 0:
        raise Fault(INVALID_ARGUMENT, "N must be positive")
    return [items[i : i + count] for i in range(max(1, len(items) - count + 1))]


def array_slice(items: Items, start: int, length: int) -> Items:
    """Return some elements from a position on, which counts from the end if it is negative."""
    if length < 0:
        raise Fault(INVALID_ARGUMENT, "length must be greater than or equal to 0")
    if start == 0:
        raise Fault(INVALID_ARGUMENT, "SQL array indices start at 1")
    first = start - 1 if start > 0 else len(items) + start
    return [] if first < 0 else items[first : first + length]


def trim(items: Items, count: int) -> Items:
    """Return an array without its last elements."""
    if not 0 <= count <= len(items):
        raise Fault(INVALID_ARGUMENT, f"size must not exceed array cardinality {len(items)}: {count}")
    return items[: len(items) - count]


def repeat(value: Any, count: int | None) -> Items | None:
    """Return an array of one value."""
    if count is None:
        return None
    if count < 0 or count > 10_000:
        raise Fault(INVALID_ARGUMENT, "count must be between 0 and 10000")
    return [value] * count


def flatten(items: list[Items | None]) -> Items:
    """Join the arrays of an array; NULL is left out."""
    return [item for inner in items if inner is not None for item in inner]


def map_from_arrays(keys: Items, values: Items) -> dict[Any, Any]:
    """Make a map."""
    if len(keys) != len(values):
        raise Fault(INVALID_ARGUMENT, "Key and value arrays must be the same length")
    return _map(zip(keys, values, strict=True))


def map_from_entries(entries: list[dict[str, Any] | None]) -> dict[Any, Any]:
    """Make a map of rows of key and value."""
    if None in entries:
        raise Fault(INVALID_ARGUMENT, "map entry cannot be null")
    return _map(tuple(entry.values()) for entry in entries if entry is not None)


def _map(pairs: Any) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for name, value in pairs:
        if name is None:
            raise Fault(INVALID_ARGUMENT, "map key cannot be null")
        if isinstance(name, dict | list):
            raise Fault("NOT_SUPPORTED", "the local Athena does not support rows or arrays as map keys")
        if name in found:
            raise Fault(INVALID_ARGUMENT, f"Duplicate map keys ({name}) are not allowed")
        found[name] = value
    return found


def map_concat(first: dict[Any, Any], second: dict[Any, Any]) -> dict[Any, Any]:
    """Merge two maps; the second one's values win."""
    return {**first, **second}


def multimap_from_entries(entries: list[dict[str, Any] | None]) -> dict[Any, Items]:
    """Make a map of arrays of rows of key and value."""
    found: dict[Any, Items] = {}
    for entry in entries:
        if entry is None:
            raise Fault(INVALID_ARGUMENT, "map entry cannot be null")
        name, value = entry.values()
        if name is None:
            raise Fault(INVALID_ARGUMENT, "map key cannot be null")
        if isinstance(name, dict | list):
            raise Fault("NOT_SUPPORTED", "the local Athena does not support rows or arrays as map keys")
        found.setdefault(name, []).append(value)
    return found
