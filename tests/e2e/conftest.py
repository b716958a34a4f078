"""The deployment that the tests use: an embedded cloud of their own, or the one that FERRY_TEST_OUTPUTS names."""

import csv
import importlib.resources
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra import migration
from infra.local import cloud
from tests.e2e.deployed import GIVEN, MODES, MOVED, Deployed

MIGRATION = f"""
rules:
  - prefix: {MOVED}
    mode: move
  - prefix: /{MOVED}
    mode: move
"""


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A deployment with everything, known by its outputs file alone."""
    with _deployment(tmp_path_factory.mktemp("e2e")) as deployed:
        yield deployed


@pytest.fixture(scope="module")
def broken_deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A deployment for those tests alone that take something away from it."""
    with _deployment(tmp_path_factory.mktemp("broken")) as deployed:
        yield deployed


@contextmanager
def _deployment(folder: Path) -> Iterator[Deployed]:
    if GIVEN:
        if "PYTEST_XDIST_WORKER" in os.environ:
            pytest.fail(
                f"FERRY_TEST_OUTPUTS={GIVEN}: tests take permissions and code away from that deployment for a while, "
                "so they must run one after the other: `pytest -n 0 tests/e2e`",
                pytrace=False,
            )
        yield Deployed(Path(GIVEN).absolute())
        return
    rules = folder / "migration.yaml"
    rules.write_text(MIGRATION)
    with cloud.running(folder / ".ferry", rules=migration.load(rules).rules):
        yield Deployed(folder / ".ferry" / "outputs.json")


@pytest.fixture
def folder() -> str:
    """A folder, and so a table, that no other test uses."""
    return new_folder()


def new_folder() -> str:
    """Name a folder that nobody uses."""
    return f"e2e_{uuid.uuid4().hex[:8]}"


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest, deployment: Deployed) -> str:
    """Each mode in turn, as far as the deployment has rules for it."""
    if request.param == "move" and not deployment.moves:
        pytest.skip(f"no rule of this deployment moves what begins with {MOVED}")
    return str(request.param)


@pytest.fixture(scope="session")
def airports() -> bytes:
    """A real CSV file: 28,000 rows, quoted, with commas inside quotes."""
    return (importlib.resources.files("airportsdata") / "airports.csv").read_bytes()


@pytest.fixture(scope="session")
def airport_count(airports: bytes) -> int:
    """How many records the file of airports has, counted here."""
    return sum(1 for _ in csv.reader(airports.decode().splitlines())) - 1
