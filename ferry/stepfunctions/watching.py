"""What looking at a run and at an audit has in common: new records, slices, and rates. Read-only.

A record is read only once. DescribeMapRun is limited to one call a second ("Step Functions service quotas", AWS Step
Functions Developer Guide).
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

from ferry.aws import run_files
from ferry.aws.clients import Deployment
from functions.contract.batches import Outcome

FILES_OF_A_LOOK = 200
"""At most as many records are read at once: whoever looks at a large run late catches up within a few looks."""

RATE_SECONDS = 60.0
"""The rate is that of the last minute: records are written twice a minute."""


@dataclass(frozen=True)
class Slices:
    """The numbers of slices of the Map that runs, or ran last."""

    total: int = 0
    waiting: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0


class NewRecords:
    """The records of a plan's slices, by looks: each has what is new."""

    def __init__(self, deployment: Deployment, plan_folder: str, kinds: Sequence[str]) -> None:
        self._deployment, self._plan_folder, self._kinds = deployment, plan_folder, kinds
        self._read: set[str] = set()

    def read(self) -> Iterator[tuple[str, Outcome]]:
        """Yield the outcomes that no earlier look has read, each with the kind of its record."""
        new = ((kind, key) for kind, key in self._keys() if key not in self._read)
        chosen = list(islice(new, FILES_OF_A_LOOK))
        files = run_files.read_files(self._deployment, (key for _, key in chosen))
        for (kind, key), lines in zip(chosen, files, strict=True):
            self._read.add(key)
            for line in lines:
                yield kind, Outcome.model_validate_json(line)

    def _keys(self) -> Iterator[tuple[str, str]]:
        for kind in self._kinds:
            for key in run_files.list_keys(self._deployment, run_files.record_folder(self._plan_folder, kind)):
                yield kind, key


class LatestSlices:
    """The counts of the latest Map Run of an execution; one that has ended is described once."""

    def __init__(self, deployment: Deployment, arn: str) -> None:
        self._deployment, self._arn = deployment, arn
        self._ended: dict[str, Slices] = {}

    def read(self) -> Slices:
        """Describe it."""
        client = self._deployment.step_functions
        found = client.list_map_runs(executionArn=self._arn)["mapRuns"]
        if not found:
            return Slices()
        latest: Any = max(found, key=lambda each: each["startDate"])
        arn = latest["mapRunArn"]
        if arn not in self._ended:
            described = client.describe_map_run(mapRunArn=arn)
            slices = slices_of(described["itemCounts"])
            if described["status"] == "RUNNING":
                return slices
            self._ended[arn] = slices
        return self._ended[arn]


def slices_of(counts: Any) -> Slices:
    """The counts of a Map Run, as DescribeMapRun returns them."""
    return Slices(
        total=counts["total"],
        waiting=counts["pending"],
        running=counts["running"],
        done=counts["succeeded"],
        failed=counts["failed"] + counts["timedOut"] + counts["aborted"],
    )


@dataclass(frozen=True)
class _Sample:
    moment: float
    objects: int
    size_bytes: int


class Rates:
    """How much is done in a second, by what was done at each look."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._samples: deque[_Sample] = deque()

    def measure(self, objects: int, size_bytes: int = 0) -> tuple[float | None, float | None]:
        """Objects and bytes per second; None until there is a rate."""
        now = _Sample(self._clock(), objects, size_bytes)
        self._samples.append(now)
        while len(self._samples) > 2 and now.moment - self._samples[1].moment >= RATE_SECONDS:
            self._samples.popleft()
        first = self._samples[0]
        seconds = now.moment - first.moment
        if seconds <= 0 or now.objects == first.objects:
            return None, None
        return (now.objects - first.objects) / seconds, (now.size_bytes - first.size_bytes) / seconds


class Watch:
    """What looking again and again at one execution remembers."""

    KINDS: ClassVar[Sequence[str]]
    """Of the records that are counted."""

    def __init__(self, deployment: Deployment, arn: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._deployment, self._arn, self._clock = deployment, arn, clock
        self._slices = LatestSlices(deployment, arn)
        self._forget("")

    def _forget(self, plan_folder: str) -> None:
        """Begin with a plan."""
        self._plan_folder = plan_folder
        self._records = NewRecords(self._deployment, plan_folder, self.KINDS)
        self._rates = Rates(self._clock)
