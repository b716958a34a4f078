"""How a backfill of any number of small objects relates to each limit of AWS, and to our own: arithmetic.

What is measured or assumed has a name here; the sizes of documents are those that the code itself writes. `make bench`
measures the calls and the functions' time, `make soak` the memory of a plan.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import ceil

from ferry.estimates.estimate import OBJECTS_PER_SECOND, SLICE_OBJECTS, SLICES_AT_ONCE, TRANSITIONS_OF_A_SLICE, estimate
from functions.contract import limits
from functions.contract.bulk import Plan, PlanFolder, Tally
from functions.contract.rules import LONGEST_KEY_BYTES
from functions.planning.plan import MARGIN_MS
from functions.planning.run_plan import MOST_FOLDERS, MOST_SHARDS, SHARD_ABOVE_KEYS
from functions.planning.slices import BATCH, pointers
from statemachine import check, check_bulk, declaration
from statemachine.bulk import MACHINE_TIMEOUT_SECONDS, migrate_bulk

OBJECT_BYTES = 32 * 1024
KEYS_PER_SECOND = 1500
"""Of a function that plans: two LISTs of 1,000 keys, one after the other, and 0.3 ms of processor time a key. ASSUMED
for AWS."""

DIVIDING_SECONDS = 75
"""Before each Map of ranges: as many LISTs as dividing may take, 0.15 s each. ASSUMED for AWS."""

REPORT_SECONDS_OF_A_SLICE = 0.4
"""Six requests, one after the other, and 0.04 s of processor time, of which the function has 0.3 a second. ASSUMED for
AWS."""

RECONCILE_SECONDS_OF_A_SLICE = 0.03
"""Of processor time, measured, of which the function has one a second; 16 slices are read at once. ASSUMED for AWS."""

PLAN_MEMORY_MB = 70
"""A whole process: measured for 10^6 keys, and the same for fewer."""

POINTER_MEMORY_BYTES = 800
"""Of a slice, while the list of all slices is written: measured."""

SHARDS = min(MOST_SHARDS, SLICES_AT_ONCE)
"""Ranges of keys that are planned at once."""

RUN = "runs/backfill-20261101-120000-abcdef/0/plan/"
CALL = "00000-00000000-0000-0000-0000-000000000000"
EVENTS_OF_A_CALL = check.EVENTS_OF_A_TASK + 2 * check.EVENTS_OF_A_STATE
"""A Task, the Choice behind it, and the Wait before the next call."""

HEADS_OF_THE_SOURCE = 2
KINDS_OF_TALLIES = 40
"""More than there are reasons."""

ANY = 10**12
"""As good as any number of objects."""

PREFIX = "S3 answers 503 SlowDown, and the batches slow down"


@dataclass(frozen=True)
class ScaleRun:
    """A backfill of this many objects, all new at the target and copied in batches."""

    objects: int

    @property
    def slices(self) -> int:
        """Of 1,000 objects."""
        return ceil(self.objects / SLICE_OBJECTS)

    @property
    def functions_at_once(self) -> int:
        """By the default of --max-concurrency."""
        return min(SLICES_AT_ONCE, self.slices)

    @property
    def objects_per_second(self) -> int:
        """That all functions copy together."""
        return self.functions_at_once * OBJECTS_PER_SECOND

    @property
    def first_plan_calls(self) -> int:
        """Of PlanBatches, before it divides the keys that are left."""
        return ceil(min(self.objects, SHARD_ABOVE_KEYS) / _keys_of_a_call())

    @property
    def shard_rounds(self) -> int:
        """Of the Map that plans ranges of keys."""
        left = max(0, self.objects - SHARD_ABOVE_KEYS)
        most = min(limits.SHARD_ROUNDS, (MOST_FOLDERS - self.first_plan_calls) // SHARDS)
        return min(most, ceil(left / _keys_of_a_call() / SHARDS))

    @property
    def last_plan_calls(self) -> int:
        """Of PlanBatches, for what the Maps did not plan."""
        left = self.objects - SHARD_ABOVE_KEYS - self.shard_rounds * SHARDS * _keys_of_a_call()
        return ceil(max(0, left) / _keys_of_a_call())

    @property
    def plan_calls(self) -> int:
        """Of PlanBatches, with those that divide and collect; not of the Map's children."""
        collecting = self.shard_rounds + 1 if self.shard_rounds else 0
        return self.first_plan_calls + collecting + self.last_plan_calls

    @property
    def plan_seconds(self) -> float:
        """From the first LIST to the complete plan."""
        alone = self.first_plan_calls + self.last_plan_calls
        at_once = max(0.0, self.objects / _keys_of_a_call() - alone) / SHARDS if self.shard_rounds else 0
        unsharded = min(self.objects / _keys_of_a_call(), alone)
        return (unsharded + at_once) * _call_seconds("plan_batches") + self.shard_rounds * DIVIDING_SECONDS

    @property
    def report_calls(self) -> int:
        """Of WriteReport."""
        return ceil(self.slices * REPORT_SECONDS_OF_A_SLICE / _call_seconds("write_report"))

    @property
    def reconcile_calls(self) -> int:
        """Of ReconcileReport, once."""
        return ceil(self.slices * RECONCILE_SECONDS_OF_A_SLICE / _call_seconds("reconcile_report"))

    @property
    def seconds(self) -> float:
        """From the first LIST to the end."""
        copying = self.objects / self.objects_per_second
        reporting = self.slices * (RECONCILE_SECONDS_OF_A_SLICE + REPORT_SECONDS_OF_A_SLICE)
        return self.plan_seconds + copying + reporting

    @property
    def events(self) -> int:
        """In the history of the run, without retries."""
        return (
            _states() * check.EVENTS_OF_A_STATE
            + (self.plan_calls + self.reconcile_calls + self.report_calls) * EVENTS_OF_A_CALL
            + self.shard_rounds * check_bulk.EVENTS_OF_A_MAP
        )

    @property
    def document_bytes(self) -> int:
        """The run's document, once it is planned: a folder for each call that planned."""
        one, two = _document_bytes(1), _document_bytes(2)
        return one + (two - one) * (self.first_plan_calls + self.shard_rounds * SHARDS + self.last_plan_calls - 1)

    @property
    def pointers_bytes(self) -> int:
        """batches.json."""
        return _pointer_bytes() * self.slices

    @property
    def plan_memory_mb(self) -> float:
        """Of PlanBatches' last call, which writes the list of all slices."""
        return PLAN_MEMORY_MB + self.slices * POINTER_MEMORY_BYTES / 1e6

    @property
    def dollars(self) -> float:
        """By the estimate of a dry run, without transfer."""
        tally = Tally(action="copy", reason="new", objects=self.objects, size_bytes=self.objects * OBJECT_BYTES)
        requests = {"ListObjectsV2": 2 * self.slices, "PutObject": self.slices}
        folders = [PlanFolder(name=CALL, batches=self.slices)]
        plan = Plan(status="planned", folder=RUN, tallies=[tally], folders=folders, requests=requests, calls=1)
        return float(estimate(plan, crosses_regions=False).dollars)


