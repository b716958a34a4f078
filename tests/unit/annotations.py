"""Annotations for moto, which has none: what the four operations do, answered through botocore's own events."""

import hashlib
import io
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from tests.unit.conftest import KEY, Hooks, Values

PAGE = 2
Which = tuple[str, str, str | None]


@dataclass
class Annotations:
    """The annotations of each object, by bucket, key and version."""

    hooks: Hooks
    stored: dict[Which, dict[str, bytes]] = field(default_factory=lambda: defaultdict(dict))

    def of(self, bucket: str, version_id: str | None, key: str = KEY) -> dict[str, bytes]:
        """The annotations of one object."""
        return self.stored[bucket, key, version_id]

    def answer(self, model: Any, **_: object) -> tuple[SimpleNamespace, Values] | None:
        """Answer one of the four operations; what the test answers itself comes first."""
        if not hasattr(self, f"_{model.name}"):
            return None
        given = self.hooks.own.params
        annotations = self.stored[given["Bucket"], given["Key"], given.get("VersionId")]
        answer = getattr(self, f"_{model.name}")(annotations, given)
        return SimpleNamespace(status_code=200), answer

    @staticmethod
    def _ListObjectAnnotations(annotations: dict[str, bytes], given: Values) -> Values:  # noqa: N802 - the operation's name
        first = int(given.get("ContinuationToken", 0))
        listed = [
            {"AnnotationName": name, "Size": len(payload), "ETag": hashlib.md5(payload).hexdigest()}  # noqa: S324
            for name, payload in sorted(annotations.items())
        ]
        more = {"NextContinuationToken": str(first + PAGE)} if len(listed) > first + PAGE else {}
        return {"Annotations": listed[first : first + PAGE], **more}

    @staticmethod
    def _GetObjectAnnotation(annotations: dict[str, bytes], given: Values) -> Values:  # noqa: N802
        return {"AnnotationPayload": io.BytesIO(annotations[given["AnnotationName"]])}

    @staticmethod
    def _PutObjectAnnotation(annotations: dict[str, bytes], given: Values) -> Values:  # noqa: N802
        annotations[given["AnnotationName"]] = given["AnnotationPayload"]
        return {}

    @staticmethod
    def _DeleteObjectAnnotation(annotations: dict[str, bytes], given: Values) -> Values:  # noqa: N802
        del annotations[given["AnnotationName"]]
        return {}


@pytest.fixture
def annotations(hooked_session: tuple[boto3.Session, Hooks], hooks: Hooks) -> Iterator[Annotations]:
    """The annotations of every object of the test."""
    session, _ = hooked_session
    stored = Annotations(hooks)
    session.events.register("before-call", stored.answer)  # type: ignore[arg-type]
    yield stored
    session.events.unregister("before-call", stored.answer)  # type: ignore[arg-type]
