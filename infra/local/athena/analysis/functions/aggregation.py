"""What a call of an aggregate function gets and returns."""

from collections.abc import Callable
from dataclasses import dataclass

from infra.local.athena.analysis.values import Context, Value

Core = Callable[[str, str], str]
"""Write the call of a DuckDB aggregate with its arguments, with DISTINCT, ORDER BY, FILTER and OVER of the query."""


@dataclass(frozen=True)
class Aggregation:
    """One call of an aggregate function."""

    context: Context
    core: Core
    arguments: list[Value]
    is_distinct: bool


Aggregate = Callable[[Aggregation], Value | None]
