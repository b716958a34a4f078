"""Parse whole statements: queries by Trino's grammar; commands by those of Athena's pages.

Sources: "CREATE TABLE AS", "UNLOAD", "EXPLAIN", "SHOW TABLES", "SHOW DATABASES", "SHOW COLUMNS", "SHOW PARTITIONS",
"SHOW CREATE TABLE", "DESCRIBE", "DROP TABLE", "CREATE DATABASE", "DROP DATABASE", "ALTER TABLE
SET TBLPROPERTIES" (Amazon Athena User Guide).
"""

from infra.local.athena.errors import InvalidRequest
from infra.local.athena.sql import commands, nodes, query_nodes
from infra.local.athena.sql.queries import QueryParser
from infra.local.athena.sql.tokens import BACKQUOTED, END, STRING, WORD

_PLANS_AS_TEXT = {"LOGICAL", "DISTRIBUTED", "TEXT"}
_EXPLAINED = {"TYPE": ("LOGICAL", "DISTRIBUTED", "VALIDATE", "IO"), "FORMAT": ("TEXT", "JSON", "GRAPHVIZ")}
_PLANS_AS_TEXT = {"LOGICAL", "DISTRIBUTED", "TEXT"}
_NOT_HERE = (
    "not supported by the local Athena, which runs queries, CREATE TABLE AS, UNLOAD, EXPLAIN, SHOW, DESCRIBE, DROP"
)
_KNOWN = (
    *("ALTER", "CREATE", "DELETE", "EXECUTE", "DEALLOCATE", "GRANT", "INSERT", "MERGE", "MSCK", "OPTIMIZE", "PREPARE"),
    *("REVOKE", "SET", "UPDATE", "USE", "VACUUM", "CALL", "DROP", "SHOW", "EXPLAIN", "ANALYZE"),
)


