from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import local_server
from tests.support.local_server import Server
from tests.support.terraform.fake_terraform import checkout, signed_in, world  # noqa: F401 - fixtures


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The local cloud's server with nothing deployed in it, one for all tests of a process."""
    with local_server.running(tmp_path_factory.mktemp("it's a server")) as running:
        yield running


@pytest.fixture(scope="session")
def s3(server: Server) -> Any:
    """S3 with root's permissions."""
    return server.client("s3")
