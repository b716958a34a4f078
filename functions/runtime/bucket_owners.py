"""Sends each bucket's expected owner with every S3 request; S3 denies the request if the owner is another account.

Once a bucket is deleted, anybody may take its name. Without this condition, the new owner would get our objects, and we
theirs. The deployment lists the account of each of its buckets in BUCKET_OWNERS, a JSON object; a bucket that is not in
it has no condition. Source: "Verifying bucket ownership with bucket owner condition" (Amazon S3 User Guide): S3 returns
403 AccessDenied for another owner, before doing anything.

Raises SettingInvalid. Idempotent: it changes nothing.
"""

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from botocore.exceptions import ClientError
from pydantic import BaseModel, Field, Json

from functions.runtime.settings import BucketName, read_settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

AccountId = Annotated[str, Field(pattern=r"^\d{12}$")]

HTTP_FORBIDDEN = 403
EXPECTED_OWNERS = "expected_owners"
"""The key of the expected owners in a request's context, and then in its error."""


class BucketOwnerSettings(BaseModel):
    """The account of each bucket."""

    bucket_owners: Json[dict[BucketName, AccountId]] = {}


def name_owners(client: "S3Client") -> None:
    """Make this client send the expected owners; raises SettingInvalid at once for an invalid setting."""
    _owners()
    # Not "before-parameter-build": there botocore has already turned CopySource into text.
    client.meta.events.register("provide-client-params.s3", _add_expected_owners)
    client.meta.events.register("after-call.s3", _keep_expected_owners)


def describe_expected_owners(error: ClientError) -> str:
    """Return what else a denial may mean, if the request had expected owners."""
    details: Any = error.response.get("Error", {})
    expected: Mapping[str, str] = details.get(EXPECTED_OWNERS, {})
    if not expected:
        return ""
    lost = " or ".join(f"account {account} no longer owns {bucket}" for bucket, account in expected.items())
    return f" S3 also denies this request if the bucket's owner has changed since the deployment: check whether {lost}."


def _owners() -> dict[str, str]:
    return _read(os.environ.get("BUCKET_OWNERS"))


@lru_cache(maxsize=1)
def _read(_: str | None) -> dict[str, str]:
    """Parse the setting once for each of its values."""
    return read_settings(BucketOwnerSettings).bucket_owners


def _add_expected_owners(params: dict[str, Any], model: Any, context: dict[str, Any], **_: object) -> None:
    """Add the accounts to a request, if its operation accepts them."""
    owners, members = _owners(), model.input_shape.members
    copied = params.get("CopySource")
    buckets = {
        "ExpectedBucketOwner": params.get("Bucket"),
        "ExpectedSourceBucketOwner": copied.get("Bucket") if isinstance(copied, dict) else None,
    }
    for member, bucket in buckets.items():
        if member in members and bucket in owners:
            params.setdefault(member, owners[bucket])
            context.setdefault(EXPECTED_OWNERS, {})[bucket] = owners[bucket]


def _keep_expected_owners(http_response: Any, parsed: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    """Keep the expected owners with a denial, because S3 does not say why it denied."""
    if http_response.status_code == HTTP_FORBIDDEN and EXPECTED_OWNERS in context:
        parsed.setdefault("Error", {})[EXPECTED_OWNERS] = context[EXPECTED_OWNERS]
