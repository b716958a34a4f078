"""VerifyChecksum: every grade of proof, what is discarded, and how often."""

import base64
import hashlib
import zlib
from collections.abc import Callable
from typing import Any, get_args

import pytest

from functions import copy_object, verify_checksum
from functions.common import proof
from functions.common.bounds import FRESH_COPIES_AFTER_CHANGE, FRESH_COPIES_AFTER_MISMATCH
from functions.common.errors import AccessDenied, ChecksumMismatchPersists, TargetKeepsChanging, Throttled
from functions.common.models import GRADES, Copy, Grade, Source, StoredObject, Verification
from functions.common.proof import HASHERS, Crc32, prove, reaches
from tests.unit.conftest import (
    KEY,
    SOURCE,
    SOURCE_REGION,
    TARGET,
    TARGET_REGION,
    Cloud,
    LambdaContext,
    Refusal,
    step_event,
)

GOOD, BAD = b"id\n1\n", b"id\n2\n"


def copied(cloud: Cloud, body: bytes = GOOD, **arguments: Any) -> tuple[Source, Copy]:
    """An upload that was copied."""
    upload = cloud.upload(body, **arguments)
    done = Copy.model_validate(copy_object.handler(step_event(upload), LambdaContext()))
    assert done.status == "copied"
    cloud.hooks.forget()
    return upload, done


def corrupted(cloud: Cloud) -> tuple[Source, Copy]:
    """An upload whose copy holds other bytes, and says that it is the copy."""
    upload, done = copied(cloud)
    assert done.target
    put = cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=BAD)
    which = {"version_id": put.get("VersionId"), "etag": put["ETag"].strip('"')}
    return upload, done.model_copy(update={"target": done.target.model_copy(update=which)})


def run(upload: Source, copy: Copy | None, previous: Verification | None = None, **given: Any) -> Verification:
    event = step_event(upload, copy=copy, verification=previous, **given)
    return Verification.model_validate(verify_checksum.handler(event, LambdaContext()))


def stored(which: str, body: bytes = b"x", **fields: Any) -> StoredObject:
    where = {"source": (SOURCE, SOURCE_REGION), "target": (TARGET, TARGET_REGION)}[which]
    given = {"version_id": None, "etag": "0-2", "size_bytes": len(body)} | fields
    return StoredObject(bucket=where[0], region=where[1], key=KEY, **given)


@pytest.mark.parametrize(
    ("minimum", "grade"),
    [
        ("any", "checksum"),
        ("md5", "checksum"),
        ("composite", "checksum"),
        ("checksum", "checksum"),
        ("readback", "readback"),
        ("bytes", "bytes"),
    ],
)
def test_a_copy_is_proved_by_the_cheapest_way_that_reaches_the_grade(cloud: Cloud, minimum: str, grade: str) -> None:
    upload, copy = copied(cloud)
    found = run(upload, copy, minimum_grade=minimum)
    assert (found.status, found.grade) == ("verified", grade)
    assert (found.catalogued, found.not_catalogued_reason) == (True, None)
    assert "equal" in found.detail
    reads = [given["Bucket"] for given in cloud.hooks.params["GetObject"]]
    assert reads == {"checksum": [], "readback": [TARGET], "bytes": [SOURCE, TARGET]}[grade]


def test_what_is_read_is_pinned_by_version_and_etag(cloud: Cloud) -> None:
    upload, copy = copied(cloud)
    run(upload, copy, minimum_grade="bytes")
    assert copy.target
    assert cloud.hooks.params["GetObject"] == [
        {"Bucket": SOURCE, "Key": KEY, "IfMatch": upload.etag, "VersionId": upload.version_id},
        {"Bucket": TARGET, "Key": KEY, "IfMatch": copy.target.etag, "VersionId": copy.target.version_id},
    ]


def test_there_is_a_test_for_every_grade_and_bytes_reaches_them_all() -> None:
    assert get_args(Grade) == GRADES
    assert [grade for grade in GRADES if not reaches("bytes", grade)] == []
    assert [grade for grade in GRADES if reaches("md5", grade)] == ["md5"]
    assert reaches("md5", "any")


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_a_target_read_back_is_compared_with_the_hash_stored_at_the_source(cloud: Cloud, algorithm: str) -> None:
    upload, copy = copied(cloud, ChecksumAlgorithm=algorithm)
    found = run(upload, copy, minimum_grade="readback")
    assert (found.grade, found.detail) == ("readback", f"{algorithm} of the target read back equal")


