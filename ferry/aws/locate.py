"""Where a deployment's files are: its outputs.json and, for the local cloud, the `env` file beside it. Read-only."""

import shlex
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = ".ferry"
OUTPUTS = "outputs.json"


def home() -> Path:
    """The folder for this checkout's own deployment, and for temporary local clouds."""
    return CHECKOUT / FOLDER


def default_outputs() -> Path:
    """The nearest `.ferry/outputs.json` in the working directory or above, else this checkout's own.

    Every command without --outputs uses it. Inside this checkout the search ends at its root: `make clean` must not
    stop the local cloud of a folder around it.
    """
    own = home() / OUTPUTS
    try:
        working_directory = Path.cwd()
    except FileNotFoundError:
        return own
    for folder in (working_directory, *working_directory.parents):
        path = folder / FOLDER / OUTPUTS
        if path.is_file() or path == own:
            return path
    return own


def read_environment(path: Path) -> dict[str, str]:
    """The variables that an env file exports; none if there is no such file."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    words = (word for row in text.splitlines() for word in shlex.split(row, comments=True))
    return dict(word.split("=", 1) for word in words if "=" in word)
