"""Which correlated subqueries Trino answers.

Sources: TransformCorrelatedJoinToJoin, TransformCorrelatedInPredicateToJoin, PlanNodeDecorrelator and
DecorrelateUnnest of Trino; TestSubqueries
(testCorrelatedSubqueriesWithLimit, testCorrelatedSubqueriesWithGroupBy, testCorrelatedSubqueryWithoutFilter).
"""

from collections.abc import Iterator, MutableMapping, Sequence

from infra.local.athena.analysis.conditions import name_parts, terms
from infra.local.athena.analysis.grouping import is_aggregate, is_window, parts_of, queries_in
from infra.local.athena.analysis.scope import Scope, ScopeColumn
from infra.local.athena.analysis.values import failure, unsupported
from infra.local.athena.errors import QueryFailure
from infra.local.athena.sql import nodes, query_nodes

Correlated = MutableMapping[int, list[ScopeColumn]]
"""The columns of the scopes around that a query in an expression, or UNNEST in FROM, uses; by its node's identity."""


def check_select(node: query_nodes.Select, query: query_nodes.Query, scope: Scope, correlated: Correlated) -> None:
    """Raise QueryFailure for a SELECT that uses columns of the queries around it as Trino cannot."""
    if not scope.correlations or node.source is None:
        return
    items = [item.value for item in node.items if item.value is not None and _is_outer(item.value, scope, correlated)]
    is_unnest = any(_is_outer_unnest(relation, scope, correlated) for relation in _relations(node.source))
    if scope.parent is not None and scope.parent.usage == "IN" and (items or is_unnest or not _is_plain(node)):
        raise _unsupported(query)
    if is_unnest:
        _check_unnest(node, query)
        correlated[id(query)] = scope.correlations
        return
    if any(name_parts(item) is None for item in items):
        raise _unsupported(query)
    if any(_is_outer(item.value, scope, correlated) for item in query.order):
        raise _unsupported(query)
    where = [] if node.where is None else terms(node.where, "AND")
    outer = [term for term in where if _is_outer(term, scope, correlated)]
    if outer:
        _check_conditions(outer, node, query, scope)


def _check_conditions(
    outer: list[nodes.Expression], node: query_nodes.Select, query: query_nodes.Query, scope: Scope
) -> None:
    """Raise QueryFailure for conditions with columns of the queries around, where Trino cannot move them out."""
    is_equal = all(_is_equality(term, scope) or not (_own(term, scope) or any(queries_in(term))) for term in outer)
    if any(is_window(part) for part in parts_of((node.items, query.order))):
        raise _unsupported(query)
    if not is_equal and (query.limit is not None or query.offset is not None):
        raise _unsupported(query)
    if node.groups is None and node.having is not None:
        raise _unsupported(query)
    if node.groups is not None:
        is_simple = all(group.kind == "SIMPLE" for group in node.groups)
        if not is_simple or not (is_equal or _are_keys(outer, node.groups, scope)):
            raise _unsupported(query)
    if node.is_distinct and not is_equal:
        raise _unsupported(query)


def check_subquery(query: query_nodes.Query, usage: str, limit: str | None) -> None:
    """Raise QueryFailure for a query in an expression that uses columns of the queries around it."""
    body = query.body
    if not isinstance(body, query_nodes.Select) or query.offset is not None or limit == "0":
        raise _unsupported(query)
    if body.is_distinct and (usage == "IN" or limit is not None):
        raise _unsupported(query)
    # How many rows exist does not matter to EXISTS.
    if limit is None or usage == "EXISTS":
        return
    if usage == "IN":
        raise _unsupported(query)
    is_aggregate_of_all = body.groups is None and any(is_aggregate(part) for part in parts_of(body.items))
    if not is_aggregate_of_all and (body.groups is not None or not query.order):
        raise unsupported("does not support LIMIT without ORDER BY, or behind GROUP BY, in a correlated query")


def _is_plain(node: query_nodes.Select) -> bool:
    """Whether a SELECT has neither groups, aggregates nor windows."""
    parts = parts_of((node.items, node.having))
    return node.groups is None and node.having is None and not any(is_aggregate(p) or is_window(p) for p in parts)


