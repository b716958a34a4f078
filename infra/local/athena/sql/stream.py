"""A stream of tokens with the few moves that a recursive descent parser needs."""

from typing import NoReturn

from infra.local.athena.sql.tokens import END, QUOTED, RESERVED, WORD, Position, Token, mismatch, tokenize


class TokenStream:
    """Tokens, and the position of the next one."""

    def __init__(self, sql: str) -> None:
        self._tokens = tokenize(sql)
        self._position = 0
        self.parameter_count = 0

    @property
    def at(self) -> Position:
        """Line and column of the next token."""
        return self.peek().at

    def peek(self, ahead: int = 0) -> Token:
        """Return the next token, or one further ahead, without moving."""
        return self._tokens[min(self._position + ahead, len(self._tokens) - 1)]

    def next(self) -> Token:
        """Return the next token and move behind it."""
        token = self.peek()
        self._position += 1
        return token

    def accept_word(self, *words: str) -> Token | None:
        """Move behind the next token if it is one of these keywords."""
        return self.next() if self.peek().is_word(*words) else None

    def accept_words(self, *words: str) -> bool:
        """Move behind a sequence of keywords if all of them follow."""
        if all(self.peek(i).is_word(word) for i, word in enumerate(words)):
            self._position += len(words)
            return True
        return False

    def accept_sign(self, *signs: str) -> Token | None:
        """Move behind the next token if it is one of these signs."""
        return self.next() if self.peek().is_sign(*signs) else None

    def expect_word(self, *words: str) -> Token:
        """Return one of these keywords, or raise InvalidRequest."""
        return self.accept_word(*words) or self.fail(f"Expecting: {', '.join(words)}")

    def expect_sign(self, sign: str) -> Token:
        """Return this sign, or raise InvalidRequest."""
        return self.accept_sign(sign) or self.fail(f"Expecting: '{sign}'")

    def expect_kind(self, kind: str) -> Token:
        """Return a token of this kind, or raise InvalidRequest."""
        if self.peek().kind != kind:
            self.fail(f"Expecting: <{kind}>")
        return self.next()

    def expect_end(self) -> None:
        """Raise InvalidRequest unless all tokens were used."""
        if self.peek().kind != END:
            self.fail()

    def is_identifier(self, ahead: int = 0) -> bool:
        """Whether the next token can be a name."""
        token = self.peek(ahead)
        return token.kind == QUOTED or (token.kind == WORD and token.text not in RESERVED)

    def identifier(self) -> str:
        """Return a name, or raise InvalidRequest."""
        if not self.is_identifier():
            if self.peek().kind == "backquoted":
                self.fail("Backquoted identifiers are not supported; use double quotes to quote identifiers")
            self.fail("Expecting: <identifier>")
        return self.next().value

    def qualified_name(self) -> tuple[str, ...]:
        """Return the parts of a name such as `database.table`."""
        parts = [self.identifier()]
        while self.accept_sign("."):
            parts.append(self.identifier())
        return tuple(parts)

    def fail(self, detail: str = "") -> NoReturn:
        """Raise InvalidRequest for the next token."""
        raise mismatch(self.peek(), detail)
