"""Resolve queries and write them for DuckDB.

Each SELECT names its columns c0, c1…, and refers to the columns of FROM by generated names: what DuckDB allows beyond
Trino (aliases in WHERE, GROUP BY and HAVING, ambiguous names) is thereby rejected. Source: StatementAnalyzer of Trino.
"""

import datetime as dt
from collections.abc import Sequence

from infra.local.athena.analysis import conditions, correlation, types
from infra.local.athena.analysis.expressions import ExpressionAnalyzer
from infra.local.athena.analysis.functions import frames
from infra.local.athena.analysis.group_by import check_groups, group_by
from infra.local.athena.analysis.grouping import GroupedQuery, is_aggregate, is_grouping, key_of, parts_of
from infra.local.athena.analysis.relations import FromItem, RelationAnalyzer
from infra.local.athena.analysis.results import Compiled, FindTable, Output, TableScan
from infra.local.athena.analysis.scope import Scope, ScopeColumn
from infra.local.athena.analysis.select_items import SelectedValue, at_position, select_items
from infra.local.athena.analysis.sorting import check_distinct, sort_key
from infra.local.athena.analysis.types import Type
from infra.local.athena.analysis.values import Context, Value, coerce, failure, unsupported
from infra.local.athena.literals import identifier
from infra.local.athena.sql import nodes, query_nodes


