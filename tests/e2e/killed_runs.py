"""Runs that are killed at random moments: a function's process is killed, or the run is stopped and redriven.

The moments and the kinds depend only on the seed: so many objects have arrived.
"""

import gzip
import json
import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import psutil

from infra.local import lifecycle
from tests.support.deployed.deployment import Deployed
from tests.support.waiting import wait_for

OBJECTS = 500 if os.environ.get("FERRY_SOAK") else 100
"""A fifth in the suite, whose time is limited: as many slices and kills of a run."""

SLICES = 20
KILLED = ("run", "copy-batch", "verify-batch")
KILLS_OF_A_RUN = len(KILLED)
POLL_SECONDS = 0.3
PATIENCE_SECONDS = 600
"""An upper bound, not a statement about speed."""


class KilledRun:
    """A run over objects of its own, which is killed a few times."""

    def __init__(self, deployed: Deployed, seed: int) -> None:
        self.deployed = deployed
        self.prefix = f"killed-{seed}/"
        self.keys = {f"{self.prefix}{number:03}" for number in range(OBJECTS)}
        self.killed: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._arn = ""

    def run(self, kills: int) -> dict[str, Any]:
        """Upload, start, kill; return the run as DescribeExecution has it at its end."""
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: self.deployed.put(key, b"x"), self.keys))
        self._arn = self._start()
        moments = sorted(self._random.sample(range(OBJECTS * 4 // 5), k=kills))
        for moment, what in zip(moments, self._random.sample(KILLED, k=kills), strict=True):
            self._await(moment)
            self.killed[what] += self._stop() if what == "run" else self._kill(what)
        return wait_for(self._ended, "the end of the run", PATIENCE_SECONDS, POLL_SECONDS)

    def arrived(self) -> set[str]:
        """The keys at the target."""
        listed = self.deployed.target.list_objects_v2(Bucket=self.deployed.outputs.target_bucket, Prefix=self.prefix)
        return {each["Key"] for each in listed.get("Contents", ())}

    def versions(self) -> Counter[str]:
        """The number of versions of each key at the target."""
        pages = self.deployed.target.get_paginator("list_object_versions").paginate(
            Bucket=self.deployed.outputs.target_bucket, Prefix=self.prefix
        )
        return Counter(version["Key"] for page in pages for version in page.get("Versions", ()))

    def report(self, folder: str) -> list[tuple[str, str]]:
        """The keys and statuses of a report's lines."""
        bucket, client = self.deployed.outputs.athena_results, self.deployed.target
        files = client.list_objects_v2(Bucket=bucket, Prefix=folder)["Contents"]
        bodies = [client.get_object(Bucket=bucket, Key=each["Key"])["Body"].read() for each in files]
        lines = [json.loads(line) for body in bodies for line in gzip.decompress(body).splitlines()]
        return [(line["key"], line["status"]) for line in lines]

    def _await(self, objects: int) -> None:
        wait_for(
            lambda: len(self.arrived()) >= objects or self._ended(),
            f"{objects} objects at the target",
            PATIENCE_SECONDS,
            POLL_SECONDS,
        )

    def _start(self) -> str:
        outputs = self.deployed.outputs
        scope = {"bucket": outputs.source_bucket, "region": outputs.source_region, "prefix": self.prefix}
        document = {"scope": {**scope, "slice_objects": OBJECTS // SLICES}, "max_concurrency": 4}
        started = self.deployed.step_functions.start_execution(
            stateMachineArn=str(outputs.bulk_state_machine_arn), input=json.dumps(document)
        )
        return started["executionArn"]

    def _ended(self) -> dict[str, Any] | None:
        described: Any = self.deployed.step_functions.describe_execution(executionArn=self._arn)
        return None if described["status"] == "RUNNING" else described

    def _stop(self) -> bool:
        self.deployed.step_functions.stop_execution(executionArn=self._arn)
        self.deployed.step_functions.redrive_execution(executionArn=self._arn)
        return True

    def _kill(self, function: str) -> bool:
        """Kill a process of a function; at the beginning, it may have none yet."""
        name = f"{self.deployed.outputs.name}-{function}"
        for process in lifecycle.find_processes(self.deployed.outputs_file.parent):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if process.environ().get("AWS_LAMBDA_FUNCTION_NAME") == name:
                    process.kill()
                    return True
        return False
