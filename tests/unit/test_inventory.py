"""A plan from an inventory is the plan from a listing, whatever the order of its rows; a bad one plans nothing."""

import gzip
import os
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from functions.contract.bulk import Plan
from functions.contract.inventory import SortedInventory
from functions.contract.rules import NO_RULES
from functions.inventory import sorted_runs
from functions.inventory.source import InventorySource
from functions.planning.key_ranges import KeyRange
from functions.planning.plan import PlanRequest
from functions.planning.run_plan import continue_plan
from functions.runtime.errors import AccessDenied, InventoryInvalid
from tests.support.inventories import ADDRESS, FIELDS, INVENTORIES, MANIFEST, InventoriedBuckets
from tests.support.listed_buckets import PLENTY_MS, SETTINGS, SOURCE, TARGET, UPLOADED, decided, planned, scope
from tests.unit.conftest import Hooks

CHECKOUT = Path(__file__).parents[2]

KEYS = ["a b+c%.bin", "a\rb", "a\nb", "é", "e\u0301", "\uff5e", "\U0001f600", "k" * 1024, "folder/", 'a,b"c', "a%2Fb"]


@pytest.fixture
def buckets(hooks: Hooks) -> Iterator[InventoriedBuckets]:  # noqa: ARG001 - it sets the session up
    """Nothing in them."""
    assert boto3.DEFAULT_SESSION
    inventoried = InventoriedBuckets()
    with inventoried.answering(boto3.DEFAULT_SESSION):
        yield inventoried


