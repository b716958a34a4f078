"""Reads the deployment's rules from S3, in one conditional request per batch.

Idempotent: it only reads. Source: "Conditional reads" (Amazon S3 User Guide).

Raises SettingInvalid, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from pydantic import ValidationError

from functions.contract.rules import NO_RULES, Rules
from functions.intake.settings import RulesSettings
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors, code_of
from functions.runtime.errors import SettingInvalid

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef

NOT_MODIFIED = frozenset({"304", "NotModified"})
"""What a conditional read returns when nothing changed; it has no body, so the code may be the status."""

_last_read: dict[tuple[str, str], tuple[str, Rules]] = {}
"""The rules as last read, with their ETag, by bucket and key."""


def read_rules(settings: RulesSettings, region: str) -> Rules:
    """Return the deployment's rules; S3 sends them only when they changed since the last read."""
    if not settings.rules_key:
        return NO_RULES
    address = f"s3://{settings.rules_bucket}/{settings.rules_key}"
    etag, previous = _last_read.get((settings.rules_bucket, settings.rules_key), (None, None))
    request: GetObjectRequestTypeDef = {"Bucket": settings.rules_bucket, "Key": settings.rules_key}
    if etag:
        request["IfNoneMatch"] = etag
    with aws_errors(f"reading the rules at {address}"):
        try:
            response = clients.s3(region).get_object(**request)
            text = response["Body"].read()
        except ClientError as error:
            if previous and code_of(error) in NOT_MODIFIED:
                return previous
            if code_of(error) != "NoSuchKey":
                raise
            raise SettingInvalid(
                f"The rules at {address} are missing, so no execution can start. Deploy again."
            ) from error
    try:
        rules = Rules.model_validate_json(text)
    except ValidationError as error:
        raise SettingInvalid(f"The rules at {address} are invalid, so no execution can start. Deploy again.") from error
    _last_read[settings.rules_bucket, settings.rules_key] = (response["ETag"], rules)
    return rules
