"""One line for the operator for each way a call to AWS, or to the local cloud, can fail."""

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
CREDENTIALS_REJECTED = {
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
    """Explain a failed call in one line. `deployment` is the address of the local cloud, or AWS."""
    cause = error.__cause__ or error.__context__
    if isinstance(error, Boto3Error) and isinstance(cause, exceptions.ClientError):
        return explain(cause, deployment)
    if isinstance(error, CREDENTIALS_MISSING):
        return f"No AWS credentials found: {str(error).rstrip('.')}. Sign in (e.g. `aws sso login`) or set AWS_PROFILE."
    if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError):
        if deployment == "AWS":
            return f"Cannot reach AWS: {error}"
        return f"Cannot reach {deployment}. Start the local cloud with `make up`."
    if isinstance(error, exceptions.ClientError):
        return _explain_response(error, deployment)
    return str(error)


def _explain_response(error: exceptions.ClientError, deployment: str) -> str:
    details = error.response["Error"]
    code, message = details.get("Code", "Unknown"), details.get("Message", "")
    if code in CREDENTIALS_REJECTED:
        # A region that is not enabled answers the same ("AWS Regions", AWS Account Management Reference Guide).
        may_be_region = deployment == "AWS" and code in REGION_DISABLED
        hint = ", or enable the region for the account" if may_be_region else ""
        return f"{deployment} rejected the credentials: {(message or code).rstrip('.')}. Sign in again{hint}."
    where = "on AWS" if deployment == "AWS" else f"at {deployment}"
    return f"{error.operation_name} failed {where}: {code}: {message}"
