"""Ranges of keys that several functions plan at once are together the plan that one function makes."""

import gzip
import json
import random
from collections import Counter
from collections.abc import Iterator
from itertools import count, pairwise
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from functions.contract.bulk import Plan, PlanFolder, Tally
from functions.contract.ledger import LedgerEntry
from functions.contract.rules import NO_RULES, Rules
from functions.inventory import sorted_runs
from functions.planning import branches, run_plan
from functions.planning.branches import Branches
from functions.planning.entry_files import entry_files
from functions.planning.key_ranges import KeyRange, WeightedRange, joined
from functions.planning.listings import list_page
from functions.planning.plan import PlanRequest
from functions.planning.run_plan import continue_plan
from functions.planning.shards import read_results, shard_plans
from functions.runtime.errors import AccessDenied
from tests.support.inventories import ADDRESS, InventoriedBuckets
from tests.support.keys_and_rules import CHARACTERS, KEYS, OBJECTS, RULES
from tests.support.listed_buckets import (
    NOW,
    PLENTY_MS,
    SETTINGS,
    SOURCE,
    SOURCE_REGION,
    TARGET,
    ListedBuckets,
    decided,
    planned,
    scope,
)

DOCUMENT_BYTES = 262_144
"""Of a state's input or output ("Step Functions service quotas")."""

LEDGER_KEY = f"ledger/{SOURCE}/from-.jsonl.gz"


@pytest.fixture
def buckets(session: boto3.Session) -> Iterator[ListedBuckets]:
    """Pages of five keys, nothing in them."""
    listed = ListedBuckets(page_keys=5)
    with listed.answering(session):
        yield listed


@pytest.fixture(autouse=True)
def few_keys_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the tenth key on, ranges are planned."""
    monkeypatch.setattr(run_plan, "SHARD_ABOVE_KEYS", 10)


class ShardedRun:
    """The planning of a run, as the state machine does it: the Map's children in any order, each in one call."""

    def __init__(
        self, buckets: ListedBuckets, rules: Rules = NO_RULES, most_shards: int = 4, seed: int = 0, **fields: Any
    ) -> None:
        self.buckets, self.rules, self.most_shards, self.scope = buckets, rules, most_shards, scope(**fields)
        self.random, self.tokens = random.Random(seed), count()
        self.children_ms = [0, PLENTY_MS]
        self.rounds: list[list[Plan]] = []
        self.failing: set[int] = set()
        self.plan = Plan(status="planning", folder="runs/r/0/plan/", shard_rounds=0)

    def call(self, plan: Plan, remaining_ms: int = PLENTY_MS) -> Plan:
        """One call of PlanBatches."""
        token, left = f"token-{next(self.tokens)}", lambda: remaining_ms
        request = PlanRequest(self.scope, self.rules, SETTINGS, token, left, "r", self.most_shards)
        return Plan.model_validate_json(continue_plan(request, plan).model_dump_json())

    def next_state(self) -> None:
        """Call PlanBatches, and then the Map if it is sharded."""
        self.plan = self.call(self.plan)
        if self.plan.status == "sharded":
            self.map()

    def map(self) -> None:
        """Plan each range; some calls are repeated, and some fail."""
        ranges = [Plan.model_validate(each) for each in json.loads(self.buckets.written[self.plan.shards_key])]
        self.rounds.append(ranges)
        for number in self.random.sample(range(len(ranges)), len(ranges)):
            for _ in range(self.random.choice([1, 1, 2])):
                if number not in self.failing:
                    self.call(ranges[number], self.random.choice(self.children_ms))

    def run(self) -> Plan:
        """Plan to the end."""
        while self.plan.status != "planned":
            assert self.plan.calls < 200
            self.next_state()
        return self.plan


def filled(buckets: ListedBuckets, sources: dict[str, Any], targets: dict[str, Any]) -> ListedBuckets:
    """Buckets with these objects."""
    for bucket, objects in ((SOURCE, sources), (TARGET, targets)):
        for key, described in objects.items():
            buckets.put(bucket, key, **described)
    return buckets


