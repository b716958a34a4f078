"""What AWS answers when it refuses, told in the operator's words and under the workflow's error names.

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

from functions.runtime.bucket_owners import doubt_in_words
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


def code_of(error: ClientError) -> str:
    """The error's code; of a HEAD, which has no body, its HTTP status."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _permission(error: ClientError) -> str:
    """What may be missing; S3 says it only in a body, and a HEAD has none."""
    if error.operation_name == "HeadObject":
        return "s3:GetObject on it, or s3:ListBucket on its bucket (without that, what is missing is denied too),"
    return f"the permission behind {error.operation_name}"


@contextmanager
def aws_errors(doing: str) -> Iterator[None]:
    """Raise what goes wrong with AWS inside as an error of ours; `doing` says what was tried on what.

    Raises Throttled, AccessDenied, BucketMissing, RequestRejected.
    """
    try:
        yield
    except ClientError as error:
        code, said = code_of(error), error.response.get("Error", {}).get("Message", "").rstrip(".")
        if code in TRY_AGAIN:
            raise Throttled(
                f"AWS was too busy while {doing}: {code}. It is tried again; if it stays so, replay later."
            ) from error
        if code in DENIED:
            raise AccessDenied(
                f"Denied while {doing}: {said or code}. Give the function's role {_permission(error)} in "
                f"infra/functions.yaml (and the bucket's or key's policy), deploy and replay.{doubt_in_words(error)}"
            ) from error
        if code == "NoSuchBucket":
            bucket = error.response.get("Error", {}).get("BucketName", "The bucket")
            raise BucketMissing(f"{bucket} does not exist: {doing}. Check the settings, then replay.") from error
        raise RequestRejected(f"AWS refused while {doing}: {code}: {said}") from error
    except ParamValidationError as error:
        # Metadata that is no ASCII, above all: S3 tells it encoded ("Working with object metadata", User Guide).
        raise RequestRejected(f"It cannot be sent to AWS: {doing}: {' '.join(str(error).split())}") from error
    except ResponseParserError as error:
        # A key may hold characters that XML cannot ("Naming Amazon S3 objects", Amazon S3 User Guide).
        raise RequestRejected(f"AWS's answer cannot be read while {doing}: {error}") from error
    except CONNECTION_LOST as error:
        raise Throttled(
            f"No answer from AWS while {doing}: {error}. It is tried again; if it stays so, replay later."
        ) from error
