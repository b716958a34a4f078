"""A role without a permission cannot do, or see, more in the local cloud than on AWS.

AWS: "Required permissions for Amazon S3 API operations", "How to prevent object overwrites with conditional writes",
"How to perform conditional deletes" (S3 User Guide); "HeadObject", "CopyObject" (S3 API reference).
"""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.local_s3 import md5, new_bucket, rejected
from tests.support.local_server import Server, allow

UNTIL = "2090-01-01T00:00:00Z"
Restricted = Callable[..., Any]


@pytest.fixture(scope="module")
def bucket(s3: Any) -> str:
    """A bucket with Object Lock: `full` is tagged, annotated and locked, `plain` is nothing of that."""
    name = new_bucket(s3, "permissions", ObjectLockEnabledForBucket=True)
    s3.put_object(Bucket=name, Key="plain", Body=b"x")
    s3.put_object(Bucket=name, Key="tagged", Body=b"x", Tagging="a=b")
    s3.put_object(Bucket=name, Key="annotated", Body=b"x")
    s3.put_object_annotation(Bucket=name, Key="annotated", AnnotationName="berth", AnnotationPayload=b"4")
    s3.put_object(
        Bucket=name,
        Key="full",
        Body=b"x",
        Tagging="a=b",
        ObjectLockMode="GOVERNANCE",
        ObjectLockRetainUntilDate=UNTIL,
        ObjectLockLegalHoldStatus="ON",
    )
    return name


@pytest.fixture
def restricted(server: Server, bucket: str) -> Restricted:
    """A client that may do just these on the objects."""

    def client(*actions: str) -> Any:
        statements = [
            allow([f"s3:{action}" for action in actions], [f"arn:aws:s3:::{bucket}/*"]),
            allow(["s3:ListBucket"], [f"arn:aws:s3:::{bucket}"]),
        ]
        return server.client("s3", server.user(f"user-{uuid.uuid4().hex[:12]}", statements))

    return client


BASIC = ("GetObject", "PutObject", "GetObjectVersion")


@pytest.mark.parametrize(
    ("action", "members"),
    [
        ("GetObjectTagging", {"TagCount"}),
        ("GetObjectRetention", {"ObjectLockMode", "ObjectLockRetainUntilDate"}),
        ("GetObjectLegalHold", {"ObjectLockLegalHoldStatus"}),
    ],
)
def test_head_and_get_hide_what_may_not_be_read(
    restricted: Restricted, bucket: str, action: str, members: set[str]
) -> None:
    shown = {"TagCount", "ObjectLockMode", "ObjectLockRetainUntilDate", "ObjectLockLegalHoldStatus"}
    for client, expected in ((restricted(*BASIC), set()), (restricted(*BASIC, action), members)):
        for read in (client.head_object, client.get_object):
            assert shown & read(Bucket=bucket, Key="full").keys() == expected


def test_the_tags_of_a_version_are_a_permission_of_their_own(s3: Any, restricted: Restricted, bucket: str) -> None:
    where = {"Bucket": bucket, "Key": "tagged", "VersionId": s3.head_object(Bucket=bucket, Key="tagged")["VersionId"]}
    assert "TagCount" not in restricted(*BASIC, "GetObjectTagging").head_object(**where)
    assert restricted(*BASIC, "GetObjectVersionTagging").head_object(**where)["TagCount"] == 1


ANNOTATION_CALLS: dict[str, dict[str, Any]] = {
    "list_object_annotations": {},
    "put_object_annotation": {"AnnotationName": "berth", "AnnotationPayload": b"4"},
    "get_object_annotation": {"AnnotationName": "berth"},
    "delete_object_annotation": {"AnnotationName": "berth"},
}


