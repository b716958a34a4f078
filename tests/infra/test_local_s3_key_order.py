"""The local listings are in order, in pages, and by groups, whatever was written and deleted before.

AWS: "ListObjectsV2" (S3 API reference), "Listing object keys programmatically" (S3 User Guide).
"""

import random
import uuid

import pytest

from infra.local.s3.key_order import OrderedObjects, page
from tests.support.local_server import Server

LETTERS = "ab/é\U0001f6a2"


@pytest.mark.parametrize("seed", range(20))
def test_keys_stay_in_order(seed: int) -> None:
    choose, objects = random.Random(seed), OrderedObjects()
    for number in range(300):
        key = "".join(choose.choices(LETTERS, k=choose.randint(1, 2)))
        action = choose.choice(["put", "put", "pop", "delete", "list"])
        if action == "put":
            objects[key] = number
        elif action == "pop":
            objects.pop(key, None)
        elif action == "delete" and key in objects:
            del objects[key]
        elif action == "list":
            assert objects.ordered() == sorted(objects)
    assert objects.ordered() == sorted(objects)


@pytest.mark.parametrize("seed", range(20))
def test_pages_together_are_the_whole_listing(seed: int) -> None:
    choose = random.Random(seed)
    keys = sorted({"".join(choose.choices(LETTERS, k=choose.randint(1, 4))) for _ in range(200)})
    for prefix in ("", "a", "b/", "zz"):
        for delimiter in ("", "/", "/a"):
            rows = {}
            for key in (key for key in keys if key.startswith(prefix)):
                end = key.find(delimiter, len(prefix)) if delimiter else -1
                rows[key if end < 0 else key[: end + len(delimiter)]] = end < 0
            found: dict[str, bool] = {}
            after, more = "", True
            while more:
                contents, prefixes, more, last = page(keys, prefix, delimiter, choose.randint(1, 7), after)
                found |= dict.fromkeys(contents, True) | dict.fromkeys(prefixes, False)
                assert more <= (last > after)
                after = last
            assert found == rows


def test_a_bucket_is_listed_in_order_after_deletions(server: Server) -> None:
    s3, bucket = server.client("s3"), f"order-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket)
    for key in ("c", "b/2", "a", "b/1", "ü", "d"):
        s3.put_object(Bucket=bucket, Key=key)
    s3.create_bucket(Bucket=bucket)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    assert [found["Key"] for answer in pages for found in answer["Contents"]] == ["a", "b/1", "b/2", "c", "d", "ü"]
    s3.delete_object(Bucket=bucket, Key="c")
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}]})
    s3.put_object(Bucket=bucket, Key="a")
    answer = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [found["Key"] for found in answer["Contents"]] == ["a", "d", "ü"]
    assert answer["CommonPrefixes"] == [{"Prefix": "b/"}]
