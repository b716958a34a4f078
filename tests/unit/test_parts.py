"""The parts of a large object: right for every size that S3 can hold."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from functions.contract.models import LARGEST_SINGLE_COPY, SMALLEST_MULTIPART_THRESHOLD
from functions.copying.parts import (
    LARGEST_OBJECT_BYTES,
    LARGEST_PART_BYTES,
    LARGEST_PARTS,
    SMALLEST_PART_BYTES,
    USUAL_PART_BYTES,
    Part,
    own_parts,
    part_size,
    parts_of_size,
)
from functions.runtime.errors import ObjectTooLarge

THRESHOLDS = st.integers(SMALLEST_MULTIPART_THRESHOLD, LARGEST_SINGLE_COPY)
GIB = 1024**3


@given(size=st.integers(0, LARGEST_OBJECT_BYTES), threshold=THRESHOLDS)
@example(size=0, threshold=GIB)
@example(size=1, threshold=GIB)
@example(size=LARGEST_OBJECT_BYTES, threshold=GIB)
@example(size=LARGEST_OBJECT_BYTES - 1, threshold=SMALLEST_MULTIPART_THRESHOLD)
@example(size=LARGEST_PARTS * USUAL_PART_BYTES, threshold=GIB)
@example(size=LARGEST_PARTS * USUAL_PART_BYTES + 1, threshold=GIB)
def test_every_size_is_cut_into_parts_that_s3_takes_and_that_make_up_the_object(size: int, threshold: int) -> None:
    length = part_size(size, threshold, "it")
    parts = parts_of_size(size, length)
    assert SMALLEST_PART_BYTES <= length <= LARGEST_PART_BYTES
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert 1 <= len(parts) <= LARGEST_PARTS
    assert [part.first_byte for part in parts] == [index * length for index in range(len(parts))]
    assert {part.size_bytes for part in parts[:-1]} <= {length}
    assert 0 < parts[-1].size_bytes <= length or size == 0
    assert sum(part.size_bytes for part in parts) == size


@given(extra=st.integers(1, 10**15), threshold=THRESHOLDS)
@example(extra=1, threshold=GIB)
def test_one_byte_more_than_s3_can_hold_is_rejected(extra: int, threshold: int) -> None:
    size = LARGEST_OBJECT_BYTES + extra
    with pytest.raises(ObjectTooLarge, match=f"^s3://a/b .*{size:,}.*53,687,091,200,000"):
        part_size(size, threshold, "s3://a/b")


@given(size=st.integers(0, LARGEST_PARTS * SMALLEST_PART_BYTES), threshold=THRESHOLDS)
def test_a_part_is_no_longer_than_what_is_copied_at_once_unless_there_would_be_too_many(
    size: int, threshold: int
) -> None:
    assert part_size(size, threshold, "it") <= threshold


@pytest.mark.parametrize(
    ("size", "threshold", "length"),
    [
        (6 * GIB, GIB, USUAL_PART_BYTES),
        (6 * GIB, SMALLEST_MULTIPART_THRESHOLD, SMALLEST_PART_BYTES),
        (20 * 1024**2, 8 * 1024**2 + 5, 8 * 1024**2),
        (2000 * GIB, GIB, 205 * 1024**2),
        (LARGEST_OBJECT_BYTES, GIB, LARGEST_PART_BYTES),
    ],
    ids=["usual", "low-threshold", "whole-mebibytes", "many-parts", "largest"],
)
def test_parts_grow_with_the_object(size: int, threshold: int, length: int) -> None:
    assert part_size(size, threshold, "it") == length


def test_a_range_names_its_first_and_its_last_byte() -> None:
    assert [part.byte_range for part in parts_of_size(25, 10)] == ["bytes=0-9", "bytes=10-19", "bytes=20-24"]


def test_a_sources_own_parts_keep_their_lengths_and_checksums() -> None:
    assert own_parts([(7, "one"), (5, None)]) == (Part(1, 0, 7, "one"), Part(2, 7, 5))


def test_the_largest_object_is_the_one_that_aws_names() -> None:
    assert LARGEST_OBJECT_BYTES == 53_687_091_200_000
