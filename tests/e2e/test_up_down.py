"""`ferry up` and `ferry down`: an empty cloud that answers, one for each folder, and nothing of it afterwards."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local import lifecycle, report_table
from tests.support.deployed.deployment import Deployed, ferry

pytestmark = pytest.mark.own_cloud("is about clouds on this machine")

KEYS = [
    "name",
    "source_region",
    "target_region",
    "endpoint_url",
    "source_bucket",
    "target_bucket",
    "uploads_topic_arn",
    "queue_url",
    "dead_letter_queue_url",
    "state_machine_arn",
    "bulk_state_machine_arn",
    "audit_state_machine_arn",
    "crawler_name",
    "glue_database",
    "athena_workgroup",
    "athena_results",
]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The outputs file of a cloud that has just been started."""
    path = tmp_path_factory.mktemp("up") / ".ferry" / "outputs.json"
    result = ferry("up", path)
    try:
        assert (result.returncode, result.stderr) == (0, "")
        assert "The local cloud is running at http://127.0.0.1:" in result.stdout
        yield path
    finally:
        lifecycle.down(path.parent)


def test_up_says_where_everything_is(outputs: Path) -> None:
    written = json.loads(outputs.read_text())
    assert list(written) == KEYS
    assert all(written.values())
    environment = Deployed(outputs).environment
    assert environment["AWS_ENDPOINT_URL"] == written["endpoint_url"]
    assert environment["AWS_DEFAULT_REGION"] == written["source_region"]


def test_up_has_used_nothing_yet(outputs: Path) -> None:
    fresh = Deployed(outputs)
    names = fresh.outputs
    executions = fresh.step_functions.list_executions(stateMachineArn=names.state_machine_arn)["executions"]
    tables = fresh.glue.get_tables(DatabaseName=names.glue_database)["TableList"]
    assert (executions, fresh.crawls(), [table["Name"] for table in tables]) == ([], set(), [report_table.NAME])
    for s3, bucket in (
        (fresh.source, names.source_bucket),
        (fresh.target, names.target_bucket),
        (fresh.target, names.athena_results),
    ):
        response = s3.list_object_versions(Bucket=bucket)
        assert response.get("Versions", []) + response.get("DeleteMarkers", []) == [], bucket


def test_up_again_finds_it(outputs: Path) -> None:
    before = outputs.read_text()
    address = json.loads(before)["endpoint_url"]
    for arguments in ([], ["--port", address.rpartition(":")[2]]):
        result = ferry("up", outputs, *arguments)
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout == f"The local cloud is already running at {address}\n"
    assert outputs.read_text() == before


def test_up_with_another_port_says_what_differs(outputs: Path) -> None:
    address = json.loads(outputs.read_text())["endpoint_url"]
    other = "8000" if address.endswith(":8001") else "8001"
    result = ferry("up", outputs, "--port", other)
    assert (result.returncode, result.stdout) == (1, "")
    assert address in result.stderr
    assert f"PORT={other}" in result.stderr
    assert result.stderr.count("\n") == 1
    assert Deployed(outputs).crawls() == set(), "the cloud that runs is not changed"


def test_down_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / ".ferry" / "outputs.json"
    result = ferry("up", path)
    try:
        assert (result.returncode, result.stderr) == (0, "")
        assert lifecycle.find_processes(path.parent)
        assert path.with_name("env").is_file()
        result = ferry("down", path)
        assert (result.returncode, result.stdout, result.stderr) == (0, "Stopped the local cloud.\n", "")
        assert lifecycle.find_processes(path.parent) == []
        assert not path.exists()
        assert not path.with_name("env").exists()
        result = ferry("down", path)
        assert (result.returncode, result.stdout, result.stderr) == (0, "No local cloud is running.\n", "")
    finally:
        lifecycle.down(path.parent)


def test_down_where_nothing_ever_ran(tmp_path: Path) -> None:
    result = ferry("down", tmp_path / ".ferry" / "outputs.json")
    assert (result.returncode, result.stdout, result.stderr) == (0, "No local cloud is running.\n", "")
    assert list(tmp_path.iterdir()) == []
