"""GROUP BY, and the check of a query with groups.

Source: analyzeGroupBy and analyzeAggregations of StatementAnalyzer of Trino.
"""

from collections.abc import Sequence

from infra.local.athena.analysis import conditions
from infra.local.athena.analysis.grouping import GroupedQuery, is_aggregate, is_grouping, is_window, parts_of
from infra.local.athena.analysis.protocols import Expressions
from infra.local.athena.analysis.scope import Scope
from infra.local.athena.analysis.select_items import SelectedValue, at_position
from infra.local.athena.analysis.sorting import check_distinct
from infra.local.athena.analysis.values import failure
from infra.local.athena.sql import nodes, query_nodes

_MAX_SETS = 2048


def group_by(
    expressions: Expressions,
    node: query_nodes.Select,
    items: list[SelectedValue],
    scope: Scope,
    grouped: GroupedQuery,
) -> str:
    """Return GROUP BY with a blank before it; its keys are added to `grouped`."""
    if node.groups is None:
        return ""
    _check_number(node.groups)
    written = []
    for group in node.groups:
        sets = [
            [
                _group_key(expressions, value, items, scope, grouped, is_simple=group.kind == "SIMPLE")
                for value in values
            ]
            for values in group.sets
        ]
        if group.kind == "SETS":
            written.append(f"GROUPING SETS ({', '.join(f'({chr(44).join(s)})' for s in sets)})")
        elif group.kind == "SIMPLE":
            written.append(", ".join(sets[0]) if sets[0] else "()")
        elif not sets:
            written.append("()")
        else:
            written.append(f"{group.kind} ({', '.join(s[0] for s in sets)})")
    return f" GROUP BY {', '.join(written)}"


def _check_number(groups: Sequence[query_nodes.Grouping]) -> None:
    """Raise QueryFailure for more grouping sets than max_grouping_sets of Trino."""
    count = 1
    for group in groups:
        number = len(group.sets)
        count *= {"SETS": number, "ROLLUP": number + 1, "CUBE": 2**number}.get(group.kind, 1)
    if count > _MAX_SETS:
        message = f"GROUP BY has {count} grouping sets but can contain at most {_MAX_SETS}"
        raise failure("TOO_MANY_GROUPING_SETS", groups[0].at, message)


def _group_key(
    expressions: Expressions,
    node: nodes.Expression,
    items: list[SelectedValue],
    scope: Scope,
    grouped: GroupedQuery,
    *,
    is_simple: bool,
) -> str:
    item = at_position(node, items, "GROUP BY") if is_simple else None
    if item is None:
        item = SelectedValue(None, expressions.analyze(node, scope.within("GROUP BY")), node)
        parts = conditions.name_parts(node)
        if not is_simple and (parts is None or Scope(scope.columns).find(parts, node.at) is None):
            raise failure("INVALID_COLUMN_REFERENCE", node.at, "GROUP BY expression must be a column reference")
    if item.node is None:
        grouped.add_column(item.value.sql)
    elif any(is_aggregate(part) or is_window(part) or is_grouping(part) for part in parts_of(item.node)):
        message = "GROUP BY clause cannot contain aggregations, window functions or grouping operations"
        raise failure("EXPRESSION_NOT_SCALAR", node.at, message)
    else:
        _check_own(item.node, scope)
        grouped.add(item.node)
    check_distinct(item.value.type, "GROUP BY")
    return item.value.sql


def _check_own(node: nodes.Expression, scope: Scope) -> None:
    """Raise QueryFailure for a key that is a column of a query around: AggregationAnalyzer of Trino."""
    parts = conditions.name_parts(node)
    if parts is None or scope.find(parts, node.at) is None:
        return
    if Scope(scope.columns).find(parts, node.at) is None:
        message = f"Grouping field '{'.'.join(parts)}' should originate from the relations of its own query"
        raise failure("GENERIC_INTERNAL_ERROR", node.at, message)


def check_groups(
    node: query_nodes.Select,
    query: query_nodes.Query,
    items: list[SelectedValue],
    grouped: GroupedQuery,
    order_scope: Scope,
) -> None:
    """Raise QueryFailure for a value that a group may have several of."""
    clauses = (node.items, node.having, query.order, node.windows)
    parts = list(parts_of(clauses))
    if node.groups is None and any(map(is_grouping, parts)):
        message = (
            "A GROUPING() operation can only be used with a corresponding GROUPING SET/CUBE/ROLLUP/GROUP BY clause"
        )
        raise failure("MISSING_GROUP_BY", node.at, message)
    if node.groups is None and node.having is None and not any(map(is_aggregate, parts)):
        return
    for item in items:
        if item.node is None:
            grouped.check_column(item, node.at)
    selected = tuple(item.node for item in items if item.node is not None)
    grouped.check((selected, node.having, node.windows), grouped.scope)
    positions = {i for i, item in enumerate(query.order) if isinstance(item.value, nodes.Literal)}
    grouped.check(tuple(item for i, item in enumerate(query.order) if i not in positions), order_scope)
