"""Resolve what FROM names: tables, queries, UNNEST, joins.

Sources: "SELECT" (Trino documentation), StatementAnalyzer of Trino (visitTable, visitJoin, visitUnnest).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from infra.local.athena.analysis import types
from infra.local.athena.analysis.correlation import check_growth, check_join
from infra.local.athena.analysis.operators import compare
from infra.local.athena.analysis.protocols import Queries
from infra.local.athena.analysis.results import PATH, Compiled, TableScan
from infra.local.athena.analysis.scope import Scope, ScopeColumn
from infra.local.athena.analysis.types import Type
from infra.local.athena.analysis.values import Value, coerce, failure, unsupported
from infra.local.athena.errors import QueryFailure
from infra.local.athena.literals import identifier
from infra.local.athena.sql import nodes, query_nodes


@dataclass(frozen=True)
class FromItem:
    """A resolved relation: its SQL in FROM, and its columns."""

    sql: str
    columns: list[ScopeColumn]


class RelationAnalyzer:
    """Resolves the relations of one statement."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._context = queries.context

    def source(self, node: query_nodes.Relation, scope: Scope) -> FromItem:
        """Resolve a relation; `scope` has the columns that it may use, those of LATERAL included."""
        if isinstance(node, query_nodes.Join):
            return self._join(node, scope)
        if isinstance(node, query_nodes.Aliased):
            return self._aliased(node, scope)
        if isinstance(node, query_nodes.TableName):
            return self._table(node)
        if isinstance(node, query_nodes.QueryRelation):
            outer = scope if node.is_lateral else scope.parent
            return self._derived(self._queries.analyze(node.query, outer))
        if isinstance(node, query_nodes.UnnestRelation):
            return self._unnest(node, scope)
        raise QueryFailure(f"NOT_SUPPORTED: the local Athena does not support {type(node).__name__} in FROM")

    def _derived(self, compiled: Compiled) -> FromItem:
        alias = self._context.name("q")
        columns = [
            ScopeColumn(output.name, (), f"{alias}.c{i}", output.type) for i, output in enumerate(compiled.outputs)
        ]
        return FromItem(f"({compiled.sql}) AS {alias}", columns)

    def _table(self, node: query_nodes.TableName) -> FromItem:
        parts = tuple(part.lower() for part in node.parts)
        named = self._queries.named(parts[0]) if len(parts) == 1 else None
        if named is not None:
            relation, outputs = named
            alias = self._context.name("q")
            columns = [ScopeColumn(o.name, (parts[0],), f"{alias}.c{i}", o.type) for i, o in enumerate(outputs)]
            return FromItem(f"{relation} AS {alias}", columns)
        if len(parts) > 3:
            raise failure("SYNTAX_ERROR", node.at, f"Too many dots in table name: {'.'.join(parts)}")
        if len(parts) == 3 and parts[0] != "awsdatacatalog":
            raise failure("CATALOG_NOT_FOUND", node.at, f"Catalog '{parts[0]}' does not exist")
        database = parts[-2] if len(parts) > 1 else self._queries.default_database
        if database == "information_schema":
            raise unsupported("does not support information_schema; use SHOW TABLES, DESCRIBE or the Glue catalogue")
        return self._scan(database, parts[-1])

    def _scan(self, database: str, name: str) -> FromItem:
        table = self._queries.find_table(database, name)
        number = len(self._queries.scans)
        relation = f"scan_{number}"
        self._queries.scans.append(TableScan(relation, database, name))
        qualifier = ("awsdatacatalog", database, name)
        columns = []
        for column in (*table.columns, *table.partition_keys):
            sql = f"{relation}.{identifier(column.name)}"
            columns.append(ScopeColumn(column.name, qualifier, sql, types.of_glue(column.type)))
        columns.append(ScopeColumn(PATH, qualifier, f'{relation}."{PATH}"', types.VARCHAR, is_hidden=True))
        for column in columns:
            self._queries.scan_columns[column.sql] = (number, str(column.name))
        return FromItem(relation, columns)

    def _aliased(self, node: query_nodes.Aliased, scope: Scope) -> FromItem:
        inner = self.source(node.relation, scope)
        name = (node.name.lower(),)
        if node.columns is None:
            return replace(inner, columns=[replace(column, qualifier=name) for column in inner.columns])
        visible = [column for column in inner.columns if not column.is_hidden]
        if len(visible) != len(node.columns):
            message = (
                f"Column alias list has {len(node.columns)} entries but '{node.name}' has {len(visible)} "
                "columns available"
            )
            raise failure("MISMATCHED_COLUMN_ALIASES", node.at, message)
        renamed = [replace(c, name=n, qualifier=name) for c, n in zip(visible, node.columns, strict=True)]
        return replace(inner, columns=renamed)

    def _unnest(self, node: query_nodes.UnnestRelation, scope: Scope) -> FromItem:
        alias = self._context.name("u")
        expressions = self._queries.expressions
        values = [expressions.analyze(value, scope.within("UNNEST")) for value in node.values]
        lists: list[str] = []
        columns: list[tuple[str, Type, str | None]] = []
        for value in values:
            sql, fields = self._unnested(value, node, f"e{len(lists)}")
            columns.extend(fields)
            lists.append(sql)
        written = ", ".join(f"{sql} AS l{i}" for i, sql in enumerate(lists))
        names = [f"l{i}" for i in range(len(lists))]
        longest = f"greatest({', '.join(f'coalesce(len({name}), 0)' for name in names)})"
        if node.has_ordinality:
            columns.append((f"e{len(names)}", types.BIGINT, None))
            names.append(f"range(1, {longest} + 1)")
        if node.keeps_rows:
            names = [f"CASE WHEN {longest} = 0 THEN [NULL] ELSE {name} END" for name in names]
        packed = ", ".join(f"{name} AS l{i}" for i, name in enumerate(names))
        unnested = ", ".join(f"unnest({alias}l.l{i}) AS e{i}" for i in range(len(names)))
        selected = ", ".join(f"{sql} AS c{i}" for i, (sql, _, _) in enumerate(columns))
        # DuckDB keeps the order of the elements of columns, and may lose that of other expressions.
        return FromItem(
            f"LATERAL (SELECT {packed} FROM (SELECT {written})) AS {alias}l CROSS JOIN "  # noqa: S608 - generated
            f"LATERAL (SELECT {selected} FROM (SELECT {unnested})) AS {alias}",
            [ScopeColumn(name, (), f"{alias}.c{i}", kind) for i, (_, kind, name) in enumerate(columns)],
        )

    def _unnested(
        self, value: Value, node: query_nodes.UnnestRelation, name: str
    ) -> tuple[str, list[tuple[str, Type, str | None]]]:
        """Return the list of an array or map, and the columns that its elements become: a row's keep their names."""
        kind = value.type
        if kind.name == "map":
            return f"map_entries({value.sql})", [
                (f"{name}.key", kind.of[0], None),
                (f"{name}.value", kind.of[1], None),
            ]
        if kind.name != "array":
            raise failure("INVALID_FUNCTION_ARGUMENT", node.at, f"Cannot unnest type: {kind}")
        item = kind.of[0]
        if item.name != "row":
            return value.sql, [(name, item, None)]
        fields = zip(item.duck_names, item.of, item.fields, strict=True)
        return value.sql, [(f"{name}.{identifier(duck)}", of, field) for duck, of, field in fields]

    def _join(self, node: query_nodes.Join, scope: Scope) -> FromItem:
        left = self.source(node.left, scope)
        if node.kind not in {"CROSS", "IMPLICIT"}:
            _check_lateral(node)
        if isinstance(_unaliased(node.right), query_nodes.UnnestRelation):
            node = replace(node, kind="CROSS", right=_keeping_rows(node.right) if node.kind == "LEFT" else node.right)
        # The right side may use the columns of the left one (UNNEST, LATERAL).
        lateral = Scope([*scope.columns, *left.columns], scope.parent, correlations=scope.correlations)
        right = self.source(node.right, lateral)
        if node.kind in {"CROSS", "IMPLICIT"}:
            return FromItem(f"{left.sql} CROSS JOIN {_nested(node.right, right.sql)}", [*left.columns, *right.columns])
        if node.using:
            return self._join_using(node, left, right)
        if node.condition is None:
            raise failure("SYNTAX_ERROR", node.at, "A join needs ON or USING")
        both = Scope([*left.columns, *right.columns], scope.parent, correlations=scope.correlations)
        before = len(both.correlations)
        condition = self._queries.expressions.condition(node.condition, both, "JOIN")
        if node.kind in {"LEFT", "RIGHT", "FULL"}:
            check_growth(both, before, node)
        check_join(node, self._queries.correlated)
        sql = f"{left.sql} {node.kind} JOIN {_nested(node.right, right.sql)} ON {condition}"
        return FromItem(sql, both.columns)

    def _join_using(self, node: query_nodes.Join, left: FromItem, right: FromItem) -> FromItem:
        merged: list[ScopeColumn] = []
        conditions: list[str] = []
        used: set[str] = set()
        for i, name in enumerate(node.using):
            if name.lower() in {other.lower() for other in node.using[:i]}:
                message = f"Column '{name}' appears multiple times in USING clause"
                raise failure("DUPLICATE_COLUMN_NAME", node.at, message)
            a, b = (self._using_column(side.columns, name, node) for side in (left, right))
            kind = types.common(a.type, b.type)
            if kind is None:
                message = f"Column types of left and right must be comparable: {a.type} and {b.type}"
                raise failure("TYPE_MISMATCH", node.at, message)
            x, y = (coerce(self._context, Value(c.sql, c.type), kind) for c in (a, b))
            conditions.append(compare(self._context, "=", x, y, node.at).sql)
            chosen = {"RIGHT": y.sql, "FULL": f"coalesce({x.sql}, {y.sql})"}.get(node.kind, x.sql)
            merged.append(ScopeColumn(name, (), chosen, kind))
            used.update((a.sql, b.sql))
        rest = [column for column in (*left.columns, *right.columns) if column.sql not in used]
        sql = f"{left.sql} {node.kind} JOIN {_nested(node.right, right.sql)} ON {' AND '.join(conditions)}"
        return FromItem(sql, [*merged, *rest])

    @staticmethod
    def _using_column(columns: Sequence[ScopeColumn], name: str, node: query_nodes.Join) -> ScopeColumn:
        found = [column for column in columns if column.name and column.name.lower() == name.lower()]
        if len(found) != 1:
            problem = "is ambiguous" if found else "is missing from a side of the join"
            raise failure("AMBIGUOUS_NAME" if found else "COLUMN_NOT_FOUND", node.at, f"Column '{name}' {problem}")
        return found[0]