def sorted_lines(buckets: ListedBuckets, plan: Plan) -> list[str]:
    """The lines of all slices."""
    return sorted(json.dumps(line, sort_keys=True) for line in buckets.lines(plan))


def noted(buckets: ListedBuckets, plan: Plan) -> list[str]:
    """What the plan has for the ledger."""
    files = [key for folder in plan.folders for key in entry_files(plan.folder, folder)]
    lines = [line for key in files for line in gzip.decompress(buckets.written[key]).split(b"\n") if line]
    return sorted(json.dumps(json.loads(line) | {"run": ""}, sort_keys=True) for line in lines)


def remember(buckets: ListedBuckets, keys: list[str]) -> None:
    """Have a ledger with these keys."""
    entries = [LedgerEntry(key=key, etag="old", outcome="verified", as_of=NOW) for key in sorted(keys)]
    text = "".join(f"{each.model_dump_json(exclude_defaults=True)}\n" for each in entries)
    buckets.written[LEDGER_KEY] = gzip.compress(text.encode())


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sources=OBJECTS,
    targets=OBJECTS,
    known=st.lists(KEYS, max_size=8, unique=True),
    rules=RULES,
    selected=st.sampled_from([{}, {"prefix": "a"}, {"suffix": ".csv"}, {"prefix": "\U0001f600"}]),
    page_keys=st.integers(1, 12),
    most_shards=st.integers(2, 8),
    seed=st.integers(0, 99),
)
@example(
    sources={f"{first}{second}": {} for first in "\uff5e\U0001f600a" for second in "\ue000\U00010000b~"},
    targets={},
    known=[],
    rules=NO_RULES,
    selected={},
    page_keys=1,
    most_shards=8,
    seed=0,
)
def test_a_sharded_plan_is_the_plan_of_one_function(
    session: boto3.Session,
    sources: dict[str, Any],
    targets: dict[str, Any],
    known: list[str],
    rules: Rules,
    selected: dict[str, str],
    page_keys: int,
    most_shards: int,
    seed: int,
) -> None:
    buckets = filled(ListedBuckets(page_keys), sources, targets)
    remember(buckets, known)
    with buckets.answering(session), pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_plan, "SHARD_ABOVE_KEYS", 3)
        whole = planned(scope(**selected), rules)
        run = ShardedRun(buckets, rules, most_shards, seed, **selected)
        plan = run.run()
    assert sorted_lines(buckets, plan) == sorted_lines(buckets, whole)
    assert noted(buckets, plan) == noted(buckets, whole)
    assert (plan.tallies, plan.objects, plan.as_of) == (whole.tallies, whole.objects, whole.as_of)
    assert all(len(ranges) <= most_shards for ranges in run.rounds)
    # So that a slice is found by its first key.
    for kind in ("batch", "move", "execution"):
        firsts = [lines[0]["key"] for key, lines in buckets.slices(plan).items() if f"/{kind}-" in key]
        assert firsts == sorted(firsts)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sources=OBJECTS, targets=OBJECTS, rules=RULES, bounds=st.lists(KEYS, max_size=6), page_keys=st.integers(1, 9))