@pytest.mark.parametrize(
    ("source", "target", "minimum", "grade", "equal"),
    [
        # Checksums of both objects' whole bytes.
        ({"checksum": ("SHA256", "same")}, {"checksum": ("SHA256", "same")}, "any", "checksum", True),
        ({"checksum": ("SHA256", "same")}, {"checksum": ("SHA256", "other")}, "any", "checksum", False),
        ({"checksum": ("SHA256", "same")}, {"checksum": ("SHA256", "other")}, "bytes", "checksum", False),
        # MD5, where the ETags are that.
        ({"md5": "aa"}, {"md5": "aa"}, "any", "md5", True),
        ({"md5": "aa"}, {"md5": "aa"}, "md5", "md5", True),
        ({"md5": "aa"}, {"md5": "bb"}, "any", "md5", False),
        ({"checksum": ("SHA256", "v"), "md5": "aa"}, {"checksum": ("CRC32", "v"), "md5": "aa"}, "any", "md5", True),
    ],
)
def test_what_s3_stores_is_compared_without_reading(
    cloud: Cloud, source: dict[str, Any], target: dict[str, Any], minimum: Any, grade: str, equal: bool
) -> None:
    found = prove(_with(stored("source"), source), _with(stored("target"), target), minimum)
    assert (found.equal, found.grade) == (equal, grade)
    assert ("differs" in found.detail) != equal
    assert not cloud.hooks.params["GetObject"]


def _with(obj: StoredObject, proof_of: dict[str, Any]) -> StoredObject:
    algorithm, value = proof_of.get("checksum", (None, None))
    md5 = {"etag": proof_of["md5"], "etag_is_md5": True} if "md5" in proof_of else {}
    kind = proof_of.get("type", "FULL_OBJECT") if algorithm else None
    return obj.model_copy(
        update={"checksum_algorithm": algorithm, "checksum_value": value, "checksum_type": kind} | md5
    )


@pytest.mark.parametrize(
    ("of_source", "minimum", "grade", "reads"),
    [
        ({"md5": hashlib.md5(GOOD).hexdigest()}, "any", "readback", [TARGET]),  # noqa: S324
        ({"md5": hashlib.md5(GOOD).hexdigest()}, "readback", "readback", [TARGET]),  # noqa: S324
        ({"checksum": ("SHA512", "the hash")}, "any", "readback", [TARGET]),
        ({"checksum": ("CRC64NVME", "AAAA")}, "any", "bytes", [SOURCE, TARGET]),
        ({"checksum": ("SHA256", "AAAA-2"), "type": "COMPOSITE"}, "any", "bytes", [SOURCE, TARGET]),
        ({}, "any", "bytes", [SOURCE, TARGET]),
    ],
)
def test_what_s3_does_not_store_on_both_sides_is_read(
    cloud: Cloud, of_source: dict[str, Any], minimum: Any, grade: str, reads: list[str]
) -> None:
    if "the hash" in of_source.get("checksum", ()):
        of_source = {"checksum": ("SHA512", base64.b64encode(hashlib.sha512(GOOD).digest()).decode())}
    for client, bucket in ((cloud.source, SOURCE), (cloud.target, TARGET)):
        client.put_object(Bucket=bucket, Key=KEY, Body=GOOD)
    etag = hashlib.md5(GOOD).hexdigest()  # noqa: S324
    source = _with(stored("source", GOOD, etag=etag), of_source)
    found = prove(source, stored("target", GOOD, etag=etag), minimum)
    assert (found.equal, found.grade) == (True, grade)
    assert [given["Bucket"] for given in cloud.hooks.params["GetObject"]] == reads


@pytest.mark.parametrize(("minimum", "grade"), [("readback", "readback"), ("bytes", "bytes")])
def test_bytes_that_differ_are_found_by_reading_although_what_is_stored_is_equal(
    cloud: Cloud, minimum: Any, grade: str
) -> None:
    cloud.source.put_object(Bucket=SOURCE, Key=KEY, Body=GOOD)
    there = cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=BAD)["ETag"].strip('"')
    crc = base64.b64encode(zlib.crc32(GOOD).to_bytes(4, "big")).decode()
    claimed = {"checksum": ("CRC32", crc)}
    etag = hashlib.md5(GOOD).hexdigest()  # noqa: S324
    source, target = stored("source", GOOD, etag=etag), stored("target", BAD, etag=there)
    found = prove(_with(source, claimed), _with(target, claimed), minimum)
    assert (found.equal, found.grade) == (False, grade)


