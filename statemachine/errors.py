"""Errors that end an operator's command with one line; infra and ferry raise them too."""


class OperatorError(Exception):
    """The message says what happened, why, and what to do."""


class DeclarationInvalid(OperatorError):
    """A file that describes the functions, the workflow or the infrastructure is invalid."""
