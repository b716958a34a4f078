"""Errors that end a command: one line for the operator, and the exit code."""


class CommandError(Exception):
    """The command failed, e.g. because there is no deployment or no such execution."""

    exit_code = 1


class UsageError(CommandError):
    """The command was called with wrong arguments."""

    exit_code = 2
