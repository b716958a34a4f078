"""Windows: OVER, ORDER BY, frames, and the functions that need them.

Source: "Window functions" (Trino documentation): NULL is last in both directions unless the query says otherwise.
"""

from collections.abc import Callable, Sequence

from infra.local.athena.analysis import types
from infra.local.athena.analysis.protocols import Expressions
from infra.local.athena.analysis.scope import Scope
from infra.local.athena.analysis.values import Context, Value, coerce, failure, unify, unsupported
from infra.local.athena.sql import nodes

_ALLOWED = {"SELECT", "ORDER BY"}


def sort_key(value: Value, at: tuple[int, int]) -> str:
    """Return what a value is sorted and grouped by."""
    if not types.is_orderable(value.type) and value.type != types.UNKNOWN:
        raise failure("TYPE_MISMATCH", at, f"Type {value.type} is not orderable, and therefore cannot be used here")
    return f"({value.sql}).u" if value.type.is_instant else value.sql


def order_by(analyzer: Expressions, items: Sequence[nodes.SortItem], scope: Scope) -> str:
    """Return ORDER BY for a window or an aggregate, with a blank before it."""
    if not items:
        return ""
    keys = [sort_key(analyzer.analyze(item.value, scope), item.at) + direction(item) for item in items]
    return " ORDER BY " + ", ".join(keys)


def direction(item: nodes.SortItem) -> str:
    """Return the direction of a sort item."""
    return f" {'DESC' if item.is_descending else 'ASC'} NULLS {'FIRST' if item.nulls_first else 'LAST'}"


def over(analyzer: Expressions, node: nodes.Call, scope: Scope) -> str:
    """Return OVER (…) of a call."""
    if scope.clause not in _ALLOWED:
        message = f"{scope.clause} clause cannot contain aggregations, window functions or grouping operations"
        raise failure("EXPRESSION_NOT_SCALAR", node.at, message)
    analyzer.context.window_count += 1
    window = _resolve(node.window or nodes.Window(node.at), scope)
    inner = scope.within("WINDOW")
    parts = []
    if window.partition:
        keys = [sort_key(analyzer.analyze(value, inner), value.at) for value in window.partition]
        parts.append("PARTITION BY " + ", ".join(keys))
    if window.order:
        parts.append(order_by(analyzer, window.order, inner).strip())
    if window.frame_type is not None and window.start is not None:
        parts.append(_frame(analyzer, window, window.start, inner))
    return f" OVER ({' '.join(parts)})"


def _resolve(window: nodes.Window, scope: Scope) -> nodes.Window:
    """Return a window with what it takes from a named one."""
    if window.name is None:
        return window
    if window.name not in scope.windows:
        raise failure("INVALID_WINDOW_REFERENCE", window.at, f"Cannot resolve WINDOW name {window.name}")
    named = _resolve(scope.windows[window.name], scope)
    return nodes.Window(
        window.at,
        None,
        window.partition or named.partition,
        window.order or named.order,
        window.frame_type or named.frame_type,
        window.start or named.start,
        window.end or named.end,
    )


def _frame(analyzer: Expressions, window: nodes.Window, start: nodes.FrameBound, scope: Scope) -> str:
    first = _bound(analyzer, window, start, scope)
    last = "CURRENT ROW" if window.end is None else _bound(analyzer, window, window.end, scope)
    return f"{window.frame_type} BETWEEN {first} AND {last}"


def _bound(analyzer: Expressions, window: nodes.Window, bound: nodes.FrameBound, scope: Scope) -> str:
    if bound.value is None:
        return bound.kind
    value = analyzer.analyze(bound.value, scope)
    if window.frame_type == "RANGE" and not value.type.is_number:
        raise unsupported(f"does not support RANGE frames with a distance of the type {value.type}")
    if window.frame_type != "RANGE" and not value.type.is_integer:
        message = f"Window frame {window.frame_type} offset must be integer (actual: {value.type})"
        raise failure("TYPE_MISMATCH", bound.at, message)
    return f"{value.sql} {bound.kind}"


def _number(name: str) -> Callable[[Context, list[Value]], tuple[str, types.Type] | None]:
    return lambda context, values: None if values else (f"{name}()", types.BIGINT)  # noqa: ARG005


def _fraction(name: str) -> Callable[[Context, list[Value]], tuple[str, types.Type] | None]:
    return lambda context, values: None if values else (f"{name}()", types.DOUBLE)  # noqa: ARG005


def _ntile(context: Context, values: list[Value]) -> tuple[str, types.Type] | None:
    if len(values) != 1 or not types.coerces(values[0].type, types.BIGINT):
        return None
    return f"ntile({coerce(context, values[0], types.BIGINT).sql})", types.BIGINT


def _shift(name: str) -> Callable[[Context, list[Value]], tuple[str, types.Type] | None]:
    def call(context: Context, values: list[Value]) -> tuple[str, types.Type] | None:
        if not 1 <= len(values) <= 3 or (len(values) > 1 and not types.coerces(values[1].type, types.BIGINT)):
            return None
        value, *rest = values
        written = [coerce(context, rest[0], types.BIGINT).sql] if rest else []
        if len(rest) == 2:
            both = unify(context, [value, rest[1]])
            if both is None:
                return None
            value, default = both
            written.append(default.sql)
        return f"{name}({', '.join([value.sql, *written])}%s)", value.type

    return call


def _value(name: str, count: int) -> Callable[[Context, list[Value]], tuple[str, types.Type] | None]:
    def call(context: Context, values: list[Value]) -> tuple[str, types.Type] | None:
        if len(values) != count or (count == 2 and not types.coerces(values[1].type, types.BIGINT)):
            return None
        written = [values[0].sql, *(coerce(context, n, types.BIGINT).sql for n in values[1:])]
        return f"{name}({', '.join(written)}%s)", values[0].type

    return call


FUNCTIONS: dict[str, Callable[[Context, list[Value]], tuple[str, types.Type] | None]] = {
    "row_number": _number("row_number"),
    "rank": _number("rank"),
    "dense_rank": _number("dense_rank"),
    "percent_rank": _fraction("percent_rank"),
    "cume_dist": _fraction("cume_dist"),
    "ntile": _ntile,
    "lag": _shift("lag"),
    "lead": _shift("lead"),
    "first_value": _value("first_value", 1),
    "last_value": _value("last_value", 1),
    "nth_value": _value("nth_value", 2),
}


def call_window(analyzer: Expressions, node: nodes.Call, scope: Scope) -> Value:
    """Return the value of a window function."""
    over_clause = over(analyzer, node, scope)
    if node.is_distinct or node.where is not None or node.order:
        raise failure("SYNTAX_ERROR", node.at, f"DISTINCT, FILTER and ORDER BY in {node.name} are not supported")
    arguments = [analyzer.analyze(argument, scope.within("WINDOW")) for argument in node.arguments]
    found = FUNCTIONS[node.name](analyzer.context, arguments)
    if found is None:
        shown = ", ".join(str(argument.type) for argument in arguments)
        raise failure("FUNCTION_NOT_FOUND", node.at, f"Unexpected parameters ({shown}) for function {node.name}")
    sql, kind = found
    nulls = " IGNORE NULLS" if node.ignores_nulls else ""
    if "%s" in sql:
        sql = nulls.join(sql.rsplit("%s", 1))
    elif nulls:
        raise failure("SYNTAX_ERROR", node.at, f"Cannot specify null treatment for {node.name} function")
    return Value(f"{sql}{over_clause}", kind)
