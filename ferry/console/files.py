"""The page's own files: the shell, which is the same for every address and empty, the scripts and the style.

The shell holds an import map, the only inline script; the policy of guard.py names its hash.
"""

import re
from functools import cache
from importlib.resources import files

STATIC = files("ferry.console") / "static"
SHELL = "index.html"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_INLINE = re.compile(r'<script type="importmap">(.*?)</script>', re.DOTALL)
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


def shell() -> bytes:
    """The HTML page."""
    return (STATIC / SHELL).read_bytes()


def inline_script() -> str:
    """The text of the import map."""
    found = _INLINE.search(shell().decode())
    return found[1] if found else ""
