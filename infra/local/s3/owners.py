"""A request that names another owner of a bucket than it has is denied, before anything else of it is looked at.

AWS: "Verifying bucket ownership with bucket owner condition" (Amazon S3 User Guide); of a copy's source too. MiniStack
does not read these headers. All buckets here are of the one account.
"""

from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import s3

from infra.local.patching import rely_on, wrap
from infra.local.s3.requests import Answer, Headers, Query, error

EXPECTED = ("x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner")


def install() -> None:
    """Put the condition in front of every request."""
    rely_on(s3, "_buckets")
    wrap(s3, "_dispatch", _comparing)


def _comparing(dispatch: Callable[..., Answer]) -> Any:
    def compared(method: str, bucket: str, key: str, headers: Headers, body: bytes, query: Query) -> Answer:
        expected = {headers[name] for name in EXPECTED if name in headers}
        if bucket in s3._buckets and expected - {get_account_id()}:
            return error("AccessDenied", "Access Denied", 403)
        return dispatch(method, bucket, key, headers, body, query)

    return compared
