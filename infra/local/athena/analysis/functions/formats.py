"""`format`: Java's Formatter, checked against the types of the arguments.

Sources: "format" in "Conversion functions" (Trino documentation), FormatFunction of Trino, java.util.Formatter.
"""

from infra.local.athena.analysis import types
from infra.local.athena.analysis.casts import text_of
from infra.local.athena.analysis.values import SPECIAL, Context, Value, failure, unsupported
from infra.local.athena.rowwise import texts
from infra.local.athena.sql.tokens import Position


def format_call(context: Context, arguments: list[Value], at: Position) -> Value:
    """Return `format(template, …)`."""
    template, *values = arguments
    if template.constant is None or not template.type.is_text:
        raise unsupported("supports only a literal as the pattern of format")
    if not values:
        raise failure("FUNCTION_NOT_FOUND", at, "Unexpected parameters (varchar) for function format")
    _check(template.constant, values, at)
    shown = [_text(context, value) for value in values]
    listed = Value(f"[{', '.join(v.sql for v in shown)}]", types.array(types.VARCHAR))
    return Value(context.call(texts.format_text, [listed, template], types.VARCHAR, SPECIAL), types.VARCHAR)


def _check(template: str, values: list[Value], at: Position) -> None:
    rest = texts.FORMAT_ITEM.sub("", template)
    if "%" in rest:
        raise failure("INVALID_FUNCTION_ARGUMENT", at, f"Invalid format string: {template}")
    position = 0
    for index, _, _, _, kind in texts.FORMAT_ITEM.findall(template):
        if kind in "%n":
            continue
        if kind not in "sSdxXfeE":
            raise unsupported(f"does not support %{kind} in format")
        number = int(index[:-1]) - 1 if index else position
        position += not index
        if number >= len(values):
            message = f"Invalid format string: {template} (MissingFormatArgumentException)"
            raise failure("INVALID_FUNCTION_ARGUMENT", at, message)
        value = values[number].type
        fits = value.is_integer if kind in "dxX" else value.is_floating or value.name == "decimal"
        if kind not in "sS" and value != types.UNKNOWN and not fits:
            message = f"Invalid format string: {template} (IllegalFormatConversionException: {kind} != {value})"
            raise failure("INVALID_FUNCTION_ARGUMENT", at, message)


def _text(context: Context, value: Value) -> Value:
    """Return what Formatter gets, as a text: a double in Java's form, NULL as `null`."""
    kind = value.type
    if kind.of or kind.name in {"timestamp", "timestamp with time zone", "time", "varbinary", "char"}:
        raise unsupported(f"does not format {kind.name}; cast it to varchar")
    if kind.is_floating:
        double = Value(f"CAST({value.sql} AS DOUBLE)", types.DOUBLE)
        shown = context.call(texts.java_text, [double], types.VARCHAR)
        if kind == types.REAL:
            raise unsupported("does not format real; cast it to double")
    else:
        shown = text_of(context, value)
    return Value(f"coalesce({shown}, 'null')", types.VARCHAR)
