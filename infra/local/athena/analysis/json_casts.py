"""Casts to and from JSON.

Source: "Cast to JSON" and "Cast from JSON" in "JSON functions and operators" (Trino documentation), JsonUtil of Trino.
"""

import math
import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any

from infra.local.athena.analysis import types
from infra.local.athena.analysis.types import Type
from infra.local.athena.analysis.values import MAYBE, Context, Value, unsupported
from infra.local.athena.errors import Fault
from infra.local.athena.rowwise import json_texts, numbers, years

_SCALARS = {"boolean", *types.INTEGERS, "real", "double", "decimal", "varchar", "date", "timestamp"}
_FROM_SCALARS = {"boolean", *types.INTEGERS, "real", "double", "varchar"}
_RANGES = {"tinyint": 8, "smallint": 16, "integer": 32, "bigint": 64}


def to_json(context: Context, value: Value) -> Value | None:
    """Return a value as JSON; None if Trino has no such cast."""
    if not _is_encodable(value.type):
        return None
    return Value(context.call(_encoder(value.type, value.type.duckdb), [value], types.VARCHAR), types.JSON)


def from_json(context: Context, value: Value, target: Type, is_try: bool) -> Value | None:
    """Return JSON as a value; None if Trino has no such cast."""
    if not _is_decodable(target):
        return None
    argument = Value(value.sql, types.VARCHAR)
    return Value(context.call(_decoder(target, target.duckdb, is_try), [argument], target, MAYBE), target)


def _is_encodable(kind: Type) -> bool:
    if kind.name == "map":
        key = kind.of[0]
        return (key.is_text or key.is_integer or key.name == "boolean") and _is_encodable(kind.of[1])
    if kind.name == "row" and len(set(kind.fields)) != len(kind.fields):
        raise unsupported("does not cast rows with unnamed or duplicate fields to JSON")
    if kind.of:
        return all(map(_is_encodable, kind.of))
    return kind.name in _SCALARS or kind.name == "json"


def _is_decodable(kind: Type) -> bool:
    if kind.name == "map":
        return kind.of[0].is_text and _is_decodable(kind.of[1])
    if kind.name == "decimal":
        raise unsupported("does not support cast of JSON to decimal")
    return kind.name in _FROM_SCALARS or kind.name == "json" or (bool(kind.of) and all(map(_is_decodable, kind.of)))


@lru_cache(maxsize=256)
def _encoder(kind: Type, storage: str) -> Callable[[Any], str]:  # noqa: ARG001 - the storage tells equal types apart
    def cast_to_json(value: Any) -> str:
        return _encode(value, kind)

    return cast_to_json


def _encode(value: Any, kind: Type) -> str:
    if value is None:
        return "null"
    if kind.name == "array":
        return "[" + ",".join(_encode(item, kind.of[0]) for item in value) + "]"
    if kind.name == "map":
        pairs = sorted((_key(key), _encode(item, kind.of[1])) for key, item in value.items())
        return "{" + ",".join(f"{json_texts.quote(key)}:{item}" for key, item in pairs) + "}"
    if kind.name == "row":
        named = zip(kind.fields, kind.duck_names, kind.of, strict=True)
        return "{" + ",".join(f"{json_texts.quote(n or '')}:{_encode(value[d], t)}" for n, d, t in named) + "}"
    return _encode_scalar(value, kind)


def _key(key: Any) -> str:
    return ("true" if key else "false") if isinstance(key, bool) else str(key)


def _encode_scalar(value: Any, kind: Type) -> str:
    if kind.name == "json":
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        shown = numbers.java_double(numbers.shortest_float(value) if kind.name == "real" else value)
        return shown if math.isfinite(value) else f'"{shown}"'
    if kind.name == "timestamp":
        return f'"{years.timestamp_text(value, kind.size[0])}"'
    if kind.name == "date":
        return f'"{years.date_text(value, plus="")}"'
    if isinstance(value, int | Decimal):
        return format(value, "f") if isinstance(value, Decimal) else str(value)
    return json_texts.quote(str(value))


@lru_cache(maxsize=256)
def _decoder(kind: Type, storage: str, is_try: bool) -> Callable[[str], Any]:  # noqa: ARG001
    def cast_from_json(text: str) -> Any:
        try:
            return _decode(json_texts.read(text), kind)
        except (ValueError, TypeError, KeyError) as error:
            if is_try:
                return None
            raise Fault("INVALID_CAST_ARGUMENT", f"Cannot cast to {kind}. {text}") from error

    return cast_from_json


def _decode(value: Any, kind: Type) -> Any:
    if kind.name == "json":
        return json_texts.write(value, is_sorted=True)
    if value is None:
        return None
    if kind.name == "array":
        return [_decode(item, kind.of[0]) for item in _require(value, list)]
    if kind.name == "map":
        return {key: _decode(item, kind.of[1]) for key, item in _require(value, dict).items()}
    if kind.name == "row":
        return _decode_row(value, kind)
    if isinstance(value, dict | list):
        raise TypeError("a scalar is expected")
    return _decode_scalar(value, kind)


def _require(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"a {kind.__name__} is expected")
    return value


def _decode_row(value: Any, kind: Type) -> dict[str, Any]:
    if isinstance(value, list):
        if len(value) != len(kind.of):
            raise TypeError("a row has a different number of fields")
        items = value
    else:
        by_name = {key.lower(): item for key, item in _require(value, dict).items()}
        items = [by_name.get((name or "").lower()) for name in kind.fields]
    return {duck: _decode(item, t) for duck, t, item in zip(kind.duck_names, kind.of, items, strict=True)}


def _decode_scalar(value: Any, kind: Type) -> Any:
    if kind.is_text:
        shown = _decode_text(value)
        return shown[: kind.size[0]] if kind.size else shown
    if kind.name == "boolean":
        return _decode_boolean(value)
    if isinstance(value, bool):
        return int(value) if kind.is_integer else float(value)
    return float(value) if kind.is_floating else _decode_integer(value, kind)


def _decode_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, json_texts.Number) and not re.fullmatch(r"-?\d+", value):
        return numbers.text_of_double(float(value))
    return str(value)


def _decode_boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, json_texts.Number):
        return float(value) != 0
    return {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}[value.lower()]


def _decode_integer(value: str, kind: Type) -> int:
    if re.fullmatch(r"[+-]?\d+", value):
        number = int(value)
    elif isinstance(value, json_texts.Number):
        number = math.floor(abs(float(value)) + 0.5) * (-1 if float(value) < 0 else 1)
    else:
        raise ValueError("it is not an integer")
    bound = 2 ** (_RANGES[kind.name] - 1)
    if not -bound <= number < bound:
        raise ValueError("it is out of range")
    return number
