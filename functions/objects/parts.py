"""The parts that an object was uploaded in, and the full-object checksum that follows from theirs.

S3 lists the parts of an object that has a checksum (GetObjectAttributes, ObjectParts: in pages, their checksums
without `-N`); where it leaves the list out, a HEAD of each part number tells the same. What is told is believed only
as far as it adds up: the sizes to the object's, the checksums to its stored composite value.
Sources: GetObjectAttributes and HeadObject (Amazon S3 API reference), "Checking object integrity" (User Guide).

It only reads, so running it twice is harmless.

Raises ObjectChanged when the object is not there any more, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from functions.contract.models import StoredObject
from functions.objects.checksums import CRC_BYTES, HASHERS, composite, folded, from_text, to_text
from functions.objects.head import ObjectChanged, changed_or_refused, version_argument
from functions.runtime import clients

PAGE_PARTS = 1000
"""The most that one answer lists."""

LOOKS_AT_ONCE = 8


@dataclass(frozen=True)
class SourcePart:
    """One part: its number, its size, and its checksum of the object's algorithm (base64), where it is known."""

    number: int
    size_bytes: int
    checksum: str | None = None


def source_parts(obj: StoredObject) -> tuple[SourcePart, ...]:
    """The parts of the object, one if it was uploaded at once; none where S3 does not tell them rightly.

    The parts have checksums only where these make up the composite value that is stored with the object.
    """
    _, separator, count = obj.etag.rpartition("-")
    if not separator and obj.checksum_type != "COMPOSITE":
        return (SourcePart(1, obj.size_bytes, obj.checksum_value),)
    parts = tuple(_listed(obj))
    if not _adds_up(obj, parts) and count.isdecimal():
        parts = _looked_at(obj, int(count))
    if not _adds_up(obj, parts):
        return ()
    return parts if _make_up_the_composite(obj, parts) else tuple(replace(part, checksum=None) for part in parts)


def expected_full_object(obj: StoredObject) -> tuple[str, str] | None:
    """The algorithm and base64 value of the whole object's CRC: the stored one, or folded of its parts' CRCs."""
    algorithm, value = obj.checksum_algorithm, obj.checksum_value
    if algorithm not in CRC_BYTES or value is None:
        return None
    if obj.checksum_type == "FULL_OBJECT":
        return algorithm, value
    parts = [(from_text(part.checksum), part.size_bytes) for part in source_parts(obj) if part.checksum]
    return (algorithm, to_text(folded(algorithm, parts))) if parts else None


def _listed(obj: StoredObject) -> Iterator[SourcePart]:
    """The parts as GetObjectAttributes lists them; none where it leaves them out."""
    marker: dict[str, Any] = {}
    while True:
        with changed_or_refused("reading the parts of", obj):
            answer: Any = clients.s3(obj.region).get_object_attributes(
                Bucket=obj.bucket,
                Key=obj.key,
                ObjectAttributes=["ETag", "ObjectParts"],
                MaxParts=PAGE_PARTS,
                **version_argument(obj.version_id),
                **marker,
            )
        # There is no IfMatch here; the ETag of this answer has no quotes.
        if answer["ETag"].strip('"') != obj.etag:
            raise ObjectChanged(obj)
        page = answer.get("ObjectParts", {})
        for part in page.get("Parts", []):
            yield SourcePart(part["PartNumber"], part["Size"], part.get(f"Checksum{obj.checksum_algorithm}"))
        if not page.get("IsTruncated") or not page.get("NextPartNumberMarker"):
            return
        marker = {"PartNumberMarker": page["NextPartNumberMarker"]}


def _looked_at(obj: StoredObject, count: int) -> tuple[SourcePart, ...]:
    """The parts by a HEAD of each."""
    client = clients.s3(obj.region)

    def look(number: int) -> SourcePart:
        with changed_or_refused("reading the parts of", obj):
            answer: Any = client.head_object(
                Bucket=obj.bucket,
                Key=obj.key,
                IfMatch=obj.etag,
                PartNumber=number,
                ChecksumMode="ENABLED",
                **version_argument(obj.version_id),
            )
        return SourcePart(number, answer["ContentLength"], answer.get(f"Checksum{obj.checksum_algorithm}"))

    with ThreadPoolExecutor(LOOKS_AT_ONCE) as pool:
        return tuple(pool.map(look, range(1, count + 1)))


def _adds_up(obj: StoredObject, parts: tuple[SourcePart, ...]) -> bool:
    return bool(parts) and sum(part.size_bytes for part in parts) == obj.size_bytes


def _make_up_the_composite(obj: StoredObject, parts: tuple[SourcePart, ...]) -> bool:
    checksums = [part.checksum for part in parts if part.checksum and "-" not in part.checksum]
    if obj.checksum_algorithm not in HASHERS or len(checksums) != len(parts):
        return False
    return composite(obj.checksum_algorithm, map(from_text, checksums)) == obj.checksum_value
