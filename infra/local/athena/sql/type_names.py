"""Parse the names of types (SqlBase.g4, `type`)."""

from infra.local.athena.sql.nodes import TypeName
from infra.local.athena.sql.stream import TokenStream
from infra.local.athena.sql.tokens import INTEGER, WORD

_TIMES = ("TIMESTAMP", "TIME")


class TypeNameParser(TokenStream):
    """Names of types."""

    def type_name(self) -> TypeName:
        """Parse a type."""
        at = self.at
        found = self._base_type()
        while self.accept_word("ARRAY"):
            found = TypeName(at, "array", of=(found,))
        return found

    def _base_type(self) -> TypeName:
        at, token = self.at, self.peek()
        if token.is_word("ROW") and self.peek(1).is_sign("("):
            return self._row()
        if token.is_word("INTERVAL"):
            self.next()
            start = self.expect_word("YEAR", "DAY")
            self.expect_word("TO")
            self.expect_word("MONTH" if start.text == "YEAR" else "SECOND")
            return TypeName(at, "interval year to month" if start.text == "YEAR" else "interval day to second")
        if token.is_word(*_TIMES):
            return self._time()
        if token.is_word("DOUBLE") and self.peek(1).is_word("PRECISION"):
            self.next()
            self.next()
            return TypeName(at, "double")
        if token.is_word("ARRAY", "MAP") and self.peek(1).is_sign("<"):
            return self._bracketed()
        name = self.identifier().lower()
        numbers: list[int] = []
        of: list[TypeName] = []
        if self.accept_sign("("):
            while True:
                if self.peek().kind == INTEGER:
                    numbers.append(int(self.next().text))
                else:
                    of.append(self.type_name())
                if not self.accept_sign(","):
                    break
            self.expect_sign(")")
        return TypeName(at, name, tuple(numbers), tuple(of))

    def _bracketed(self) -> TypeName:
        at, name = self.at, self.next().text.lower()
        self.next()
        of = [self.type_name()]
        if name == "map":
            self.expect_sign(",")
            of.append(self.type_name())
        self.expect_sign(">")
        return TypeName(at, name, of=tuple(of))

    def _time(self) -> TypeName:
        at, name = self.at, self.next().text.lower()
        numbers: tuple[int, ...] = ()
        if self.accept_sign("("):
            numbers = (int(self.expect_kind(INTEGER).text),)
            self.expect_sign(")")
        if self.accept_words("WITHOUT", "TIME", "ZONE"):
            return TypeName(at, name, numbers)
        if self.accept_words("WITH", "TIME", "ZONE"):
            name += " with time zone"
        return TypeName(at, name, numbers)

    def _row(self) -> TypeName:
        at = self.next().at
        self.expect_sign("(")
        fields: list[str | None] = []
        of: list[TypeName] = []
        while True:
            # A field is `name type` or `type`: a name is followed by the start of a type.
            following = self.peek(1)
            is_named = self.is_identifier() and (
                (following.kind == WORD and not self._continues_type()) or following.kind == "quoted"
            )
            fields.append(self.identifier() if is_named else None)
            of.append(self.type_name())
            if not self.accept_sign(","):
                break
        self.expect_sign(")")
        return TypeName(at, "row", of=tuple(of), fields=tuple(fields))

    def _continues_type(self) -> bool:
        """Whether the second of two words belongs to the type that the first one starts."""
        first, second = self.peek(), self.peek(1)
        return (
            (first.is_word("DOUBLE") and second.is_word("PRECISION"))
            or (first.is_word(*_TIMES) and second.is_word("WITH", "WITHOUT"))
            or (first.is_word("INTERVAL") and second.is_word("YEAR", "DAY") and self.peek(2).is_word("TO"))
            or (second.is_word("ARRAY") and self.peek(2).is_sign(",", ")"))
        )
