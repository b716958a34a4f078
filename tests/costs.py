"""What a run has cost, in the lines before the last: wall time and processor time, that of every child included."""

import os
import resource
import time

import pytest

_BEGAN = time.monotonic()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it once, where all workers have ended: pytest-xdist's controller has waited for them."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    seconds = sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )
    terminalreporter.write_line(f"{time.monotonic() - _BEGAN:.0f} s, {seconds:.0f} CPU-seconds with all processes")
