"""What the analysis of a query yields: its SQL, its columns, and the tables that it reads."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from infra.local.athena.analysis.types import Type

PATH = "$path"
FindTable = Callable[[str, str], Any]


@dataclass(frozen=True)
class TableScan:
    """One reference to a table in a query."""

    relation: str
    database: str
    table: str
    columns: frozenset[str] = frozenset()
    """The columns that the query uses, as quoted identifiers: a table may have thousands of others."""
    allowed_values: dict[str, frozenset[str]] = field(default_factory=dict)
    """Column (lower case, including `$path`) → its only possible values, from comparisons with literals."""
    max_rows: int | None = None
    """Maximum number of rows the query can use; None if that depends on the rows."""

    @property
    def needs_path(self) -> bool:
        """Whether the query uses `"$path"`."""
        return f'"{PATH}"' in self.columns

    def with_columns_of(self, sql: str) -> "TableScan":
        """Return the scan with the columns that the SQL of the whole query names."""
        return replace(self, columns=frozenset(re.findall(rf'\b{self.relation}\.("(?:[^"]|"")*")', sql)))

    def narrowed(self, column: str, allowed: frozenset[str]) -> "TableScan":
        """Return the scan with one more condition on a column."""
        previous = self.allowed_values.get(column)
        both = allowed if previous is None else previous & allowed
        return replace(self, allowed_values={**self.allowed_values, column: both})


@dataclass(frozen=True)
class Output:
    """A column of a query's result; None where the query gives it no name."""

    name: str | None
    type: Type


@dataclass(frozen=True)
class Compiled:
    """A query for DuckDB, with the columns c0, c1…"""

    sql: str
    outputs: tuple[Output, ...]
