"""An object's parts as S3 tells them, and what is made of them."""

from typing import Any

import boto3
import pytest

from functions.objects.checksums import CRC_BYTES, HASHERS, digest_of, to_text
from functions.objects.head import ObjectChanged
from functions.objects.parts import SourcePart, expected_full_object, source_parts
from functions.runtime.errors import AccessDenied, Throttled
from tests.unit.conftest import SOURCE, Cloud, ErrorResponse
from tests.unit.part_lists import PartLists, in_parts, part_lists, put, with_checksum, with_md5

__all__ = ["part_lists"]

BODIES = [b"one", b"of three", b"parts"]
WHOLE = b"".join(BODIES)


def expected(algorithm: str, bodies: list[bytes]) -> tuple[SourcePart, ...]:
    return tuple(
        SourcePart(number, len(body), to_text(digest_of(algorithm, body))) for number, body in enumerate(bodies, 1)
    )


@pytest.mark.parametrize("algorithm", HASHERS)
def test_the_parts_are_reported_with_their_sizes_and_checksums(
    cloud: Cloud, part_lists: PartLists, algorithm: str
) -> None:
    obj = in_parts(part_lists, put(cloud, SOURCE, WHOLE), algorithm, BODIES)
    assert source_parts(obj) == expected(algorithm, BODIES)
    assert part_lists.asked == ["attributes ferry-source"]
    (asked,) = cloud.hooks.params["GetObjectAttributes"]
    assert asked["VersionId"] == obj.version_id


def test_the_list_is_read_to_its_end(cloud: Cloud, part_lists: PartLists) -> None:
    bodies = [bytes([number % 256]) for number in range(2500)]
    obj = in_parts(part_lists, put(cloud, SOURCE, b"".join(bodies)), "CRC32", bodies)
    assert source_parts(obj) == expected("CRC32", bodies)
    markers = [given.get("PartNumberMarker") for given in cloud.hooks.params["GetObjectAttributes"]]
    assert markers == [None, 1000, 2000]


def test_parts_that_are_not_listed_are_looked_at_one_by_one(cloud: Cloud, part_lists: PartLists) -> None:
    part_lists.listed = False
    plain = put(cloud, SOURCE, WHOLE).model_copy(update={"etag": "0f-3"})
    obj = in_parts(part_lists, plain, "SHA256", BODIES)
    assert source_parts(obj) == expected("SHA256", BODIES)
    assert part_lists.asked == ["attributes ferry-source", *["head ferry-source"] * 3]


def test_an_object_of_one_piece_has_one_part_and_nothing_is_asked(cloud: Cloud, part_lists: PartLists) -> None:
    obj = with_checksum(put(cloud, SOURCE, WHOLE), "SHA256", WHOLE)
    assert source_parts(obj) == expected("SHA256", [WHOLE])
    assert source_parts(with_md5(put(cloud, SOURCE, WHOLE), WHOLE)) == (SourcePart(1, len(WHOLE), None),)
    assert part_lists.asked == []


def test_checksums_that_do_not_make_up_the_stored_one_are_not_believed(cloud: Cloud, part_lists: PartLists) -> None:
    obj = in_parts(part_lists, put(cloud, SOURCE, WHOLE), "CRC32", BODIES)
    changed = in_parts(part_lists, obj, "CRC32", [b"ONE", *BODIES[1:]])
    part_lists.add(obj, list(expected("CRC32", [b"ONE", *BODIES[1:]])))
    assert changed.checksum_value != obj.checksum_value
    assert source_parts(obj) == tuple(SourcePart(number, len(body)) for number, body in enumerate(BODIES, 1))
    assert expected_full_object(obj) is None


@pytest.mark.parametrize("checksum", [None, "not base64 but composite-3"])
def test_a_part_without_a_checksum_of_its_own_leaves_none(
    cloud: Cloud, part_lists: PartLists, checksum: str | None
) -> None:
    obj = in_parts(part_lists, put(cloud, SOURCE, WHOLE), "SHA256", BODIES)
    first, *rest = expected("SHA256", BODIES)
    part_lists.add(obj, [SourcePart(1, first.size_bytes, checksum), *rest])
    assert [part.checksum for part in source_parts(obj)] == [None, None, None]


