"""Errors of the local Step Functions.

CallRejected rejects a request; AttemptEnded ends a thread whose execution has ended meanwhile. What fails a state
is MiniStack's own `_ExecutionError`.
"""


class CallRejected(Exception):
    """The request is rejected with an error of Step Functions' API."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class AttemptEnded(Exception):
    """The attempt that this thread works for has ended: whatever the thread brings is discarded."""
