"""The columns that a part of a query can name, from the inside out.

Source: "Name resolution" in StatementAnalyzer and Scope of Trino: names are compared without regard to case.
"""

from dataclasses import dataclass, field

from infra.local.athena.analysis.types import Type
from infra.local.athena.analysis.values import Value, failure, unsupported
from infra.local.athena.errors import QueryFailure
from infra.local.athena.sql.nodes import Window
from infra.local.athena.sql.tokens import Position

_HIDDEN = {"$file_size", "$file_modified_time", "$partition", "$bucket"}


@dataclass(frozen=True)
class ScopeColumn:
    """A column of a relation; `qualifier` are the names before it: an alias, or catalogue, database and table."""

    name: str | None
    qualifier: tuple[str, ...]
    sql: str
    type: Type
    is_hidden: bool = False


@dataclass
class Scope:
    """The columns of FROM, the parameters of lambdas, and the scope around."""

    columns: list[ScopeColumn] = field(default_factory=list)
    parent: "Scope | None" = None
    parameters: dict[str, Value] = field(default_factory=dict)
    clause: str = "SELECT"
    """Where an expression stands: some clauses take no aggregates."""
    windows: dict[str, Window] = field(default_factory=dict)
    correlations: list[ScopeColumn] = field(default_factory=list)
    """The columns of outer scopes that were used here."""
    usage: str = ""
    """What the query inside is to an expression: EXISTS, IN or SCALAR; nothing if it is a relation."""
    is_query: bool = True
    """Whether it is the scope of a query, rather than of a lambda or a clause."""

    def inner(self, columns: list[ScopeColumn]) -> "Scope":
        """Return the scope of a query inside this one."""
        return Scope(columns, self)

    def within(self, clause: str) -> "Scope":
        """Return this scope for another clause of the same query."""
        return Scope(self.columns, self.parent, self.parameters, clause, self.windows, self.correlations)

    def with_parameters(self, parameters: dict[str, Value]) -> "Scope":
        """Return this scope inside a lambda."""
        merged = {**self.parameters, **parameters}
        return Scope(self.columns, self.parent, merged, "LAMBDA", self.windows, self.correlations)

    def find(self, parts: tuple[str, ...], at: Position) -> Value | None:
        """Return the column of this name, or None. Raises QueryFailure if the name is ambiguous."""
        name, qualifier = parts[-1].lower(), tuple(part.lower() for part in parts[:-1])
        if not qualifier and name in self.parameters:
            return self.parameters[name]
        if qualifier and parts[0].lower() in self.parameters:
            # A field of the parameter, even if a relation has its name.
            return None
        found = [c for c in self.columns if _matches(c, name, qualifier)]
        if len(found) > 1:
            raise failure("AMBIGUOUS_NAME", at, f"Column '{'.'.join(parts)}' is ambiguous")
        if found:
            return Value(found[0].sql, found[0].type)
        # A name whose first part is a column here is a field of that column, never a column of a scope around.
        is_own = len(parts) > 1 and any(_matches(c, parts[0].lower(), ()) for c in self.columns)
        if self.parent is None or is_own:
            return None
        outer = self.parent.find(parts, at)
        if outer is not None:
            self.correlations.append(ScopeColumn(name, qualifier, outer.sql, outer.type))
        return outer


def _matches(column: ScopeColumn, name: str, qualifier: tuple[str, ...]) -> bool:
    if column.name is None or column.name.lower() != name:
        return False
    return not qualifier or column.qualifier[-len(qualifier) :] == qualifier


def not_found(parts: tuple[str, ...], at: Position) -> QueryFailure:
    """Return the failure for a name that nothing has."""
    if parts[-1].lower() in _HIDDEN:
        return unsupported(f"does not support {parts[-1]}, which Athena has")
    return failure("COLUMN_NOT_FOUND", at, f"Column '{'.'.join(parts)}' cannot be resolved")
