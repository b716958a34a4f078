"""S3's error responses."""

from ministack.services import s3

from infra.local.s3.models import Response


def error_response(code: str, message: str, status: int, resource: str = "", **details: str) -> Response:
    """Make an error response as S3 does."""
    response: Response = s3._error(code, message, status, resource, details)
    return response
