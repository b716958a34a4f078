"""Verifies that two objects hold the same bytes, and returns by which grade.

From the cheapest to the most expensive: stored checksums (`checksum`, `md5`), stored checksums of the parts
(`composite`), the target read back and compared with the source's stored checksum (`readback`), both objects read
(`bytes`). Equal sizes verify nothing, different sizes are a mismatch. Idempotent: it only reads.
Source: "Checking object integrity" (Amazon S3 User Guide).

Raises ObjectChanged (an object was replaced meanwhile), AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from functions.contract.models import GRADES, Grade, MinimumGrade, ObjectVersion, ReadProgress, StoredObject
from functions.objects.checksums import CRC_BYTES, HASHERS, from_text
from functions.objects.parts import SourcePart, expected_full_object, source_parts
from functions.verification.readback import MARGIN_MS, Comparison, ObjectReader, SizeMismatch, Stopped, compare_values

LARGEST_READ_BYTES = 1024**3
"""Only VerifyChecksum reads larger objects. Before a copy they are not read: they are copied instead."""


@dataclass(frozen=True)
class ReadResult:
    """A comparison, or how far reading has got; and S3's own time of the last response about the target."""

    comparison: Comparison | None
    progress: ReadProgress | None
    answered_at: datetime | None


def verify(source: StoredObject, target: StoredObject, remaining_ms: Callable[[], int] | None = None) -> Comparison:
    """Compare in the cheapest way possible; raises Stopped if the remaining time, if it is limited, is too short."""
    if stored := compare_stored(source, target):
        return stored
    remaining = remaining_ms or _unlimited_ms
    result = continue_reading(source, target, "any", None, remaining)
    while result.comparison is None:
        if remaining() < MARGIN_MS:
            raise Stopped
        # S3 throttled it.
        result = continue_reading(source, target, "any", result.progress, remaining)
    return result.comparison


def reaches(grade: Grade, minimum: MinimumGrade) -> bool:
    """Check whether a grade is at least as strong as the required one."""
    return minimum == "any" or GRADES.index(grade) >= GRADES.index(minimum)


def compare_stored(source: StoredObject, target: StoredObject) -> Comparison | None:
    """Compare stored checksums without reading a byte; None if they do not decide."""
    if source.size_bytes != target.size_bytes:
        return _size_mismatch(source, f"{target.size_bytes:,} bytes")
    algorithm = source.checksum_algorithm
    if algorithm and algorithm == target.checksum_algorithm:
        what, values = f"stored {algorithm}", (source.checksum_value, target.checksum_value)
        if source.checksum_type == target.checksum_type == "FULL_OBJECT":
            return compare_values("checksum", what, *values)
        if source.checksum_type == target.checksum_type and values[0] == values[1]:
            return compare_values("composite", f"{what} of the parts", *values)
        compare_parts = _compare_crcs_of_parts if algorithm in CRC_BYTES else _compare_hashes_of_parts
        if by_parts := compare_parts(source, target):
            return by_parts
    if source.etag_is_md5 and target.etag_is_md5:
        return compare_values("md5", "stored MD5 (ETag)", source.etag, target.etag)
    return None


def _compare_crcs_of_parts(source: StoredObject, target: StoredObject) -> Comparison | None:
    """Compare full-object CRCs, as stored or combined from the parts' CRCs."""
    expected = expected_full_object(source)
    actual = expected_full_object(target) if expected else None
    if expected is None or actual is None:
        return None
    return compare_values("composite", f"stored {expected[0]} combined from the parts", expected[1], actual[1])


def _compare_hashes_of_parts(source: StoredObject, target: StoredObject) -> Comparison | None:
    """Compare the hashes of the parts, if both objects have the same parts."""
    source_hashes, target_hashes = _hashed_parts(source), _hashed_parts(target)
    sizes = [part.size_bytes for part in source_hashes]
    if not sizes or sizes != [part.size_bytes for part in target_hashes]:
        return None
    what = f"stored {source.checksum_algorithm} of the parts"
    for expected, actual in zip(source_hashes, target_hashes, strict=True):
        if expected.checksum != actual.checksum:
            part = f"stored {source.checksum_algorithm} of part {expected.number}"
            return compare_values("composite", part, expected.checksum, actual.checksum)
    return Comparison(True, "composite", f"{what} matches")


def _hashed_parts(obj: StoredObject) -> tuple[SourcePart, ...]:
    """Return the parts if the checksum of each is known, else none."""
    parts = source_parts(obj)
    return parts if all(part.checksum for part in parts) else ()


def continue_reading(
    source: StoredObject,
    target: ObjectVersion,
    minimum: MinimumGrade,
    previous: ReadProgress | None,
    remaining_ms: Callable[[], int],
) -> ReadResult:
    """Compare by reading, from where an earlier call stopped (`previous`) until it is done or time runs out."""
    grade: Literal["readback", "bytes"] = "bytes" if minimum == "bytes" else "readback"
    if previous is None or previous.target != target.version_or_etag or not reaches(previous.grade, grade):
        previous = ReadProgress(target=target.version_or_etag, grade=grade)
    reader = ObjectReader(source, target, remaining_ms)
    result: Comparison | ReadProgress
    try:
        result = _read(reader, previous)
    except SizeMismatch as mismatch:
        result = _size_mismatch(source, str(mismatch))
    answered_at = max(reader.response_times, default=None)
    if isinstance(result, Comparison):
        return ReadResult(result, None, answered_at)
    return ReadResult(None, result, answered_at)


def _read(reader: ObjectReader, previous: ReadProgress) -> Comparison | ReadProgress:
    """Compare with the source's stored checksum if it can be computed and was not given up; else read both objects."""
    source = reader.source
    if previous.grade == "bytes":
        return reader.read_both(previous)
    if crc := expected_full_object(source):
        return reader.read_crc(crc[0], from_text(crc[1]), previous)
    if stored := _stored_hash(source):
        return reader.read_hash(*stored, previous)
    if source.checksum_type == "COMPOSITE" and source.checksum_algorithm in HASHERS:
        parts = _hashed_parts(source)
        if parts:
            return reader.read_parts(source.checksum_algorithm, parts, previous)
    return reader.read_both(ReadProgress(target=previous.target, grade="bytes"))


def _stored_hash(source: StoredObject) -> tuple[str, bytes] | None:
    """Return the algorithm and value of a hash of the whole source that S3 stores and we can compute."""
    if source.checksum_type == "FULL_OBJECT" and source.checksum_algorithm in HASHERS:
        return source.checksum_algorithm, from_text(source.checksum_value or "")
    if source.etag_is_md5:
        return "MD5", bytes.fromhex(source.etag)
    return None


def _size_mismatch(source: StoredObject, target: str) -> Comparison:
    return Comparison(False, "checksum", f"size does not match (source {source.size_bytes:,} bytes, target {target})")


def _unlimited_ms() -> int:
    """The remaining time, without a limit."""
    return sys.maxsize
