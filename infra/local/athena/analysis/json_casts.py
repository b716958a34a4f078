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
from infra.local.athena.rowwise.json_texts import Members, Number

_SCALARS = {"unknown", "boolean", *types.INTEGERS, "real", "double", "decimal", "varchar", "date", "timestamp"}
_FROM_SCALARS = {"boolean", *types.INTEGERS, "real", "double", "varchar"}
_KEYS = {"unknown", "boolean", *types.INTEGERS, "real", "double", "decimal", "varchar"}
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
    # Trino casts the text that json_parse gets to an array, a map or a row without parsing it before.
    raw = context.argument_of(json_texts.parse, value.sql) if target.of and not is_try else None
    argument = Value(raw or value.sql, types.VARCHAR)
    return Value(context.call(_decoder(target, target.duckdb, is_try), [argument], target, MAYBE), target)


def _is_encodable(kind: Type) -> bool:
    if kind.name == "map":
        return kind.of[0].name in _KEYS and _is_encodable(kind.of[1])
    if kind.name == "row" and len(set(kind.fields)) != len(kind.fields):
        raise unsupported("does not cast rows with unnamed or duplicate fields to JSON")
    if kind.of:
        return all(map(_is_encodable, kind.of))
    return kind.name in _SCALARS or kind.name == "json"


def _is_decodable(kind: Type) -> bool:
    if kind.name == "map":
        if kind.of[0].is_floating:
            raise unsupported(f"does not support cast of JSON to maps with keys of the type {kind.of[0]}")
        return _is_decodable(kind.of[0]) and kind.of[0].name in _KEYS and _is_decodable(kind.of[1])
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
        members = {_key(key, kind.of[0]): _encode(item, kind.of[1]) for key, item in value.items()}
        names = sorted(members, key=json_texts.java_order)
        return "{" + ",".join(f"{json_texts.quote(name)}:{members[name]}" for name in names) + "}"
    if kind.name == "row":
        named = zip(kind.fields, kind.duck_names, kind.of, strict=True)
        return "{" + ",".join(f"{json_texts.quote(n or '')}:{_encode(value[d], t)}" for n, d, t in named) + "}"
    return _encode_scalar(value, kind)


def _key(key: Any, kind: Type) -> str:
    if isinstance(key, Decimal):
        return format(key, "f")
    return str(key) if kind.is_text else _encode_scalar(key, kind).strip('"')


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
        return str(value)
    return json_texts.quote(str(value))


@lru_cache(maxsize=256)
def _decoder(kind: Type, storage: str, is_try: bool) -> Callable[[str], Any]:  # noqa: ARG001
    def cast_from_json(text: str) -> Any:
        try:
            return _decode(json_texts.read(text), kind)
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            if is_try:
                return None
            is_range = isinstance(error, OverflowError) and not kind.of and kind != types.BIGINT
            code = "NUMERIC_VALUE_OUT_OF_RANGE" if is_range else "INVALID_CAST_ARGUMENT"
            raise Fault(code, f"Cannot cast to {kind}. {text}") from error

    return cast_from_json


def _decode(value: Any, kind: Type) -> Any:
    if kind.name == "json":
        return json_texts.write(json_texts.unique(value), is_sorted=False)
    if value is None:
        return None
    if kind.name == "array":
        return [_decode(item, kind.of[0]) for item in _require(value, list)]
    if kind.name == "map":
        pairs = [(_decode_scalar(key, kind.of[0]), _decode(item, kind.of[1])) for key, item in _require(value, Members)]
        return _require_unique(pairs)
    if kind.name == "row":
        return _decode_row(value, kind)
    if isinstance(value, Members | list):
        raise TypeError("a scalar is expected")
    return _decode_scalar(value, kind)


def _require(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"a {kind.__name__} is expected")
    return value


def _require_unique(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise TypeError("a key is there twice")
    return found


def _decode_row(value: Any, kind: Type) -> dict[str, Any]:
    if isinstance(value, list):
        if len(value) != len(kind.of):
            raise TypeError("a row has a different number of fields")
        items = value
    else:
        if kind.fields[0] is None:
            raise TypeError("a row without names needs an array")
        members = [(key.lower(), item) for key, item in _require(value, Members)]
        names = {(name or "").lower() for name in kind.fields}
        by_name = _require_unique([(key, item) for key, item in members if key in names])
        items = [by_name.get((name or "").lower()) for name in kind.fields]
    return {duck: _decode(item, t) for duck, t, item in zip(kind.duck_names, kind.of, items, strict=True)}


def _decode_scalar(value: Any, kind: Type) -> Any:
    if kind.is_text:
        shown = _decode_text(value)
        if kind.size and len(shown) > kind.size[0]:
            raise ValueError("the text is too long")
        return shown
    if kind.name == "boolean":
        return _decode_boolean(value)
    if isinstance(value, bool):
        return int(value) if kind.is_integer else float(value)
    return numbers.double_of_text(value) if kind.is_floating else _decode_integer(value, kind)


def _decode_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number) and not value.is_integer:
        return numbers.text_of_double(float(value))
    return str(value)


def _decode_boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, Number):
        if value.is_integer and not -(2**63) <= int(value) < 2**63:
            raise ValueError("it is out of range")
        return float(value) != 0
    return {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}[value.lower()]


def _decode_integer(value: str, kind: Type) -> int:
    bound = 2 ** (_RANGES[kind.name] - 1)
    if isinstance(value, Number) and not value.is_integer:
        number = math.floor(abs(float(value)) + 0.5) * (-1 if float(value) < 0 else 1)
        if not -bound <= number < bound:
            raise OverflowError("it is out of range")
        return number
    if not re.fullmatch(r"[+-]?\d+", value):
        raise ValueError("it is not an integer")
    if not -bound <= int(value) < bound:
        raise ValueError("it is out of range")
    return int(value)
