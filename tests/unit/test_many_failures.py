"""A run in which many objects fail sends its alert once, while it still runs."""

import pytest

from functions.batches.failures import MANY_FAILURES
from tests.unit.alerts import RESULTS, Alerts, alerts, fail_objects
from tests.unit.conftest import Cloud, ErrorResponse

__all__ = ["alerts"]


@pytest.fixture
def cloud(cloud: Cloud) -> Cloud:
    """With the results bucket."""
    cloud.target.create_bucket(Bucket=RESULTS)
    return cloud


@pytest.mark.usefixtures("cloud")
def test_the_slices_of_a_run_are_added_up_and_the_alert_is_sent_once(alerts: Alerts) -> None:
    fail_objects(MANY_FAILURES - 10, "a/batch-00000")
    # A call that is repeated, or continues, counts nothing twice; what other runs fail by counts there.
    fail_objects(MANY_FAILURES - 10, "a/batch-00000")
    fail_objects(1, "a/batch-00000", known=MANY_FAILURES - 11)
    fail_objects(9, "a/batch-00000", run="runs/another/0")
    fail_objects(9, "a/batch-00000", kind="verified")
    assert alerts.sent() == 0
    fail_objects(1, "a/batch-00001")
    assert alerts.sent() == 1
    fail_objects(MANY_FAILURES, "a/batch-00002")
    assert alerts.sent() == 0


@pytest.mark.usefixtures("cloud")
def test_many_slices_with_a_failure_each_are_found_in_one_listing(alerts: Alerts) -> None:
    for number in range(MANY_FAILURES - 1):
        fail_objects(1, f"a/batch-{number:05}")
    assert alerts.sent() == 0
    fail_objects(1, "z/batch-00000")
    assert alerts.sent() == 1


@pytest.mark.usefixtures("cloud")
def test_what_fails_again_in_a_later_round_is_no_other_object(alerts: Alerts) -> None:
    fail_objects(MANY_FAILURES // 2, "a/batch-00000")
    fail_objects(MANY_FAILURES // 2, "round-1/batch/a/batch-00000")
    assert alerts.sent() == 0


def test_an_alert_that_cannot_be_sent_fails_nothing(cloud: Cloud, alerts: Alerts) -> None:
    for denied in ("PutObject", "ListObjectsV2"):
        cloud.hooks.answer(denied, ErrorResponse("AccessDenied"))
        fail_objects(MANY_FAILURES)
    assert alerts.sent() == 0
    fail_objects(MANY_FAILURES)
    assert alerts.sent() == 1
