"""Require the additional permissions of a request, and hide what its caller may not read.

- Tags in a request need s3:PutObjectTagging; a copy of the source's tags also needs s3:GetObjectTagging on the
  source (AWS: "Required permissions for Amazon S3 API operations", S3 User Guide: CopyObject).
- A retention in a request needs s3:PutObjectRetention, a legal hold s3:PutObjectLegalHold (the same page: PutObject,
  CopyObject, CreateMultipartUpload).
- Annotations of a version have actions of their own ("Actions, resources, and condition keys for Amazon S3", Service
  Authorization Reference). MiniStack requires those on the current object.
- A copy of the source's annotations needs s3:GetObjectAnnotation on the source and s3:PutObjectAnnotation
  ("CopyObject": AnnotationDirective). That page does not cover a source named by its version: here it needs
  s3:GetObjectVersionAnnotation, by the reference above, as its tags need s3:GetObjectVersionTagging.
- IfMatch on a write or a deletion needs s3:GetObject ("How to prevent object overwrites with conditional writes",
  "How to perform conditional deletes", S3 User Guide).
- GET and HEAD return the number of tags, the retention and the legal hold only to callers that may read them
  ("HeadObject": TagCount, ObjectLockMode, ObjectLockLegalHoldStatus); otherwise they omit them silently.
- A caller that may not list a bucket gets AccessDenied for a missing object ("GetObject", "HeadObject": Permissions;
  "Troubleshoot access denied (403 Forbidden) errors in Amazon S3", S3 User Guide).
"""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

from ministack import app
from ministack.core import iam_actions, iam_evaluator, router
from ministack.services import s3

from infra.local.patching import require_attributes, wrap
from infra.local.s3 import versions
from infra.local.s3.copies import find_source
from infra.local.s3.errors import error_response
from infra.local.s3.models import Headers, Query, Response

Check = tuple[str, str]
"""An action and its resource's ARN."""

_VERSION_ACTIONS = {
    "ListObjectAnnotations": "ListObjectVersionAnnotations",
    "GetObjectAnnotation": "GetObjectVersionAnnotation",
    "PutObjectAnnotation": "PutObjectVersionAnnotation",
    "DeleteObjectAnnotation": "DeleteObjectVersionAnnotation",
}
"""Action on the current object's annotations → action on those of a version."""

_LEGAL_HOLD = "x-amz-object-lock-legal-hold"
_TAG_COUNT = "x-amz-tagging-count"


def install() -> None:
    """Apply the patches. Idempotent."""
    require_attributes(app, "AUTH")
    require_attributes(iam_evaluator, "enforce")
    require_attributes(router, "extract_access_key_id", "extract_region")
    require_attributes(s3, "_parse_bucket_key", "_object_tagging_count_header", "_object_annotations", "_object_tags")
    _complete_versioned_actions()
    wrap(iam_actions, "s3_additional_checks", _require_more)
    wrap(s3, "_get_object", _hide)
    wrap(s3, "_head_object", _hide)
    wrap(s3, "_copy_object", _hide_missing_source)
    wrap(s3, "_upload_part_copy", _hide_missing_source)


def _complete_versioned_actions() -> None:
    """Make MiniStack require the actions on a version's annotations, with or without governance bypass."""
    require_attributes(iam_actions, "_S3_VERSIONED_ACTIONS", "_S3_GOVERNANCE_BYPASS_ACTIONS")
    governance_actions = iam_actions._S3_GOVERNANCE_BYPASS_ACTIONS
    iam_actions._S3_VERSIONED_ACTIONS.update(_VERSION_ACTIONS)
    iam_actions._S3_GOVERNANCE_BYPASS_ACTIONS = governance_actions | {
        _VERSION_ACTIONS[action] for action in _VERSION_ACTIONS.keys() & governance_actions
    }


def is_allowed(action: str, bucket: str, key: str, headers: Headers, query: Query) -> bool:
    """Return whether the caller of this request may also perform an action."""
    if not app.AUTH:
        return True
    caller, region = router.extract_access_key_id(headers, query), router.extract_region(headers, query)
    return not iam_evaluator.enforce(caller, action, "s3", region, resource_arn=_arn(bucket, key))


