"""`format`: Java's Formatter, checked against the types of the arguments.

Sources: "format" in "Conversion functions" (Trino documentation), FormatFunction of Trino, java.util.Formatter.
"""

from infra.local.athena.analysis import types
from infra.local.athena.analysis.casts import text_of
from infra.local.athena.analysis.values import SPECIAL, Context, Value, failure, unsupported
from infra.local.athena.rowwise import formats, numbers
from infra.local.athena.sql.tokens import Position


def format_call(context: Context, arguments: list[Value], at: Position) -> Value:
    """Return `format(template, …)`."""
    template, *values = arguments
    if not template.type.is_text:
        message = f"Type of first argument to format() must be VARCHAR (actual: {template.type})"
        raise failure("TYPE_MISMATCH", at, message)
    if template.constant is None:
        raise unsupported("supports only a literal as the pattern of format")
    if not values:
        raise failure("INVALID_FUNCTION_ARGUMENT", at, "format requires at least two arguments")
    _check(template.constant, values, at)
    shown = [_text(context, value) for value in values]
    listed = Value(f"[{', '.join(v.sql for v in shown)}]", types.array(types.VARCHAR))
    return Value(context.call(formats.format_text, [listed, template], types.VARCHAR, SPECIAL), types.VARCHAR)


def _check(template: str, values: list[Value], at: Position) -> None:
    def invalid(problem: str) -> Exception:
        return failure("INVALID_FUNCTION_ARGUMENT", at, f"Invalid format string: {template} ({problem})")

    try:
        items = [part for part in formats.parse(template) if isinstance(part, formats.FormatItem)]
    except formats.InvalidFormat as error:
        raise invalid(str(error)) from error
    for item in items:
        if item.kind in formats.OTHERS:
            raise unsupported(f"does not support %{item.kind} in format")
        if item.argument is None:
            continue
        if item.argument >= len(values):
            raise invalid("MissingFormatArgument")
        kind = values[item.argument].type
        if item.kind in "bB" and kind not in {types.BOOLEAN, types.UNKNOWN}:
            raise unsupported(f"supports %{item.kind} in format only for booleans")
        fits = kind.is_integer if item.kind in "doxX" else kind.is_floating or kind.name == "decimal"
        if item.kind not in "sSbB" and kind != types.UNKNOWN and not fits:
            raise invalid(f"IllegalFormatConversion: {item.kind} != {kind}")


def _text(context: Context, value: Value) -> Value:
    """Return what Formatter gets, as a text: a double in Java's form."""
    kind = value.type
    if kind.of or kind.name in {"timestamp", "timestamp with time zone", "time", "varbinary", "char"}:
        raise unsupported(f"does not format {kind.name}; cast it to varchar")
    if kind == types.REAL:
        raise unsupported("does not format real; cast it to double")
    if kind == types.DOUBLE:
        return Value(context.call(numbers.java_double, [value], types.VARCHAR), types.VARCHAR)
    shown = Value(text_of(context, value), types.VARCHAR)
    if kind.name == "decimal":
        return Value(context.call(formats.java_decimal, [shown], types.VARCHAR), types.VARCHAR)
    return shown
