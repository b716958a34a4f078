"""The fixtures of the workflow's engine."""

from tests.support.workflow.world import (  # noqa: F401 - fixtures
    clients_of_tests,
    cloud_outputs,
    interference_of_session,
    world,
)