@pytest.mark.parametrize(
    ("method", "of_current", "of_version"),
    [
        ("list_object_annotations", "ListObjectAnnotations", "ListObjectVersionAnnotations"),
        ("put_object_annotation", "PutObjectAnnotation", "PutObjectVersionAnnotation"),
        ("get_object_annotation", "GetObjectAnnotation", "GetObjectVersionAnnotation"),
        ("delete_object_annotation", "DeleteObjectAnnotation", "DeleteObjectVersionAnnotation"),
    ],
)
def test_the_annotations_of_a_version_are_permissions_of_their_own(
    s3: Any, restricted: Restricted, bucket: str, method: str, of_current: str, of_version: str
) -> None:
    key = f"noted-{method}"
    version = {"VersionId": s3.put_object(Bucket=bucket, Key=key, Body=b"x")["VersionId"]}
    current, versioned = restricted(of_current), restricted(of_version)
    for client, permitted, denied in ((current, {}, version), (versioned, version, {})):
        where = {"Bucket": bucket, "Key": key, **ANNOTATION_CALLS[method]}
        s3.put_object_annotation(Bucket=bucket, Key=key, AnnotationName="berth", AnnotationPayload=b"4")
        with rejected("AccessDenied", 403):
            getattr(client, method)(**where, **denied)
        getattr(client, method)(**where, **permitted)


@pytest.mark.parametrize("method", ["put_object_annotation", "delete_object_annotation"])
def test_to_bypass_a_retention_is_a_permission_for_the_annotations_of_a_version_too(
    s3: Any, server: Server, bucket: str, method: str
) -> None:
    key = f"bypassed-{method}"
    where = {"Bucket": bucket, "Key": key, "VersionId": s3.put_object(Bucket=bucket, Key=key, Body=b"x")["VersionId"]}
    action = "PutObjectVersionAnnotation" if method.startswith("put") else "DeleteObjectVersionAnnotation"
    s3.put_object_annotation(**where, **ANNOTATION_CALLS["put_object_annotation"])

    def call(*actions: str) -> None:
        granted = [allow([f"s3:{action}" for action in actions], [f"arn:aws:s3:::{bucket}/*"])]
        client = server.client("s3", server.user(f"user-{uuid.uuid4().hex[:12]}", granted))
        client.meta.events.register("before-sign.s3", bypass)
        getattr(client, method)(**where, **ANNOTATION_CALLS[method])

    with rejected("AccessDenied", 403):
        call(action)
    call(action, "BypassGovernanceRetention")


def bypass(request: Any, **_: object) -> None:
    """Send what the SDK has no argument for with an annotation."""
    request.headers["x-amz-bypass-governance-retention"] = "true"


@pytest.mark.parametrize(
    ("source", "is_versioned", "actions"),
    [
        ("tagged", False, ("GetObjectTagging", "PutObjectTagging")),
        ("tagged", True, ("GetObjectVersionTagging", "PutObjectTagging")),
        ("annotated", False, ("GetObjectAnnotation", "PutObjectAnnotation")),
        ("annotated", True, ("GetObjectVersionAnnotation", "PutObjectAnnotation")),
    ],
)
def test_a_copy_needs_the_permissions_for_what_it_takes_along(
    s3: Any, restricted: Restricted, bucket: str, source: str, is_versioned: bool, actions: tuple[str, str]
) -> None:
    version = s3.head_object(Bucket=bucket, Key=source)["VersionId"]
    named = {"Bucket": bucket, "Key": source, **({"VersionId": version} if is_versioned else {})}
    where = {"Bucket": bucket, "Key": f"copy-{source}", "CopySource": named}
    for granted in ((), actions[:1], actions[1:]):
        with rejected("AccessDenied", 403):
            restricted(*BASIC, *granted).copy_object(**where)
    restricted(*BASIC, *actions).copy_object(**where)
    restricted(*BASIC).copy_object(**where, TaggingDirective="REPLACE", AnnotationDirective="EXCLUDE")
    restricted(*BASIC).copy_object(**{**where, "CopySource": f"{bucket}/plain"})


@pytest.mark.parametrize(
    ("arguments", "action"),
    [
        ({"Tagging": "a=b"}, "PutObjectTagging"),
        ({"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": UNTIL}, "PutObjectRetention"),
        ({"ObjectLockEventHold": "ON"}, "PutObjectRetention"),
        ({"ObjectLockLegalHoldStatus": "ON"}, "PutObjectLegalHold"),
    ],
    ids=["tags", "retention", "event hold", "legal hold"],
)
def test_what_is_sent_along_needs_its_permission(
    restricted: Restricted, bucket: str, arguments: dict[str, str], action: str
) -> None:
    without, permitted = restricted(*BASIC), restricted(*BASIC, action)
    own: dict[str, dict[str, Any]] = {
        "put_object": {"Body": b"x", "ChecksumAlgorithm": "CRC32"},
        "create_multipart_upload": {},
        "copy_object": {"CopySource": f"{bucket}/plain", "TaggingDirective": "REPLACE"},
    }
    for method, more in own.items():
        where = {"Bucket": bucket, "Key": f"sent-{action}", **arguments, **more}
        with rejected("AccessDenied", 403):
            getattr(without, method)(**where)
        getattr(permitted, method)(**where)


