"""The syntax tree of Trino's expressions."""

from dataclasses import dataclass

from infra.local.athena.sql.tokens import Position


@dataclass(frozen=True)
class Node:
    """Any part of a statement, with its line and column."""

    at: Position


@dataclass(frozen=True)
class TypeName(Node):
    """A type as a query writes it: `decimal(10,2)`, `array(bigint)`, `row(a integer)`."""

    name: str
    numbers: tuple[int, ...] = ()
    of: tuple["TypeName", ...] = ()
    fields: tuple[str | None, ...] = ()


class Expression(Node):
    """An expression."""


class QueryNode(Node):
    """A query inside an expression (query_nodes.Query)."""


@dataclass(frozen=True)
class Literal(Expression):
    """A literal: null, boolean, integer, decimal, double, string or binary."""

    kind: str
    text: str


@dataclass(frozen=True)
class TypedLiteral(Expression):
    """`DATE '2026-01-01'` and the like."""

    type: TypeName
    text: str


@dataclass(frozen=True)
class IntervalLiteral(Expression):
    """`INTERVAL '1' DAY`."""

    text: str
    is_negative: bool
    start: str
    end: str | None


@dataclass(frozen=True)
class Parameter(Expression):
    """A question mark."""

    index: int


@dataclass(frozen=True)
class Identifier(Expression):
    """A name."""

    name: str


@dataclass(frozen=True)
class Dereference(Expression):
    """`base.field`: a column of a table, or a field of a row."""

    base: Expression
    field: str


@dataclass(frozen=True)
class Subscript(Expression):
    """`value[index]`."""

    value: Expression
    index: Expression


@dataclass(frozen=True)
class Sign(Expression):
    """`-value` or `+value`."""

    sign: str
    value: Expression


@dataclass(frozen=True)
class Arithmetic(Expression):
    """`left + right`, also `||`."""

    sign: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class AtTimeZone(Expression):
    """`value AT TIME ZONE zone`."""

    value: Expression
    zone: Expression


@dataclass(frozen=True)
class BinaryComparison(Expression):
    """`left = right`, also IS [NOT] DISTINCT FROM."""

    sign: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Quantified(Expression):
    """`left = ANY (query)`."""

    sign: str
    quantifier: str
    left: Expression
    query: QueryNode


@dataclass(frozen=True)
class Between(Expression):
    """`value BETWEEN low AND high`."""

    value: Expression
    low: Expression
    high: Expression


@dataclass(frozen=True)
class InList(Expression):
    """`value IN (a, b)`."""

    value: Expression
    items: tuple[Expression, ...]


@dataclass(frozen=True)
class InQuery(Expression):
    """`value IN (query)`."""

    value: Expression
    query: QueryNode


@dataclass(frozen=True)
class Like(Expression):
    """`value LIKE pattern ESCAPE escape`."""

    value: Expression
    pattern: Expression
    escape: Expression | None


@dataclass(frozen=True)
class IsNull(Expression):
    """`value IS NULL`."""

    value: Expression


@dataclass(frozen=True)
class Not(Expression):
    """`NOT value`."""

    value: Expression


@dataclass(frozen=True)
class Logical(Expression):
    """`a AND b`, `a OR b`."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Exists(Expression):
    """`EXISTS (query)`."""

    query: QueryNode


@dataclass(frozen=True)
class ScalarQuery(Expression):
    """A query in parentheses as a value."""

    query: QueryNode


@dataclass(frozen=True)
class Case(Expression):
    """`CASE [operand] WHEN … THEN … ELSE … END`."""

    operand: Expression | None
    whens: tuple[tuple[Expression, Expression], ...]
    otherwise: Expression | None


@dataclass(frozen=True)
class Cast(Expression):
    """`CAST(value AS type)`, `TRY_CAST(…)`."""

    value: Expression
    type: TypeName
    is_try: bool


@dataclass(frozen=True)
class ArrayOf(Expression):
    """`ARRAY[a, b]`."""

    items: tuple[Expression, ...]


@dataclass(frozen=True)
class RowOf(Expression):
    """`ROW(a, b)` or `(a, b)`."""

    items: tuple[Expression, ...]


@dataclass(frozen=True)
class Lambda(Expression):
    """`x -> x + 1`."""

    parameters: tuple[str, ...]
    body: Expression


@dataclass(frozen=True)
class Extract(Expression):
    """`EXTRACT(YEAR FROM value)`."""

    field: str
    value: Expression


@dataclass(frozen=True)
class Now(Expression):
    """CURRENT_DATE, CURRENT_TIMESTAMP, LOCALTIMESTAMP."""

    name: str
    precision: int | None


@dataclass(frozen=True)
class SortItem(Node):
    """One item of ORDER BY."""

    value: Expression
    is_descending: bool
    nulls_first: bool


@dataclass(frozen=True)
class FrameBound(Node):
    """One end of a window frame; `kind` is UNBOUNDED PRECEDING, CURRENT ROW, PRECEDING…."""

    kind: str
    value: Expression | None


@dataclass(frozen=True)
class Window(Node):
    """The specification of a window."""

    name: str | None = None
    """The named window that it is, or extends; in upper case unless it was quoted."""
    partition: tuple[Expression, ...] = ()
    order: tuple[SortItem, ...] = ()
    frame_type: str | None = None
    start: FrameBound | None = None
    end: FrameBound | None = None
    is_reference: bool = False
    """Whether it is `OVER name`, without parentheses."""


@dataclass(frozen=True)
class Call(Expression):
    """A function call."""

    name: str
    arguments: tuple[Expression, ...]
    is_star: bool = False
    is_distinct: bool = False
    order: tuple[SortItem, ...] = ()
    where: Expression | None = None
    ignores_nulls: bool = False
    respects_nulls: bool = False
    window: Window | None = None
