"""What the parts of the analysis need of the analyzers that call them.

An expression may contain a query, and a query consists of expressions. The modules below depend on these protocols, so
that no two modules import each other.
"""

import datetime as dt
from typing import Protocol

from infra.local.athena.analysis.results import Compiled, FindTable, Output, TableScan
from infra.local.athena.analysis.scope import Scope
from infra.local.athena.analysis.types import Type
from infra.local.athena.analysis.values import Context, Value
from infra.local.athena.sql import nodes, query_nodes


class Expressions(Protocol):
    """What resolves expressions: expressions.ExpressionAnalyzer."""

    context: Context

    @property
    def moment(self) -> dt.datetime:
        """The time that the whole statement calls now."""

    def analyze(self, node: nodes.Expression, scope: Scope) -> Value:
        """Return the value of an expression. Raises QueryFailure."""

    def condition(self, node: nodes.Expression, scope: Scope, clause: str) -> str:
        """Return the SQL of a condition of a clause."""


class Subqueries(Protocol):
    """What resolves the queries inside expressions: queries.QueryAnalyzer."""

    def subquery(self, query: query_nodes.Query, scope: Scope) -> tuple[str, list[Type]]:
        """Return a query's SQL, with columns c0, c1…, and the types of its columns."""


class Queries(Protocol):
    """What resolves the queries inside relations: queries.QueryAnalyzer."""

    context: Context
    find_table: FindTable
    default_database: str
    scans: list[TableScan]
    scan_columns: dict[str, tuple[int, str]]

    @property
    def expressions(self) -> Expressions:
        """What resolves the expressions of the statement."""

    def named(self, name: str) -> tuple[str, tuple[Output, ...]] | None:
        """Return the relation of a query of WITH, and its columns."""

    def analyze(self, query: query_nodes.Query, outer: Scope | None) -> Compiled:
        """Resolve a query; `outer` is the scope around it."""
