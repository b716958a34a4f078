"""Which errors are retried, how often, and how long the pauses are."""

import inspect
import threading

import pytest
from moto.stepfunctions.parser.asl.component.common.retry import jitter_strategy_decl

from functions.runtime import errors
from statemachine.retries import CRASHES_AND_TIMEOUTS, SERVICE_ERRORS, THROTTLES
from tests.support.workflow.interference import fail_with
from tests.support.workflow.machine import RETRIES_AFTER_FAILURE
from tests.support.workflow.world import World

LONGEST_PAUSES_AFTER_THROTTLE = [2, 6, 18, 54, 162, 486, 1458, 3600, 3600, 3600]
RETRIES_AFTER_THROTTLE = len(LONGEST_PAUSES_AFTER_THROTTLE)
LONGEST_PAUSES_AFTER_FAILURE = [2, 6, 18, 54]
FAILURES = [*SERVICE_ERRORS, *(error for error in CRASHES_AND_TIMEOUTS if error != "States.Timeout")]
PERMANENT = sorted(
    name
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, errors.FerryError) and name not in {"FerryError", "Throttled"}
)


class HighestDraw:
    """Stands where the interpreter draws its jitter, and draws the longest pause."""

    @staticmethod
    def uniform(_shortest: float, longest: float) -> float:
        return longest


@pytest.mark.parametrize("error", THROTTLES)
def test_a_throttle_is_retried_for_hours(world: World, error: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jitter_strategy_decl, "random", HighestDraw)
    world.lambdas.fail("copy_object", [error] * RETRIES_AFTER_THROTTLE)
    ended = world.machine.run(world.upload("a.png", b"a"), "throttled")
    assert ended.status == "SUCCEEDED"
    assert world.calls("copy_object") == 1 + RETRIES_AFTER_THROTTLE
    assert world.clock.pauses == LONGEST_PAUSES_AFTER_THROTTLE


def test_the_pauses_are_drawn_so_that_not_all_come_again_at_once(world: World) -> None:
    world.lambdas.fail("copy_object", ["Throttled"] * RETRIES_AFTER_THROTTLE)
    assert world.machine.run(world.upload("a.png", b"a"), "throttled").status == "SUCCEEDED"
    pauses = world.clock.pauses
    assert [pause for pause, most in zip(pauses, LONGEST_PAUSES_AFTER_THROTTLE, strict=True) if pause > most] == []
    assert len(set(pauses)) == RETRIES_AFTER_THROTTLE


@pytest.mark.parametrize("error", THROTTLES)
def test_a_throttle_that_does_not_pass_fails_and_a_redrive_goes_on(world: World, error: str) -> None:
    world.lambdas.fail("copy_object", [error] * (1 + RETRIES_AFTER_THROTTLE))
    failed = world.machine.run(world.upload("a.png", b"a"), "throttled")
    assert (failed.failed_state, failed.error) == ("CopyObject", error)
    assert world.calls("copy_object") == 1 + RETRIES_AFTER_THROTTLE
    assert world.machine.redrive(failed).status == "SUCCEEDED"


def test_s3_asking_to_slow_down_is_a_throttle(world: World) -> None:
    left = [fail_with("SlowDown", "HeadObject")] * 2

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


@pytest.mark.parametrize("error", FAILURES)
def test_a_failure_of_lambda_and_a_crash_are_retried_for_a_minute(
    world: World, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jitter_strategy_decl, "random", HighestDraw)
    world.lambdas.fail("verify_checksum", [error] * RETRIES_AFTER_FAILURE)
    ended = world.machine.run(world.upload("a.png", b"a"), "crashed")
    assert ended.status == "SUCCEEDED"
    assert world.calls("verify_checksum") == 1 + RETRIES_AFTER_FAILURE
    assert world.clock.pauses == LONGEST_PAUSES_AFTER_FAILURE


@pytest.mark.parametrize("error", ["Lambda.AWSLambdaException", "Runtime.ExitError"])
def test_a_failure_that_happens_again_and_again_fails_and_a_redrive_goes_on(world: World, error: str) -> None:
    world.lambdas.fail("verify_checksum", [error] * (1 + RETRIES_AFTER_FAILURE))
    failed = world.machine.run(world.upload("a.png", b"a"), "crashed")
    assert (failed.failed_state, failed.error) == ("VerifyChecksum", error)
    assert world.machine.redrive(failed).status == "SUCCEEDED"


def test_throttles_and_failures_have_their_own_retries(world: World) -> None:
    errors = [*["Runtime.ExitError", "Throttled"] * RETRIES_AFTER_FAILURE, "Throttled"]
    world.lambdas.fail("copy_object", errors)
    assert world.machine.run(world.upload("a.png", b"a"), "both").status == "SUCCEEDED"
    assert world.calls("copy_object") == 1 + len(errors)


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
    second = threading.Event()
    invocations: list[None] = []

    def hold_the_first_until_the_second() -> None:
        invocations.append(None)
        if len(invocations) == 1:
            world.clock.time_out_tasks()
            assert second.wait(30)
        else:
            second.set()

    world.lambdas.before["copy_object"] = hold_the_first_until_the_second
    ended = world.machine.run(world.upload("a.png", b"a"), "slow")
    assert ended.status == "SUCCEEDED"
    assert len(invocations) == 2
    assert world.versions("a.png") == 1
