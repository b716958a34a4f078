"""Checks at import that the AWS SDK is recent enough for the clients' options and for the S3 requests and responses.

Lambda's own boto3 may be older: it would reject a client option or a request member that it does not know, and silently
drop a lock or a checksum from a response. So the functions have a layer with the SDK that they were tested with
(infra/build/layer.py), and each checks once, when it is imported, that it runs with it: "Runtime-included SDK versions"
(AWS Lambda Developer Guide) advises against depending on the runtime's.

The check uses the service model that the clients are created from later, so it is loaded only once, and not at all by a
function that names no S3 operation. It needs neither a region nor credentials. Raises SdkTooOld. Idempotent.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

import boto3
import botocore
import botocore.session
from botocore.config import Config

from functions.runtime.errors import SdkTooOld

TESTED = "1.43.106"
"""The botocore of requirements/layer.txt."""

_EVENT_HOLD = ("ObjectLockEventHold", "ObjectLockEventHoldDurationDays", "ObjectLockEventHoldDurationYears")
_NEWER_CHECKSUMS = (
    "ChecksumCRC64NVME",
    "ChecksumMD5",
    "ChecksumSHA512",
    "ChecksumXXHASH64",
    "ChecksumXXHASH3",
    "ChecksumXXHASH128",
)

OPTIONS = ("response_checksum_validation",)
"""Client options (functions/runtime/clients.py) that 1.34.145 lacks, the first botocore of Lambda's Python 3.13."""

SENT: dict[str, tuple[str, ...]] = {
    "CopyObject": ("IfMatch", "IfNoneMatch", *_EVENT_HOLD),
    "CreateMultipartUpload": ("ChecksumType", *_EVENT_HOLD),
    "CompleteMultipartUpload": (
        "IfMatch",
        "IfNoneMatch",
        "MpuObjectSize",
        "ChecksumType",
        *_NEWER_CHECKSUMS,
        *(f"MultipartUpload.Parts.{checksum}" for checksum in _NEWER_CHECKSUMS),
    ),
    "DeleteObject": ("IfMatch",),
    "PutObject": ("IfMatch", "IfNoneMatch"),
    "ListObjectAnnotations": ("Bucket", "Key", "VersionId", "ContinuationToken"),
    "GetObjectAnnotation": ("Bucket", "Key", "VersionId", "AnnotationName"),
    "PutObjectAnnotation": ("Bucket", "Key", "VersionId", "AnnotationName", "AnnotationPayload", "ObjectIfMatch"),
    "DeleteObjectAnnotation": ("Bucket", "Key", "VersionId", "AnnotationName", "ObjectIfMatch"),
}
"""Request members that it lacks."""

READ: dict[str, tuple[str, ...]] = {
    "HeadObject": ("TagCount", "ChecksumType", *_NEWER_CHECKSUMS, *_EVENT_HOLD),
    "GetObjectAttributes": tuple(f"ObjectParts.Parts.{checksum}" for checksum in _NEWER_CHECKSUMS),
    "ListObjectsV2": ("Contents.ChecksumType",),
    "ListParts": tuple(f"Parts.{checksum}" for checksum in _NEWER_CHECKSUMS),
    "GetObjectRetention": (
        "Retention.EventHold",
        "Retention.EventHoldDuration.Days",
        "Retention.EventHoldDuration.Years",
    ),
    "ListObjectAnnotations": ("Annotations.AnnotationName", "NextContinuationToken"),
    "GetObjectAnnotation": ("AnnotationPayload",),
}
"""Response members that it lacks."""


def require_sdk(*operations: str) -> None:
    """Check that the SDK knows the client options, and the requests and responses of these S3 operations."""
    for option in OPTIONS:
        if option not in Config.OPTION_DEFAULTS:
            raise _too_old(f"the client option {option}")
    for operation in operations:
        model = _s3_model()
        if operation not in model.operation_names:
            raise _too_old(f"the S3 operation {operation}")
        described = model.operation_model(operation)
        for shape, members in (
            (described.input_shape, SENT.get(operation, ())),
            (described.output_shape, READ.get(operation, ())),
        ):
            for member in members:
                if not _has(shape, member.split(".")):
                    raise _too_old(f"the S3 member {operation}.{member}")


@cache
def _s3_model() -> Any:
    """Return this SDK's model of S3, loaded into the session that creates the clients."""
    session = botocore.session.get_session()
    if boto3.DEFAULT_SESSION is None:
        boto3.setup_default_session(botocore_session=session)
    return session.get_service_model("s3")


def _has(shape: Any, path: Iterable[str]) -> bool:
    """Check whether a structure has a member, at any depth; for a list, its elements have it."""
    for name in path:
        while shape is not None and shape.type_name == "list":
            shape = shape.member
        if shape is None or name not in getattr(shape, "members", {}):
            return False
        shape = shape.members[name]
    return True


def _too_old(missing: str) -> SdkTooOld:
    return SdkTooOld(
        f"This function's AWS SDK, botocore {botocore.__version__}, lacks {missing}; {TESTED} is required. "
        "The function's layer (dist/layer.zip) may be detached. Deploy again."
    )
