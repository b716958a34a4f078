"""For every test: no credentials are looked for on the network, and what libraries make again and again is made once.

Lines are traced while modules are imported and in the functions' own tests alone (tests/unit, without those of the
`ferry` command), which reach nearly all of them: tracing makes every line of every library several times slower, and
the other tests run mostly those. Python 3.14 has a cheap tracer, which coverage takes there by itself; before, that one
cannot tell branches.
"""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import botocore.useragent
import hypothesis
import moto.core.models
import pytest

pytest_plugins = ["tests.scheduling", "tests.costs"]

# Else botocore asks the instance metadata service at 169.254.169.254 where it finds no credentials. A deployment that
# the end-to-end tests are given may be reached by just those.
if not os.environ.get("FERRY_TEST_OUTPUTS"):
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

# How long an example takes depends on what else runs.
hypothesis.settings.register_profile("ferry", deadline=None)
hypothesis.settings.load_profile("ferry")

UNIT = Path(__file__).parent / "unit"


class Tracing:
    """Pauses pytest-cov from one file to the next, not for each test: it is on for the few that are to be traced."""

    def __init__(self, cov: Any) -> None:
        self._cov = cov

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self) -> None:
        """Trace what the tests import: it is the same in every worker, so one does."""
        self._trace(os.environ.get("PYTEST_XDIST_WORKER") in (None, "gw0"))

    def pytest_collection_finish(self) -> None:
        """Everything is imported."""
        self._trace(False)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Trace this test, or none."""
        self._trace(UNIT in item.path.parents and not item.path.name.startswith("test_ferry_"))

    def _trace(self, wanted: bool) -> None:
        controller = self._cov.cov_controller
        if controller.started != wanted:
            controller.resume() if wanted else controller.pause()


def pytest_configure(config: pytest.Config) -> None:
    """Take the tracing over, where lines are traced."""
    cov: Any = config.pluginmanager.getplugin("_cov")
    if cov is None or cov.cov_controller is None:
        return
    if config.getoption("numprocesses", None) or "PYTEST_XDIST_WORKER" in os.environ:
        # The controller runs no test. A worker's first tracer is its second one's double (pytest-cov starts that with
        # the session), is heard by nobody, and runs whenever the other one pauses.
        cov.cov_controller.pause()
    config.pluginmanager.register(Tracing(cov))


@pytest.fixture(scope="session", autouse=True)
def _once() -> Iterator[None]:
    """Have each service's model read once a process, not once a session of boto3, and the client's name but once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", cache(botocore.session.create_loader))
        sanitized = cache(botocore.useragent.sanitize_user_agent_string_component)
        patch.setattr(botocore.useragent, "sanitize_user_agent_string_component", sanitized)
        # Thousands of patterns for every mock_aws, for a library that nothing here sends by.
        patch.setattr(moto.core.models, "RESPONSES_METHODS", [])
        yield
