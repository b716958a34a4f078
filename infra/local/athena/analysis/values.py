"""Typed values: an expression of DuckDB with its Trino type, and how one type becomes another without a cast."""

import functools
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.local.athena.analysis import types
from infra.local.athena.analysis.types import Type
from infra.local.athena.errors import Fault, QueryFailure
from infra.local.athena.literals import identifier, literal
from infra.local.athena.sql.tokens import Position

_SIMPLE = re.compile(r'[\w".]+|CAST\([\w".]+ AS \w+\)|\'[^\']*\'')


@dataclass(frozen=True)
class Value:
    """An expression; `constant` is the value of a literal (text or number as written), else None."""

    sql: str
    type: Type
    constant: str | None = None


STRICT, MAYBE, SPECIAL = "strict", "maybe", "special"
"""What a Python function does with NULL: NULL for NULL, never else; NULL for NULL, maybe else; it gets None."""


@dataclass(frozen=True)
class PythonFunction:
    """A Python function that DuckDB calls for each row."""

    name: str
    call: Callable[..., Any]
    parameters: tuple[str, ...]
    returns: str
    nulls: str


@dataclass
class Context:
    """What the whole of one statement shares."""

    functions: dict[tuple[Any, ...], PythonFunction] = field(default_factory=dict)
    aggregate_count: int = 0
    window_count: int = 0
    _count: int = 0

    def name(self, prefix: str) -> str:
        """Return a name that nothing else has."""
        self._count += 1
        return f"{prefix}{self._count}"

    def call(self, function: Callable[..., Any], arguments: Sequence[Value], returns: Type, nulls: str = STRICT) -> str:
        """Write the call of a Python function."""
        parameters = tuple(argument.type.duckdb for argument in arguments)
        if returns.is_floating:
            # DuckDB takes a NaN from Python as NULL.
            sql = self.call(_as_text(function), arguments, Type("varchar"), nulls)
            return f"CAST({sql} AS {returns.duckdb})"
        key = (function, parameters, returns.duckdb, nulls)
        if key not in self.functions:
            name = f"ferry_{function.__name__.strip('_')}_{len(self.functions)}"
            self.functions[key] = PythonFunction(name, function, parameters, returns.duckdb, nulls)
        written = (f"CAST({a.sql} AS {kind})" for a, kind in zip(arguments, parameters, strict=True))
        return f"{self.functions[key].name}({', '.join(written)})"

    def argument_of(self, function: Callable[..., Any], sql: str) -> str | None:
        """Return the argument of a call of a Python function with one argument; None if `sql` is another expression."""
        for known in self.functions.values():
            inner = sql.removeprefix(f"{known.name}(")
            if known.call is function and inner != sql and _is_closed_last(inner):
                return inner[:-1]
        return None

    def fail(self, message: str, returns: Type) -> str:
        """Write an expression that fails the query where it is evaluated; `message` is SQL for `CODE: text`."""
        return f"CAST({self.call(fail, [Value(message, types.VARCHAR)], types.VARCHAR)} AS {returns.duckdb})"


def _is_closed_last(sql: str) -> bool:
    """Whether the parenthesis that was open before `sql` is closed by its last character."""
    depth = 1
    plain = re.sub(r"'[^']*'|\"[^\"]*\"", "", sql)
    for position, char in enumerate(plain):
        depth += (char == "(") - (char == ")")
        if depth == 0:
            return position == len(plain) - 1
    return False


@functools.lru_cache(maxsize=256)
def _as_text(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*arguments: Any) -> str | None:
        value = function(*arguments)
        return None if value is None else repr(float(value))

    return call


def fail(message: str) -> str:
    """Fail the query with `CODE: message`."""
    code, _, text = message.partition(": ")
    raise Fault(code, text)


def failure(code: str, at: Position, message: str) -> QueryFailure:
    """Return the failure of a statement at a place."""
    return QueryFailure(f"{code}: line {at[0]}:{at[1]}: {message}")


def unsupported(message: str) -> QueryFailure:
    """Return the failure for what Athena has and the local Athena lacks."""
    return QueryFailure(f"NOT_SUPPORTED: the local Athena {message}")


def check_equal(kind: Type) -> None:
    """Raise QueryFailure for arrays, maps and rows whose instants would have to be equal in any time zone."""
    if kind.of and kind.contains("timestamp with time zone"):
        raise unsupported(
            f"does not compare timestamps with time zone in values of {kind.name}; cast them to timestamp"
        )


def text(value: str) -> Value:
    """A text literal."""
    return Value(literal(value), Type("varchar", (len(value),)), value)


def number(value: int) -> Value:
    """A bigint literal."""
    return Value(f"CAST({value} AS BIGINT)", types.BIGINT, str(value))


def local_name(prefix: str, *parts: str) -> str:
    """Return a name for a lambda over these parts: equal expressions have equal SQL, which GROUP BY needs."""
    return f"{prefix}{zlib.crc32('|'.join(parts).encode()):08x}"


