"""Translate Athena's SQL to DuckDB's.

sqlglot translates the dialect. This module adds the rest: the tables that a query reads, with their `"$path"` and
partition predicates; the names `_col0`… of unnamed columns; execution parameters; and what Athena rejects but DuckDB
accepts (other functions, text compared with a number). Raises InvalidRequest where Athena rejects the request (a
syntax error) and QueryFailure where Athena fails the query.
"""

import logging
import re
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError, ParseError, TokenError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope
from sqlglot.schema import MappingSchema

from infra.local.athena.errors import InvalidRequest, QueryFailure
from infra.local.athena.functions import NAMES

PATH = "$path"
_UNNAMED = "__unnamed_column_"
_CLAUSES_THAT_NEED_ALL_ROWS = (
    "where",
    "group",
    "having",
    "order",
    "distinct",
    "joins",
    "qualify",
    "windows",
    "laterals",
)
# sqlglot warns about each statement that it does not know; the request is rejected with an error of its own.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


@dataclass(frozen=True)
class TableScan:
    """One reference to a table in a query."""

    relation: str
    database: str
    table: str
    needs_path: bool
    allowed_values: dict[str, frozenset[str]]
    """Column (lower case, including `$path`) → its only possible values, from comparisons with literals."""
    max_rows: int | None
    """Maximum number of rows the query can use; None if that depends on the rows."""


@dataclass(frozen=True)
class SqlStatement:
    """A parsed query with its execution parameters."""

    tree: exp.Query
    sql: str

    @classmethod
    def parse(cls, sql: str, parameters: list[str]) -> "SqlStatement":
        """Parse as StartQueryExecution does. Raises InvalidRequest for malformed SQL."""
        try:
            trees = [tree for tree in sqlglot.parse(sql, dialect="athena") if tree is not None]
        except (ParseError, TokenError) as error:
            raise InvalidRequest(_syntax_error(error), "MALFORMED_QUERY") from error
        if len(trees) != 1:
            raise InvalidRequest("Only one sql statement is allowed. Got: " + sql, "MALFORMED_QUERY")
        tree = trees[0]
        placeholders = _placeholders(tree)
        if len(placeholders) != len(parameters):
            raise InvalidRequest(
                f"Incorrect number of parameters: expected {len(placeholders)} but found {len(parameters)}"
            )
        for placeholder, value in zip(placeholders, parameters, strict=True):
            placeholder.replace(_parse_literal(value))
        if not isinstance(tree, exp.Query):
            word = sql.split(maxsplit=1)[0].upper()
            raise InvalidRequest(
                f"NOT_SUPPORTED: the local Athena runs queries (SELECT, WITH) only, not {word} statements",
                "MALFORMED_QUERY",
            )
        return cls(tree, sql)

    def check_functions(self) -> None:
        """Raise QueryFailure for a function that Athena does not have."""
        for node in self.tree.find_all(exp.Func):
            if "start" not in node.meta:
                continue
            name = self.sql[node.meta["start"] : node.meta["end"] + 1]
            if re.fullmatch(r"\w+", name) and name.lower() not in NAMES:
                position = f"line {node.meta['line']}:{node.meta['col'] - len(name) + 1}"
                raise QueryFailure(f"FUNCTION_NOT_FOUND: {position}: Function '{name.lower()}' not registered")

    def scans(self, default_database: str) -> tuple[exp.Query, list[TableScan]]:
        """Replace each table with a relation; return the new tree and what the relations stand for."""
        tree = self.tree.copy()
        _name_unnamed(tree)
        uses_path = any(column.name.lower() == PATH for column in tree.find_all(exp.Column))
        max_rows = _max_rows(tree)
        scans: list[TableScan] = []
        for scope in traverse_scope(tree):
            tables = {name: source for name, source in scope.sources.items() if isinstance(source, exp.Table)}
            with_path = []
            for alias, table in tables.items():
                if isinstance(table.this, exp.Func) or not table.name:
                    raise QueryFailure("NOT_SUPPORTED: the local Athena has no table functions")
                is_only_source = len(scope.sources) == 1
                needs_path = uses_path and _mentions_path(scope, alias, is_only_source)
                relation = f"scan_{len(scans)}"
                database = table.db.lower() or default_database
                if table.catalog and table.catalog.lower() != "awsdatacatalog":
                    raise QueryFailure(f"CATALOG_NOT_FOUND: Catalog '{table.catalog}' does not exist")
                scans.append(
                    TableScan(
                        relation=relation,
                        database=database,
                        table=table.name.lower(),
                        needs_path=needs_path,
                        allowed_values=_allowed_values(scope, alias, is_only_source=is_only_source),
                        max_rows=max_rows,
                    )
                )
                if needs_path:
                    with_path.append(alias)
                _rename(table, alias, relation)
            for column in scope.columns:
                if column.args.get("db") is not None:
                    column.set("db", None)
                    column.set("catalog", None)
            if with_path and isinstance(scope.expression, exp.Select):
                _hide_path(scope.expression, with_path)
        return tree, scans


