"""The errors of AWS as boto3 raises them."""

from typing import Any

from botocore.exceptions import ClientError


def client_error(
    code: str, operation: str = "Call", message: str = "as the test wants it", status: int = 400
) -> ClientError:
    """An error response to this operation."""
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, operation)
