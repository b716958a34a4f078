"""The alert of a run in which many objects fail: what a test notes, and what was sent."""

import json

import pytest

from functions.batches.failures import DIMENSION, METRIC, note_failures
from functions.batches.settings import BatchSettings
from functions.contract.batches import Outcome
from tests.unit.conftest import TARGET, TARGET_REGION

RESULTS = "ferry-results"
SETTINGS = BatchSettings(target_bucket=TARGET, target_region=TARGET_REGION, results_bucket=RESULTS)


def fail_objects(
    failed: int, slice_name: str = "other", kind: str = "copied", known: int = 0, run: str = "runs/r/0"
) -> None:
    """Note that so many objects of a slice have failed, after `known`."""
    failure = Outcome(key="a", status="failed", error="RequestRejected")
    well = Outcome(key="b", status="verified")
    slice_key = f"{run}/plan/{slice_name}.jsonl.gz"
    note_failures(SETTINGS, slice_key, kind, [well, *[failure] * known], [well, *[failure] * failed])


class Alerts:
    """The alerts that were sent."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def sent(self) -> int:
        """How many since the last look."""
        lines = [json.loads(line) for line in self._capsys.readouterr().out.splitlines() if METRIC in line]
        for line in lines:
            (directive,) = line["_aws"]["CloudWatchMetrics"]
            assert (directive["Namespace"], directive["Dimensions"]) == ("S3Ferry", [[DIMENSION]])
            assert line[DIMENSION] == RESULTS
        return len(lines)


@pytest.fixture
def alerts(capsys: pytest.CaptureFixture[str]) -> Alerts:
    """What is sent during a test."""
    return Alerts(capsys)
