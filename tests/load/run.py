"""How the local cloud handles a burst: `make load N=1000`, or `python -m tests.load.run 1000`.

Splits the airports of the world into N files, uploads them at once to a temporary cloud, waits until all of them are
transferred, and prints the figures. Then five more uploads, one after the other, into the existing table: these need no
crawl. It is not a pytest test, because its figures depend on the machine.

Exits with 0 only if every execution succeeded and no message is left; the cloud is stopped in any case.
"""

import argparse
import csv
import importlib.resources
import io
import json
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local import lifecycle
from tests.support.deployed.deployment import Deployed
from tests.support.deployed.names import new_folder

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import ExecutionListItemTypeDef

DEFAULT_UPLOADS = 100
UPLOADERS = 10
WARM_UPLOADS = 5
PATIENCE_SECONDS = 900
"""An upper bound only: a throttled message is hidden for six minutes."""

PATIENCE_SECONDS_EACH = 1

POLL_SECONDS = 0.5
WARM_POLL_SECONDS = 0.02
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Burst:
    """The result of many uploads at once."""

    uploads: int
    seconds: float
    """From the first upload to the end of the last execution."""

    statuses: dict[str, int]
    crawls: int
    peak_bytes: int
    messages_left: int

    @property
    def succeeded(self) -> bool:
        """Whether each upload has one execution that succeeded, and the queues are empty."""
        return self.statuses == {"SUCCEEDED": self.uploads} and self.messages_left == 0

    def rows(self) -> list[tuple[str, str]]:
        """The figures to print."""
        others = [f"{number:,} {status}" for status, number in sorted(self.statuses.items()) if status != "SUCCEEDED"]
        return [
            ("Uploads", f"{self.uploads:,}, {UPLOADERS} at a time"),
            ("Executions", ", ".join([f"{self.statuses.get('SUCCEEDED', 0):,} SUCCEEDED", *(others or ["0 FAILED"])])),
            ("Time", f"{self.seconds:.1f} s from the first upload to the end of the last execution"),
            ("Crawls", f"{self.crawls:,}"),
            ("Peak memory", f"{self.peak_bytes / MEGABYTE:,.0f} MB in all processes of the cloud"),
            ("Messages left", f"{self.messages_left:,}"),
        ]


@dataclass(frozen=True)
class Warm:
    """The result of single uploads into an existing table, with warm functions."""

    seconds: list[float]
    statuses: list[str]
    crawls_spared: int

    @property
    def succeeded(self) -> bool:
        """Whether all were transferred."""
        return set(self.statuses) == {"SUCCEEDED"}

    def rows(self) -> list[tuple[str, str]]:
        """The figures to print."""
        median, slowest = statistics.median(self.seconds), max(self.seconds)
        number = f"{len(self.seconds)}, {self.crawls_spared} of them without a crawl"
        return [("One warm upload", f"{median:.2f} s: median of {number}; the slowest {slowest:.2f} s")]


@dataclass
class Peak:
    """The peak memory of the cloud, by sampling."""

    seen_bytes: int = 0
    _stopped: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watching(self, deployed: Deployed) -> Iterator[None]:
        """Sample until the block ends."""

        def watch() -> None:
            while not self._stopped.wait(POLL_SECONDS):
                self.seen_bytes = max(self.seen_bytes, deployed.memory_bytes())

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()
            self.seen_bytes = max(self.seen_bytes, deployed.memory_bytes())


def split_airports(number: int) -> list[bytes]:
    """The airports of the world in `number` CSV files, each with the header and some of the rows."""
    text = (importlib.resources.files("airportsdata") / "airports.csv").read_text(encoding="utf-8")
    header, *rows = csv.reader(io.StringIO(text))
    files = []
    for first in range(number):
        file = io.StringIO()
        # Each file has at least one row, however many files there are.
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([header, *(rows[first::number] or [rows[first % len(rows)]])])
        files.append(file.getvalue().encode())
    return files