def test_whatever_the_bounds_are_each_key_is_in_one_range(
    session: boto3.Session,
    sources: dict[str, Any],
    targets: dict[str, Any],
    rules: Rules,
    bounds: list[str],
    page_keys: int,
) -> None:
    buckets = filled(ListedBuckets(page_keys), sources, targets)
    ranges = KeyRange("", None).divided(bounds)
    with buckets.answering(session):
        whole = planned(rules=rules)
        run = ShardedRun(buckets, rules)
        plans = shard_plans(run.plan, ranges, "any")
        for each in plans:
            run.call(each)
        results = read_results(SETTINGS, plans)
    assert all(plan.status == "planned" for plan in results.values())
    lines = sorted(line for plan in results.values() for line in sorted_lines(buckets, plan))
    assert lines == sorted_lines(buckets, whole)
    assert sum(plan.objects for plan in results.values()) == whole.objects


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=st.lists(KEYS, min_size=5, unique=True), changing=st.lists(KEYS, unique=True), seed=st.integers(0, 99))
def test_keys_that_come_and_go_meanwhile_lose_and_repeat_no_other(
    session: boto3.Session, keys: list[str], changing: list[str], seed: int
) -> None:
    buckets = filled(ListedBuckets(2), {key: {} for key in keys}, {})
    run = ShardedRun(buckets, seed=seed)
    call, changes = run.call, set(changing) - set(keys)

    def calling(plan: Plan, remaining_ms: int = PLENTY_MS) -> Plan:
        for key in changes:
            if run.random.random() < 0.5:
                (buckets.remove if key in buckets.objects[SOURCE] else buckets.put)(SOURCE, key)
        return call(plan, remaining_ms)

    run.call = calling  # type: ignore[method-assign]
    with buckets.answering(session):
        found = Counter(line["key"] for line in buckets.lines(run.run()))
    assert {key: found[key] for key in keys} == dict.fromkeys(keys, 1)
    assert set(found) <= {*keys, *changes}
    assert max(found.values()) == 1


def number_keys(buckets: ListedBuckets, number: int) -> list[str]:
    """So many new objects."""
    keys = [f"data/{each:05}" for each in range(number)]
    for key in keys:
        buckets.put(SOURCE, key)
    return keys


def source_lists(buckets: ListedBuckets) -> list[str]:
    """After which keys the source was listed."""
    of_source = [asked for name, asked in buckets.requests if name == "ListObjectsV2" and asked["Bucket"] == SOURCE]
    return [asked.get("StartAfter", "") for asked in of_source]


def test_up_to_the_threshold_nothing_is_requested_more_than_without_shards(
    buckets: ListedBuckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_plan, "SHARD_ABOVE_KEYS", 100)
    number_keys(buckets, 100)
    whole = planned()
    alone = Counter(name for name, _ in buckets.requests)
    buckets.requests.clear()
    run = ShardedRun(buckets)
    plan = run.run()
    assert run.rounds == []
    assert Counter(name for name, _ in buckets.requests) == alone
    assert (plan.calls, plan.tallies) == (1, whole.tallies)


def test_above_it_the_rest_is_planned_by_several_functions(buckets: ListedBuckets) -> None:
    keys = number_keys(buckets, 200)
    run = ShardedRun(buckets)
    run.children_ms = [PLENTY_MS]
    plan = run.run()
    (ranges,) = run.rounds
    assert len(ranges) == run.most_shards
    assert [line["key"] for line in buckets.lines(plan)] == keys
    assert (plan.calls, plan.shard_rounds) == (3, 1)
    # One call until there are many, and those of the Map; of each only what another call has not done.
    assert [folder.batches for folder in plan.folders] == [1] * (1 + run.most_shards)


def test_a_range_that_is_larger_than_the_others_is_divided_again(buckets: ListedBuckets) -> None:
    for key in ("a/1", "b/1", "c/1", "x/1", "y/1", "z/1"):
        buckets.put(SOURCE, key)
    for day in range(1, 13):
        for number in range(20):
            buckets.put(SOURCE, f"logs/team/2026/11/{day:02}/{number:02}")
    run = ShardedRun(buckets, most_shards=5)
    # Each child plans one page.
    run.children_ms = [0]
    plan = run.run()
    assert len(buckets.lines(plan)) == 246
    # A page each: 236 keys are 48 pages, by five calls at once.
    assert plan.shard_rounds is not None
    assert 10 <= plan.shard_rounds <= 16


