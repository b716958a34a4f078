"""Makes the target's annotations the source's.

CopyObject carries annotations by itself, a multipart copy does not ("CopyObject", AnnotationDirective; Amazon S3
API reference); and the copy may have been made before they were changed. Those that are the same already, by size
and ETag, are left alone: running it twice is harmless.

Raises ObjectChanged when either object is not there any more, AccessDenied, Throttled, RequestRejected.
"""

from typing import Any

from functions.contract.models import ObjectVersion
from functions.objects.head import changed_or_refused, version_argument
from functions.runtime import clients


def carry_annotations(source: ObjectVersion, target: ObjectVersion) -> None:
    """Put what is missing or different at the target, and delete what the source has not."""
    wanted, there = _listed(source), _listed(target)
    for name in (name for name in wanted if wanted[name] != there.get(name)):
        _put(target, name, _read(source, name))
    for name in there.keys() - wanted.keys():
        _delete(target, name)


def _listed(obj: ObjectVersion) -> dict[str, tuple[int, str]]:
    """The size and ETag of each annotation, by name."""
    listed: dict[str, tuple[int, str]] = {}
    more: dict[str, Any] = {}
    while True:
        with changed_or_refused("listing the annotations of", obj):
            answer: Any = clients.s3(obj.region).list_object_annotations(**_which(obj), **more)
        for entry in answer.get("Annotations", []):
            listed[entry["AnnotationName"]] = (entry["Size"], entry["ETag"])
        if not answer.get("NextContinuationToken"):
            return listed
        more = {"ContinuationToken": answer["NextContinuationToken"]}


def _read(obj: ObjectVersion, name: str) -> bytes:
    with changed_or_refused(f"reading the annotation {name} of", obj):
        answer: Any = clients.s3(obj.region).get_object_annotation(**_which(obj), AnnotationName=name)
        payload: bytes = answer["AnnotationPayload"].read()
    return payload


def _put(obj: ObjectVersion, name: str, payload: bytes) -> None:
    with changed_or_refused(f"writing the annotation {name} of", obj):
        clients.s3(obj.region).put_object_annotation(
            **_which(obj), AnnotationName=name, AnnotationPayload=payload, ObjectIfMatch=obj.etag
        )


def _delete(obj: ObjectVersion, name: str) -> None:
    with changed_or_refused(f"deleting the annotation {name} of", obj):
        clients.s3(obj.region).delete_object_annotation(**_which(obj), AnnotationName=name, ObjectIfMatch=obj.etag)


def _which(obj: ObjectVersion) -> dict[str, Any]:
    return {"Bucket": obj.bucket, "Key": obj.key, **version_argument(obj.version_id)}
