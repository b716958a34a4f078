"""Parse calls whose arguments have keywords between them (SqlBase.g4, `primaryExpression`)."""

from abc import ABC, abstractmethod

from infra.local.athena.errors import QueryFailure
from infra.local.athena.sql import nodes
from infra.local.athena.sql.nodes import Expression
from infra.local.athena.sql.tokens import STRING
from infra.local.athena.sql.type_names import TypeNameParser


class KeywordCallParser(TypeNameParser, ABC):
    """Calls such as `EXTRACT(YEAR FROM day)`; a subclass parses the expressions in them."""

    @abstractmethod
    def expression(self) -> Expression:
        """Parse an expression."""

    @abstractmethod
    def expressions(self) -> tuple[Expression, ...]:
        """Parse one or more expressions, separated by commas."""

    @abstractmethod
    def value(self) -> Expression:
        """Parse a value."""

    @abstractmethod
    def sort_items(self) -> tuple[nodes.SortItem, ...]:
        """Parse what follows ORDER BY."""

    @abstractmethod
    def call_suffixes(self, call: nodes.Call) -> Expression:
        """Parse FILTER, IGNORE NULLS and OVER behind a call."""

    def text_literal(self) -> Expression:
        """Parse a string."""
        token = self.expect_kind(STRING)
        return nodes.Literal(token.at, STRING, token.value)

    def call_with_keywords(self, word: str) -> Expression:
        """Parse ROW, EXTRACT, POSITION, SUBSTRING, TRIM, NORMALIZE or LISTAGG with what their parentheses hold."""
        at = self.next().at
        self.expect_sign("(")
        found: Expression
        if word == "ROW":
            found = nodes.RowOf(at, self.expressions())
        elif word == "EXTRACT":
            field = self.identifier()
            self.expect_word("FROM")
            found = nodes.Extract(at, field.upper(), self.value())
        elif word == "POSITION":
            part = self.value()
            self.expect_word("IN")
            found = nodes.Call(at, "strpos", (self.value(), part))
        elif word == "SUBSTRING":
            found = nodes.Call(at, "substring", self._substring_arguments())
        elif word == "TRIM":
            found = self._trim(at)
        elif word == "NORMALIZE":
            arguments = [self.value()]
            if self.accept_sign(","):
                form = self.expect_word("NFD", "NFC", "NFKD", "NFKC")
                arguments.append(nodes.Literal(form.at, STRING, form.text))
            found = nodes.Call(at, "normalize", tuple(arguments))
        else:
            return self._listagg(at)
        self.expect_sign(")")
        return found

    def _substring_arguments(self) -> tuple[Expression, ...]:
        arguments = [self.value()]
        if self.accept_word("FROM"):
            arguments.append(self.value())
            if self.accept_word("FOR"):
                arguments.append(self.value())
        else:
            while self.accept_sign(","):
                arguments.append(self.expression())
        return tuple(arguments)

    def _trim(self, at: tuple[int, int]) -> Expression:
        side = self.accept_word("LEADING", "TRAILING", "BOTH")
        name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(side.text if side else "", "trim")
        if self.accept_word("FROM"):
            return nodes.Call(at, name, (self.value(),))
        first = self.value()
        if self.accept_word("FROM"):
            return nodes.Call(at, name, (self.value(), first))
        if side:
            self.expect_word("FROM")
        if self.accept_sign(","):
            return nodes.Call(at, name, (first, self.value()))
        return nodes.Call(at, name, (first,))

    def _listagg(self, at: tuple[int, int]) -> Expression:
        is_distinct = self.accept_word("DISTINCT") is not None
        if not is_distinct:
            self.accept_word("ALL")
        arguments = [self.expression()]
        if self.accept_sign(","):
            arguments.append(self.text_literal())
        if self.accept_words("ON", "OVERFLOW"):
            if self.peek().is_word("TRUNCATE"):
                raise QueryFailure("NOT_SUPPORTED: the local Athena does not support ON OVERFLOW TRUNCATE in listagg")
            self.expect_word("ERROR")
        self.expect_sign(")")
        self.expect_word("WITHIN")
        self.expect_word("GROUP")
        self.expect_sign("(")
        self.expect_word("ORDER")
        self.expect_word("BY")
        order = self.sort_items()
        self.expect_sign(")")
        call = nodes.Call(at, "listagg", tuple(arguments), is_distinct=is_distinct, order=order)
        return self.call_suffixes(call)