@pytest.mark.parametrize("method", ["put_object", "copy_object", "complete_multipart_upload", "delete_object"])
def test_if_match_needs_to_read_the_target(s3: Any, restricted: Restricted, bucket: str, method: str) -> None:
    key = f"matched-{method}"
    s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    begun = {"Bucket": bucket, "Key": key, "UploadId": s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]}
    part = {"PartNumber": 1, "ETag": s3.upload_part(**begun, PartNumber=1, Body=b"y")["ETag"]}
    own: dict[str, dict[str, Any]] = {
        "put_object": {"Body": b"x"},
        "copy_object": {"CopySource": f"{bucket}/plain"},
        "complete_multipart_upload": {"UploadId": begun["UploadId"], "MultipartUpload": {"Parts": [part]}},
        "delete_object": {},
    }
    where = {"Bucket": bucket, "Key": key, "IfMatch": md5(b"x"), **own[method]}
    with rejected("AccessDenied", 403):
        getattr(restricted("PutObject", "DeleteObject"), method)(**where)
    getattr(restricted(*BASIC, "DeleteObject"), method)(**where)


@pytest.mark.parametrize(
    ("method", "action"),
    [
        ("get_object_lock_configuration", "GetBucketObjectLockConfiguration"),
        ("get_bucket_versioning", "GetBucketVersioning"),
        ("list_multipart_uploads", "ListBucketMultipartUploads"),
    ],
)
def test_a_buckets_settings_need_their_permission(server: Server, bucket: str, method: str, action: str) -> None:
    for granted, is_allowed in (("s3:ListBucket", False), (f"s3:{action}", True)):
        keys = server.user(f"user-{uuid.uuid4().hex[:12]}", [allow([granted], [f"arn:aws:s3:::{bucket}"])])
        call = getattr(server.client("s3", keys), method)
        if is_allowed:
            call(Bucket=bucket)
        else:
            with rejected("AccessDenied", 403):
                call(Bucket=bucket)


@pytest.mark.parametrize("method", ["get_object_retention", "get_object_legal_hold"])
def test_a_lock_is_read_with_its_permission(restricted: Restricted, bucket: str, method: str) -> None:
    action = "GetObjectRetention" if method == "get_object_retention" else "GetObjectLegalHold"
    with rejected("AccessDenied", 403):
        getattr(restricted(*BASIC), method)(Bucket=bucket, Key="full")
    reader = restricted(action)
    assert getattr(reader, method)(Bucket=bucket, Key="full")
    with rejected("NoSuchObjectLockConfiguration", 404):
        getattr(reader, method)(Bucket=bucket, Key="plain")


def test_a_caller_that_may_not_list_does_not_learn_what_is_missing(server: Server, s3: Any, bucket: str) -> None:
    objects = [f"arn:aws:s3:::{bucket}/*"]
    keys = server.user(f"user-{uuid.uuid4().hex[:12]}", [allow(["s3:GetObject", "s3:PutObject"], objects)])
    blind = server.client("s3", keys)
    where = {"Bucket": bucket, "Key": "target", "CopySource": f"{bucket}/missing"}
    with rejected("403", 403):
        blind.head_object(Bucket=bucket, Key="missing")
    with rejected("AccessDenied", 403):
        blind.get_object(Bucket=bucket, Key="missing")
    with rejected("AccessDenied", 403):
        blind.copy_object(**where)
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="target")["UploadId"]
    with rejected("AccessDenied", 403):
        blind.upload_part_copy(**where, UploadId=upload_id, PartNumber=1)
    with rejected("404", 404):
        s3.head_object(Bucket=bucket, Key="missing")
    with rejected("NoSuchKey", 404):
        s3.copy_object(**where)
    with rejected("NoSuchKey", 404):
        s3.upload_part_copy(**where, UploadId=upload_id, PartNumber=1)
