"""Parse expressions as Trino's grammar defines them (SqlBase.g4, from `expression` on)."""

from abc import ABC, abstractmethod
from dataclasses import replace

from infra.local.athena.errors import QueryFailure
from infra.local.athena.sql import nodes, query_nodes
from infra.local.athena.sql.keyword_calls import KeywordCallParser
from infra.local.athena.sql.nodes import Expression
from infra.local.athena.sql.tokens import BINARY, DECIMAL, DOUBLE, END, INTEGER, STRING, WORD, Position, Token

_JSON_CALLS = ("JSON_ARRAY", "JSON_EXISTS", "JSON_OBJECT", "JSON_QUERY", "JSON_VALUE")
_COMPARISONS = ("=", "<>", "!=", "<", "<=", ">", ">=")
_BEHIND_QUERY = ("UNION", "EXCEPT", "INTERSECT", "ORDER", "LIMIT", "OFFSET", "FETCH")
_NUMBERS = (INTEGER, DECIMAL, DOUBLE)
_FIELDS = ("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND")
_NOW = ("CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP")
_NAMES_OF_SESSION = ("CURRENT_USER", "CURRENT_CATALOG", "CURRENT_SCHEMA", "CURRENT_PATH")


class ExpressionParser(KeywordCallParser, ABC):
    """Expressions; a subclass parses the queries in them."""

    @abstractmethod
    def query(self) -> query_nodes.Query:
        """Parse a query."""

    @abstractmethod
    def window(self) -> nodes.Window:
        """Parse what follows OVER."""

    def expression(self) -> Expression:
        """Parse an expression: OR binds least."""
        left = self._conjunction()
        while token := self.accept_word("OR"):
            left = nodes.Logical(token.at, "OR", left, self._conjunction())
        return left

    def expressions(self) -> tuple[Expression, ...]:
        """Parse one or more expressions, separated by commas."""
        found = [self.expression()]
        while self.accept_sign(","):
            found.append(self.expression())
        return tuple(found)

    def starts_query(self, ahead: int = 0) -> bool:
        """Whether a query starts here, maybe in parentheses."""
        while self.peek(ahead).is_sign("("):
            ahead += 1
        if self.peek(ahead).is_word("TABLE"):
            return self.is_identifier(ahead + 1)
        return self.peek(ahead).is_word("SELECT", "WITH", "VALUES")

    def is_query_in_parentheses(self) -> bool:
        """Whether a query starts here: `((SELECT 1) UNION …)`, not `((SELECT 1) + 1)` or `((SELECT 1) a JOIN …)`."""
        if not self.peek().is_sign("(") or not self.starts_query():
            return False
        if not self.peek(1).is_sign("("):
            return True
        following = self._behind_parenthesis(1)
        return following.kind == END or following.is_sign(")") or following.is_word(*_BEHIND_QUERY)

    def _behind_parenthesis(self, ahead: int) -> Token:
        """Return the token behind the parentheses that open here."""
        depth = 0
        while True:
            token = self.peek(ahead)
            if token.kind == END:
                return token
            depth += token.is_sign("(") - token.is_sign(")")
            ahead += 1
            if depth == 0:
                return self.peek(ahead)

    def _conjunction(self) -> Expression:
        left = self._negation()
        while token := self.accept_word("AND"):
            left = nodes.Logical(token.at, "AND", left, self._negation())
        return left

    def _negation(self) -> Expression:
        if token := self.accept_word("NOT"):
            return nodes.Not(token.at, self._negation())
        return self._predicate(self.value())

    def _predicate(self, left: Expression) -> Expression:
        at = self.at
        if sign := self.accept_sign(*_COMPARISONS):
            name = "<>" if sign.text == "!=" else sign.text
            if self.peek().is_word("ALL", "SOME", "ANY") and self.peek(1).is_sign("(") and self.starts_query(2):
                quantifier = self.next().text
                return nodes.Quantified(at, name, quantifier, left, self._query_in_parentheses())
            return nodes.BinaryComparison(at, name, left, self.value())
        if self.accept_word("IS"):
            is_negated = self.accept_word("NOT") is not None
            if self.accept_word("DISTINCT"):
                self.expect_word("FROM")
                sign_name = "IS NOT DISTINCT FROM" if is_negated else "IS DISTINCT FROM"
                return nodes.BinaryComparison(at, sign_name, left, self.value())
            self.expect_word("NULL")
            return nodes.Not(at, nodes.IsNull(at, left)) if is_negated else nodes.IsNull(at, left)
        if self.peek().is_word("NOT") and self.peek(1).is_word("BETWEEN", "IN", "LIKE"):
            self.next()
            return nodes.Not(at, self._membership(left, at))
        return self._membership(left, at)

    def _membership(self, left: Expression, at: Position) -> Expression:
        if self.accept_word("BETWEEN"):
            low = self.value()
            self.expect_word("AND")
            return nodes.Between(at, left, low, self.value())
        if self.accept_word("LIKE"):
            pattern = self.value()
            return nodes.Like(at, left, pattern, self.value() if self.accept_word("ESCAPE") else None)
        if self.accept_word("IN"):
            # `IN ((SELECT 1))` is a list of one value.
            is_list = self.peek(1).is_sign("(") and self._behind_parenthesis(1).is_sign(")")
            if self.is_query_in_parentheses() and not is_list:
                return nodes.InQuery(at, left, self._query_in_parentheses())
            self.expect_sign("(")
            items = self.expressions()
            self.expect_sign(")")
            return nodes.InList(at, left, items)
        return left

    def _query_in_parentheses(self) -> query_nodes.Query:
        self.expect_sign("(")
        query = self.query()
        self.expect_sign(")")
        return query

    def value(self) -> Expression:
        """Parse a value: `||` binds least, then + and -, then * / %, then a sign, then AT TIME ZONE."""
        left = self._sum()
        while token := self.accept_sign("||"):
            left = nodes.Arithmetic(token.at, "||", left, self._sum())
        return left

    def _sum(self) -> Expression:
        left = self._product()
        while token := self.accept_sign("+", "-"):
            left = nodes.Arithmetic(token.at, token.text, left, self._product())
        return left

    def _product(self) -> Expression:
        left = self._signed()
        while token := self.accept_sign("*", "/", "%"):
            left = nodes.Arithmetic(token.at, token.text, left, self._signed())
        return left

    def _signed(self) -> Expression:
        if token := self.accept_sign("-", "+"):
            if token.text == "-" and self.peek().kind in _NUMBERS:
                number = self.next()
                return self._postfix(nodes.Literal(token.at, number.kind, "-" + number.text))
            return nodes.Sign(token.at, token.text, self._signed())
        return self._postfix(self._primary())

    def _postfix(self, value: Expression) -> Expression:
        while True:
            if self.peek().is_sign(".") and not self.peek(1).is_sign("*"):
                self.next()
                value = nodes.Dereference(value.at, value, self.identifier())
            elif self.accept_sign("["):
                value = nodes.Subscript(value.at, value, self.value())
                self.expect_sign("]")
            elif self.peek().is_word("AT") and self.peek(1).is_word("TIME"):
                self.accept_words("AT", "TIME")
                self.expect_word("ZONE")
                zone = self._interval() if self.peek().is_word("INTERVAL") else self.text_literal()
                value = nodes.AtTimeZone(value.at, value, zone)
            else:
                return value

    def _primary(self) -> Expression:
        token = self.peek()
        if token.kind in {INTEGER, DECIMAL, DOUBLE, STRING, BINARY}:
            self.next()
            return nodes.Literal(token.at, token.kind, token.value)
        if self.accept_sign("?"):
            self.parameter_count += 1
            return nodes.Parameter(token.at, self.parameter_count - 1)
        if token.is_sign("("):
            return self._parenthesis()
        if token.kind == WORD:
            special = self._special(token.text)
            if special is not None:
                return special
        return self._named()

    def _parenthesis(self) -> Expression:
        at = self.at
        if self._is_lambda():
            self.expect_sign("(")
            parameters: list[str] = []
            while not self.accept_sign(")"):
                parameters.append(self.identifier())
                self.accept_sign(",")
            self.expect_sign("->")
            return nodes.Lambda(at, tuple(parameters), self.expression())
        if self.is_query_in_parentheses():
            return nodes.ScalarQuery(at, self._query_in_parentheses())
        self.expect_sign("(")
        items = self.expressions()
        self.expect_sign(")")
        return items[0] if len(items) == 1 else nodes.RowOf(at, items)

    def _is_lambda(self) -> bool:
        ahead = 1
        while self.is_identifier(ahead) or self.peek(ahead).is_sign(","):
            ahead += 1
        return self.peek(ahead).is_sign(")") and self.peek(ahead + 1).is_sign("->")

    def _special(self, word: str) -> Expression | None:
        """Parse an expression that a keyword starts; None where the word is a name."""
        at, is_call = self.at, self.peek(1).is_sign("(")
        if word in {"NULL", "TRUE", "FALSE"}:
            self.next()
            return nodes.Literal(at, "null" if word == "NULL" else "boolean", word.lower())
        if word == "CASE":
            return self._case()
        if word in _NOW:
            return self._now()
        if word in _NAMES_OF_SESSION:
            self.next()
            return nodes.Call(at, word.lower(), ())
        if word == "INTERVAL" and (self.peek(1).kind == STRING or self.peek(1).is_sign("+", "-")):
            return self._interval()
        if word == "EXISTS":
            self.next()
            return nodes.Exists(at, self._query_in_parentheses())
        if word in {"CAST", "TRY_CAST"} and is_call:
            return self._cast(word == "TRY_CAST")
        if word == "ARRAY" and self.peek(1).is_sign("["):
            self.next()
            self.next()
            items = () if self.peek().is_sign("]") else self.expressions()
            self.expect_sign("]")
            return nodes.ArrayOf(at, items)
        if word in {"ROW", "EXTRACT", "POSITION", "SUBSTRING", "TRIM", "NORMALIZE", "LISTAGG"} and is_call:
            return self.call_with_keywords(word)
        return self._typed_literal(word)

    def _typed_literal(self, word: str) -> Expression | None:
        at = self.at
        if word == "DOUBLE" and self.peek(1).is_word("PRECISION") and self.peek(2).kind == STRING:
            self.next()
        elif self.peek(1).kind != STRING or not self.is_identifier():
            return None
        self.next()
        return nodes.TypedLiteral(at, nodes.TypeName(at, word.lower()), self.expect_kind(STRING).value)

    def _now(self) -> Expression:
        token, precision = self.next(), None
        if token.text != "CURRENT_DATE" and self.accept_sign("("):
            precision = int(self.expect_kind(INTEGER).text)
            self.expect_sign(")")
        return nodes.Now(token.at, token.text, precision)

    def _interval(self) -> Expression:
        at = self.next().at
        sign = self.accept_sign("+", "-")
        text = self.expect_kind(STRING).value
        start = self.expect_word(*_FIELDS).text
        end = self.expect_word(*_FIELDS).text if self.accept_word("TO") else None
        return nodes.IntervalLiteral(at, text, sign is not None and sign.text == "-", start, end)

    def _case(self) -> Expression:
        at = self.next().at
        operand = None if self.peek().is_word("WHEN") else self.expression()
        whens = []
        while self.accept_word("WHEN"):
            condition = self.expression()
            self.expect_word("THEN")
            whens.append((condition, self.expression()))
        if not whens:
            self.expect_word("WHEN")
        otherwise = self.expression() if self.accept_word("ELSE") else None
        self.expect_word("END")
        return nodes.Case(at, operand, tuple(whens), otherwise)

    def _cast(self, is_try: bool) -> Expression:
        at = self.next().at
        self.expect_sign("(")
        value = self.expression()
        self.expect_word("AS")
        kind = self.type_name()
        self.expect_sign(")")
        return nodes.Cast(at, value, kind, is_try)

    def _named(self) -> Expression:
        """Parse a column, a lambda of one parameter, or a function call."""
        at, token = self.at, self.peek()
        if token.is_word(*_JSON_CALLS) and self.peek(1).is_sign("("):
            raise QueryFailure(f"NOT_SUPPORTED: the local Athena does not support the function {token.value.lower()}")
        if token.is_word("GROUPING") and self.peek(1).is_sign("("):
            self.next()
            name = "grouping"
        else:
            name = self.identifier()
        if self.accept_sign("->"):
            return nodes.Lambda(at, (name,), self.expression())
        if not self.peek().is_sign("("):
            return nodes.Identifier(at, name)
        return self._call(at, name.lower())

    def _call(self, at: tuple[int, int], name: str) -> Expression:
        self.expect_sign("(")
        if self.accept_sign("*"):
            self.expect_sign(")")
            return self.call_suffixes(nodes.Call(at, name, (), is_star=True))
        is_distinct = self.accept_word("DISTINCT") is not None
        if not is_distinct and not self.peek(1).is_sign(",", ")", ".", "("):
            self.accept_word("ALL")
        arguments: tuple[Expression, ...] = ()
        if not self.peek().is_sign(")") and not self.peek().is_word("ORDER"):
            arguments = self.expressions()
        order: tuple[nodes.SortItem, ...] = ()
        if self.accept_word("ORDER"):
            self.expect_word("BY")
            order = self.sort_items()
        self.expect_sign(")")
        return self.call_suffixes(nodes.Call(at, name, arguments, is_distinct=is_distinct, order=order))

    def call_suffixes(self, call: nodes.Call) -> Expression:
        """Parse FILTER, IGNORE NULLS and OVER behind a call."""
        where, treatment, window = None, "", None
        if self.peek().is_word("FILTER") and self.peek(1).is_sign("("):
            self.next()
            self.next()
            self.expect_word("WHERE")
            where = self.expression()
            self.expect_sign(")")
        if self.peek().is_word("IGNORE", "RESPECT") and self.peek(1).is_word("NULLS"):
            treatment = self.next().text
            self.next()
            if not self.peek().is_word("OVER"):
                self.expect_word("OVER")
        if self.peek().is_word("OVER") and (self.peek(1).is_sign("(") or self.is_identifier(1)):
            self.next()
            window = self.window()
        return replace(
            call,
            where=where,
            ignores_nulls=treatment == "IGNORE",
            respects_nulls=treatment == "RESPECT",
            window=window,
        )
