"""Errors of the local Athena.

InvalidRequest rejects a request; QueryFailure fails a query that was accepted. Its message is the query's
StateChangeReason, in the form `CODE: message`, with Trino's and Athena's codes.
"""


class InvalidRequest(Exception):
    """The request is invalid: InvalidRequestException."""

    def __init__(self, message: str, code: str = "INVALID_INPUT") -> None:
        super().__init__(message)
        self.code = code


class QueryFailure(Exception):
    """A query fails."""