class QueryAnalyzer:
    """Resolves the queries of one statement."""

    def __init__(
        self, find_table: FindTable, default_database: str, parameters: Sequence[nodes.Expression], moment: dt.datetime
    ) -> None:
        self.context = Context()
        self.find_table = find_table
        self.default_database = default_database
        self.scans: list[TableScan] = []
        self.scan_columns: dict[str, tuple[int, str]] = {}
        self.expressions = ExpressionAnalyzer(self.context, self, parameters, moment)
        self._relations = RelationAnalyzer(self)
        self._named: list[dict[str, tuple[str, tuple[Output, ...]]]] = []
        self._with: list[str] = []
        self.correlated: dict[int, list[ScopeColumn]] = {}

    def whole(self, query: query_nodes.Query) -> Compiled:
        """Resolve the query of a statement."""
        compiled = self.analyze(query, None)
        prefix = f"WITH {', '.join(self._with)} " if self._with else ""
        return Compiled(prefix + compiled.sql, compiled.outputs)

    def named(self, name: str) -> tuple[str, tuple[Output, ...]] | None:
        """Return the relation of a query of WITH, and its columns."""
        return next((names[name] for names in reversed(self._named) if name in names), None)

    def analyze(self, query: query_nodes.Query, outer: Scope | None) -> Compiled:
        """Resolve a query; `outer` is the scope around it."""
        self._named.append({})
        for named in query.named:
            self._add_named(named)
        body = query.body
        found = (
            self._select(body, query, outer)
            if isinstance(body, query_nodes.Select)
            else self._ordered(body, query, outer)
        )
        self._named.pop()
        return found

    def _add_named(self, named: query_nodes.NamedQuery) -> None:
        name = named.name.lower()
        if name in self._named[-1]:
            raise failure("DUPLICATE_NAMED_QUERY", named.at, f"WITH query name '{named.name}' specified more than once")
        compiled = self.analyze(named.query, None)
        outputs = compiled.outputs
        if named.columns is not None:
            if len(named.columns) != len(outputs):
                message = (
                    f"WITH column alias list has {len(named.columns)} entries but WITH query({named.name}) has "
                    f"{len(outputs)} columns"
                )
                raise failure("MISMATCHED_COLUMN_ALIASES", named.at, message)
            outputs = tuple(Output(n, o.type) for n, o in zip(named.columns, outputs, strict=True))
        relation = self.context.name("with_")
        self._with.append(f"{relation} AS ({compiled.sql})")
        self._named[-1][name] = (relation, outputs)

    def subquery(self, query: nodes.QueryNode, scope: Scope, usage: str) -> tuple[str, list[Type]]:
        """Resolve a query inside an expression."""
        if not isinstance(query, query_nodes.Query):
            raise TypeError(query)
        query = _without_parentheses(query)
        inner = Scope(parent=scope, usage=usage)
        compiled = self.analyze(query, inner)
        if inner.correlations:
            self.correlated[id(query)] = inner.correlations
            correlation.check_subquery(query, usage, self._row_count(query.limit))
        return compiled.sql, [output.type for output in compiled.outputs]

    def _ordered(self, body: query_nodes.QueryBody, query: query_nodes.Query, outer: Scope | None) -> Compiled:
        compiled = self._body(body, outer)
        if not query.order and query.limit is None and query.offset is None:
            return compiled
        for item in query.order:
            if any(is_aggregate(part) or is_grouping(part) for part in parts_of(item)):
                message = "ORDER BY of a set operation cannot contain aggregations or grouping operations"
                raise failure("NOT_SUPPORTED", item.at, message)
        alias = self.context.name("q")
        columns = [ScopeColumn(o.name, (), f"{alias}.c{i}", o.type) for i, o in enumerate(compiled.outputs)]
        values = [SelectedValue(column.name, Value(column.sql, column.type)) for column in columns]
        keys = [self._sort_key(item, values, Scope(columns, outer), is_distinct=False) for item in query.order]
        order = f" ORDER BY {', '.join(keys)}" if keys else ""
        sql = f"SELECT * FROM ({compiled.sql}) AS {alias}{order}{self._limit(query)}"  # noqa: S608 - generated
        return Compiled(sql, compiled.outputs)

    def _body(self, body: query_nodes.QueryBody, outer: Scope | None) -> Compiled:
        if isinstance(body, query_nodes.SetOperation):
            return self._set_operation(body, outer)
        if isinstance(body, query_nodes.Values):
            return self._values(body, outer)
        if isinstance(body, query_nodes.Parenthesized):
            return self.analyze(body.query, outer)
        plain = query_nodes.Query(body.at, body)
        if isinstance(body, query_nodes.TableBody):
            star = query_nodes.SelectItem(body.at, None, is_star=True)
            return self._select(query_nodes.Select(body.at, (star,), source=body.table), plain, outer)
        if isinstance(body, query_nodes.Select):
            return self._select(body, plain, outer)
        raise unsupported(f"does not support {type(body).__name__}")

    def _set_operation(self, node: query_nodes.SetOperation, outer: Scope | None) -> Compiled:
        before = 0 if outer is None else len(outer.correlations)
        left, right = self._body(node.left, outer), self._body(node.right, outer)
        correlation.check_growth(outer, before, node)
        if len(left.outputs) != len(right.outputs):
            message = f"{node.operator} query has different number of fields: {len(left.outputs)}, {len(right.outputs)}"
            raise failure("TYPE_MISMATCH", node.at, message)
        kinds: list[Type] = []
        for i, (a, b) in enumerate(zip(left.outputs, right.outputs, strict=True), 1):
            both = types.common(a.type, b.type)
            if both is None:
                message = f"column {i} in {node.operator} query has incompatible types: {a.type}, {b.type}"
                raise failure("TYPE_MISMATCH", node.at, message)
            if not (node.is_all and node.operator == "UNION"):
                check_distinct(both, node.operator)
            kinds.append(both)
        quantifier = " ALL" if node.is_all else ""
        sides = [self._coerced(side, kinds) for side in (left, right)]
        outputs = tuple(Output(o.name, kind) for o, kind in zip(left.outputs, kinds, strict=True))
        return Compiled(f"({sides[0]}) {node.operator}{quantifier} ({sides[1]})", outputs)

    def _coerced(self, side: Compiled, kinds: list[Type]) -> str:
        alias = self.context.name("q")
        columns = []
        for i, (output, kind) in enumerate(zip(side.outputs, kinds, strict=True)):
            value = coerce(self.context, Value(f"{alias}.c{i}", output.type), kind)
            columns.append(f"{value.sql} AS c{i}")
        return f"SELECT {', '.join(columns)} FROM ({side.sql}) AS {alias}"  # noqa: S608 - generated

    def _values(self, node: query_nodes.Values, outer: Scope | None) -> Compiled:
        scope = Scope(parent=outer, clause="VALUES")
        rows = [self._row_of_values(row, scope) for row in node.rows]
        if len({len(row) for row in rows}) != 1:
            raise failure("TYPE_MISMATCH", node.at, "Values rows have mismatched sizes")
        columns = [self.expressions.common(list(column), "Values rows", node.at) for column in zip(*rows, strict=True)]
        written = [f"({', '.join(v.sql for v in row)})" for row in zip(*columns, strict=True)]
        names = ", ".join(f"c{i}" for i in range(len(columns)))
        sql = f"SELECT * FROM (VALUES {', '.join(written)}) AS {self.context.name('v')}({names})"  # noqa: S608
        return Compiled(sql, tuple(Output(None, column[0].type) for column in columns))

    def _row_of_values(self, node: nodes.Expression, scope: Scope) -> list[Value]:
        """Return one row of VALUES: a row has its fields as columns, however it is written."""
        if isinstance(node, nodes.RowOf):
            return [self.expressions.analyze(item, scope) for item in node.items]
        value = self.expressions.analyze(node, scope)
        if value.type.name != "row":
            return [value]
        fields = zip(value.type.duck_names, value.type.of, strict=True)
        return [Value(f"({value.sql}).{identifier(name)}", kind) for name, kind in fields]

    def _select(self, node: query_nodes.Select, query: query_nodes.Query, outer: Scope | None) -> Compiled:
        source = FromItem("", []) if node.source is None else self._relations.source(node.source, Scope(parent=outer))
        correlations = outer.correlations if outer is not None else []
        scope = Scope(source.columns, outer, correlations=correlations)
        before = (self.context.aggregate_count, self.context.window_count)
        where = "" if node.where is None else f" WHERE {self.expressions.condition(node.where, scope, 'WHERE')}"
        frames.named_windows(self.expressions, node.windows, scope)
        items = select_items(self.expressions, node, scope)
        grouped = GroupedQuery(scope, self.correlated)
        groups = group_by(self.expressions, node, items, scope, grouped)
        having = "" if node.having is None else f" HAVING {self.expressions.condition(node.having, scope, 'HAVING')}"
        for item in items if node.is_distinct else ():
            check_distinct(item.value.type, "DISTINCT")
        outputs = [ScopeColumn(item.name, (), item.value.sql, item.value.type) for item in items]
        order_scope = Scope(outputs, scope, windows=scope.windows, clause="ORDER BY")
        keys = [self._sort_key(item, items, order_scope, is_distinct=node.is_distinct) for item in query.order]
        check_groups(node, query, items, grouped, order_scope)
        correlation.check_select(node, query, scope, self.correlated)
        is_plain = before == (self.context.aggregate_count, self.context.window_count)
        self._narrow(node, query, scope, is_plain=is_plain)
        selected = ", ".join(f"{item.value.sql} AS c{i}" for i, item in enumerate(items))
        distinct = "DISTINCT " if node.is_distinct else ""
        order = f" ORDER BY {', '.join(keys)}" if keys else ""
        sql = f"SELECT {distinct}{selected}{source.sql and ' FROM ' + source.sql}{where}{groups}{having}"  # noqa: S608
        if node.is_distinct and order:
            sql = f"SELECT * FROM ({sql}) AS sorted"  # noqa: S608
        return Compiled(sql + order + self._limit(query), tuple(Output(item.name, item.value.type) for item in items))

    def _narrow(self, node: query_nodes.Select, query: query_nodes.Query, scope: Scope, is_plain: bool) -> None:
        """Tell the scans which values and how many rows the query needs."""
        for column, allowed in conditions.allowed_values(node.where, scope, self.expressions):
            found = self.scan_columns.get(column.sql)
            if found is not None:
                number, name = found
                self.scans[number] = self.scans[number].narrowed(name.lower(), allowed)
        if is_plain and conditions.is_prefix(node, query):
            number, _ = self.scan_columns.get(scope.columns[0].sql, (-1, "")) if scope.columns else (-1, "")
            if number >= 0:
                rows = int(self._row_count(query.limit) or 0)
                self.scans[number] = conditions.limited(self.scans[number], rows)

    def _sort_key(self, item: nodes.SortItem, outputs: Sequence[SelectedValue], scope: Scope, is_distinct: bool) -> str:
        chosen = at_position(item.value, outputs, "ORDER BY")
        value = self.expressions.analyze(item.value, scope) if chosen is None else chosen.value
        position = next((i for i, output in enumerate(outputs) if output.value.sql == value.sql), None)
        if is_distinct and (position is None or (chosen is None and not _is_selected(item.value, outputs, scope))):
            message = "For SELECT DISTINCT, ORDER BY expressions must appear in select list"
            raise failure("EXPRESSION_NOT_IN_DISTINCT", item.at, message)
        key = sort_key(self.context, Value(f"sorted.c{position}", value.type) if is_distinct else value, item)
        # What is computed twice may differ: random().
        is_same = position is not None and not is_distinct and key.startswith(f"{value.sql} ")
        return f"{(position or 0) + 1}{key.removeprefix(value.sql)}" if is_same else key

    def _limit(self, query: query_nodes.Query) -> str:
        if query.with_ties and not query.order:
            raise failure("MISSING_ORDER_BY", query.at, "FETCH FIRST WITH TIES clause requires ORDER BY")
        if query.with_ties:
            raise unsupported("does not support FETCH FIRST … WITH TIES")
        limit, offset = self._row_count(query.limit), self._row_count(query.offset)
        if query.is_fetch and limit == "0":
            message = "FETCH FIRST row count must be positive (actual value: 0)"
            raise failure("NUMERIC_VALUE_OUT_OF_RANGE", query.at, message)
        return (f" LIMIT {limit}" if limit is not None else "") + (f" OFFSET {offset}" if offset is not None else "")

    def _row_count(self, node: nodes.Expression | None) -> str | None:
        if node is None:
            return None
        value = self.expressions.analyze(node, Scope())
        if value.constant is None or not value.type.is_integer or int(value.constant) < 0:
            raise failure("TYPE_MISMATCH", node.at, "LIMIT and OFFSET take a number of rows")
        return value.constant


def _without_parentheses(query: query_nodes.Query) -> query_nodes.Query:
    while isinstance(query.body, query_nodes.Parenthesized) and query == query_nodes.Query(query.at, query.body):
        query = query.body.query
    return query


def _is_selected(node: nodes.Expression, outputs: Sequence[SelectedValue], scope: Scope) -> bool:
    """Whether an expression of ORDER BY names a column of SELECT, or is one of its expressions."""
    key = key_of(node, scope)
    if key[0] == "output":
        return True
    inner = scope.parent or scope
    selected = [("column", o.value.sql) if o.node is None else key_of(o.node, inner) for o in outputs]
    return key in selected and not _is_random(node)


def _is_random(node: nodes.Expression) -> bool:
    return any(isinstance(part, nodes.Call) and part.name in {"rand", "random", "shuffle"} for part in parts_of(node))
