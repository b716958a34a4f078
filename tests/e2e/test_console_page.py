"""The page in a real browser: a file is dropped and followed, a failure is replayed from the picture and turns green.

It needs a Chromium: FERRY_CHROMIUM, or chromium or google-chrome on PATH. Without one the tests are skipped, and under
CI they fail. pytest-socket does not bind the browser, so it gets a resolver that knows only this machine, and each of
its requests is checked.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request, expect

from tests.e2e.console import Running, chromium, find_browser, running_console
from tests.support.deployed.deployment import PROGRAMS, Deployed
from tests.support.deployed.sabotage import permission_removed
from tests.support.deployed.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.own_cloud("takes permissions away")

BODY = "ship,berth\nAurora,1\nBoreas,2\n"
PATIENCE = PATIENCE_SECONDS * 1000
DROP = """([name, body]) => {
    const data = new DataTransfer();
    data.items.add(new File([body], name));
    for (const kind of ["dragenter", "dragover", "drop"]) {
        window.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
    }
}"""


@pytest.fixture(scope="module")
def console(broken_deployment: Deployed) -> Iterator[Running]:
    with running_console(broken_deployment) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = find_browser()
    if program is None:
        message = "no Chromium: set FERRY_CHROMIUM, or install chromium. The page is NOT tested in a browser."
        if os.environ.get("CI"):
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    with chromium(program) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, console: Running) -> Iterator[Page]:
    """The page after its link was opened. At the end nothing may be in its console, nor any request go elsewhere."""
    context = browser.new_context()
    page = context.new_page()
    problems: list[str] = []
    base = console.link.partition("#")[0]

    def read_message(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            problems.append(message.text)

    def read_request(request: Request) -> None:
        if not request.url.startswith(base):
            problems.append(request.url)

    def dismiss(dialog: Dialog) -> None:
        problems.append(dialog.message)
        dialog.dismiss()

    page.on("console", read_message)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", dismiss)
    page.on("request", read_request)
    page.goto(console.link)
    expect(page.get_by_role("button", name="Upload", exact=True)).to_be_visible()
    yield page
    assert problems == []
    context.close()


def drop(page: Page, name: str, body: str, key: str) -> None:
    """Drop a file on the page, and upload it under a key."""
    page.evaluate(DROP, [name, body])
    page.get_by_label(f"Key of {name}").fill(key)
    page.get_by_role("dialog").get_by_role("button", name="Upload", exact=True).click()


def test_the_token_leaves_the_address_and_is_kept(page: Page) -> None:
    assert page.evaluate("location.hash") == ""
    page.reload()
    expect(page.get_by_text("Copied and verified")).to_be_visible()


def test_without_the_token_nothing_is_shown(browser: Browser, console: Running) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(console.link.partition("#")[0])
    expect(page.get_by_text("Open the link from the terminal")).to_be_visible()
    page.goto(console.link.partition("#")[0] + "#token=old")
    expect(page.get_by_text("This link has expired")).to_be_visible()
    context.close()


def test_a_file_that_is_dropped_is_followed_live_to_its_success(page: Page, folder: str) -> None:
    page.get_by_role("link", name="Executions", exact=True).click()
    drop(page, "good.csv", BODY, f"{folder}/good.csv")
    row = page.get_by_role("row").filter(has_text=f"{folder}/good.csv")
    expect(row).to_contain_text("Succeeded", timeout=PATIENCE)
    row.get_by_role("link", name=f"{folder}/good.csv").click()
    expect(page.get_by_role("button", name="CopyObject, Task, Succeeded")).to_be_visible()
    expect(page.get_by_text("2 rows are queryable")).to_be_visible()
    page.get_by_role("button", name="VerifyChecksum, Task, Succeeded").click()
    expect(page.get_by_role("tabpanel")).to_contain_text('"grade": "checksum"')

    page.goto(f"{page.evaluate('location.origin')}/data/{folder}")
    expect(page.get_by_role("cell", name="Aurora")).to_be_visible(timeout=PATIENCE)


def test_a_failure_is_replayed_from_its_picture_and_turns_green(
    page: Page, broken_deployment: Deployed, folder: str
) -> None:
    key = f"{folder}/stopped.bin"
    page.get_by_role("link", name="Executions", exact=True).click()
    with permission_removed(broken_deployment, f"{broken_deployment.outputs.name}-copy-object", "s3:PutObject"):
        drop(page, "stopped.bin", "x", key)
        row = page.get_by_role("row").filter(has_text=key)
        expect(row).to_contain_text("AccessDenied", timeout=PATIENCE)
    row.get_by_role("link", name=key).click()
    expect(page.get_by_role("button", name="CopyObject, Task, Failed, AccessDenied")).to_be_visible()
    page.get_by_role("button", name="Replay", exact=True).click()
    expect(page.get_by_role("button", name="Succeeded, Succeed, Succeeded")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("link", name="Executions", exact=True).first.click()
    # Redriven, not replaced by another execution: the row is the same.
    expect(page.get_by_role("row").filter(has_text=key).filter(has_text="Succeeded")).to_be_visible()


def test_the_cloud_stops_and_starts_again_under_the_page(browser: Browser, tmp_path: Path) -> None:
    outputs = tmp_path / ".ferry" / "outputs.json"

    def ferry(*arguments: str) -> None:
        subprocess.run([PROGRAMS / "ferry", *arguments, "--outputs", outputs], check=True, capture_output=True)

    ferry("up")
    try:
        deployment = Deployed(outputs)
        deployment.put("notes/a.bin", b"x")
        with running_console(deployment) as console:
            page = browser.new_page()
            page.goto(console.link.replace("/#", "/executions#"))
            row = page.get_by_role("row").filter(has_text="notes/a.bin")
            expect(row).to_contain_text("Succeeded", timeout=PATIENCE)
            ferry("down")
            expect(page.get_by_role("alert")).to_contain_text("make up", timeout=PATIENCE)
            expect(row).to_be_visible()
            ferry("up", "--port", str(urlsplit(deployment.outputs.endpoint_url or "").port))
            expect(page.get_by_text("No executions yet.")).to_be_visible(timeout=PATIENCE)
            expect(page.get_by_role("alert")).to_have_count(0)
            page.close()
    finally:
        ferry("down")


def test_keys_are_text(page: Page, broken_deployment: Deployed, folder: str) -> None:
    key = f"{folder}/<img src=x onerror=alert(1)></script><b>\u202egnp.exe"
    broken_deployment.put(key, b"x")
    page.get_by_role("link", name="Executions", exact=True).click()
    page.get_by_role("searchbox").fill("onerror")
    row = page.get_by_role("row").filter(has_text="onerror")
    expect(row).to_contain_text("Succeeded", timeout=PATIENCE)
    expect(row).to_contain_text(key.replace("\u202e", "\\u202e"))
    assert page.evaluate("document.querySelectorAll('#app img').length") == 0
    assert page.evaluate("location.search") == "?key=onerror"


def test_the_keyboard_is_enough(page: Page, broken_deployment: Deployed, folder: str) -> None:
    broken_deployment.put(f"{folder}/keys.bin", b"x")
    run = broken_deployment.one_run(f"{folder}/keys.bin")
    page.goto(f"{page.evaluate('location.origin')}/executions/{run.name}")
    state = page.get_by_role("button", name="CopyObject, Task, Succeeded")
    expect(state).to_be_visible()
    for _ in range(60):
        page.keyboard.press("Tab")
        if state.evaluate("node => node === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(state).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("heading", name="CopyObject")).to_be_visible()


def test_the_theme_follows_the_system_and_can_be_chosen(page: Page) -> None:
    def background() -> Any:
        return page.evaluate("getComputedStyle(document.documentElement).backgroundColor")

    page.emulate_media(color_scheme="light")
    light = background()
    page.emulate_media(color_scheme="dark")
    dark = background()
    assert light != dark
    page.get_by_role("button", name="Light theme").or_(page.get_by_role("button", name="Dark theme")).click()
    page.reload()
    assert background() in (light, dark)
    for width in (380, 1600):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def violations(page: Page, *rules: str) -> list[Any]:
    """What axe-core finds on the page as it is, by some of its rules or all of them."""
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = list(rules)
    found = Axe().run(page, options=options).response["violations"]
    return [(page.url, rule["id"], [node["target"] for node in rule["nodes"]]) for rule in found]


def test_axe_finds_nothing_on_any_page(page: Page, broken_deployment: Deployed, folder: str) -> None:
    broken_deployment.put(f"{folder}/good.csv", BODY.encode())
    broken_deployment.put(f"{folder}-ragged/ragged.csv", b"a,b\n1,2\n1,2,3\n")
    good, ragged = broken_deployment.runs([f"{folder}/good.csv", f"{folder}-ragged/ragged.csv"])
    broken_deployment.sqs.send_message(QueueUrl=broken_deployment.outputs.dead_letter_queue_url, MessageBody="{")
    base = page.evaluate("location.origin")
    found = []

    def check() -> None:
        page.emulate_media(color_scheme="light")
        found.extend(violations(page))
        page.emulate_media(color_scheme="dark")
        found.extend(violations(page, "color-contrast"))

    expect(page.get_by_text("files not transferred")).to_be_visible(timeout=PATIENCE)
    check()
    page.goto(f"{base}/executions")
    expect(page.get_by_role("row").filter(has_text="ragged.csv")).to_contain_text("Failed")
    check()
    for run in (good, ragged):
        page.goto(f"{base}/executions/{run.name}")
        expect(page.get_by_role("tabpanel")).to_be_visible()
        check()
    page.goto(f"{base}/data/{folder}")
    expect(page.get_by_role("cell", name="Aurora")).to_be_visible(timeout=PATIENCE)
    check()
    page.goto(f"{base}/queue")
    page.get_by_role("button", name="Show them").click()
    expect(page.get_by_role("button", name="Copy the message")).to_be_visible()
    check()
    page.evaluate(DROP, ["a.csv", BODY])
    expect(page.get_by_role("dialog")).to_be_visible()
    check()
    assert found == []