def test_an_algorithm_that_nobody_knows_leaves_the_parts_without_checksums(cloud: Cloud, part_lists: PartLists) -> None:
    known = in_parts(part_lists, put(cloud, SOURCE, WHOLE), "SHA256", BODIES)
    obj = known.model_copy(update={"checksum_algorithm": "XXHASH3"})
    part_lists.add(obj, list(expected("SHA256", BODIES)))
    assert [part.checksum for part in source_parts(obj)] == [None, None, None]
    assert expected_full_object(obj) is None


def test_sizes_that_do_not_add_up_are_no_parts(cloud: Cloud, part_lists: PartLists) -> None:
    obj = in_parts(part_lists, put(cloud, SOURCE, WHOLE), "CRC32", BODIES)
    part_lists.add(obj, list(expected("CRC32", BODIES))[:2])
    assert source_parts(obj) == ()
    assert expected_full_object(obj) is None


def test_another_object_under_the_key_is_noticed(cloud: Cloud, part_lists: PartLists) -> None:
    obj = in_parts(part_lists, put(cloud, SOURCE, WHOLE), "CRC32", BODIES)
    part_lists.add(obj.model_copy(update={"etag": "another-3"}), [])
    with pytest.raises(ObjectChanged):
        source_parts(obj)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("NoSuchKey", ObjectChanged),
        ("NoSuchVersion", ObjectChanged),
        ("AccessDenied", AccessDenied),
        ("503", Throttled),
    ],
)
def test_parts_that_cannot_be_read_are_an_error_that_names_the_object(
    cloud: Cloud, code: str, error: type[Exception]
) -> None:
    obj = put(cloud, SOURCE, WHOLE).model_copy(update={"etag": "0f-3"})
    cloud.hooks.answer("GetObjectAttributes", ErrorResponse(code))
    with pytest.raises(error) as raised:
        source_parts(obj)
    assert f"s3://{SOURCE}/{obj.key}" in str(raised.value)


@pytest.mark.parametrize("algorithm", CRC_BYTES)
def test_the_crc_of_the_whole_is_folded_of_the_parts(cloud: Cloud, part_lists: PartLists, algorithm: str) -> None:
    obj = in_parts(part_lists, put(cloud, SOURCE, WHOLE), algorithm, BODIES)
    assert expected_full_object(obj) == (algorithm, to_text(digest_of(algorithm, WHOLE)))


@pytest.mark.parametrize("algorithm", CRC_BYTES)
def test_the_stored_crc_of_the_whole_is_taken_as_it_is(cloud: Cloud, part_lists: PartLists, algorithm: str) -> None:
    obj = with_checksum(put(cloud, SOURCE, WHOLE), algorithm, WHOLE)
    assert expected_full_object(obj) == (algorithm, obj.checksum_value)
    assert part_lists.asked == []


def test_hashes_are_not_folded(cloud: Cloud, part_lists: PartLists) -> None:
    assert expected_full_object(with_checksum(put(cloud, SOURCE, WHOLE), "SHA256", WHOLE)) is None
    assert expected_full_object(in_parts(part_lists, put(cloud, SOURCE, WHOLE), "SHA256", BODIES)) is None
    assert expected_full_object(put(cloud, SOURCE, WHOLE)) is None
    assert part_lists.asked == []


def test_what_is_asked_and_read_is_in_the_service_model() -> None:
    client: Any = boto3.client("s3", "us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    attributes = client.meta.service_model.operation_model("GetObjectAttributes")
    assert {"MaxParts", "PartNumberMarker", "VersionId"} <= set(attributes.input_shape.members)
    assert "IfMatch" not in attributes.input_shape.members, "then the ETag need not be compared"
    parts = attributes.output_shape.members["ObjectParts"].members
    assert {"IsTruncated", "NextPartNumberMarker", "Parts"} <= set(parts)
    algorithms = {name.removeprefix("Checksum") for name in parts["Parts"].member.members if "Checksum" in name}
    assert set(HASHERS) <= algorithms
    head = client.meta.service_model.operation_model("HeadObject")
    assert {"PartNumber", "IfMatch", "ChecksumMode"} <= set(head.input_shape.members)
