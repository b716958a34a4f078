"""Tags of versions, delete markers and missing versions in the local cloud.

AWS: "GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging" (S3 API reference), "Working with delete markers"
(S3 User Guide).
"""

import random
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.local_s3 import new_bucket, rejected

Tags = dict[str, str]


@pytest.fixture
def bucket(s3: Any) -> str:
    return new_bucket(s3, "tagging", versioned=True)


def tags_of(s3: Any, **where: str) -> Tags | str:
    """The tags, or the error instead of them."""
    try:
        return {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(**where)["TagSet"]}
    except ClientError as error:
        return str(error.response["Error"]["Code"])


def tag_set(tags: Tags) -> dict[str, Any]:
    return {"TagSet": [{"Key": name, "Value": value} for name, value in tags.items()]}


def test_a_version_has_its_tags_under_a_delete_marker(s3: Any, bucket: str) -> None:
    version_id = s3.put_object(Bucket=bucket, Key="k", Tagging="team=a")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="k")
    where = {"Bucket": bucket, "Key": "k", "VersionId": version_id}
    assert tags_of(s3, **where) == {"team": "a"}
    s3.put_object_tagging(**where, Tagging=tag_set({"team": "b"}))
    assert tags_of(s3, **where) == {"team": "b"}
    s3.delete_object_tagging(**where)
    assert tags_of(s3, **where) == {}
    with rejected("NoSuchKey", 404):
        s3.get_object(Bucket=bucket, Key="k")


def test_a_delete_marker_has_no_tags(s3: Any, bucket: str) -> None:
    marker_id = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k")
    with rejected("MethodNotAllowed", 405):
        s3.get_object_tagging(Bucket=bucket, Key="k", VersionId=marker_id)


def test_a_current_delete_marker_is_not_tagged(s3: Any, bucket: str) -> None:
    """Recorded from AWS, February 2026."""
    s3.put_object(Bucket=bucket, Key="k")
    s3.delete_object(Bucket=bucket, Key="k")
    with rejected("MethodNotAllowed", 405):
        s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set({"team": "a"}))
    with rejected("MethodNotAllowed", 405):
        s3.delete_object_tagging(Bucket=bucket, Key="k")
    with rejected("NoSuchKey", 404):
        s3.get_object_tagging(Bucket=bucket, Key="k")


@pytest.mark.parametrize("key", ["k", "missing"])
def test_a_version_that_is_not_there_is_none(s3: Any, bucket: str, key: str) -> None:
    s3.put_object(Bucket=bucket, Key="k")
    with rejected("NoSuchVersion", 404):
        s3.get_object_tagging(Bucket=bucket, Key=key, VersionId=str(uuid.uuid4()))


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_done_to_a_key_its_versions_are_what_is_left_of_them(s3: Any, bucket: str, seed: int) -> None:
    choose = random.Random(seed)
    where = {"Bucket": bucket, "Key": "k"}
    versions: list[tuple[str, str | None, Tags]] = []
    for number in range(40):
        action = choose.choice(["put", "delete", "delete version", "delete version", "tag"])
        if action == "put":
            tags = {"number": str(number)} if number % 2 else {}
            sent = {"Body": str(number), "Tagging": "&".join(f"{name}={value}" for name, value in tags.items())}
            versions.append((s3.put_object(**where, **sent)["VersionId"], str(number), tags))
        elif action == "delete":
            versions.append((s3.delete_object(**where)["VersionId"], None, {}))
        elif versions:
            index = choose.randrange(len(versions))
            version_id, body, _ = versions[index]
            if action == "delete version":
                s3.delete_object(**where, VersionId=version_id)
                del versions[index]
            elif body is not None:
                s3.put_object_tagging(**where, VersionId=version_id, Tagging=tag_set({"again": str(number)}))
                versions[index] = (version_id, body, {"again": str(number)})
        for version_id, body, tags in versions:
            expected = "MethodNotAllowed" if body is None else tags
            assert tags_of(s3, **where, VersionId=version_id) == expected
        if versions and versions[-1][1] is not None:
            assert s3.get_object(**where)["Body"].read().decode() == versions[-1][1]
            assert tags_of(s3, **where) == versions[-1][2]
        else:
            assert tags_of(s3, **where) == "NoSuchKey"
            with rejected("NoSuchKey", 404):
                s3.get_object(**where)
