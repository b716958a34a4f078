"""Functions that take lambdas.

Sources: "Lambda expressions", "Array functions and operators", "Map functions and operators" (Trino documentation).
"""

from collections.abc import Callable, Sequence
from typing import Any

from infra.local.athena.analysis import types
from infra.local.athena.analysis.analyzers import Expressions
from infra.local.athena.analysis.scope import Scope
from infra.local.athena.analysis.types import Type
from infra.local.athena.analysis.values import MAYBE, Context, Value, coerce, failure
from infra.local.athena.rowwise import collections
from infra.local.athena.sql import nodes

Handler = Callable[[Expressions, nodes.Call, Scope], Value | None]


def _body(analyzer: Expressions, node: nodes.Expression, scope: Scope, arguments: Sequence[Value]) -> Value | None:
    """Return the value of a lambda for these arguments; None if it is not one, or takes another number."""
    if not isinstance(node, nodes.Lambda) or len(node.parameters) != len(arguments):
        return None
    parameters = dict(zip((name.lower() for name in node.parameters), arguments, strict=True))
    return analyzer.analyze(node.body, scope.with_parameters(parameters))


def _boolean(context: Context, value: Value, at: tuple[int, int]) -> str:
    if not types.coerces(value.type, types.BOOLEAN):
        raise failure("TYPE_MISMATCH", at, f"A lambda must return a boolean here (actual: {value.type})")
    return coerce(context, value, types.BOOLEAN).sql


def _over_array(finish: Callable[[Context, Value, str, Value, tuple[int, int]], Value]) -> Handler:
    """Return a function of an array and a lambda of one element."""

    def call(analyzer: Expressions, node: nodes.Call, scope: Scope) -> Value | None:
        if len(node.arguments) != 2:
            return None
        items = analyzer.analyze(node.arguments[0], scope)
        if items.type.name != "array":
            return None
        name = analyzer.context.name("x")
        found = _body(analyzer, node.arguments[1], scope, [Value(name, items.type.of[0])])
        return found and finish(analyzer.context, items, name, found, node.at)

    return call


def _transform(context: Context, items: Value, name: str, found: Value, at: tuple[int, int]) -> Value:  # noqa: ARG001
    item = f"CAST({found.sql} AS {found.type.duckdb})"
    return Value(f"list_transform({items.sql}, lambda {name}: {item})", types.array(found.type))


def _filter(context: Context, items: Value, name: str, found: Value, at: tuple[int, int]) -> Value:
    return Value(f"list_filter({items.sql}, lambda {name}: {_boolean(context, found, at)})", items.type)


def _matches(function: Callable[..., Any]) -> Callable[..., Value]:
    def finish(context: Context, items: Value, name: str, found: Value, at: tuple[int, int]) -> Value:
        answers = f"list_transform({items.sql}, lambda {name}: {_boolean(context, found, at)})"
        listed = Value(answers, types.array(types.BOOLEAN))
        return Value(context.call(function, [listed], types.BOOLEAN, MAYBE), types.BOOLEAN)

    return finish


def any_match(answers: list[bool | None]) -> bool | None:
    """Whether any element matches; None if a NULL leaves it open."""
    return True if True in answers else None if None in answers else False


def all_match(answers: list[bool | None]) -> bool | None:
    """Whether every element matches."""
    return False if False in answers else None if None in answers else True


def none_match(answers: list[bool | None]) -> bool | None:
    """Whether no element matches."""
    found = any_match(answers)
    return None if found is None else not found


def _reduce(analyzer: Expressions, node: nodes.Call, scope: Scope) -> Value | None:
    if len(node.arguments) != 4:
        return None
    context = analyzer.context
    items, start = (analyzer.analyze(argument, scope) for argument in node.arguments[:2])
    if items.type.name != "array":
        return None
    item, state = items.type.of[0], _state_type(analyzer, node, scope, items, start)
    accumulated, element, last = context.name("s"), context.name("x"), context.name("s")
    step = _body(analyzer, node.arguments[2], scope, [Value(f"{accumulated}.s", state), Value(f"{element}.x", item)])
    result = _body(analyzer, node.arguments[3], scope, [Value(last, state)])
    if step is None or result is None or not types.coerces(step.type, state):
        return None

    def pack(value: str, at: str) -> str:
        return f"struct_pack(s := CAST({value} AS {state.duckdb}), x := CAST({at} AS {item.duckdb}))"

    name = context.name("e")
    states = f"list_transform({items.sql}, lambda {name}: {pack('NULL', name)})"
    body = pack(coerce(context, step, state).sql, f"{element}.x")
    reduced = (
        f"list_reduce({states}, lambda {accumulated}, {element}: {body}, "
        f"{pack(coerce(context, start, state).sql, 'NULL')}).s"
    )
    returned = f"list_transform([{reduced}], lambda {last}: CAST({result.sql} AS {result.type.duckdb}))[1]"
    return Value(f"CASE WHEN ({items.sql}) IS NOT NULL THEN {returned} END", result.type)


