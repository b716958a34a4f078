"""Whose each bucket is: told to S3 with every request, which S3 then denies when the bucket is somebody else's.

A bucket's name is free again once it is deleted, for anybody. Without this, whoever takes the name gets our objects,
and gives us theirs. The deployment names the account of each of its buckets in BUCKET_OWNERS, a JSON object; for a
bucket that is not in it nothing is said. Source: "Verifying bucket ownership with bucket owner condition" (Amazon S3
User Guide): another owner is answered with 403 AccessDenied, before anything is done.

Raises SettingInvalid. Sending the same twice is harmless: nothing is changed.
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
TOLD = "expected_owners"
"""Where a request's context, and then its error, hold whose buckets they were said to be."""


class Settings(BaseModel):
    """The account of each bucket."""

    bucket_owners: Json[dict[BucketName, AccountId]] = {}


def name_owners(client: "S3Client") -> None:
    """Have this client tell S3 whose each bucket is; raises SettingInvalid at once for a wrong setting."""
    _owners()
    # Not "before-parameter-build": botocore makes one text of CopySource then.
    client.meta.events.register("provide-client-params.s3", _tell)
    client.meta.events.register("after-call.s3", _remember)


def doubt_in_words(error: ClientError) -> str:
    """What else a denial may mean, where S3 was told whose the buckets are."""
    told: Any = error.response.get("Error", {})
    expected: Mapping[str, str] = told.get(TOLD, {})
    if not expected:
        return ""
    buckets = " and ".join(f"{bucket} belongs to account {account}" for bucket, account in expected.items())
    return f" It is denied as well unless {buckets}, as it did when this was deployed: look whose it is now."


def _owners() -> dict[str, str]:
    return _read(os.environ.get("BUCKET_OWNERS"))


@lru_cache(maxsize=1)
def _read(_: str | None) -> dict[str, str]:
    """Read once for each text of the setting."""
    return read_settings(Settings).bucket_owners


def _tell(params: dict[str, Any], model: Any, context: dict[str, Any], **_: object) -> None:
    """Add the accounts to a request, where its operation takes them."""
    owners, members = _owners(), model.input_shape.members
    copied = params.get("CopySource")
    buckets = {
        "ExpectedBucketOwner": params.get("Bucket"),
        "ExpectedSourceBucketOwner": copied.get("Bucket") if isinstance(copied, dict) else None,
    }
    for member, bucket in buckets.items():
        if member in members and bucket in owners:
            params.setdefault(member, owners[bucket])
            context.setdefault(TOLD, {})[bucket] = owners[bucket]


def _remember(http_response: Any, parsed: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    """Keep with a denial what was said; a HEAD's has no body, and S3 does not say why it denied."""
    if http_response.status_code == HTTP_FORBIDDEN and TOLD in context:
        parsed.setdefault("Error", {})[TOLD] = context[TOLD]
