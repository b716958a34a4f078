"""Plans from an inventory of many keys in no order, and prints the seconds and the memory it took.

    python -m tests.support.plan_of_inventory 1000000

The inventory is written to a file, whose parts are read as they are asked for, and so are the sorted runs: the memory
is the plan's own and that of the SDK. Nothing is sent anywhere.
"""

import gzip
import hashlib
import resource
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3

from tests.support.inventories import ADDRESS, FIELDS, InventoriedBuckets, row_of
from tests.support.listed_buckets import RESULTS, SOURCE, UPLOADED, planned, scope

FILE = "daily/data/0.csv.gz"
STEP = 7919
"""A prime: multiples of it, without their multiples of the number, visit every key once, and in no order."""


class FiledBuckets(InventoriedBuckets):
    """What is written and read is in files of a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def fill(self, number: int) -> None:
        """Have an inventory of so many keys."""
        row = row_of(SOURCE, "", {"Size": 10, "LastModified": UPLOADED, "ETag": "0" * 32})
        before, after = (",".join(f'"{row[name]}"' for name in names) for names in (FIELDS[:1], FIELDS[2:]))
        path = self._file(FILE)
        with gzip.open(path, "wt", 1) as file:
            for each in range(number):
                file.write(f'{before},"prefix/of/usual/length/k{each * STEP % number:08}",{after}\n')
        with path.open("rb") as written:
            md5 = hashlib.file_digest(written, "md5").hexdigest()
        self.inventory(files=[{"key": FILE, "size": path.stat().st_size, "MD5checksum": md5}])

    def _file(self, key: str) -> Path:
        return self._folder / key.replace("/", "_")

    def _GetObject(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802 - S3's name
        path = self._file(asked["Key"])
        if not path.exists():
            return super()._GetObject(asked)
        file = path.open("rb")
        if "Range" not in asked:
            return 200, {"Body": file, "Metadata": {}, "ETag": "x"}
        with file:
            first, _, last = asked["Range"].removeprefix("bytes=").partition("-")
            file.seek(int(first))
            return 206, {"Body": BytesIO(file.read(int(last) + 1 - int(first))), "Metadata": {}, "ETag": "x"}

    def _PutObject(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802 - S3's name
        assert asked["Bucket"] == RESULTS
        body = asked["Body"]
        self._file(asked["Key"]).write_bytes(body if isinstance(body, bytes) else body.read())
        self.requests.clear()
        return 200, {"ETag": "x"}


def main(arguments: list[str]) -> int:
    """Plan, and print `keys, seconds, peak MB`."""
    number = int(arguments[0])
    boto3.setup_default_session(aws_access_key_id="test", aws_secret_access_key="test")
    assert boto3.DEFAULT_SESSION
    with tempfile.TemporaryDirectory() as folder:
        buckets = FiledBuckets(Path(folder))
        buckets.fill(number)
        began = time.monotonic()
        with buckets.answering(boto3.DEFAULT_SESSION):
            plan = planned(scope(inventory=ADDRESS))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert {tally.reason: tally.objects for tally in plan.tallies} == {"new": number}, plan.tallies
    sys.stdout.write(f"{number} keys, {time.monotonic() - began:.1f} s, {peak_mb:.0f} MB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