class StatementParser(QueryParser):
    """Statements."""

    def statement(self) -> query_nodes.Query | commands.Command:
        """Parse one statement with its end. Raises InvalidRequest."""
        if self.peek().kind == END:
            raise InvalidRequest("Only one sql statement is allowed. Got: nothing", "MALFORMED_QUERY")
        found = self._statement()
        self.accept_sign(";")
        if self.peek().kind != END:
            if self.peek(-1).is_sign(";"):
                raise InvalidRequest("Only one sql statement is allowed", "MALFORMED_QUERY")
            self.fail()
        return found

    def _statement(self) -> query_nodes.Query | commands.Command:
        token = self.peek()
        if token.is_sign("(") or token.is_word("SELECT", "WITH", "VALUES", "TABLE"):
            return self.query()
        command = self._create() if token.is_word("CREATE") else self._command()
        if command is not None:
            return command
        if token.kind == WORD and token.text in _KNOWN:
            self._reject()
        return self.fail("Expecting: 'SELECT', 'WITH', 'VALUES', 'TABLE', …")

    def _create(self) -> commands.Command | None:
        """Parse CREATE; None if it creates something else."""
        if self._creates_table():
            return self._create_table_as()
        return self._create_database() if self.peek(1).is_word("DATABASE", "SCHEMA") else None

    def _command(self) -> commands.Command | None:
        """Parse another command; None if it is not one that runs here."""
        at, token = self.at, self.peek()
        if token.is_word("UNLOAD"):
            return self._unload()
        if token.is_word("DROP") and self.peek(1).is_word("TABLE", "DATABASE", "SCHEMA"):
            return self._drop()
        if token.is_word("ALTER") and self._sets_properties():
            return self._set_properties()
        if token.is_word("EXPLAIN") and not self.peek(1).is_word("ANALYZE"):
            return self._explain()
        if token.is_word("DESCRIBE", "DESC"):
            self.next()
            if self.peek(1).kind != END and self.peek().is_word("EXTENDED", "FORMATTED"):
                self._reject()
            return commands.Show(at, "DESCRIBE", self._hive_name())
        return self._show() if token.is_word("SHOW") else None

    def _reject(self) -> None:
        """Raise InvalidRequest for a statement that Athena may have."""
        token = self.peek()
        words = token.text + (f" {self.peek(1).text}" if self.peek(1).kind == WORD else "")
        line, column = token.at
        raise InvalidRequest(f"NOT_SUPPORTED: line {line}:{column}: {words} is {_NOT_HERE}", "MALFORMED_QUERY")

    def _hive_name(self) -> tuple[str, ...]:
        """Parse a name in a statement of Hive's grammar: it may be in backquotes."""
        parts = [self._hive_identifier()]
        while self.accept_sign("."):
            parts.append(self._hive_identifier())
        return tuple(part.lower() for part in parts)

    def _hive_identifier(self) -> str:
        return self.next().value if self.peek().kind == BACKQUOTED else self.identifier()

    def _creates_table(self) -> bool:
        """Whether `CREATE TABLE name …` has a query, rather than columns."""
        if not self.peek(1).is_word("TABLE"):
            return False
        ahead, depth = 2, 0
        while (token := self.peek(ahead)).kind != END:
            depth += token.is_sign("(") - token.is_sign(")")
            if depth == 0 and token.is_word("AS"):
                return True
            ahead += 1
        return False

    def _sets_properties(self) -> bool:
        """Whether `ALTER TABLE name …` sets properties of the table."""
        if not self.peek(1).is_word("TABLE"):
            return False
        ahead = 2
        while self.peek(ahead).kind != END and not self.peek(ahead).is_word("SET"):
            ahead += 1
        return self.peek(ahead + 1).is_word("TBLPROPERTIES")

    def _set_properties(self) -> commands.SetProperties:
        at = self.next().at
        self.next()
        name = self._hive_name()
        self.expect_word("SET")
        self.expect_word("TBLPROPERTIES")
        self.expect_sign("(")
        found: dict[str, str] = {}
        while True:
            key = self.expect_kind(STRING).value
            self.expect_sign("=")
            found[key] = self.expect_kind(STRING).value
            if not self.accept_sign(","):
                break
        self.expect_sign(")")
        return commands.SetProperties(at, name, found)

    def _properties(self) -> dict[str, nodes.Expression]:
        """Parse `WITH (name = value, …)`, if it follows."""
        found: dict[str, nodes.Expression] = {}
        if not (self.peek().is_word("WITH") and self.peek(1).is_sign("(")):
            return found
        self.next()
        self.next()
        while True:
            name = self.identifier().lower()
            self.expect_sign("=")
            found[name] = self.expression()
            if not self.accept_sign(","):
                break
        self.expect_sign(")")
        return found

    def _create_table_as(self) -> commands.CreateTableAs:
        at = self.next().at
        self.expect_word("TABLE")
        if_not_exists = self.accept_words("IF", "NOT", "EXISTS")
        name = tuple(part.lower() for part in self.qualified_name())
        properties = self._properties()
        self.expect_word("AS")
        query = self.query()
        with_data = True
        if self.accept_word("WITH"):
            with_data = self.accept_word("NO") is None
            self.expect_word("DATA")
        return commands.CreateTableAs(at, name, properties, query, if_not_exists, with_data)

    def _unload(self) -> commands.Unload:
        at = self.next().at
        query = self._query_in_parentheses()
        self.expect_word("TO")
        location = self.expect_kind(STRING).value
        return commands.Unload(at, query, location, self._properties())

    def _explain(self) -> commands.Explain:
        at = self.next().at
        if self.peek(1).is_word("TYPE", "FORMAT") and self.accept_sign("("):
            while not self.accept_sign(")"):
                self.accept_sign(",")
                self._explain_option()
        return commands.Explain(at, self.query())

    def _explain_option(self) -> None:
        line, column = self.at
        option = self.expect_word(*_EXPLAINED).text.upper()
        value = self.expect_word(*_EXPLAINED[option]).text.upper()
        if value not in _PLANS_AS_TEXT:
            raise InvalidRequest(
                f"NOT_SUPPORTED: line {line}:{column}: the local Athena explains queries as text only, not by {option} "
                f"{value}",
                "MALFORMED_QUERY",
            )

    def _show(self) -> commands.Show:
        at = self.at
        kind = self.peek(1)
        if kind.is_word("TABLES", "DATABASES", "SCHEMAS", "PARTITIONS", "COLUMNS"):
            self.next()
            self.next()
            name: tuple[str, ...] = ()
            pattern = None
            is_required = kind.is_word("PARTITIONS", "COLUMNS")
            if self.accept_word("IN", "FROM") or (is_required and self.peek().kind != STRING):
                name = self._hive_name()
                if kind.is_word("COLUMNS") and self.accept_word("IN", "FROM"):
                    name = (*self._hive_name(), *name)
            self.accept_word("LIKE")
            if self.peek().kind == STRING:
                pattern = self.next().value
            return commands.Show(at, kind.text, name, pattern)
        if kind.is_word("CREATE") and self.peek(2).is_word("TABLE"):
            for _ in range(3):
                self.next()
            return commands.Show(at, "CREATE TABLE", self._hive_name())
        self._reject()
        return self.fail()

    def _drop(self) -> commands.Drop:
        at = self.next().at
        kind = "TABLE" if self.next().text == "TABLE" else "DATABASE"
        if_exists = self.accept_words("IF", "EXISTS")
        name = self._hive_name()
        word = self.accept_word("CASCADE", "RESTRICT") if kind == "DATABASE" else None
        return commands.Drop(at, kind, name, if_exists, word is not None and word.text == "CASCADE")

    def _create_database(self) -> commands.CreateDatabase:
        at = self.next().at
        self.next()
        if_not_exists = self.accept_words("IF", "NOT", "EXISTS")
        name = self._hive_identifier().lower()
        location = comment = None
        while word := self.accept_word("COMMENT", "LOCATION"):
            text = self.expect_kind(STRING).value
            location, comment = (text, comment) if word.text == "LOCATION" else (location, text)
        if self.peek().is_word("WITH"):
            self._reject()
        return commands.CreateDatabase(at, name, if_not_exists, location, comment)
