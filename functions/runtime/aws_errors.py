"""Translates AWS's errors into ours, with the workflow's error names and a message for the operator.

The codes are those of "Error responses" in the Amazon S3 API reference and of "Common errors" in the Glue,
Athena and Step Functions API references.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    ParamValidationError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from functions.runtime.bucket_owners import describe_expected_owners
from functions.runtime.errors import AccessDenied, BucketMissing, RequestRejected, Throttled

TRY_AGAIN = frozenset(
    {
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "TooManyRequestsException",
        "BandwidthLimitExceeded",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "InternalError",
        "InternalFailure",
        "InternalServerException",
        "InternalServiceException",
        "OperationTimeoutException",
        "429",
        "500",
        "502",
        "503",
        "504",
    }
)
DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AllAccessDisabled",
        "AccountProblem",
        "UnauthorizedOperation",
        "KMS.AccessDeniedException",
        "403",
        "Forbidden",
    }
)
CONNECTION_LOST = (
    ConnectTimeoutError,
    ConnectionClosedError,
    EndpointConnectionError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
)

RETRIED = "This is retried automatically; if it keeps failing, replay later."
RESTORE_BUCKET = (
    "Restore the bucket, or correct its name or region in infra/aws/terraform.tfvars and deploy; then replay."
)


def code_of(error: ClientError) -> str:
    """Return the error's code; for a HEAD, which has no body, its HTTP status."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _permission(error: ClientError) -> str:
    """Return the permission that may be missing; S3 names it only in a body, and a HEAD has none."""
    if error.operation_name == "HeadObject":
        return (
            "s3:GetObject on the object, or s3:ListBucket on its bucket (without it, S3 also returns 403 for objects "
            "that do not exist),"
        )
    return f"permission to call {error.operation_name}"


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


@contextmanager
def aws_errors(doing: str) -> Iterator[None]:
    """Translate the AWS errors of the block into ours; `doing` names the operation and its object.

    Raises Throttled, AccessDenied, BucketMissing, RequestRejected.
    """
    try:
        yield
    except ClientError as error:
        code, message = code_of(error), error.response.get("Error", {}).get("Message", "").rstrip(".")
        if code in TRY_AGAIN:
            raise Throttled(
                f"{_capitalized(doing)} failed because AWS throttled the request or was unavailable ({code}). {RETRIED}"
            ) from error
        if code in DENIED:
            raise AccessDenied(
                f"Access denied while {doing}: {message or code}. Grant the function's role {_permission(error)} in "
                "infra/functions.yaml (and, if needed, in the bucket or key policy), then deploy and replay."
                f"{describe_expected_owners(error)}"
            ) from error
        if code == "NoSuchBucket":
            bucket = error.response.get("Error", {}).get("BucketName", "")
            raise BucketMissing(
                f"{f'The bucket {bucket}' if bucket else 'A bucket'} was not found while {doing}. {RESTORE_BUCKET}"
            ) from error
        raise RequestRejected(
            f"AWS rejected the request while {doing}: {code}: {message}. Fix the cause, then replay."
        ) from error
    except ParamValidationError as error:
        # Mostly non-ASCII metadata, which S3 returns encoded ("Working with object metadata", User Guide).
        raise RequestRejected(
            f"The AWS SDK rejected the request while {doing}: {' '.join(str(error).split())}. Remove what it rejects "
            "(usually metadata that is not ASCII), then upload the file again."
        ) from error
    except ResponseParserError as error:
        # A key may contain characters that XML cannot represent ("Naming Amazon S3 objects", Amazon S3 User Guide).
        raise RequestRejected(
            f"The AWS SDK could not parse the response while {doing}: {error}. If the key contains control characters, "
            "upload the file under another key; otherwise replay."
        ) from error
    except CONNECTION_LOST as error:
        raise Throttled(
            f"{_capitalized(doing)} failed because AWS did not respond: {str(error).rstrip('.')}. {RETRIED}"
        ) from error
