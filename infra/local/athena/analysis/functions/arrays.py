"""Functions of arrays and maps.

Sources: "Array functions and operators" and "Map functions and operators" (Trino documentation), and the classes
ArrayDistinctFunction, ArraySliceFunction, SequenceFunction, MapElementAtFunction… of Trino.
"""

from collections.abc import Callable
from typing import Any

from infra.local.athena.analysis import types
from infra.local.athena.analysis.casts import cast
from infra.local.athena.analysis.functions.times import Coded
from infra.local.athena.analysis.types import Type
from infra.local.athena.analysis.values import (
    MAYBE,
    SPECIAL,
    STRICT,
    Context,
    Value,
    check_equal,
    coerce,
    failure,
    let,
    local_name,
    number,
    unify,
    unsupported,
)
from infra.local.athena.errors import Fault
from infra.local.athena.rowwise import collections, texts
from infra.local.athena.sql.tokens import Position

MAX_SEQUENCE = 10_000
_DAY = 86_400_000


def _cardinality(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
    (value,) = arguments
    if value.type.name not in {"array", "map"}:
        return None
    function = "len" if value.type.name == "array" else "cardinality"
    return Value(f"CAST({function}({value.sql}) AS BIGINT)", types.BIGINT)


def _element_at(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
    value, index = arguments
    if value.type.name == "map":
        # The key's type is a variable of the signature: a map of integers has keys of bigint for a bigint.
        key = types.common(index.type, value.type.of[0])
        if key is None:
            return None
        entries = coerce(context, value, types.map_of(key, value.type.of[1]))
        return Value(f"({entries.sql})[{coerce(context, index, key).sql}]", value.type.of[1])
    if value.type.name != "array" or not types.coerces(index.type, types.BIGINT):
        return None
    item = value.type.of[0]
    position = coerce(context, index, types.BIGINT)
    if index.constant not in {None, "0"}:
        return Value(f"({value.sql})[{position.sql}]", item)
    failed = context.fail("'INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1'", item)
    sql = let([value.sql, position.sql], lambda v, i: f"CASE WHEN {i} = 0 THEN {failed} ELSE {v}[{i}] END")
    return Value(sql, item)


def _with_item(function: Callable[..., Any], returns: Type | None, nulls: str) -> Coded:
    """Return a function of an array and one value of its elements' type."""

    def call(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
        items, value = arguments
        if items.type.name != "array":
            return None
        both = types.common(items.type, types.array(value.type))
        if both is None:
            return None
        check_equal(both)
        values = [coerce(context, items, both), coerce(context, value, both.of[0])]
        return Value(context.call(function, values, returns or both, nulls), returns or both)

    return call


def _with_arrays(function: Callable[..., Any], returns: Type | None, nulls: str) -> Coded:
    """Return a function of arrays of one type."""

    def call(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
        if any(value.type.name != "array" for value in arguments):
            return None
        values = unify(context, arguments)
        if values is None:
            return None
        check_equal(values[0].type)
        kind = returns or values[0].type
        return Value(context.call(function, values, kind, nulls), kind)

    return call


def _union_all(*arrays: list[Any]) -> list[Any]:
    return collections.distinct([item for items in arrays for item in items])


def _with_count(function: Callable[..., Any], is_nested: bool, counts: int = 1) -> Coded:
    """Return a function of an array and numbers."""

    def call(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
        items, *numbers = arguments
        if items.type.name != "array" or not all(types.coerces(n.type, types.BIGINT) for n in numbers):
            return None
        kind = types.array(items.type) if is_nested else items.type
        values = [items, *(coerce(context, n, types.BIGINT) for n in numbers)]
        return Value(context.call(function, values, kind), kind) if len(numbers) == counts else None

    return call


def _extreme(function: str) -> Coded:
    def call(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
        (items,) = arguments
        if items.type.name != "array" or not types.is_orderable(items.type.of[0]):
            return None
        item = items.type.of[0]
        if item.of:
            raise unsupported("does not find the largest or smallest row or array")
        name = local_name("e", items.sql)
        has_null = f"len(list_filter(%s, lambda {name}: {name} IS NULL)) > 0"
        # NaN is the answer only if there is nothing else.
        numbers = f"list_filter(%s, lambda {name}: NOT isnan({name}))"
        found = f"coalesce({function}({numbers}), {function}(%s))" if item.is_floating else f"{function}(%s)"
        sql = let([items.sql], lambda v: f"CASE WHEN {has_null % v} THEN NULL ELSE {found.replace('%s', v)} END")
        return Value(sql, item)

    return call


def _sort(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
    if len(arguments) != 1 or arguments[0].type.name != "array":
        return None
    (items,) = arguments
    if not types.is_orderable(items.type.of[0]):
        return None
    if items.type.of[0].of:
        raise unsupported("does not sort arrays of rows or arrays")
    return Value(f"list_sort({items.sql}, 'ASC', 'NULLS LAST')", items.type)


def _join(context: Context, arguments: list[Value], at: Position) -> Value | None:
    items, delimiter, *null = arguments
    if items.type.name != "array" or not all(types.coerces(v.type, types.VARCHAR) for v in (delimiter, *null)):
        return None
    name = local_name("e", items.sql)
    item = cast(context, Value(name, items.type.of[0]), types.VARCHAR)
    if item is None:
        raise failure("OPERATOR_NOT_FOUND", at, f"Input type {items.type} not supported")
    shown = Value(f"list_transform({items.sql}, lambda {name}: {item.sql})", types.array(types.VARCHAR))
    rest = [coerce(context, v, types.VARCHAR) for v in (delimiter, *(null or [Value("NULL", types.UNKNOWN)]))]
    return Value(context.call(texts.join, [shown, *rest], types.VARCHAR, SPECIAL), types.VARCHAR)


def _reverse(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
    (items,) = arguments
    return Value(f"list_reverse({items.sql})", items.type) if items.type.name == "array" else None


def _flatten(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
    (items,) = arguments
    if items.type == types.array(types.UNKNOWN):
        items = coerce(context, items, types.array(items.type))
    if items.type.name != "array" or items.type.of[0].name != "array":
        return None
    return Value(context.call(collections.flatten, [items], items.type.of[0]), items.type.of[0])


def _sequence(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
    start, stop, *step = arguments
    if types.DATE in {start.type, stop.type} or "timestamp" in {start.type.name, stop.type.name}:
        return _sequence_of_dates(context, arguments)
    if not all(types.coerces(value.type, types.BIGINT) for value in arguments):
        return None
    values = [coerce(context, value, types.BIGINT) for value in arguments]
    if not step:
        direction = let([v.sql for v in values], lambda a, b: f"CASE WHEN {a} <= {b} THEN 1 ELSE -1 END")
        values.append(Value(f"CAST({direction} AS BIGINT)", types.BIGINT))
    return Value(context.call(sequence, values, types.array(types.BIGINT)), types.array(types.BIGINT))


def _sequence_of_dates(context: Context, arguments: list[Value]) -> Value | None:
    start, stop, *step = arguments
    if start.type != stop.type or start.type != types.DATE:
        raise unsupported("does not support sequence of timestamps")
    if step and (step[0].type != types.DAY_INTERVAL or step[0].constant is None or int(step[0].constant) % _DAY):
        raise unsupported("supports sequences of dates only with steps of days")
    days = int(step[0].constant or _DAY) // _DAY if step else 1
    day = "CAST(epoch_ms(CAST({} AS TIMESTAMP)) // 86400000 AS BIGINT)"
    values = [Value(day.format(v.sql), types.BIGINT) for v in (start, stop)]
    listed = context.call(sequence, [*values, number(days)], types.array(types.BIGINT))
    name = local_name("e", listed)
    sql = f"list_transform({listed}, lambda {name}: DATE '1970-01-01' + CAST({name} AS INTEGER))"
    if not step:
        sql = let(
            [start.sql, stop.sql],
            lambda a, b: f"CASE WHEN {a} <= {b} THEN {sql} ELSE {_backwards(context, values)} END",
        )
    return Value(sql, types.array(types.DATE))


def _backwards(context: Context, values: list[Value]) -> str:
    name = local_name("e", *(value.sql for value in values))
    listed = context.call(sequence, [*values, number(-1)], types.array(types.BIGINT))
    return f"list_transform({listed}, lambda {name}: DATE '1970-01-01' + CAST({name} AS INTEGER))"


def sequence(start: int, stop: int, step: int) -> list[int]:
    """Return the numbers from one to another."""
    if step == 0 or (step > 0 and stop < start) or (step < 0 and stop > start):
        message = "sequence stop value should be greater than or equal to start value if step is greater than zero "
        raise Fault(texts.INVALID_ARGUMENT, message + "otherwise stop should be less than or equal to start")
    found = range(start, stop + (1 if step > 0 else -1), step)
    if len(found) > MAX_SEQUENCE:
        raise Fault(
            texts.INVALID_ARGUMENT, f"result of sequence function must not have more than {MAX_SEQUENCE} entries"
        )
    return list(found)


def _repeat(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
    value, count = arguments
    if not types.coerces(count.type, types.BIGINT):
        return None
    kind = types.array(value.type)
    return Value(context.call(collections.repeat, [value, coerce(context, count, types.BIGINT)], kind, SPECIAL), kind)


def _zip(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
    if any(value.type.name != "array" for value in arguments):
        return None
    kind = types.row(tuple(value.type.of[0] for value in arguments))
    name = local_name("i", *(value.sql for value in arguments))

    def body(*arrays: str) -> str:
        longest = f"greatest({', '.join(f'len({a})' for a in arrays)})"
        fields = ", ".join(f"f{i} := {a}[{name}]" for i, a in enumerate(arrays))
        zipped = f"list_transform(range(1, {longest} + 1), lambda {name}: struct_pack({fields}))"
        return f"CASE WHEN {' AND '.join(f'{a} IS NOT NULL' for a in arrays)} THEN {zipped} END"

    return Value(let([value.sql for value in arguments], body), types.array(kind))


def _map(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
    if not arguments:
        return Value("MAP {}", types.map_of(types.UNKNOWN, types.UNKNOWN))
    keys, values = arguments
    if keys.type.name != "array" or values.type.name != "array":
        return None
    kind = types.map_of(keys.type.of[0], values.type.of[0])
    return Value(context.call(collections.map_from_arrays, [keys, values], kind), kind)


def _part_of_map(function: str, index: int) -> Coded:
    def call(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
        (value,) = arguments
        if value.type.name != "map":
            return None
        return Value(f"{function}({value.sql})", types.array(value.type.of[index]))

    return call


def _map_entries(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
    (value,) = arguments
    if value.type.name != "map":
        return None
    name = local_name("e", value.sql)
    pair = f"struct_pack(f0 := {name}.key, f1 := {name}.value)"
    kind = types.array(types.row(value.type.of))
    return Value(f"list_transform(map_entries({value.sql}), lambda {name}: {pair})", kind)


def _map_from_entries(function: Callable[..., Any], is_multimap: bool) -> Coded:
    def call(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
        (value,) = arguments
        if value.type.name != "array" or value.type.of[0].name != "row" or len(value.type.of[0].of) != 2:
            return None
        key, item = value.type.of[0].of
        kind = types.map_of(key, types.array(item) if is_multimap else item)
        return Value(context.call(function, [value], kind), kind)

    return call


def _map_concat(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
    if any(value.type.name != "map" for value in arguments):
        return None
    values = unify(context, arguments)
    if values is None:
        return None
    found = values[0]
    for value in values[1:]:
        found = Value(context.call(collections.map_concat, [found, value], found.type), found.type)
    return found


def _contains_sequence(items: list[Any], part: list[Any]) -> bool:
    return any(items[i : i + len(part)] == part for i in range(len(items) - len(part) + 1))


def _end(index: int) -> Coded:
    def call(context: Context, arguments: list[Value], at: Position) -> Value | None:  # noqa: ARG001
        (value,) = arguments
        return Value(f"({value.sql})[{index}]", value.type.of[0]) if value.type.name == "array" else None

    return call


_MANY = tuple(range(2, 128))
FUNCTIONS: dict[str, tuple[tuple[int, ...], Coded]] = {
    "cardinality": ((1,), _cardinality),
    "element_at": ((2,), _element_at),
    "contains": ((2,), _with_item(collections.contains, types.BOOLEAN, MAYBE)),
    "array_position": ((2,), _with_item(collections.position, types.BIGINT, STRICT)),
    "array_remove": ((2,), _with_item(collections.remove, None, STRICT)),
    "array_distinct": ((1,), _with_arrays(collections.distinct, None, STRICT)),
    "array_union": (_MANY, _with_arrays(_union_all, None, STRICT)),
    "array_intersect": ((2,), _with_arrays(collections.intersect, None, STRICT)),
    "array_except": ((2,), _with_arrays(collections.difference, None, STRICT)),
    "arrays_overlap": ((2,), _with_arrays(collections.overlap, types.BOOLEAN, MAYBE)),
    "contains_sequence": ((2,), _with_arrays(_contains_sequence, types.BOOLEAN, STRICT)),
    "combinations": ((2,), _with_count(collections.combinations, is_nested=True)),
    "ngrams": ((2,), _with_count(collections.ngrams, is_nested=True)),
    "slice": ((3,), _with_count(collections.array_slice, is_nested=False, counts=2)),
    "trim_array": ((2,), _with_count(collections.trim, is_nested=False)),
    "array_max": ((1,), _extreme("list_max")),
    "array_min": ((1,), _extreme("list_min")),
    "array_sort": ((1,), _sort),
    "array_join": ((2, 3), _join),
    "array_first": ((1,), _end(1)),
    "array_last": ((1,), _end(-1)),
    "reverse": ((1,), _reverse),
    "flatten": ((1,), _flatten),
    "sequence": ((2, 3), _sequence),
    "repeat": ((2,), _repeat),
    "zip": (_MANY, _zip),
    "map": ((0, 2), _map),
    "map_keys": ((1,), _part_of_map("map_keys", 0)),
    "map_values": ((1,), _part_of_map("map_values", 1)),
    "map_entries": ((1,), _map_entries),
    "map_from_entries": ((1,), _map_from_entries(collections.map_from_entries, is_multimap=False)),
    "multimap_from_entries": ((1,), _map_from_entries(collections.multimap_from_entries, is_multimap=True)),
    "map_concat": (_MANY, _map_concat),
}
