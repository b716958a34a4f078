"""Which correlated subqueries Trino answers.

Sources: TransformCorrelatedJoinToJoin, PlanNodeDecorrelator and DecorrelateUnnest of Trino; TestSubqueries
(testCorrelatedSubqueriesWithLimit, testCorrelatedSubqueriesWithGroupBy, testCorrelatedSubqueryWithoutFilter).
"""

from collections.abc import Mapping, Sequence

from infra.local.athena.analysis.conditions import name_parts, terms
from infra.local.athena.analysis.grouping import is_window, parts_of, queries_in
from infra.local.athena.analysis.scope import Scope, ScopeColumn
from infra.local.athena.analysis.values import failure
from infra.local.athena.errors import QueryFailure
from infra.local.athena.sql import nodes, query_nodes

Correlated = Mapping[int, Sequence[ScopeColumn]]
"""The columns of the scopes around that a query uses, by the identity of its node."""


def check_select(node: query_nodes.Select, query: query_nodes.Query, scope: Scope, correlated: Correlated) -> None:
    """Raise QueryFailure for a SELECT that uses columns of the queries around it as Trino cannot."""
    if not scope.correlations or node.source is None or _has_unnest(node.source):
        return
    for item in node.items:
        if item.value is not None and name_parts(item.value) is None and _is_outer(item.value, scope, correlated):
            raise _unsupported(query)
    where = [] if node.where is None else terms(node.where, "AND")
    outer = [term for term in where if _is_outer(term, scope, correlated)]
    is_equal = all(isinstance(term, nodes.BinaryComparison) and term.sign == "=" for term in outer)
    if outer and any(is_window(part) for part in parts_of((node.items, query.order))):
        raise _unsupported(query)
    if outer and not is_equal and (query.limit is not None or query.offset is not None):
        raise _unsupported(query)
    if any(_is_outer(item.value, scope, correlated) for item in query.order):
        raise _unsupported(query)
    if node.groups is not None and outer:
        is_simple = all(group.kind == "SIMPLE" for group in node.groups)
        if not is_simple or not (is_equal or _are_keys(outer, node.groups, scope)):
            raise _unsupported(query)


def check_join(node: query_nodes.Join, correlated: Correlated) -> None:
    """Raise QueryFailure for an outer join whose condition has a correlated subquery."""
    if node.kind in {"LEFT", "RIGHT", "FULL"} and any(correlated.get(id(q)) for q in queries_in(node.condition)):
        message = "Reference to column from outer scope not allowed in this context"
        raise failure("INVALID_COLUMN_REFERENCE", node.at, message)


def _unsupported(query: query_nodes.Query) -> QueryFailure:
    return failure("NOT_SUPPORTED", query.at, "Given correlated subquery is not supported")


def _has_unnest(node: query_nodes.Relation) -> bool:
    if isinstance(node, query_nodes.Aliased):
        return _has_unnest(node.relation)
    if isinstance(node, query_nodes.Join):
        return _has_unnest(node.left) or _has_unnest(node.right)
    return isinstance(node, query_nodes.UnnestRelation)


def _is_outer(node: nodes.Expression, scope: Scope, correlated: Correlated) -> bool:
    """Whether an expression uses columns of a query around."""
    own = {column.sql for column in scope.columns}
    for part in parts_of(node):
        parts = name_parts(part) if isinstance(part, nodes.Expression) else None
        if parts is not None and _found(parts, scope) is None and scope.find(parts, part.at) is not None:
            return True
    return any(column.sql not in own for query in queries_in(node) for column in correlated.get(id(query), ()))


def _found(parts: tuple[str, ...], scope: Scope) -> str | None:
    found = Scope(scope.columns).find(parts, (0, 0))
    return None if found is None else found.sql


def _are_keys(conditions: list[nodes.Expression], groups: Sequence[query_nodes.Grouping], scope: Scope) -> bool:
    """Whether the columns in conditions that are the query's own are all keys of its groups."""

    def own(node: object) -> set[str]:
        names = (name_parts(part) for part in parts_of(node) if isinstance(part, nodes.Expression))
        return {sql for parts in names if parts is not None and (sql := _found(parts, scope)) is not None}

    keys = {
        sql for group in groups for values in group.sets for value in values if name_parts(value) for sql in own(value)
    }
    return own(tuple(conditions)) <= keys
