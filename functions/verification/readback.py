"""Verifies by reading: reads the target back and compares it with the source's stored checksum, or reads both objects.

Objects are streamed in ranges, a few in parallel and each in small pieces, so memory use does not depend on the size.
The remaining time is checked with every piece: a reading that has to stop returns how far it got, and a later one
continues there. A hash of the whole object cannot be continued: if time runs out, both objects are compared instead.

Every response is about exactly the object that was copied: the source is requested by its version, the target as the
current object, so that its replacement is noticed; both on the condition of their ETag.
Source: GetObject (Range, IfMatch; 416 beyond the end) in the Amazon S3 API reference.

Idempotent: it only reads. Raises ObjectChanged (an object was replaced meanwhile), AccessDenied, BucketMissing,
Throttled, RequestRejected.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from functions.contract.models import Grade, ObjectVersion, ReadProgress, StoredObject
from functions.objects.checksums import HASHERS, Crc, from_text, joined, to_text
from functions.objects.head import (
    ObjectChanged,
    answered_at,
    changed_or_rejected,
    same_version,
    version_argument,
)
from functions.objects.parts import SourcePart
from functions.runtime import clients
from functions.runtime.aws_errors import code_of
from functions.runtime.errors import Throttled

RANGE_BYTES = 64 * 1024**2
PIECE_BYTES = 1024**2
RANGES_AT_ONCE = 4

MARGIN_MS = 60_000
"""Kept of the function's time: the next piece may take that long (clients.READ_TIMEOUT_SECONDS)."""

BEYOND_THE_END = frozenset({"416", "InvalidRange"})

Result = TypeVar("Result")


@dataclass(frozen=True)
class Comparison:
    """Whether the bytes are equal, by which grade, and what was compared."""

    equal: bool
    grade: Grade
    detail: str


@dataclass(frozen=True)
class Span:
    """A range of an object; its size shows whether it is the whole object."""

    start: int
    size_bytes: int


class Stopped(Exception):
    """The function has to return before everything is read. Never leaves a function."""


class SizeMismatch(Exception):
    """The target does not have the source's size. Never leaves the verification."""


