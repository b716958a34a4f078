"""docs/images/console-*.png: the console's page with one real execution, in a light and a dark theme.

    python -m tests.screenshots

Starts a temporary local cloud and a console, copies the airports, and takes the pictures with Chromium. No test
compares the files: fonts differ from machine to machine.
"""

import importlib.resources
import sys
import tempfile
from pathlib import Path

from infra.local import lifecycle
from tests.e2e.console import chromium, find_browser, running_console
from tests.support.deployed.deployment import Deployed
from tests.unit.test_architecture import CHECKOUT

IMAGES = CHECKOUT / "docs" / "images"
THEMES = ("light", "dark")
SIZE = {"width": 1280, "height": 800}
KEY = "airports/airports.csv"


def main() -> int:
    """Take the pictures; 1 if there is no browser."""
    program = find_browser()
    if program is None:
        sys.stderr.write("No Chromium found. Set FERRY_CHROMIUM, or install chromium.\n")
        return 1
    airports = (importlib.resources.files("airportsdata") / "airports.csv").read_bytes()
    with tempfile.TemporaryDirectory() as folder, lifecycle.running(Path(folder) / ".ferry"):
        deployment = Deployed(Path(folder) / ".ferry" / "outputs.json")
        deployment.put("notes/ragged.csv", b"a,b\n1,2\n1,2,3\n")
        deployment.put(KEY, airports)
        name = deployment.one_run(KEY).name
        with running_console(deployment) as console, chromium(program) as browser:
            for theme in THEMES:
                page = browser.new_page(color_scheme=theme, viewport=SIZE)  # type: ignore[arg-type]
                page.goto(console.link)
                page.goto(console.link.replace("/#", f"/executions/{name}#"))
                page.get_by_role("button", name="VerifyChecksum, Task, Succeeded").click()
                page.get_by_role("tabpanel").wait_for()
                page.evaluate("scrollTo(0, 0)")
                page.screenshot(path=IMAGES / f"console-{theme}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
