"""The verification: what is compared for each grade, read in any number of calls."""

from itertools import pairwise
from typing import Any, get_args

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.contract.models import GRADES, Grade, ReadProgress, StoredObject
from functions.objects.checksums import CRC_BYTES, HASHERS, digest_of, to_text
from functions.objects.head import ObjectChanged
from functions.objects.parts import SourcePart
from functions.runtime.errors import RequestRejected, Throttled
from functions.verification import readback
from functions.verification.compare import ReadResult, compare_stored, continue_reading, reaches, verify
from tests.support.facts import Naming
from tests.unit.conftest import SOURCE, TARGET, Cloud, ErrorResponse
from tests.unit.part_lists import PartLists, in_parts, part_lists, put, with_checksum, with_md5

__all__ = ["part_lists"]

GOOD = b"0123456789abcdefghijklmnopqrstuvwxyz"
PARTS = [GOOD[:10], GOOD[10:20], GOOD[20:30], GOOD[30:]]
OTHER_PARTS = [GOOD[:18], GOOD[18:]]
BAD = GOOD[:-1] + b"Z"
PLENTY = 900_000
WAYS = [*HASHERS, *(f"{name} of parts" for name in HASHERS), "MD5 as ETag", "XXHASH3", "XXHASH3 of parts", "nothing"]
"""What may be stored with a source."""

READINGS = ["CRC64NVME", "CRC32C of parts", "SHA256", "SHA256 of parts", "MD5 as ETag", "nothing"]
"""One for each way of reading, and of resuming."""


