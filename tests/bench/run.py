"""A backfill beside rclone, s5cmd and `aws s3 sync`: `make bench`, or `python -m tests.bench.run 10000`.

Starts a local cloud, uploads N objects of 1 to 64 KB, copies them with each program to a bucket of its own, and prints
side by side what that took and what arrived of a few objects that have everything. Before that, a backfill of a tenth
shows whether calls and seconds per object grow with the number. It is not a pytest test: its figures depend on the
machine, whose load is printed with them.

Exits with 0 only if every object of the backfill arrived, is verified and is in the report, in at most the time and
memory of the goal (for 10,000 objects), and its S3 calls per object did not grow.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infra.local import lifecycle
from tests.bench.arrived import SUBJECTS, count_arrived, judge
from tests.bench.measure import Measured, measured
from tests.bench.objects import VARIED, upload_many, upload_varied
from tests.bench.programs import PEER_LIST, Programs
from tests.support.deployed.deployment import Deployed

DEFAULT_OBJECTS = 10_000
FEW = "few/"
MANY = "many/"
GOAL_SECONDS = 180
GOAL_OBJECTS = 10_000
GOAL_BYTES = 1_500_000_000
GROWTH = 1.05
MEGABYTE = 1_000_000
FERRY = "ferry backfill"


@dataclass
class Contender:
    """One program's figures."""

    name: str
    verifies: str
    measured: Measured
    objects: int
    arrived: int
    failure: str | None = None
    varied: dict[str, str] = field(default_factory=dict)
    varied_failure: str | None = None


def backfill(deployed: Deployed, prefix: str, objects: int) -> Contender:
    """Backfill a prefix, and read its report."""
    with measured(deployed) as found:
        result = deployed.ferry("backfill", "--prefix", prefix, "--json")
    counts = json.loads(result.stdout)["counts"] if result.stdout else {}
    failure = None if not result.returncode else result.stderr.strip()
    if failure is None and counts != {"verified": objects}:
        failure = f"reported as {counts}, not as {objects} verified"
    arrived = count_arrived(deployed, deployed.outputs.target_bucket, prefix)
    verifies = f"{counts.get('verified', 0):,} by stored checksums"
    return Contender(FERRY, verifies, found, objects, arrived, failure)


def copy_with_peers(deployed: Deployed, programs: Programs, objects: int) -> list[Contender]:
    """Copy the same objects with each of the other programs, to buckets of their own."""
    contenders = []
    for number, peer in enumerate(PEER_LIST):
        bucket = f"bench-{number}"
        deployed.target.create_bucket(Bucket=bucket)
        source = deployed.outputs.source_bucket
        progress(f"{peer.name}")
        with measured(deployed) as found:
            failure = programs.failure(programs.commands(peer, f"{source}/{MANY}", f"{bucket}/{MANY}"))
        contender = Contender(peer.name, peer.verifies, found, objects, count_arrived(deployed, bucket, MANY), failure)
        contender.varied_failure = programs.failure(programs.commands(peer, f"{source}/{VARIED}", f"{bucket}/{VARIED}"))
        contender.varied = judge(deployed, bucket)
        contenders.append(contender)
    return contenders


def table(contenders: Sequence[Contender]) -> list[list[str]]:
    """The figures, a row each."""

    def row(name: str, *cells: str) -> list[str]:
        return [name, *cells]

    found = [each.measured for each in contenders]
    rows = [
        row("", *(each.name for each in contenders)),
        row("seconds", *(f"{each.seconds:.1f}" for each in found)),
        row("objects a second", *(f"{each.objects / each.measured.seconds:,.0f}" for each in contenders)),
        row("processor seconds", *(f"{each.cpu_seconds:.1f}" for each in found)),
        row("load before", *(f"{each.load:.1f}" for each in found)),
        row("S3 calls an object", *(f"{each.measured.calls / each.objects:.2f}" for each in contenders)),
        row("$ a million objects", *(f"{each.measured.dollars_a_million(each.objects):.2f}" for each in contenders)),
        row("arrived", *(f"{each.arrived:,}" for each in contenders)),
        row("verified", *(each.verifies for each in contenders)),
    ]
    rows += [row(subject, *(each.varied[subject] for each in contenders)) for subject in SUBJECTS]
    return rows


def put_table(rows: Sequence[Sequence[str]]) -> None:
    """Print columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for cells in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        sys.stdout.write(f"{line.rstrip()}\n")


def put_costs(ferry: Contender) -> None:
    """Print the backfill's requests and dollars by item."""
    found = ferry.measured
    calls = ", ".join(f"{number:,} {name}" for name, number in found.requests.most_common())
    sys.stdout.write(f"\n{FERRY}, {ferry.objects:,} objects: {calls}\n")
    for name, seconds in sorted(found.function_seconds.items(), key=lambda item: -item[1]):
        sys.stdout.write(f"  {name:<16} {found.function_calls[name]:>5,} calls {seconds:>8.1f} s\n")
    for item, dollars in found.items().items():
        sys.stdout.write(f"  {item:<16} ${dollars / ferry.objects * MEGABYTE:.2f} a million objects\n")


