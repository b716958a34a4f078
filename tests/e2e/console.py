"""`ferry console` as a person starts it: a process, and the link that it prints."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from playwright.sync_api import Browser, sync_playwright

from tests.support.console_server import Client
from tests.support.deployed.deployment import PROGRAMS, Deployed

LINK = re.compile(r"http://127\.0\.0\.1:(\d+)/#token=([\w-]+)")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Running:
    """A console that runs."""

    process: "subprocess.Popen[str]"
    link: str
    client: Client


@contextmanager
def running_console(deployment: Deployed, *options: str) -> Iterator[Running]:
    """A console of a deployment, without a browser, until the end of the context."""
    command: list[str | Path] = [PROGRAMS / "ferry", "console", "--no-open", *options]
    command += ["--outputs", deployment.outputs_file]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=deployment.environment)
    try:
        assert process.stdout is not None
        found = _read_link(process.stdout)
        yield Running(process, found[0], Client(int(found[1]), found[2]))
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)


def _read_link(output: IO[str]) -> re.Match[str]:
    printed = ""
    for line in output:
        printed += line
        if found := LINK.search(line):
            return found
    raise AssertionError(f"no link: {printed}")


def find_browser() -> str | None:
    """The Chromium of this machine."""
    return os.environ.get("FERRY_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


@contextmanager
def chromium(program: str) -> Iterator[Browser]:
    """A browser that resolves no name, so it reaches only this machine."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            # Chromium's sandbox does not work for root.
            chromium_sandbox=os.geteuid() != 0,
            args=["--no-zygote", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
        )
        yield browser
        browser.close()
