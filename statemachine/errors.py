"""What ends an operator's command with one line; both infra and ferry raise errors of this kind."""


class OperatorError(Exception):
    """The message is all that the operator needs: what happened, why, what to do."""


class DeclarationInvalid(OperatorError):
    """A file of this checkout that describes the functions, the workflow or the infrastructure is wrong."""
