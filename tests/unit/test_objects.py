"""One object as HEAD tells it, what travels with it, and which objects make a table."""

from typing import Any

import pytest
from botocore.awsrequest import AWSResponse, HeadersDict
from moto.core.botocore_stubber import MockRawResponse

from functions.catalogue.formats import FORMATS, Format, file_format, not_catalogued_reason
from functions.contract.models import StoredObject
from functions.objects.head import Head, ObjectChanged, head, opened, same_version, tags
from functions.runtime import clients
from functions.runtime.errors import AccessDenied, BucketMissing, CustomerKeyRequired, RequestRejected, Throttled
from tests.unit.conftest import KEY, SOURCE, SOURCE_REGION, Cloud, ErrorResponse

WRITTEN: dict[str, Any] = {
    "CacheControl": "no-store",
    "ContentDisposition": "attachment",
    "ContentEncoding": "br",
    "ContentLanguage": "fr",
    "ContentType": "text/csv",
    "Metadata": {"a": "1"},
}


def look_at(cloud: Cloud, **answer: Any) -> Head:
    cloud.hooks.edits["HeadObject"] = lambda parsed: parsed.update(answer)
    found = head(SOURCE, SOURCE_REGION, KEY)
    assert found
    return found


def look(cloud: Cloud, **answer: Any) -> StoredObject:
    return look_at(cloud, **answer).object


def test_what_an_upload_says_of_itself_is_carried(cloud: Cloud) -> None:
    cloud.upload(Tagging="x=1&y=2", **WRITTEN)
    found = look_at(cloud)
    assert found.carried == WRITTEN
    assert (found.metadata, found.tag_count) == ({"a": "1"}, 2)
    assert tags(found.object) == {"x": "1", "y": "2"}


@pytest.mark.parametrize(
    ("answer", "is_md5"),
    [
        ({"ETag": '"0123"'}, True),
        ({"ETag": '"0123"', "ServerSideEncryption": "AES256"}, True),
        ({"ETag": '"0123-3"'}, False),
        ({"ETag": '"0123"', "ServerSideEncryption": "aws:kms"}, False),
        ({"ETag": '"0123"', "ServerSideEncryption": "aws:kms:dsse"}, False),
        ({"ETag": '"0123"', "SSECustomerAlgorithm": "AES256"}, False),
    ],
)
def test_an_etag_is_an_md5_only_of_one_part_and_without_a_key(
    cloud: Cloud, answer: dict[str, Any], is_md5: bool
) -> None:
    cloud.upload()
    assert look(cloud, **answer).etag_is_md5 is is_md5


@pytest.mark.parametrize(
    ("answer", "stored"),
    [
        ({"ChecksumCRC32": "AAAA"}, ("CRC32", "AAAA", "FULL_OBJECT")),
        ({"ChecksumSHA256": "AAAA", "ChecksumType": "FULL_OBJECT"}, ("SHA256", "AAAA", "FULL_OBJECT")),
        ({"ChecksumSHA256": "AAAA-2", "ChecksumType": "COMPOSITE"}, ("SHA256", "AAAA-2", "COMPOSITE")),
        ({"ChecksumSHA256": "AAAA-2"}, ("SHA256", "AAAA-2", "COMPOSITE")),
        ({"ChecksumSHA256": "AAAA", "ChecksumType": "COMPOSITE"}, ("SHA256", "AAAA", "COMPOSITE")),
        ({"ChecksumSHA1": "AAAA-2", "ChecksumCRC64NVME": "BBBB"}, ("CRC64NVME", "BBBB", "FULL_OBJECT")),
        ({}, (None, None, None)),
    ],
)
def test_a_stored_checksum_is_of_the_whole_object_or_of_its_parts(
    cloud: Cloud, answer: dict[str, Any], stored: tuple[str | None, ...]
) -> None:
    cloud.upload()

    def replace(parsed: dict[str, Any]) -> None:
        for name in [name for name in parsed if name.startswith("Checksum")]:
            del parsed[name]
        parsed.update(answer)

    cloud.hooks.edits["HeadObject"] = replace
    found = head(SOURCE, SOURCE_REGION, KEY)
    assert found
    assert (found.object.checksum_algorithm, found.object.checksum_value, found.object.checksum_type) == stored
    assert cloud.hooks.params["HeadObject"][0]["ChecksumMode"] == "ENABLED"


