"""What a query with GROUP BY or aggregates may name outside them.

Sources: AggregationAnalyzer, StatementAnalyzer (analyzeGroupBy, analyzeGroupingOperations) and ScopeReferenceExtractor
of Trino; TestAnalyzer (testNonAggregate, testGrouping, testReferenceToOutputColumnFromOrderByAggregation…).
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.local.athena.analysis import types
from infra.local.athena.analysis.conditions import name_parts
from infra.local.athena.analysis.functions.aggregates import AGGREGATES
from infra.local.athena.analysis.functions.windows import FUNCTIONS as WINDOW_FUNCTIONS
from infra.local.athena.analysis.scope import Scope, ScopeColumn
from infra.local.athena.analysis.select_items import SelectedValue
from infra.local.athena.analysis.values import Value, failure
from infra.local.athena.sql import nodes

Key = Any
_MAX_GROUPING_ARGUMENTS = 63


def is_aggregate(node: nodes.Node) -> bool:
    """Whether it is a call of an aggregate, not over a window."""
    return isinstance(node, nodes.Call) and node.window is None and (node.name in AGGREGATES or node.is_star)


def is_window(node: nodes.Node) -> bool:
    """Whether it is a call over a window."""
    return isinstance(node, nodes.Call) and (node.window is not None or node.name in WINDOW_FUNCTIONS)


def is_grouping(node: nodes.Node) -> bool:
    """Whether it is GROUPING(…)."""
    return isinstance(node, nodes.Call) and node.name == "grouping"


def parts_of(node: Any) -> Iterator[nodes.Node]:
    """Yield a node and the nodes inside it, without queries."""
    return (part for part in _parts(node) if not isinstance(part, nodes.QueryNode))


def _children(node: nodes.Node) -> list[Any]:
    return [getattr(node, item.name) for item in dataclasses.fields(node) if item.name != "at"]


@dataclass
class GroupedQuery:
    """The keys of a query's groups, and the check of its expressions against them."""

    scope: Scope
    correlated: Mapping[int, Sequence[ScopeColumn]]
    """The columns of the scopes around that a query uses, by the identity of its node."""
    keys: set[Key] = field(default_factory=set)
    _kinds: set[type[nodes.Node]] = field(default_factory=set)

    def add(self, node: nodes.Expression) -> None:
        """Add an expression of GROUP BY."""
        self.keys.add(key_of(node, self.scope))
        self._kinds.add(type(node))

    def add_column(self, sql: str) -> None:
        """Add a column of the relations in FROM."""
        self.keys.add(("column", sql))

    def check_column(self, column: SelectedValue, at: tuple[int, int]) -> None:
        """Raise QueryFailure if a column of `*` is not a key."""
        if ("column", column.value.sql) not in self.keys:
            raise failure("EXPRESSION_NOT_AGGREGATE", at, f"Column '{column.name}' not in GROUP BY clause")

    def check(self, node: Any, scope: Scope) -> None:
        """Raise QueryFailure if an expression depends on more than the keys and aggregates."""
        waiting: list[tuple[Any, Scope]] = [(node, scope)]
        while waiting:
            part, inner = waiting.pop()
            if isinstance(part, tuple):
                waiting.extend((item, inner) for item in reversed(part))
            elif isinstance(part, nodes.QueryNode):
                self._check_query(part)
            elif isinstance(part, nodes.Node) and not self._is_key(part, inner):
                waiting.append(self._open_parts(part, inner))

    def _is_key(self, node: nodes.Node, scope: Scope) -> bool:
        if not isinstance(node, nodes.Identifier | nodes.Dereference) and type(node) not in self._kinds:
            return False
        return key_of(node, scope) in self.keys

    def _open_parts(self, node: nodes.Node, scope: Scope) -> tuple[tuple[Any, ...], Scope]:
        """Check one node that is not a key; return what inside it is to be checked."""
        if isinstance(node, nodes.Lambda):
            return (node.body,), _with_names(scope, node)
        if is_aggregate(node):
            self._check_aggregate(node, scope)
        elif is_grouping(node):
            self._check_grouping(node, scope)
        elif not self._is_column(node, scope):
            return tuple(_children(node)), scope
        return (), scope

    def _is_column(self, node: nodes.Node, scope: Scope) -> bool:
        """Whether it names a column; raise QueryFailure for one of FROM, which is not a key."""
        parts = name_parts(node) if isinstance(node, nodes.Expression) else None
        found = None if parts is None else _resolved(parts, scope, node.at)
        if parts is None or found is None:
            return isinstance(node, nodes.Identifier)
        if found[0] == "column":
            message = f"'{'.'.join(parts)}' must be an aggregate expression or appear in GROUP BY clause"
            raise failure("EXPRESSION_NOT_AGGREGATE", node.at, message)
        return True

    def _check_query(self, node: nodes.QueryNode) -> None:
        own = {column.sql for column in self.scope.columns}
        for column in self.correlated.get(id(node), ()):
            if column.sql in own and ("column", column.sql) not in self.keys:
                name = ".".join((*column.qualifier, column.name or ""))
                message = f"Subquery uses '{name}' which must appear in GROUP BY clause"
                raise failure("EXPRESSION_NOT_AGGREGATE", node.at, message)

    def _check_aggregate(self, node: nodes.Node, scope: Scope) -> None:
        """Reject the columns of SELECT inside an aggregate of ORDER BY."""
        if scope.clause != "ORDER BY":
            return
        message = "Invalid reference to output projection attribute from ORDER BY aggregation"
        for named, inner in _names(node, scope):
            parts = name_parts(named)
            if parts is not None and (_resolved(parts, inner, named.at) or ("",))[0] == "output":
                raise failure("COLUMN_NOT_FOUND", named.at, message)
        outputs = {(column.name or "").lower() for column in scope.columns}
        for query in queries_in(node):
            if any(c.name in outputs and not c.qualifier for c in self.correlated.get(id(query), ())):
                raise failure("COLUMN_NOT_FOUND", query.at, message)

    def _check_grouping(self, node: nodes.Node, scope: Scope) -> None:
        arguments = node.arguments if isinstance(node, nodes.Call) else ()
        if len(arguments) > _MAX_GROUPING_ARGUMENTS:
            message = f"GROUPING supports up to {_MAX_GROUPING_ARGUMENTS} column arguments"
            raise failure("TOO_MANY_ARGUMENTS", node.at, message)
        for argument in arguments:
            key = key_of(argument, scope)
            if key[0] == "output":
                message = "Invalid reference to output of SELECT clause from grouping() expression in ORDER BY"
                raise failure("INVALID_ARGUMENTS", argument.at, message)
            if key[0] != "column" or key not in self.keys:
                message = "The arguments to GROUPING() must be expressions referenced by the GROUP BY"
                raise failure("INVALID_ARGUMENTS", argument.at, f"{message} at the associated query level")