def test_sizes_disprove_and_never_prove(cloud: Cloud) -> None:
    found = prove(stored("source", b"xx"), stored("target", b"x"))
    assert (found.equal, found.detail) == (False, "2 bytes at the source, 1 at the target")
    assert not cloud.hooks.params["GetObject"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CRC32", zlib.crc32(b"0123456789").to_bytes(4, "big")),
        ("SHA1", hashlib.sha1(b"0123456789").digest()),  # noqa: S324
        ("SHA256", hashlib.sha256(b"0123456789").digest()),
        ("SHA512", hashlib.sha512(b"0123456789").digest()),
        ("MD5", hashlib.md5(b"0123456789").digest()),  # noqa: S324
    ],
)
def test_a_hash_of_pieces_is_the_hash_of_the_whole(name: str, expected: bytes) -> None:
    hasher = HASHERS[name]()
    for piece in (b"0123", b"", b"456789"):
        hasher.update(piece)
    assert hasher.digest() == expected


def test_a_crc_is_written_as_s3_writes_it() -> None:
    """The check value of CRC-32/ISO-HDLC."""
    crc = Crc32()
    crc.update(b"123456789")
    assert crc.digest() == bytes.fromhex("cbf43926")


def test_objects_are_read_in_pieces(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "PIECE_BYTES", 3)
    upload, copy = copied(cloud, b"0123456789", ChecksumAlgorithm="SHA256")
    assert run(upload, copy, minimum_grade="bytes").status == "verified"


@pytest.mark.parametrize(
    ("key", "body", "reason"),
    [
        ("sales/picture.png", b"x", "not a table: the name ends in none of"),
        ("sales/", b"", "a folder marker has no rows"),
        ("sales/a.csv", b"", "an empty object has no rows"),
    ],
)
def test_what_makes_no_table_is_proved_all_the_same_and_told_why(
    cloud: Cloud, key: str, body: bytes, reason: str
) -> None:
    upload, copy = copied(cloud, body, key=key)
    found = run(upload, copy)
    assert (found.status, found.catalogued) == ("verified", False)
    assert (found.not_catalogued_reason or "").startswith(reason)


def test_a_bad_copy_is_discarded_and_nothing_but_that_version(cloud: Cloud) -> None:
    upload, copy = corrupted(cloud)
    found = run(upload, copy)
    assert (found.status, found.mismatches, found.grade) == ("mismatched", 1, None)
    assert "differs" in found.detail
    assert copy.target
    assert cloud.hooks.params["DeleteObject"] == [{"Bucket": TARGET, "Key": KEY, "VersionId": copy.target.version_id}]
    assert cloud.arrived() == GOOD, "the version before it is there again"


def test_without_versions_a_bad_copy_is_discarded_only_while_it_is_there(cloud: Cloud) -> None:
    cloud.unversion()
    upload, copy = corrupted(cloud)
    assert run(upload, copy).status == "mismatched"
    assert copy.target
    assert cloud.hooks.params["DeleteObject"] == [{"Bucket": TARGET, "Key": KEY, "IfMatch": copy.target.etag}]
    assert "Contents" not in cloud.target.list_objects_v2(Bucket=TARGET)


@pytest.mark.parametrize("code", ["412", "PreconditionFailed", "404", "NoSuchVersion", "ConditionalRequestConflict"])
def test_a_bad_copy_that_another_replaced_before_it_could_be_discarded_is_a_mismatch_all_the_same(
    cloud: Cloud, code: str
) -> None:
    upload, copy = corrupted(cloud)
    cloud.hooks.answer("DeleteObject", Refusal(code))
    assert run(upload, copy).status == "mismatched"


def test_a_bad_copy_that_may_not_be_discarded_is_an_error_that_names_it(cloud: Cloud) -> None:
    upload, copy = corrupted(cloud)
    cloud.hooks.answer("DeleteObject", Refusal("AccessDenied"))
    with pytest.raises(AccessDenied, match="discarding the bad copy") as raised:
        run(upload, copy)
    assert f"s3://{TARGET}/{KEY}" in str(raised.value)