@pytest.mark.usefixtures("cloud")
def test_an_object_that_is_not_there_is_none_and_a_bucket_that_is_not_there_an_error() -> None:
    assert head(SOURCE, SOURCE_REGION, "absent") is None
    with pytest.raises(BucketMissing, match="s3://ferry-absent/"):
        head("ferry-absent", SOURCE_REGION, KEY)


@pytest.mark.parametrize(
    ("code", "error"),
    [("403", AccessDenied), ("404", BucketMissing), ("503", Throttled), ("301", RequestRejected)],
)
def test_the_look_at_the_bucket_behind_a_bare_404_may_fail_in_its_own_way(
    cloud: Cloud, code: str, error: type[Exception]
) -> None:
    cloud.hooks.answer("HeadObject", ErrorResponse("404"))
    cloud.hooks.answer("HeadBucket", ErrorResponse(code))
    with pytest.raises(error) as raised:
        head(SOURCE, SOURCE_REGION, KEY)
    assert SOURCE in str(raised.value)


def test_what_head_tells_of_a_lock_a_class_and_a_time_is_kept(cloud: Cloud) -> None:
    cloud.upload(StorageClass="STANDARD_IA")
    plain, locked = look_at(cloud), look_at(cloud, ObjectLockMode="GOVERNANCE", ObjectLockLegalHoldStatus="ON")
    assert (plain.storage_class, plain.locks, plain.archived) == ("STANDARD_IA", {}, False)
    assert locked.locks == {"ObjectLockMode": "GOVERNANCE", "ObjectLockLegalHoldStatus": "ON"}
    assert plain.object.last_modified == plain.last_modified
    assert locked.object != plain.object, "the digest tells them apart"
    assert same_version(locked.object, plain.object)
    cloud.upload()
    assert look_at(cloud).storage_class == "STANDARD"


@pytest.mark.parametrize(
    ("answer", "archived"),
    [
        ({"StorageClass": "GLACIER"}, True),
        ({"StorageClass": "DEEP_ARCHIVE"}, True),
        ({"StorageClass": "GLACIER", "Restore": 'ongoing-request="true"'}, True),
        ({"StorageClass": "GLACIER", "Restore": 'ongoing-request="false", expiry-date="Fri, 21 Dec 2029"'}, False),
        ({"StorageClass": "GLACIER_IR"}, False),
        ({"StorageClass": "INTELLIGENT_TIERING"}, False),
        ({"StorageClass": "INTELLIGENT_TIERING", "ArchiveStatus": "ARCHIVE_ACCESS"}, True),
        ({"StorageClass": "INTELLIGENT_TIERING", "ArchiveStatus": "DEEP_ARCHIVE_ACCESS"}, True),
    ],
)
def test_an_archived_object_is_one_whose_bytes_cannot_be_read_now(
    cloud: Cloud, answer: dict[str, Any], archived: bool
) -> None:
    cloud.upload()
    assert look_at(cloud, **answer).archived is archived


def test_an_object_with_a_customers_key_is_distinguished_from_another_bad_request(cloud: Cloud) -> None:
    """A HEAD has no body to say it; a GET of the same object has."""
    cloud.upload()
    cloud.hooks.answer("HeadObject", *[ErrorResponse("400")] * 3)
    cloud.hooks.answer("GetObject", ErrorResponse("InvalidRequest", "stored using a form of Server Side Encryption"))
    with pytest.raises(CustomerKeyRequired, match=f"s3://{SOURCE}/.*SSE-C"):
        head(SOURCE, SOURCE_REGION, KEY)
    cloud.hooks.answer("GetObject", ErrorResponse("ExpiredToken", "The provided token has expired."))
    with pytest.raises(RequestRejected, match="ExpiredToken"):
        head(SOURCE, SOURCE_REGION, KEY)
    with pytest.raises(RequestRejected, match="400"):
        head(SOURCE, SOURCE_REGION, KEY)


def test_an_object_is_read_only_while_it_is_that_one(cloud: Cloud) -> None:
    cloud.unversion()
    cloud.upload(b"0123456789")
    obj = look(cloud)
    with opened(obj) as body:
        assert body.read() == b"0123456789"
    with opened(obj, "bytes=2-4") as body:
        assert body.read() == b"234"
    cloud.upload(b"another")
    with pytest.raises(ObjectChanged, match=f"s3://{SOURCE}/sales/") as raised, opened(obj):
        pass
    assert raised.value.which == obj
    replaced = look(cloud)
    assert not same_version(obj, replaced)
    assert same_version(replaced, look(cloud))


