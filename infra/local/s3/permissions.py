"""The permissions that a request needs besides its first one, and what a reader without one does not see.

- Tags that are sent need s3:PutObjectTagging; a copy that takes the source's tags needs s3:GetObjectTagging on the
  source too (AWS: "Required permissions for Amazon S3 API operations", S3 User Guide: CopyObject).
- A retention that is sent needs s3:PutObjectRetention, a legal hold s3:PutObjectLegalHold (the same page: PutObject,
  CopyObject, CreateMultipartUpload).
- Annotations of a version have actions of their own ("Actions, resources, and condition keys for Amazon S3", Service
  Authorization Reference). MiniStack asks for those of the current object.
- A copy that takes the source's annotations needs s3:GetObjectAnnotation on the source and s3:PutObjectAnnotation
  ("CopyObject": AnnotationDirective). Of a source that is named by its version, that page says nothing: here it needs
  s3:GetObjectVersionAnnotation, by the reference above, as its tags need s3:GetObjectVersionTagging.
- IfMatch on a write or a deletion needs s3:GetObject ("How to prevent object overwrites with conditional writes",
  "How to perform conditional deletes", S3 User Guide).
- GET and HEAD give the number of tags, the retention and the legal hold only to whom may read them ("HeadObject":
  TagCount, ObjectLockMode, ObjectLockLegalHoldStatus), and do not say that there was something to give.
- Who may not list a bucket is not told that an object is missing: AccessDenied ("GetObject", "HeadObject": Permissions;
  "Troubleshoot access denied (403 Forbidden) errors in Amazon S3", S3 User Guide).
"""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

from ministack import app
from ministack.core import iam_actions, iam_evaluator, router
from ministack.services import s3

from infra.local.patching import rely_on, wrap
from infra.local.s3 import versions
from infra.local.s3.copies import find_source
from infra.local.s3.requests import Answer, Headers, Query, error

Check = tuple[str, str]
"""An action, and the ARN that it is done to."""

_OF_VERSIONS = {
    "ListObjectAnnotations": "ListObjectVersionAnnotations",
    "GetObjectAnnotation": "GetObjectVersionAnnotation",
    "PutObjectAnnotation": "PutObjectVersionAnnotation",
    "DeleteObjectAnnotation": "DeleteObjectVersionAnnotation",
}
"""By the action on the current object's annotations, the one on those of a version."""

_LEGAL_HOLD = "x-amz-object-lock-legal-hold"
_TAG_COUNT = "x-amz-tagging-count"


def install() -> None:
    """Ask for them."""
    rely_on(app, "AUTH")
    rely_on(iam_evaluator, "enforce")
    rely_on(router, "extract_access_key_id", "extract_region")
    rely_on(s3, "_parse_bucket_key", "_object_tagging_count_header", "_object_annotations", "_object_tags")
    _complete_versioned_actions()
    wrap(iam_actions, "s3_additional_checks", _checking_more)
    wrap(s3, "_get_object", _hiding)
    wrap(s3, "_head_object", _hiding)
    wrap(s3, "_copy_object", _hiding_a_missing_source)
    wrap(s3, "_upload_part_copy", _hiding_a_missing_source)


def _complete_versioned_actions() -> None:
    """Have MiniStack ask for the actions on annotations of a version, with a bypassed retention as without."""
    rely_on(iam_actions, "_S3_VERSIONED_ACTIONS", "_S3_GOVERNANCE_BYPASS_ACTIONS")
    bypassing = iam_actions._S3_GOVERNANCE_BYPASS_ACTIONS
    iam_actions._S3_VERSIONED_ACTIONS.update(_OF_VERSIONS)
    iam_actions._S3_GOVERNANCE_BYPASS_ACTIONS = bypassing | {
        _OF_VERSIONS[each] for each in _OF_VERSIONS.keys() & bypassing
    }


def allowed(action: str, bucket: str, key: str, headers: Headers, query: Query) -> bool:
    """Whether the caller of this request may do this too."""
    if not app.AUTH:
        return True
    caller, region = router.extract_access_key_id(headers, query), router.extract_region(headers, query)
    return not iam_evaluator.enforce(caller, action, "s3", region, resource_arn=_arn(bucket, key))


def _arn(bucket: str, key: str) -> str:
    """The ARN of an object; of the bucket without a key."""
    return f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"


def _checking_more(additional_checks: Callable[..., list[Check]]) -> Any:
    def checks(method: str, path: str, headers: Headers, body: bytes, query: Query) -> list[Check]:
        bucket, key = s3._parse_bucket_key(path, headers)
        found = additional_checks(method, path, headers, body, query)
        return [*found, *_more(method, bucket, key, headers, query)] if key else found

    return checks


def _more(method: str, bucket: str, key: str, headers: Headers, query: Query) -> Iterator[Check]:
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


def _hiding(read: Callable[..., Answer]) -> Any:
    def shown(bucket: str, key: str, headers: Headers | None = None, query: Query | None = None) -> Answer:
        headers, query = headers or {}, query or {}
        status, answered, body = read(bucket, key, headers, query)
        if status == 404 and bucket in s3._buckets and not allowed("s3:ListBucket", bucket, "", headers, query):
            return error("AccessDenied", "Access Denied", 403)
        if status not in {200, 206}:
            return status, answered, body
        version_id = s3._qp(query, "versionId")
        record = versions.find(bucket, key, version_id) or {}
        # MiniStack counts the tags for GET only.
        answered = {**answered, **s3._object_tagging_count_header(bucket, key, record.get("version_id"))}
        may_read_tags = "s3:GetObjectVersionTagging" if version_id else "s3:GetObjectTagging"
        hidden = {
            name
            for name in answered
            if (action := _needed(name.lower(), may_read_tags)) and not allowed(action, bucket, key, headers, query)
        }
        return status, {name: value for name, value in answered.items() if name not in hidden}, body

    return shown


def _hiding_a_missing_source(copy: Callable[..., Answer]) -> Any:
    def copied(bucket: str, key: str, *more: Any) -> Answer:
        answer, headers = copy(bucket, key, *more), more[-1]
        source = unquote(headers["x-amz-copy-source"]).lstrip("/").partition("/")[0]
        if answer[0] != 404 or find_source(headers) is not None or source not in s3._buckets:
            return answer
        is_told = allowed("s3:ListBucket", source, "", headers, {})
        return answer if is_told else error("AccessDenied", "Access Denied", 403)

    return copied


def _needed(header: str, may_read_tags: str) -> str | None:
    """The permission to see a header of an answer, besides that for the object; None for none."""
    if header == _TAG_COUNT:
        return may_read_tags
    if header == _LEGAL_HOLD:
        return "s3:GetObjectLegalHold"
    return "s3:GetObjectRetention" if header.startswith("x-amz-object-lock") else None