def test_a_range_that_fails_fails_the_run_by_its_own_error_and_is_repeated_alone(buckets: ListedBuckets) -> None:
    keys = number_keys(buckets, 100)
    run = ShardedRun(buckets)
    run.children_ms = [PLENTY_MS]
    run.failing = {1}
    run.next_state()
    run.next_state()
    assert run.plan.status == "sharded"
    failed = run.rounds[0][1]
    assert failed.shard
    listing, denied = buckets._ListObjectsV2, {"Error": {"Code": "AccessDenied", "Message": "no"}}
    buckets._ListObjectsV2 = lambda asked: (403, denied) if asked["Bucket"] == SOURCE else listing(asked)  # type: ignore[method-assign]
    with pytest.raises(AccessDenied):
        run.next_state()
    buckets._ListObjectsV2 = listing  # type: ignore[method-assign]
    buckets.requests.clear()
    # The redrive: the same Task with the same document.
    plan = run.run()
    assert source_lists(buckets)[0] == failed.last_key
    assert max(source_lists(buckets)) < (failed.shard.until or "")
    assert [line["key"] for line in buckets.lines(plan)] == keys


def test_more_ranges_that_fail_are_planned_again_by_a_map(buckets: ListedBuckets) -> None:
    keys = number_keys(buckets, 300)
    run = ShardedRun(buckets, most_shards=5)
    run.children_ms = [PLENTY_MS]
    run.failing = {1, 2, 4}
    run.next_state()
    run.next_state()
    run.failing.clear()
    plan = run.run()
    assert len(run.rounds) == 2
    assert [line["key"] for line in buckets.lines(plan)] == keys


