"""The specification of a window: OVER, WINDOW, and frames.

Sources: analyzeWindow of StatementAnalyzer and ExpressionAnalyzer of Trino; TestAnalyzer (testWindowDefinition,
testWindowFrameTypeRange…); FrameInfo and FramedWindowFunction of Trino (the offsets of each row).
"""

from collections.abc import Sequence

from infra.local.athena.analysis import sorting, types
from infra.local.athena.analysis.protocols import Expressions
from infra.local.athena.analysis.scope import Scope
from infra.local.athena.analysis.values import Value, failure, let, unsupported
from infra.local.athena.sql import nodes, query_nodes

_INVALID_FRAME = "INVALID_WINDOW_FRAME"
_SORTED_BY_DISTANCE = {"date", "time", "timestamp", "timestamp with time zone", "interval day to second"}


def named_windows(
    analyzer: Expressions, definitions: Sequence[query_nodes.NamedWindow], scope: Scope
) -> dict[str, nodes.Window]:
    """Return the windows of WINDOW, each with what it takes from an earlier one. Raises QueryFailure."""
    for definition in definitions:
        if definition.name in scope.windows:
            raise failure("DUPLICATE_WINDOW_NAME", definition.at, f"WINDOW name '{definition.name}' is used twice")
        window = resolve(definition.window, scope)
        specification(analyzer, window, scope)
        scope.windows[definition.name] = window
    return scope.windows


def resolve(window: nodes.Window, scope: Scope) -> nodes.Window:
    """Return a window with what it takes from a named one."""
    if window.name is None:
        return window
    named = scope.windows.get(window.name)
    if named is None:
        raise failure("INVALID_WINDOW_REFERENCE", window.at, f"Cannot resolve WINDOW name {window.name.lower()}")
    if window.is_reference:
        return named
    if window.partition:
        message = "WINDOW specification with named WINDOW reference cannot specify PARTITION BY"
        raise failure("INVALID_PARTITION_BY", window.at, message)
    if window.order and named.order:
        message = "Cannot specify ORDER BY if referenced named WINDOW specifies ORDER BY"
        raise failure("INVALID_ORDER_BY", window.at, message)
    if named.frame_type is not None:
        message = "Cannot reference named WINDOW containing frame specification"
        raise failure("INVALID_WINDOW_REFERENCE", window.at, message)
    return nodes.Window(
        window.at,
        None,
        named.partition,
        window.order or named.order,
        window.frame_type,
        window.start,
        window.end,
    )


def specification(analyzer: Expressions, window: nodes.Window, scope: Scope) -> str:
    """Return what the parentheses of OVER (…) hold. Raises QueryFailure for what Trino rejects."""
    inner = scope.within("WINDOW")
    parts = []
    if window.partition:
        values = [analyzer.analyze(value, inner) for value in window.partition]
        parts.append("PARTITION BY " + ", ".join(sorting.group_key(value) for value in values))
    if window.order:
        parts.append(sorting.order_by(analyzer, window.order, inner).strip())
    if window.frame_type is not None and window.start is not None:
        parts.append(_frame(analyzer, window, window.start, inner))
    return " ".join(parts)


def _frame(analyzer: Expressions, window: nodes.Window, start: nodes.FrameBound, scope: Scope) -> str:
    end = window.end or nodes.FrameBound(start.at, "CURRENT ROW", None)
    _check_bounds(start, end)
    has_distance = start.value is not None or end.value is not None
    if has_distance and window.frame_type in {"RANGE", "GROUPS"}:
        _check_order(analyzer, window, scope)
    bounds = [_bound(analyzer, window, bound, scope) for bound in (start, end)]
    return f"{window.frame_type} BETWEEN {bounds[0]} AND {bounds[1]}"


def _check_bounds(start: nodes.FrameBound, end: nodes.FrameBound) -> None:
    if start.kind == "UNBOUNDED FOLLOWING":
        raise failure(_INVALID_FRAME, start.at, "Window frame start cannot be UNBOUNDED FOLLOWING")
    if end.kind == "UNBOUNDED PRECEDING":
        raise failure(_INVALID_FRAME, end.at, "Window frame end cannot be UNBOUNDED PRECEDING")
    if (start.kind, end.kind) in {
        ("CURRENT ROW", "PRECEDING"),
        ("FOLLOWING", "PRECEDING"),
        ("FOLLOWING", "CURRENT ROW"),
    }:
        message = f"Window frame starting from {start.kind} cannot end with {end.kind}"
        raise failure(_INVALID_FRAME, start.at, message)


def _check_order(analyzer: Expressions, window: nodes.Window, scope: Scope) -> None:
    what = f"Window frame of type {window.frame_type} PRECEDING or FOLLOWING requires"
    if not window.order:
        raise failure("MISSING_ORDER_BY", window.at, f"{what} ORDER BY")
    if window.frame_type == "GROUPS":
        return
    if len(window.order) > 1:
        message = f"{what} single sort item in ORDER BY (actual: {len(window.order)})"
        raise failure("INVALID_ORDER_BY", window.at, message)
    kind = analyzer.analyze(window.order[0].value, scope).type
    if not kind.is_number and kind.name not in _SORTED_BY_DISTANCE and kind != types.YEAR_INTERVAL:
        message = f"{what} that sort item type be numeric, datetime or interval (actual: {kind})"
        raise failure("TYPE_MISMATCH", window.order[0].at, message)
    if kind.is_floating and window.order[0].nulls_first:
        raise unsupported(f"does not support RANGE frames with a distance over {kind} with NULLS FIRST")


def _bound(analyzer: Expressions, window: nodes.Window, bound: nodes.FrameBound, scope: Scope) -> str:
    if bound.value is None:
        return bound.kind
    value = analyzer.analyze(bound.value, scope)
    kind = value.type
    if window.frame_type == "RANGE":
        order = analyzer.analyze(window.order[0].value, scope).type
        if not kind.is_number and (order.is_number or kind not in {types.DAY_INTERVAL, types.YEAR_INTERVAL}):
            message = f"Window frame RANGE value type ({kind}) not compatible with sort item type ({order})"
            raise failure("TYPE_MISMATCH", bound.at, message)
        if not (kind.is_number and order.is_number):
            raise unsupported(f"does not support RANGE frames with a distance of the type {kind}")
    elif not kind.is_integer:
        if kind.name == "decimal" and kind.size[1] == 0:
            value = Value(f"CAST({value.sql} AS BIGINT)", types.BIGINT, value.constant)
        else:
            message = f"Window frame {window.frame_type} value type must be exact numeric type with scale 0"
            raise failure("TYPE_MISMATCH", bound.at, f"{message} (actual {kind})")
    return f"{_checked(analyzer, value)} {bound.kind}"


def _checked(analyzer: Expressions, value: Value) -> str:
    """Return a distance that fails the query where it is NULL or negative."""
    if value.constant is not None and not value.constant.startswith("-"):
        return value.sql
    failed = analyzer.context.fail(
        f"'{_INVALID_FRAME}: Window frame offset value must not be negative or null'", value.type
    )
    return let([value.sql], lambda v: f"CASE WHEN {v} IS NULL OR {v} < 0 THEN {failed} ELSE {v} END")