def test_the_tags_are_those_of_that_version_or_an_error_that_names_it(cloud: Cloud) -> None:
    cloud.upload(Tagging="a=1")
    older = look(cloud)
    cloud.upload(Tagging="a=2")
    assert tags(older) == {"a": "1"}
    cloud.hooks.answer("GetObjectTagging", ErrorResponse("AccessDenied"))
    with pytest.raises(AccessDenied, match=f"s3://{SOURCE}/"):
        tags(older)


def test_a_version_that_has_become_a_delete_marker_is_gone(cloud: Cloud) -> None:
    """The version `null`, where versioning is suspended and somebody deletes the object."""
    cloud.upload(Tagging="a=1")
    obj = look(cloud)
    cloud.hooks.answer("GetObjectTagging", ErrorResponse("MethodNotAllowed"))
    with pytest.raises(ObjectChanged):
        tags(obj)
    cloud.hooks.answer("HeadObject", ErrorResponse("405"))
    assert head(SOURCE, SOURCE_REGION, KEY, absence_is_common=True, version_id=obj.version_id) is None


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("a/b.csv", Format("delimited", ",")),
        ("a/b.TSV", Format("delimited", "\t")),
        ("a/b.csv.gz", Format("delimited", ",", gzipped=True)),
        ("a/b.json", Format("json")),
        ("a/b.NDJSON.gz", Format("json", gzipped=True)),
        ("a/b.parquet", Format("parquet")),
        ("a/b.parq", Format("parquet")),
        ("a/b.PQ", Format("parquet")),
        ("a/b.parquet.gz", None),
        ("a/b.csv.bak", None),
        ("a/csv", None),
        ("a/b.gz", None),
        ("a.csv/b", None),
    ],
)
def test_the_format_is_in_the_names_ending(key: str, found: Format | None) -> None:
    assert file_format(key) == found


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("sales/a.csv", None),
        ("a/dt=2026/b c+%.csv", None),
        ("sales/a_b.csv", None),
        ("a.csv", "it is at the root of the bucket"),
        ("/a.csv", "its key has an empty folder name"),
        ("sales//a.csv", "its key has an empty folder name"),
        ("sales/../a.csv", "its key has a folder named"),
        ("./a.csv", "its key has a folder named"),
        ("sales/dt=/a.csv", "a folder in its key names a partition without a value"),
        (f"{'s' * 256}/a.csv", "a folder in its key has a name of more than 255 bytes"),
        (f"sales/{'k' * 256}=1/a.csv", "a folder in its key has a name of more than 255 bytes"),
        (f"sales/k={'v' * 256}/a.csv", None),
        ("sales/dt=\x01/a.csv", "a folder in its key has the character U+0001"),
        ("sa\nles/a.csv", "a folder in its key has the character U+000A"),
        ("sales/dt=a\tb/\x01.csv", None),
        ("dt=/a.csv", None),
        ("_tmp/a.csv", "a part of its key starts with"),
        ("sales/.a.csv", "a part of its key starts with"),
        ("sales/_a.csv", "a part of its key starts with"),
        ("sales/", "a folder marker has no rows"),
        ("sales/a.zip", "not a tabular file"),
    ],
)
def test_a_key_that_athena_would_pass_over_is_left_out_with_the_reason(key: str, reason: str | None) -> None:
    found = not_catalogued_reason(key, 1)
    assert (found or "").startswith(reason or "")
    assert (found is None) == (reason is None)
    assert not_catalogued_reason(key, 0)


def test_the_reason_for_no_table_names_every_format() -> None:
    reason = not_catalogued_reason("a/b.png", 1) or ""
    assert [ending for ending in FORMATS if ending not in reason] == []


@pytest.mark.usefixtures("hooks")
@pytest.mark.parametrize("expires", ["", "never", "Tue, 01 Jan 2030 00:00:00 GMT", None])
def test_an_expires_header_is_read_as_it_is_written_even_where_it_is_empty(expires: str | None) -> None:
    """Botocore itself parses it, and raises for an empty one."""
    client = clients.s3("us-east-1")
    headers: Any = HeadersDict({"ETag": '"x"'} | ({} if expires is None else {"Expires": expires}))

    def answer(**_: object) -> Any:
        return AWSResponse("https://s3", 200, headers, MockRawResponse(""))

    client.meta.events.register_first("before-send.s3.HeadObject", answer)
    try:
        found = client.head_object(Bucket="b", Key="k")
    finally:
        client.meta.events.unregister("before-send.s3.HeadObject", answer)
    assert found.get("ExpiresString") == expires
