"""The proof that two objects hold the same bytes, and by which grade.

From the cheapest to the dearest: what S3 stores (`checksum`, `md5`), the target read back and compared with
what is stored with the source (`readback`), both read (`bytes`). Equal sizes prove nothing, different ones
disprove. Reading goes in pieces: memory stays the same for every size. Proving twice is harmless.

Raises ObjectChanged (an object was replaced while it was read), AccessDenied,
Throttled.
"""

import base64
import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from functions.common.models import GRADES, Grade, StoredObject
from functions.common.objects import opened

PIECE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Proof:
    """Whether the bytes are equal, by which grade that was found, and what was compared."""

    equal: bool
    grade: Grade
    detail: str


class Crc32:
    """CRC-32 with hashlib's interface, as S3 writes it: four bytes, big-endian."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, piece: bytes) -> None:
        """Take in the next bytes."""
        self._value = zlib.crc32(piece, self._value)

    def digest(self) -> bytes:
        """The checksum of all bytes so far."""
        return self._value.to_bytes(4, "big")


Hasher = Callable[[], "Crc32 | hashlib._Hash"]
HASHERS: dict[str, Hasher] = {
    "CRC32": Crc32,
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
    "MD5": lambda: hashlib.md5(usedforsecurity=False),
}
"""S3's algorithms that Python computes by itself; for any other one both objects are read."""


def prove(source: StoredObject, target: StoredObject, minimum: Grade | Literal["any"] = "any") -> Proof:
    """Compare by the cheapest way that reaches the grade asked for."""
    if source.size_bytes != target.size_bytes:
        detail = f"{source.size_bytes} bytes at the source, {target.size_bytes} at the target"
        return Proof(equal=False, grade="checksum", detail=detail)
    stored = _compare_stored(source, target)
    if stored and (not stored.equal or reaches(stored.grade, minimum)):
        return stored
    known = _full_object_hash(source)
    if known and reaches("readback", minimum):
        return _read_back(known, target)
    return _compare_bytes(source, target)


def reaches(grade: Grade, minimum: Grade | Literal["any"]) -> bool:
    """Whether a grade is at least as strong as the one asked for."""
    return minimum == "any" or GRADES.index(grade) >= GRADES.index(minimum)


def _compare_stored(source: StoredObject, target: StoredObject) -> Proof | None:
    if (
        source.checksum_type == target.checksum_type == "FULL_OBJECT"
        and source.checksum_algorithm == target.checksum_algorithm
    ):
        return _proof("checksum", f"stored {source.checksum_algorithm}", source.checksum_value, target.checksum_value)
    if source.etag_is_md5 and target.etag_is_md5:
        return _proof("md5", "stored MD5 (ETag)", source.etag, target.etag)
    return None


def _full_object_hash(source: StoredObject) -> tuple[str, bytes] | None:
    """The algorithm and value of a hash of the source's bytes that S3 stores and we can compute."""
    if source.checksum_type == "FULL_OBJECT" and source.checksum_algorithm in HASHERS:
        return source.checksum_algorithm, base64.b64decode(source.checksum_value or "")
    if source.etag_is_md5:
        return "MD5", bytes.fromhex(source.etag)
    return None


def _read_back(known: tuple[str, bytes], target: StoredObject) -> Proof:
    algorithm, expected = known
    return _proof("readback", f"{algorithm} of the target read back", expected, _digest(target, algorithm))


def _compare_bytes(source: StoredObject, target: StoredObject) -> Proof:
    return _proof("bytes", "SHA-256 of both, read", _digest(source, "SHA256"), _digest(target, "SHA256"))


def _proof(grade: Grade, what: str, source: bytes | str | None, target: bytes | str | None) -> Proof:
    equal = source == target
    return Proof(equal, grade, f"{what} {'equal' if equal else f'differs: {_text(source)}, {_text(target)}'}")


def _text(value: bytes | str | None) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _digest(obj: StoredObject, algorithm: str) -> bytes:
    hasher = HASHERS[algorithm]()
    with opened(obj) as body:
        for piece in body.iter_chunks(PIECE_BYTES):
            hasher.update(piece)
    return hasher.digest()