def _placeholders(tree: exp.Expr) -> list[exp.Expr]:
    return [node for node in tree.walk(bfs=False) if isinstance(node, exp.Placeholder)]


def _parse_literal(value: str) -> exp.Expr:
    try:
        parsed = sqlglot.parse_one(value, dialect="athena")
    except (ParseError, TokenError) as error:
        raise InvalidRequest(
            f"The execution parameter {value} is not a SQL literal; quote text with single quotes"
        ) from error
    if isinstance(parsed, exp.Query) or parsed.find(exp.Column):
        raise InvalidRequest(f"The execution parameter {value} is not a SQL literal; quote text with single quotes")
    return parsed


def _syntax_error(error: Exception) -> str:
    details = error.errors[0] if isinstance(error, ParseError) and error.errors else {}
    position = f"line {details.get('line', 1)}:{details.get('col', 1)}"
    return f"{position}: mismatched input '{details.get('highlight', '')}': {details.get('description', error)}"


def _name_unnamed(tree: exp.Expr) -> None:
    """Give every unnamed expression a unique name, which `column_names` turns into `_col0`."""
    count = 0
    for select in tree.find_all(exp.Select):
        for projection in list(select.expressions):
            if isinstance(projection, exp.Alias | exp.Star | exp.Column | exp.Aliases):
                continue
            alias = exp.alias_(projection.copy(), f"{_UNNAMED}{count}", quoted=True)
            projection.replace(alias)
            count += 1


def column_names(names: list[str]) -> list[str]:
    """Return Athena's names of the columns: by position where the query names none."""
    return [f"_col{position}" if name.startswith(_UNNAMED) else name for position, name in enumerate(names)]


def _max_rows(tree: exp.Query) -> int | None:
    """Return the LIMIT of `SELECT … FROM one_table LIMIT n`, which any n rows satisfy."""
    if not isinstance(tree, exp.Select) or any(tree.args.get(name) for name in _CLAUSES_THAT_NEED_ALL_ROWS):
        return None
    limit = tree.args.get("limit")
    if not isinstance(limit, exp.Limit) or not isinstance(limit.expression, exp.Literal) or tree.args.get("offset"):
        return None
    if tree.find(exp.AggFunc, exp.Window, exp.Subquery, exp.CTE):
        return None
    return int(limit.expression.this)


def _mentions_path(scope: Scope, alias: str, is_only_source: bool) -> bool:
    # Columns of inner scopes may refer to this one, so search the whole expression.
    for column in scope.expression.find_all(exp.Column):
        if column.name.lower() == PATH and (column.table == alias or not column.table):
            return True
    return is_only_source and any(column.name.lower() == PATH for column in scope.columns)


def _conjuncts(node: exp.Expr | None) -> list[exp.Expr]:
    if isinstance(node, exp.Paren):
        return _conjuncts(node.this)
    if isinstance(node, exp.And):
        return _conjuncts(node.left) + _conjuncts(node.right)
    return [node] if node is not None else []


