"""Parse queries as Trino's grammar defines them (SqlBase.g4, from `query` on)."""

from infra.local.athena.errors import QueryFailure
from infra.local.athena.sql import nodes, query_nodes
from infra.local.athena.sql.tokens import INTEGER
from infra.local.athena.sql.windows import WindowParser

_CLAUSE_STARTS = ("LIMIT", "OFFSET", "FETCH", "WINDOW", "TABLESAMPLE", "MATCH_RECOGNIZE")


class QueryParser(WindowParser):
    """Queries."""

    def query(self) -> query_nodes.Query:
        """Parse a query with its WITH, ORDER BY, OFFSET and LIMIT."""
        at = self.at
        named: list[query_nodes.NamedQuery] = []
        if self.accept_word("WITH"):
            if self.accept_word("RECURSIVE"):
                raise QueryFailure("NOT_SUPPORTED: the local Athena does not support WITH RECURSIVE")
            named.append(self._named_query())
            while self.accept_sign(","):
                named.append(self._named_query())
        return self._query_without_with(at, tuple(named))

    def _query_without_with(self, at: tuple[int, int], named: tuple[query_nodes.NamedQuery, ...]) -> query_nodes.Query:
        body = self._union()
        order: tuple[nodes.SortItem, ...] = ()
        offset = limit = None
        with_ties = is_fetch = False
        if self.accept_word("ORDER"):
            self.expect_word("BY")
            order = self.sort_items()
        if self.accept_word("OFFSET"):
            offset = self._row_count()
            self.accept_word("ROW", "ROWS")
        if self.accept_word("LIMIT"):
            if not self.accept_word("ALL"):
                limit = self._row_count()
        elif self.accept_word("FETCH"):
            is_fetch = True
            self.expect_word("FIRST", "NEXT")
            limit = nodes.Literal(self.at, INTEGER, "1") if self.peek().is_word("ROW", "ROWS") else self._row_count()
            self.expect_word("ROW", "ROWS")
            if not self.accept_word("ONLY"):
                self.expect_word("WITH")
                self.expect_word("TIES")
                with_ties = True
        return query_nodes.Query(at, body, named, order, offset, limit, with_ties, is_fetch)

    def _row_count(self) -> nodes.Expression:
        if self.peek().is_sign("?"):
            return self._primary()
        token = self.expect_kind(INTEGER)
        return nodes.Literal(token.at, INTEGER, token.text)

    def _named_query(self) -> query_nodes.NamedQuery:
        at, name = self.at, self.identifier()
        columns = self._column_names() if self.peek().is_sign("(") else None
        self.expect_word("AS")
        return query_nodes.NamedQuery(at, name, columns, self._query_in_parentheses())

    def _column_names(self) -> tuple[str, ...]:
        self.expect_sign("(")
        names = [self.identifier()]
        while self.accept_sign(","):
            names.append(self.identifier())
        self.expect_sign(")")
        return tuple(names)

    def _union(self) -> query_nodes.QueryBody:
        left = self._intersection()
        while token := self.accept_word("UNION", "EXCEPT"):
            is_all = self._is_all()
            left = query_nodes.SetOperation(token.at, token.text, is_all, left, self._intersection())
        return left

    def _intersection(self) -> query_nodes.QueryBody:
        left = self._query_primary()
        while token := self.accept_word("INTERSECT"):
            is_all = self._is_all()
            left = query_nodes.SetOperation(token.at, token.text, is_all, left, self._query_primary())
        return left

    def _is_all(self) -> bool:
        quantifier = self.accept_word("ALL", "DISTINCT")
        return quantifier is not None and quantifier.text == "ALL"

    def _query_primary(self) -> query_nodes.QueryBody:
        at = self.at
        if self.accept_word("SELECT"):
            return self._select(at)
        if self.accept_word("TABLE"):
            name_at = self.at
            return query_nodes.TableBody(at, query_nodes.TableName(name_at, self.qualified_name()))
        if self.accept_word("VALUES"):
            return query_nodes.Values(at, self.expressions())
        if self.accept_sign("("):
            query = self._query_without_with(self.at, ())
            self.expect_sign(")")
            return query_nodes.Parenthesized(at, query)
        return self.fail("Expecting: 'SELECT', 'TABLE', 'VALUES', '('")

    def _select(self, at: tuple[int, int]) -> query_nodes.Select:
        is_distinct = self.accept_word("DISTINCT") is not None
        if not is_distinct:
            self.accept_word("ALL")
        items = [self._select_item()]
        while self.accept_sign(","):
            items.append(self._select_item())
        source = self._source() if self.accept_word("FROM") else None
        where = self.expression() if self.accept_word("WHERE") else None
        groups = None
        if self.accept_word("GROUP"):
            self.expect_word("BY")
            groups = self._groups()
        having = self.expression() if self.accept_word("HAVING") else None
        windows: list[query_nodes.NamedWindow] = []
        if self.peek().is_word("WINDOW") and self.peek(2).is_word("AS"):
            self.next()
            windows.append(self.window_definition())
            while self.accept_sign(","):
                windows.append(self.window_definition())
        return query_nodes.Select(at, tuple(items), is_distinct, source, where, groups, having, tuple(windows))

    def _select_item(self) -> query_nodes.SelectItem:
        at = self.at
        if self.accept_sign("*"):
            return query_nodes.SelectItem(at, None, is_star=True)
        value = self.expression()
        if self.peek().is_sign(".") and self.peek(1).is_sign("*"):
            self.next()
            self.next()
            columns = self._column_names() if self.accept_word("AS") else None
            return query_nodes.SelectItem(at, value, is_star=True, columns=columns)
        return query_nodes.SelectItem(at, value, self._alias())

    def _alias(self) -> str | None:
        if self.accept_word("AS"):
            return self.identifier()
        return self.identifier() if self.is_identifier() and not self._starts_clause() else None

    def _starts_clause(self) -> bool:
        token, following = self.peek(), self.peek(1)
        if not token.is_word(*_CLAUSE_STARTS):
            return False
        return (
            following.kind == INTEGER
            or following.is_sign("?", "(")
            or following.is_word("ALL", "FIRST", "NEXT", "BERNOULLI", "SYSTEM")
            or self.peek(2).is_word("AS")
        )

    def _groups(self) -> tuple[query_nodes.Grouping, ...]:
        if self.peek().is_word("ALL", "DISTINCT") and not self.peek(1).is_sign(".", "["):
            raise QueryFailure("NOT_SUPPORTED: the local Athena does not support GROUP BY ALL or GROUP BY DISTINCT")
        groups = [self._grouping()]
        while self.accept_sign(","):
            groups.append(self._grouping())
        return tuple(groups)

    def _grouping(self) -> query_nodes.Grouping:
        at = self.at
        if self.peek().is_word("ROLLUP", "CUBE") and self.peek(1).is_sign("("):
            kind = self.next().text
            self.expect_sign("(")
            values = () if self.peek().is_sign(")") else self.expressions()
            self.expect_sign(")")
            return query_nodes.Grouping(at, kind, tuple((value,) for value in values))
        if self.accept_words("GROUPING", "SETS"):
            self.expect_sign("(")
            sets = [self._grouping_set()]
            while self.accept_sign(","):
                sets.append(self._grouping_set())
            self.expect_sign(")")
            return query_nodes.Grouping(at, "SETS", tuple(sets))
        return query_nodes.Grouping(at, "SIMPLE", (self._grouping_set(),))

    def _grouping_set(self) -> tuple[nodes.Expression, ...]:
        if self.peek().is_sign("(") and self.peek(1).is_sign(")"):
            self.next()
            self.next()
            return ()
        value = self.expression()
        return value.items if isinstance(value, nodes.RowOf) else (value,)

    def _source(self) -> query_nodes.Relation:
        left = self.relation()
        while token := self.accept_sign(","):
            left = query_nodes.Join(token.at, "IMPLICIT", left, self.relation())
        return left

    def relation(self) -> query_nodes.Relation:
        """Parse a relation with its joins."""
        left = self._aliased()
        while True:
            at = self.at
            if self.accept_word("CROSS"):
                self.expect_word("JOIN")
                left = query_nodes.Join(at, "CROSS", left, self._aliased())
            elif self.peek().is_word("NATURAL"):
                raise QueryFailure("NOT_SUPPORTED: Natural join not supported")
            elif self.peek().is_word("JOIN", "INNER", "LEFT", "RIGHT", "FULL"):
                left = self._join(left)
            else:
                return left

    def _join(self, left: query_nodes.Relation) -> query_nodes.Relation:
        at, kind = self.at, "INNER"
        word = self.accept_word("INNER", "LEFT", "RIGHT", "FULL")
        if word is not None:
            kind = word.text
            if kind != "INNER":
                self.accept_word("OUTER")
        self.expect_word("JOIN")
        # `a JOIN b JOIN c ON … ON …`: the right side may have joins of its own before the condition.
        right = self._aliased()
        while self.peek().is_word("JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS"):
            right = (
                query_nodes.Join(self.at, "CROSS", right, self._aliased())
                if self.accept_words("CROSS", "JOIN")
                else self._join(right)
            )
        if self.accept_word("USING"):
            return query_nodes.Join(at, kind, left, right, using=self._column_names())
        self.expect_word("ON")
        return query_nodes.Join(at, kind, left, right, self.expression())

    def _aliased(self) -> query_nodes.Relation:
        at = self.at
        relation = self._relation_primary()
        self._reject_suffixes()
        name = self._alias()
        if name is None:
            return relation
        columns = self._column_names() if self.peek().is_sign("(") else None
        self._reject_suffixes()
        return query_nodes.Aliased(at, relation, name, columns)

    def _reject_suffixes(self) -> None:
        """Raise QueryFailure for what Trino's grammar allows behind a relation and the local Athena lacks."""
        sample = self.peek().is_word("TABLESAMPLE") and self.peek(1).is_word("BERNOULLI", "SYSTEM")
        for found, what in (
            (sample, "TABLESAMPLE"),
            (self.peek().is_word("MATCH_RECOGNIZE") and self.peek(1).is_sign("("), "MATCH_RECOGNIZE"),
            (self.peek().is_word("FOR") and self.peek(1).is_word("TIMESTAMP", "VERSION"), "FOR … AS OF"),
        ):
            if found:
                raise QueryFailure(f"NOT_SUPPORTED: the local Athena does not support {what}")

    def _relation_primary(self) -> query_nodes.Relation:
        at = self.at
        if self.accept_word("UNNEST"):
            self.expect_sign("(")
            values = self.expressions()
            self.expect_sign(")")
            return query_nodes.UnnestRelation(at, values, self.accept_words("WITH", "ORDINALITY"))
        if self.peek().is_word("LATERAL") and self.peek(1).is_sign("("):
            self.next()
            return query_nodes.QueryRelation(at, self._query_in_parentheses(), is_lateral=True)
        if self.peek().is_word("TABLE") and self.peek(1).is_sign("("):
            raise QueryFailure("NOT_SUPPORTED: the local Athena does not support table functions")
        if self.peek().is_sign("("):
            if self.is_query_in_parentheses():
                return query_nodes.QueryRelation(at, self._query_in_parentheses())
            self.next()
            relation = self.relation()
            self.expect_sign(")")
            return relation
        parts = self.qualified_name()
        if self.peek().is_sign("("):
            raise QueryFailure(f"FUNCTION_NOT_FOUND: Table function '{'.'.join(parts).lower()}' not registered")
        return query_nodes.TableName(at, parts)
