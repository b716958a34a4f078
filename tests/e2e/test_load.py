"""`make load` measures what it says, and fails when an upload did."""

import csv
from dataclasses import replace

import pytest

from tests.load.run import Burst, Warm, burst, split_airports, warm
from tests.support.deployed.deployment import Deployed

BURST = Burst(
    uploads=1000, seconds=83.26, statuses={"SUCCEEDED": 1000}, crawls=1, peak_bytes=1_215_000_000, messages_left=0
)


def test_the_airports_are_split_without_loss(airports: bytes) -> None:
    header, *rows = csv.reader(airports.decode().splitlines())
    files = [list(csv.reader(file.decode().splitlines())) for file in split_airports(7)]
    assert [file[0] for file in files] == [header] * 7
    assert sorted(row for file in files for row in file[1:]) == sorted(rows)


def test_the_figures_of_a_burst() -> None:
    assert BURST.succeeded
    assert [value for _, value in BURST.rows()] == [
        "1,000, 10 at a time",
        "1,000 SUCCEEDED, 0 FAILED",
        "83.3 s from the first upload to the end of the last execution",
        "1",
        "1,215 MB in all processes of the cloud",
        "0",
    ]


@pytest.mark.parametrize(
    "other",
    [
        replace(BURST, statuses={"SUCCEEDED": 999, "FAILED": 1}),
        replace(BURST, statuses={"SUCCEEDED": 999}),
        replace(BURST, statuses={"SUCCEEDED": 999, "RUNNING": 1}),
        replace(BURST, messages_left=1),
    ],
    ids=["failed", "lost", "running", "left"],
)
def test_a_burst_that_left_anything_has_not_succeeded(other: Burst) -> None:
    assert not other.succeeded


def test_a_warm_upload_that_failed_has_not_succeeded() -> None:
    assert Warm([0.5], ["SUCCEEDED"], 1).succeeded
    assert not Warm([0.5, 0.5], ["SUCCEEDED", "FAILED"], 2).succeeded


@pytest.mark.own_cloud("measures the processes of a cloud on this machine")
def test_a_small_burst_is_measured(deployment: Deployed, folder: str) -> None:
    result = burst(deployment, 3, folder)
    assert result.succeeded, result
    assert result.crawls >= 1
    assert result.seconds > 0
    assert result.peak_bytes > 0
    after = warm(deployment, folder)
    assert (after.succeeded, len(after.seconds), after.crawls_spared) == (True, 5, 5), after
