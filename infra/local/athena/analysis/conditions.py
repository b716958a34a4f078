"""What a query needs of its tables: the values that its conditions allow, and how many rows."""

from collections.abc import Iterator
from dataclasses import replace

from infra.local.athena.analysis.protocols import Expressions
from infra.local.athena.analysis.results import TableScan
from infra.local.athena.analysis.scope import Scope, ScopeColumn
from infra.local.athena.sql import nodes, query_nodes
from infra.local.athena.sql.tokens import STRING


def name_parts(node: nodes.Expression) -> tuple[str, ...] | None:
    """Return `a.b.c` as its parts, or None if the base is not a name."""
    if isinstance(node, nodes.Identifier):
        return (node.name,)
    if isinstance(node, nodes.Dereference):
        base = name_parts(node.base)
        return None if base is None else (*base, node.field)
    return None


def allowed_values(
    where: nodes.Expression | None, scope: Scope, expressions: Expressions
) -> Iterator[tuple[ScopeColumn, frozenset[str]]]:
    """Yield columns with the only texts that they may have, from conditions that every row must satisfy."""
    for condition in _conjuncts(where):
        if isinstance(condition, nodes.BinaryComparison) and condition.sign == "=":
            sides = (condition.left, condition.right)
            found: list[tuple[nodes.Expression, tuple[nodes.Expression, ...]]] = [
                (sides[0], sides[1:]),
                (sides[1], sides[:1]),
            ]
        elif isinstance(condition, nodes.InList):
            found = [(condition.value, condition.items)]
        else:
            continue
        for side, values in found:
            column = _own_column(side, scope)
            if column is not None and all(_is_text(value, scope, expressions) for value in values):
                yield column, frozenset(str(expressions.analyze(value, scope).constant) for value in values)


def terms(node: nodes.Expression, operator: str) -> list[nodes.Expression]:
    """Return `a AND b AND c` as its terms. A long chain is a deep tree on its left side: it is walked in a loop."""
    found: list[nodes.Expression] = []
    left = node
    while isinstance(left, nodes.Logical) and left.operator == operator:
        found.append(left.right)
        left = left.left
    return [left, *reversed(found)]


def _conjuncts(node: nodes.Expression | None) -> Iterator[nodes.Expression]:
    waiting = [] if node is None else [node]
    while waiting:
        condition = waiting.pop()
        if isinstance(condition, nodes.Logical) and condition.operator == "AND":
            waiting += [condition.right, condition.left]
        else:
            yield condition


def _own_column(node: nodes.Expression, scope: Scope) -> ScopeColumn | None:
    parts = name_parts(node)
    if parts is None:
        return None
    value = Scope(scope.columns).find(parts, node.at)
    return next((c for c in scope.columns if value is not None and c.sql == value.sql), None)


def _is_text(node: nodes.Expression, scope: Scope, expressions: Expressions) -> bool:
    if isinstance(node, nodes.Parameter):
        value = expressions.analyze(node, scope)
        return value.type.is_text and value.constant is not None
    return isinstance(node, nodes.Literal) and node.kind == STRING


def is_prefix(node: query_nodes.Select, query: query_nodes.Query) -> bool:
    """Whether any n rows of one table satisfy `SELECT … FROM table LIMIT n`."""
    source = node.source.relation if isinstance(node.source, query_nodes.Aliased) else node.source
    clauses = (node.where, node.groups, node.having, query.offset)
    return (
        query.limit is not None
        and isinstance(source, query_nodes.TableName)
        and not query.order
        and not node.is_distinct
        and all(clause is None for clause in clauses)
    )


def limited(scan: TableScan, rows: int) -> TableScan:
    """Return a scan of no more than some rows."""
    return replace(scan, max_rows=rows)
