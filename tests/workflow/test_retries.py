"""Which errors are retried, how often, and how long the pauses are."""

import inspect
import threading

import pytest

from functions.common import errors
from statemachine.definition import CRASHES_AND_TIMEOUTS, THROTTLES_AND_SERVICE_ERRORS
from tests.workflow.conftest import World
from tests.workflow.interference import refuse

RETRIES_AFTER_THROTTLE = 6
RETRIES_AFTER_CRASH = 2
PERMANENT = sorted(
    name
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, errors.FerryError) and name not in {"FerryError", "Throttled"}
)


@pytest.mark.parametrize("error", THROTTLES_AND_SERVICE_ERRORS)
def test_a_throttle_is_retried_six_times_with_growing_pauses(world: World, error: str) -> None:
    world.lambdas.fail("copy_object", [error] * RETRIES_AFTER_THROTTLE)
    ended = world.machine.run(world.upload("a.png", b"a"), "throttled")
    assert ended.status == "SUCCEEDED"
    assert world.calls("copy_object") == 1 + RETRIES_AFTER_THROTTLE
    pauses = world.clock.pauses
    assert len(pauses) == RETRIES_AFTER_THROTTLE
    assert [pause for number, pause in enumerate(pauses) if pause > min(60, 2**number)] == []
    assert sum(pauses) > 1, "they grow: full jitter makes six pauses of less than a second each no accident"


@pytest.mark.parametrize("error", ["Throttled", "Lambda.TooManyRequestsException"])
def test_a_throttle_that_does_not_pass_fails_and_a_redrive_goes_on(world: World, error: str) -> None:
    world.lambdas.fail("copy_object", [error] * (1 + RETRIES_AFTER_THROTTLE))
    failed = world.machine.run(world.upload("a.png", b"a"), "throttled")
    assert (failed.failed_state, failed.error) == ("CopyObject", error)
    assert world.calls("copy_object") == 1 + RETRIES_AFTER_THROTTLE
    assert world.machine.redrive(failed).status == "SUCCEEDED"


def test_s3_asking_to_slow_down_is_a_throttle(world: World) -> None:
    left = [refuse("SlowDown", "HeadObject")] * 2

    def slow_down(given: dict[str, object]) -> None:
        if left:
            left.pop()(given)

    world.interference.before["s3.HeadObject"] = slow_down
    ended = world.machine.run(world.upload("a.png", b"a"), "slowed")
    assert ended.status == "SUCCEEDED"
    assert [call.error for call in world.lambdas.calls if call.function == "copy_object"] == [
        "Throttled",
        "Throttled",
        None,
    ]


@pytest.mark.parametrize("error", [error for error in CRASHES_AND_TIMEOUTS if error != "States.Timeout"])
def test_a_crash_is_retried_twice(world: World, error: str) -> None:
    world.lambdas.fail("verify_checksum", [error] * RETRIES_AFTER_CRASH)
    ended = world.machine.run(world.upload("a.png", b"a"), "crashed")
    assert ended.status == "SUCCEEDED"
    assert world.calls("verify_checksum") == 1 + RETRIES_AFTER_CRASH


def test_a_crash_that_happens_again_and_again_fails_and_a_redrive_goes_on(world: World) -> None:
    world.lambdas.fail("verify_checksum", ["Runtime.ExitError"] * (1 + RETRIES_AFTER_CRASH))
    failed = world.machine.run(world.upload("a.png", b"a"), "crashed")
    assert (failed.failed_state, failed.error) == ("VerifyChecksum", "Runtime.ExitError")
    assert world.machine.redrive(failed).status == "SUCCEEDED"


def test_throttles_and_crashes_have_their_own_retries(world: World) -> None:
    world.lambdas.fail("copy_object", ["Runtime.ExitError", "Throttled", "Runtime.ExitError", "Throttled"])
    assert world.machine.run(world.upload("a.png", b"a"), "both").status == "SUCCEEDED"
    assert world.calls("copy_object") == 5


@pytest.mark.parametrize("error", PERMANENT)
def test_a_permanent_error_is_never_retried(world: World, error: str) -> None:
    world.lambdas.fail("copy_object", [error])
    failed = world.machine.run(world.upload("a.png", b"a"), "permanent")
    assert (failed.status, failed.failed_state, failed.error) == ("FAILED", "CopyObject", error)
    assert world.calls("copy_object") == 1


def test_an_error_that_nobody_thought_of_is_not_retried(world: World) -> None:
    world.lambdas.fail("copy_object", ["KeyError"])
    assert world.machine.run(world.upload("a.png", b"a"), "surprise").error == "KeyError"
    assert world.calls("copy_object") == 1


def test_a_task_that_takes_too_long_is_run_again_beside_the_first(world: World) -> None:
    """The first call is still under way when the second one copies: the file arrives once."""
    world.machine.timeout_seconds["CopyObject"] = 2
    second = threading.Event()
    invocations: list[None] = []

    def hold_the_first_until_the_second() -> None:
        invocations.append(None)
        if len(invocations) == 1:
            second.wait(30)
        else:
            second.set()

    world.lambdas.before["copy_object"] = hold_the_first_until_the_second
    ended = world.machine.run(world.upload("a.png", b"a"), "slow")
    assert ended.status == "SUCCEEDED"
    assert len(invocations) == 2
    assert world.versions("a.png") == 1