def burst(deployed: Deployed, number: int, folder: str) -> Burst:
    """Upload `number` files at once and wait until all are transferred, or time is over."""
    files = split_airports(number)
    known, crawled, peak = {item["name"] for item in _executions(deployed)}, deployed.crawls(), Peak()
    with peak.watching(deployed), ThreadPoolExecutor(UPLOADERS) as pool:
        began = datetime.now(UTC)
        for upload in [
            pool.submit(deployed.put, f"{folder}/airports-{name:05}.csv", body) for name, body in enumerate(files)
        ]:
            upload.result()
        deadline = time.monotonic() + PATIENCE_SECONDS + number * PATIENCE_SECONDS_EACH
        while True:
            ours = [item for item in _executions(deployed) if item["name"] not in known]
            left = _messages(deployed)
            running = any(item["status"] == "RUNNING" for item in ours)
            if (len(ours) >= number and not running and not left) or time.monotonic() > deadline:
                break
            time.sleep(POLL_SECONDS)
    ended = max((item["stopDate"] for item in ours if "stopDate" in item), default=datetime.now(UTC))
    return Burst(
        uploads=number,
        seconds=(ended - began).total_seconds(),
        statuses=dict(Counter(item["status"] for item in ours)),
        crawls=len(deployed.crawls() - crawled),
        peak_bytes=peak.seen_bytes,
        messages_left=left,
    )


def warm(deployed: Deployed, folder: str) -> Warm:
    """Upload a few files into the folder's table, one after the other."""
    (body, *_), known = split_airports(100), {item["name"] for item in _executions(deployed)}
    seconds: list[float] = []
    statuses: list[str] = []
    spared = 0
    for number in range(WARM_UPLOADS):
        began = datetime.now(UTC)
        deployed.put(f"{folder}/warm-{number}.csv", body)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (ended := _newest_ended(deployed, known)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{folder}/warm-{number}.csv was not transferred in {PATIENCE_SECONDS} s")
            time.sleep(WARM_POLL_SECONDS)
        known.add(ended["name"])
        described = deployed.step_functions.describe_execution(executionArn=ended["executionArn"])
        seconds.append((ended["stopDate"] - began).total_seconds())
        statuses.append(ended["status"])
        spared += json.loads(described.get("output", "{}")).get("catalogue", {}).get("status") == "not_needed"
    return Warm(seconds, statuses, spared)


def _executions(deployed: Deployed) -> list["ExecutionListItemTypeDef"]:
    pages = deployed.step_functions.get_paginator("list_executions").paginate(
        stateMachineArn=deployed.outputs.state_machine_arn, PaginationConfig={"PageSize": 1000}
    )
    return [item for page in pages for item in page["executions"]]


def _newest_ended(deployed: Deployed, known: set[str]) -> "ExecutionListItemTypeDef | None":
    """An execution that is not in `known` and has ended, if any."""
    page = deployed.step_functions.list_executions(
        stateMachineArn=deployed.outputs.state_machine_arn, maxResults=WARM_UPLOADS
    )
    new = [item for item in page["executions"] if item["name"] not in known and item["status"] != "RUNNING"]
    return new[0] if new else None


def _messages(deployed: Deployed) -> int:
    """All messages that wait, are being processed, or are dead letters."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    left = 0
    for url in (deployed.outputs.queue_url, deployed.outputs.dead_letter_queue_url):
        attributes = deployed.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]  # type: ignore[arg-type]
        left += sum(int(value) for value in attributes.values())
    return left


def main() -> int:
    """Print the figures; 1 if anything failed or was left."""
    parser = argparse.ArgumentParser(prog="make load", description="Upload many files at once to a temporary cloud.")
    parser.add_argument("uploads", nargs="?", default=str(DEFAULT_UPLOADS), help="number of uploads (%(default)s)")
    number = parser.parse_args().uploads
    if not number.isdecimal() or int(number) < 1:
        parser.error(f"N={number}: it must be a whole number, 1 or more")
    try:
        return load(int(number))
    except KeyboardInterrupt:
        return 130


def load(uploads: int) -> int:
    """Upload to a local cloud of its own; 1 if anything failed or was left."""
    sys.stdout.write(f"Starting a local cloud and uploading {uploads} files\n")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory(prefix="ferry-load-") as temporary:
        folder = Path(temporary) / ".ferry"
        with lifecycle.running(folder):
            deployed, table = Deployed(folder / "outputs.json"), new_folder()
            for result in (burst(deployed, uploads, table), warm(deployed, table)):
                for name, value in result.rows():
                    sys.stdout.write(f"{name:<16} {value}\n")
                sys.stdout.flush()
                if not result.succeeded:
                    return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