@pytest.fixture
def small_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many runs, blocks and pages of few objects."""
    for name, number in (("RUN_OBJECTS", 7), ("RUN_ROWS", 11), ("BLOCK_OBJECTS", 3), ("PAGE_OBJECTS", 5)):
        monkeypatch.setattr(sorted_runs, name, number)


def fill(buckets: InventoriedBuckets) -> None:
    """Objects of all kinds at the source; some of them at the target."""
    for number, key in enumerate([*KEYS, *(f"m/{each:03}" for each in range(60))]):
        buckets.put(SOURCE, key, Size=number)
        if number % 3 == 0:
            buckets.put(TARGET, key, Size=number + number % 2)
    buckets.put(SOURCE, "cold", StorageClass="GLACIER")
    buckets.put(SOURCE, "hashed", ChecksumAlgorithm=["SHA256"])


def facts(buckets: InventoriedBuckets, plan: Plan) -> tuple[dict[tuple[str, str], int], list[Any]]:
    """What is decided, and the lines of all slices, in their order."""
    return decided(plan), buckets.lines(plan)


@pytest.mark.usefixtures("small_runs")
@pytest.mark.parametrize("prefix", ["", "m/0", "absent"])
@pytest.mark.parametrize("remaining_ms", [PLENTY_MS, 0])
def test_a_plan_from_an_inventory_is_the_plan_from_a_listing(
    buckets: InventoriedBuckets, prefix: str, remaining_ms: int
) -> None:
    fill(buckets)
    rows = buckets.rows()
    buckets.inventory(rows[:20], rows[20:21], [], rows[21:])
    expected = facts(buckets, planned(scope(prefix=prefix)))
    buckets.requests.clear()
    plan = Plan(status="planning", folder="runs/i/plan/")
    while plan.status == "planning":
        plan = call(plan, remaining_ms, prefix)
    assert facts(buckets, plan) == expected
    assert [asked for name, asked in buckets.requests if name == "ListObjectsV2" and asked["Bucket"] == SOURCE] == []


def call(previous: Plan, remaining_ms: int = PLENTY_MS, prefix: str = "") -> Plan:
    """One call of PlanBatches for the inventory."""
    given, token = scope(inventory=ADDRESS, prefix=prefix), f"token-{previous.calls}"
    return continue_plan(PlanRequest(given, NO_RULES, SETTINGS, token, lambda: remaining_ms), previous)


@pytest.mark.usefixtures("small_runs")
def test_a_call_that_is_repeated_while_it_sorts_writes_the_same_runs(buckets: InventoriedBuckets) -> None:
    fill(buckets)
    buckets.inventory(buckets.rows())
    first = call(Plan(status="planning", folder="runs/i/plan/"), 0)
    assert first.inventory
    assert (first.status, first.inventory.status, first.inventory.runs) == ("planning", "sorting", 1)
    assert call(first, PLENTY_MS).inventory == call(call(first, 0), PLENTY_MS).inventory


@pytest.mark.usefixtures("small_runs")
@pytest.mark.parametrize("left", [[KeyRange("m/04", None)], [KeyRange("m/01", "m/02"), KeyRange("m/03", "m/05")]])
def test_what_is_left_is_divided_into_as_many_parts_as_all_of_it(
    buckets: InventoriedBuckets, left: list[KeyRange]
) -> None:
    fill(buckets)
    buckets.inventory(buckets.rows())
    source = InventorySource(scope(inventory=ADDRESS), SETTINGS.rules_bucket, SETTINGS.target_region, "runs/i/plan/")
    progress = source.continue_sorting(SortedInventory(), lambda: True)
    assert len(source.parts(progress, [KeyRange("", None)], 4)) >= 4
    assert len(source.parts(progress, left, 4)) >= 4


def test_of_versions_only_current_objects_are_planned(buckets: InventoriedBuckets) -> None:
    for key in ("now", "old", "deleted"):
        buckets.put(SOURCE, key)
    rows = [row | {"VersionId": "v", "IsLatest": "true", "IsDeleteMarker": "false"} for row in buckets.rows()]
    for row in rows:
        row["IsLatest"] = "false" if row["Key"] == "old" else "true"
        row["IsDeleteMarker"] = "true" if row["Key"] == "deleted" else "false"
        if row["Key"] == "deleted":
            row |= {"Size": "", "ETag": ""}
    buckets.inventory(rows, fields=(*FIELDS, "VersionId", "IsLatest", "IsDeleteMarker"))
    assert [line["key"] for line in buckets.lines(planned(scope(inventory=ADDRESS)))] == ["now"]


def test_of_a_key_that_is_listed_twice_the_later_one_counts(buckets: InventoriedBuckets) -> None:
    buckets.put(SOURCE, "a")
    (row,) = buckets.rows()
    newer = row | {"ETag": "e2", "LastModifiedDate": "2026-11-20T00:00:00.000Z"}
    buckets.inventory([newer, row])
    assert [line["etag"] for line in buckets.lines(planned(scope(inventory=ADDRESS)))] == ["e2"]


def test_parts_that_were_hashed_are_copied_by_an_execution(buckets: InventoriedBuckets) -> None:
    buckets.put(SOURCE, "parts", ChecksumAlgorithm=["SHA256"])
    rows = [row | {"IsMultipartUploaded": "true"} for row in buckets.rows()]
    buckets.inventory(rows, fields=(*FIELDS, "IsMultipartUploaded"))
    assert [tally.by_execution for tally in planned(scope(inventory=ADDRESS)).tallies] == [True]


def _cut(buckets: InventoriedBuckets) -> None:
    buckets.files["daily/data/0.csv.gz"] = buckets.files["daily/data/0.csv.gz"][:-12]


def _changed(buckets: InventoriedBuckets) -> None:
    buckets.files["daily/data/0.csv.gz"] = gzip.compress(gzip.decompress(buckets.files["daily/data/0.csv.gz"]) * 2)


BAD: dict[str, tuple[Callable[[InventoriedBuckets], Any], str]] = {
    "another bucket": (lambda it: it.inventory(it.rows(), sourceBucket="other"), "lists other, not ferry-source"),
    "no manifest": (lambda it: it.files.clear(), "does not exist"),
    "no JSON": (lambda it: it.files.update({MANIFEST: b"{"}), "is not the manifest"),
    "no files": (lambda it: it.inventory(it.rows(), files=None), "is not the manifest of an inventory: files"),
    "Parquet": (lambda it: it.inventory(it.rows(), fileFormat="Parquet"), "has the format Parquet"),
    "a field less": (lambda it: it.inventory(it.rows(), fileSchema="Bucket, Key, Size"), "LastModifiedDate, ETag"),
    "versions": (lambda it: it.inventory(it.rows(), fileSchema=", ".join([*FIELDS, "VersionId"])), "IsLatest"),
    "a lost file": (lambda it: it.files.pop("daily/data/0.csv.gz"), "is missing"),
    "a changed file": (_changed, "has the MD5"),
    "a cut file": (_cut, "cannot be read"),
    "no gzip": (lambda it: it.files.update({"daily/data/0.csv.gz": b"Key"}), "cannot be read after line 0"),
    "a row too short": (lambda it: it.inventory([{"Key": "a"}], fields=["Key"], fileSchema=",".join(FIELDS)), "line 0"),
    "no size": (lambda it: it.inventory([{**it.rows()[0], "Size": "x"}]), "cannot be read after line 0"),
    "no UTF-8": (lambda it: it.inventory([{**it.rows()[0], "Key": "%FF"}]), "cannot be read after line 0"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_inventory_is_one_line_and_plans_nothing(buckets: InventoriedBuckets, case: str) -> None:
    spoil, said = BAD[case]
    buckets.put(SOURCE, "a")
    buckets.inventory(buckets.rows())
    spoil(buckets)
    with pytest.raises(InventoryInvalid) as error:
        planned(scope(inventory=ADDRESS))
    assert said in str(error.value)
    assert INVENTORIES in str(error.value)
    assert "\n" not in str(error.value)
    assert not [key for key in buckets.written if "/inventory/" not in key]


def test_an_inventory_that_may_not_be_read_is_named(buckets: InventoriedBuckets) -> None:
    buckets.denied = True
    with pytest.raises(AccessDenied, match=ADDRESS):
        planned(scope(inventory=ADDRESS))


@pytest.mark.no_cover
def test_memory_does_not_grow_with_the_inventory(buckets: InventoriedBuckets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorted_runs, "RUN_OBJECTS", 500)
    monkeypatch.setattr(sorted_runs, "BLOCK_OBJECTS", 25)

    def peak_bytes(number: int) -> int:
        row = {"Bucket": SOURCE, "Size": "1", "LastModifiedDate": UPLOADED.isoformat(), "ETag": "e"}
        row |= {"StorageClass": "STANDARD", "ChecksumAlgorithm": ""}
        buckets.inventory([row | {"Key": f"{each * 7919 % number:06}"} for each in range(number)])
        buckets.written.clear()
        tracemalloc.start()
        try:
            assert planned(scope(inventory=ADDRESS)).objects == number
            return tracemalloc.get_traced_memory()[1] - sum(map(len, buckets.written.values()))
        finally:
            tracemalloc.stop()

    peak_bytes(100)  # It takes what is loaded only once.
    few, many = peak_bytes(1_000), peak_bytes(5_000)
    assert many < few * 1.3


@pytest.mark.skipif("FERRY_SOAK" not in os.environ, reason="a million keys: make soak")
def test_an_inventory_of_a_million_keys_takes_less_than_256_mb() -> None:
    command = [sys.executable, "-m", "tests.support.plan_of_inventory", "1000000"]
    ran = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    found = re.fullmatch(r"1000000 keys, [\d.]+ s, (\d+) MB\n", ran.stdout)
    assert found
    assert int(found[1]) < 256, "of the whole process"