def _allowed_values(scope: Scope, alias: str, is_only_source: bool) -> dict[str, frozenset[str]]:
    """Collect the values that the query allows, from comparisons that every row of the result must satisfy."""
    found: dict[str, frozenset[str]] = {}
    if not isinstance(scope.expression, exp.Select):
        return found
    where = scope.expression.args.get("where")
    for condition in _conjuncts(where.this if where else None):
        if isinstance(condition, exp.EQ):
            sides = [condition.left, condition.right]
            column = next((side for side in sides if isinstance(side, exp.Column)), None)
            values = [side for side in sides if side is not column]
        elif (
            isinstance(condition, exp.In) and isinstance(condition.this, exp.Column) and not condition.args.get("query")
        ):
            column, values = condition.this, condition.expressions
        else:
            continue
        if column is None or not (column.table == alias or (is_only_source and not column.table)):
            continue
        if not values or not all(isinstance(value, exp.Literal) and value.is_string for value in values):
            continue
        allowed = frozenset(str(value.this) for value in values)
        name = column.name.lower()
        found[name] = found[name] & allowed if name in found else allowed
    return found


def _rename(table: exp.Table, alias: str, relation: str) -> None:
    own_alias = table.args.get("alias")
    table.set("this", exp.to_identifier(relation, quoted=True))
    table.set("db", None)
    table.set("catalog", None)
    if own_alias is None:
        table.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))


def _hide_path(select: exp.Select, aliases: list[str]) -> None:
    """Exclude the hidden column from `*`."""
    hidden = [exp.to_identifier(PATH, quoted=True)]
    for projection in select.expressions:
        if isinstance(projection, exp.Star):
            projection.set("except_", hidden)
        elif (
            isinstance(projection, exp.Column) and isinstance(projection.this, exp.Star) and projection.table in aliases
        ):
            projection.this.set("except_", hidden)


def check_types(tree: exp.Query, columns: dict[str, object]) -> None:
    """Raise QueryFailure where Athena has no operator for text and a number; DuckDB casts silently."""
    schema = MappingSchema(columns, dialect="duckdb")
    try:
        typed = annotate_types(
            qualify(tree.copy(), schema=schema, dialect="duckdb", validate_qualify_columns=False), schema=schema
        )
    except OptimizeError:
        return  # DuckDB describes the error better.
    for node in typed.find_all(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Add, exp.Sub, exp.Mul, exp.Div):
        left, right = _kind(node.left), _kind(node.right)
        if {left, right} == {"varchar", "number"}:
            sign = _SIGNS[type(node)]
            raise QueryFailure(
                f"TYPE_MISMATCH: Cannot apply operator: {_type_name(node.left)} {sign} {_type_name(node.right)}"
            )
    for among in typed.find_all(exp.In, exp.Between):
        others = among.expressions if isinstance(among, exp.In) else [among.args["low"], among.args["high"]]
        if {_kind(among.this), *map(_kind, others)} >= {"varchar", "number"}:
            raise QueryFailure(
                f"TYPE_MISMATCH: {type(among).__name__.upper()} values must be the same type: "
                f"{', '.join(map(_type_name, (among.this, *others)))}"
            )
    for aggregate in typed.find_all(exp.Sum, exp.Avg):
        if _kind(aggregate.this) == "varchar":
            name = type(aggregate).__name__.lower()
            raise QueryFailure(f"FUNCTION_NOT_FOUND: Unexpected parameters (varchar) for function {name}")


_SIGNS: dict[Any, str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
}


def _kind(node: exp.Expr) -> str | None:
    kind = node.type
    if kind is None:
        return None
    if kind.is_type(*exp.DataType.TEXT_TYPES):
        return "varchar"
    return "number" if kind.is_type(*exp.DataType.NUMERIC_TYPES) else None


def _type_name(node: exp.Expr) -> str:
    name = node.type.sql(dialect="athena").lower() if node.type is not None else "unknown"
    return "varchar" if name == "text" else name
