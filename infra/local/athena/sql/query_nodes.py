"""The syntax tree of Trino's queries: relations, SELECT, set operations."""

from dataclasses import dataclass

from infra.local.athena.sql.nodes import Expression, Node, QueryNode, SortItem, Window


class Relation(Node):
    """What FROM names."""


@dataclass(frozen=True)
class TableName(Relation):
    """A table: `[catalog.][database.]table`."""

    parts: tuple[str, ...]


@dataclass(frozen=True)
class QueryRelation(Relation):
    """A query in parentheses."""

    query: "Query"
    is_lateral: bool = False


@dataclass(frozen=True)
class UnnestRelation(Relation):
    """`UNNEST(a, b) [WITH ORDINALITY]`."""

    values: tuple[Expression, ...]
    has_ordinality: bool
    keeps_rows: bool = False
    """Whether it has a row of NULL where it has none."""


@dataclass(frozen=True)
class Aliased(Relation):
    """A relation with a name and, if given, names of its columns."""

    relation: Relation
    name: str
    columns: tuple[str, ...] | None


@dataclass(frozen=True)
class Join(Relation):
    """`left JOIN right`; kind is CROSS, IMPLICIT, INNER, LEFT, RIGHT or FULL."""

    kind: str
    left: Relation
    right: Relation
    condition: Expression | None = None
    using: tuple[str, ...] = ()


@dataclass(frozen=True)
class SelectItem(Node):
    """A value of SELECT with its alias, or `*`, or `base.*`."""

    value: Expression | None
    alias: str | None = None
    is_star: bool = False
    columns: tuple[str, ...] | None = None


class QueryBody(Node):
    """A SELECT, a set operation, VALUES, TABLE, or a query in parentheses."""


@dataclass(frozen=True)
class Select(QueryBody):
    """One SELECT."""

    items: tuple[SelectItem, ...]
    is_distinct: bool = False
    source: Relation | None = None
    where: Expression | None = None
    groups: tuple["Grouping", ...] | None = None
    having: Expression | None = None
    windows: tuple["NamedWindow", ...] = ()


@dataclass(frozen=True)
class NamedWindow(Node):
    """One window of WINDOW."""

    name: str
    window: Window


@dataclass(frozen=True)
class Grouping(Node):
    """One element of GROUP BY; kind is SIMPLE, ROLLUP, CUBE or SETS."""

    kind: str
    sets: tuple[tuple[Expression, ...], ...]


@dataclass(frozen=True)
class SetOperation(QueryBody):
    """UNION, INTERSECT, EXCEPT."""

    operator: str
    is_all: bool
    left: QueryBody
    right: QueryBody


@dataclass(frozen=True)
class Values(QueryBody):
    """`VALUES (1, 'a'), (2, 'b')`."""

    rows: tuple[Expression, ...]


@dataclass(frozen=True)
class TableBody(QueryBody):
    """`TABLE t`."""

    table: TableName


@dataclass(frozen=True)
class Parenthesized(QueryBody):
    """A query in parentheses as a term of another."""

    query: "Query"


@dataclass(frozen=True)
class NamedQuery(Node):
    """One query of WITH."""

    name: str
    columns: tuple[str, ...] | None
    query: "Query"


@dataclass(frozen=True)
class Query(QueryNode):
    """A whole query."""

    body: QueryBody
    named: tuple[NamedQuery, ...] = ()
    order: tuple[SortItem, ...] = ()
    offset: Expression | None = None
    limit: Expression | None = None
    with_ties: bool = False
    is_fetch: bool = False
    """Whether the limit is written as FETCH FIRST."""
