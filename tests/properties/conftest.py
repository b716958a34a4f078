"""The workflow engine of tests/workflow on an embedded cloud, for thousands of cases one after the other."""

import pytest

from tests.support.workflow.world import (  # noqa: F401 - fixtures
    clients_of_tests,
    cloud_outputs,
    interference_of_session,
    world,
)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much was tried: a suite of random cases that tries nothing passes too."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", []):
                if name == "cases":
                    terminalreporter.write_line(f"{report.nodeid}: {value}")
