"""The AWS SDK must know how its clients are set up, what the functions say to S3, and all that S3 says to them.

Lambda's own boto3 may be older than that: it would make no client with an option that it does not know, refuse a
request with a member that it does not know, and leave out of an answer, without a word, a lock or a checksum. So the
functions have a layer with the SDK that they were tested with (infra/build/layer.py), and each looks once, when it is
imported, whether it really runs with it: "Runtime-included SDK versions" (AWS Lambda Developer Guide) advises against
relying on the runtime's.

The model that is looked at is the one that the clients are made of later, so it is loaded no second time, and not at
all by a function that names no operation of S3; neither a region nor credentials are needed. Raises SdkTooOld. Looking
twice changes nothing.
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
"""What clients are set up with (functions/runtime/clients.py) and was not known yet to the first botocore that Lambda's
Python 3.13 came with, 1.34.145.
"""

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
    "ListObjectAnnotations": ("Bucket", "Key", "VersionId", "ContinuationToken"),
    "GetObjectAnnotation": ("Bucket", "Key", "VersionId", "AnnotationName"),
    "PutObjectAnnotation": ("Bucket", "Key", "VersionId", "AnnotationName", "AnnotationPayload", "ObjectIfMatch"),
    "DeleteObjectAnnotation": ("Bucket", "Key", "VersionId", "AnnotationName", "ObjectIfMatch"),
}
"""What is sent and was not known to it either."""

READ: dict[str, tuple[str, ...]] = {
    "HeadObject": ("TagCount", "ChecksumType", *_NEWER_CHECKSUMS, *_EVENT_HOLD),
    "GetObjectAttributes": tuple(f"ObjectParts.Parts.{checksum}" for checksum in _NEWER_CHECKSUMS),
    "ListParts": tuple(f"Parts.{checksum}" for checksum in _NEWER_CHECKSUMS),
    "GetObjectRetention": (
        "Retention.EventHold",
        "Retention.EventHoldDuration.Days",
        "Retention.EventHoldDuration.Years",
    ),
    "ListObjectAnnotations": ("Annotations.AnnotationName", "NextContinuationToken"),
    "GetObjectAnnotation": ("AnnotationPayload",),
}
"""What is read of the answers and was not known to it."""


def require_sdk(*operations: str) -> None:
    """See that the SDK knows how clients are set up, and what these operations of S3 are asked and answer."""
    for option in OPTIONS:
        if option not in Config.OPTION_DEFAULTS:
            raise _too_old(f"a client's {option}")
    for operation in operations:
        model = _s3_model()
        if operation not in model.operation_names:
            raise _too_old(f"{operation} of S3")
        described = model.operation_model(operation)
        for shape, members in (
            (described.input_shape, SENT.get(operation, ())),
            (described.output_shape, READ.get(operation, ())),
        ):
            for member in members:
                if not _has(shape, member.split(".")):
                    raise _too_old(f"{operation}.{member} of S3")


@cache
def _s3_model() -> Any:
    """S3 as this SDK describes it, loaded into the session that the clients are made of."""
    session = botocore.session.get_session()
    if boto3.DEFAULT_SESSION is None:
        boto3.setup_default_session(botocore_session=session)
    return session.get_service_model("s3")


def _has(shape: Any, path: Iterable[str]) -> bool:
    """Whether a structure has a member, at any depth; of a list its elements' members are meant."""
    for name in path:
        while shape is not None and shape.type_name == "list":
            shape = shape.member
        if shape is None or name not in getattr(shape, "members", {}):
            return False
        shape = shape.members[name]
    return True


def _too_old(what: str) -> SdkTooOld:
    return SdkTooOld(
        f"This function's AWS SDK, botocore {botocore.__version__}, does not know {what}; needed is {TESTED}. "
        "Is our own layer (dist/layer.zip) attached to the function? Deploy again."
    )
