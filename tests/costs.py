"""Prints the cost of a test run: wall time and processor time, with all child processes."""

import os
import resource
import time

import pytest

_BEGAN = time.monotonic()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print it once, in pytest-xdist's controller, which has waited for all workers."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    seconds = sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )
    terminalreporter.write_line(f"{time.monotonic() - _BEGAN:.0f} s, {seconds:.0f} CPU-seconds with all processes")
