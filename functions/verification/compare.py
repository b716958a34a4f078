"""The proof that two objects hold the same bytes, and by which grade.

From the cheapest to the dearest: what S3 stores (`checksum`, `md5`), what follows from what S3 stores of the parts
(`composite`), the target read back and compared with what is stored with the source (`readback`), both read
(`bytes`). Equal sizes prove nothing, different ones disprove. Proving twice is harmless.
Source: "Checking object integrity" (Amazon S3 User Guide).

Raises ObjectChanged (an object was replaced meanwhile), AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from functions.contract.models import GRADES, Grade, MinimumGrade, ObjectVersion, ReadProgress, StoredObject
from functions.objects.checksums import CRC_BYTES, HASHERS, from_text
from functions.objects.parts import SourcePart, expected_full_object, source_parts
from functions.verification.readback import OtherSize, Proof, Reader, compared

__all__ = ["Proof", "Reading", "compare_stored", "prove", "reaches", "read_on"]


@dataclass(frozen=True)
class Reading:
    """How reading ended: with a proof, or with how far it is; and S3's clock at the last answer about the target."""

    proof: Proof | None
    progress: ReadProgress | None
    answered_at: datetime | None


def prove(source: StoredObject, target: StoredObject) -> Proof:
    """Compare by the cheapest way there is, however long it takes."""
    if stored := compare_stored(source, target):
        return stored
    reading = read_on(source, target, "any", None, _no_end)
    while reading.proof is None:  # S3 asked to slow down in between.
        reading = read_on(source, target, "any", reading.progress, _no_end)
    return reading.proof


def reaches(grade: Grade, minimum: MinimumGrade) -> bool:
    """Whether a grade is at least as strong as the one asked for."""
    return minimum == "any" or GRADES.index(grade) >= GRADES.index(minimum)


def compare_stored(source: StoredObject, target: StoredObject) -> Proof | None:
    """Compare without reading a byte; None where what is stored does not tell."""
    if source.size_bytes != target.size_bytes:
        return _other_size(source, f"{target.size_bytes:,} bytes")
    algorithm = source.checksum_algorithm
    if algorithm and algorithm == target.checksum_algorithm:
        what, values = f"stored {algorithm}", (source.checksum_value, target.checksum_value)
        if source.checksum_type == target.checksum_type == "FULL_OBJECT":
            return compared("checksum", what, *values)
        if source.checksum_type == target.checksum_type and values[0] == values[1]:
            return compared("composite", f"{what} of the parts", *values)
        compare_parts = _compare_crcs_of_parts if algorithm in CRC_BYTES else _compare_hashes_of_parts
        if by_parts := compare_parts(source, target):
            return by_parts
    if source.etag_is_md5 and target.etag_is_md5:
        return compared("md5", "stored MD5 (ETag)", source.etag, target.etag)
    return None


def _compare_crcs_of_parts(source: StoredObject, target: StoredObject) -> Proof | None:
    """By the full-object CRC that is stored, or that is folded of the parts' CRCs."""
    one = expected_full_object(source)
    other = expected_full_object(target) if one else None
    if one is None or other is None:
        return None
    return compared("composite", f"stored {one[0]}, folded of the parts,", one[1], other[1])


def _compare_hashes_of_parts(source: StoredObject, target: StoredObject) -> Proof | None:
    """By the hashes of the parts, which can be compared where both objects have the same parts."""
    mine, theirs = _hashed_parts(source), _hashed_parts(target)
    if not mine or [part.size_bytes for part in mine] != [part.size_bytes for part in theirs]:
        return None
    what = f"stored {source.checksum_algorithm} of the parts"
    for one, other in zip(mine, theirs, strict=True):
        if one.checksum != other.checksum:
            return compared("composite", f"{what}, of part {one.number},", one.checksum, other.checksum)
    return Proof(True, "composite", f"{what} equal")


def _hashed_parts(obj: StoredObject) -> tuple[SourcePart, ...]:
    """The parts, where the checksum of each is known."""
    parts = source_parts(obj)
    return parts if all(part.checksum for part in parts) else ()


def read_on(
    source: StoredObject,
    target: ObjectVersion,
    minimum: MinimumGrade,
    before: ReadProgress | None,
    remaining_ms: Callable[[], int],
) -> Reading:
    """Prove by reading, from where an earlier call stopped (`before`) until it is done or the time is over."""
    which = target.version_id or target.etag
    grade: Grade = "bytes" if minimum == "bytes" else "readback"
    if before is None or before.target != which or not reaches(before.grade, grade):
        before = ReadProgress(target=which, grade="readback" if grade == "readback" else "bytes")
    reader = Reader(source, target, remaining_ms)
    try:
        found = _read(reader, before)
    except OtherSize as other:
        found = _other_size(source, str(other))
    at = max(reader.answers, default=None)
    return Reading(found, None, at) if isinstance(found, Proof) else Reading(None, found, at)


def _read(reader: Reader, before: ReadProgress) -> Proof | ReadProgress:
    """By what is stored with the source, if it can be computed and was not given up before; else by reading both."""
    source = reader.source
    if before.grade == "bytes":
        return reader.read_both(before)
    if crc := expected_full_object(source):
        return reader.read_crc(crc[0], from_text(crc[1]), before)
    if known := _stored_hash(source):
        return reader.read_hash(*known, before)
    if source.checksum_type == "COMPOSITE" and source.checksum_algorithm in HASHERS:
        parts = _hashed_parts(source)
        if parts:
            return reader.read_parts(source.checksum_algorithm, parts, before)
    return reader.read_both(ReadProgress(target=before.target, grade="bytes"))


def _stored_hash(source: StoredObject) -> tuple[str, bytes] | None:
    """The algorithm and value of a hash of all the source's bytes that S3 stores and we can compute."""
    if source.checksum_type == "FULL_OBJECT" and source.checksum_algorithm in HASHERS:
        return source.checksum_algorithm, from_text(source.checksum_value or "")
    if source.etag_is_md5:
        return "MD5", bytes.fromhex(source.etag)
    return None


def _other_size(source: StoredObject, target: str) -> Proof:
    return Proof(False, "checksum", f"{source.size_bytes:,} bytes at the source, {target} at the target")


def _no_end() -> int:
    """The time that remains, where nothing ends it."""
    return sys.maxsize
