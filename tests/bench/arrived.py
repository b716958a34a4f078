"""What arrived of the varied objects, compared by HEADs of both sides, and whether all keys of a prefix have."""

from collections import defaultdict
from typing import Any

from botocore.exceptions import ClientError

from tests.bench.objects import VARIED_OBJECTS, VariedObject
from tests.support.deployed.deployment import Deployed

HEADERS = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "ExpiresString")
SUBJECTS = tuple(dict.fromkeys(each.subject for each in VARIED_OBJECTS))


def judge(deployed: Deployed, bucket: str) -> dict[str, str]:
    """Return by subject what arrived of it: `yes`, `and more`, `partly`, `lost`, or how many objects are `missing`."""
    found: dict[str, list[str]] = defaultdict(list)
    for each in VARIED_OBJECTS:
        found[each.subject].append(_judge(deployed, bucket, each))
    return {subject: _together(found[subject]) for subject in SUBJECTS}


def _together(judged: list[str]) -> str:
    missing = judged.count("missing")
    if missing and len(judged) > 1:
        return f"{missing} of {len(judged)} missing"
    return next((each for each in judged if each != "yes"), "yes")


def _judge(deployed: Deployed, bucket: str, varied: VariedObject) -> str:
    before = _head(deployed, deployed.outputs.source_bucket, varied)
    after = _head(deployed, bucket, varied)
    if before is None:
        raise RuntimeError(f"{varied.key} is not at the source")
    if after is None:
        return "missing"
    kept = {name for name, value in before.items() if after.get(name) == value}
    if kept == set(before):
        return "yes" if before == after else "and more"
    return "partly" if kept else "lost"


def _head(deployed: Deployed, bucket: str, varied: VariedObject) -> dict[str, Any] | None:
    """What is compared of an object, by name; None if it is missing."""
    client = deployed.target
    try:
        head: dict[str, Any] = dict(client.head_object(Bucket=bucket, Key=varied.key, ChecksumMode="ENABLED"))
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise
        return None
    if varied.subject == "tags":
        tags = client.get_object_tagging(Bucket=bucket, Key=varied.key)["TagSet"]
        return {tag["Key"]: tag["Value"] for tag in tags}
    if varied.subject == "metadata":
        return dict(head["Metadata"])
    names = {
        "headers": HEADERS,
        "class": ("StorageClass",),
        "redirect": ("WebsiteRedirectLocation",),
        "checksum": ("ChecksumSHA256",),
    }.get(varied.subject, ("ContentLength", "ETag"))
    return {name: head[name] for name in names if name in head}


def count_arrived(deployed: Deployed, bucket: str, prefix: str) -> int:
    """Return how many keys have the source's size and ETag: an audit of the benchmark's own, from listings."""
    source, target = (_listed(deployed, name, prefix) for name in (deployed.outputs.source_bucket, bucket))
    return sum(target.get(key) == facts for key, facts in source.items())


def _listed(deployed: Deployed, bucket: str, prefix: str) -> dict[str, tuple[int, str]]:
    pages = deployed.target.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {each["Key"]: (each["Size"], each["ETag"]) for page in pages for each in page.get("Contents", ())}