@dataclass(frozen=True)
class ScaleLimit:
    """A limit, and the figure of a run that it bounds. `beyond`: what happens above it."""

    name: str
    most: float
    figure: Callable[[ScaleRun], float]
    source: str
    beyond: str = "the run fails"

    def holds(self, run: ScaleRun) -> bool:
        """Whether a run stays within it."""
        return self.figure(run) <= self.most


@cache
def _most_events(name: str) -> int:
    return next(check_bulk.most_events(part) for part in check_bulk.parts(migrate_bulk()) if part.name == name)


QUOTAS = "Step Functions service quotas"
SMALLEST = f"{QUOTAS}, the smallest of all regions"
LIMITS = (
    ScaleLimit("calls of PlanBatches", limits.PLAN_CALLS, lambda run: run.plan_calls, "our own",
               "the run fails: backfill each prefix by itself"),
    ScaleLimit("calls of WriteReport", limits.REPORT_CALLS, lambda run: run.report_calls, "our own",
               "the run fails: backfill each prefix by itself"),
    ScaleLimit("calls of ReconcileReport, in each round", limits.RECONCILE_CALLS, lambda run: run.reconcile_calls,
               "our own", "failures in later slices are only reported: start another backfill"),
    ScaleLimit("days of a run", MACHINE_TIMEOUT_SECONDS / 86400, lambda run: run.seconds / 86400,
               "our own, as long as a run can be redriven"),
    ScaleLimit("history events of the run", 25_000, lambda run: run.events, QUOTAS),
    ScaleLimit("history events of a slice, at most", 25_000, lambda _: _most_events("CopySlices"), QUOTAS),
    ScaleLimit("bytes of the run's document", 262_144, lambda run: run.document_bytes, QUOTAS),
    ScaleLimit("items of a Map", 100_000_000, lambda run: run.slices, "ItemReader (Map), Step Functions"),
    ScaleLimit("open Map Runs", 1000, lambda _: 1, QUOTAS, "more wait"),
    ScaleLimit("children at once", 10_000, lambda run: run.functions_at_once, QUOTAS, "more wait"),
    ScaleLimit("children started a second", 100, lambda run: run.objects_per_second / SLICE_OBJECTS,
               "Step Functions, for Standard children", "more wait"),
    ScaleLimit("state transitions a second", 800,
               lambda run: run.objects_per_second / SLICE_OBJECTS * TRANSITIONS_OF_A_SLICE, SMALLEST,
               "more wait"),
    ScaleLimit("functions at once", 1000, lambda run: run.functions_at_once, "Lambda quotas; 10 or 50 in new accounts",
               "they are throttled and retried: lower `--max-concurrency`"),
    ScaleLimit("MB of memory of PlanBatches", declaration.load()["plan_batches"].memory_mb,
               lambda run: run.plan_memory_mb, "our own, infra/functions.yaml"),
    ScaleLimit("COPY requests a second, all keys under one prefix", 3500, lambda run: run.objects_per_second,
               "S3 performance design patterns", PREFIX),
    ScaleLimit("HEAD requests a second at the source, all keys under one prefix", 5500,
               lambda run: run.objects_per_second * HEADS_OF_THE_SOURCE, "S3 performance design patterns", PREFIX),
)  # fmt: skip


