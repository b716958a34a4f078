"""Estimates a bulk run from its plan: requests, bytes, dollars by item, and minutes. Pure.

The counts are those of the design (docs/design.md, "Many files"): a small object takes one COPY and three HEADs. The
rates are ASSUMPTIONS, which the output shows.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from math import ceil

from ferry.estimates import prices
from functions.contract.bulk import IDLE, PLANNED, SAME, Plan, Tally
from functions.contract.usage import Usage
from functions.copying.parts import USUAL_PART_BYTES
from functions.planning.requests import usage_of

GB = 10**9
MB = 10**6

HEADS_OF_A_COPY = 3
READS_OF_A_COMPARISON = 7
"""In place of a copy, of what the target has already: three HEADs, the tags and the annotations of both."""

HEADS_OF_A_DELETION = 1
HEADS_OF_A_LATER_DELETION = 3
"""By DeleteBatch, which looks at the target again."""

HEADS_OF_AN_EXECUTION = 5
"""One by EnsureMigrated, four by `migrate`."""

WRITES_OF_AN_UPLOAD = 2
"""CreateMultipartUpload and CompleteMultipartUpload."""

SLICE_OBJECTS = 1000
TRANSITIONS_OF_A_SLICE = 7
TRANSITIONS_OF_A_RUN = 20
TRANSITIONS_OF_AN_EXECUTION = 17
"""Of `migrate`: docs/deploy.md."""

CALLS_OF_A_SLICE = 2
TRANSITIONS_OF_A_DELETION, CALLS_OF_A_DELETION = 4, 1
"""Of a slice of moves, besides."""

TRANSITIONS_OF_A_VALIDATION, CALLS_OF_A_VALIDATION = 12, 4
"""Of a slice of files of tables, besides: its queries are polled twice."""

HEADS_OF_A_VALIDATION = 1

CALLS_OF_AN_EXECUTION = 6
MEMORY_GB = Decimal("1.769")
"""One vCPU ("Configure Lambda function memory", AWS Lambda Developer Guide)."""

SLICES_AT_ONCE = 20
OBJECTS_PER_SECOND = 150
COPIED_MB_PER_SECOND = 400
READ_MB_PER_SECOND = 60
SECONDS_OF_A_RUN = 60

ASSUMPTIONS = (
    f"{SLICES_AT_ONCE} slices of up to {SLICE_OBJECTS:,} objects at once",
    f"per second and per function: {OBJECTS_PER_SECOND} objects, {COPIED_MB_PER_SECOND} MB copied by S3, or "
    f"{READ_MB_PER_SECOND} MB read",
    "undecided objects are copied",
    f"${prices.TRANSFERRED_GB} per GB between regions",
)


@dataclass(frozen=True)
class Requests:
    """S3 requests by price."""

    writes: int = 0
    reads: int = 0

    @property
    def dollars(self) -> Decimal:
        """What they cost."""
        return self.writes * prices.S3_WRITES + self.reads * prices.S3_READS


@dataclass(frozen=True)
class Item:
    """One item of the bill."""

    name: str
    dollars: Decimal


@dataclass(frozen=True)
class Estimate:
    """What the rest of a run would take after its plan."""

    planning: Requests
    copying: Requests
    copied_bytes: int
    transferred_bytes: int
    scanned_bytes: int
    items: tuple[Item, ...]
    seconds: float

    @property
    def dollars(self) -> Decimal:
        """The total."""
        return sum((item.dollars for item in self.items), Decimal(0))


def estimate(plan: Plan, *, crosses_regions: bool) -> Estimate:
    """Estimate a run from its plan, the plan included."""
    work = [tally for tally in plan.tallies if tally.action in PLANNED and tally.reason not in IDLE]
    in_batches = [each for each in work if not each.by_execution]
    by_execution = [each for each in work if each.by_execution]
    planning, copying = _planning(plan), _in_batches(in_batches, _by_execution(by_execution))
    copied = sum(each.size_bytes for each in work if each.reason not in SAME)
    transferred = copied if crosses_regions else 0
    scanned = sum(each.scanned_bytes for each in work)
    batches, executions = sum(folder.copied for folder in plan.folders), sum(each.objects for each in by_execution)
    files, moves = sum(folder.validated for folder in plan.folders), sum(folder.deleted for folder in plan.folders)
    seconds = _function_seconds(work)
    transitions = (
        TRANSITIONS_OF_A_RUN
        + batches * TRANSITIONS_OF_A_SLICE
        + files * TRANSITIONS_OF_A_VALIDATION
        + moves * TRANSITIONS_OF_A_DELETION
        + executions * TRANSITIONS_OF_AN_EXECUTION
        if work
        else 0
    )
    calls = plan.calls + batches * CALLS_OF_A_SLICE + executions * CALLS_OF_AN_EXECUTION
    calls += files * CALLS_OF_A_VALIDATION + moves * CALLS_OF_A_DELETION
    items = (
        Item("S3 requests for planning", planning.dollars),
        Item("S3 requests for copying", copying.dollars),
        Item("transfer between regions", Decimal(transferred) / GB * prices.TRANSFERRED_GB),
        Item("Lambda", calls * prices.LAMBDA_REQUEST + Decimal(seconds) * MEMORY_GB * prices.LAMBDA_GB_SECOND),
        Item("Step Functions", transitions * prices.STATE_TRANSITION),
        Item("Athena", Decimal(scanned) / 1000 / GB * prices.ATHENA_TB),
    )
    at_once = max(1, min(SLICES_AT_ONCE, batches + executions))
    return Estimate(
        planning=planning,
        copying=copying,
        copied_bytes=copied,
        transferred_bytes=transferred,
        scanned_bytes=scanned,
        items=items,
        seconds=SECONDS_OF_A_RUN + seconds / at_once if work else 0,
    )


def cost_of(usage: Usage) -> Decimal:
    """What the functions of a run have used for its slices: S3 requests, and the time of one vCPU."""
    seconds = Decimal(usage.milliseconds) / 1000
    return Requests(usage.writes, usage.reads).dollars + seconds * MEMORY_GB * prices.LAMBDA_GB_SECOND


def _planning(plan: Plan) -> Requests:
    """The requests that PlanBatches has counted."""
    used = usage_of(plan.requests)
    return Requests(used.writes, used.reads)


def _in_batches(tallies: Iterable[Tally], begun: Requests) -> Requests:
    """The requests for objects that batches copy, added to others."""
    writes, reads = begun.writes, begun.reads
    for each in tallies:
        is_there = each.reason in SAME
        writes += 0 if is_there else each.objects
        reads += each.objects * (READS_OF_A_COMPARISON if is_there else HEADS_OF_A_COPY) + each.reads
        reads += each.objects * HEADS_OF_A_LATER_DELETION if each.action == "move" else 0
        reads += each.files * HEADS_OF_A_VALIDATION
    return Requests(writes, reads)


def _by_execution(tallies: Iterable[Tally]) -> Requests:
    """The requests for objects that executions of `migrate` copy, some of them in parts."""
    writes = reads = 0
    for each in tallies:
        if each.reason not in SAME:
            # Each object's last part may be smaller.
            parts = ceil(each.in_parts_bytes / USUAL_PART_BYTES) + each.in_parts
            writes += each.objects - each.in_parts + parts + each.in_parts * WRITES_OF_AN_UPLOAD
        reads += each.objects * HEADS_OF_AN_EXECUTION + each.reads + _deletions(each)
    return Requests(writes, reads)


def _deletions(tally: Tally) -> int:
    return tally.objects * HEADS_OF_A_DELETION if tally.action == "move" else 0


def _function_seconds(tallies: Iterable[Tally]) -> float:
    """The time of all functions together."""
    seconds = 0.0
    for each in tallies:
        seconds += each.objects / OBJECTS_PER_SECOND
        seconds += each.read_bytes / MB / READ_MB_PER_SECOND
        if each.reason not in SAME:
            seconds += each.size_bytes / MB / COPIED_MB_PER_SECOND
    return seconds
