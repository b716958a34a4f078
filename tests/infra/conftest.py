import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.infra.lake import Lake
from tests.infra.local_workflows import Workflows, create_function
from tests.support import local_server
from tests.support.local_server import Server
from tests.support.terraform.fake_terraform import checkout, signed_in, world  # noqa: F401 - fixtures

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The local cloud's server with nothing deployed in it, one for all tests of a process."""
    with local_server.running(tmp_path_factory.mktemp("it's a server")) as running:
        yield running


@pytest.fixture(scope="session")
def s3(server: Server) -> Any:
    """S3 with root's permissions."""
    return server.client("s3")


@pytest.fixture
def lake(server: Server) -> Lake:
    return Lake.create(server, f"lake-{next(_numbers)}")


@pytest.fixture(scope="module")
def workflow_function(server: Server) -> str:
    """The function that the tasks of `workflows` call."""
    return create_function(server)


@pytest.fixture
def workflows(server: Server, workflow_function: str, tmp_path: Path) -> Workflows:
    return Workflows(server, workflow_function, tmp_path)
