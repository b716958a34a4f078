"""How large a backfill may be: each limit, and which one a run of a billion objects exceeds."""

import tracemalloc

import pytest

from ferry.estimates import scale, scale_page
from ferry.estimates.scale import LIMITS, ScaleRun, exceeded, largest
from functions.contract.bulk import PlanFolder
from functions.planning.slices import BATCH, pointers

OF_ONE_PREFIX = "HEAD requests a second at the source, all keys under one prefix"
RECONCILING = "calls of ReconcileReport, in each round"
FAILING = {limit.name for limit in LIMITS if "run fails" in limit.beyond}


@pytest.mark.parametrize("objects", [1, 10**3, 10**5, 10**7, 10**8])
def test_no_backfill_of_up_to_a_hundred_million_objects_fails_by_a_limit(objects: int) -> None:
    assert exceeded(ScaleRun(objects)) & FAILING == set()
    assert exceeded(ScaleRun(objects)) <= {OF_ONE_PREFIX, RECONCILING}


def test_a_billion_objects_exceed_limits_of_our_own_and_none_of_aws_that_ends_a_run() -> None:
    found = {limit.name: limit.source for limit in LIMITS if limit.name in exceeded(ScaleRun(10**9)) & FAILING}
    assert found
    assert all(source.startswith("our own") for source in found.values()), found


def test_ranges_that_are_planned_at_once_take_a_billion_keys_in_less_than_a_day() -> None:
    run = ScaleRun(10**9)
    assert "calls of PlanBatches" not in exceeded(run)
    assert run.plan_seconds < 86400 < 10**9 / scale.KEYS_PER_SECOND


def test_the_largest_run_is_within_its_limit_and_the_next_one_is_not() -> None:
    for limit in LIMITS:
        objects = largest(limit)
        assert limit.holds(ScaleRun(objects)), limit.name
        assert objects == scale.ANY or not limit.holds(ScaleRun(objects + 1)), limit.name


def test_the_memory_of_the_list_of_slices_is_what_is_assumed() -> None:
    slices = 5000
    folder = PlanFolder(name=scale.CALL, batches=slices)
    tracemalloc.start()
    try:
        size_bytes = len(pointers(scale.RUN, [folder], BATCH))
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes / slices <= scale.POINTER_MEMORY_BYTES
    assert size_bytes == ScaleRun(slices * 1000).pointers_bytes


def test_a_billion_objects_cost_less_than_seven_dollars_a_million() -> None:
    assert 6000 < ScaleRun(10**9).dollars < 7000


def test_the_page_is_up_to_date() -> None:
    text = scale_page.PAGE.read_text(encoding="utf-8")
    assert scale_page.render(text) == text, "run: make diagram"
