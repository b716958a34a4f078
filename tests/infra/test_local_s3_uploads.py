"""The local multipart uploads behave as AWS's.

AWS: "CreateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload", "AbortMultipartUpload",
"ListParts", "ListMultipartUploads" (S3 API reference), "Amazon S3 multipart upload limits", "Checking object
integrity" (S3 User Guide). That a Complete may be repeated is what S3 does, and is in no page of AWS's: see
adobe/S3Mock, issue 2586.
"""

import base64
import hashlib
import uuid
from typing import Any

import pytest

from infra.local.s3 import checksums, completion, copies, uploads
from tests.support.local_s3 import (
    MIB,
    SMALLEST_PART,
    Events,
    content,
    md5,
    new_bucket,
    part_of,
    rejected,
    sha256,
    upload,
)
from tests.support.local_server import ACCOUNT, Server, allow

BODY = content(11 * MIB)
PARTS = [BODY[:SMALLEST_PART], BODY[SMALLEST_PART:]]
RANGES = [f"bytes=0-{SMALLEST_PART - 1}", f"bytes={SMALLEST_PART}-{len(BODY) - 1}"]


@pytest.fixture(scope="module")
def bucket(s3: Any) -> str:
    """A bucket that holds BODY as `source`."""
    name = new_bucket(s3, "uploads")
    s3.put_object(Bucket=name, Key="source", Body=BODY)
    return name


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


