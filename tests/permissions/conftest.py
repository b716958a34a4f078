"""A cloud for the tests of the roles, and the table of what shows that a permission is needed."""

from collections.abc import Iterator

import pytest

from tests.permissions import audit_scenarios
from tests.permissions import world as worlds
from tests.permissions.world import World

SHOWN = "needed permission"
REGISTERED = (audit_scenarios,)
"""Modules that are imported for their scenarios."""


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A deployment whose functions are called one at a time."""
    with worlds.running(tmp_path_factory.mktemp("permissions")) as running:
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print each permission of a role beside the test that fails without it."""
    shown = sorted(
        (row, report.nodeid)
        for report in terminalreporter.stats.get("passed", [])
        for name, row in getattr(report, "user_properties", [])
        if name == SHOWN
    )
    if shown:
        terminalreporter.section("permissions, and the test that fails without each")
    for row, nodeid in shown:
        terminalreporter.write_line(f"{row} {nodeid}")
