"""The page in a real browser: a file is dropped and followed, a failure is replayed from the picture and turns green.

It needs a Chromium: FERRY_CHROMIUM, or chromium or google-chrome on PATH. Without one the tests are skipped, and under
CI they fail. pytest-socket does not bind the browser, so it gets a resolver that knows only this machine, and each of
its requests is checked.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Locator, Page, Request, expect

from ferry.aws.clients import Deployment
from ferry.console.poller import Snapshot
from ferry.console.rows import Row
from ferry.console.state import Console
from ferry.stepfunctions.executions import ExecutionInfo, ExecutionSummary
from ferry.stepfunctions.history import parse_document
from tests.e2e.console import Running, chromium, find_browser, running_console
from tests.support.console_server import serving
from tests.support.deployed.deployment import PROGRAMS, Deployed
from tests.support.deployed.sabotage import permission_removed
from tests.support.deployed.waiting import PATIENCE_SECONDS
from tests.support.hostile_keys import HOSTILE

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
NAVIGATE = "address => { history.pushState(null, '', address); dispatchEvent(new Event('popstate')); }"
RUN_AXE = """async (options) => (await axe.run(document, options)).violations.map(
    (rule) => [location.pathname, rule.id, rule.nodes.map((node) => node.target.join(" "))])"""


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


def succeeded(number: int, key: str) -> Row:
    """A row of the list, as the poller makes it of an execution that has ended."""
    source = {"bucket": "b", "region": "us-west-2", "key": key, "version_id": None, "etag": "e", "size_bytes": number}
    began = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=number)
    info = ExecutionInfo(f"arn:{number}", f"{number:040d}", "SUCCEEDED", began, began)
    found = parse_document(json.dumps({"source": source | {"sequencer": "1"}, "rule": {}}))
    return Row(ExecutionSummary(info, "Succeeded", found), read=True, input=str(number))


def test_5000_executions_are_shown_and_found_and_hostile_keys_are_text(
    browser: Browser, broken_deployment: Deployed
) -> None:
    keys = [*(f"folder/{number}.csv" for number in range(5000)), *HOSTILE]
    rows_of_list = tuple(succeeded(number, key) for number, key in enumerate(keys))[::-1]
    shown = Console.of(Deployment(broken_deployment.outputs), writable=True)
    # Nothing polls here: this is all that the API knows.
    shown.poller._snapshot = Snapshot(revision=1, rows=rows_of_list, complete=True)
    with serving(shown) as client:
        page = browser.new_page()
        problems: list[str] = []
        page.on("dialog", lambda dialog: problems.append(dialog.message))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"http://127.0.0.1:{client.port}/executions#token={client.token}")
        rows = page.locator("tbody tr")
        expect(rows).to_have_count(100)
        # The newest ones. What cannot be seen is shown as an escape, and the longest key is there to its end.
        table = page.get_by_role("table")
        for text in (*HOSTILE[:3], "\\u202egnp.exe", "a\\nb\\r\\tc"):
            expect(table.get_by_text(text, exact=True)).to_be_visible()
        expect(table.get_by_title("k" * 1024)).to_be_visible()
        assert page.locator("#app img, #app script").count() == 0
        assert page.locator("a[href^='javascript']").count() == 0
        page.get_by_role("searchbox").fill("folder/4321")
        expect(rows).to_have_count(1)
        page.wait_for_function("() => location.search === '?key=folder%2F4321'")
        page.get_by_role("searchbox").fill("")
        expect(page.get_by_text(f"Page 1 of 51, {5000 + len(HOSTILE):,} executions")).to_be_visible()
        page.get_by_role("button", name="Older").click()
        expect(page.get_by_text("folder/4899.csv")).to_be_visible()
        page.close()
    assert problems == []


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until something has the focus."""
    expect(wanted).to_be_visible()
    for _ in range(80):
        if wanted.evaluate("node => node === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{wanted} is not reached by Tab")


def test_the_keyboard_is_enough(page: Page, broken_deployment: Deployed, folder: str) -> None:
    key = f"{folder}/keys.bin"
    broken_deployment.put(key, b"x")
    broken_deployment.one_run(key)
    tab_to(page, page.get_by_role("link", name="Executions", exact=True))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("searchbox"))
    page.keyboard.type(key)
    tab_to(page, page.get_by_role("link", name=key))
    page.keyboard.press("Enter")
    state = page.get_by_role("button", name="CopyObject, Task, Succeeded")
    tab_to(page, state)
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


def put_unnoticed(deployed: Deployed, keys: Sequence[str]) -> None:
    """Put objects into the source without an event; the last one has a tag."""
    bucket, client = deployed.outputs.source_bucket, deployed.source
    notifications: Any = client.get_bucket_notification_configuration(Bucket=bucket)
    notifications.pop("ResponseMetadata")
    client.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    for key in keys:
        deployed.put(key, b"x", Tagging="a=b" if key == keys[-1] else "")
    client.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=notifications)