def key_of(node: Any, scope: Scope) -> Key:
    """Return what equal expressions have in common: their names are resolved, their places left out."""
    if isinstance(node, tuple):
        return tuple(key_of(item, scope) for item in node)
    if not isinstance(node, nodes.Node):
        return node
    if isinstance(node, nodes.QueryNode):
        return ("query", id(node))
    parts = name_parts(node) if isinstance(node, nodes.Expression) else None
    found = None if parts is None else _resolved(parts, scope, node.at)
    if found is not None:
        return found
    if isinstance(node, nodes.Lambda):
        scope = _with_names(scope, node)
    return (type(node), *(key_of(child, scope) for child in _children(node)))


def _resolved(parts: tuple[str, ...], scope: Scope, at: tuple[int, int]) -> tuple[str, str] | None:
    """Return where a name comes from, and its SQL: "output" of SELECT, "column" of FROM; None for any other."""
    if len(parts) == 1 and parts[0].lower() in scope.parameters:
        return None
    if scope.clause == "ORDER BY":
        found = Scope(scope.columns).find(parts, at)
        if found is not None:
            return "output", found.sql
        scope = scope.parent or scope
    found = Scope(scope.columns).find(parts, at)
    return None if found is None else ("column", found.sql)


def _with_names(scope: Scope, node: nodes.Lambda) -> Scope:
    """Return the scope inside a lambda: its parameters hide columns."""
    names = dict.fromkeys((name.lower() for name in node.parameters), Value("", types.UNKNOWN))
    return dataclasses.replace(scope, parameters={**scope.parameters, **names})


def _names(node: Any, scope: Scope) -> Iterator[tuple[nodes.Expression, Scope]]:
    """Yield the names inside a node, each with its scope."""
    if isinstance(node, tuple):
        for item in node:
            yield from _names(item, scope)
    elif isinstance(node, nodes.Node) and not isinstance(node, nodes.QueryNode):
        if isinstance(node, nodes.Identifier | nodes.Dereference):
            yield node, scope
        inner = _with_names(scope, node) if isinstance(node, nodes.Lambda) else scope
        for child in _children(node):
            yield from _names(child, inner)


def queries_in(node: Any) -> Iterator[nodes.QueryNode]:
    """Yield the queries inside an expression."""
    return (part for part in _parts(node) if isinstance(part, nodes.QueryNode))


def _parts(node: Any) -> Iterator[nodes.Node]:
    """Yield a node and the nodes inside it, without those of queries."""
    waiting = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, tuple):
            waiting.extend(item)
        elif isinstance(item, nodes.Node):
            yield item
            if not isinstance(item, nodes.QueryNode):
                waiting.extend(_children(item))
