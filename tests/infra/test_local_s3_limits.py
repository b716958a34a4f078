"""The limits of keys and metadata in the local cloud are AWS's.

AWS: "Naming Amazon S3 objects", "Working with object metadata" (S3 User Guide).
"""

from typing import Any

import pytest

from tests.support.local_s3 import rejected
from tests.support.local_server import Server


@pytest.fixture(scope="module")
def s3(server: Server) -> Any:
    client = server.client("s3")
    client.create_bucket(Bucket="limits")
    client.put_object(Bucket="limits", Key="source", Body=b"x")
    return client


def calls(s3: Any, **arguments: Any) -> dict[str, Any]:
    """Each way to begin an object."""
    where = {"Bucket": "limits", "Key": "k", **arguments}
    return {
        "put": lambda: s3.put_object(**where, Body=b""),
        "create": lambda: s3.create_multipart_upload(**where),
        "copy": lambda: s3.copy_object(**where, CopySource="limits/source", MetadataDirective="REPLACE"),
    }


WAYS = ["put", "create", "copy"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("letter", ["k", "ü"])
def test_a_key_of_1024_bytes_is_the_longest(s3: Any, way: str, letter: str) -> None:
    longest = letter * (1024 // len(letter.encode()))
    calls(s3, Key=longest)[way]()
    with rejected("KeyTooLongError", 400):
        calls(s3, Key=f"{longest}k")[way]()


@pytest.mark.parametrize("way", WAYS)
def test_2_kb_of_metadata_are_the_most(s3: Any, way: str) -> None:
    calls(s3, Metadata={"name": "v" * 1020, "more": "v" * 1020})[way]()
    with rejected("MetadataTooLarge", 400):
        calls(s3, Metadata={"name": "v" * 1020, "more": "v" * 1021})[way]()