def let(values: Sequence[str], body: Callable[..., str]) -> str:
    """Write `body` with these expressions, each evaluated once even if `body` mentions it several times."""
    if all(_SIMPLE.fullmatch(value) for value in values):
        return body(*values)
    packed = ", ".join(f"a{i} := {value}" for i, value in enumerate(values))
    name = local_name("v", packed)
    inner = body(*(f"{name}.a{i}" for i in range(len(values))))
    return f"list_transform([struct_pack({packed})], lambda {name}: {inner})[1]"


def coerce(context: Context, value: Value, target: Type) -> Value:
    """Return a value as another type that it coerces to."""
    return Value(_convert(context, value.sql, value.type, target), target, value.constant)


def _convert(context: Context, sql: str, source: Type, target: Type) -> str:
    if source.duckdb == target.duckdb and not _changes_inside(source, target):
        return sql
    if source == types.UNKNOWN:
        return f"CAST(NULL AS {target.duckdb})"
    if target.is_instant:
        return instant(f"CAST({sql} AS TIMESTAMP)")
    if target.name == "array":
        name = local_name("e", sql, target.duckdb)
        return f"list_transform({sql}, lambda {name}: {_convert(context, name, source.of[0], target.of[0])})"
    if target.name == "map":
        name = local_name("e", sql, target.duckdb)
        key = _convert(context, f"{name}.key", source.of[0], target.of[0])
        value = _convert(context, f"{name}.value", source.of[1], target.of[1])
        pair = f"struct_pack(k := {key}, v := {value})"
        return f"map_from_entries(list_transform(map_entries({sql}), lambda {name}: {pair}))"
    if target.name == "row":
        return let([sql], lambda row: _convert_row(context, row, source, target))
    if target.name == "decimal" and not types.fits(source, target):
        message = f"'INVALID_CAST_ARGUMENT: Cannot cast {source} to {target}: ' || {{0}}"
        return let(
            [sql],
            lambda v: (
                f"CASE WHEN {v} IS NOT NULL THEN coalesce(TRY_CAST({v} AS {target.duckdb}), "
                f"{context.fail(message.format(v), target)}) END"
            ),
        )
    if source.name == "decimal" and target.is_floating:
        return of_decimal(sql, source, target)
    return f"CAST({sql} AS {target.duckdb})"


def to_real(sql: str) -> str:
    """Write a double as a real: an infinity if no real can hold it, as in Java; DuckDB rejects it."""
    infinity = f"CASE WHEN {sql} > 0 THEN 'Infinity' WHEN {sql} < 0 THEN '-Infinity' END"
    return f"coalesce(TRY_CAST({sql} AS FLOAT), CAST({infinity} AS FLOAT))"


def of_decimal(sql: str, source: Type, target: Type) -> str:
    """Write a decimal as a double or a real with the roundings of DecimalCasts of Trino; DuckDB has others.

    A short decimal is a whole number divided by a power of ten, a long one is read from its text.
    """
    precision, scale = source.size
    if precision <= _EXACT_DIGITS[target.name]:
        return f"CAST({sql} AS {target.duckdb})"
    text = f"CAST({sql} AS VARCHAR)"
    if precision > _SHORT_DIGITS:
        return f"CAST({text} AS {target.duckdb})"
    whole = f"CAST(replace({text}, '.', '') AS BIGINT)"
    return f"(CAST({whole} AS {target.duckdb}) / CAST(1e{scale} AS {target.duckdb}))"


_EXACT_DIGITS = {"double": 15, "real": 7}
_SHORT_DIGITS = 18


def _convert_row(context: Context, sql: str, source: Type, target: Type) -> str:
    inner = [
        f"{identifier(new)} := {_convert(context, f'{sql}.{identifier(old)}', kind, wanted)}"
        for old, new, kind, wanted in zip(source.duck_names, target.duck_names, source.of, target.of, strict=True)
    ]
    return f"CASE WHEN {sql} IS NOT NULL THEN struct_pack({', '.join(inner)}) END"


def _changes_inside(source: Type, target: Type) -> bool:
    """Whether equal storage has another meaning: an unknown is stored as a number."""
    return source.contains("unknown") and source != target


def instant(sql: str, zone: str = "'UTC'") -> str:
    """Write a timestamp with time zone from a timestamp in UTC and a zone."""
    return f"CASE WHEN ({sql}) IS NOT NULL THEN struct_pack(u := {sql}, z := {zone}) END"


def unify(context: Context, values: Sequence[Value]) -> list[Value] | None:
    """Return the values with their common type, or None if they have none."""
    kind = values[0].type
    for value in values[1:]:
        both = types.common(kind, value.type)
        if both is None:
            return None
        kind = both
    return [coerce(context, value, kind) for value in values]
