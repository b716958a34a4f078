"""What MiniStack's functions that serve a request to S3 take, and what they give back."""

from typing import Any

from ministack.services import s3

Headers = dict[str, str]
"""Of a request by their names in small letters, or of an answer."""

Query = dict[str, Any]
"""What follows the `?`."""

Answer = tuple[int, Headers, bytes]
"""Status, headers, body."""


def error(code: str, message: str, status: int, resource: str = "", **more: str) -> Answer:
    """An error as S3 answers it."""
    answer: Answer = s3._error(code, message, status, resource, more)
    return answer