def exceeded(run: ScaleRun) -> set[str]:
    """Return the limits that a run does not stay within."""
    return {limit.name for limit in LIMITS if not limit.holds(run)}


def largest(limit: ScaleLimit, most: int = ANY) -> int:
    """Return the most objects of a run within a limit: every figure grows with the objects, or stays."""
    low, high = 1, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if limit.holds(ScaleRun(middle)) else (low, middle - 1)
    return low


def _keys_of_a_call() -> float:
    return KEYS_PER_SECOND * _call_seconds("plan_batches")


@cache
def _call_seconds(function: str) -> float:
    return declaration.load()[function].timeout_seconds - MARGIN_MS / 1000


@cache
def _states() -> int:
    return len(migrate_bulk()["States"])


@cache
def _pointer_bytes() -> int:
    """Of one slice: all names are of one length, up to 100,000 slices of a call."""
    one, two = (len(pointers(RUN, [PlanFolder(name=CALL, batches=number)], BATCH)) for number in (1, 2))
    return two - one


@cache
def _document_bytes(calls: int) -> int:
    folder = PlanFolder(name=CALL, batches=10**6, executions=10**6)
    tallies = [Tally(action="copy", reason="upload_in_progress", objects=10**9, size_bytes=10**15)] * KINDS_OF_TALLIES
    plan = Plan(
        status="planned", folder=RUN, last_key="k" * LONGEST_KEY_BYTES, tallies=tallies, folders=[folder] * calls
    )
    return len(plan.model_dump_json())
