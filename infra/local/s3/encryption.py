"""Accept aws:kms without a key.

S3 then uses the account's AWS managed key, aws/s3 (AWS: "PutObject", S3 API reference: ServerSideEncryption; recorded
from AWS, February 2026: the response names the key's ARN). MiniStack requires a key.
"""

import uuid
from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import s3

from infra.local.patching import require_attributes, wrap
from infra.local.s3.models import Headers, Response

_ENCRYPTION = "x-amz-server-side-encryption"
_KEY = "x-amz-server-side-encryption-aws-kms-key-id"


def install() -> None:
    """Apply the patch. Idempotent."""
    require_attributes(s3, "bucket_region")
    wrap(s3, "_resolve_sse_write_headers", _name_managed_key)


def _name_managed_key(resolve: Callable[..., tuple[Headers | None, Response | None]]) -> Any:
    def patched(headers: Headers, bucket: str) -> tuple[Headers | None, Response | None]:
        if headers.get(_ENCRYPTION) == "aws:kms" and not headers.get(_KEY):
            headers = {**headers, _KEY: _managed_key(s3.bucket_region(bucket))}
        return resolve(headers, bucket)

    return patched


def _managed_key(region: str) -> str:
    """Return the ARN of the account's key aws/s3 in a region: always the same one."""
    account = get_account_id()
    return f"arn:aws:kms:{region}:{account}:key/{uuid.uuid5(uuid.NAMESPACE_DNS, f's3.{region}.{account}')}"
