"""Each role needs all that it has: with all of it each scenario goes well, without any one permission one fails."""

from collections.abc import Callable

import pytest

from tests.permissions.conftest import SHOWN
from tests.permissions.scenarios import NAMED, QUEUE_POLICY, SCENARIOS, Scenario
from tests.permissions.world import World
from tests.support.policies import Permission

ABLATIONS = sorted(
    ((permission, scenario) for scenario in SCENARIOS for permission in scenario.without), key=lambda pair: pair[0]
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.name for scenario in SCENARIOS])
def test_with_all_permissions_all_goes_well(world: World, scenario: Scenario) -> None:
    assert scenario.outcome(world).startswith(scenario.gives)


@pytest.mark.parametrize(("permission", "scenario"), ABLATIONS, ids=[str(permission) for permission, _ in ABLATIONS])
def test_without_the_permission_it_fails(
    world: World, permission: Permission, scenario: Scenario, record_property: Callable[[str, object], None]
) -> None:
    with world.taken(permission):
        outcome = scenario.outcome(world)
    expected = scenario.without[permission]
    if expected == NAMED:
        assert outcome.startswith("AccessDenied: ")
        assert f"not authorized to perform: {permission.action} " in outcome
    else:
        assert outcome.startswith(expected)
    record_property(SHOWN, as_row(permission))


def test_without_its_policy_the_queue_takes_nothing_from_the_topic(
    world: World, record_property: Callable[[str, object], None]
) -> None:
    with world.queue_policy_taken():
        world.publish("denied")
    world.publish("allowed")
    assert world.dead_letters_until("allowed") == ["allowed"]
    record_property(SHOWN, as_row(QUEUE_POLICY))


def as_row(permission: Permission) -> str:
    """A permission, for the table at the end."""
    return f"{permission.role:<21} {permission.action:<36} {permission.where:<8}"
