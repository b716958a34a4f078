"""Compute checksums of objects with every algorithm of S3.

- MiniStack computes CRC64NVME and CRC32C byte by byte in Python: a gigabyte takes minutes. Here a library does it.
- An object without a checksum gets CRC64NVME; MiniStack stores none (AWS: "Checking object integrity", S3 User
  Guide). PutObject returns the stored checksum ("PutObject", S3 API reference).

A full-object CRC is combined from the parts' values, without reading their bytes again; a composite checksum is the
digest of the parts' digests, with their number (the same page).
"""

import base64
import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from awscrt import checksums as crt
from ministack.services import s3

from infra.local.patching import require_attributes, wrap
from infra.local.s3.models import Headers, Response

DEFAULT = "CRC64NVME"
COMPOSITE = "COMPOSITE"
FULL_OBJECT = "FULL_OBJECT"

_CRCS: dict[str, tuple[int, Callable[[Any], int], Callable[[int, int, int], int]]] = {
    "CRC32": (4, crt.crc32, crt.combine_crc32),
    "CRC32C": (4, crt.crc32c, crt.combine_crc32c),
    "CRC64NVME": (8, crt.crc64nvme, crt.combine_crc64nvme),
}
"""By name: size of a value in bytes, the function, and the one that combines the values of two parts."""

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
    """Apply the patches. Idempotent."""
    require_attributes(s3, "_S3_CHECKSUM_HEADERS")
    s3._S3_CHECKSUM_HEADERS = tuple(name.lower() for name in (*_CRCS, *_DIGESTS))
    wrap(s3, "_compute_s3_checksum", _compute_with_library)
    wrap(s3, "_build_object_record", _add_default_checksum)
    wrap(s3, "_put_object", _return_checksum)


def compute(algorithm: str, body: bytes | memoryview) -> str | None:
    """Compute a checksum as S3 writes it; None for an unknown algorithm."""
    name = (algorithm or "").upper().replace("_", "")
    if name in _CRCS:
        size, crc, _ = _CRCS[name]
        return _encoded(crc(body).to_bytes(size, "big"))
    return _encoded(_DIGESTS[name](body)) if name in _DIGESTS else None


def type_of(algorithm: str) -> str:
    """Return the checksum type of a multipart upload that requests none."""
    return FULL_OBJECT if algorithm == DEFAULT else COMPOSITE


def is_supported(algorithm: str, checksum_type: str) -> bool:
    """Return whether a multipart upload may combine this algorithm and checksum type."""
    return algorithm in _CRCS if checksum_type == FULL_OBJECT else algorithm != DEFAULT


def of_parts(algorithm: str, checksum_type: str, parts: Iterable[tuple[str, int]]) -> str:
    """Compute the checksum of a multipart object from its parts' values and sizes."""
    decoded = [(base64.b64decode(value), size) for value, size in parts]
    if checksum_type == COMPOSITE:
        return f"{compute(algorithm, b''.join(value for value, _ in decoded))}-{len(decoded)}"
    length, _, combine = _CRCS[algorithm]
    combined = 0
    for value, size in decoded:
        combined = combine(combined, int.from_bytes(value, "big"), size)
    return _encoded(combined.to_bytes(length, "big"))


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _compute_with_library(_: Any) -> Any:
    def patched(algorithm: str, body: bytes) -> str | None:
        return compute(algorithm, body)

    return patched


def _add_default_checksum(build_object_record: Any) -> Any:
    def patched(body: bytes, headers: Headers, etag: str | None = None, checksums: Any = None) -> dict[str, Any]:
        record: dict[str, Any] = build_object_record(
            body, headers, etag, checksums or {DEFAULT: compute(DEFAULT, body)}
        )
        return record

    return patched


def _return_checksum(put_object: Callable[..., Response]) -> Any:
    def patched(bucket: str, key: str, body: bytes, headers: Headers) -> Response:
        status, response_headers, document = put_object(bucket, key, body, headers)
        if status != 200:
            return status, response_headers, document
        values = s3._buckets[bucket]["objects"][key]["checksums"]
        checksum_headers = {f"x-amz-checksum-{name.lower()}": value for name, value in values.items()}
        return status, {**response_headers, **checksum_headers, "x-amz-checksum-type": FULL_OBJECT}, document

    return patched
