"""Every permission of every policy is shown by a scenario, or docs/permissions.md names the page that demands it."""

from collections import Counter
from functools import cache

import botocore.session
import pytest

from tests.permissions.scenarios import QUEUE_POLICY, SCENARIOS
from tests.permissions.world import declared_permissions
from tests.support.permissions_page import PAGE_OF_AWS, Row, only_local, stars, unenforced
from tests.support.policies import Permission, Statement, statements

SHOWN = {permission for scenario in SCENARIOS for permission in scenario.without} | {QUEUE_POLICY}

BOTOCORE = {"states": "stepfunctions"}
"""Where botocore calls a service by another name than IAM."""

Place = tuple[str, str, Permission]
"""A policy, a statement of it, and one permission."""


def places(statement: Statement) -> set[Place]:
    """What one statement gives."""
    return {(statement.policy, statement.label, permission) for permission in statement.permissions}


@cache
def everywhere() -> set[Place]:
    """All that all policies give. Not read with this file: parsing the Terraform is two seconds of every worker."""
    return {place for statement in statements() for place in places(statement)}


IN_THE_TABLE = [
    (row.policy, row.statement, Permission(row.policy, action, row.where))
    for row in unenforced()
    for action in row.actions
]


def test_every_permission_is_shown_or_has_its_page() -> None:
    neither = {place for place in everywhere() if place[2] not in SHOWN} - set(IN_THE_TABLE)
    assert not neither, f"no scenario needs these, and docs/permissions.md names no page of AWS: {sorted(neither)}"


def test_what_is_shown_is_not_in_the_table() -> None:
    both = [place for place in IN_THE_TABLE if place[2] in SHOWN]
    assert not both, f"scenarios show these, so docs/permissions.md has no need to: {both}"


def test_what_is_shown_is_in_some_policy() -> None:
    stale = SHOWN - {permission for *_, permission in everywhere()}
    assert not stale, f"scenarios show what nobody has: {sorted(stale)}"


def test_every_row_is_in_some_policy_and_there_once() -> None:
    stale = set(IN_THE_TABLE) - everywhere()
    assert not stale, f"docs/permissions.md has rows of what nobody has: {sorted(stale)}"
    assert [place for place, times in Counter(IN_THE_TABLE).items() if times > 1] == []


def test_the_page_names_the_permissions_that_only_the_local_cloud_shows() -> None:
    """Those that the reference does not call like an operation, so that it does not say what needs them."""
    session = botocore.session.get_session()
    services = {permission.action.partition(":")[0] for permission in SHOWN}
    operations = {
        f"{service}:{operation}"
        for service in services
        for operation in session.get_service_model(BOTOCORE.get(service, service)).operation_names
    }
    assert only_local().keys() == {permission.action for permission in SHOWN} - operations


def test_the_policies_read_here_are_those_that_the_functions_are_given() -> None:
    functions = {permission.role for permission in declared_permissions()}
    assert {permission for *_, permission in everywhere() if permission.role in functions} == declared_permissions()


@pytest.mark.parametrize("row", unenforced(), ids=lambda row: f"{row.policy}-{row.statement}-{row.actions[0]}")
def test_a_row_names_a_page_of_aws_and_its_guide(row: Row) -> None:
    assert PAGE_OF_AWS.search(row.reason), row.reason


def test_a_star_stands_only_where_its_reason_is_documented() -> None:
    found = {
        (statement.policy, statement.label)
        for statement in statements()
        if statement.has_star or any("*" in a for a in statement.actions)
    }
    documented = [(row.policy, row.statement) for row in stars()]
    assert found - set(documented) == set(), (
        "a statement has * for an action or a resource, and docs/permissions.md no reason"
    )
    assert set(documented) - found == set(), "docs/permissions.md excuses a * that is not there"
    assert len(documented) == len(set(documented))


def test_a_star_that_allows_is_excused_by_a_page_of_aws() -> None:
    denying = {(statement.policy, statement.label) for statement in statements() if statement.denies}
    excuse, unfounded = "", []
    for row in stars():
        # "The same" as in the row above.
        excuse = excuse if row.reason.startswith("the same") else row.reason
        if (row.policy, row.statement) not in denying and not PAGE_OF_AWS.search(excuse):
            unfounded.append(row)
    assert unfounded == []


def test_only_what_denies_has_every_action() -> None:
    assert [
        statement
        for statement in statements()
        if any("*" in action for action in statement.actions) and not statement.denies
    ] == []