def test_a_run_is_estimated_started_watched_and_replayed(page: Page, broken_deployment: Deployed, folder: str) -> None:
    put_unnoticed(broken_deployment, [f"{folder}/{number}.bin" for number in range(3)])
    page.evaluate("window.confirm = () => true")
    page.get_by_role("link", name="Runs", exact=True).click()
    page.get_by_role("button", name="New backfill").click()
    page.get_by_label("Keys that start with").fill(f"{folder}/")
    page.get_by_role("button", name="Dry run").click()
    expect(page.get_by_role("row", name="copy 3 3 B not in the target")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("list prices")).to_be_visible()
    name = broken_deployment.outputs.name
    # What a batch cannot copy, an execution tries.
    with (
        permission_removed(broken_deployment, f"{name}-copy-batch", "s3:PutObjectTagging"),
        permission_removed(broken_deployment, f"{name}-copy-object", "s3:PutObjectTagging"),
    ):
        page.get_by_role("button", name="Start", exact=True).click()
        expect(page.get_by_role("button", name="CopySlices, Map, Running")).to_be_visible(timeout=PATIENCE)
        expect(page.get_by_role("button", name="RequireComplete, Task, Failed")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("link", name="show them").click()
    assert page.evaluate("location.search") == "?status=failed&error=AccessDenied"
    expect(page.get_by_role("row").filter(has_text=f"{folder}/2.bin")).to_contain_text("AccessDenied")
    page.get_by_role("button", name="Replay", exact=True).click()
    expect(page.get_by_role("button", name="Succeeded, Succeed, Succeeded")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("group", name="Outcome").get_by_role("button", name="Verified").click()
    expect(page.get_by_role("row").filter(has_text=f"{folder}/2.bin")).to_contain_text("checksum", timeout=PATIENCE)
    assert violations(page) == []
    page.set_viewport_size({"width": 380, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_an_audit_is_started_and_its_findings_are_filtered(
    page: Page, broken_deployment: Deployed, folder: str
) -> None:
    keys = [f"{folder}/{number}.bin" for number in range(2)]
    for key in keys:
        broken_deployment.put(key, b"x")
    broken_deployment.runs(keys)
    outputs = broken_deployment.outputs
    broken_deployment.target.put_object(Bucket=outputs.target_bucket, Key=keys[0], Body=b"changed")
    page.get_by_role("link", name="Runs", exact=True).click()
    page.get_by_role("button", name="New audit").click()
    page.get_by_label("Keys that start with").fill(f"{folder}/")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_role("button", name="Succeeded, Succeed, Succeeded")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("row", name="verified 1 1 B 1 by checksum")).to_be_visible()
    page.get_by_role("listitem").filter(has_text="Size differs").get_by_role("link", name="show them").click()
    assert page.evaluate("location.search") == "?status=differs&difference=size"
    objects = page.get_by_role("region", name="Objects").locator("tbody tr")
    expect(objects).to_have_count(1)
    expect(objects).to_contain_text(keys[0])
    assert violations(page) == []
    page.set_viewport_size({"width": 380, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def violations(page: Page, *rules: str) -> list[Any]:
    """What axe-core finds on the page as it is, by some of its rules or all of them. It stays in the document."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    options = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
    return list(page.evaluate(RUN_AXE, options))


def test_axe_finds_nothing_on_any_page(page: Page, broken_deployment: Deployed, folder: str) -> None:
    broken_deployment.put(f"{folder}/good.csv", BODY.encode())
    broken_deployment.put(f"{folder}-ragged/ragged.csv", b"a,b\n1,2\n1,2,3\n")
    _, ragged = broken_deployment.runs([f"{folder}/good.csv", f"{folder}-ragged/ragged.csv"])
    broken_deployment.sqs.send_message(QueueUrl=broken_deployment.outputs.dead_letter_queue_url, MessageBody="{")
    found = []

    def check() -> None:
        page.emulate_media(color_scheme="light")
        found.extend(violations(page))
        page.emulate_media(color_scheme="dark")
        found.extend(violations(page, "color-contrast"))

    def open_part(address: str) -> None:
        # As a link of the page does: axe-core is not loaded again.
        page.evaluate(NAVIGATE, address)

    expect(page.get_by_text("files not transferred")).to_be_visible(timeout=PATIENCE)
    check()
    open_part("/executions")
    expect(page.get_by_role("row").filter(has_text="ragged.csv")).to_contain_text("Failed")
    check()
    open_part(f"/executions/{ragged.name}")
    expect(page.get_by_role("tabpanel")).to_be_visible()
    check()
    open_part("/runs")
    page.get_by_role("button", name="New backfill").click()
    check()
    page.get_by_role("button", name="New audit").click()
    check()
    open_part(f"/data/{folder}")
    expect(page.get_by_role("cell", name="Aurora")).to_be_visible(timeout=PATIENCE)
    check()
    open_part("/queue")
    page.get_by_role("button", name="Show them").click()
    expect(page.get_by_role("button", name="Copy the message")).to_be_visible()
    found.extend(violations(page))
    page.evaluate(DROP, ["a.csv", BODY])
    expect(page.get_by_role("dialog")).to_be_visible()
    check()
    assert found == []
