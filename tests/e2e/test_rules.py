"""A cloud that is started with a migration.yaml: each upload goes the way that its rule says, and no other."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local import lifecycle, report_table
from tests.support.deployed.deployment import Deployed, Run, ferry
from tests.support.deployed.queues import await_empty_queue, take_dead_letters
from tests.support.facts import Naming

pytestmark = pytest.mark.own_cloud("has rules of its own")

MIGRATION = """
multipart_threshold_bytes: 6000000
rules:
  - suffix: .tmp
    exclude: true
  - prefix: incoming/sales/
    suffix: .csv
    target_prefix: sales/
    allow_empty: true
  - prefix: sales/
    exclude: true
  - prefix: notes/
    rename: notes/kept/{rest}.txt
    catalogue: false
    storage_class: STANDARD_IA
  - prefix: moved/
    mode: move
  - prefix: long/
    rename: long/%s/{rest}
""" % ("x" * 1000)

BODIES = {
    "incoming/sales/day=1/a.csv": b"ship,berth\nAurora,1\n",
    "notes/a.csv": b"one,two\n",
    # Hidden from Athena: beside a table's files, any other name would be rejected.
    "moved/_plain.bin": b"\x00\x01",
    "moved/fleet.csv": b"ship,berth\nBeagle,2\nCutty Sark,3\n",
    "other/a.bin": b"other",
}
SKIPPED = ["other/a.tmp", "sales/day=1/a.csv"]
IMPOSSIBLE = "long/a-name-that-is-too-long.bin"


@pytest.fixture(scope="module")
def migration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rules") / "migration.yaml"
    path.write_text(MIGRATION.lstrip())
    return path


@pytest.fixture(scope="module")
def ruled(migration: Path) -> Iterator[Deployed]:
    """A cloud of these rules."""
    outputs = migration.parent / ".ferry" / "outputs.json"
    result = ferry("up", outputs, "--rules", migration)
    try:
        assert (result.returncode, result.stderr) == (0, "")
        assert f"with the rules of {migration}" in result.stdout
        yield Deployed(outputs)
    finally:
        lifecycle.down(outputs.parent)


@pytest.fixture(scope="module")
def runs(ruled: Deployed) -> dict[str, Run]:
    """Everything uploaded, what is skipped first, and the executions that came of it."""
    for key in SKIPPED:
        ruled.put(key, b"skipped")
    ruled.put(IMPOSSIBLE, b"too long")
    for key, body in BODIES.items():
        ruled.put(key, body, Metadata={"origin": key})
    found = {run.key: run for run in ruled.runs(BODIES)}
    await_empty_queue(ruled)
    return found


def explained(ruled: Deployed, key: str, *more: str | Path) -> dict[str, Any]:
    result = ferry("explain", ruled.outputs_file, key, "--json", *more)
    assert (result.returncode, result.stderr) == (0, "")
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def is_gone(ruled: Deployed, key: str) -> bool:
    listed = ruled.source.list_objects_v2(Bucket=ruled.outputs.source_bucket, Prefix=key).get("Contents", [])
    return key not in {item["Key"] for item in listed}


@pytest.mark.parametrize(
    ("key", "target"),
    [
        ("incoming/sales/day=1/a.csv", "sales/day=1/a.csv"),
        ("notes/a.csv", "notes/kept/a.csv.txt"),
        ("moved/_plain.bin", "moved/_plain.bin"),
        ("moved/fleet.csv", "moved/fleet.csv"),
        ("other/a.bin", "other/a.bin"),
    ],
)
def test_each_object_arrives_whole_under_the_key_of_its_rule(
    key: str, target: str, ruled: Deployed, runs: dict[str, Run]
) -> None:
    assert (runs[key].status, runs[key].cause) == ("SUCCEEDED", "")
    assert runs[key].document["copy"]["target"]["key"] == target
    assert ruled.arrived(target) == BODIES[key]
    assert ruled.head(target)["Metadata"] == {"origin": key}


def test_nothing_else_arrives(ruled: Deployed, runs: dict[str, Run]) -> None:
    listed = ruled.target.list_objects_v2(Bucket=ruled.outputs.target_bucket)["Contents"]
    targets = {run.document["copy"]["target"]["key"] for run in runs.values()}
    assert {item["Key"] for item in listed} == targets
    assert all(ruled.execution_names(key) == [] for key in [*SKIPPED, IMPOSSIBLE])
    assert not any(is_gone(ruled, key) for key in SKIPPED)


def test_a_source_is_deleted_by_a_move_and_by_nothing_else(ruled: Deployed, runs: dict[str, Run]) -> None:
    assert {key for key in runs if is_gone(ruled, key)} == {"moved/_plain.bin", "moved/fleet.csv"}
    assert {key: runs[key].document["verification"]["grade"] for key in runs if key.startswith("moved/")} == {
        "moved/_plain.bin": "readback",
        "moved/fleet.csv": "readback",
    }


def test_the_catalogue_follows_the_targets_key_and_the_rule(ruled: Deployed, runs: dict[str, Run]) -> None:
    sales = runs["incoming/sales/day=1/a.csv"].document["validation"]
    assert (sales["table"], sales["rows"]) == ("sales", 1)
    assert runs["moved/fleet.csv"].document["validation"]["rows"] == 2
    assert "validation" not in runs["notes/a.csv"].document
    assert "migration.yaml:" in runs["notes/a.csv"].document["verification"]["not_catalogued_reason"]
    tables = ruled.glue.get_tables(DatabaseName=ruled.outputs.glue_database)["TableList"]
    assert {table["Name"] for table in tables} == {"sales", "moved", report_table.NAME}


def test_the_target_has_the_storage_class_of_its_rule(ruled: Deployed, runs: dict[str, Run]) -> None:
    assert runs["notes/a.csv"].status == "SUCCEEDED"
    assert ruled.head("notes/kept/a.csv.txt")["StorageClass"] == "STANDARD_IA"


def test_a_target_key_that_cannot_be_ends_in_the_dead_letter_queue(ruled: Deployed, runs: dict[str, Run]) -> None:
    assert IMPOSSIBLE not in runs
    (reason,) = take_dead_letters(ruled, IMPOSSIBLE, 1).values()
    assert "migration.yaml:17 is 1,033 bytes" in reason


@pytest.mark.parametrize("key", ["incoming/sales/day=1/a.csv", "moved/fleet.csv"])
def test_explain_says_what_was_decided(key: str, ruled: Deployed, runs: dict[str, Run]) -> None:
    explanation, rule = explained(ruled, key), json.loads(runs[key].input)["rule"]
    assert explanation["outcome"] == rule["mode"]
    assert explanation["target_bucket"] == ruled.outputs.target_bucket
    assert {name: explanation[name] for name in rule} == {**rule, "target_key": rule["target_key"] or key}


def test_explain_says_the_same_by_the_file(ruled: Deployed, migration: Path) -> None:
    explanation = explained(ruled, SKIPPED[0])
    assert (explanation["outcome"], explanation["decided_by"]) == ("exclude", "migration.yaml:3")
    assert explained(ruled, SKIPPED[0], "--rules", migration) == explanation


def test_a_second_up_minds_the_rules(ruled: Deployed, migration: Path, tmp_path: Path) -> None:
    again = ferry("up", ruled.outputs_file, "--rules", migration)
    assert (again.returncode, again.stderr) == (0, "")
    assert "already running" in again.stdout
    other = tmp_path / "migration.yaml"
    other.write_text(MIGRATION.lstrip().replace("mode: move", "mode: copy"))
    without: tuple[str | Path, ...] = ()
    for arguments in (without, ("--rules", other)):
        result = ferry("up", ruled.outputs_file, *arguments)
        assert (result.returncode, result.stdout) == (1, "")
        assert Naming("rules", "ferry down") == result.stderr
        assert result.stderr.count("\n") == 1


def test_rules_that_are_deployed_again_hold_from_the_next_upload_on(ruled: Deployed, runs: dict[str, Run]) -> None:
    where = {"Bucket": ruled.outputs.athena_results, "Key": "rules/migration.json"}
    before = ruled.target.get_object(**where)["Body"].read()  # type: ignore[arg-type]
    changed = json.loads(before)
    changed["default"]["decided_by"] = "changed"
    for decided_by, rules in (("changed", json.dumps(changed).encode()), ("default", before)):
        ruled.target.put_object(**where, Body=rules)  # type: ignore[arg-type]
        key = f"anew/{decided_by}.bin"
        ruled.put(key, b"x")
        assert json.loads(ruled.one_run(key).input)["rule"]["decided_by"] == decided_by
    assert json.loads(runs["other/a.bin"].input)["rule"]["decided_by"] == "default"
