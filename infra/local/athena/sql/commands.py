"""Statements that are not queries."""

from dataclasses import dataclass, field

from infra.local.athena.sql.nodes import Expression, Node
from infra.local.athena.sql.query_nodes import Query


@dataclass(frozen=True)
class Command(Node):
    """A statement that is not a query."""


@dataclass(frozen=True)
class CreateTableAs(Command):
    """`CREATE TABLE name WITH (…) AS query`."""

    name: tuple[str, ...]
    properties: dict[str, Expression] = field(hash=False)
    query: Query
    if_not_exists: bool
    with_data: bool


@dataclass(frozen=True)
class Unload(Command):
    """`UNLOAD (query) TO 'location' WITH (…)`."""

    query: Query
    location: str
    properties: dict[str, Expression] = field(hash=False)


@dataclass(frozen=True)
class Explain(Command):
    """`EXPLAIN query`."""

    query: Query


@dataclass(frozen=True)
class Show(Command):
    """`SHOW TABLES`, `SHOW DATABASES`, `SHOW COLUMNS`, `SHOW PARTITIONS`, `SHOW CREATE TABLE`, `DESCRIBE`."""

    kind: str
    name: tuple[str, ...] = ()
    pattern: str | None = None


@dataclass(frozen=True)
class Drop(Command):
    """`DROP TABLE name`, `DROP DATABASE name`."""

    kind: str
    name: tuple[str, ...]
    if_exists: bool
    cascade: bool = False


@dataclass(frozen=True)
class CreateDatabase(Command):
    """`CREATE DATABASE name`."""

    name: str
    if_not_exists: bool
    location: str | None = None
    comment: str | None = None


@dataclass(frozen=True)
class SetProperties(Command):
    """`ALTER TABLE name SET TBLPROPERTIES ('key' = 'value')`."""

    name: tuple[str, ...]
    properties: dict[str, str] = field(hash=False)
