"""A cloud that is started with a migration.yaml: each upload goes the way that its rule says, and no other."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.build.function_zips import CHECKOUT
from infra.local import lifecycle
from tests.e2e.deployed import PATIENCE_SECONDS, PROGRAMS, Deployed, Run

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
LEFT_ALONE = ["other/a.tmp", "sales/day=1/a.csv"]
IMPOSSIBLE = "long/a-name-that-is-too-long.bin"


def ferry(command: str, outputs: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAMS / "ferry", command, *arguments, "--outputs", outputs],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


@pytest.fixture(scope="module")
def migration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rules") / "migration.yaml"
    path.write_text(MIGRATION.lstrip())
    return path


@pytest.fixture(scope="module")
def ruled(migration: Path) -> Iterator[Deployed]:
    """A cloud of these rules."""
    outputs = migration.parent / ".ferry" / "outputs.json"
    said = ferry("up", outputs, "--rules", migration)
    try:
        assert (said.returncode, said.stderr) == (0, "")
        assert f"with the rules of {migration}" in said.stdout
        yield Deployed(outputs)
    finally:
        lifecycle.down(outputs.parent)


@pytest.fixture(scope="module")
def runs(ruled: Deployed) -> dict[str, Run]:
    """Everything uploaded, what is left alone first, and the executions that came of it."""
    for key in LEFT_ALONE:
        ruled.put(key, b"left alone")
    ruled.put(IMPOSSIBLE, b"too long")
    for key, body in BODIES.items():
        ruled.put(key, body, Metadata={"origin": key})
    found = {run.key: run for run in ruled.runs(BODIES)}
    ruled.await_quiet_queue()
    return found


def explained(ruled: Deployed, key: str, *more: str | Path) -> dict[str, Any]:
    said = ferry("explain", ruled.outputs_file, key, "--json", *more)
    assert (said.returncode, said.stderr) == (0, "")
    answer: dict[str, Any] = json.loads(said.stdout)
    return answer


def is_gone(ruled: Deployed, key: str) -> bool:
    listed = ruled.source.list_objects_v2(Bucket=ruled.outputs.source_bucket, Prefix=key).get("Contents", [])
    return key not in {each["Key"] for each in listed}


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
    assert {each["Key"] for each in listed} == targets
    assert all(ruled.execution_names(key) == [] for key in [*LEFT_ALONE, IMPOSSIBLE])
    assert not any(is_gone(ruled, key) for key in LEFT_ALONE)


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
    assert {each["Name"] for each in tables} == {"sales", "moved"}


def test_the_target_has_the_storage_class_of_its_rule(ruled: Deployed, runs: dict[str, Run]) -> None:
    assert runs["notes/a.csv"].status == "SUCCEEDED"
    assert ruled.head("notes/kept/a.csv.txt")["StorageClass"] == "STANDARD_IA"


def test_a_target_key_that_cannot_be_ends_in_the_dead_letter_queue(ruled: Deployed, runs: dict[str, Run]) -> None:
    assert IMPOSSIBLE not in runs
    (reason,) = ruled.dead_letters(IMPOSSIBLE, 1).values()
    assert "migration.yaml:17 has 1,033 bytes" in reason


@pytest.mark.parametrize("key", ["incoming/sales/day=1/a.csv", "moved/fleet.csv"])
def test_explain_says_what_was_decided(key: str, ruled: Deployed, runs: dict[str, Run]) -> None:
    told, rule = explained(ruled, key), json.loads(runs[key].input)["rule"]
    assert told["outcome"] == rule["mode"]
    assert told["target_bucket"] == ruled.outputs.target_bucket
    assert {name: told[name] for name in rule} == {**rule, "target_key": rule["target_key"] or key}


def test_explain_says_the_same_by_the_file(ruled: Deployed, migration: Path) -> None:
    told = explained(ruled, LEFT_ALONE[0])
    assert (told["outcome"], told["decided_by"]) == ("exclude", "migration.yaml:3")
    assert explained(ruled, LEFT_ALONE[0], "--rules", migration) == told


def test_a_second_up_minds_the_rules(ruled: Deployed, migration: Path, tmp_path: Path) -> None:
    again = ferry("up", ruled.outputs_file, "--rules", migration)
    assert (again.returncode, again.stderr) == (0, "")
    assert "already running" in again.stdout
    other = tmp_path / "migration.yaml"
    other.write_text(MIGRATION.lstrip().replace("mode: move", "mode: copy"))
    without: tuple[str | Path, ...] = ()
    for arguments in (without, ("--rules", other)):
        said = ferry("up", ruled.outputs_file, *arguments)
        assert (said.returncode, said.stdout) == (1, "")
        assert "with other rules" in said.stderr
        assert said.stderr.count("\n") == 1


def test_rules_that_are_deployed_anew_hold_from_the_next_upload_on(ruled: Deployed, runs: dict[str, Run]) -> None:
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