def _arn(bucket: str, key: str) -> str:
    """Return the ARN of an object, or of the bucket if there is no key."""
    return f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"


def _require_more(additional_checks: Callable[..., list[Check]]) -> Any:
    def patched(method: str, path: str, headers: Headers, body: bytes, query: Query) -> list[Check]:
        bucket, key = s3._parse_bucket_key(path, headers)
        found = additional_checks(method, path, headers, body, query)
        return [*found, *_additional_checks(method, bucket, key, headers, query)] if key else found

    return patched


def _additional_checks(method: str, bucket: str, key: str, headers: Headers, query: Query) -> Iterator[Check]:
    target = _arn(bucket, key)
    if headers.get("if-match") and method in {"PUT", "POST", "DELETE"}:
        yield "s3:GetObject", target
    if method not in {"PUT", "POST"} or (query.keys() - {"x-id", "uploads"}):
        return
    if headers.get("x-amz-tagging"):
        yield "s3:PutObjectTagging", target
    if any(name.startswith("x-amz-object-lock") and name != _LEGAL_HOLD for name in headers):
        yield "s3:PutObjectRetention", target
    if headers.get(_LEGAL_HOLD):
        yield "s3:PutObjectLegalHold", target
    source = find_source(headers)
    if source is None:
        return
    origin = (source.bucket, source.key, source.record.get("version_id"))
    arn = _arn(source.bucket, source.key)
    if headers.get("x-amz-tagging-directive", "COPY").upper() == "COPY" and s3._object_tags.get(origin):
        yield "s3:GetObjectVersionTagging" if source.version_id else "s3:GetObjectTagging", arn
        yield "s3:PutObjectTagging", target
    if headers.get("x-amz-object-annotation-directive", "COPY").upper() == "COPY" and s3._object_annotations.get(
        origin
    ):
        yield "s3:GetObjectVersionAnnotation" if source.version_id else "s3:GetObjectAnnotation", arn
        yield "s3:PutObjectAnnotation", target


def _hide(read: Callable[..., Response]) -> Any:
    def patched(bucket: str, key: str, headers: Headers | None = None, query: Query | None = None) -> Response:
        headers, query = headers or {}, query or {}
        status, response_headers, body = read(bucket, key, headers, query)
        if status == 404 and bucket in s3._buckets and not is_allowed("s3:ListBucket", bucket, "", headers, query):
            return error_response("AccessDenied", "Access Denied", 403)
        if status not in {200, 206}:
            return status, response_headers, body
        version_id = s3._qp(query, "versionId")
        record = versions.find(bucket, key, version_id) or {}
        # MiniStack counts the tags for GET only.
        response_headers = {
            **response_headers,
            **s3._object_tagging_count_header(bucket, key, record.get("version_id")),
        }
        tagging_action = "s3:GetObjectVersionTagging" if version_id else "s3:GetObjectTagging"
        hidden = {
            name
            for name in response_headers
            if (action := _permission_to_see(name.lower(), tagging_action))
            and not is_allowed(action, bucket, key, headers, query)
        }
        return status, {name: value for name, value in response_headers.items() if name not in hidden}, body

    return patched


def _hide_missing_source(copy: Callable[..., Response]) -> Any:
    def patched(bucket: str, key: str, *rest: Any) -> Response:
        response, headers = copy(bucket, key, *rest), rest[-1]
        source = unquote(headers["x-amz-copy-source"]).lstrip("/").partition("/")[0]
        if response[0] != 404 or find_source(headers) is not None or source not in s3._buckets:
            return response
        may_list = is_allowed("s3:ListBucket", source, "", headers, {})
        return response if may_list else error_response("AccessDenied", "Access Denied", 403)

    return patched


def _permission_to_see(header: str, tagging_action: str) -> str | None:
    """Return the permission that a response header needs besides the object's, or None."""
    if header == _TAG_COUNT:
        return tagging_action
    if header == _LEGAL_HOLD:
        return "s3:GetObjectLegalHold"
    return "s3:GetObjectRetention" if header.startswith("x-amz-object-lock") else None
