"""Measures one program's work: seconds, processor time, memory, S3 requests by price, functions' time, dollars."""

import http.client
import json
import os
import re
import resource
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import urlsplit

import psutil

from ferry.estimates import prices
from infra.local import lifecycle
from infra.local.request_counts import PATH
from statemachine import declaration
from tests.support.deployed.deployment import Deployed

WRITES = frozenset({"COPY", "PUT", "POST", "LIST"})
FREE = frozenset({"DELETE"})
MILLION = 1_000_000
SAMPLED_SECONDS = 0.5
DURATION = re.compile(r"REPORT RequestId: \S+\s+Duration: ([\d.]+) ms")

TRANSITIONS = {"plan_batches": 2, "copy_batch": 2, "verify_batch": 2, "ensure_migrated": 2, "write_report": 2}
"""Of states for each call of a function: its Task and the Choice behind it. A Wait before each further call, the Map
and the start and end of each child are less than one more in four."""


@dataclass
class Measured:
    """What one program's work took; the requests are those of all buckets."""

    seconds: float = 0
    cpu_seconds: float = 0
    peak_bytes: int = 0
    load: float = 0
    """The machine's load before it: others may use it, too."""

    requests: Counter[str] = field(default_factory=Counter)
    function_calls: Counter[str] = field(default_factory=Counter)
    function_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def calls(self) -> int:
        """All S3 requests."""
        return self.requests.total()

    def items(self) -> dict[str, Decimal]:
        """Dollars by item, without transfer and without a machine for programs other than functions."""
        writes = sum(number for name, number in self.requests.items() if name in WRITES)
        reads = self.calls - writes - sum(self.requests[name] for name in FREE)
        declared = declaration.load()
        gb_seconds = sum(
            Decimal(seconds) * declared[name].memory_mb / 1024 for name, seconds in self.function_seconds.items()
        )
        transitions = sum(number * TRANSITIONS.get(name, 1) for name, number in self.function_calls.items())
        return {
            "S3 requests": writes * prices.S3_WRITES + reads * prices.S3_READS,
            "Lambda": gb_seconds * prices.LAMBDA_GB_SECOND + self.function_calls.total() * prices.LAMBDA_REQUEST,
            "Step Functions": transitions * prices.STATE_TRANSITION,
        }

    def dollars_a_million(self, objects: int) -> Decimal:
        """Dollars for a million such objects."""
        return sum(self.items().values(), Decimal(0)) / objects * MILLION


@contextmanager
def measured(deployed: Deployed) -> Iterator[Measured]:
    """Measure what happens in the block; the figures are complete behind it."""
    found, stopped = Measured(load=os.getloadavg()[0]), threading.Event()
    requests, functions, cpu, began = (
        _requests(deployed),
        _functions(deployed),
        _cpu_seconds(deployed),
        time.monotonic(),
    )

    def watch() -> None:
        while not stopped.wait(SAMPLED_SECONDS):
            found.peak_bytes = max(found.peak_bytes, deployed.memory_bytes())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.seconds = time.monotonic() - began
        stopped.set()
        thread.join()
    found.cpu_seconds = _cpu_seconds(deployed) - cpu
    found.requests = _requests(deployed) - requests
    calls, seconds = _functions(deployed)
    found.function_calls = calls - functions[0]
    found.function_seconds = {name: seconds[name] - functions[1].get(name, 0) for name in found.function_calls}


def _requests(deployed: Deployed) -> Counter[str]:
    """S3's requests by operation, of all buckets, since the cloud started."""
    connection = http.client.HTTPConnection(urlsplit(deployed.outputs.endpoint_url or "").netloc)
    connection.request("GET", PATH)
    counts: dict[str, dict[str, int]] = json.load(connection.getresponse())
    connection.close()
    total: Counter[str] = Counter()
    for by_operation in counts.values():
        total.update(by_operation)
    return total


def _functions(deployed: Deployed) -> tuple[Counter[str], dict[str, float]]:
    """The calls and the seconds of each function since the cloud started, as Lambda reports them in their logs."""
    logs = deployed.client("logs", deployed.outputs.target_region)
    calls: Counter[str] = Counter()
    seconds: dict[str, float] = defaultdict(float)
    for name in declaration.load():
        group = f"/aws/lambda/{deployed.outputs.name}-{name.replace('_', '-')}"
        try:
            pages = list(logs.get_paginator("filter_log_events").paginate(logGroupName=group, filterPattern="REPORT"))
        except logs.exceptions.ResourceNotFoundException:
            # It was never called.
            continue
        for reported in (DURATION.match(event["message"]) for page in pages for event in page["events"]):
            if reported:
                calls[name] += 1
                seconds[name] += float(reported[1]) / 1000
    return calls, seconds


def _cpu_seconds(deployed: Deployed) -> float:
    """Of the cloud's processes and of the programs that this one ran."""
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = own.ru_utime + own.ru_stime
    for process in lifecycle.find_processes(deployed.outputs_file.parent):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total
