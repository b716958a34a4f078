"""How fast the console's page is: `make page-speed`, or `python -m tests.page_speed`.

Starts a temporary local cloud and a console, and measures in Chromium:

- the first contentful paint, as the browser reports it (performance.getEntriesByType('paint')), in a new tab, whose
  process the browser has to start, and in an open one; beside it, that of a line of text;
- when the first figures are shown;
- how long after an execution began and ended, by Step Functions' own clock, its row says so.

It is not a test: its figures depend on the machine. It exits with 1 if one is beyond its goal.
"""

import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from infra.local import lifecycle
from tests.e2e.console import chromium, find_browser, running_console
from tests.support.deployed.deployment import Deployed, Run
from tests.support.deployed.waiting import PATIENCE_SECONDS

LOADS = 10
UPLOADS = 10
PAINT_GOAL, CHANGE_GOAL = 300.0, 1500.0
"""Milliseconds."""

PAINTED = "() => performance.getEntriesByName('first-contentful-paint').length > 0"
PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
FIGURES = "() => document.querySelector('.tile-value, .list tbody tr') ? performance.now() : 0"
WATCH = """() => {
    window.shown = {};
    const look = () => requestAnimationFrame(() => document.querySelectorAll("tbody tr").forEach((row) => {
        const words = `${row.querySelector(".key a")?.textContent} ${row.querySelector(".status")?.textContent.trim()}`;
        window.shown[words] ||= Date.now();
    }));
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


def main() -> int:
    """Print the figures; 1 if there is no browser, or one is beyond its goal."""
    program = find_browser()
    if program is None:
        sys.stderr.write("No Chromium found. Set FERRY_CHROMIUM, or install chromium.\n")
        return 1
    with tempfile.TemporaryDirectory() as folder, lifecycle.running(Path(folder) / ".ferry"):
        deployment = Deployed(Path(folder) / ".ferry" / "outputs.json")
        deployment.put("warm/up.bin", b"x")
        deployment.one_run("warm/up.bin")
        with running_console(deployment) as console, chromium(program) as browser:
            base = console.link.partition("#")[0]
            text = [_open_text(browser, f"{base}absent") for _ in range(LOADS)]
            new = [_open(browser, console.link) for _ in range(LOADS)]
            page = browser.new_page()
            page.goto(console.link)
            open_ = [_load(page, base + part) for part in ("executions", "") * (LOADS // 2)]
            began, ended = _watch(page, base, deployment)
    results = [
        _report("a line of text, new tab", text, None),
        _report("first contentful paint, new tab", [paint for paint, _ in new], PAINT_GOAL),
        _report("first contentful paint, open tab", [paint for paint, _ in open_], PAINT_GOAL),
        _report("first figures, new tab", [figures for _, figures in new], None),
        _report("first figures, open tab", [figures for _, figures in open_], None),
        _report("an execution's start is shown after", began, CHANGE_GOAL),
        _report("an execution's end is shown after", ended, CHANGE_GOAL),
    ]
    return 0 if all(results) else 1


def _open(browser: Browser, link: str) -> tuple[float, float]:
    page = browser.new_page()
    found = _load(page, link)
    page.close()
    return found


def _open_text(browser: Browser, address: str) -> float:
    """The first contentful paint of a page of one line: what the browser and this machine take at least."""
    page = browser.new_page()
    page.goto(address)
    page.wait_for_function(PAINTED)
    found: float = page.evaluate(PAINT)
    page.close()
    return found


def _load(page: Page, address: str) -> tuple[float, float]:
    """When something and when figures are shown, in milliseconds since the navigation."""
    page.goto(address, wait_until="commit")
    figures = page.wait_for_function(FIGURES, polling=10).json_value()
    page.wait_for_function(PAINTED)
    return page.evaluate(PAINT), figures


def _watch(page: Page, base: str, deployment: Deployed) -> tuple[list[float], list[float]]:
    """Milliseconds from the begin and the end of executions to the moment at which the list shows them."""
    page.goto(f"{base}executions")
    page.wait_for_selector("tbody tr")
    page.evaluate(WATCH)
    keys = [f"speed/{number}.bin" for number in range(UPLOADS)]
    runs: list[Run] = []
    for key in keys:
        deployment.put(key, b"x")
        runs.append(deployment.one_run(key))
        page.wait_for_function(f"() => window.shown['{key} Succeeded']", timeout=PATIENCE_SECONDS * 1000)
    shown: dict[str, float] = page.evaluate("window.shown")
    began, ended = [], []
    for run in runs:
        described: Any = deployment.step_functions.describe_execution(executionArn=run.arn)
        first = min(shown.get(f"{run.key} Running", float("inf")), shown[f"{run.key} Succeeded"])
        began.append(first - described["startDate"].timestamp() * 1000)
        ended.append(shown[f"{run.key} Succeeded"] - described["stopDate"].timestamp() * 1000)
    return began, ended


def _report(title: str, figures: list[float], goal: float | None) -> bool:
    middle: Callable[[list[float]], float] = statistics.median
    good = goal is None or middle(figures) <= goal
    wanted = "" if goal is None else f"  goal {goal:,.0f}  {'met' if good else 'MISSED'}"
    sys.stdout.write(f"{title:<38} median {middle(figures):6,.0f} ms  most {max(figures):6,.0f} ms{wanted}\n")
    return good


if __name__ == "__main__":
    sys.exit(main())
