"""What an operator reads and answers while Terraform runs. Nothing is applied unless they agree."""

import sys

from infra.errors import InfraError


def show(text: str) -> None:
    """Print a line at once, so that progress is visible in a pipe, too."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def confirm(question: str, *, yes: bool) -> None:
    """Ask for a typed `yes`; raise InfraError on any other answer, and where there is no terminal to ask on."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise InfraError(
            "Nothing was changed: cannot ask for confirmation because stdin is not a terminal. Re-run with YES=1 "
            "(or --yes) to apply the plan."
        )
    try:
        answer = input(f"{question} Only `yes` is accepted: ")
    except EOFError:
        answer = ""
    if answer.strip() != "yes":
        raise InfraError("Nothing was changed.")
