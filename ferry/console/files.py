"""The page's own files: the shell, which is the same for every address and empty, the scripts and the style.

The shell is painted before any script has arrived: it holds the style, the frame of the page, the import map, and a
script that applies the chosen theme. The policy of guard.py names the hashes of what is inline.
"""

import re
from functools import cache
from importlib.resources import files

STATIC = files("ferry.console") / "static"
SHELL = "index.html"
STYLE = "console.css"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_STYLE_PLACE = b"<style></style>"
_SCRIPTS = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)
_STYLES = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_NAME = re.compile(r"[a-z-]+(?:/[a-z-]+)?\.[a-z]+")


@cache
def read(name: str) -> bytes | None:
    """A file of the page; None for a name that it does not have."""
    if not _NAME.fullmatch(name) or suffix(name) not in TYPES:
        return None
    file = STATIC.joinpath(*name.split("/"))
    return file.read_bytes() if file.is_file() else None


def suffix(name: str) -> str:
    """The end of a file's name, from its last dot."""
    return name[name.rfind(".") :]


@cache
def shell() -> bytes:
    """The HTML page, with the style in it: one request less before the first paint."""
    style = (STATIC / STYLE).read_bytes()
    return (STATIC / SHELL).read_bytes().replace(_STYLE_PLACE, b"<style>" + style + b"</style>")


def inline_scripts() -> list[str]:
    """The texts of the scripts in the shell."""
    return _SCRIPTS.findall(shell().decode())


def inline_styles() -> list[str]:
    """The texts of the styles in the shell."""
    return _STYLES.findall(shell().decode())
