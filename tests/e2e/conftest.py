"""The deployment that the tests use: an embedded cloud of their own, or the one that FERRY_TEST_OUTPUTS names.

What is done to a deployment that was given: it is cleaned of everything of these tests before and after them, and
tests that need a cloud of their own are left out, with the reason.
"""

import csv
import importlib.resources
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ferry.aws import sources
from infra.errors import InfraError
from infra.local import lifecycle
from infra.rules import loader
from tests.e2e.cleaning import clean
from tests.support.deployed.deployment import Deployed
from tests.support.deployed.names import MODES, MOVED, OWN_PREFIXES, new_folder
from tests.support.deployed.waiting import GIVEN, on_aws

MIGRATION = f"""
rules:
  - prefix: {MOVED}
    mode: move
  - prefix: /{MOVED}
    mode: move
"""

CRAWL_SECONDS = 0.5
"""How long a crawl lasts at least, where it is not the point: shorter than the workflow's first look at it."""


def pytest_configure(config: pytest.Config) -> None:
    """Know the marker for what cannot be done with just any deployment."""
    config.addinivalue_line("markers", "own_cloud(why): needs an embedded cloud of its own")


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Leave out what needs a cloud of its own where a deployment was given, and let the others reach it."""
    if not GIVEN:
        return
    for item in items:
        if Path(__file__).parent not in item.path.parents:
            continue
        own_cloud = item.get_closest_marker("own_cloud")
        if own_cloud:
            item.add_marker(pytest.mark.skip(reason=f"not with a deployment that was given: it {own_cloud.args[0]}"))
        elif on_aws():
            item.add_marker("enable_socket")


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A deployment with everything, known by its outputs file alone."""
    if not GIVEN:
        with _own_cloud(tmp_path_factory.mktemp("e2e")) as deployed:
            yield deployed
        return
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.fail(
            f"FERRY_TEST_OUTPUTS={GIVEN}: what one worker has done the other would clean away, "
            "so the tests must run one after the other: `pytest -n 0 tests/e2e`",
            pytrace=False,
        )
    try:
        deployed = Deployed(Path(GIVEN).absolute())
    except InfraError as error:
        pytest.fail(f"FERRY_TEST_OUTPUTS={GIVEN}: {error}", pytrace=False)
    _reject_unfit(deployed)
    clean(deployed)
    try:
        yield deployed
    finally:
        clean(deployed)


@pytest.fixture(scope="module")
def broken_deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A cloud for those tests alone that take something away from it."""
    with _own_cloud(tmp_path_factory.mktemp("broken")) as deployed:
        yield deployed


@pytest.fixture(scope="module")
def unhurried_deployment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    """The deployment that was given, or a cloud whose crawls take as long as everybody's."""
    if GIVEN:
        yield request.getfixturevalue("deployment")
        return
    with _own_cloud(tmp_path_factory.mktemp("unhurried"), crawl_seconds=None) as deployed:
        yield deployed


@contextmanager
def _own_cloud(folder: Path, crawl_seconds: float | None = CRAWL_SECONDS) -> Iterator[Deployed]:
    rules = folder / "migration.yaml"
    rules.write_text(MIGRATION)
    with ExitStack() as running:
        with pytest.MonkeyPatch.context() as patch:
            if crawl_seconds is not None:
                patch.setitem(lifecycle.SETTINGS, "FERRY_CRAWL_SECONDS", str(crawl_seconds))
            running.enter_context(lifecycle.running(folder / ".ferry", rules=loader.load(rules).rules))
        yield Deployed(folder / ".ferry" / "outputs.json")


def _reject_unfit(deployed: Deployed) -> None:
    """Fail, before anything is written, where the keys of these tests would not go to where they are looked for."""
    bucket = deployed.outputs.source_bucket
    whole = [
        source for source in sources.of(deployed.outputs).values() if source.bucket == bucket and not source.suffix
    ]
    for prefix in OWN_PREFIXES:
        if not any(sources.selects(source, prefix) for source in whole):
            pytest.fail(f"the source {bucket} does not tell of all keys that begin with {prefix}", pytrace=False)
    for key in (f"{prefix}any/any.csv" for prefix in OWN_PREFIXES):
        result = deployed.ferry("explain", key, "--json")
        assert result.returncode == 0, result.stderr
        explained = json.loads(result.stdout)
        wanted = {
            "outcome": "copy",
            "target_key": key,
            "storage_class": None,
            "minimum_grade": "any",
            "catalogue": True,
        }
        if {name: explained[name] for name in wanted} != wanted:
            pytest.fail(
                f"the rules of this deployment do not simply copy {key} ({explained['decided_by']}): begin them with "
                f"rules for the prefixes {' and '.join(OWN_PREFIXES)}",
                pytrace=False,
            )


@pytest.fixture
def folder() -> str:
    """A folder, and so a table, that no other test uses."""
    return new_folder()


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
