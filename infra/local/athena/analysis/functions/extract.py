"""EXTRACT: its fields, and of which types they are.

Source: ExpressionAnalyzer.visitExtract of Trino.
"""

from types import MappingProxyType

from infra.local.athena.analysis.functions import times
from infra.local.athena.analysis.values import Context, Value, failure, unsupported
from infra.local.athena.sql.tokens import Position

_NAMES = MappingProxyType({"DOW": "day_of_week", "DOY": "day_of_year", "YOW": "year_of_week"})
_MOMENTS = ("date", "timestamp", "timestamp with time zone")
_FIELDS: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys(("year", "month"), (*_MOMENTS, "interval year to month")),
        "day": (*_MOMENTS, "interval day to second"),
        **dict.fromkeys(("quarter", "week", "day_of_month", "day_of_week", "day_of_year", "year_of_week"), _MOMENTS),
        **dict.fromkeys(("hour", "minute", "second"), (*_MOMENTS[1:], "interval day to second")),
        **dict.fromkeys(("timezone_hour", "timezone_minute"), _MOMENTS[2:]),
    }
)


def extract_field(context: Context, field: str, value: Value, at: Position) -> Value:
    """Return a field of a time or an interval."""
    name = _NAMES.get(field, field.lower())
    if name not in _FIELDS:
        raise failure("SYNTAX_ERROR", at, f"Invalid EXTRACT field: {field}")
    if value.type.name == "time":
        raise unsupported("does not extract fields from time")
    function = times.FUNCTIONS[name][1]
    found = function(context, [value], at) if value.type.name in _FIELDS[name] else None
    if found is None:
        raise failure("TYPE_MISMATCH", at, f"Cannot extract {field} from {value.type}")
    return found
