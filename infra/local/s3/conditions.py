"""Evaluate the conditions of writes as AWS does.

- A request has one condition: IfMatch with an ETag, or IfNoneMatch with an asterisk. Others are NotImplemented
  (recorded from AWS, February 2026).
- CompleteMultipartUpload with a condition is a ConditionalRequestConflict if the key was written or deleted since
  CreateMultipartUpload, although the condition holds, and although the bytes are the same (recorded from AWS, February
  2026; "CompleteMultipartUpload", S3 API reference, names the code: IfMatch, IfNoneMatch).

MiniStack accepts all of them.
"""

from collections.abc import Callable
from typing import Any

from ministack.services import s3

from infra.local.patching import require_attributes, wrap
from infra.local.s3 import versions
from infra.local.s3.errors import error_response
from infra.local.s3.models import Headers, Response

Upload = dict[str, Any]
"""MiniStack's record of an upload."""

_CONFLICT = "The conditional request cannot succeed due to a conflicting operation against this resource."


def install() -> None:
    """Apply the patches. Idempotent."""
    require_attributes(s3, "_multipart_uploads")
    wrap(s3, "_check_put_preconditions", _reject_unsupported)
    for name in ("_record_object_version", "_record_delete_marker", "_delete_persisted_object"):
        wrap(s3, name, _mark_uploads)
    wrap(s3, "_delete_object_version", _mark_uploads_of_version)


def reject_condition(bucket: str, key: str, headers: Headers) -> Response | None:
    """Reject a write whose IfMatch or IfNoneMatch fails."""
    rejection: Response | None = s3._check_put_preconditions(headers, versions.find(bucket, key, None))
    return rejection


def reject_completion(upload: Upload, headers: Headers) -> Response | None:
    """Reject the completion of an upload whose condition fails, or can no longer hold."""
    key = upload["key"]
    if rejection := reject_condition(upload["bucket"], key, headers):
        return rejection
    condition = "If-Match" if headers.get("if-match") else "If-None-Match"
    if headers.get(condition.lower()) and upload.get("conflicted"):
        return error_response("ConditionalRequestConflict", _CONFLICT, 409, Condition=condition, Key=key)
    return None


def _reject_unsupported(check: Callable[..., Response | None]) -> Any:
    def patched(headers: Headers, existing: versions.Record | None) -> Response | None:
        match, none_match = headers.get("if-match", "").strip(), headers.get("if-none-match", "").strip()
        if match and none_match:
            return _not_implemented(
                "If-Match,If-None-Match", "Multiple conditional request headers present in the request"
            )
        for name, unsupported in (("If-Match", match == "*"), ("If-None-Match", none_match not in {"", "*"})):
            if unsupported:
                return _not_implemented(name, f"We don't accept the provided value of {name} header for this API")
        return check(headers, existing)

    return patched


def _not_implemented(header: str, reason: str) -> Response:
    what = "A header you provided implies functionality that is not implemented"
    return error_response("NotImplemented", what, 501, Header=header, additionalMessage=reason)


def _mark_uploads(change: Callable[..., Any]) -> Any:
    def patched(bucket: str, key: str, *rest: Any) -> Any:
        _mark(bucket, key)
        return change(bucket, key, *rest)

    return patched


def _mark_uploads_of_version(delete: Callable[..., tuple[bool, bool]]) -> Any:
    def patched(record: dict[str, Any], bucket: str, key: str, version_id: str) -> tuple[bool, bool]:
        _mark(bucket, key)
        return delete(record, bucket, key, version_id)

    return patched


def _mark(bucket: str, key: str) -> None:
    """Mark the uploads of a key, which is written or deleted. There are few: MiniStack has no index of them."""
    for upload in s3._multipart_uploads.values():
        if (upload["bucket"], upload["key"]) == (bucket, key):
            upload["conflicted"] = True
