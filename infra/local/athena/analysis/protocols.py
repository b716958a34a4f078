"""What the parts of the analysis need of each other: expressions of queries, and queries of expressions."""

import datetime as dt
from typing import Protocol

from infra.local.athena.analysis.results import Compiled, FindTable, Output, TableScan
from infra.local.athena.analysis.scope import Scope, ScopeColumn
from infra.local.athena.analysis.types import Type
from infra.local.athena.analysis.values import Context, Value
from infra.local.athena.sql import nodes, query_nodes


class Expressions(Protocol):
    """What resolves expressions."""

    context: Context

    @property
    def moment(self) -> dt.datetime:
        """The time that the whole statement calls now."""

    def analyze(self, node: nodes.Expression, scope: Scope) -> Value:
        """Return the value of an expression."""

    def condition(self, node: nodes.Expression, scope: Scope, clause: str) -> str:
        """Return the SQL of a condition of a clause."""


class Subqueries(Protocol):
    """What resolves the queries inside expressions."""

    def subquery(self, query: nodes.QueryNode, scope: Scope, usage: str) -> tuple[str, list[Type]]:
        """Return a query's SQL, with columns c0, c1…, and the types of its columns. `usage`: EXISTS, IN or SCALAR."""


class Queries(Protocol):
    """What resolves queries, for the relations in them."""

    context: Context
    find_table: FindTable
    default_database: str
    scans: list[TableScan]
    scan_columns: dict[str, tuple[int, str]]
    correlated: dict[int, list[ScopeColumn]]

    @property
    def expressions(self) -> Expressions:
        """What resolves expressions."""

    def named(self, name: str) -> tuple[str, tuple[Output, ...]] | None:
        """Return the relation of a query of WITH, and its columns."""

    def analyze(self, query: query_nodes.Query, outer: Scope | None) -> Compiled:
        """Resolve a query."""
