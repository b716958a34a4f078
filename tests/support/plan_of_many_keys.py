"""Plans a source of many keys, half of which are in the target, and prints the seconds and the memory it took.

    python -m tests.support.plan_of_many_keys 1000000

The listings are computed, not stored, so the memory is the plan's own and that of the SDK. Nothing is sent anywhere.
"""

import resource
import sys
import time
from typing import Any

import boto3

from functions.contract.bulk import Plan
from tests.support.listed_buckets import COPIED, RESULTS, SOURCE, UPLOADED, ListedBuckets, planned


class ComputedBuckets(ListedBuckets):
    """The keys 0 to `number` at the source, every second one at the target; what is written is counted, not kept."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.written_bytes = 0

    def _ListObjectsV2(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802 - S3's name
        if asked["Bucket"] == RESULTS:
            return 200, {}
        source = asked["Bucket"] == SOURCE
        step, modified = (1, UPLOADED) if source else (2, COPIED)
        after = asked.get("StartAfter", "")
        # What is asked for need not be a key: the digits decide.
        first = 0 if not after else self._first_after(after)
        first += first % step
        numbers = range(first, min(first + step * self.page_keys, self.number), step)
        found = [{"Key": f"k{each:08}", "ETag": "e1", "Size": 10, "LastModified": modified} for each in numbers]
        return 200, {"Contents": found, "IsTruncated": numbers.stop < self.number}

    def _first_after(self, after: str) -> int:
        low, high = 0, self.number
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if f"k{middle:08}" <= after else (low, middle)
        return low

    def _PutObject(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802 - S3's name
        body = asked["Body"]
        self.written_bytes += len(body if isinstance(body, bytes) else body.read())
        self.requests.clear()
        return 200, {"ETag": "x"}


def plan_of(number: int) -> Plan:
    """Plan so many keys."""
    boto3.setup_default_session(aws_access_key_id="test", aws_secret_access_key="test")
    assert boto3.DEFAULT_SESSION
    with ComputedBuckets(number).answering(boto3.DEFAULT_SESSION):
        return planned()


def main(arguments: list[str]) -> int:
    """Plan, and print `keys, seconds, peak MB`."""
    number = int(arguments[0])
    began = time.monotonic()
    plan = plan_of(number)
    seconds = time.monotonic() - began
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    counts = {tally.reason: tally.objects for tally in plan.tallies}
    assert counts == {"new": number // 2, "same_etag": number - number // 2}, counts
    sys.stdout.write(f"{number} keys, {seconds:.1f} s, {peak_mb:.0f} MB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
