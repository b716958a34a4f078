"""What a caller may not read: a page shows everything else, and one line for each permission that is missing."""

import re
from collections.abc import Callable, Iterable
from typing import TypeVar

from botocore.exceptions import ClientError

from ferry.errors import CommandError

DENIED = ("AccessDenied", "AccessDeniedException", "403")
"""S3's code, that of the other services, and that of a HEAD, whose response has no body."""

_ACTION = re.compile(r"not authorized to perform: ([\w-]+:\w+)")
"""How AWS names the action: "Troubleshoot access denied error messages", IAM User Guide."""

Found = TypeVar("Found")


class ReadDenied(CommandError):
    """The caller may not read a file."""


def is_denied(error: ClientError) -> bool:
    """Check whether the caller lacks a permission."""
    return error.response["Error"].get("Code") in DENIED


def denied_action(error: ClientError) -> str:
    """The action that the caller may not perform; the operation's name if the service does not say."""
    found = _ACTION.search(error.response["Error"].get("Message", ""))
    return found[1] if found else error.operation_name


class Denials:
    """Reads what may be read, and collects the reasons why the rest is missing."""

    def __init__(self) -> None:
        self._reasons: dict[str, None] = {}

    @property
    def reasons(self) -> tuple[str, ...]:
        """One line for each thing that is missing, in the order in which they were found to be."""
        return tuple(self._reasons)

    def add(self, others: "Denials") -> None:
        """Add what others have found."""
        self._reasons |= dict.fromkeys(others.reasons)

    def read(self, what: str, call: Callable[[], Found], otherwise: Found) -> Found:
        """What a call returns; `otherwise` if it is denied. `what` is missing then, in the plural."""
        try:
            return call()
        except (ReadDenied, ClientError) as error:
            self.catch(what, error)
        return otherwise

    def read_all(self, what: str, call: Callable[[], Iterable[Found]]) -> list[Found]:
        """All that a call yields; nothing if it is denied."""
        return self.read(what, lambda: list(call()), list[Found]())

    def catch(self, what: str, error: ReadDenied | ClientError) -> None:
        """Collect why something is missing; raises any other error."""
        if isinstance(error, ReadDenied):
            self._reasons[str(error)] = None
        elif is_denied(error):
            self._reasons[f"{what} are not shown: you need the permission {denied_action(error)}."] = None
        else:
            raise error
