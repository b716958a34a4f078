"""Report the versions that DeleteObjects does not find.

Each is an error, NoSuchVersion, also one whose id is malformed (recorded from AWS, February 2026). MiniStack reports
them as deleted.
"""

import contextvars
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from ministack.services import s3

from infra.local.patching import wrap
from infra.local.s3.models import Headers, Response
from infra.local.s3.xml import append, text_of

_missing: contextvars.ContextVar[list[tuple[str, str]] | None] = contextvars.ContextVar("missing", default=None)


def install() -> None:
    """Apply the patches. Idempotent."""
    wrap(s3, "_delete_objects", _collect_missing)
    wrap(s3, "_delete_object_version", _note_missing)
    wrap(s3, "_xml_body", _report_missing)


def _collect_missing(delete_objects: Callable[..., Response]) -> Any:
    def patched(bucket: str, body: bytes, headers: Headers | None = None) -> Response:
        token = _missing.set([])
        try:
            return delete_objects(bucket, body, headers)
        finally:
            _missing.reset(token)

    return patched


def _note_missing(delete_version: Callable[..., tuple[bool, bool]]) -> Any:
    def patched(record: dict[str, Any], bucket: str, key: str, version_id: str) -> tuple[bool, bool]:
        found, was_marker = delete_version(record, bucket, key, version_id)
        missing = _missing.get()
        if not found and missing is not None:
            missing.append((key, version_id))
        return found, was_marker

    return patched


def _report_missing(xml_body: Callable[[Element], bytes]) -> Any:
    def patched(root: Element) -> bytes:
        missing = _missing.get() if root.tag == "DeleteResult" else None
        for deleted in list(root) if missing else ():
            if (text_of(deleted, "Key"), text_of(deleted, "VersionId")) in (missing or ()):
                root.remove(deleted)
        for key, version_id in missing or ():
            error = SubElement(root, "Error")
            append(error, Key=key, VersionId=version_id, Code="NoSuchVersion")
            append(error, Message="The specified version does not exist.")
        return xml_body(root)

    return patched
