"""Checksums as S3 computes and writes them: of bytes as they come, joined from parts, and of parts (composite).

S3 writes a checksum as base64 of its big-endian bytes. The algorithms' names are S3's own; one that is not here
cannot be computed, and whoever needs it has to read both objects instead. A composite value is the algorithm
applied to the parts' raw values one after another, with `-` and their number at its end; a full-object CRC can be
computed of its parts' CRCs and sizes, without a byte of the object.
Source: "Checking object integrity" (Amazon S3 User Guide), full object and composite checksum types.

Pure: computing twice is harmless, and nothing is raised. The CRCs that Python lacks come from awscrt, imported at their
first use: it takes 60 ms, and most objects need no more than a comparison.
"""

import hashlib
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from typing import Any, Protocol

CRC_BYTES = {"CRC32": 4, "CRC32C": 4, "CRC64NVME": 8}
"""The CRCs, and how long their values are."""


class Hash(Protocol):
    """What is common to all: hashlib's interface."""

    def update(self, piece: bytes, /) -> None:
        """Take in the next bytes."""

    def digest(self) -> bytes:
        """The checksum of all bytes so far."""


class Crc:
    """A CRC with hashlib's interface, which can go on from the value of the bytes before."""

    def __init__(self, algorithm: str, value: bytes = b"") -> None:
        self._compute = _computation(algorithm)
        self._bytes = CRC_BYTES[algorithm]
        self._value = int.from_bytes(value, "big")

    def update(self, piece: bytes, /) -> None:
        """Take in the next bytes."""
        self._value = self._compute(piece, self._value)

    def digest(self) -> bytes:
        """The checksum of all bytes so far."""
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
    """The checksum of bytes that are at hand."""
    hasher = HASHERS[algorithm]()
    hasher.update(content)
    return hasher.digest()


def joined(algorithm: str, first: bytes, second: bytes, second_size_bytes: int) -> bytes:
    """The CRC of two pieces one after the other, of their CRCs and the second one's size."""
    value = _combination(algorithm)(int.from_bytes(first, "big"), int.from_bytes(second, "big"), second_size_bytes)
    return value.to_bytes(CRC_BYTES[algorithm], "big")


def folded(algorithm: str, parts: Iterable[tuple[bytes, int]]) -> bytes:
    """The CRC of the whole, of every part's CRC and size in their order."""
    whole = bytes(CRC_BYTES[algorithm])
    for value, size_bytes in parts:
        whole = joined(algorithm, whole, value, size_bytes)
    return whole


def composite(algorithm: str, parts: Iterable[bytes]) -> str:
    """The composite value that S3 stores for parts of these checksums."""
    values = list(parts)
    return f"{to_text(digest_of(algorithm, b''.join(values)))}-{len(values)}"


def to_text(value: bytes) -> str:
    """A checksum as S3 writes it."""
    return b64encode(value).decode("ascii")


def from_text(value: str) -> bytes:
    """A checksum that S3 wrote."""
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
    from awscrt import checksums

    return checksums
