"""What Athena refuses, and why a query fails.

InvalidRequest is answered at once; QueryFailure ends a query that had been accepted. Its text is the query's
StateChangeReason, in the form `CODE: words`, with Trino's and Athena's codes.
"""


class InvalidRequest(Exception):
    """The request itself is wrong: InvalidRequestException."""

    def __init__(self, message: str, code: str = "INVALID_INPUT") -> None:
        super().__init__(message)
        self.code = code


class QueryFailure(Exception):
    """A query cannot be run to its end."""