@pytest.mark.parametrize(("limit", "most"), [("SHARD_ROUNDS", 2), ("MOST_FOLDERS", 1 + 2 * 4)])
def test_beyond_its_limits_the_rest_is_planned_by_one_function_after_another(
    buckets: ListedBuckets, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    monkeypatch.setattr(run_plan, limit, most)
    keys = number_keys(buckets, 200)
    run = ShardedRun(buckets)
    run.children_ms = [0]
    plan = run.run()
    assert len(run.rounds) == plan.shard_rounds == 2
    assert [line["key"] for line in buckets.lines(plan)] == keys


@pytest.mark.parametrize("fields", [{"most_seconds": 0}, {"most_seconds": 20}])
def test_a_dry_run_is_never_sharded_and_counts_the_same(buckets: ListedBuckets, fields: dict[str, Any]) -> None:
    number_keys(buckets, 60)
    dry = ShardedRun(buckets, **fields)
    dry_plan = dry.run()
    run = ShardedRun(buckets)
    run.plan = run.plan.model_copy(update={"folder": "runs/s/0/plan/"})
    assert (dry_plan.tallies, dry_plan.objects) == (run.run().tallies, run.plan.objects)
    assert (dry.rounds, len(run.rounds)) == ([], run.plan.shard_rounds)


def test_a_definition_of_an_earlier_release_is_never_told_to_shard(buckets: ListedBuckets) -> None:
    keys = number_keys(buckets, 60)
    run = ShardedRun(buckets)
    call = run.call

    # Its ResultSelector has the fields of its own release.
    def earlier(plan: Plan, remaining_ms: int = PLENTY_MS) -> Plan:
        return call(plan, remaining_ms).model_copy(update={"shard_rounds": None})

    run.call = earlier  # type: ignore[method-assign]
    plan = run.run()
    assert run.rounds == []
    assert [line["key"] for line in buckets.lines(plan)] == keys


def test_an_inventory_is_divided_where_its_blocks_begin(
    session: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, number in (("RUN_OBJECTS", 30), ("BLOCK_OBJECTS", 3), ("PAGE_OBJECTS", 5)):
        monkeypatch.setattr(sorted_runs, name, number)
    buckets = InventoriedBuckets()
    for first in CHARACTERS:
        for second in CHARACTERS[:8]:
            buckets.put(SOURCE, f"{first}{second}")
    rows = buckets.rows()
    random.Random(1).shuffle(rows)
    buckets.inventory(rows[:70], rows[70:])
    with buckets.answering(session):
        whole = planned()
        buckets.requests.clear()
        run = ShardedRun(buckets, inventory=ADDRESS)
        plan = run.run()
    assert source_lists(buckets) == []
    assert (sorted_lines(buckets, plan), plan.tallies) == (sorted_lines(buckets, whole), whole.tallies)
    # Its length is known, so nothing is planned by one function first.
    assert run.rounds[0][0].last_key is None
    objects = [sum(KeyRange(each.last_key or "", each.shard.until).has(key) for key in buckets.objects[SOURCE])
               for each in run.rounds[0] if each.shard]  # fmt: skip
    assert len(objects) == run.most_shards
    assert max(objects) <= 1.5 * min(objects)


# How ranges are divided.


def lengths(ranges: list[KeyRange], keys: list[str]) -> list[int]:
    """How many keys each range has."""
    return [sum(each.has(key) for key in keys) for each in ranges]


BUCKETS_OF_PEOPLE = {
    "numbers": [f"n{each:06}" for each in range(1500)],
    "hexadecimal": [f"{each * 2654435761 % 2**32:08x}" for each in range(1500)],
    "days": [
        f"tables/sales/year={year}/month={month:02}/day={day:02}/part-{part:04}.parquet"
        for year in (2024, 2025, 2026)
        for month in range(1, 13)
        for day in range(1, 29)
        for part in range(2)
    ],
    "one large folder": [*(f"{each}/x" for each in "abcxyz"), *(f"m/deep/er/{each:05}" for each in range(1500))],
    "folders of one file": [f"{each:05}/file.csv" for each in range(1500)],
}


@pytest.mark.parametrize("name", BUCKETS_OF_PEOPLE)
def test_ranges_have_about_as_many_keys_and_take_few_requests(session: boto3.Session, name: str) -> None:
    keys = BUCKETS_OF_PEOPLE[name]
    buckets = filled(ListedBuckets(20), {key: {} for key in keys}, {})
    with buckets.answering(session):
        divided = Branches(lambda after: list_page(SOURCE, SOURCE_REGION, "", after), lambda: True)
        ranges = joined(divided.parts([KeyRange("", None)], 60), 20)
    assert 15 <= len(ranges) <= 20
    assert sum(lengths(ranges, keys)) == len(keys)
    assert max(lengths(ranges, keys)) <= 3 * len(keys) / 20
    assert len(buckets.requests) <= branches.MOST_REQUESTS


@given(
    texts=st.lists(KEYS, min_size=1, max_size=30, unique=True),
    taken=st.sets(st.integers(0, 30), max_size=10),
    most=st.integers(1, 8),
)
def test_joined_ranges_are_the_same_keys_and_no_more_than_asked_for(
    texts: list[str], taken: set[int], most: int
) -> None:
    parts = [
        WeightedRange(each, number % 4)
        for number, each in enumerate(KeyRange("", None).divided(texts))
        if number not in taken
    ]
    found = joined(parts, most)
    keys = sorted({*texts, *(f"{text}!" for text in texts)})
    assert [sum(each.has(key) for each in found) for key in keys] == [
        sum(each.keys.has(key) for each in parts) for key in keys
    ]
    assert all(one.until is not None and one.until <= two.after for one, two in pairwise(found))
    apart = sum(one.keys.until != two.keys.after for one, two in pairwise(parts))
    assert len(found) <= max(most, apart + 1)


def test_a_document_has_room_for_the_folders_of_all_calls() -> None:
    folder = PlanFolder(name=f"00000-{'0' * 36}", batches=10**4, executions=10**4, entries=10**4)
    tallies = [Tally(action="copy", reason="upload_in_progress", objects=10**10, size_bytes=10**16)] * 40
    folders = [folder] * (run_plan.MOST_FOLDERS + run_plan.MOST_SHARDS + 200)
    plan = Plan(status="planning", folder=f"runs/{'r' * 80}/0/plan/", tallies=tallies, folders=folders, bucket="b" * 63)
    assert len(plan.model_dump_json()) < DOCUMENT_BYTES - 10_000
    assert decided(plan) == {("copy", "upload_in_progress"): 40 * 10**10}
