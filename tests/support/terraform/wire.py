"""What Terraform and its providers speak: Protocol Buffers around MessagePack, as far as a small provider needs it.

After "Encoding" (Protocol Buffers Documentation), the MessagePack specification, and Terraform's "Wire Format for
Terraform Objects and Associated Values". Nothing is kept, so calling anything twice gives the same.
"""

import json
from dataclasses import dataclass
from typing import Any

import msgpack

Type = Any
"""A type of Terraform's as it travels: "string", ["list", "string"], ["object", {...}] …"""


@dataclass(frozen=True)
class Unknown:
    """A value that is decided when the change is made."""


UNKNOWN = Unknown()


def field(number: int, value: bytes | str | int | bool) -> bytes:
    """Write one field of a message; messages within messages are bytes."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(int(value)) if value else b""
    content = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def fields(message: bytes) -> dict[int, bytes]:
    """Read a message's fields of bytes; of repeated ones the last."""
    found, position = {}, 0
    while position < len(message):
        key, position = _read_varint(message, position)
        if key & 7 == 2:
            length, position = _read_varint(message, position)
            found[key >> 3] = message[position : position + length]
            position += length
        else:
            _, position = _read_varint(message, position)
    return found


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        value, shift, position = value | (byte & 0x7F) << shift, shift + 7, position + 1
        if byte < 0x80:
            return value, position


def pack(value: Any) -> bytes:
    """Write MessagePack."""
    packed: bytes = msgpack.packb(value, default=lambda _unknown: msgpack.ExtType(0, b"\0"))
    return packed


def unpack(content: bytes) -> Any:
    """Read MessagePack."""
    return msgpack.unpackb(content, ext_hook=lambda _code, _data: UNKNOWN)


def plain(value: Any, kind: Type = "dynamic") -> Any:
    """Take the types off a value: what JSON would show."""
    if value is None or isinstance(value, Unknown):
        return value
    if kind == "dynamic":
        return plain(value[1], json.loads(value[0]))
    if isinstance(kind, str):
        return float(value) if kind == "number" and isinstance(value, str) else value
    name, of = kind[0], kind[1]
    if name == "object":
        return {key: plain(item, of[key]) for key, item in value.items()}
    if name == "tuple":
        return [plain(item, inner) for item, inner in zip(value, of, strict=True)]
    if name == "map":
        return {key: plain(item, of) for key, item in value.items()}
    return [plain(item, of) for item in value]


def typed(value: Any) -> Any:
    """Put the type on a value of a kind that is decided as it runs."""
    return value if value is None or isinstance(value, Unknown) else [json.dumps(_type(value)).encode(), value]


def _type(value: Any) -> Type:
    match value:
        case None | Unknown():
            return "dynamic"
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return ["tuple", [_type(item) for item in value]]
    return ["object", {key: _type(item) for key, item in value.items()}]