def test_the_last_bad_copy_is_discarded_and_then_it_is_given_up(cloud: Cloud) -> None:
    upload, copy = corrupted(cloud)
    before = Verification(status="mismatched", mismatches=FRESH_COPIES_AFTER_MISMATCH)
    with pytest.raises(ChecksumMismatchPersists, match="3 copies of") as raised:
        run(upload, copy, before)
    assert f"s3://{SOURCE}/{KEY}" in str(raised.value)
    assert TARGET in str(raised.value)
    assert cloud.arrived() == GOOD


def test_a_redrive_counts_bad_copies_and_changes_anew(cloud: Cloud) -> None:
    upload, copy = corrupted(cloud)
    before = Verification(status="mismatched", mismatches=FRESH_COPIES_AFTER_MISMATCH, changes=4)
    found = run(upload, copy, before, redrives=1)
    assert (found.mismatches, found.changes, found.redrive_count) == (1, 0, 1)


def _replace(cloud: Cloud) -> None:
    cloud.target.put_object(Bucket=TARGET, Key=KEY, Body=GOOD)


def _delete(cloud: Cloud) -> None:
    cloud.target.delete_object(Bucket=TARGET, Key=KEY)


@pytest.mark.parametrize("meddle", [_replace, _delete])
def test_a_target_that_is_not_what_was_copied_is_no_mismatch(cloud: Cloud, meddle: Callable[[Cloud], None]) -> None:
    upload, copy = copied(cloud)
    meddle(cloud)
    found = run(upload, copy)
    assert (found.status, found.changes, found.mismatches) == ("target_changed", 1, 0)
    assert not cloud.hooks.params["DeleteObject"]


def test_a_target_that_keeps_changing_is_given_up(cloud: Cloud) -> None:
    upload, copy = copied(cloud)
    _replace(cloud)
    last = run(upload, copy, Verification(status="target_changed", changes=FRESH_COPIES_AFTER_CHANGE - 1))
    assert (last.status, last.changes) == ("target_changed", FRESH_COPIES_AFTER_CHANGE)
    with pytest.raises(TargetKeepsChanging, match="between copy and proof 6 times") as raised:
        run(upload, copy, last)
    assert f"s3://{TARGET}/{KEY}" in str(raised.value)


@pytest.mark.parametrize("code", ["PreconditionFailed", "NoSuchKey", "NoSuchVersion"])
@pytest.mark.parametrize(("read_before", "status"), [(0, "source_changed"), (1, "target_changed")])
def test_an_object_that_is_replaced_while_it_is_read_is_told_which_of_the_two(
    cloud: Cloud, code: str, read_before: int, status: str
) -> None:
    upload, copy = copied(cloud)
    cloud.hooks.answer("GetObject", *[lambda: None] * read_before, Refusal(code))
    found = run(upload, copy, minimum_grade="bytes")
    assert (found.status, found.changes, found.mismatches) == (status, 1, 0)
    assert "was replaced or deleted while it was read" in found.detail


@pytest.mark.parametrize(("code", "error"), [("AccessDenied", AccessDenied), ("SlowDown", Throttled)])
def test_an_object_that_cannot_be_read_is_named(cloud: Cloud, code: str, error: type[Exception]) -> None:
    upload, copy = copied(cloud)
    cloud.hooks.answer("GetObject", Refusal(code))
    with pytest.raises(error, match="while reading") as raised:
        run(upload, copy, minimum_grade="bytes")
    assert f"s3://{SOURCE}/{KEY}" in str(raised.value)


def test_a_body_that_breaks_off_is_tried_again_and_no_mismatch(cloud: Cloud) -> None:
    upload, copy = copied(cloud)

    def promise_more(answer: dict[str, Any]) -> None:
        answer["Body"]._content_length = 100

    cloud.hooks.edits["GetObject"] = promise_more
    with pytest.raises(Throttled, match="No answer from AWS while reading"):
        run(upload, copy, minimum_grade="bytes")
    assert not cloud.hooks.params["DeleteObject"]


@pytest.mark.parametrize("copy", [None, Copy(status="in_progress")])
def test_without_a_finished_copy_there_is_nothing_to_verify(cloud: Cloud, copy: Copy | None) -> None:
    with pytest.raises(ValueError, match="without a finished copy"):
        run(cloud.upload(), copy)
