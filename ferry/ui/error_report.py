"""Prints the error that ends a command, as one line on standard error, and decides the exit code."""

import signal

import typer

from ferry.errors import CommandError
from ferry.ui import terminal
from infra.errors import TerraformStopped
from statemachine.errors import OperatorError

INTERRUPTED = 128 + signal.SIGINT


def report(error: Exception) -> int:
    """Print an error; return the exit code."""
    code, lines = 1, [str(error)]
    if isinstance(error, typer.TyperException):
        code, lines = error.exit_code, [_usage_message(error)]
    elif isinstance(error, CommandError):
        code = error.exit_code
    elif isinstance(error, OperatorError):
        # One line per mistake in a file.
        code, lines = INTERRUPTED if isinstance(error, TerraformStopped) else 1, str(error).split("\n")
    for line in lines:
        terminal.console(stderr=True).print(terminal.line(("ferry: ", "red"), line), soft_wrap=True)
    return code


def _usage_message(error: typer.TyperException) -> str:
    """What is wrong with the arguments, and whose --help explains them."""
    message = error.format_message()
    if message[-1] not in ".?":
        message += "."
    context = getattr(error, "ctx", None)
    return f"{message} See `{context.command_path if context else 'ferry'} --help`."