@pytest.fixture
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every object is a large one."""
    monkeypatch.setattr(readback, "RANGE_BYTES", 4)
    monkeypatch.setattr(readback, "PIECE_BYTES", 3)


def source_with(
    cloud: Cloud, lists: PartLists, way: str, body: bytes = GOOD, cuts: tuple[int, ...] = (10, 20)
) -> StoredObject:
    """A source with this stored."""
    obj = put(cloud, SOURCE, body)
    name = way.removesuffix(" of parts")
    if way == "nothing":
        return obj
    if way == "MD5 as ETag":
        return with_md5(obj, body)
    edges = [0, *cuts, len(body)]
    bodies = [body[start:end] for start, end in pairwise(edges)]
    if name == "XXHASH3":
        made = in_parts(lists, obj, "SHA256", bodies) if way != name else with_checksum(obj, "SHA256", body)
        return made.model_copy(update={"checksum_algorithm": "XXHASH3"})
    return in_parts(lists, obj, name, bodies) if way != name else with_checksum(obj, name, body)


def grade_of(way: str, minimum: str) -> str:
    """The grade that reading reaches."""
    return "bytes" if minimum == "bytes" or way.startswith(("XXHASH", "nothing")) else "readback"


def test_the_grades_are_in_order_and_bytes_reaches_them_all() -> None:
    assert get_args(Grade) == GRADES
    assert [grade for grade in GRADES if not reaches("bytes", grade)] == []
    assert [grade for grade in GRADES if reaches("md5", grade)] == ["md5"]
    assert reaches("md5", "any")


# What S3 stores ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", [*HASHERS, "XXHASH3"])
@pytest.mark.parametrize("equal", [True, False])
def test_full_object_checksums_of_one_algorithm_are_compared(cloud: Cloud, algorithm: str, equal: bool) -> None:
    stored = {"checksum_algorithm": algorithm, "checksum_type": "FULL_OBJECT", "checksum_value": "AAAA"}
    source, target = (put(cloud, bucket, GOOD).model_copy(update=stored) for bucket in (SOURCE, TARGET))
    if not equal:
        target = target.model_copy(update={"checksum_value": "BBBB"})
    found = compare_stored(source, target)
    assert found
    assert (found.equal, found.grade) == (equal, "checksum")
    assert found.detail == f"stored {algorithm} {'matches' if equal else 'does not match (source AAAA, target BBBB)'}"


@pytest.mark.parametrize("body", [GOOD, BAD])
def test_etags_that_are_md5s_are_compared(cloud: Cloud, body: bytes) -> None:
    found = compare_stored(with_md5(put(cloud, SOURCE, GOOD), GOOD), with_md5(put(cloud, TARGET, body), body))
    assert found
    assert (found.equal, found.grade) == (body == GOOD, "md5")


def test_md5s_are_compared_where_the_checksums_are_of_different_algorithms(cloud: Cloud) -> None:
    source = with_checksum(with_md5(put(cloud, SOURCE, GOOD), GOOD), "SHA256", GOOD)
    target = with_checksum(with_md5(put(cloud, TARGET, GOOD), GOOD), "CRC32", GOOD)
    found = compare_stored(source, target)
    assert found
    assert (found.equal, found.grade) == (True, "md5")


@pytest.mark.parametrize("algorithm", CRC_BYTES)
@pytest.mark.parametrize("body", [GOOD, BAD])
@pytest.mark.parametrize("target_parts", [None, (10, 20), (18,)], ids=["whole", "same parts", "other parts"])
def test_composite_crcs_are_folded_whatever_the_parts_of_the_target(
    cloud: Cloud, part_lists: PartLists, algorithm: str, body: bytes, target_parts: tuple[int, ...] | None
) -> None:
    source = source_with(cloud, part_lists, f"{algorithm} of parts")
    plain = put(cloud, TARGET, body)
    edges = [0, *(target_parts or ()), len(body)]
    bodies = [body[start:end] for start, end in pairwise(edges)]
    target = in_parts(part_lists, plain, algorithm, bodies) if target_parts else with_checksum(plain, algorithm, body)
    found = compare_stored(source, target)
    assert found
    assert (found.equal, found.grade) == (body == GOOD, "composite")
    assert not cloud.hooks.params["GetObject"]


def test_equal_composite_values_are_enough(cloud: Cloud, part_lists: PartLists) -> None:
    source = source_with(cloud, part_lists, "SHA256 of parts")
    target = in_parts(part_lists, put(cloud, TARGET, GOOD), "SHA256", [GOOD[:10], GOOD[10:20], GOOD[20:]])
    found = compare_stored(source, target)
    assert found
    assert (found.equal, found.grade, found.detail) == (True, "composite", "stored SHA256 of the parts matches")
    assert part_lists.asked == []


def test_composite_hashes_over_the_same_parts_differ_and_name_the_part(cloud: Cloud, part_lists: PartLists) -> None:
    source = source_with(cloud, part_lists, "SHA256 of parts")
    target = in_parts(part_lists, put(cloud, TARGET, BAD), "SHA256", [BAD[:10], BAD[10:20], BAD[20:]])
    found = compare_stored(source, target)
    assert found
    assert (found.equal, found.grade) == (False, "composite")
    assert "part 3" in found.detail


def test_composite_hashes_over_other_parts_verify_nothing(cloud: Cloud, part_lists: PartLists) -> None:
    source = source_with(cloud, part_lists, "SHA256 of parts")
    target = in_parts(part_lists, put(cloud, TARGET, GOOD), "SHA256", OTHER_PARTS)
    assert compare_stored(source, target) is None
    found = verify(source, target)
    assert (found.equal, found.grade) == (True, "readback")


@pytest.mark.parametrize("body", [GOOD, BAD])
def test_the_hash_of_a_single_part_is_that_of_the_whole(cloud: Cloud, part_lists: PartLists, body: bytes) -> None:
    source = in_parts(part_lists, put(cloud, SOURCE, GOOD), "SHA256", [GOOD])
    found = compare_stored(source, with_checksum(put(cloud, TARGET, body), "SHA256", body))
    assert found
    assert (found.equal, found.grade) == (body == GOOD, "composite")


def test_parts_that_s3_does_not_list_verify_nothing_and_are_no_mismatch(cloud: Cloud, part_lists: PartLists) -> None:
    source = source_with(cloud, part_lists, "CRC32 of parts")
    part_lists.add(source, [SourcePart(1, len(GOOD))])
    assert compare_stored(source, with_checksum(put(cloud, TARGET, GOOD), "CRC32", BAD)) is None
    found = verify(source, put(cloud, TARGET, GOOD))
    assert (found.equal, found.grade) == (True, "bytes")


def test_different_sizes_are_a_mismatch_and_equal_ones_verify_nothing(cloud: Cloud) -> None:
    found = verify(put(cloud, SOURCE, GOOD + b"!"), put(cloud, TARGET, GOOD))
    assert (found.equal, found.detail) == (False, "size does not match (source 37 bytes, target 36 bytes)")
    assert not cloud.hooks.params["GetObject"]


# What is read --------------------------------------------------------------------------------------------------


def calls_until_done(
    source: StoredObject, target: StoredObject, minimum: Any, allowances: list[int]
) -> tuple[ReadResult, int]:
    """The reading, in so many calls; each may look at its time so often before it is over."""
    progress: ReadProgress | None = None
    for calls, allowance in enumerate([*allowances, 10**6], 1):
        left = [PLENTY] * allowance

        def remaining_ms(left: list[int] = left) -> int:
            return left.pop() if left else 0

        found = continue_reading(source, target, minimum, progress, remaining_ms)
        if found.comparison:
            return found, calls
        progress = found.progress and ReadProgress.model_validate_json(found.progress.model_dump_json())
    raise AssertionError("The last call had all the time it wanted.")


@pytest.mark.usefixtures("small_ranges")
@pytest.mark.parametrize("minimum", ["any", "readback", "bytes"])
@pytest.mark.parametrize("way", WAYS)
def test_reading_reaches_the_grade_that_what_is_stored_allows(
    cloud: Cloud, part_lists: PartLists, way: str, minimum: Any
) -> None:
    source, target = source_with(cloud, part_lists, way), put(cloud, TARGET, GOOD)
    found, calls = calls_until_done(source, target, minimum, [])
    assert found.comparison
    assert (found.comparison.equal, found.comparison.grade, calls) == (True, grade_of(way, minimum), 1)
    assert "matches" in found.comparison.detail
    assert found.answered_at
    sources = [given for given in cloud.hooks.params["GetObject"] if given["Bucket"] == SOURCE]
    assert bool(sources) == (grade_of(way, minimum) == "bytes")


@pytest.mark.no_cover  # Most of the file's time, and half of that for tracing what the others show.
@pytest.mark.usefixtures("small_ranges")
@pytest.mark.parametrize("minimum", ["readback", "bytes"])
@pytest.mark.parametrize("way", READINGS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_reading_stopped_anywhere_gives_the_same_verdict(
    cloud: Cloud, part_lists: PartLists, way: str, minimum: Any, data: st.DataObject
) -> None:
    body = data.draw(st.binary(max_size=40), label="body")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=4), label="cuts"))
    wrong = data.draw(st.none() | st.integers(0, len(body) - 1), label="wrong byte") if body else None
    allowances = data.draw(st.lists(st.integers(0, 20), max_size=6), label="time")
    arrived = body if wrong is None else body[:wrong] + bytes([body[wrong] ^ 1]) + body[wrong + 1 :]

    source = source_with(cloud, part_lists, way, body, tuple(cuts))
    found, _ = calls_until_done(source, put(cloud, TARGET, arrived), minimum, allowances)
    assert found.comparison
    assert found.comparison.equal == (wrong is None)
    if wrong is None:
        allowed = {"bytes"} if grade_of(way, minimum) == "bytes" else {"readback", "bytes"}
        assert found.comparison.grade in allowed


@pytest.mark.usefixtures("small_ranges")
def test_the_source_is_pinned_and_the_target_is_the_current_one(cloud: Cloud) -> None:
    source, target = put(cloud, SOURCE, GOOD[:6]), put(cloud, TARGET, GOOD[:6])
    assert verify(source, target).equal
    asked = cloud.hooks.params["GetObject"]
    assert {given["Range"] for given in asked} == {"bytes=0-3", "bytes=4-5"}
    for obj, version in ((source, source.version_id), (target, None)):
        given = [call for call in asked if call["Bucket"] == obj.bucket]
        assert [(call["IfMatch"], call.get("VersionId")) for call in given] == [(obj.etag, version)] * 2


def test_a_small_object_is_read_at_once(cloud: Cloud) -> None:
    assert verify(put(cloud, SOURCE, GOOD), put(cloud, TARGET, GOOD)).equal
    assert [given["Bucket"] for given in cloud.hooks.params["GetObject"]] == [SOURCE, TARGET]
    assert not [given for given in cloud.hooks.params["GetObject"] if "Range" in given]


@pytest.mark.parametrize("minimum", ["readback", "bytes"])
def test_an_empty_object_is_read_like_any_other(cloud: Cloud, minimum: Any) -> None:
    source = with_checksum(put(cloud, SOURCE, b""), "CRC64NVME", b"")
    found, _ = calls_until_done(source, put(cloud, TARGET, b""), minimum, [])
    assert found.comparison
    assert (found.comparison.equal, found.comparison.grade) == (True, minimum)
    assert not [given for given in cloud.hooks.params["GetObject"] if "Range" in given]


def test_memory_holds_a_few_pieces_whatever_the_size(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readback, "PIECE_BYTES", 10)
    asked: list[int] = []

    def watch(answer: dict[str, Any]) -> None:
        body, read = answer["Body"], answer["Body"].read

        def watched(amount: int | None = None) -> bytes:
            asked.append(amount or len(GOOD))
            piece: bytes = read(amount)
            return piece

        body.read = watched

    cloud.hooks.edits["GetObject"] = watch
    assert verify(put(cloud, SOURCE, GOOD), put(cloud, TARGET, GOOD)).equal
    assert set(asked) == {10}


def test_a_call_takes_less_than_half_of_the_functions_memory_at_most() -> None:
    assert readback.RANGES_AT_ONCE * readback.PIECE_BYTES < 256 * 1024**2


@pytest.mark.usefixtures("small_ranges")
def test_a_target_with_the_same_etag_and_another_version_was_replaced(cloud: Cloud) -> None:
    source, target = put(cloud, SOURCE, GOOD), put(cloud, TARGET, GOOD)
    put(cloud, TARGET, GOOD)
    with pytest.raises(ObjectChanged) as raised:
        verify(source, target)
    assert raised.value.which == target


@pytest.mark.usefixtures("small_ranges")
@pytest.mark.parametrize("bucket", [SOURCE, TARGET])
@pytest.mark.parametrize("code", ["PreconditionFailed", "NoSuchKey", "NoSuchVersion"])
def test_an_object_that_is_replaced_while_it_is_read_is_named(cloud: Cloud, bucket: str, code: str) -> None:
    source, target = put(cloud, SOURCE, GOOD[:4]), put(cloud, TARGET, GOOD[:4])
    before = 0 if bucket == SOURCE else 1
    cloud.hooks.answer("GetObject", *[lambda: None] * before, ErrorResponse(code))
    with pytest.raises(ObjectChanged) as raised:
        verify(source, target)
    assert raised.value.which == (source if bucket == SOURCE else target)


@pytest.mark.usefixtures("small_ranges")
@pytest.mark.parametrize("arrived", [GOOD + b"!", GOOD[:9], b""], ids=["longer", "shorter", "empty"])
@pytest.mark.parametrize("way", ["CRC32", "SHA256", "SHA256 of parts", "nothing"])
def test_a_target_of_another_size_than_its_head_differs(
    cloud: Cloud, part_lists: PartLists, way: str, arrived: bytes
) -> None:
    """Nobody looks at the size of a target that is read anyway."""
    source, target = source_with(cloud, part_lists, way), put(cloud, TARGET, arrived)
    found = continue_reading(source, target, "any", None, lambda: PLENTY)
    assert found.comparison
    assert not found.comparison.equal
    assert Naming("source 36 bytes") == found.comparison.detail


@pytest.mark.usefixtures("small_ranges")
@pytest.mark.parametrize("way", ["CRC32C", "SHA256 of parts", "nothing"])
def test_what_was_read_before_s3_asks_to_slow_down_is_kept(cloud: Cloud, part_lists: PartLists, way: str) -> None:
    source, target = source_with(cloud, part_lists, way), put(cloud, TARGET, GOOD)
    first_wave = {"CRC32C": 4, "SHA256 of parts": 2, "nothing": 8}[way]
    cloud.hooks.answer("GetObject", *[lambda: None] * first_wave, *[ErrorResponse("SlowDown")] * 50)
    found = continue_reading(source, target, "any", None, lambda: PLENTY)
    assert found.comparison is None
    assert found.progress
    assert (found.progress.position_bytes, found.progress.parts_read) == {
        "CRC32C": (16, 0),
        "SHA256 of parts": (0, 2),
        "nothing": (16, 0),
    }[way]


def test_a_call_that_read_nothing_because_s3_is_busy_is_tried_again_as_a_whole(cloud: Cloud) -> None:
    cloud.hooks.answer("GetObject", ErrorResponse("SlowDown"))
    with pytest.raises(Throttled):
        continue_reading(put(cloud, SOURCE, GOOD), put(cloud, TARGET, GOOD), "any", None, lambda: PLENTY)


@pytest.mark.usefixtures("small_ranges")
def test_a_verification_without_a_deadline_goes_on_after_s3_was_busy(cloud: Cloud) -> None:
    # One error, after the first four ranges: were there one for each range read beside it, those that are given up
    # before they ask would leave theirs to the next call.
    cloud.hooks.answer("GetObject", *[lambda: None] * 8, ErrorResponse("SlowDown"))
    assert verify(put(cloud, SOURCE, GOOD), put(cloud, TARGET, GOOD)).equal


@pytest.mark.usefixtures("small_ranges")
def test_how_far_the_reading_of_another_target_was_is_void(cloud: Cloud) -> None:
    source, target = put(cloud, SOURCE, GOOD), put(cloud, TARGET, b"!" + GOOD[1:])
    before = ReadProgress(target="another version", grade="bytes", position_bytes=8)
    found = continue_reading(source, target, "bytes", before, lambda: PLENTY)
    assert found.comparison
    assert not found.comparison.equal, "the byte that differs was read"


@pytest.mark.usefixtures("small_ranges")
def test_how_far_a_lower_grade_was_is_void(cloud: Cloud) -> None:
    source, target = with_checksum(put(cloud, SOURCE, GOOD), "CRC32C", GOOD), put(cloud, TARGET, GOOD)
    assert target.version_id
    crc = to_text(digest_of("CRC32C", GOOD[:8]))
    before = ReadProgress(target=target.version_id, grade="readback", position_bytes=8, checksum=crc)
    as_it_was = continue_reading(source, target, "readback", before, lambda: PLENTY)
    higher = continue_reading(source, target, "bytes", before, lambda: PLENTY)
    assert as_it_was.comparison
    assert higher.comparison
    assert (as_it_was.comparison.grade, higher.comparison.grade) == ("readback", "bytes")
    assert (as_it_was.comparison.equal, higher.comparison.equal) == (True, True)


@pytest.mark.usefixtures("small_ranges")
def test_what_was_read_and_found_equal_is_not_read_again(cloud: Cloud) -> None:
    source, target = put(cloud, SOURCE, GOOD), put(cloud, TARGET, GOOD)
    assert target.version_id
    before = ReadProgress(target=target.version_id, grade="bytes", position_bytes=28)
    assert continue_reading(source, target, "any", before, lambda: PLENTY).comparison
    ranges = {given["Range"] for given in cloud.hooks.params["GetObject"]}
    assert ranges == {"bytes=28-31", "bytes=32-35"}


@pytest.mark.parametrize("way", ["SHA256", "MD5 as ETag"])
def test_a_hash_that_cannot_be_finished_in_time_gives_way_to_comparing_both(
    cloud: Cloud, part_lists: PartLists, way: str
) -> None:
    source, target = source_with(cloud, part_lists, way), put(cloud, TARGET, GOOD)
    assert target.version_id
    found = continue_reading(source, target, "readback", None, lambda: readback.MARGIN_MS - 1)
    assert found.progress == ReadProgress(target=target.version_id, grade="bytes")
    last = continue_reading(source, target, "readback", found.progress, lambda: PLENTY)
    assert last.comparison
    assert (last.comparison.equal, last.comparison.grade) == (True, "bytes")


def test_an_unexpected_error_names_the_object(cloud: Cloud) -> None:
    cloud.hooks.answer("GetObject", ErrorResponse("InvalidObjectState"))
    with pytest.raises(RequestRejected, match=f"s3://{SOURCE}/"):
        verify(put(cloud, SOURCE, GOOD), put(cloud, TARGET, GOOD))


def test_what_is_asked_is_in_the_service_model() -> None:
    client: Any = boto3.client("s3", "us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    get = client.meta.service_model.operation_model("GetObject")
    assert {"IfMatch", "Range", "VersionId"} <= set(get.input_shape.members)
    assert {"ContentRange", "ContentLength", "VersionId", "ETag"} <= set(get.output_shape.members)
