"""Errors of the local Athena.

InvalidRequest rejects a request; QueryFailure fails a query that was accepted. Its message is the query's
StateChangeReason, in the form `CODE: message`, with Trino's and Athena's codes. Fault is the failure of one
row, which TRY turns into NULL.
"""

import re

_FAULT = re.compile("\x01(.*?)\x01", re.DOTALL)


class InvalidRequest(Exception):
    """The request is invalid: InvalidRequestException, or another exception of the API."""

    def __init__(self, message: str, code: str = "INVALID_INPUT", kind: str = "InvalidRequestException") -> None:
        super().__init__(message)
        self.code = code
        self.kind = kind


class QueryFailure(Exception):
    """A query fails."""


class Fault(ValueError):
    """A row fails its query. DuckDB passes only the text on, so the message is marked in it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"\x01{code}: {message}\x01")


def fault_of(text: str) -> str | None:
    """Return the message of the Fault that an error of DuckDB reports, if it reports one."""
    found = _FAULT.search(text)
    return found[1] if found else None
