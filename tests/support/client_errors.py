"""The errors of AWS as boto3 raises them."""

from botocore.exceptions import ClientError


def client_error(code: str, operation: str = "Call", message: str = "as the test wants it") -> ClientError:
    """An error response to this operation."""
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)
