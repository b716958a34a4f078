"""Reject requests that exceed S3's limits, before any other check.

- A key has at most 1,024 bytes of UTF-8 (AWS: "Naming Amazon S3 objects", S3 User Guide).
- User metadata has at most 2 KB: the bytes of all names and values ("Working with object metadata", S3 User Guide).
"""

from collections.abc import Callable
from typing import Any

from ministack.services import s3

from infra.local.patching import wrap
from infra.local.s3.errors import error_response
from infra.local.s3.models import Headers, Query, Response

MAX_KEY_BYTES = 1024
MAX_METADATA_BYTES = 2048
_METADATA = "x-amz-meta-"


def install() -> None:
    """Apply the patch. Idempotent."""
    wrap(s3, "_dispatch", _check_limits)


def _check_limits(dispatch: Callable[..., Response]) -> Any:
    def patched(method: str, bucket: str, key: str, headers: Headers, body: bytes, query: Query) -> Response:
        size_bytes = len(key.encode(errors="surrogateescape"))
        if size_bytes > MAX_KEY_BYTES:
            sizes = {"Size": str(size_bytes), "MaxSizeAllowed": str(MAX_KEY_BYTES)}
            return error_response("KeyTooLongError", "Your key is too long", 400, **sizes)
        size_bytes = sum(
            len(name.removeprefix(_METADATA).encode()) + len(value.encode(errors="surrogateescape"))
            for name, value in headers.items()
            if name.startswith(_METADATA)
        )
        if size_bytes > MAX_METADATA_BYTES:
            sizes = {"Size": str(size_bytes), "MaxSizeAllowed": str(MAX_METADATA_BYTES)}
            return error_response(
                "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size", 400, **sizes
            )
        return dispatch(method, bucket, key, headers, body, query)

    return patched