@dataclass
class ObjectReader:
    """Reads one copy and its source, from where an earlier call stopped.

    Each method returns the comparison, or how far it got. `response_times` are S3's own times of the responses about
    the target.
    """

    source: StoredObject
    target: ObjectVersion
    remaining_ms: Callable[[], int]
    response_times: list[datetime] = field(default_factory=list)

    def read_crc(self, algorithm: str, expected: bytes, previous: ReadProgress) -> Comparison | ReadProgress:
        """Compare the CRC of the target, combined from its ranges, with the source's."""
        position = previous.position_bytes
        value = from_text(previous.checksum) if previous.checksum else Crc(algorithm).digest()
        try:
            for span, found in self._in_order(self._spans(position), lambda span: self._of_target(algorithm, span)):
                value = joined(algorithm, value, found, span.size_bytes)
                position += span.size_bytes
        except Stopped:
            return previous.changed(position_bytes=position, checksum=to_text(value))
        return compare_values("readback", f"{algorithm} of the bytes read back", expected, value)

    def read_hash(self, algorithm: str, expected: bytes, previous: ReadProgress) -> Comparison | ReadProgress:
        """Compare a hash of the whole target with the source's; if one call is too short, read both objects instead."""
        try:
            found = self._of_target(algorithm, Span(0, self.source.size_bytes))
        except Stopped:
            return previous.changed(grade="bytes")
        return compare_values("readback", f"{algorithm} of the bytes read back", expected, found)

    def read_parts(
        self, algorithm: str, parts: tuple[SourcePart, ...], previous: ReadProgress
    ) -> Comparison | ReadProgress:
        """Compare the hash of each of the source's parts with that of the same range of the target."""
        spans: list[Span] = []
        start = 0
        for part in parts:
            spans.append(Span(start, part.size_bytes))
            start += part.size_bytes
        done = previous.parts_read
        try:
            found = self._in_order(spans[done:], lambda span: self._of_target(algorithm, span))
            for part, (_, value) in zip(parts[done:], found, strict=True):
                comparison = compare_values(
                    "readback",
                    f"{algorithm} of part {part.number} read back",
                    from_text(part.checksum or ""),
                    value,
                )
                if not comparison.equal:
                    return comparison
                done += 1
        except Stopped:
            return previous.changed(parts_read=done)
        return Comparison(True, "readback", f"{algorithm} of each of the {len(parts)} parts read back matches")

    def read_both(self, previous: ReadProgress) -> Comparison | ReadProgress:
        """Compare every range of both objects by its SHA-256."""
        position = previous.position_bytes
        try:
            for span, (of_source, of_target) in self._in_order(self._spans(position), self._of_both):
                comparison = compare_values(
                    "bytes", f"SHA-256 of the range at byte {span.start:,}", of_source, of_target
                )
                if not comparison.equal:
                    return comparison
                position += span.size_bytes
        except Stopped:
            return previous.changed(position_bytes=position)
        return Comparison(True, "bytes", "SHA-256 of every byte of both objects matches")

    def _spans(self, position: int) -> Iterator[Span]:
        """Yield the ranges from a position on; one for an empty object."""
        size_bytes = self.source.size_bytes
        for start in range(position, max(size_bytes, position + 1), RANGE_BYTES):
            yield Span(start, min(RANGE_BYTES, size_bytes - start))

    def _in_order(self, spans: Iterable[Span], work: Callable[[Span], Result]) -> Iterator[tuple[Span, Result]]:
        """Yield each range with its result, in order; raises Stopped.

        Results from before S3 throttled are kept: a retry of the whole call would lose them.
        """
        any_result = False
        for obj in (self.source, self.target):
            clients.s3(obj.region)  # Created here: boto3 may create clients in one thread only.
        with ThreadPoolExecutor(RANGES_AT_ONCE) as pool:
            for wave in _waves(spans):
                # A single range needs no thread.
                results = map(work, wave) if len(wave) == 1 else pool.map(work, wave)
                try:
                    for span, result in zip(wave, results, strict=True):
                        yield span, result
                        any_result = True
                except Throttled as error:
                    if any_result:
                        raise Stopped from error
                    raise

    def _of_target(self, algorithm: str, span: Span) -> bytes:
        return self._digest(self.target, algorithm, span)

    def _of_both(self, span: Span) -> tuple[bytes, bytes]:
        return self._digest(self.source, "SHA256", span), self._digest(self.target, "SHA256", span)

    def _digest(self, obj: ObjectVersion, algorithm: str, span: Span) -> bytes:
        self._require_time()
        hasher = HASHERS[algorithm]()
        if span.size_bytes or not self.source.size_bytes:
            with self._opened(obj, span) as body:
                for piece in body.iter_chunks(PIECE_BYTES):
                    self._require_time()
                    hasher.update(piece)
        return hasher.digest()

    def _require_time(self) -> None:
        if self.remaining_ms() < MARGIN_MS:
            raise Stopped

    @contextmanager
    def _opened(self, obj: ObjectVersion, span: Span) -> Iterator[StreamingBody]:
        is_target, size_bytes = obj is self.target, self.source.size_bytes
        arguments: dict[str, Any] = {} if is_target else version_argument(obj.version_id)
        if span.size_bytes != size_bytes:
            arguments["Range"] = f"bytes={span.start}-{span.start + span.size_bytes - 1}"
        with changed_or_rejected("reading", obj):
            try:
                response = clients.s3(obj.region).get_object(
                    Bucket=obj.bucket, Key=obj.key, IfMatch=obj.etag, **arguments
                )
            except ClientError as error:
                if code_of(error) in BEYOND_THE_END:
                    raise SizeMismatch("fewer bytes") from error
                raise
            # Not `with response["Body"]`: that returns the bare connection, without the check of the length.
            with closing(response["Body"]) as body:
                if not same_version(_received(obj, response), obj):
                    raise ObjectChanged(obj)
                if (found := _size_bytes(response)) != size_bytes:
                    raise SizeMismatch(f"{found:,} bytes")
                if is_target:
                    self.response_times.append(answered_at(response))
                yield body


def compare_values(grade: Grade, what: str, source: bytes | str | None, target: bytes | str | None) -> Comparison:
    """Compare two checksums."""
    equal = source == target
    result = "matches" if equal else f"does not match (source {_text(source)}, target {_text(target)})"
    return Comparison(equal, grade, f"{what} {result}")


def _text(value: bytes | str | None) -> str:
    return to_text(value) if isinstance(value, bytes) else str(value)


def _waves(spans: Iterable[Span]) -> Iterator[list[Span]]:
    """Group the ranges that are read in parallel: fewer if they are large, as a source's parts may be."""
    wave: list[Span] = []
    for span in spans:
        wave.append(span)
        if len(wave) == RANGES_AT_ONCE or sum(member.size_bytes for member in wave) >= RANGES_AT_ONCE * RANGE_BYTES:
            yield wave
            wave = []
    if wave:
        yield wave


def _received(obj: ObjectVersion, response: Any) -> ObjectVersion:
    return ObjectVersion(
        bucket=obj.bucket,
        region=obj.region,
        key=obj.key,
        version_id=response.get("VersionId"),
        etag=response["ETag"].strip('"'),
    )


def _size_bytes(response: Any) -> int:
    """Return the size of the whole object, from a response with all of it or a range."""
    _, separator, total = response.get("ContentRange", "").rpartition("/")
    return int(total) if separator else response["ContentLength"]
