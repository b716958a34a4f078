"""The handlers' clients, answered by the model; and the share of the tests that a part of `make soak` runs."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from functions.copying import multipart
from functions.runtime import clients
from tests.model.explorer import TARGET, TARGET_REGION
from tests.model.player import Player
from tests.support.workflow.world import clients_of_tests, cloud_outputs  # noqa: F401 - fixtures


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of these tests leave every so many-th, where FERRY_SHARE=1/4 or the like says so."""
    if "FERRY_SHARE" not in os.environ:
        return
    share, shares = map(int, os.environ["FERRY_SHARE"].split("/"))
    own = [item for item in items if item.path.parent == Path(__file__).parent]
    others = {item for number, item in enumerate(own, 1) if number % shares != share % shares}
    config.hook.pytest_deselected(items=list(others))
    items[:] = [item for item in items if item not in others]


@pytest.fixture(scope="session")
def playing() -> tuple[boto3.Session, Player]:
    """Made once: reading the services' models takes a second."""
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test")
    return session, Player(session)


@pytest.fixture
def player(playing: tuple[boto3.Session, Player], monkeypatch: pytest.MonkeyPatch) -> Iterator[Player]:
    """What runs the handlers against the model."""
    session, player = playing
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TARGET_BUCKET", TARGET)
    monkeypatch.setenv("TARGET_REGION", TARGET_REGION)
    monkeypatch.setenv("RESULTS_BUCKET", "ferry-results")
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    # A line of JSON for each of a hundred thousand calls is most of the time.
    logging.disable(logging.CRITICAL)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
    # The order of two threads is not fixed, and each scenario is run again from its beginning.
    monkeypatch.setattr(multipart, "PARTS_AT_ONCE", 1)
    clients._client.cache_clear()
    yield player
    logging.disable(logging.NOTSET)
    clients._client.cache_clear()
