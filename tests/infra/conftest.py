import itertools
from collections.abc import Iterator

import pytest

from tests.infra import local_server
from tests.infra.lake import Lake
from tests.infra.local_server import Server

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The local cloud's server with nothing deployed in it, one for all tests of a process."""
    with local_server.running(tmp_path_factory.mktemp("it's a server")) as running:
        yield running


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
