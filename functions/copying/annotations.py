"""Copies the source's annotations to the target.

CopyObject carries over annotations, a multipart copy does not ("CopyObject", AnnotationDirective; Amazon S3 API
reference); and they may have changed since the copy. Idempotent: annotations that are already equal, by size and ETag,
are not sent again.

Raises ObjectChanged if either object no longer exists, AccessDenied, Throttled, RequestRejected.
"""

from functions.contract.models import ObjectVersion
from functions.objects.annotations import annotations, identity, read_annotation
from functions.objects.head import changed_or_rejected
from functions.runtime import clients


def carry_annotations(source: ObjectVersion, target: ObjectVersion) -> None:
    """Put what is missing or different at the target, and delete what the source does not have."""
    expected, existing = annotations(source), annotations(target)
    for name in (name for name in expected if expected[name] != existing.get(name)):
        _put(target, name, read_annotation(source, name))
    for name in existing.keys() - expected.keys():
        _delete(target, name)


def _put(obj: ObjectVersion, name: str, payload: bytes) -> None:
    with changed_or_rejected(f"writing the annotation {name} of", obj):
        clients.s3(obj.region).put_object_annotation(
            **identity(obj), AnnotationName=name, AnnotationPayload=payload, ObjectIfMatch=obj.etag
        )


def _delete(obj: ObjectVersion, name: str) -> None:
    with changed_or_rejected(f"deleting the annotation {name} of", obj):
        clients.s3(obj.region).delete_object_annotation(**identity(obj), AnnotationName=name, ObjectIfMatch=obj.etag)