def _check_unnest(node: query_nodes.Select, query: query_nodes.Query) -> None:
    """Raise QueryFailure for UNNEST of columns of the queries around, with a filter or a window behind it.

    DecorrelateUnnest and DecorrelateInnerUnnestWithGlobalAggregation take none; nor does a table beside UNNEST.
    """
    parts = list(parts_of((node.items, query.order)))
    aggregates = [part for part in parts if is_aggregate(part)]
    is_filtered = [isinstance(part, nodes.Call) and part.where is not None for part in aggregates]
    is_beside = isinstance(_first(node.source), query_nodes.TableName)
    if node.where is not None or node.having is not None or is_beside or any(map(is_window, parts)):
        raise _unsupported(query)
    if is_filtered and all(is_filtered):
        raise _unsupported(query)


def _first(node: query_nodes.Relation | None) -> query_nodes.Relation | None:
    """Return the leftmost relation of joins."""
    while isinstance(node, query_nodes.Aliased | query_nodes.Join):
        node = node.relation if isinstance(node, query_nodes.Aliased) else node.left
    return node


def check_join(node: query_nodes.Join, correlated: Correlated) -> None:
    """Raise QueryFailure for an outer join whose condition has a correlated subquery."""
    if node.kind in {"LEFT", "RIGHT", "FULL"} and any(correlated.get(id(q)) for q in queries_in(node.condition)):
        message = "Reference to column from outer scope not allowed in this context"
        raise failure("INVALID_COLUMN_REFERENCE", node.at, message)


def check_growth(scope: Scope | None, before: int, query: nodes.Node) -> None:
    """Raise QueryFailure if a part that Trino cannot move out has columns of the queries around by now."""
    if scope is not None and len(scope.correlations) > before:
        raise failure("NOT_SUPPORTED", query.at, "Given correlated subquery is not supported")


def _unsupported(query: query_nodes.Query) -> QueryFailure:
    return failure("NOT_SUPPORTED", query.at, "Given correlated subquery is not supported")


def _relations(node: query_nodes.Relation) -> Iterator[query_nodes.Relation]:
    """Yield the relations that are joined."""
    if isinstance(node, query_nodes.Aliased):
        yield from _relations(node.relation)
    elif isinstance(node, query_nodes.Join):
        yield from _relations(node.left)
        yield from _relations(node.right)
    else:
        yield node


def _is_outer_unnest(node: query_nodes.Relation, scope: Scope, correlated: Correlated) -> bool:
    """Whether a relation is UNNEST of columns of a query around, or a query of it."""
    if isinstance(node, query_nodes.QueryRelation):
        return not node.is_lateral and bool(correlated.get(id(node.query)))
    values = node.values if isinstance(node, query_nodes.UnnestRelation) else ()
    return any(_is_outer(value, scope, correlated) for value in values)


def _is_outer(node: nodes.Expression, scope: Scope, correlated: Correlated) -> bool:
    """Whether an expression uses columns of a query around."""
    own = {column.sql for column in scope.columns}
    for part in parts_of(node):
        parts = name_parts(part) if isinstance(part, nodes.Expression) else None
        if parts is not None and _found(parts, scope) is None and scope.find(parts, part.at) is not None:
            return True
    return any(column.sql not in own for query in queries_in(node) for column in correlated.get(id(query), ()))


def _is_equality(node: nodes.Expression, scope: Scope) -> bool:
    """Whether a column of the query equals a value of the queries around, without coercion (PlanNodeDecorrelator)."""
    if not isinstance(node, nodes.BinaryComparison) or node.sign != "=":
        return False
    for side, other in ((node.left, node.right), (node.right, node.left)):
        parts, others = name_parts(side), name_parts(other)
        if parts is None or _found(parts, scope) is None or _own(other, scope) or any(queries_in(other)):
            continue
        own, value = scope.find(parts, node.at), None if others is None else scope.find(others, node.at)
        return own is not None and (value is None or own.type == value.type)
    return False


def _found(parts: tuple[str, ...], scope: Scope) -> str | None:
    found = Scope(scope.columns).find(parts, (0, 0))
    return None if found is None else found.sql


def _are_keys(conditions: list[nodes.Expression], groups: Sequence[query_nodes.Grouping], scope: Scope) -> bool:
    """Whether the columns in conditions that are the query's own are all keys of its groups."""
    named = [value for group in groups for values in group.sets for value in values if name_parts(value)]
    return _own(tuple(conditions), scope) <= _own(tuple(named), scope)


def _own(node: object, scope: Scope) -> set[str]:
    """Return the query's own columns in an expression."""
    names = (name_parts(part) for part in parts_of(node) if isinstance(part, nodes.Expression))
    return {sql for parts in names if parts is not None and (sql := _found(parts, scope)) is not None}
