"""Divides a large object into parts: arithmetic only.

S3's limits ("Amazon S3 multipart upload limits", Amazon S3 User Guide): 10,000 parts of 5 MiB to 5 GiB, the last
one may be smaller. Raises ObjectTooLarge.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from functions.runtime.errors import ObjectTooLarge

MIB = 1024**2
LARGEST_PARTS = 10_000
SMALLEST_PART_BYTES = 5 * MIB
LARGEST_PART_BYTES = 5 * 1024 * MIB
LARGEST_OBJECT_BYTES = LARGEST_PARTS * LARGEST_PART_BYTES
"""53,687,091,200,000 bytes, which AWS writes as "50 TB"."""

USUAL_PART_BYTES = 128 * MIB
"""Copied within seconds, so that little is lost when a function has to stop."""


@dataclass(frozen=True)
class Part:
    """One part: its start, its size and, for a source's own part, its checksum (base64)."""

    number: int
    first_byte: int
    size_bytes: int
    checksum: str | None = None

    @property
    def byte_range(self) -> str:
        """The value of CopySourceRange: first and last byte."""
        return f"bytes={self.first_byte}-{self.first_byte + self.size_bytes - 1}"


def part_size(size_bytes: int, threshold_bytes: int, source: str) -> int:
    """Return the size of an object's parts: at most the multipart threshold, unless there would be too many parts."""
    if size_bytes > LARGEST_OBJECT_BYTES:
        raise ObjectTooLarge(
            f"{source} is {size_bytes:,} bytes long; S3 objects are limited to {LARGEST_OBJECT_BYTES:,} bytes. "
            "Split the file."
        )
    usual = max(SMALLEST_PART_BYTES, min(USUAL_PART_BYTES, threshold_bytes // MIB * MIB))
    needed = _rounded_up(size_bytes, LARGEST_PARTS)
    return max(usual, _rounded_up(needed, MIB) * MIB)


def parts_of_size(size_bytes: int, part_bytes: int) -> tuple[Part, ...]:
    """Return parts of one size, the last one smaller; an empty object is one empty part."""
    return tuple(
        Part(number, first, min(part_bytes, size_bytes - first))
        for number, first in enumerate(range(0, max(size_bytes, 1), part_bytes), start=1)
    )


def own_parts(sizes_and_checksums: Iterable[tuple[int, str | None]]) -> tuple[Part, ...]:
    """Return the parts that the source was uploaded in."""
    parts: list[Part] = []
    first = 0
    for size_bytes, checksum in sizes_and_checksums:
        parts.append(Part(len(parts) + 1, first, size_bytes, checksum))
        first += size_bytes
    return tuple(parts)


def _rounded_up(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
