"""docs/reference/commands.md: the help text of every `ferry` command.

`python -m infra.docs.commands_page` asks the installed command for its help texts and writes the page. Writing it again
changes nothing. Raises DeclarationInvalid for a page without its marks, or a command without help.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from infra.build.reproducible_zip import CHECKOUT
from infra.docs import generated
from statemachine.errors import DeclarationInvalid

PAGE = CHECKOUT / "docs" / "reference" / "commands.md"
MODULE = "infra.docs.commands_page"

ENVIRONMENT = {"COLUMNS": "80", "NO_COLOR": "1", "TYPER_USE_RICH": "0"}
"""Plain text of a fixed width, whatever the terminal is."""

Help = Callable[[Sequence[str]], str]
"""Gives the help text of a command, which is named by its arguments."""

_COMMAND = re.compile(r"^  ([a-z-]+)  ", re.MULTILINE)


def ask(arguments: Sequence[str]) -> str:
    """The help text that the installed `ferry` prints."""
    ferry = Path(sys.executable).with_name("ferry")
    ran = subprocess.run(  # noqa: S603 - the ferry of this .venv
        [str(ferry), *arguments, "--help"],
        env=os.environ | ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        raise DeclarationInvalid(f"ferry {' '.join(arguments)} --help failed: {ran.stderr.strip()}")
    return ran.stdout


def commands(overview: str) -> list[str]:
    """The names of the commands, in the order of the overview."""
    return _COMMAND.findall(overview.partition("Commands:")[2])


def page(help_of: Help) -> str:
    """The generated part: the overview, then one section for each command."""
    overview = help_of([])
    sections = [("ferry", overview), *((f"ferry {name}", help_of([name])) for name in commands(overview))]
    return "\n\n".join(f"## `{name}`\n\n```text\n{_plain(text)}\n```" for name, text in sections)


def _plain(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def render(text: str, help_of: Help) -> str:
    """The page with its generated part as it should be."""
    return generated.replace(PAGE, text, MODULE, page(help_of))


def main() -> int:
    """Write the page."""
    return generated.write(PAGE, lambda text: render(text, ask))


if __name__ == "__main__":
    sys.exit(main())