def _check_lateral(node: query_nodes.Join) -> None:
    """Raise QueryFailure for a join with UNNEST or LATERAL that Trino or the local Athena lacks."""
    right = _unaliased(node.right)
    if isinstance(right, query_nodes.UnnestRelation):
        if node.kind in {"RIGHT", "FULL"}:
            raise failure("NOT_SUPPORTED", node.at, f"{node.kind} JOIN involving UNNEST is not supported")
        if not (isinstance(node.condition, nodes.Literal) and node.condition.text == "true"):
            message = f"{node.kind} JOIN involving UNNEST is only supported with condition ON TRUE"
            raise failure("NOT_SUPPORTED", node.at, message)
    elif isinstance(right, query_nodes.QueryRelation) and right.is_lateral and node.kind in {"RIGHT", "FULL"}:
        raise unsupported(f"does not support {node.kind} JOIN LATERAL")


def _unaliased(node: query_nodes.Relation) -> query_nodes.Relation:
    return _unaliased(node.relation) if isinstance(node, query_nodes.Aliased) else node


def _keeping_rows(node: query_nodes.Relation) -> query_nodes.Relation:
    """Return UNNEST so that it has a row of NULL where it has none: a LEFT JOIN of it becomes a CROSS JOIN."""
    if isinstance(node, query_nodes.Aliased):
        return replace(node, relation=_keeping_rows(node.relation))
    return replace(node, keeps_rows=True) if isinstance(node, query_nodes.UnnestRelation) else node


def _nested(node: query_nodes.Relation, sql: str) -> str:
    return f"({sql})" if isinstance(_unaliased(node), query_nodes.Join) else sql
