"""The local CopyObject behaves as AWS's (AWS: "CopyObject", S3 API reference)."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from ministack.services import s3 as ministack

from infra.local.s3 import copies, uploads
from infra.local.s3.models import Response
from tests.support.local_s3 import MIB, SMALLEST_PART, Events, content, md5, new_bucket, rejected, sha256, upload
from tests.support.local_server import Server


@pytest.fixture
def bucket(s3: Any) -> str:
    return new_bucket(s3, "copies")


def versioned(s3: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def test_if_none_match_writes_over_nothing(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"new")
    s3.put_object(Bucket=bucket, Key="target", Body=b"old")
    with rejected("PreconditionFailed", 412):
        s3.copy_object(Bucket=bucket, Key="target", CopySource=f"{bucket}/source", IfNoneMatch="*")
    assert s3.get_object(Bucket=bucket, Key="target")["Body"].read() == b"old"
    s3.copy_object(Bucket=bucket, Key="free", CopySource=f"{bucket}/source", IfNoneMatch="*")
    assert s3.get_object(Bucket=bucket, Key="free")["Body"].read() == b"new"


def test_if_match_writes_over_that_object_only(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"new")
    etag = s3.put_object(Bucket=bucket, Key="target", Body=b"old")["ETag"]
    with rejected("PreconditionFailed", 412):
        s3.copy_object(Bucket=bucket, Key="target", CopySource=f"{bucket}/source", IfMatch=md5(b"other"))
    s3.copy_object(Bucket=bucket, Key="target", CopySource=f"{bucket}/source", IfMatch=etag)
    assert s3.get_object(Bucket=bucket, Key="target")["Body"].read() == b"new"


@pytest.mark.parametrize("is_versioned", [False, True], ids=["never there", "under a delete marker"])
def test_if_match_without_a_target_fails_with_no_such_key(s3: Any, bucket: str, is_versioned: bool) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"new")
    if is_versioned:
        versioned(s3, bucket)
        s3.put_object(Bucket=bucket, Key="target", Body=b"old")
        s3.delete_object(Bucket=bucket, Key="target")
    with rejected("NoSuchKey", 404):
        s3.copy_object(Bucket=bucket, Key="target", CopySource=f"{bucket}/source", IfMatch=md5(b"old"))


def test_a_copy_onto_itself_changes_something(s3: Any, bucket: str) -> None:
    """AWS: "CopyObject", Special errors. An older version is copied over a newer one to restore it."""
    versioned(s3, bucket)
    older = s3.put_object(Bucket=bucket, Key="k", Body=b"old")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"new")
    itself = {"Bucket": bucket, "Key": "k", "CopySource": f"{bucket}/k"}
    with rejected("InvalidRequest", 400):
        s3.copy_object(**itself)
    with rejected("InvalidRequest", 400):
        s3.copy_object(**itself, Tagging="a=b", TaggingDirective="REPLACE")
    changes: list[dict[str, Any]] = [
        {"MetadataDirective": "REPLACE"},
        {"StorageClass": "STANDARD_IA"},
        {"WebsiteRedirectLocation": "/there"},
        {"ServerSideEncryption": "AES256"},
        {"CopySource": f"{bucket}/k?versionId={older}"},
    ]
    for change in changes:
        s3.copy_object(**{**itself, **change})
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"old"


def test_where_both_conditions_fail_the_sources_is_told(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"new")
    with rejected("PreconditionFailed", 412):
        s3.copy_object(
            Bucket=bucket,
            Key="missing",
            CopySource=f"{bucket}/source",
            CopySourceIfMatch=md5(b"other"),
            IfMatch=md5(b"old"),
        )


def test_of_many_copies_at_once_onto_nothing_one_wins(server: Server, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=content(2 * MIB))
    outcomes: list[str] = []
    together = threading.Barrier(8)

    def copy() -> None:
        together.wait()
        try:
            server.client("s3").copy_object(Bucket=bucket, Key="target", CopySource=f"{bucket}/source", IfNoneMatch="*")
            outcomes.append("copied")
        except s3.exceptions.ClientError as error:
            outcomes.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=copy) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["PreconditionFailed"] * 7 + ["copied"]


def test_the_checksum_that_is_asked_for_is_computed_and_answered(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"123456789")
    found = s3.copy_object(Bucket=bucket, Key="t", CopySource=f"{bucket}/source", ChecksumAlgorithm="SHA256")
    assert found["CopyObjectResult"]["ChecksumSHA256"] == sha256(b"123456789")
    assert found["CopyObjectResult"]["ChecksumType"] == "FULL_OBJECT"
    head = s3.head_object(Bucket=bucket, Key="t", ChecksumMode="ENABLED")
    assert (head["ChecksumSHA256"], head["ChecksumType"]) == (sha256(b"123456789"), "FULL_OBJECT")
    assert "ChecksumCRC32" not in head
    with rejected("InvalidRequest", 400):
        s3.copy_object(Bucket=bucket, Key="t", CopySource=f"{bucket}/source", ChecksumAlgorithm="ADLER32")


@pytest.mark.parametrize(
    ("algorithm", "value"), [("CRC32", "y/Q5Jg=="), ("CRC32C", "4waSgw=="), ("CRC64NVME", "rosUhgp5mIg=")]
)
def test_without_asking_it_is_of_the_sources_algorithm(s3: Any, bucket: str, algorithm: str, value: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"123456789", ChecksumAlgorithm=algorithm)
    found = s3.copy_object(Bucket=bucket, Key="target", CopySource=f"{bucket}/source")["CopyObjectResult"]
    assert found[f"Checksum{algorithm}"] == value


def test_a_copy_of_parts_is_one_object_with_a_checksum_of_the_whole(s3: Any, bucket: str) -> None:
    versioned(s3, bucket)
    parts = [content(SMALLEST_PART), b"123456789"]
    upload(s3, bucket, "source", parts, ChecksumAlgorithm="SHA256")
    version_id = s3.head_object(Bucket=bucket, Key="source")["VersionId"]
    for source in (f"{bucket}/source", f"{bucket}/source?versionId={version_id}"):
        found = s3.copy_object(Bucket=bucket, Key="target", CopySource=source)
        assert found["CopyObjectResult"]["ChecksumSHA256"] == sha256(b"".join(parts))
        assert found["CopyObjectResult"]["ETag"] == md5(b"".join(parts))
        for arguments in ({}, {"VersionId": found["VersionId"]}):
            head = s3.head_object(Bucket=bucket, Key="target", ChecksumMode="ENABLED", **arguments)
            assert (head["ETag"], head["ChecksumSHA256"]) == (md5(b"".join(parts)), sha256(b"".join(parts)))
            assert head["ChecksumType"] == "FULL_OBJECT"


def test_the_event_names_the_copys_own_etag(server: Server, s3: Any, bucket: str) -> None:
    parts = [content(SMALLEST_PART), b"end"]
    upload(s3, bucket, "source", parts)
    events = Events(server, bucket)
    s3.copy_object(Bucket=bucket, Key="target", CopySource=f"{bucket}/source")
    record = events.next()
    assert (record["eventName"], record["s3"]["object"]["eTag"]) == (
        "ObjectCreated:Copy",
        md5(b"".join(parts)).strip('"'),
    )


def test_a_copy_in_a_suspended_bucket_is_its_null_version(s3: Any, bucket: str) -> None:
    versioned(s3, bucket)
    parts = [content(SMALLEST_PART), b"end"]
    upload(s3, bucket, "source", parts)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    s3.copy_object(
        Bucket=bucket, Key="target", CopySource=f"{bucket}/source", Tagging="a=b", TaggingDirective="REPLACE"
    )
    for arguments in ({}, {"VersionId": "null"}):
        head = s3.head_object(Bucket=bucket, Key="target", ChecksumMode="ENABLED", **arguments)
        assert (head["ETag"], head["ChecksumType"], head["TagCount"]) == (md5(b"".join(parts)), "FULL_OBJECT", 1)


def test_what_aws_drops_is_dropped_and_the_rest_kept(s3: Any, bucket: str) -> None:
    s3.put_object(
        Bucket=bucket,
        Key="source",
        Body=b"x",
        StorageClass="STANDARD_IA",
        WebsiteRedirectLocation="/elsewhere",
        Metadata={"kept": "yes"},
        CacheControl="no-store",
        Tagging="kept=too",
    )
    s3.copy_object(Bucket=bucket, Key="target", CopySource=f"{bucket}/source")
    head = s3.head_object(Bucket=bucket, Key="target")
    assert (head["Metadata"], head["CacheControl"], head["TagCount"]) == ({"kept": "yes"}, "no-store", 1)
    assert not {"StorageClass", "WebsiteRedirectLocation"} & head.keys()
    s3.copy_object(
        Bucket=bucket,
        Key="target",
        CopySource=f"{bucket}/source",
        StorageClass="STANDARD_IA",
        WebsiteRedirectLocation="/there",
    )
    head = s3.head_object(Bucket=bucket, Key="target")
    assert (head["StorageClass"], head["WebsiteRedirectLocation"]) == ("STANDARD_IA", "/there")


def test_annotations_are_copied_unless_excluded(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"x")
    s3.put_object_annotation(Bucket=bucket, Key="source", AnnotationName="berth", AnnotationPayload=b"4")

    def names(key: str) -> list[str]:
        listed = s3.list_object_annotations(Bucket=bucket, Key=key).get("Annotations", [])
        return [annotation["AnnotationName"] for annotation in listed]

    s3.copy_object(Bucket=bucket, Key="target", CopySource=f"{bucket}/source")
    s3.copy_object(Bucket=bucket, Key="bare", CopySource=f"{bucket}/source", AnnotationDirective="EXCLUDE")
    assert (names("target"), names("bare")) == (["berth"], [])
    found = s3.get_object_annotation(Bucket=bucket, Key="target", AnnotationName="berth")
    assert found["AnnotationPayload"].read() == b"4"
    s3.delete_object_annotation(Bucket=bucket, Key="target", AnnotationName="berth")
    assert names("target") == []


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_an_archived_source_is_not_read(s3: Any, bucket: str, storage_class: str) -> None:
    versioned(s3, bucket)
    put = s3.put_object(Bucket=bucket, Key="source", Body=content(6 * MIB), StorageClass=storage_class)
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    part = {"Bucket": bucket, "Key": "parts", "UploadId": upload_id, "PartNumber": 1}
    for source in (f"{bucket}/source", f"{bucket}/source?versionId={put['VersionId']}"):
        with rejected("InvalidObjectState", 403):
            s3.copy_object(Bucket=bucket, Key="target", CopySource=source)
        with rejected("InvalidObjectState", 403):
            s3.upload_part_copy(**part, CopySource=source)
    with rejected("InvalidObjectState", 403):
        s3.get_object(Bucket=bucket, Key="source")
    assert s3.head_object(Bucket=bucket, Key="source")["StorageClass"] == storage_class


def test_a_restored_source_is_copied_and_its_older_version_is_not(s3: Any, bucket: str) -> None:
    versioned(s3, bucket)
    older = s3.put_object(Bucket=bucket, Key="source", Body=b"older", StorageClass="GLACIER")["VersionId"]
    s3.put_object(Bucket=bucket, Key="source", Body=b"x", StorageClass="GLACIER")
    s3.restore_object(Bucket=bucket, Key="source", RestoreRequest={"Days": 1})
    while 'ongoing-request="true"' in s3.head_object(Bucket=bucket, Key="source")["Restore"]:
        threading.Event().wait(0.1)
    s3.copy_object(Bucket=bucket, Key="target", CopySource=f"{bucket}/source")
    assert "StorageClass" not in s3.head_object(Bucket=bucket, Key="target")
    with rejected("InvalidObjectState", 403):
        s3.copy_object(Bucket=bucket, Key="target", CopySource=f"{bucket}/source?versionId={older}")


@pytest.mark.parametrize(("size_bytes", "is_rejected"), [(5_368_709_120, False), (5_368_709_121, True)])
def test_a_source_of_more_than_5_gb_is_rejected(size_bytes: int, is_rejected: bool) -> None:
    source = copies.CopySource("b", "k", None, {"size": size_bytes, "storage_class": "STANDARD"})
    rejection = copies.reject_source(source, source.size_bytes)
    assert (rejection is not None) == is_rejected
    if rejection is not None:
        assert rejection[0] == 400
        assert b"<Code>InvalidRequest</Code>" in rejection[2]


@pytest.mark.parametrize(
    "copy",
    [
        lambda headers: copies._copy(_must_not_be_called)("b", "target", headers),
        lambda headers: uploads._copy_part(_must_not_be_called)(
            "b", "target", {"uploadId": ["u"], "partNumber": ["1"]}, headers
        ),
    ],
    ids=["CopyObject", "UploadPartCopy"],
)
def test_each_way_to_copy_has_that_limit(
    copy: Callable[[dict[str, str]], Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = {"size": copies.LARGEST_COPY_BYTES + 1, "storage_class": "STANDARD", "etag": md5(b"")}
    monkeypatch.setattr(ministack, "_buckets", {"b": {"objects": {"source": source}}})
    monkeypatch.setattr(ministack, "_multipart_uploads", {"u": {"bucket": "b", "key": "target"}})
    status, _, body = copy({"x-amz-copy-source": "b/source"})
    assert (status, b"<Code>InvalidRequest</Code>" in body) == (400, True)


def _must_not_be_called(*_: object) -> Response:
    raise AssertionError


def test_the_null_version_is_copied_by_its_name(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"never versioned")
    s3.copy_object(Bucket=bucket, Key="target", CopySource=f"{bucket}/source?versionId=null")
    assert s3.get_object(Bucket=bucket, Key="target")["Body"].read() == b"never versioned"
    versioned(s3, bucket)
    s3.put_object(Bucket=bucket, Key="source", Body=b"versioned")
    s3.copy_object(Bucket=bucket, Key="target", CopySource=f"{bucket}/source?versionId=null")
    assert s3.get_object(Bucket=bucket, Key="target")["Body"].read() == b"never versioned"


def test_an_object_written_over_another_does_not_keep_its_tags(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", Tagging="old=tag")
    s3.put_object(Bucket=bucket, Key="k", Body=b"2")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []


def test_a_copy_across_regions_has_all_of_it(s3: Any, bucket: str) -> None:
    elsewhere = f"{bucket}-west"
    s3.create_bucket(Bucket=elsewhere, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_object(Bucket=elsewhere, Key="source", Body=b"123456789", Metadata={"a": "b"}, Tagging="c=d")
    s3.copy_object(Bucket=bucket, Key="t", CopySource=f"{elsewhere}/source", ChecksumAlgorithm="CRC64NVME")
    head = s3.head_object(Bucket=bucket, Key="t", ChecksumMode="ENABLED")
    assert (head["ChecksumCRC64NVME"], head["Metadata"], head["TagCount"]) == ("rosUhgp5mIg=", {"a": "b"}, 1)
