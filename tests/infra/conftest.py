import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.infra.lake import Lake
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
    name = f"lake-{next(_numbers)}"
    for bucket in (name, f"{name}-results"):
        server.client("s3").create_bucket(Bucket=bucket)
    server.client("glue").create_database(DatabaseInput={"Name": name})
    server.client("athena").create_work_group(
        Name=name,
        Configuration={
            "ResultConfiguration": {"OutputLocation": f"s3://{name}-results/some/"},
            "EnforceWorkGroupConfiguration": True,
        },
    )
    return Lake(server, name)
