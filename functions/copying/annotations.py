"""Copies the source's annotations to the target.

CopyObject carries over annotations, a multipart copy does not ("CopyObject", AnnotationDirective; Amazon S3 API
reference); and they may have changed since the copy. Idempotent: annotations that are already equal, by size and ETag,
are not sent again.

Raises ObjectChanged if either object no longer exists, AccessDenied, Throttled, RequestRejected.
"""

from typing import Any

from functions.contract.models import ObjectVersion
from functions.objects.head import changed_or_rejected, version_argument
from functions.runtime import clients


def carry_annotations(source: ObjectVersion, target: ObjectVersion) -> None:
    """Put what is missing or different at the target, and delete what the source does not have."""
    expected, existing = _listed(source), _listed(target)
    for name in (name for name in expected if expected[name] != existing.get(name)):
        _put(target, name, _read(source, name))
    for name in existing.keys() - expected.keys():
        _delete(target, name)


def _listed(obj: ObjectVersion) -> dict[str, tuple[int, str]]:
    """Return the size and ETag of each annotation, by name."""
    listed: dict[str, tuple[int, str]] = {}
    marker: dict[str, Any] = {}
    while True:
        with changed_or_rejected("listing the annotations of", obj):
            response: Any = clients.s3(obj.region).list_object_annotations(**_identity(obj), **marker)
        for entry in response.get("Annotations", []):
            listed[entry["AnnotationName"]] = (entry["Size"], entry["ETag"])
        if not response.get("NextContinuationToken"):
            return listed
        marker = {"ContinuationToken": response["NextContinuationToken"]}


def _read(obj: ObjectVersion, name: str) -> bytes:
    with changed_or_rejected(f"reading the annotation {name} of", obj):
        response: Any = clients.s3(obj.region).get_object_annotation(**_identity(obj), AnnotationName=name)
        payload: bytes = response["AnnotationPayload"].read()
    return payload


def _put(obj: ObjectVersion, name: str, payload: bytes) -> None:
    with changed_or_rejected(f"writing the annotation {name} of", obj):
        clients.s3(obj.region).put_object_annotation(
            **_identity(obj), AnnotationName=name, AnnotationPayload=payload, ObjectIfMatch=obj.etag
        )


def _delete(obj: ObjectVersion, name: str) -> None:
    with changed_or_rejected(f"deleting the annotation {name} of", obj):
        clients.s3(obj.region).delete_object_annotation(**_identity(obj), AnnotationName=name, ObjectIfMatch=obj.etag)


def _identity(obj: ObjectVersion) -> dict[str, Any]:
    return {"Bucket": obj.bucket, "Key": obj.key, **version_argument(obj.version_id)}
