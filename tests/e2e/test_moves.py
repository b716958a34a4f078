"""A move ends as a copy does, with the source gone; and whatever goes wrong on the way, the source is still there."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from infra import migration
from infra.local import cloud
from tests.e2e import test_formats, test_keys
from tests.e2e.deployed import GIVEN, Deployed, Run
from tests.e2e.test_failures import BODY, CHECK, added, corrupting
from tests.e2e.test_formats import files  # noqa: F401 - a fixture

MIGRATION = 'rules:\n  - {prefix: "", mode: move}\n'
ODD_KEYS = [*test_keys.NAMES, "leading-slash", "longest", "longest-unicode"]
FORMATS = [*test_formats.TABLES, test_formats.PARTITIONED, "photo.png"]


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A cloud of its own that moves everything."""
    if GIVEN:
        pytest.skip("its rules are not that deployment's")
    folder = tmp_path_factory.mktemp("moves")
    rules = folder / "migration.yaml"
    rules.write_text(MIGRATION)
    with cloud.running(folder / ".ferry", rules=migration.load(rules).rules):
        yield Deployed(folder / ".ferry" / "outputs.json")


def is_at_source(moving: Deployed, key: str) -> bool:
    """Whether the source has the object."""
    listed = moving.source.list_objects_v2(Bucket=moving.outputs.source_bucket, Prefix=key)
    return any(found["Key"] == key for found in listed.get("Contents", []))


def assert_moved(moving: Deployed, run: Run, body: bytes) -> None:
    """Proved by reading, at the target, and only there."""
    assert (run.status, run.cause) == ("SUCCEEDED", "")
    assert run.document["verification"]["grade"] == "readback"
    assert run.states["deletion"] == "deleted"
    assert moving.arrived(run.key) == body
    assert not is_at_source(moving, run.key)
    assert len(moving.versions(run.key)) == 1
    assert len(moving.execution_names(run.key)) == 1


@pytest.fixture(scope="module")
def odd_keys() -> dict[str, str]:
    """Each key by what is odd in it."""
    folder = f"e2e_{uuid.uuid4().hex[:8]}"
    keys = {odd: f"{folder}/{odd}/{name}" for odd, name in test_keys.NAMES.items()}
    keys["leading-slash"] = f"/{folder}/leading"
    keys["longest"] = f"{folder}/".ljust(1024, "k")
    keys["longest-unicode"] = f"{folder}/" + "ü" * ((1024 - len(folder) - 1) // 2)
    return keys


@pytest.fixture(scope="module")
def runs_of_odd_keys(moving: Deployed, odd_keys: dict[str, str]) -> dict[str, Run]:
    """All of them uploaded at once, and moved."""
    for key in odd_keys.values():
        moving.put(key, key.encode())
    return {run.key: run for run in moving.runs(odd_keys.values())}


@pytest.mark.parametrize("odd", ODD_KEYS)
def test_object_with_this_key_is_moved(
    odd: str, moving: Deployed, odd_keys: dict[str, str], runs_of_odd_keys: dict[str, Run]
) -> None:
    key = odd_keys[odd]
    assert_moved(moving, runs_of_odd_keys[key], key.encode())


@pytest.fixture(scope="module")
def runs_of_formats(moving: Deployed, files: dict[str, bytes]) -> dict[str, Run]:  # noqa: F811 - the fixture
    """A file of each format, moved."""
    keys = {name: f"e2e_{uuid.uuid4().hex[:8]}/{name}" for name in files}
    for name, body in files.items():
        moving.put(keys[name], body)
    ended = {run.key: run for run in moving.runs(keys.values())}
    return {name: ended[key] for name, key in keys.items()}


@pytest.mark.parametrize("name", FORMATS)
def test_file_of_this_format_is_moved(
    name: str,
    moving: Deployed,
    files: dict[str, bytes],  # noqa: F811 - the fixture
    runs_of_formats: dict[str, Run],
    airport_count: int,
) -> None:
    run = runs_of_formats[name]
    assert_moved(moving, run, files[name])
    if name != "photo.png":
        validation = run.document["validation"]
        assert (validation["status"], validation["rows"]) == ("passed", airport_count)


Fault = Callable[[Deployed], AbstractContextManager[None]]


def without(function: str, action: str) -> Fault:
    """The function's role without a permission."""
    return lambda moving: moving.permission_removed(f"{moving.outputs.name}-{function}", action)


def with_code(function: str, change: Callable[[bytes], bytes]) -> Fault:
    """The function with other code."""
    return lambda moving: moving.code_replaced(f"{moving.outputs.name}-{function}", change)


FAULTS: dict[str, tuple[Fault, str]] = {
    "copy-denied": (without("copy-object", "s3:PutObject"), "AccessDenied"),
    "tags-denied": (without("copy-object", "s3:GetObjectTagging"), "AccessDenied"),
    "copies-corrupted": (with_code("copy-object", corrupting), "ChecksumMismatchPersists"),
    "proof-denied": (without("verify-checksum", "s3:GetObject"), "AccessDenied"),
    "crawler-fails": (lambda moving: moving.policy_removed(f"{moving.outputs.name}-crawler"), "CrawlerFailed"),
    "rows-offend": (
        with_code("run-validation-query", added("functions/checks/no_missing_berth.sql", CHECK)),
        "ValidationFailed",
    ),
    "query-denied": (without("run-validation-query", "athena:StartQueryExecution"), "AccessDenied"),
    "deletion-denied": (without("delete-source", "s3:DeleteObject"), "AccessDenied"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_source_is_there_after_this_fault_and_is_moved_once_it_is_mended(fault: str, moving: Deployed) -> None:
    key, (broken, error) = f"e2e_{uuid.uuid4().hex[:8]}/berths.csv", FAULTS[fault]
    tagging: Any = {"Tagging": "team=data"}
    with broken(moving):
        moving.put(key, BODY, **tagging)
        failed = moving.one_run(key)
    assert (failed.status, failed.error) == ("FAILED", error), failed
    assert is_at_source(moving, key)
    said = moving.ferry("replay", failed.name)
    assert said.returncode == 0, said.stderr
    *_, replayed = moving.runs([key], each=2)
    assert (replayed.status, replayed.cause) == ("SUCCEEDED", "")
    assert replayed.states["deletion"] == "deleted"
    assert not is_at_source(moving, key)
    assert moving.arrived(key) == BODY
    assert moving.tags(key) == {"team": "data"}
