"""Resolve an expression: find its columns and functions, check its types, and write it for DuckDB.

Source: ExpressionAnalyzer of Trino, whose messages the failures use.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from infra.local.athena.analysis import literals, operators, types
from infra.local.athena.analysis.calls import call_function
from infra.local.athena.analysis.casts import cast, instant_of
from infra.local.athena.analysis.conditions import name_parts, terms
from infra.local.athena.analysis.functions.extract import extract_field
from infra.local.athena.analysis.protocols import Subqueries
from infra.local.athena.analysis.scope import Scope, not_found
from infra.local.athena.analysis.types import Type
from infra.local.athena.analysis.values import Context, Value, coerce, failure, let, unify, unsupported
from infra.local.athena.literals import identifier, literal
from infra.local.athena.sql import nodes

_MAX_ITEMS = 254
"""Of ARRAY[…]: TestArrayFunctions of Trino."""


class ExpressionAnalyzer:
    """Resolves the expressions of one statement."""

    def __init__(
        self, context: Context, subqueries: Subqueries, parameters: Sequence[nodes.Expression], moment: dt.datetime
    ) -> None:
        self.context = context
        self._subqueries = subqueries
        self._parameters = parameters
        self._moment = moment
        self._handlers: dict[type[nodes.Expression], Callable[[Any, Scope], Value]] = {
            nodes.Literal: lambda node, scope: literals.of_literal(node),  # noqa: ARG005
            nodes.TypedLiteral: lambda node, scope: literals.of_typed(context, node),  # noqa: ARG005
            nodes.IntervalLiteral: lambda node, scope: literals.of_interval(node),  # noqa: ARG005
            nodes.Now: lambda node, scope: literals.now(node, moment),  # noqa: ARG005
            nodes.Parameter: lambda node, scope: self.analyze(parameters[node.index], scope),
            nodes.Identifier: self._identifier,
            nodes.Dereference: self._dereference,
            nodes.Subscript: self._subscript,
            nodes.Sign: self._sign,
            nodes.Arithmetic: self._arithmetic,
            nodes.AtTimeZone: self._at_time_zone,
            nodes.BinaryComparison: self._comparison,
            nodes.Quantified: self._quantified,
            nodes.Between: self._between,
            nodes.InList: self._in_list,
            nodes.InQuery: self._in_query,
            nodes.Like: self._like,
            nodes.IsNull: self._is_null,
            nodes.Not: self._not,
            nodes.Logical: self._logical,
            nodes.Exists: self._exists,
            nodes.ScalarQuery: self._scalar_query,
            nodes.Case: self._case,
            nodes.Cast: self._cast,
            nodes.ArrayOf: self._array,
            nodes.RowOf: self._row,
            nodes.Extract: self._extract,
            nodes.Call: lambda node, scope: call_function(self, node, scope),
        }

    @property
    def moment(self) -> dt.datetime:
        """The time that the whole statement calls now."""
        return self._moment

    def analyze(self, node: nodes.Expression, scope: Scope) -> Value:
        """Return the value of an expression. Raises QueryFailure."""
        handler = self._handlers.get(type(node))
        if handler is None:
            raise failure("SYNTAX_ERROR", node.at, "A lambda expression is an argument of a function only")
        return handler(node, scope)

    def condition(self, node: nodes.Expression, scope: Scope, clause: str) -> str:
        """Return the SQL of a condition of a clause."""
        written = []
        for term in terms(node, "AND"):
            value = self.analyze(term, scope.within(clause))
            if value.type not in {types.BOOLEAN, types.UNKNOWN}:
                message = f"{clause} clause must evaluate to a boolean: actual type {value.type}"
                raise failure("TYPE_MISMATCH", term.at, message)
            written.append(coerce(self.context, value, types.BOOLEAN).sql)
        return " AND ".join(f"({term})" for term in written)

    def _boolean(self, node: nodes.Expression, scope: Scope, what: str) -> str:
        value = self.analyze(node, scope)
        if not types.coerces(value.type, types.BOOLEAN):
            message = f"{what} must evaluate to a boolean (actual: {value.type})"
            raise failure("TYPE_MISMATCH", node.at, message)
        return coerce(self.context, value, types.BOOLEAN).sql

    def _identifier(self, node: nodes.Identifier, scope: Scope) -> Value:
        found = scope.find((node.name,), node.at)
        if found is None:
            raise not_found((node.name,), node.at)
        return found

    def _dereference(self, node: nodes.Dereference, scope: Scope) -> Value:
        parts = name_parts(node)
        if parts is not None:
            found = scope.find(parts, node.at)
            if found is not None:
                return found
            if isinstance(node.base, nodes.Identifier) and scope.find(parts[:1], node.at) is None:
                raise not_found(parts, node.at)
        return self._field(self.analyze(node.base, scope), node)

    def _field(self, base: Value, node: nodes.Dereference) -> Value:
        if base.type.name != "row":
            raise failure("TYPE_MISMATCH", node.at, f"Expression {base.type} is not of type ROW")
        found = [i for i, name in enumerate(base.type.fields) if name and name.lower() == node.field.lower()]
        if len(found) != 1:
            problem = "is ambiguous" if found else "cannot be resolved"
            shown = ".".join(name_parts(node) or (node.field,))
            raise failure("AMBIGUOUS_NAME" if found else "COLUMN_NOT_FOUND", node.at, f"Column '{shown}' {problem}")
        return self._field_at(base, found[0])

    @staticmethod
    def _field_at(base: Value, index: int) -> Value:
        return Value(f"({base.sql}).{identifier(base.type.duck_names[index])}", base.type.of[index])

    def _subscript(self, node: nodes.Subscript, scope: Scope) -> Value:
        base, index = self.analyze(node.value, scope), self.analyze(node.index, scope)
        kind = base.type
        if kind.name == "row":
            if index.constant is None or not index.type.is_integer:
                message = "Subscript expression on ROW requires a constant index"
                raise failure("EXPRESSION_NOT_CONSTANT", node.at, message)
            if not 1 <= int(index.constant) <= len(kind.of):
                message = f"ROW index out of bounds: {index.constant}"
                raise failure("INVALID_FUNCTION_ARGUMENT", node.at, message)
            return self._field_at(base, int(index.constant) - 1)
        if kind.name == "array" and types.coerces(index.type, types.BIGINT):
            return self._element(base, coerce(self.context, index, types.BIGINT))
        key = types.common(index.type, kind.of[0]) if kind.name == "map" else None
        if key is not None:
            # The key's type is a variable of the operator: a map of varchar(2) has keys of varchar(7) for such a text.
            entries = coerce(self.context, base, types.map_of(key, kind.of[1]))
            return self._map_value(entries, coerce(self.context, index, key))
        raise failure("TYPE_MISMATCH", node.at, f"Cannot use {index.type} for subscript of {kind}")

    def _element(self, base: Value, index: Value) -> Value:
        item = base.type.of[0]

        def body(items: str, i: str) -> str:
            longest = "must be less than or equal to array length"
            at_zero, negative, beyond = (
                self.context.fail(f"'INVALID_FUNCTION_ARGUMENT: {message}", item)
                for message in (
                    "SQL array indices start at 1'",
                    f"Array subscript is negative: ' || {i}",
                    f"Array subscript {longest}: ' || {i} || ' > ' || len({items})",
                )
            )
            return (
                f"CASE WHEN {items} IS NULL OR {i} IS NULL THEN NULL WHEN {i} = 0 THEN {at_zero} "
                f"WHEN {i} < 0 THEN {negative} WHEN {i} > len({items}) THEN {beyond} ELSE {items}[{i}] END"
            )

        return Value(let([base.sql, index.sql], body), item)

    def _map_value(self, base: Value, key: Value) -> Value:
        value = base.type.of[1]

        def body(entries: str, wanted: str) -> str:
            failed = self.context.fail(
                f"'INVALID_FUNCTION_ARGUMENT: Key not present in map: ' || CAST({wanted} AS VARCHAR)", value
            )
            return (
                f"CASE WHEN {entries} IS NULL OR {wanted} IS NULL THEN NULL "
                f"WHEN map_contains({entries}, {wanted}) THEN {entries}[{wanted}] ELSE {failed} END"
            )

        return Value(let([base.sql, key.sql], body), value)

    def _sign(self, node: nodes.Sign, scope: Scope) -> Value:
        value = self.analyze(node.value, scope)
        if node.sign == "-":
            return operators.negate(value, node.at)
        if not value.type.is_number:
            raise failure("TYPE_MISMATCH", node.at, f"Unary '+' operator cannot by applied to {value.type} type")
        return value

    def _arithmetic(self, node: nodes.Arithmetic, scope: Scope) -> Value:
        chain: list[nodes.Arithmetic] = []
        left: nodes.Expression = node
        while isinstance(left, nodes.Arithmetic):
            chain.append(left)
            left = left.left
        value = self.analyze(left, scope)
        for step in reversed(chain):
            right = self.analyze(step.right, scope)
            value = operators.arithmetic(self.context, step.sign, value, right, step.at)
        return value

    def _at_time_zone(self, node: nodes.AtTimeZone, scope: Scope) -> Value:
        value = self.analyze(node.value, scope)
        zone = literals.zone_of(self.analyze(node.zone, scope), node.at)
        if value.type.name not in {"timestamp", "timestamp with time zone"}:
            message = "Type of value must be a time or timestamp with or without time zone"
            raise failure("TYPE_MISMATCH", node.at, f"{message} (actual {value.type})")
        moment = instant_of(self.context, value)
        sql = let(
            [moment.sql],
            lambda v: f"CASE WHEN {v} IS NOT NULL THEN struct_pack(u := {v}.u, z := {literal(zone)}) END",
        )
        return Value(sql, moment.type)

    def _comparison(self, node: nodes.BinaryComparison, scope: Scope) -> Value:
        left, right = self.analyze(node.left, scope), self.analyze(node.right, scope)
        return operators.compare(self.context, node.sign, left, right, node.at)

    def _quantified(self, node: nodes.Quantified, scope: Scope) -> Value:
        left = self.analyze(node.left, scope)
        is_in = (node.sign, node.quantifier == "ALL") in {("=", False), ("<>", True)}
        sql, kind = self._one_column(node.query, scope, node.at, "IN" if is_in else "SCALAR")
        both = types.common(left.type, kind)
        if both is None or both.of or both.is_instant or both.is_floating:
            if both is not None:
                raise unsupported(f"does not compare {both} with ANY and ALL")
            message = f"Value expression and result of subquery must be of the same type: {left.type} vs {kind}"
            raise failure("TYPE_MISMATCH", node.at, message)
        value = coerce(self.context, left, both)
        column = coerce(self.context, Value("q.c0", kind), both)
        quantifier = "ALL" if node.quantifier == "ALL" else "ANY"
        query = f"(SELECT {column.sql} FROM ({sql}) AS q(c0))"  # noqa: S608 - generated
        return Value(f"({value.sql} {node.sign} {quantifier} {query})", types.BOOLEAN)

    def _between(self, node: nodes.Between, scope: Scope) -> Value:
        found = [self.analyze(part, scope) for part in (node.value, node.low, node.high)]
        values = unify(self.context, found)
        if values is None or not types.is_orderable(values[0].type):
            shown = f"Cannot check if {found[0].type} is BETWEEN {found[1].type} and {found[2].type}"
            raise failure("TYPE_MISMATCH", node.at, shown)
        value, low, high = values
        above = operators.compare(self.context, ">=", value, low, node.at).sql
        below = operators.compare(self.context, "<=", value, high, node.at).sql
        return Value(f"({above} AND {below})", types.BOOLEAN)

    def _in_list(self, node: nodes.InList, scope: Scope) -> Value:
        found = [self.analyze(node.value, scope), *(self.analyze(item, scope) for item in node.items)]
        values = unify(self.context, found)
        if values is None:
            other = next(v.type for v in found if types.common(found[0].type, v.type) is None or v is found[-1])
            message = "IN value and list items must be the same type or coercible to a common type"
            raise failure(
                "TYPE_MISMATCH", node.at, f"{message}. Cannot find common type between {found[0].type} and {other}"
            )
        value, items = values[0], values[1:]
        # DuckDB looks for the value in all rows of `IN ((SELECT …))`, where Trino's query has one.
        if value.type.of or value.type.is_floating or value.type.is_instant or len(items) == 1:
            parts = [operators.compare(self.context, "=", value, item, node.at).sql for item in items]
            return Value(operators.any_of(parts), types.BOOLEAN)
        return Value(f"({value.sql} IN ({', '.join(item.sql for item in items)}))", types.BOOLEAN)

    def _in_query(self, node: nodes.InQuery, scope: Scope) -> Value:
        value = self.analyze(node.value, scope)
        sql, kind = self._one_column(node.query, scope, node.at, "IN")
        both = types.common(value.type, kind)
        if both is None:
            message = f"Value expression and result of subquery must be of the same type: {value.type} vs {kind}"
            raise failure("TYPE_MISMATCH", node.at, message)
        if both.of or both.is_instant:
            raise unsupported(f"does not look for {both} in a query")
        left, column = coerce(self.context, value, both), coerce(self.context, Value("q.c0", kind), both)
        # NaN equals nothing.
        where = f" WHERE {column.sql} IS NULL OR NOT isnan({column.sql})" if both.is_floating else ""
        query = f"(SELECT {column.sql} FROM ({sql}) AS q(c0){where})"  # noqa: S608 - generated
        return Value(f"({left.sql} IN {query})", types.BOOLEAN)

    def _one_column(
        self, query: nodes.QueryNode, scope: Scope, at: tuple[int, int], usage: str = "SCALAR"
    ) -> tuple[str, Type]:
        sql, kinds = self._subqueries.subquery(query, scope, usage)
        if len(kinds) != 1:
            message = f"Multiple columns returned by subquery are not yet supported. Found {len(kinds)}"
            raise failure("NOT_SUPPORTED", at, message)
        return sql, kinds[0]

    def _like(self, node: nodes.Like, scope: Scope) -> Value:
        value, pattern = self.analyze(node.value, scope), self.analyze(node.pattern, scope)
        for side, what in ((value, "Left side of LIKE expression"), (pattern, "Pattern for LIKE expression")):
            if not types.coerces(side.type, types.VARCHAR):
                message = f"{what} must evaluate to a varchar (actual: {side.type})"
                raise failure("TYPE_MISMATCH", node.at, message)
        value, pattern = (coerce(self.context, side, types.VARCHAR) for side in (value, pattern))
        if node.escape is None:
            return Value(f"({value.sql} LIKE {pattern.sql})", types.BOOLEAN)
        escape = self.analyze(node.escape, scope)
        if escape.constant is None or pattern.constant is None:
            raise unsupported("supports only literals as the pattern and the escape of LIKE")
        if len(escape.constant) != 1 or ord(escape.constant) >= 0x10000:
            raise failure("INVALID_FUNCTION_ARGUMENT", node.at, "Escape string must be a single character")
        if not escape.constant.isascii():
            raise unsupported("supports only ASCII characters as the escape of LIKE")
        _check_escapes(pattern.constant, escape.constant, node)
        return Value(f"({value.sql} LIKE {pattern.sql} ESCAPE {escape.sql})", types.BOOLEAN)

    def _is_null(self, node: nodes.IsNull, scope: Scope) -> Value:
        return Value(f"({self.analyze(node.value, scope).sql} IS NULL)", types.BOOLEAN)

    def _not(self, node: nodes.Not, scope: Scope) -> Value:
        return Value(f"(NOT {self._boolean(node.value, scope, 'Value of logical NOT expression')})", types.BOOLEAN)

    def _logical(self, node: nodes.Logical, scope: Scope) -> Value:
        written = [self._boolean(term, scope, "Logical expression term") for term in terms(node, node.operator)]
        plain = f"({f' {node.operator} '.join(written)})"
        if not any(_may_fail(term) for term in written[1:]):
            return Value(plain, types.BOOLEAN)
        # Trino evaluates from left to right and stops where the answer is certain; DuckDB evaluates all.
        decided = "false" if node.operator == "AND" else "true"
        whens = " ".join(f"WHEN {'NOT ' if decided == 'false' else ''}{term} THEN {decided}" for term in written)
        return Value(f"CASE {whens} ELSE {plain} END", types.BOOLEAN)

    def _exists(self, node: nodes.Exists, scope: Scope) -> Value:
        sql, _ = self._subqueries.subquery(node.query, scope, "EXISTS")
        return Value(f"EXISTS ({sql})", types.BOOLEAN)

    def _scalar_query(self, node: nodes.ScalarQuery, scope: Scope) -> Value:
        sql, kind = self._one_column(node.query, scope, node.at)
        return Value(f"({sql})", kind)

    def _case(self, node: nodes.Case, scope: Scope) -> Value:
        conditions = []
        operand = None if node.operand is None else self.analyze(node.operand, scope)
        for condition, _ in node.whens:
            if operand is None:
                conditions.append(self._boolean(condition, scope, "CASE WHEN clause"))
            else:
                value = self.analyze(condition, scope)
                conditions.append(operators.compare(self.context, "=", operand, value, condition.at).sql)
        otherwise = nodes.Literal(node.at, "null", "null") if node.otherwise is None else node.otherwise
        results = [self.analyze(result, scope) for _, result in node.whens] + [self.analyze(otherwise, scope)]
        values = self.common(results, "All CASE results", node.at)
        whens = " ".join(f"WHEN {c} THEN {v.sql}" for c, v in zip(conditions, values, strict=False))
        return Value(f"CASE {whens} ELSE {values[-1].sql} END", values[0].type)

    def common(self, values: list[Value], what: str, at: tuple[int, int]) -> list[Value]:
        """Return values with their common type. Raises QueryFailure if they have none."""
        found = unify(self.context, values)
        if found is None:
            shown = ", ".join(dict.fromkeys(str(value.type) for value in values))
            message = f"{what} must be the same type or coercible to a common type. All types: [{shown}]"
            raise failure("TYPE_MISMATCH", at, message)
        return found

    def _cast(self, node: nodes.Cast, scope: Scope) -> Value:
        value, target = self.analyze(node.value, scope), types.of_name(node.type)
        found = cast(self.context, value, target, node.is_try)
        if found is None:
            raise failure("TYPE_MISMATCH", node.at, f"Cannot cast {value.type} to {target}")
        return found

    def _array(self, node: nodes.ArrayOf, scope: Scope) -> Value:
        if not node.items:
            return Value("CAST([] AS INTEGER[])", types.array(types.UNKNOWN))
        if len(node.items) > _MAX_ITEMS:
            raise failure("NOT_SUPPORTED", node.at, "Too many arguments for array constructor")
        items = [self.analyze(item, scope) for item in node.items]
        values = self.common(items, "All ARRAY elements", node.at)
        listed = ", ".join(f"CAST({value.sql} AS {value.type.duckdb})" for value in values)
        return Value(f"[{listed}]", types.array(values[0].type))

    def _row(self, node: nodes.RowOf, scope: Scope) -> Value:
        items = [self.analyze(item, scope) for item in node.items]
        kind = types.row(tuple(item.type for item in items))
        packed = ", ".join(
            f"{name} := CAST({item.sql} AS {item.type.duckdb})"
            for name, item in zip(kind.duck_names, items, strict=True)
        )
        return Value(f"struct_pack({packed})", kind)

    def _extract(self, node: nodes.Extract, scope: Scope) -> Value:
        return extract_field(self.context, node.field, self.analyze(node.value, scope), node.at)


def _may_fail(sql: str) -> bool:
    return "ferry_" in sql


def _check_escapes(pattern: str, escape: str, node: nodes.Like) -> None:
    position = 0
    while position < len(pattern):
        if pattern[position] == escape:
            position += 1
            if pattern[position : position + 1] not in {"%", "_", escape}:
                message = "Escape character must be followed by '%', '_' or the escape character itself"
                raise failure("INVALID_FUNCTION_ARGUMENT", node.at, message)
        position += 1
