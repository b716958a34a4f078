"""An estimate is made of a plan's counts and of the prices in the docs."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ferry.estimates import prices
from ferry.estimates.estimate import Estimate, estimate
from functions.contract.bulk import Plan, PlanFolder, Tally

PAGE = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text(encoding="utf-8")
MILLION = 1_000_000
GB = 10**9


def plan(*tallies: Tally, batches: int = 0, **fields: Any) -> Plan:
    """A plan of these counts."""
    folders = [PlanFolder(name="a", batches=batches)]
    return Plan(status="planned", folder="runs/r/plan/", tallies=list(tallies), folders=folders, **fields)


def estimated(*tallies: Tally, batches: int = 0, crosses_regions: bool = False) -> Estimate:
    """The estimate of these counts."""
    return estimate(plan(*tallies, batches=batches), crosses_regions=crosses_regions)


def test_each_price_is_in_the_docs_with_its_page() -> None:
    listed = {
        (Decimal(price), Decimal((per or "1").replace(",", "")))
        for price, per in re.findall(
            r"^\| \$([\d.]+) \| (?:([\d,]+) )?", PAGE.split("## What it costs")[1], re.MULTILINE
        )
    }
    used = {
        prices.S3_WRITES: 1000,
        prices.S3_READS: 1000,
        prices.TRANSFERRED_GB: 1,
        prices.STATE_TRANSITION: 1000,
        prices.LAMBDA_REQUEST: MILLION,
        prices.LAMBDA_GB_SECOND: 1,
        prices.ATHENA_TB: 1,
    }
    assert {(price * per, Decimal(per)) for price, per in used.items()} - listed == set()
    assert f"List prices of {prices.REGION}" in PAGE
    assert "read in November 2026" in PAGE
    assert prices.READ_ON == "2026-11"


def test_a_million_small_objects_cost_less_than_seven_dollars() -> None:
    small = Tally(action="copy", reason="new", objects=MILLION, size_bytes=MILLION * 1000)
    found = estimated(small, batches=1000)
    assert (found.copying.writes, found.copying.reads) == (MILLION, 3 * MILLION)
    assert Decimal("6.2") < found.dollars < 7
    assert all(item.dollars > 0 for item in found.items if item.name in ("Lambda", "Step Functions"))


@pytest.mark.parametrize(
    ("tally", "writes", "reads"),
    [
        (Tally(action="done", reason="same_etag", objects=10, size_bytes=1), 0, 0),
        (Tally(action="skip", reason="archived", objects=10, size_bytes=1), 0, 0),
        (Tally(action="undecided", reason="not_comparable", objects=10, size_bytes=1), 10, 30),
        (Tally(action="move", reason="new", objects=10, size_bytes=1, reads=10), 10, 70),
        (Tally(action="move", reason="same_etag", objects=10, size_bytes=1, reads=10), 0, 110),
        (Tally(action="copy", reason="new", objects=10, size_bytes=1, files=10, reads=10), 10, 50),
        (Tally(action="move", reason="new", by_execution=True, objects=10, size_bytes=1, reads=10), 10, 70),
        (Tally(action="move", reason="same_etag", by_execution=True, objects=10, size_bytes=1, reads=10), 0, 70),
        # 16 parts of 128 MiB, one more at most, and two requests to begin and to complete.
        (
            Tally(action="copy", reason="new", by_execution=True, objects=1, in_parts=1, in_parts_bytes=2 * 1024**3),
            19,
            5,
        ),
    ],
)
def test_requests_follow_from_the_action(tally: Tally, writes: int, reads: int) -> None:
    found = estimated(tally, batches=1)
    assert (found.copying.writes, found.copying.reads) == (writes, reads)


def test_bytes_cost_only_between_regions_and_only_if_they_are_copied() -> None:
    tallies = (
        Tally(action="copy", reason="new", objects=1, size_bytes=GB),
        Tally(action="move", reason="same_etag", objects=1, size_bytes=GB),
        Tally(action="done", reason="same_etag", objects=1, size_bytes=GB),
    )
    near, far = estimated(*tallies), estimated(*tallies, crosses_regions=True)
    assert (near.transferred_bytes, far.transferred_bytes) == (0, GB)
    assert far.dollars - near.dollars == prices.TRANSFERRED_GB


def test_scans_cost_by_the_terabyte() -> None:
    one = Tally(action="copy", reason="new", objects=1, size_bytes=1)
    scanned = one.model_copy(update={"scanned_bytes": 1000 * GB})
    assert estimated(scanned).dollars - estimated(one).dollars == prices.ATHENA_TB


def test_a_plan_costs_what_it_requested_even_if_nothing_is_left_to_do() -> None:
    requests = {
        "ListObjectsV2": 2,
        "ListMultipartUploads": 1,
        "PutObject": 2,
        "HeadObject": 7,
        "GetObjectAttributes": 1,
    }
    found = estimate(plan(requests=requests), crosses_regions=True)
    assert (found.planning.writes, found.planning.reads) == (5, 8)
    assert found.dollars == 5 * prices.S3_WRITES + 8 * prices.S3_READS
    assert found.seconds == 0


def test_time_falls_with_the_number_of_slices_until_as_many_run_as_may() -> None:
    tally = Tally(action="copy", reason="new", objects=300_000, size_bytes=1)
    one, ten, twenty, many = (estimated(tally, batches=number).seconds for number in (1, 10, 20, 300))
    assert one > ten > twenty == many
