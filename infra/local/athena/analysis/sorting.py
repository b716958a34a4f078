"""What values are sorted, compared and grouped by.

Source: TypeOperators.getOrderingOperator of Trino: NaN is the least value if NULL comes first, else the greatest.
Arrays and rows with NULL inside cannot be compared (ArrayType, RowType).
"""

from collections.abc import Sequence

from infra.local.athena.analysis import types
from infra.local.athena.analysis.protocols import Expressions
from infra.local.athena.analysis.scope import Scope
from infra.local.athena.analysis.types import Type
from infra.local.athena.analysis.values import Context, Value, failure, let, local_name, unsupported
from infra.local.athena.literals import identifier
from infra.local.athena.sql import nodes


def check_distinct(kind: Type, clause: str) -> None:
    """Raise QueryFailure for a type whose equal values DuckDB takes as distinct: maps in another order, instants."""
    for name, other in (("timestamp with time zone", "timestamp"), ("map", "JSON")):
        if kind.contains(name):
            raise unsupported(f"does not compare values of {name} in {clause}; cast them to {other}")


def group_key(value: Value) -> str:
    """Return what a window is partitioned by: instants in several time zones are one."""
    if value.type.contains("map"):
        check_distinct(value.type, "PARTITION BY")
    return f"({value.sql}).u" if value.type.is_instant else value.sql


def comparable(context: Context, value: Value) -> str:
    """Return a value that DuckDB orders as Trino does, ascending: where that differs, the query fails."""
    kind = value.type
    if kind.is_instant:
        return f"({value.sql}).u"
    if not kind.of:
        return value.sql
    failed = context.fail(
        f"'NOT_SUPPORTED: the local Athena does not order a {kind.name} with NULL or NaN inside'", kind
    )
    return let([value.sql], lambda v: f"CASE WHEN {_is_open(v, kind)} THEN {failed} ELSE {v} END")


def _is_open(sql: str, kind: Type) -> str:
    """Return whether an array or row has NULL or NaN somewhere inside."""
    if kind.name == "array":
        name = local_name("n", sql, kind.duckdb)
        return f"len(list_filter({sql}, lambda {name}: {_is_open_item(name, kind.of[0])})) > 0"
    fields = zip(kind.duck_names, kind.of, strict=True)
    tests = [_is_open_item(f"({sql}).{identifier(name)}", of) for name, of in fields]
    return f"({sql}) IS NOT NULL AND ({' OR '.join(tests) or 'false'})"


def _is_open_item(sql: str, kind: Type) -> str:
    if kind.of:
        return f"(({sql}) IS NULL OR {_is_open(sql, kind)})"
    return f"(({sql}) IS NULL OR isnan({sql}))" if kind.is_floating else f"({sql}) IS NULL"


def check_orderable(value: Value, at: tuple[int, int]) -> None:
    """Raise QueryFailure for a type without an order."""
    if not types.is_orderable(value.type):
        raise failure("TYPE_MISMATCH", at, f"Type {value.type} is not orderable, and therefore cannot be used here")


def order_by(analyzer: Expressions, items: Sequence[nodes.SortItem], scope: Scope) -> str:
    """Return ORDER BY for a window or an aggregate, with a blank before it."""
    if not items:
        return ""
    keys = [sort_key(analyzer.context, analyzer.analyze(item.value, scope), item) for item in items]
    return " ORDER BY " + ", ".join(keys)


def sort_key(context: Context, value: Value, item: nodes.SortItem) -> str:
    """Return the keys of one item of ORDER BY, with their directions."""
    check_orderable(value, item.at)
    key = comparable(context, value) + direction(item)
    if value.type.is_floating and item.nulls_first and value.constant is None:
        # DuckDB sorts NaN as the greatest value in any case.
        return f"isnan({value.sql}) {'ASC' if item.is_descending else 'DESC'} NULLS FIRST, {key}"
    return key


def direction(item: nodes.SortItem) -> str:
    """Return the direction of a sort item."""
    return f" {'DESC' if item.is_descending else 'ASC'} NULLS {'FIRST' if item.nulls_first else 'LAST'}"
