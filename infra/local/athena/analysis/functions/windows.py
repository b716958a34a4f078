"""OVER, and the functions that need it.

Sources: "Window functions" (Trino documentation); LagFunction, NthValueFunction, NTileFunction and ExpressionAnalyzer
of Trino.
"""

from collections.abc import Callable

from infra.local.athena.analysis import types
from infra.local.athena.analysis.functions import frames
from infra.local.athena.analysis.protocols import Expressions
from infra.local.athena.analysis.scope import Scope
from infra.local.athena.analysis.values import Context, Value, coerce, failure, let, unify, unsupported
from infra.local.athena.sql import nodes

_ALLOWED = {"SELECT", "ORDER BY"}
_NESTING = {"HAVING", "AGGREGATE", "WINDOW"}


def over(analyzer: Expressions, node: nodes.Call, scope: Scope) -> str:
    """Return OVER (…) of a call."""
    if scope.clause in _NESTING:
        raise failure("NESTED_WINDOW", node.at, f"{scope.clause} cannot contain window functions")
    if scope.clause not in _ALLOWED:
        message = f"{scope.clause} clause cannot contain aggregations, window functions or grouping operations"
        raise failure("EXPRESSION_NOT_SCALAR", node.at, message)
    analyzer.context.window_count += 1
    window = frames.resolve(node.window or nodes.Window(node.at), scope)
    if node.name in {"lag", "lead"}:
        if not window.order:
            raise failure("MISSING_ORDER_BY", window.at, f"{node.name} function requires an ORDER BY window clause")
        if window.frame_type is not None:
            raise failure("INVALID_WINDOW_FRAME", window.at, f"Cannot specify window frame for {node.name} function")
    return f" OVER ({frames.specification(analyzer, window, scope)})"


def _not_less(context: Context, number: Value, least: int, what: str) -> str:
    """Return a number that fails the query where it is less than allowed; NULL stays NULL."""
    sql = coerce(context, number, types.BIGINT).sql
    if number.constant is not None and int(number.constant) >= least:
        return sql
    failed = context.fail(f"'INVALID_FUNCTION_ARGUMENT: {what} must be at least {least}'", types.BIGINT)
    return let([sql], lambda v: f"CASE WHEN {v} < {least} THEN {failed} ELSE {v} END")


def _number(name: str) -> Callable[[Context, list[Value]], tuple[str, types.Type] | None]:
    return lambda context, values: None if values else (f"{name}()", types.BIGINT)  # noqa: ARG005


def _fraction(name: str) -> Callable[[Context, list[Value]], tuple[str, types.Type] | None]:
    return lambda context, values: None if values else (f"{name}()", types.DOUBLE)  # noqa: ARG005


def _ntile(context: Context, values: list[Value]) -> tuple[str, types.Type] | None:
    if len(values) != 1 or not types.coerces(values[0].type, types.BIGINT):
        return None
    return f"ntile({_not_less(context, values[0], 1, 'Buckets')})", types.BIGINT


def _shift(name: str) -> Callable[[Context, list[Value]], tuple[str, types.Type] | None]:
    def call(context: Context, values: list[Value]) -> tuple[str, types.Type] | None:
        if not 1 <= len(values) <= 3 or (len(values) > 1 and not types.coerces(values[1].type, types.BIGINT)):
            return None
        value, *rest = values
        written = [_not_less(context, rest[0], 0, "Offset")] if rest else []
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
        written = [values[0].sql, *(_not_less(context, n, 1, "Offset") for n in values[1:])]
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
    if node.is_distinct or node.order:
        raise failure("NOT_SUPPORTED", node.at, "DISTINCT and ORDER BY in window function parameters not supported")
    if node.where is not None:
        message = f"FILTER is not supported for non-aggregation function {node.name}"
        raise failure("FUNCTION_NOT_AGGREGATE", node.at, message)
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
        raise unsupported(f"does not support IGNORE NULLS for {node.name}")
    return Value(f"{sql}{over_clause}", kind)
