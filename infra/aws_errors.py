"""What AWS or an emulator answers when a call of an operator's command fails, in one line."""

from boto3.exceptions import Boto3Error
from botocore import exceptions

CREDENTIALS_MISSING = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.ProfileNotFound,
    exceptions.SSOError,
    exceptions.TokenRetrievalError,
    exceptions.RefreshWithMFAUnsupportedError,
)
CREDENTIALS_REFUSED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
}
REGION_DISABLED = {"InvalidAccessKeyId", "InvalidClientTokenId", "InvalidToken", "UnrecognizedClientException"}


def explain(error: exceptions.BotoCoreError | exceptions.ClientError | Boto3Error, deployment: str) -> str:
    """What went wrong in a call, in one line. `deployment` is the address it went to, or AWS."""
    cause = error.__cause__ or error.__context__
    if isinstance(error, Boto3Error) and isinstance(cause, exceptions.ClientError):
        return explain(cause, deployment)
    if isinstance(error, CREDENTIALS_MISSING):
        return f"No AWS credentials to be had: {error}. Sign in (e.g. `aws sso login`) or set AWS_PROFILE."
    if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError):
        hint = "" if deployment == "AWS" else " Start the embedded cloud with `make up`."
        return f"No cloud answers at {deployment}.{hint}" if hint else f"AWS does not answer: {error}"
    if isinstance(error, exceptions.ClientError):
        told = error.response["Error"]
        code, message = told.get("Code", "Unknown"), told.get("Message", "")
        if code in CREDENTIALS_REFUSED:
            # A region that is not enabled answers just so ("AWS Regions", AWS Account Management Reference Guide).
            region = (
                " Or the account has not enabled the region." if deployment == "AWS" and code in REGION_DISABLED else ""
            )
            return f"{deployment} refused the credentials: {message or code}. Sign in again.{region}"
        return f"{error.operation_name} at {deployment} failed: {code}: {message}"
    return str(error)
