"""What a request may hold, refused before anything else of it is looked at.

- A key has at most 1,024 bytes of UTF-8 (AWS: "Naming Amazon S3 objects", S3 User Guide).
- User metadata has at most 2 KB: the bytes of all names and values ("Working with object metadata", S3 User Guide).
"""

from collections.abc import Callable
from typing import Any

from ministack.services import s3

from infra.local.patching import wrap
from infra.local.s3.requests import Answer, Headers, Query, error

LONGEST_KEY_BYTES = 1024
MOST_METADATA_BYTES = 2048
_METADATA = "x-amz-meta-"


def install() -> None:
    """Put the limits in front of every request."""
    wrap(s3, "_dispatch", _limiting)


def _limiting(dispatch: Callable[..., Answer]) -> Any:
    def limited(method: str, bucket: str, key: str, headers: Headers, body: bytes, query: Query) -> Answer:
        size_bytes = len(key.encode(errors="surrogateescape"))
        if size_bytes > LONGEST_KEY_BYTES:
            sizes = {"Size": str(size_bytes), "MaxSizeAllowed": str(LONGEST_KEY_BYTES)}
            return error("KeyTooLongError", "Your key is too long", 400, **sizes)
        size_bytes = sum(
            len(name.removeprefix(_METADATA).encode()) + len(value.encode(errors="surrogateescape"))
            for name, value in headers.items()
            if name.startswith(_METADATA)
        )
        if size_bytes > MOST_METADATA_BYTES:
            sizes = {"Size": str(size_bytes), "MaxSizeAllowed": str(MOST_METADATA_BYTES)}
            return error(
                "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size", 400, **sizes
            )
        return dispatch(method, bucket, key, headers, body, query)

    return limited
