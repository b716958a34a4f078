"""User metadata in answers.

A value that is not printable US-ASCII is told as RFC 2047 has it (AWS: "Working with object metadata", S3 User Guide).
That page's example takes the header's bytes for Latin-1, and so is done here: UTF-8 that was sent as it is comes out
encoded twice. MiniStack tells it as it came, and botocore then refuses to send it on. What is stored stays: CopyObject
carries it.
"""

import base64
import re
from collections.abc import Callable
from typing import Any

from ministack.services import s3

from infra.local.patching import wrap
from infra.local.s3.requests import Headers

_PLAIN = re.compile("[ -~]*")


def install() -> None:
    """Mend it."""
    wrap(s3, "_object_response_headers", _encoding)


def _encoding(response_headers: Callable[..., Headers]) -> Any:
    def told(record: dict[str, Any], *more: Any, **named: Any) -> Headers:
        encoded = {name: _encoded(value) for name, value in (record.get("metadata") or {}).items()}
        return {**response_headers(record, *more, **named), **encoded}

    return told


def _encoded(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    return f"=?UTF-8?B?{base64.b64encode(value.encode()).decode()}?="
