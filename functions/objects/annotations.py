"""Lists and reads the annotations of an object.

Idempotent: it only reads. Raises ObjectChanged if the object is gone, AccessDenied, Throttled, RequestRejected.
"""

from typing import Any

from functions.contract.models import ObjectVersion
from functions.objects.head import changed_or_rejected, version_argument
from functions.runtime import clients


def annotations(obj: ObjectVersion) -> dict[str, tuple[int, str]]:
    """Return the size and ETag of each annotation, by name."""
    listed: dict[str, tuple[int, str]] = {}
    marker: dict[str, Any] = {}
    while True:
        with changed_or_rejected("listing the annotations of", obj):
            response: Any = clients.s3(obj.region).list_object_annotations(**identity(obj), **marker)
        for entry in response.get("Annotations", []):
            listed[entry["AnnotationName"]] = (entry["Size"], entry["ETag"])
        if not response.get("NextContinuationToken"):
            return listed
        marker = {"ContinuationToken": response["NextContinuationToken"]}


def read_annotation(obj: ObjectVersion, name: str) -> bytes:
    """Return the payload of an annotation."""
    with changed_or_rejected(f"reading the annotation {name} of", obj):
        response: Any = clients.s3(obj.region).get_object_annotation(**identity(obj), AnnotationName=name)
        payload: bytes = response["AnnotationPayload"].read()
    return payload


def identity(obj: ObjectVersion) -> dict[str, Any]:
    """Return the arguments that name an object in a request."""
    return {"Bucket": obj.bucket, "Key": obj.key, **version_argument(obj.version_id)}
