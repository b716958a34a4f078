"""docs/images: the picture of the workflow, in a light and a dark theme, from the committed ASL.

`python -m infra.docs.workflow_pictures` writes the files. Writing them again changes nothing. Raises OSError if a file
cannot be read or written.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from infra.build.reproducible_zip import CHECKOUT
from statemachine.picture.layout import lay_out
from statemachine.picture.svg import THEMES, render

WORKFLOWS = sorted((CHECKOUT / "statemachine").glob("*.asl.json"))
IMAGES = CHECKOUT / "docs" / "images"


def files() -> Iterator[tuple[Path, str]]:
    """Each file and its text."""
    for workflow in WORKFLOWS:
        name = workflow.name.removesuffix(".asl.json")
        picture = lay_out(json.loads(workflow.read_text(encoding="utf-8")))
        for theme, colours in THEMES.items():
            yield IMAGES / f"{name}-{theme}.svg", render(picture, colours, f"The state machine {name}")


def main() -> int:
    """Write the files."""
    IMAGES.mkdir(exist_ok=True)
    for file, text in files():
        file.write_text(text, encoding="utf-8")
        sys.stdout.write(f"Wrote {file.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