class Copying:
    """A multipart upload of two copied parts of `source`."""

    def __init__(self, s3: Any, bucket: str, key: str, **arguments: Any) -> None:
        self.s3 = s3
        self.created = s3.create_multipart_upload(Bucket=bucket, Key=key, **arguments)
        self.where = {"Bucket": bucket, "Key": key, "UploadId": self.created["UploadId"]}
        self.parts: list[dict[str, Any]] = []
        for number, part in enumerate(RANGES, 1):
            source = {"CopySource": f"{bucket}/source", "CopySourceRange": part}
            answer = s3.upload_part_copy(**self.where, PartNumber=number, **source)
            self.parts.append({"PartNumber": number, **part_of(answer)})

    def complete(self, **arguments: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.s3.complete_multipart_upload(
            **self.where, **{"MultipartUpload": {"Parts": self.parts}, **arguments}
        )
        return found


def value(algorithm: str, body: bytes) -> str:
    return str(checksums.compute(algorithm, body))


@pytest.mark.parametrize("algorithm", ["CRC64NVME", "CRC32", "CRC32C"])
def test_copied_parts_have_checksums_and_make_one_of_the_whole(s3: Any, bucket: str, key: str, algorithm: str) -> None:
    copying = Copying(s3, bucket, key, ChecksumAlgorithm=algorithm, ChecksumType="FULL_OBJECT")
    assert copying.created["ChecksumType"] == "FULL_OBJECT"
    name = f"Checksum{algorithm}"
    assert [part[name] for part in copying.parts] == [value(algorithm, part) for part in PARTS]
    found = copying.complete(**{name: value(algorithm, BODY)})
    assert (found[name], found["ChecksumType"]) == (value(algorithm, BODY), "FULL_OBJECT")
    head = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    assert (head[name], head["ChecksumType"]) == (value(algorithm, BODY), "FULL_OBJECT")
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == BODY


@pytest.mark.parametrize("algorithm", ["SHA256", "SHA1", "CRC32", "CRC32C"])
def test_a_composite_checksum_is_of_the_parts_checksums(s3: Any, bucket: str, key: str, algorithm: str) -> None:
    copying = Copying(s3, bucket, key, ChecksumAlgorithm=algorithm)
    assert copying.created["ChecksumType"] == "COMPOSITE"
    digests = b"".join(base64.b64decode(value(algorithm, part)) for part in PARTS)
    expected = f"{value(algorithm, digests)}-2"
    found = copying.complete()
    assert (found[f"Checksum{algorithm}"], found["ChecksumType"]) == (expected, "COMPOSITE")
    head = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    assert (head[f"Checksum{algorithm}"], head["ChecksumType"]) == (expected, "COMPOSITE")


def test_without_an_algorithm_it_is_crc64nvme_of_the_whole(s3: Any, bucket: str, key: str) -> None:
    found = Copying(s3, bucket, key).complete()
    assert (found["ChecksumCRC64NVME"], found["ChecksumType"]) == (value("CRC64NVME", BODY), "FULL_OBJECT")


def test_without_an_algorithm_no_checksum_is_told_before_the_end(s3: Any, bucket: str, key: str) -> None:
    """Recorded from AWS, February 2026."""
    copying = Copying(s3, bucket, key)
    part = s3.upload_part(**copying.where, PartNumber=2, Body=PARTS[1], ChecksumAlgorithm="CRC32C")
    assert {name for name in part if name.startswith("Checksum")} == {"ChecksumCRC32C"}
    listed, page = s3.list_multipart_uploads(Bucket=bucket, Prefix=key)["Uploads"][0], s3.list_parts(**copying.where)
    for told in (copying.created, listed, *copying.parts, page, *page["Parts"]):
        assert not [name for name in told if name.startswith("Checksum")]
    for more in ({"ChecksumCRC32C": part["ChecksumCRC32C"]}, {"ChecksumCRC64NVME": value("CRC64NVME", PARTS[1])}):
        with rejected("InvalidPart", 400):
            copying.complete(MultipartUpload={"Parts": [copying.parts[0], {**copying.parts[1], **more}]})
    for checksum_type in ("FULL_OBJECT", "COMPOSITE"):
        with rejected("InvalidRequest", 400):
            copying.complete(ChecksumType=checksum_type)
    assert copying.complete()["ChecksumType"] == "FULL_OBJECT"


@pytest.mark.parametrize(
    ("algorithm", "checksum_type"), [("SHA256", "FULL_OBJECT"), ("SHA1", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE")]
)
def test_types_that_an_algorithm_cannot_have(
    s3: Any, bucket: str, key: str, algorithm: str, checksum_type: str
) -> None:
    with rejected("InvalidRequest", 400):
        s3.create_multipart_upload(Bucket=bucket, Key=key, ChecksumAlgorithm=algorithm, ChecksumType=checksum_type)


def test_a_type_needs_an_algorithm(s3: Any, bucket: str, key: str) -> None:
    """Recorded from AWS, February 2026."""
    with rejected("InvalidRequest", 400):
        s3.create_multipart_upload(Bucket=bucket, Key=key, ChecksumType="FULL_OBJECT")


def test_a_part_with_another_checksum_than_the_uploads_is_rejected(s3: Any, bucket: str, key: str) -> None:
    created = s3.create_multipart_upload(Bucket=bucket, Key=key, ChecksumAlgorithm="SHA256")
    with rejected("InvalidRequest", 400):
        s3.upload_part(
            Bucket=bucket, Key=key, UploadId=created["UploadId"], PartNumber=1, Body=b"x", ChecksumAlgorithm="CRC32"
        )


def test_the_etag_and_the_date_of_an_upload(s3: Any, bucket: str, key: str) -> None:
    copying = Copying(s3, bucket, key)
    began = s3.list_multipart_uploads(Bucket=bucket, Prefix=key)["Uploads"][0]["Initiated"]
    digests = b"".join(hashlib.md5(part, usedforsecurity=False).digest() for part in PARTS)
    assert copying.complete()["ETag"] == f'{md5(digests)[:-1]}-2"'
    assert s3.head_object(Bucket=bucket, Key=key)["LastModified"] == began.replace(microsecond=0)


def test_another_value_than_expected_is_a_bad_digest_and_the_upload_stays(s3: Any, bucket: str, key: str) -> None:
    copying = Copying(s3, bucket, key, ChecksumAlgorithm="CRC32C", ChecksumType="FULL_OBJECT")
    with rejected("BadDigest", 400):
        copying.complete(ChecksumCRC32C="AAAAAA==")
    with rejected("InvalidRequest", 400):
        copying.complete(ChecksumType="COMPOSITE")
    with rejected("BadDigest", 400):
        copying.complete(ChecksumCRC32=value("CRC32", BODY))
    with rejected("404", 404):
        s3.head_object(Bucket=bucket, Key=key)
    assert copying.complete()["ChecksumCRC32C"] == value("CRC32C", BODY)


def test_another_size_than_expected_is_rejected(s3: Any, bucket: str, key: str) -> None:
    copying = Copying(s3, bucket, key)
    with rejected("InvalidRequest", 400):
        copying.complete(MpuObjectSize=len(BODY) - 1)
    copying.complete(MpuObjectSize=len(BODY))


def test_invalid_parts_are_rejected(s3: Any, bucket: str, key: str) -> None:
    copying = Copying(s3, bucket, key, ChecksumAlgorithm="SHA256")
    right = copying.parts
    for wrong, code in [
        ([right[1], right[0]], "InvalidPartOrder"),
        ([right[0], {**right[1], "PartNumber": 3}], "InvalidPart"),
        ([right[0], {**right[1], "ETag": right[0]["ETag"]}], "InvalidPart"),
        ([right[0], {**right[1], "ChecksumSHA256": right[0]["ChecksumSHA256"]}], "InvalidPart"),
        ([right[0], {"PartNumber": 2, "ETag": right[1]["ETag"]}], "InvalidRequest"),
        ([], "MalformedXML"),
    ]:
        copying.parts = wrong
        with rejected(code, 400):
            copying.complete()
    copying.parts = right
    copying.complete()


def test_a_part_below_5_mib_is_too_small_unless_it_is_the_last(s3: Any, bucket: str, key: str) -> None:
    with rejected("EntityTooSmall", 400):
        upload(s3, bucket, key, [content(SMALLEST_PART - 1), b"x"])
    upload(s3, bucket, key, [content(SMALLEST_PART), b"x"])


def test_a_part_above_5_gib_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    assert copies.LARGEST_COPY_BYTES == 5_368_709_120
    most = 5
    monkeypatch.setattr(uploads, "LARGEST_COPY_BYTES", most)
    guarded = uploads._upload_part(lambda *_: (200, {}, b""))
    query = {"uploadId": ["none"], "partNumber": ["1"]}
    assert guarded("b", "k", bytes(most), query, {})[0] == 200
    status, _, body = guarded("b", "k", bytes(most + 1), query, {})
    assert (status, b"<Code>EntityTooLarge</Code>" in body) == (400, True)


def test_a_range_is_copied_of_a_small_source_too(s3: Any, bucket: str, key: str) -> None:
    """Recorded from AWS, February 2026."""
    s3.put_object(Bucket=bucket, Key="small", Body=b"0123456789")
    created = s3.create_multipart_upload(Bucket=bucket, Key=key)
    part = {"Bucket": bucket, "Key": key, "UploadId": created["UploadId"], "PartNumber": 1}
    copied = s3.upload_part_copy(**part, CopySource=f"{bucket}/small", CopySourceRange="bytes=1-3")
    assert copied["CopyPartResult"]["ETag"] == md5(b"123")
    with rejected("InvalidArgument", 400):
        s3.upload_part_copy(**part, CopySource=f"{bucket}/small", CopySourceRange="bytes=0-10")
    with rejected("InvalidArgument", 400):
        s3.upload_part_copy(**part, CopySource=f"{bucket}/source", CopySourceRange=f"bytes=0-{len(BODY)}")


def test_a_part_is_copied_only_of_the_named_source(s3: Any, bucket: str, key: str) -> None:
    created = s3.create_multipart_upload(Bucket=bucket, Key=key)
    part = {"Bucket": bucket, "Key": key, "UploadId": created["UploadId"], "PartNumber": 1}
    with rejected("PreconditionFailed", 412):
        s3.upload_part_copy(**part, CopySource=f"{bucket}/source", CopySourceIfMatch=md5(b"other"))
    with rejected("NoSuchKey", 404):
        s3.upload_part_copy(**part, CopySource=f"{bucket}/missing")
    s3.upload_part_copy(**part, CopySource=f"{bucket}/source", CopySourceIfMatch=md5(BODY))


def test_complete_asked_again_answers_as_before(s3: Any, bucket: str, key: str) -> None:
    copying = Copying(s3, bucket, key)
    first = copying.complete(IfNoneMatch="*")
    s3.put_object(Bucket=bucket, Key=key, Body=b"later")
    again = copying.complete(IfNoneMatch="*")
    assert again["ETag"] == first["ETag"]
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"later"
    with rejected("NoSuchUpload", 404):
        s3.list_parts(**copying.where)


def test_an_aborted_upload_is_gone(s3: Any, bucket: str, key: str) -> None:
    copying = Copying(s3, bucket, key)
    s3.abort_multipart_upload(**copying.where)
    for call in (copying.complete, lambda: s3.list_parts(**copying.where)):
        with rejected("NoSuchUpload", 404):
            call()
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket, Prefix=key)


def test_the_object_has_the_settings_of_create_multipart_upload(server: Server, key: str) -> None:
    s3 = server.client("s3")
    bucket = f"locked-{key[:12]}"
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    s3.put_object(Bucket=bucket, Key="source", Body=BODY)
    Copying(
        s3,
        bucket,
        key,
        Tagging="berth=4%2F2&class=",
        Metadata={"a": "b"},
        ContentType="text/csv",
        CacheControl="no-store",
        StorageClass="STANDARD_IA",
        WebsiteRedirectLocation="/there",
        ObjectLockMode="GOVERNANCE",
        ObjectLockRetainUntilDate="2090-01-01T00:00:00Z",
        ObjectLockLegalHoldStatus="ON",
    ).complete()
    head = s3.head_object(Bucket=bucket, Key=key)
    assert (head["Metadata"], head["ContentType"], head["CacheControl"]) == ({"a": "b"}, "text/csv", "no-store")
    assert (head["StorageClass"], head["WebsiteRedirectLocation"]) == ("STANDARD_IA", "/there")
    assert (head["ObjectLockMode"], head["ObjectLockLegalHoldStatus"], head["TagCount"]) == ("GOVERNANCE", "ON", 2)
    tags = s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
    assert tags == [{"Key": "berth", "Value": "4/2"}, {"Key": "class", "Value": ""}]


def test_parts_are_listed_in_pages_with_their_checksums(s3: Any, bucket: str, key: str) -> None:
    copying = Copying(s3, bucket, key, ChecksumAlgorithm="SHA256")
    page = s3.list_parts(**copying.where, MaxParts=1)
    assert (page["ChecksumAlgorithm"], page["ChecksumType"]) == ("SHA256", "COMPOSITE")
    assert (page["IsTruncated"], page["NextPartNumberMarker"]) == (True, 1)
    pages = s3.get_paginator("list_parts").paginate(**copying.where, PaginationConfig={"PageSize": 1})
    found = [(part["PartNumber"], part["Size"], part["ChecksumSHA256"]) for page in pages for part in page["Parts"]]
    assert found == [(number, len(part), sha256(part)) for number, part in enumerate(PARTS, 1)]


def test_uploads_are_listed_with_who_began_them(server: Server, s3: Any, bucket: str, key: str) -> None:
    user = f"user-{key[:12]}"
    keys = server.user(user, [allow(["s3:*"], ["*"])])
    mine = server.client("s3", keys).create_multipart_upload(Bucket=bucket, Key=key, ChecksumAlgorithm="SHA1")
    others = [s3.create_multipart_upload(Bucket=bucket, Key=name)["UploadId"] for name in (key, f"{key}/more")]
    expected = [mine["UploadId"], *others]
    pages = s3.get_paginator("list_multipart_uploads").paginate(
        Bucket=bucket, Prefix=key, PaginationConfig={"PageSize": 1}
    )
    found = [entry for page in pages for entry in page["Uploads"]]
    assert [entry["UploadId"] for entry in found] == expected
    assert found[0]["Initiator"] == {"ID": f"arn:aws:iam::{ACCOUNT}:user/{user}", "DisplayName": user}
    assert found[1]["Initiator"]["ID"] == found[1]["Owner"]["ID"]
    assert (found[0]["ChecksumAlgorithm"], found[0]["ChecksumType"]) == ("SHA1", "COMPOSITE")


def test_completion_is_an_event_with_size_and_etag(server: Server, s3: Any, key: str) -> None:
    bucket = f"events-{key[:12]}"
    s3.create_bucket(Bucket=bucket)
    events = Events(server, bucket)
    upload(s3, bucket, "whole", PARTS)
    record = events.next()
    assert record["eventName"] == "ObjectCreated:CompleteMultipartUpload"
    etag = s3.head_object(Bucket=bucket, Key="whole")["ETag"].strip('"')
    assert (record["s3"]["object"]["size"], record["s3"]["object"]["eTag"]) == (len(BODY), etag)


def test_a_whole_copy_in_parts_takes_no_memory_of_its_own() -> None:
    views = [memoryview(BODY)[:MIB], memoryview(BODY)[MIB:]]
    parts = [uploads.part_of(view, "CRC32", first) for view, first in zip(views, (0, MIB), strict=True)]
    assert completion.join(parts) is BODY
    swapped = completion.join([parts[1], parts[0]])
    assert swapped == BODY[MIB:] + BODY[:MIB]
