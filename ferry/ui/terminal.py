"""The console for everything that a person reads.

Keys are untrusted input: no text is interpreted as markup, and everything that a terminal would act on (escape
sequences, newlines, direction marks) is shown as an escape.
"""

import sys

from rich.console import Console, RenderableType
from rich.text import Text

PIPE_WIDTH = 20_000
"""Wide enough that nothing is cut or wrapped when the output is not a terminal."""


def console(*, stderr: bool = False) -> Console:
    """A console on the current standard output or error."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr,
        # Not from FORCE_COLOR: a log must stay free of repainted output.
        force_terminal=stream.isatty(),
        width=None if stream.isatty() else PIPE_WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
    )


def put(console: Console, layout: RenderableType) -> None:
    """Print a layout; without a terminal, strip the trailing spaces of its lines."""
    if console.is_terminal:
        console.print(layout)
        return
    with console.capture() as capture:
        console.print(layout)
    console.print(Text("\n".join(row.rstrip() for row in capture.get().splitlines())), soft_wrap=True)


def shorten(text: str, width: int) -> str:
    """The text with its middle omitted if it is longer than the width."""
    if len(text) <= width:
        return text
    return f"{text[: width // 2]}…{text[len(text) - (width - width // 2 - 1) :]}"


def visible(text: str) -> str:
    """The text with everything unprintable as an escape, e.g. a newline as `\\n`."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def line(*parts: str | tuple[str, str]) -> Text:
    """One line of text from plain and (text, style) parts, made visible."""
    return Text.assemble(
        *(visible(part) if isinstance(part, str) else (visible(part[0]), part[1]) for part in parts),
    )


def size(size_bytes: int) -> str:
    """A number of bytes for people: 4.1 MB."""
    if size_bytes < 1000:
        return f"{size_bytes} B"
    amount, units = size_bytes / 1000, ["kB", "MB", "GB", "TB"]
    while amount >= 999.95 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{amount:.1f} {units[0]}"


def duration(seconds: float) -> str:
    """A duration for people: 0.4 s, 2 min 5 s, 3 h 10 min, 2 d."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 24 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // (24 * 3600)} d"


def age(seconds: float) -> str:
    """An age in one unit: 12 s, 5 min, 3 h, 2 d."""
    whole = max(0, int(seconds))
    for length, unit in ((24 * 3600, "d"), (3600, "h"), (60, "min")):
        if whole >= length:
            return f"{whole // length} {unit}"
    return f"{whole} s"
