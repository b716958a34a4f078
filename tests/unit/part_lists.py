"""What S3 tells of an object's parts, which moto does not: the answers of GetObjectAttributes and of a part's HEAD."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from functions.contract.models import StoredObject
from functions.objects.checksums import composite, digest_of, to_text
from functions.objects.parts import SourcePart
from tests.unit.conftest import KEY, SOURCE, SOURCE_REGION, TARGET, TARGET_REGION, Cloud

REGIONS = {SOURCE: SOURCE_REGION, TARGET: TARGET_REGION}


@dataclass
class PartLists:
    """The parts of objects, by bucket. `listed`: GetObjectAttributes tells them, else only a HEAD of each does."""

    objects: dict[str, tuple[StoredObject, list[SourcePart]]] = field(default_factory=dict)
    listed: bool = True
    asked: list[str] = field(default_factory=list)
    """What was asked of which bucket, in any order where it was asked side by side."""

    def add(self, obj: StoredObject, parts: list[SourcePart]) -> None:
        """Answer for this object from now on."""
        self.objects[obj.bucket] = obj, parts

    def attributes(self, params: dict[str, Any], **_: object) -> tuple[SimpleNamespace, dict[str, Any]]:
        """Answer GetObjectAttributes, a page of it."""
        obj, parts = self._which("attributes", params)
        answer: dict[str, Any] = {"ETag": obj.etag, "ResponseMetadata": {}}
        if self.listed:
            after = int(params["headers"].get("x-amz-part-number-marker", 0))
            most = int(params["headers"].get("x-amz-max-parts", 1000))
            rest = [part for part in parts if part.number > after]
            answer["ObjectParts"] = {
                "TotalPartsCount": len(parts),
                "IsTruncated": len(rest) > most,
                "Parts": [self._part(obj, part) for part in rest[:most]],
            }
            if rest:
                answer["ObjectParts"]["NextPartNumberMarker"] = rest[:most][-1].number
        return SimpleNamespace(status_code=200), answer

    def head(self, params: dict[str, Any], **_: object) -> tuple[SimpleNamespace, dict[str, Any]] | None:
        """Answer a HEAD of a part number; moto answers the others."""
        number = params["query_string"].get("partNumber")
        if number is None:
            return None
        obj, parts = self._which("head", params)
        attributes = self._part(obj, parts[int(number) - 1])
        assert params["headers"]["If-Match"] == obj.etag
        return SimpleNamespace(status_code=206), attributes | {
            "ContentLength": attributes["Size"],
            "ResponseMetadata": {},
        }

    def _which(self, what: str, params: dict[str, Any]) -> tuple[StoredObject, list[SourcePart]]:
        bucket = next(bucket for bucket in REGIONS if bucket in params["url"])
        self.asked.append(f"{what} {bucket}")
        return self.objects[bucket]

    @staticmethod
    def _part(obj: StoredObject, part: SourcePart) -> dict[str, Any]:
        known = {f"Checksum{obj.checksum_algorithm}": part.checksum} if part.checksum else {}
        return {"PartNumber": part.number, "Size": part.size_bytes, **known}


@pytest.fixture
def part_lists(hooked_session: tuple[boto3.Session, Any], hooks: object) -> Iterator[PartLists]:  # noqa: ARG001
    """Answers instead of moto's."""
    events, lists = hooked_session[0].events, PartLists()
    handlers: Any = {"before-call.s3.GetObjectAttributes": lists.attributes, "before-call.s3.HeadObject": lists.head}
    for name, handler in handlers.items():
        events.register(name, handler)
    yield lists
    for name, handler in handlers.items():
        events.unregister(name, handler)


def put(cloud: Cloud, bucket: str, body: bytes) -> StoredObject:
    """An object without a stored value that verifies its bytes."""
    client = cloud.source if bucket == SOURCE else cloud.target
    done = client.put_object(Bucket=bucket, Key=KEY, Body=body)
    return StoredObject(
        bucket=bucket,
        region=REGIONS[bucket],
        key=KEY,
        version_id=done.get("VersionId"),
        etag=done["ETag"].strip('"'),
        size_bytes=len(body),
    )


def with_md5(obj: StoredObject, body: bytes) -> StoredObject:
    """The object as one whose ETag is its MD5."""
    assert obj.etag == hashlib.md5(body).hexdigest()  # noqa: S324
    return obj.model_copy(update={"etag_is_md5": True})


def with_checksum(obj: StoredObject, algorithm: str, body: bytes) -> StoredObject:
    """The object with a stored checksum of these bytes."""
    stored = {"checksum_algorithm": algorithm, "checksum_type": "FULL_OBJECT"}
    return obj.model_copy(update=stored | {"checksum_value": to_text(digest_of(algorithm, body))})


def in_parts(lists: PartLists, obj: StoredObject, algorithm: str, bodies: list[bytes]) -> StoredObject:
    """The object as one that was uploaded in these parts, with a composite checksum."""
    digests = [digest_of(algorithm, body) for body in bodies]
    stored = {"checksum_algorithm": algorithm, "checksum_type": "COMPOSITE"}
    made = obj.model_copy(update=stored | {"checksum_value": composite(algorithm, digests)})
    parts = [
        SourcePart(number, len(body), to_text(digest))
        for number, (body, digest) in enumerate(zip(bodies, digests, strict=True), 1)
    ]
    lists.add(made, parts)
    return made
