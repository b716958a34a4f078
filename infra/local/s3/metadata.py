"""Encode user metadata in responses.

A value that is not printable US-ASCII is encoded by RFC 2047 (AWS: "Working with object metadata", S3 User Guide). In
that page's example the header's bytes are read as Latin-1, as they are here: plain UTF-8 comes out encoded twice.
MiniStack returns it as it came, and botocore then fails to send it on. The stored value is unchanged: CopyObject
copies it.
"""

import base64
import re
from collections.abc import Callable
from typing import Any

from ministack.services import s3

from infra.local.patching import wrap
from infra.local.s3.models import Headers

_PLAIN = re.compile("[ -~]*")


def install() -> None:
    """Apply the patch. Idempotent."""
    wrap(s3, "_object_response_headers", _encode_metadata)


def _encode_metadata(object_headers: Callable[..., Headers]) -> Any:
    def patched(record: dict[str, Any], *rest: Any, **named: Any) -> Headers:
        encoded = {name: _encoded(value) for name, value in (record.get("metadata") or {}).items()}
        return {**object_headers(record, *rest, **named), **encoded}

    return patched


def _encoded(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    return f"=?UTF-8?B?{base64.b64encode(value.encode()).decode()}?="
