"""The proof by reading: the target read back against what is stored with the source, or both objects read.

Objects are streamed in ranges, a few side by side and each in small pieces, so memory stays the same for every size.
The time is looked at with every piece: a reading that has to stop says how far it is, and a later one goes on from
there. What cannot go on (a hash of the whole object) and runs out of time goes over to comparing both objects.

Every answer is of exactly the object that was copied: the source is asked for by its version, the target is asked
for as the current object, so that its replacement is noticed; both on the condition of their ETag.
Source: GetObject (Range, IfMatch; 416 beyond the end) in the Amazon S3 API reference.

Reading twice is harmless. Raises ObjectChanged (an object was replaced meanwhile), AccessDenied, BucketMissing,
Throttled, RequestRejected.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from typing import Any, TypeVar

from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from functions.contract.models import Grade, ObjectVersion, ReadProgress, StoredObject
from functions.objects.checksums import HASHERS, Crc, from_text, joined, to_text
from functions.objects.head import (
    ObjectChanged,
    answered_at,
    changed_or_refused,
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
"""What is kept of the function's time: so long may the next piece be waited for (clients.READ_TIMEOUT_SECONDS)."""

BEYOND_THE_END = frozenset({"416", "InvalidRange"})

Result = TypeVar("Result")


@dataclass(frozen=True)
class Proof:
    """Whether the bytes are equal, by which grade that was found, and what was compared."""

    equal: bool
    grade: Grade
    detail: str


@dataclass(frozen=True)
class Span:
    """A range of an object; the size tells whether it is the whole."""

    start: int
    size_bytes: int


class Stopped(Exception):
    """The function has to answer before the reading is done. Never leaves this module."""


class OtherSize(Exception):
    """The target has not the source's size. Never leaves the proof."""


