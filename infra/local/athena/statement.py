"""A statement as StartQueryExecution takes it: parsed, with its execution parameters.

Raises InvalidRequest where Athena rejects the request (a syntax error) and QueryFailure where Athena fails the query.
"""

import datetime as dt
from dataclasses import dataclass

from infra.local.athena.analysis.queries import QueryAnalyzer
from infra.local.athena.analysis.results import FindTable
from infra.local.athena.errors import InvalidRequest, QueryFailure
from infra.local.athena.sql import commands, nodes, query_nodes
from infra.local.athena.sql.statements import StatementParser

_LITERALS = (nodes.Literal, nodes.TypedLiteral, nodes.IntervalLiteral, nodes.Cast, nodes.Sign)


@dataclass(frozen=True)
class StatementKind:
    """A statement's types in GetQueryExecution, and its result below the output location."""

    statement_type: str
    substatement_type: str
    result: str


@dataclass(frozen=True)
class ParsedStatement:
    """A parsed statement; `failure` is why a statement that Athena accepts fails when it runs."""

    tree: query_nodes.Query | commands.Command | None
    parameters: tuple[nodes.Expression, ...] = ()
    failure: QueryFailure | None = None

    @classmethod
    def parse(cls, sql: str, parameters: list[str]) -> "ParsedStatement":
        """Parse as StartQueryExecution does. Raises InvalidRequest for malformed SQL."""
        parser = StatementParser(sql)
        try:
            tree = parser.statement()
        except QueryFailure as failure:
            return cls(None, failure=failure)
        except RecursionError as error:
            message = "statement is too large (stack overflow while parsing)"
            raise InvalidRequest(message, "MALFORMED_QUERY") from error
        if parser.parameter_count != len(parameters):
            raise InvalidRequest(
                f"Incorrect number of parameters: expected {parser.parameter_count} but found {len(parameters)}"
            )
        return cls(tree, tuple(map(_parse_literal, parameters)))

    def analyzer(self, find_table: FindTable, database: str) -> QueryAnalyzer:
        """Return what resolves the statement's query."""
        return QueryAnalyzer(find_table, database, self.parameters, dt.datetime.now(dt.UTC))

    @property
    def has_own_location(self) -> bool:
        """Whether CREATE TABLE AS says where its data go, which a workgroup may forbid."""
        return isinstance(self.tree, commands.CreateTableAs) and "external_location" in self.tree.properties

    @property
    def kind(self) -> "StatementKind":
        """Return how the API describes the statement, and where its result goes."""
        tree = self.tree
        if isinstance(tree, commands.CreateTableAs):
            return StatementKind("DDL", "CREATE_TABLE_AS_SELECT", "tables/{}")
        if isinstance(tree, commands.Unload):
            return StatementKind("DML", "UNLOAD", "{}.csv")
        if isinstance(tree, commands.Explain):
            return StatementKind("UTILITY", "EXPLAIN", "{}.txt")
        if isinstance(tree, commands.Show):
            words = tree.kind if tree.kind == "DESCRIBE" else f"SHOW_{tree.kind}"
            return StatementKind("UTILITY", words.replace(" ", "_").replace("DESCRIBE", "DESCRIBE_TABLE"), "{}.txt")
        if isinstance(tree, commands.Drop):
            return StatementKind("DDL", f"DROP_{tree.kind}", "{}.txt")
        if isinstance(tree, commands.SetProperties):
            return StatementKind("DDL", "ALTER_TABLE_SET_PROPERTIES", "{}.txt")
        if isinstance(tree, commands.CreateDatabase):
            return StatementKind("DDL", "CREATE_DATABASE", "{}.txt")
        return StatementKind("DML", "SELECT", "{}.csv")

    @property
    def query(self) -> query_nodes.Query | None:
        """Return the query of a statement that has one."""
        if isinstance(self.tree, query_nodes.Query):
            return self.tree
        return getattr(self.tree, "query", None)


def _parse_literal(value: str) -> nodes.Expression:
    message = f"The execution parameter {value} is not a SQL literal; quote text with single quotes"
    parser = StatementParser(value)
    try:
        parsed = parser.expression()
        parser.expect_end()
    except (InvalidRequest, QueryFailure) as error:
        raise InvalidRequest(message) from error
    if not isinstance(parsed, _LITERALS):
        raise InvalidRequest(message)
    return parsed
