"""Binaries and hashes.

Sources: VarbinaryFunctions of Trino, SliceUtf8 of airlift; "Binary functions" (Trino documentation).
"""

import base64
import binascii
import hashlib
import zlib

from infra.local.athena.errors import Fault
from infra.local.athena.rowwise.texts import INVALID_ARGUMENT

_LEADS = {2: (0xE0, 0xC0), 3: (0xF0, 0xE0), 4: (0xF8, 0xF0), 5: (0xFC, 0xF8), 6: (0xFE, 0xFC)}


def from_utf8(data: bytes) -> str:
    """Decode UTF-8; what is invalid becomes U+FFFD."""
    return _decoded(data, "\ufffd")


def from_utf8_replacing(data: bytes, replacement: str) -> str:
    """Decode UTF-8; what is invalid becomes the replacement."""
    if len(replacement) > 1:
        raise Fault(INVALID_ARGUMENT, "Replacement character string must empty or a single character")
    return _decoded(data, replacement)


def from_utf8_replacing_by_code(data: bytes, code: int) -> str:
    """Decode UTF-8; what is invalid becomes the replacement, a code point."""
    if not 0 <= code < 0x110000 or 0xD800 <= code < 0xE000:
        raise Fault(INVALID_ARGUMENT, f"Invalid replacement character {code}")
    return _decoded(data, chr(code))


def _decoded(data: bytes, replacement: str) -> str:
    parts: list[str] = []
    while data:
        try:
            return "".join([*parts, data.decode()])
        except UnicodeDecodeError as error:
            parts += [data[: error.start].decode(), replacement]
            data = data[error.start + _invalid_length(data[error.start : error.start + 6]) :]
    return "".join(parts)


def _invalid_length(data: bytes) -> int:
    """Return how many bytes one replacement stands for: those that the first byte announces and that continue it."""
    first = data[0]
    announced = next((n for n, (mask, lead) in _LEADS.items() if first & mask == lead), 1)
    found = 1
    while found < announced and found < len(data) and data[found] & 0xC0 == 0x80:
        found += 1
    return found


def from_hex(text: str) -> bytes:
    """Decode hexadecimal digits."""
    if len(text) % 2:
        raise Fault(INVALID_ARGUMENT, "hex string must have even length")
    try:
        return binascii.unhexlify(text)
    except (binascii.Error, ValueError) as error:
        raise Fault(INVALID_ARGUMENT, f"invalid hex string: {text}") from error


def from_base64(text: str) -> bytes:
    """Decode Base64, whose padding is complete or missing."""
    if "=" in text and len(text) % 4:
        raise Fault(INVALID_ARGUMENT, f"Illegal base64: {text}")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Fault(INVALID_ARGUMENT, f"Illegal base64: {text}") from error


def md5(data: bytes) -> bytes:
    """Return the MD5 hash."""
    return hashlib.md5(data, usedforsecurity=False).digest()


def sha1(data: bytes) -> bytes:
    """Return the SHA-1 hash."""
    return hashlib.sha1(data, usedforsecurity=False).digest()


def sha256(data: bytes) -> bytes:
    """Return the SHA-256 hash."""
    return hashlib.sha256(data).digest()


def sha512(data: bytes) -> bytes:
    """Return the SHA-512 hash."""
    return hashlib.sha512(data).digest()


def crc32(data: bytes) -> int:
    """Return the CRC-32 checksum."""
    return zlib.crc32(data)
