"""Reads the parts that an object was uploaded in, and computes the full-object checksum from theirs.

S3 lists the parts of an object that has a checksum (GetObjectAttributes, ObjectParts: in pages, their checksums
without `-N`); if it omits the list, a HEAD of each part number returns the same. Parts are used only if they add up:
their sizes to the object's, their checksums to its stored composite value.
Sources: GetObjectAttributes and HeadObject (Amazon S3 API reference), "Checking object integrity" (User Guide).

Idempotent: it only reads.

Raises ObjectChanged if the object no longer exists, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from functions.contract.models import StoredObject
from functions.objects.checksums import CRC_BYTES, HASHERS, composite, folded, from_text, to_text
from functions.objects.head import ObjectChanged, changed_or_rejected, version_argument
from functions.runtime import clients

PAGE_PARTS = 1000
"""The most that one response lists."""

HEADS_AT_ONCE = 8


@dataclass(frozen=True)
class SourcePart:
    """One part: its number, its size and, if known, its checksum in the object's algorithm (base64)."""

    number: int
    size_bytes: int
    checksum: str | None = None


def source_parts(obj: StoredObject) -> tuple[SourcePart, ...]:
    """Return the parts of the object: one if it was uploaded at once, none if S3's data do not add up.

    The parts have checksums only if these make up the composite value that S3 stores with the object.
    """
    _, separator, count = obj.etag.rpartition("-")
    if not separator and obj.checksum_type != "COMPOSITE":
        return (SourcePart(1, obj.size_bytes, obj.checksum_value),)
    parts = tuple(_listed(obj))
    if not _adds_up(obj, parts) and count.isdecimal():
        parts = _from_heads(obj, int(count))
    if not _adds_up(obj, parts):
        return ()
    return parts if _match_composite(obj, parts) else tuple(replace(part, checksum=None) for part in parts)


def expected_full_object(obj: StoredObject) -> tuple[str, str] | None:
    """Return the algorithm and base64 value of the whole object's CRC: as stored, or combined from its parts' CRCs."""
    algorithm, value = obj.checksum_algorithm, obj.checksum_value
    if algorithm not in CRC_BYTES or value is None:
        return None
    if obj.checksum_type == "FULL_OBJECT":
        return algorithm, value
    parts = [(from_text(part.checksum), part.size_bytes) for part in source_parts(obj) if part.checksum]
    return (algorithm, to_text(folded(algorithm, parts))) if parts else None


def _listed(obj: StoredObject) -> Iterator[SourcePart]:
    """Yield the parts as GetObjectAttributes lists them; none if it omits the list."""
    marker: dict[str, Any] = {}
    while True:
        with changed_or_rejected("reading the parts of", obj):
            response: Any = clients.s3(obj.region).get_object_attributes(
                Bucket=obj.bucket,
                Key=obj.key,
                ObjectAttributes=["ETag", "ObjectParts"],
                MaxParts=PAGE_PARTS,
                **version_argument(obj.version_id),
                **marker,
            )
        # GetObjectAttributes has no IfMatch; its ETag has no quotes.
        if response["ETag"].strip('"') != obj.etag:
            raise ObjectChanged(obj)
        page = response.get("ObjectParts", {})
        for part in page.get("Parts", []):
            yield SourcePart(part["PartNumber"], part["Size"], part.get(f"Checksum{obj.checksum_algorithm}"))
        if not page.get("IsTruncated") or not page.get("NextPartNumberMarker"):
            return
        marker = {"PartNumberMarker": page["NextPartNumberMarker"]}


def _from_heads(obj: StoredObject, count: int) -> tuple[SourcePart, ...]:
    """Read each part with a HEAD."""
    client = clients.s3(obj.region)

    def read(number: int) -> SourcePart:
        with changed_or_rejected("reading the parts of", obj):
            response: Any = client.head_object(
                Bucket=obj.bucket,
                Key=obj.key,
                IfMatch=obj.etag,
                PartNumber=number,
                ChecksumMode="ENABLED",
                **version_argument(obj.version_id),
            )
        return SourcePart(number, response["ContentLength"], response.get(f"Checksum{obj.checksum_algorithm}"))

    with ThreadPoolExecutor(HEADS_AT_ONCE) as pool:
        return tuple(pool.map(read, range(1, count + 1)))


def _adds_up(obj: StoredObject, parts: tuple[SourcePart, ...]) -> bool:
    return bool(parts) and sum(part.size_bytes for part in parts) == obj.size_bytes


def _match_composite(obj: StoredObject, parts: tuple[SourcePart, ...]) -> bool:
    checksums = [part.checksum for part in parts if part.checksum and "-" not in part.checksum]
    if obj.checksum_algorithm not in HASHERS or len(checksums) != len(parts):
        return False
    return composite(obj.checksum_algorithm, map(from_text, checksums)) == obj.checksum_value
