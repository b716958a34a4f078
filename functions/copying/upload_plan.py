"""How a multipart copy is divided into parts, and which checksum it has. Reads the source's parts, writes nothing.

Raises ObjectChanged, ObjectTooLarge, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from typing import Literal

from functions.contract.models import MultipartUpload, StoredObject
from functions.copying.parts import LARGEST_PART_BYTES, Part, own_parts, part_size, parts_of_size
from functions.copying.request import CopyRequest
from functions.objects.checksums import CRC_BYTES
from functions.objects.head import ObjectChanged
from functions.objects.parts import source_parts

MULTIPART_COMPOSITES = frozenset({"SHA1", "SHA256"})
"""Algorithms of which an upload can only have a composite checksum, although the source may have a full-object one
("Checking object integrity")."""


def has_own_parts(source: StoredObject) -> bool:
    """Check whether the checksum can only be compared over the same parts: a hash of the parts' hashes."""
    return source.checksum_type == "COMPOSITE" and source.checksum_algorithm not in CRC_BYTES


def planned_upload(request: CopyRequest, source: StoredObject) -> MultipartUpload:
    """Plan an upload that is not yet created."""
    own_sizes = [part.size_bytes for part in source_parts(source)] if has_own_parts(source) else []
    if own_sizes and max(own_sizes) <= LARGEST_PART_BYTES:
        return MultipartUpload(upload_id="", source=source)
    part_bytes = part_size(source.size_bytes, request.rule.multipart_threshold_bytes, request.source)
    return MultipartUpload(upload_id="", source=source, part_bytes=part_bytes)


def parts_of(upload: MultipartUpload) -> tuple[Part, ...]:
    """Return the parts of an upload; raises ObjectChanged if the source no longer has its own."""
    if upload.part_bytes is not None:
        return parts_of_size(upload.source.size_bytes, upload.part_bytes)
    parts = own_parts((part.size_bytes, part.checksum) for part in source_parts(upload.source))
    if not parts:
        raise ObjectChanged(upload.source)
    return parts


def checksum_of_upload(source: StoredObject) -> tuple[str, Literal["FULL_OBJECT", "COMPOSITE"]]:
    """Return the source's own algorithm, so that the stored checksums can be compared; else S3's default."""
    algorithm = source.checksum_algorithm
    if algorithm in CRC_BYTES:
        return algorithm, "FULL_OBJECT"
    if algorithm and (algorithm in MULTIPART_COMPOSITES or source.checksum_type == "COMPOSITE"):
        return algorithm, "COMPOSITE"
    return "CRC64NVME", "FULL_OBJECT"
