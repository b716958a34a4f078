"""Checksums of objects: real ones, and of every algorithm that S3 knows.

- MiniStack computes CRC64NVME and CRC32C a byte at a time in Python: a gigabyte takes minutes. Here a library does.
- An object that is sent without a checksum gets CRC64NVME; MiniStack stores none (AWS: "Checking object
  integrity", S3 User Guide). PutObject answers with the checksum that is stored ("PutObject", S3 API reference).

A full-object value of CRCs is folded from the parts' values, so that no byte is read again; a composite value is
the digest of the parts' digests, with their number (the same page).
"""

import base64
import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from awscrt import checksums as crt
from ministack.services import s3

from infra.local.patching import rely_on, wrap
from infra.local.s3.requests import Answer, Headers

DEFAULT = "CRC64NVME"
COMPOSITE = "COMPOSITE"
FULL_OBJECT = "FULL_OBJECT"

_CRCS: dict[str, tuple[int, Callable[[Any], int], Callable[[int, int, int], int]]] = {
    "CRC32": (4, crt.crc32, crt.combine_crc32),
    "CRC32C": (4, crt.crc32c, crt.combine_crc32c),
    "CRC64NVME": (8, crt.crc64nvme, crt.combine_crc64nvme),
}
"""By name: the bytes of a value, the function, and the one that joins the values of two pieces."""

_DIGESTS: dict[str, Callable[[Any], bytes]] = {
    "SHA1": lambda body: hashlib.sha1(body, usedforsecurity=False).digest(),
    "SHA256": lambda body: hashlib.sha256(body).digest(),
    "SHA512": lambda body: hashlib.sha512(body).digest(),
    "MD5": lambda body: hashlib.md5(body, usedforsecurity=False).digest(),
    "XXHASH64": crt.XXHash.compute_xxhash64,
    "XXHASH3": crt.XXHash.compute_xxhash3_64,
    "XXHASH128": crt.XXHash.compute_xxhash3_128,
}


def install() -> None:
    """Put these in the place of MiniStack's."""
    rely_on(s3, "_S3_CHECKSUM_HEADERS")
    s3._S3_CHECKSUM_HEADERS = tuple(name.lower() for name in (*_CRCS, *_DIGESTS))
    wrap(s3, "_compute_s3_checksum", _computing)
    wrap(s3, "_build_object_record", _never_without)
    wrap(s3, "_put_object", _answering)


def compute(algorithm: str, body: bytes | memoryview) -> str | None:
    """The checksum of some bytes as S3 writes it; None for an algorithm that is unknown."""
    name = (algorithm or "").upper().replace("_", "")
    if name in _CRCS:
        size, crc, _ = _CRCS[name]
        return _encoded(crc(body).to_bytes(size, "big"))
    return _encoded(_DIGESTS[name](body)) if name in _DIGESTS else None


def type_of(algorithm: str) -> str:
    """The type of a multipart upload's checksum when none is asked for."""
    return FULL_OBJECT if algorithm == DEFAULT else COMPOSITE


def can_be(algorithm: str, checksum_type: str) -> bool:
    """Whether a multipart upload may have this type of checksum by this algorithm."""
    return algorithm in _CRCS if checksum_type == FULL_OBJECT else algorithm != DEFAULT


def of_parts(algorithm: str, checksum_type: str, parts: Iterable[tuple[str, int]]) -> str:
    """The checksum of a multipart object from its parts' values and sizes."""
    decoded = [(base64.b64decode(value), size) for value, size in parts]
    if checksum_type == COMPOSITE:
        return f"{compute(algorithm, b''.join(value for value, _ in decoded))}-{len(decoded)}"
    length, _, combine = _CRCS[algorithm]
    folded = 0
    for value, size in decoded:
        folded = combine(folded, int.from_bytes(value, "big"), size)
    return _encoded(folded.to_bytes(length, "big"))


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _computing(_: Any) -> Any:
    def computed(algorithm: str, body: bytes) -> str | None:
        return compute(algorithm, body)

    return computed


def _never_without(build_object_record: Any) -> Any:
    def built(body: bytes, headers: Headers, etag: str | None = None, checksums: Any = None) -> dict[str, Any]:
        record: dict[str, Any] = build_object_record(
            body, headers, etag, checksums or {DEFAULT: compute(DEFAULT, body)}
        )
        return record

    return built


def _answering(put_object: Callable[..., Answer]) -> Any:
    def put(bucket: str, key: str, body: bytes, headers: Headers) -> Answer:
        status, answered, document = put_object(bucket, key, body, headers)
        if status != 200:
            return status, answered, document
        values = s3._buckets[bucket]["objects"][key]["checksums"]
        told = {f"x-amz-checksum-{name.lower()}": value for name, value in values.items()}
        return status, {**answered, **told, "x-amz-checksum-type": FULL_OBJECT}, document

    return put