def _state_type(analyzer: Expressions, node: nodes.Call, scope: Scope, items: Value, start: Value) -> Type:
    """Return the type of the state: that of the start, or of the step if it is wider."""
    found = _body(analyzer, node.arguments[2], scope, [Value("s", start.type), Value("x", items.type.of[0])])
    both = found and types.common(start.type, found.type)
    return both or start.type


def _zip_with(analyzer: Expressions, node: nodes.Call, scope: Scope) -> Value | None:
    if len(node.arguments) != 3:
        return None
    first, second = (analyzer.analyze(argument, scope) for argument in node.arguments[:2])
    if first.type.name != "array" or second.type.name != "array":
        return None
    context = analyzer.context
    a, b, i = context.name("a"), context.name("b"), context.name("i")
    pair = [Value(f"{a}[{i}]", first.type.of[0]), Value(f"{b}[{i}]", second.type.of[0])]
    found = _body(analyzer, node.arguments[2], scope, pair)
    if found is None:
        return None
    zipped = (
        f"list_transform(range(1, greatest(len({a}), len({b})) + 1), "
        f"lambda {i}: CAST({found.sql} AS {found.type.duckdb}))"
    )
    both = f"CASE WHEN {a} IS NOT NULL AND {b} IS NOT NULL THEN {zipped} END"
    inner = f"list_transform([{second.sql}], lambda {b}: {both})[1]"
    return Value(f"list_transform([{first.sql}], lambda {a}: {inner})[1]", types.array(found.type))


def _over_map(finish: Callable[[Context, Value, str, Value, tuple[int, int]], Value]) -> Handler:
    """Return a function of a map and a lambda of key and value."""

    def call(analyzer: Expressions, node: nodes.Call, scope: Scope) -> Value | None:
        if len(node.arguments) != 2:
            return None
        entries = analyzer.analyze(node.arguments[0], scope)
        if entries.type.name != "map":
            return None
        name = analyzer.context.name("e")
        pair = [Value(f"{name}.key", entries.type.of[0]), Value(f"{name}.value", entries.type.of[1])]
        found = _body(analyzer, node.arguments[1], scope, pair)
        return found and finish(analyzer.context, entries, name, found, node.at)

    return call


def _map_filter(context: Context, entries: Value, name: str, found: Value, at: tuple[int, int]) -> Value:
    kept = f"list_filter(map_entries({entries.sql}), lambda {name}: {_boolean(context, found, at)})"
    return Value(f"map_from_entries({kept})", entries.type)


def _transform_values(context: Context, entries: Value, name: str, found: Value, at: tuple[int, int]) -> Value:  # noqa: ARG001
    pair = f"struct_pack(k := {name}.key, v := CAST({found.sql} AS {found.type.duckdb}))"
    sql = f"map_from_entries(list_transform(map_entries({entries.sql}), lambda {name}: {pair}))"
    return Value(sql, types.map_of(entries.type.of[0], found.type))


def _transform_keys(context: Context, entries: Value, name: str, found: Value, at: tuple[int, int]) -> Value:  # noqa: ARG001
    kind = types.map_of(found.type, entries.type.of[1])
    pair = f"struct_pack(f0 := CAST({found.sql} AS {found.type.duckdb}), f1 := {name}.value)"
    listed = f"list_transform(map_entries({entries.sql}), lambda {name}: {pair})"
    rows = Value(listed, types.array(types.row(kind.of)))
    return Value(context.call(collections.map_from_entries, [rows], kind), kind)


FUNCTIONS: dict[str, Handler] = {
    "transform": _over_array(_transform),
    "filter": _over_array(_filter),
    "any_match": _over_array(_matches(any_match)),
    "all_match": _over_array(_matches(all_match)),
    "none_match": _over_array(_matches(none_match)),
    "reduce": _reduce,
    "zip_with": _zip_with,
    "map_filter": _over_map(_map_filter),
    "transform_values": _over_map(_transform_values),
    "transform_keys": _over_map(_transform_keys),
}
