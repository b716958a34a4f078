"""Functions with a fixed signature: parse `name(type, …) type`, and choose the one that the arguments coerce to.

Source: FunctionResolver of Trino: an exact match comes before one that needs coercions.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from infra.local.athena.analysis import types
from infra.local.athena.analysis.types import Type
from infra.local.athena.analysis.values import STRICT, Context, Value, coerce

_SIGNATURE = re.compile(r"(\w+)\((.*)\) (.+)")
_MAX_LENGTH = 2**31 - 1
_KINDS = {
    "varchar(1)": Type("varchar", (1,)),
    "boolean": types.BOOLEAN,
    "integer": types.INTEGER,
    "bigint": types.BIGINT,
    "double": types.DOUBLE,
    "varchar": types.VARCHAR,
    "varchar(64)": Type("varchar", (64,)),
    "varbinary": types.VARBINARY,
    "json": types.JSON,
    "date": types.DATE,
    "timestamp": types.TIMESTAMP,
    "instant": types.INSTANT,
    "interval": types.DAY_INTERVAL,
    "array(double)": types.array(types.DOUBLE),
    "array(varchar)": types.array(types.VARCHAR),
    "map(varchar,varchar)": types.map_of(types.VARCHAR, types.VARCHAR),
}


def _text(argument: Value) -> Type:
    """Return the type of a text; NULL coerces to one without characters (TypeCoercion)."""
    return Type("varchar", (0,)) if argument.type == types.UNKNOWN else argument.type


def _longest(lengths: Callable[..., int]) -> Callable[[Sequence[Value]], Type]:
    """Return what finds the type of a text from the lengths of the arguments; unbounded if one of them is."""

    def returns(arguments: Sequence[Value]) -> Type:
        sizes = [_text(argument).size for argument in arguments]
        if not all(sizes):
            return types.VARCHAR
        length = lengths(*(size[0] for size in sizes))
        return types.VARCHAR if length >= _MAX_LENGTH else Type("varchar", (length,))

    return returns


# The lengths are the constraints of StringFunctions.replace, JoniRegexpFunctions.regexpReplace and
# UrlFunctions.urlEncode.
_RETURNS: dict[str, Callable[[Sequence[Value]], Type]] = {
    "same": lambda arguments: _text(arguments[0]),
    "parts": lambda arguments: types.array(_text(arguments[0])),
    "replaced": _longest(lambda text, _, new: text + new * (text + 1)),
    "rewritten": _longest(lambda text, _, new: text + max(text * new // 2, new) * (text + 1)),
    "escaped": _longest(lambda text: text * 12),
}
"""Types that depend on those of the arguments."""
Rule = tuple[str, str | Callable[..., Any]] | tuple[str, Callable[..., Any], str]


@dataclass(frozen=True)
class Signature:
    """One overload: DuckDB's SQL with {0}, {1}…, or a Python function."""

    name: str
    parameters: tuple[Type, ...]
    returns: Type | Callable[[Sequence[Value]], Type]
    body: str | Callable[..., Any]
    nulls: str = STRICT

    def call(self, context: Context, arguments: Sequence[Value]) -> Value:
        """Return the call with arguments that coerce."""
        values = [coerce(context, a, p) for a, p in zip(arguments, self.parameters, strict=True)]
        returns = self.returns if isinstance(self.returns, Type) else self.returns(arguments)
        if isinstance(self.body, str):
            return Value("(" + self.body.format(*(f"({value.sql})" for value in values)) + ")", returns)
        return Value(context.call(self.body, values, returns, self.nulls), returns)

    def accepts(self, arguments: Sequence[Value]) -> bool:
        """Whether the arguments coerce to the parameters."""
        return len(arguments) == len(self.parameters) and all(
            _accepts(argument.type, kind) for argument, kind in zip(arguments, self.parameters, strict=True)
        )

    def distance(self, arguments: Sequence[Value]) -> int:
        """How many arguments need a coercion."""
        return sum(a.type.name != p.name for a, p in zip(arguments, self.parameters, strict=True))


def _accepts(source: Type, target: Type) -> bool:
    # A timestamp of any precision is taken as it is.
    if source.name == target.name in {"timestamp", "timestamp with time zone"}:
        return True
    return types.coerces(source, target)


def parse_rules(rules: Sequence[Rule]) -> dict[str, list[Signature]]:
    """Parse rules such as `("lower(varchar) same", "lower({0})")`."""
    found: dict[str, list[Signature]] = {}
    for written, body, *nulls in rules:
        match = _SIGNATURE.fullmatch(written)
        if match is None:
            raise ValueError(f"{written!r} is not a signature")
        parameters = tuple(_KINDS[kind] for kind in filter(None, re.split(r", ", match[2])))
        returns = _RETURNS.get(match[3]) or _KINDS[match[3]]
        signature = Signature(match[1], parameters, returns, body, nulls[0] if nulls else STRICT)
        found.setdefault(match[1], []).append(signature)
    return found


def choose(signatures: Sequence[Signature], arguments: Sequence[Value]) -> Signature | None:
    """Return the overload that takes the arguments with the fewest coercions."""
    fitting = [signature for signature in signatures if signature.accepts(arguments)]
    return min(fitting, key=lambda signature: signature.distance(arguments)) if fitting else None
