"""Split SQL text into Trino's tokens.

Source: SqlBase.g4 of Trino (the lexer's rules) and "Reserved keywords" (Amazon Athena User Guide). Raises
InvalidRequest for a character or an identifier that Trino rejects.
"""

import re
from dataclasses import dataclass

from infra.local.athena.errors import InvalidRequest

WORD, QUOTED, BACKQUOTED, STRING, BINARY = "word", "quoted", "backquoted", "string", "binary"
INTEGER, DECIMAL, DOUBLE, SIGN, END = "integer", "decimal", "double", "sign", "end"
Position = tuple[int, int]

_TOKEN = re.compile(
    r"""
      (?P<space>[ \r\n\t]+|--[^\r\n]*|/\*.*?\*/)
    | (?P<unicode>[Uu]&'(?:[^']|'')*'(?:[ \r\n\t]*(?i:UESCAPE)[ \r\n\t]*'[^']*')?)
    | (?P<binary>[Xx]'[^']*')
    | (?P<string>'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<backquoted>`(?:[^`]|``)*`)
    | (?P<double>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[Ee][+-]?[0-9]+)
    | (?P<digits>[0-9]+[A-Za-z_][A-Za-z0-9_]*)
    | (?P<decimal>[0-9]+\.[0-9]*|\.[0-9]+)
    | (?P<integer>[0-9]+)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<sign><>|!=|<=|>=|\|\||->|=>|[-<>=+*/%()\[\],.;?:])
    """,
    re.VERBOSE | re.DOTALL,
)
_UNICODE = re.compile(r"[Uu]&'((?:[^']|'')*)'(?:\s*\w+\s*'([^']*)')?")
_NO_ESCAPE = frozenset("+\"' 0123456789abcdefABCDEF")

RESERVED = frozenset(
    [
        "ALTER",
        "AND",
        "AS",
        "BETWEEN",
        "BY",
        "CASE",
        "CAST",
        "CONSTRAINT",
        "CREATE",
        "CROSS",
        "CUBE",
        "CURRENT_CATALOG",
        "CURRENT_DATE",
        "CURRENT_PATH",
        "CURRENT_ROLE",
        "CURRENT_SCHEMA",
        "CURRENT_TIME",
        "CURRENT_TIMESTAMP",
        "CURRENT_USER",
        "DEALLOCATE",
        "DELETE",
        "DESCRIBE",
        "DISTINCT",
        "DROP",
        "ELSE",
        "END",
        "ESCAPE",
        "EXCEPT",
        "EXECUTE",
        "EXISTS",
        "EXTRACT",
        "FALSE",
        "FIRST",
        "FOR",
        "FROM",
        "FULL",
        "GROUP",
        "GROUPING",
        "HAVING",
        "IN",
        "INNER",
        "INSERT",
        "INTERSECT",
        "INTO",
        "IS",
        "JOIN",
        "JSON_ARRAY",
        "JSON_EXISTS",
        "JSON_OBJECT",
        "JSON_QUERY",
        "JSON_TABLE",
        "JSON_VALUE",
        "LAST",
        "LEFT",
        "LIKE",
        "LISTAGG",
        "LOCALTIME",
        "LOCALTIMESTAMP",
        "NATURAL",
        "NORMALIZE",
        "NOT",
        "NULL",
        "ON",
        "OR",
        "ORDER",
        "OUTER",
        "PREPARE",
        "RECURSIVE",
        "RIGHT",
        "ROLLUP",
        "SELECT",
        "SKIP",
        "TABLE",
        "THEN",
        "TRIM",
        "TRUE",
        "UESCAPE",
        "UNION",
        "UNNEST",
        "USING",
        "VALUES",
        "WHEN",
        "WHERE",
        "WITH",
    ]
)
"""Words that are an identifier in double quotes only."""


@dataclass(frozen=True)
class Token:
    """One token: its kind, its text (a word in upper case) and its value (an identifier, a text)."""

    kind: str
    text: str
    value: str
    at: Position

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these keywords."""
        return self.kind == WORD and self.text in words

    def is_sign(self, *signs: str) -> bool:
        """Whether it is one of these signs."""
        return self.kind == SIGN and self.text in signs


def mismatch(token: Token, detail: str = "") -> InvalidRequest:
    """Return Athena's error for a token that the grammar does not allow here."""
    found = "<EOF>" if token.kind == END else token.value
    line, column = token.at
    reason = f" {detail}" if detail else ""
    return InvalidRequest(f"line {line}:{column}: mismatched input '{found}'.{reason}", "MALFORMED_QUERY")


def tokenize(sql: str) -> list[Token]:
    """Return the tokens of `sql`, with a last token of the kind END."""
    tokens: list[Token] = []
    position, line, line_start = 0, 1, 0
    while position < len(sql):
        at = (line, position - line_start + 1)
        match = _TOKEN.match(sql, position)
        if match is None:
            raise mismatch(Token(SIGN, sql[position], sql[position], at))
        kind, text = str(match.lastgroup), match[0]
        if kind != "space":
            tokens.append(_token(kind, text, at))
        breaks = text.count("\n")
        if breaks:
            line += breaks
            line_start = match.start() + text.rindex("\n") + 1
        position = match.end()
    return [*tokens, Token(END, "", "", (line, position - line_start + 1))]


def _token(kind: str, text: str, at: Position) -> Token:
    if kind == "digits":
        raise mismatch(
            Token(WORD, text, text, at),
            "Identifiers must not start with a digit; surround the identifier with double quotes",
        )
    if kind == "word":
        return Token(WORD, text.upper(), text, at)
    if kind in {"string", "quoted", "backquoted"}:
        quote = text[0]
        if text == '""':
            raise mismatch(Token(kind, text, text, at), "Zero-length delimited identifier not allowed")
        return Token(kind, text, text[1:-1].replace(quote * 2, quote), at)
    if kind == "unicode":
        return Token(STRING, text, _unescape(text, at), at)
    if kind == "binary":
        digits = re.sub(r"[ \r\n\t]", "", text[2:-1])
        if len(digits) % 2 or not re.fullmatch(r"[0-9A-Fa-f]*", digits):
            raise mismatch(Token(BINARY, text, text, at), "Binary literal can only contain pairs of hexadecimal digits")
        return Token(BINARY, text, digits, at)
    return Token(kind, text, text, at)


def _unescape(text: str, at: Position) -> str:
    """Decode a text such as U&'\\0061' or U&'!0061' UESCAPE '!' (AstBuilder.decodeUnicodeLiteral)."""
    match = _UNICODE.fullmatch(text)
    body, escape = (match[1].replace("''", "'"), match[2]) if match is not None else (text, None)
    invalid = mismatch(Token(STRING, text, text, at), "Incomplete or invalid Unicode escape sequence")
    escape = "\\" if escape is None else escape
    if len(escape) != 1 or escape in _NO_ESCAPE or not 0x20 < ord(escape) < 0x7F:
        raise invalid
    parts: list[str] = []
    rest = body
    while escape in rest:
        before, _, rest = rest.partition(escape)
        digits = re.match(r"\+([0-9A-Fa-f]{6})|([0-9A-Fa-f]{4})", rest)
        if rest.startswith(escape):
            parts, rest = [*parts, before, escape], rest[1:]
            continue
        code = int(digits[1] or digits[2], 16) if digits else -1
        if digits is None or code > 0x10FFFF or 0xD800 <= code < 0xE000:
            raise invalid
        parts, rest = [*parts, before, chr(code)], rest[digits.end() :]
    return "".join([*parts, rest])