def judge_growth(few: Contender, many: Contender) -> list[str]:
    """Print calls and seconds per object of both numbers; return what grew that must not."""
    faults = []
    for what, before, after in (
        ("S3 calls", _per_object(few, few.measured.calls), _per_object(many, many.measured.calls)),
        (
            "milliseconds",
            _per_object(few, 1000 * few.measured.seconds),
            _per_object(many, 1000 * many.measured.seconds),
        ),
        (
            "processor ms",
            _per_object(few, 1000 * few.measured.cpu_seconds),
            _per_object(many, 1000 * many.measured.cpu_seconds),
        ),
    ):
        sys.stdout.write(
            f"  {what:<14} {before:6.2f} an object of {few.objects:,}, {after:6.2f} an object of {many.objects:,}\n"
        )
        if after > before * GROWTH:
            faults.append(f"{what} per object grew from {before:.2f} to {after:.2f}")
    return faults


def _per_object(contender: Contender, figure: float) -> float:
    return figure / contender.objects


def faults_of(ferry: Contender, objects_bytes: int) -> list[str]:
    """What the backfill missed of its goal."""
    beyond = ferry.measured.peak_bytes - objects_bytes
    sys.stdout.write(f"  memory         {beyond / MEGABYTE:,.0f} MB beyond the objects' bytes, in all processes\n")
    faults = [ferry.failure] if ferry.failure else []
    if ferry.arrived != ferry.objects:
        faults.append(f"only {ferry.arrived} of {ferry.objects} objects arrived")
    if ferry.measured.seconds > GOAL_SECONDS * max(1, ferry.objects / GOAL_OBJECTS):
        faults.append(f"{ferry.measured.seconds:.0f} s, more than {GOAL_SECONDS} s for {GOAL_OBJECTS:,} objects")
    if ferry.objects <= GOAL_OBJECTS and beyond > GOAL_BYTES:
        faults.append(f"{beyond / MEGABYTE:,.0f} MB beyond the objects' bytes, more than {GOAL_BYTES / MEGABYTE:,.0f}")
    return faults


def progress(what: str) -> None:
    """Say what is done now."""
    sys.stderr.write(f"  {what} …\n")
    sys.stderr.flush()


def bench(number: int) -> int:
    """Run everything on a cloud of its own; 1 if the backfill missed its goal."""
    few = max(1, number // 10)
    with tempfile.TemporaryDirectory(prefix="ferry-bench-") as temporary:
        folder = Path(temporary) / ".ferry"
        progress("starting a local cloud")
        with lifecycle.running(folder):
            deployed = Deployed(folder / "outputs.json")
            programs = Programs(deployed, Path(temporary))
            # The uploads are there before the trigger is.
            deployed.source.put_bucket_notification_configuration(
                Bucket=deployed.outputs.source_bucket, NotificationConfiguration={}
            )
            progress(f"uploading {few + number:,} objects")
            objects_bytes = upload_many(deployed, programs, FEW, few) + upload_many(deployed, programs, MANY, number)
            upload_varied(deployed)
            progress(f"{FERRY} of {few:,} objects")
            small = backfill(deployed, FEW, few)
            progress(f"{FERRY} of {number:,} objects")
            large = backfill(deployed, MANY, number)
            varied = deployed.ferry("backfill", "--prefix", VARIED, "--json")
            large.varied_failure = varied.stderr.strip() if varied.returncode else None
            large.varied = judge(deployed, deployed.outputs.target_bucket)
            contenders = [large, *copy_with_peers(deployed, programs, number)]
            put_table(table(contenders))
            put_costs(large)
            faults = [*judge_growth(small, large), *faults_of(large, objects_bytes)]
    for contender in contenders:
        for failure in (contender.failure, contender.varied_failure):
            if failure:
                sys.stdout.write(f"{contender.name}: {failure}\n")
    for fault in faults:
        sys.stdout.write(f"MISSED: {fault}\n")
    return 1 if faults else 0


def main() -> int:
    """Print the figures; 1 if the backfill missed its goal."""
    parser = argparse.ArgumentParser(prog="make bench", description="Compare a backfill with other programs.")
    parser.add_argument("objects", nargs="?", default=str(DEFAULT_OBJECTS), help="number of objects (%(default)s)")
    number = parser.parse_args().objects
    if not number.isdecimal() or int(number) < 1:
        parser.error(f"N={number}: it must be a whole number, 1 or more")
    try:
        return bench(int(number))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
