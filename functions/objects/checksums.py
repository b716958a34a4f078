"""Computes checksums as S3 does: of a stream of bytes, combined from parts, and of parts (composite).

S3 writes a checksum as base64 of its big-endian bytes. The algorithms' names are S3's own; one that is not here
cannot be computed, so both objects have to be read instead. A composite value is the algorithm applied to the
concatenated raw values of the parts, followed by `-` and their number; a full-object CRC can be computed from the CRCs
and sizes of its parts, without reading the object.
Source: "Checking object integrity" (Amazon S3 User Guide), full object and composite checksum types.

Pure. The CRCs that Python lacks come from awscrt, imported on first use: that takes 60 ms, and most objects need only a
comparison.
"""

import hashlib
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from typing import Any, Protocol

CRC_BYTES = {"CRC32": 4, "CRC32C": 4, "CRC64NVME": 8}
"""The CRCs, and the length of their values."""


class Hash(Protocol):
    """hashlib's interface, common to all."""

    def update(self, piece: bytes, /) -> None:
        """Add the next bytes."""

    def digest(self) -> bytes:
        """Return the checksum of all bytes so far."""


class Crc:
    """A CRC with hashlib's interface, which can continue from the value of the preceding bytes."""

    def __init__(self, algorithm: str, value: bytes = b"") -> None:
        self._compute = _computation(algorithm)
        self._bytes = CRC_BYTES[algorithm]
        self._value = int.from_bytes(value, "big")

    def update(self, piece: bytes, /) -> None:
        """Add the next bytes."""
        self._value = self._compute(piece, self._value)

    def digest(self) -> bytes:
        """Return the checksum of all bytes so far."""
        return self._value.to_bytes(self._bytes, "big")


HASHERS: dict[str, Callable[[], Hash]] = {
    "CRC32": lambda: Crc("CRC32"),
    "CRC32C": lambda: Crc("CRC32C"),
    "CRC64NVME": lambda: Crc("CRC64NVME"),
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
    "MD5": lambda: hashlib.md5(usedforsecurity=False),
}
"""By S3's names."""


def digest_of(algorithm: str, content: bytes) -> bytes:
    """Return the checksum of these bytes."""
    hasher = HASHERS[algorithm]()
    hasher.update(content)
    return hasher.digest()


def joined(algorithm: str, first: bytes, second: bytes, second_size_bytes: int) -> bytes:
    """Return the CRC of two adjacent pieces, from their CRCs and the second one's size."""
    value = _combination(algorithm)(int.from_bytes(first, "big"), int.from_bytes(second, "big"), second_size_bytes)
    return value.to_bytes(CRC_BYTES[algorithm], "big")


def folded(algorithm: str, parts: Iterable[tuple[bytes, int]]) -> bytes:
    """Return the CRC of the whole, from every part's CRC and size in order."""
    whole = bytes(CRC_BYTES[algorithm])
    for value, size_bytes in parts:
        whole = joined(algorithm, whole, value, size_bytes)
    return whole


def composite(algorithm: str, parts: Iterable[bytes]) -> str:
    """Return the composite value that S3 stores for parts with these checksums."""
    values = list(parts)
    return f"{to_text(digest_of(algorithm, b''.join(values)))}-{len(values)}"


def to_text(value: bytes) -> str:
    """Encode a checksum as S3 does."""
    return b64encode(value).decode("ascii")


def from_text(value: str) -> bytes:
    """Decode a checksum from S3."""
    return b64decode(value)


def _computation(algorithm: str) -> Callable[[bytes, int], int]:
    if algorithm == "CRC32":
        return zlib.crc32
    functions = _awscrt()
    found: Callable[[bytes, int], int] = functions.crc32c if algorithm == "CRC32C" else functions.crc64nvme
    return found


def _combination(algorithm: str) -> Callable[[int, int, int], int]:
    functions = _awscrt()
    found: Callable[[int, int, int], int] = {
        "CRC32": functions.combine_crc32,
        "CRC32C": functions.combine_crc32c,
        "CRC64NVME": functions.combine_crc64nvme,
    }[algorithm]
    return found


def _awscrt() -> Any:
    from awscrt import checksums  # noqa: PLC0415 - 60 ms that most objects do not need

    return checksums
