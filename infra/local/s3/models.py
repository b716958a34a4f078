"""The parameters and results of MiniStack's functions that serve S3 requests."""

from typing import Any

Headers = dict[str, str]
"""Headers of a request, by lower-case name, or of a response."""

Query = dict[str, Any]
"""Query parameters of a request."""

Response = tuple[int, Headers, bytes]
"""Status, headers, body."""
