"""Deny requests that expect another bucket owner, before any other check.

AWS: "Verifying bucket ownership with bucket owner condition" (Amazon S3 User Guide); it applies to a copy's source too.
MiniStack ignores these headers. All local buckets belong to one account.
"""

from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import s3

from infra.local.patching import require_attributes, wrap
from infra.local.s3.errors import error_response
from infra.local.s3.models import Headers, Query, Response

EXPECTED = ("x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner")


def install() -> None:
    """Apply the patch. Idempotent."""
    require_attributes(s3, "_buckets")
    wrap(s3, "_dispatch", _check_owners)


def _check_owners(dispatch: Callable[..., Response]) -> Any:
    def patched(method: str, bucket: str, key: str, headers: Headers, body: bytes, query: Query) -> Response:
        expected = {headers[name] for name in EXPECTED if name in headers}
        if bucket in s3._buckets and expected - {get_account_id()}:
            return error_response("AccessDenied", "Access Denied", 403)
        return dispatch(method, bucket, key, headers, body, query)

    return patched