@dataclass
class Reader:
    """Reads one copy and its source, from where an earlier call stopped to where this one has to.

    Each method returns the proof, or how far it is. `answers` are S3's clock at the answers about the target.
    """

    source: StoredObject
    target: ObjectVersion
    remaining_ms: Callable[[], int]
    answers: list[datetime] = field(default_factory=list)

    def read_crc(self, algorithm: str, expected: bytes, before: ReadProgress) -> Proof | ReadProgress:
        """The CRC of the target, joined of its ranges', against the source's."""
        position = before.position_bytes
        value = from_text(before.checksum) if before.checksum else Crc(algorithm).digest()
        try:
            for span, found in self._in_order(self._spans(position), lambda span: self._of_target(algorithm, span)):
                value = joined(algorithm, value, found, span.size_bytes)
                position += span.size_bytes
        except Stopped:
            return before.model_copy(update={"position_bytes": position, "checksum": to_text(value)})
        return compared("readback", f"{algorithm} of the target read back", expected, value)

    def read_hash(self, algorithm: str, expected: bytes, before: ReadProgress) -> Proof | ReadProgress:
        """A hash of the whole target against the source's, in one call; else both objects are compared from now on."""
        try:
            found = self._of_target(algorithm, Span(0, self.source.size_bytes))
        except Stopped:
            return before.model_copy(update={"grade": "bytes"})
        return compared("readback", f"{algorithm} of the target read back", expected, found)

    def read_parts(self, algorithm: str, parts: tuple[SourcePart, ...], before: ReadProgress) -> Proof | ReadProgress:
        """The hash of each of the source's parts against that of the same range of the target."""
        ends = accumulate(part.size_bytes for part in parts)
        spans = [Span(end - part.size_bytes, part.size_bytes) for part, end in zip(parts, ends, strict=True)]
        done = before.parts_read
        try:
            found = self._in_order(spans[done:], lambda span: self._of_target(algorithm, span))
            for part, (_, value) in zip(parts[done:], found, strict=True):
                one = compared(
                    "readback",
                    f"{algorithm} of part {part.number} of the target read back",
                    from_text(part.checksum or ""),
                    value,
                )
                if not one.equal:
                    return one
                done += 1
        except Stopped:
            return before.model_copy(update={"parts_read": done})
        return Proof(True, "readback", f"{algorithm} of the target's {len(parts)} parts read back equal")

    def read_both(self, before: ReadProgress) -> Proof | ReadProgress:
        """Every range of both objects, compared by its SHA-256."""
        position = before.position_bytes
        try:
            for span, (of_source, of_target) in self._in_order(self._spans(position), self._of_both):
                one = compared("bytes", f"SHA-256 of both, read from byte {span.start:,},", of_source, of_target)
                if not one.equal:
                    return one
                position += span.size_bytes
        except Stopped:
            return before.model_copy(update={"position_bytes": position})
        return Proof(True, "bytes", "SHA-256 of both, read, equal")

    def _spans(self, position: int) -> Iterator[Span]:
        """The ranges from a position on; one for an empty object."""
        size_bytes = self.source.size_bytes
        for start in range(position, max(size_bytes, position + 1), RANGE_BYTES):
            yield Span(start, min(RANGE_BYTES, size_bytes - start))

    def _in_order(self, spans: Iterable[Span], work: Callable[[Span], Result]) -> Iterator[tuple[Span, Result]]:
        """Each range and what was found, in their order; raises Stopped.

        What was found before S3 asks to slow down is kept: a retry of the whole call would lose it.
        """
        found = False
        for obj in (self.source, self.target):
            clients.s3(obj.region)  # Made here: boto3 makes clients in one thread only.
        with ThreadPoolExecutor(RANGES_AT_ONCE) as pool:
            for wave in _waves(spans):
                # A single one needs no thread.
                results = map(work, wave) if len(wave) == 1 else pool.map(work, wave)
                try:
                    for span, result in zip(wave, results, strict=True):
                        yield span, result
                        found = True
                except Throttled as error:
                    if found:
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
        with changed_or_refused("reading", obj):
            try:
                answer = clients.s3(obj.region).get_object(
                    Bucket=obj.bucket, Key=obj.key, IfMatch=obj.etag, **arguments
                )
            except ClientError as error:
                if code_of(error) in BEYOND_THE_END:
                    raise OtherSize("less") from error
                raise
            # Not `with answer["Body"]`: that hands out the bare connection, without the check of the length.
            with closing(answer["Body"]) as body:
                if not same_version(_answered(obj, answer), obj):
                    raise ObjectChanged(obj)
                if (found := _size_bytes(answer)) != size_bytes:
                    raise OtherSize(f"{found:,} bytes")
                if is_target:
                    self.answers.append(answered_at(answer))
                yield body


def compared(grade: Grade, what: str, source: bytes | str | None, target: bytes | str | None) -> Proof:
    """The proof by two values."""
    equal = source == target
    return Proof(equal, grade, f"{what} {'equal' if equal else f'differs: {_text(source)}, {_text(target)}'}")


def _text(value: bytes | str | None) -> str:
    return to_text(value) if isinstance(value, bytes) else str(value)


def _waves(spans: Iterable[Span]) -> Iterator[list[Span]]:
    """So many ranges as are read side by side: large ones, the parts of a source, fewer at once."""
    wave: list[Span] = []
    for span in spans:
        wave.append(span)
        if len(wave) == RANGES_AT_ONCE or sum(one.size_bytes for one in wave) >= RANGES_AT_ONCE * RANGE_BYTES:
            yield wave
            wave = []
    if wave:
        yield wave


def _answered(obj: ObjectVersion, answer: Any) -> ObjectVersion:
    return ObjectVersion(
        bucket=obj.bucket,
        region=obj.region,
        key=obj.key,
        version_id=answer.get("VersionId"),
        etag=answer["ETag"].strip('"'),
    )


def _size_bytes(answer: Any) -> int:
    """The size of the whole object, of an answer with a range of it or all."""
    _, separator, total = answer.get("ContentRange", "").rpartition("/")
    return int(total) if separator else answer["ContentLength"]
