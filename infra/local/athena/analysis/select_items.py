"""What SELECT selects: values, and the columns that `*` stands for.

Source: analyzeSelect and analyzeSelectAllColumns of StatementAnalyzer of Trino.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from infra.local.athena.analysis import conditions
from infra.local.athena.analysis.protocols import Expressions
from infra.local.athena.analysis.scope import Scope
from infra.local.athena.analysis.values import Value, failure, unsupported
from infra.local.athena.literals import identifier
from infra.local.athena.sql import nodes, query_nodes
from infra.local.athena.sql.tokens import INTEGER


@dataclass(frozen=True)
class SelectedValue:
    """One column of SELECT; `node` is None for those of `*`."""

    name: str | None
    value: Value
    node: nodes.Expression | None = None


def select_items(expressions: Expressions, node: query_nodes.Select, scope: Scope) -> list[SelectedValue]:
    """Resolve what a query selects, with the columns that `*` stands for."""
    items: list[SelectedValue] = []
    for item in node.items:
        if item.is_star:
            items.extend(_star(expressions, item, scope))
        elif item.value is not None:
            value = expressions.analyze(item.value, scope)
            items.append(SelectedValue(item.alias or _implicit_name(item.value), value, item.value))
    return items


def _star(expressions: Expressions, item: query_nodes.SelectItem, scope: Scope) -> list[SelectedValue]:
    visible = [column for column in scope.columns if not column.is_hidden]
    if item.value is not None:
        qualifier = tuple(part.lower() for part in conditions.name_parts(item.value) or ())
        chosen = [c for c in visible if qualifier and c.qualifier[-len(qualifier) :] == qualifier]
        if not chosen:
            return _row_star(expressions, item, item.value, scope)
        visible = chosen
    elif not scope.columns:
        raise failure("COLUMN_NOT_FOUND", item.at, "SELECT * not allowed in queries without FROM clause")
    names = _star_names(item, [column.name for column in visible])
    return [SelectedValue(n, Value(c.sql, c.type)) for n, c in zip(names, visible, strict=True)]


def _row_star(
    expressions: Expressions, item: query_nodes.SelectItem, node: nodes.Expression, scope: Scope
) -> list[SelectedValue]:
    parts = conditions.name_parts(node)
    if parts is not None and (len(parts) == 1 or scope.find(parts, node.at) is None):
        first = scope.find(parts[:1], node.at) or scope.find(parts[:2], node.at)
        if first is None and _is_around(parts, scope.parent):
            raise unsupported(f"does not support {'.'.join(parts)}.* of a relation outside the subquery")
        if len(parts) == 1 or first is None:
            raise failure("TABLE_NOT_FOUND", item.at, f"Unable to resolve reference {'.'.join(parts)}")
    value = expressions.analyze(node, scope)
    if value.type.name != "row":
        raise failure("TYPE_MISMATCH", item.at, f"Expression {value.type} is not of type ROW")
    names = _star_names(item, list(value.type.fields))
    fields = zip(names, value.type.duck_names, value.type.of, strict=True)
    return [SelectedValue(name, Value(f"({value.sql}).{identifier(duck)}", kind), node) for name, duck, kind in fields]


def _implicit_name(node: nodes.Expression) -> str | None:
    if isinstance(node, nodes.Identifier):
        return node.name
    return node.field if isinstance(node, nodes.Dereference) else None


def _star_names(item: query_nodes.SelectItem, names: list[str | None]) -> Sequence[str | None]:
    """Return the names of the columns of `*`: those of its alias list, if it has one."""
    if item.columns is None:
        return names
    if len(item.columns) != len(names):
        message = f"Column alias list has {len(item.columns)} entries but relation has {len(names)} columns"
        raise failure("MISMATCHED_COLUMN_ALIASES", item.at, message)
    return item.columns


def _is_around(parts: tuple[str, ...], scope: Scope | None) -> bool:
    """Whether a query around has a relation of this name."""
    qualifier = tuple(part.lower() for part in parts)
    while scope is not None:
        if any(column.qualifier[-len(qualifier) :] == qualifier for column in scope.columns):
            return True
        scope = scope.parent
    return False


def at_position(node: nodes.Expression, items: Sequence[SelectedValue], clause: str) -> SelectedValue | None:
    """Return the item that a number names; None if the expression is not a number."""
    if not isinstance(node, nodes.Literal) or node.kind != INTEGER:
        return None
    position = int(node.text)
    if not 1 <= position <= len(items):
        raise failure("INVALID_COLUMN_REFERENCE", node.at, f"{clause} position {position} is not in select list")
    return items[position - 1]
