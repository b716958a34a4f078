"""Which lines coverage traces: those that run while modules are imported, and in the functions' own tests.

The functions' own tests (tests/unit, without those of the `ferry` command) reach nearly all lines. Tracing makes every
line of every library several times slower, and the other tests run mostly those. Python 3.14 has a cheap tracer, which
coverage uses by itself there; before, that one cannot trace branches.

Nor is a call to AWS traced, inside of botocore and moto: that is most of what the functions' tests run. So the few
handlers of botocore's events in functions/runtime, which run there, count as lines that no test reaches.

pytest-cov has no interface for this, so its controller is paused and resumed: a version without these methods is
rejected with a message.
"""

import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient

UNIT = Path(__file__).parent / "unit"
NEEDED = ("started", "pause", "resume")
"""What is used of pytest-cov's controller (`pytest_cov.engine.CovController`)."""


def _untraced(call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def pausing(*arguments: Any, **named: Any) -> Any:
        tracer = sys.gettrace()
        if tracer is None:
            return call(*arguments, **named)
        sys.settrace(None)
        try:
            return call(*arguments, **named)
        finally:
            sys.settrace(tracer)

    return pausing


class Tracing:
    """Pauses pytest-cov from one file to the next, not for each test: it is on for the few that are to be traced."""

    def __init__(self, cov: Any) -> None:
        missing = [name for name in NEEDED if not hasattr(cov.cov_controller, name)]
        if missing:
            raise pytest.UsageError(
                f"pytest-cov's controller lacks {', '.join(missing)}, which tests/tracing.py uses to trace only some "
                "tests. Install the version of requirements/test.txt, or adapt tests/tracing.py."
            )
        self._cov = cov
        self._traced_tests = 0

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self) -> None:
        """Trace what the tests import: it is the same in every worker, so one does."""
        self._trace(os.environ.get("PYTEST_XDIST_WORKER") in (None, "gw0"))

    def pytest_collection_finish(self) -> None:
        """Everything is imported."""
        self._trace(False)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Trace this test, or pause."""
        self._trace(is_traced(item.path))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the traced tests, also those of pytest-xdist's workers."""
        file = report.nodeid.partition("::")[0]
        self._traced_tests += report.when == "call" and is_traced(UNIT.parents[1] / file)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name the reason of figures that mean nothing."""
        if not self._traced_tests:
            terminalreporter.write_line(
                "These coverage figures mean nothing: only the functions' tests in tests/unit are traced, and none of "
                "them ran. Add tests/unit, or omit --cov.",
                yellow=True,
            )

    def _trace(self, wanted: bool) -> None:
        # pytest-cov replaces its controller when the session starts.
        controller = self._cov.cov_controller
        if controller.started != wanted:
            controller.resume() if wanted else controller.pause()


def is_traced(file: Path) -> bool:
    """Whether the tests of a file are traced."""
    return UNIT in file.parents and not file.name.startswith("test_ferry_")


def pytest_configure(config: pytest.Config) -> None:
    """Take the tracing over, where lines are traced."""
    plugin: Any = config.pluginmanager.getplugin("_cov")
    if plugin is None or plugin.cov_controller is None:
        return
    tracing = Tracing(plugin)
    BaseClient._make_api_call = _untraced(BaseClient._make_api_call)  # type: ignore[attr-defined]
    if config.getoption("numprocesses", None) or "PYTEST_XDIST_WORKER" in os.environ:
        # The controller runs no test. A worker's first tracer is its second one's double (pytest-cov starts that with
        # the session), is heard by nobody, and runs whenever the other one pauses.
        plugin.cov_controller.pause()
    config.pluginmanager.register(tracing)
