"""`ferry find`: where a file is, by its objects, the executions of its key, and the reports of runs."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from ferry.aws.clients import Deployment
from ferry.commands import find
from ferry.errors import CommandError
from ferry.stepfunctions import run_lookup, runs
from functions.contract.bulk import PlanFolder, RunReport
from tests.support.client_errors import client_error
from tests.unit.ferry_fakes import HASH, event
from tests.unit.ferry_fakes import document as execution_document
from tests.unit.run_fakes import (
    RUN,
    FakeResults,
    FakeRuns,
    deployed,
    document,
    outcome,
    plan_of,
    planned,
    put_record,
    report_folder,
    report_line,
    report_of,
)

SOURCE, TARGET = "ferry-source-us-west-2", "ferry-target-us-east-1"
KEY = "a/1.bin"


class World:
    """A deployment without rules, and what a search in it prints."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.runs, self.results, self._capsys = FakeRuns(), FakeResults(), capsys
        starter = SimpleNamespace(get_function_configuration=lambda **_: {})
        self.deployment: Deployment = deployed(self.runs, self.results)
        clients = {"stepfunctions": self.runs, "s3": self.results, "lambda": starter}
        self.deployment._client = lambda service, _: clients[service]  # type: ignore[assignment]

    def find(self, limit: int = 10) -> str:
        find.find(self.deployment, KEY, limit=limit, as_json=False)
        return self._capsys.readouterr().out

    def find_json(self) -> Any:
        find.find(self.deployment, KEY, limit=10, as_json=True)
        return json.loads(self._capsys.readouterr().out)

    def add_execution(self, status: str, minutes: float, name: str = HASH, key: str = KEY, version: str = "v1") -> None:
        verified: dict[str, Any] = {
            "copy": {
                "status": "copied",
                "target": {"bucket": TARGET, "region": "r", "key": key, "version_id": version, "etag": "e"},
            },
            "verification": {"status": "verified", "grade": "checksum"},
        }
        whole = execution_document(key, **(verified if status == "SUCCEEDED" else {}))
        execution = self.runs.add(name, status, whole, minutes)
        execution.events.append(event(minutes * 60, "TaskStateEntered", name="CopyObject", input=whole))
        if status == "FAILED":
            execution.events.append(event(minutes * 60, "ExecutionFailed", error="AccessDenied", cause="no"))


@pytest.fixture
def world(capsys: pytest.CaptureFixture[str]) -> World:
    return World(capsys)


# By executions.


@pytest.mark.parametrize(
    ("status", "written", "version", "said"),
    [
        ("SUCCEEDED", 1.0, "v1", "IN THE TARGET   verified: checksum"),
        ("SUCCEEDED", 1.0, "v2", "not the version that was verified"),
        ("SUCCEEDED", -1.0, "v1", "older than the source"),
        ("RUNNING", None, "", f"ON ITS WAY   follow it with `ferry show {HASH}`"),
        ("FAILED", None, "", f"FAILED   fix the cause, then `ferry replay {HASH}`"),
        ("ABORTED", 1.0, "v1", f"FAILED   fix the cause, then `ferry replay {HASH}`"),
    ],
)
def test_the_answer_is_in_the_second_line(
    world: World, status: str, written: float | None, version: str, said: str
) -> None:
    world.results.put_object(f"{SOURCE}/{KEY}", minutes=0)
    if written is not None:
        world.results.put_object(f"{TARGET}/{KEY}", minutes=written, version=version)
    world.add_execution(status, minutes=1)
    assert said in world.find().splitlines()[1]


def test_only_the_executions_that_may_have_moved_it_are_read(world: World) -> None:
    world.results.put_object(f"{SOURCE}/{KEY}", minutes=100)
    world.results.put_object(f"{TARGET}/{KEY}", minutes=101, version="v1")
    for number in range(80):
        world.add_execution("SUCCEEDED", number, name=f"{number:040}", key=f"other/{number}")
    world.add_execution("SUCCEEDED", 101)
    assert world.find_json()["executions"][0]["target_version_id"] == "v1"
    assert set(world.runs.described) == {HASH}


def test_an_execution_is_found_after_both_objects_are_gone(world: World) -> None:
    for number in range(3):
        world.add_execution("SUCCEEDED", number, name=f"{number:040}", key=f"other/{number}")
    world.add_execution("SUCCEEDED", 1)
    assert "NOT IN THE TARGET" in world.find()
    with pytest.raises(CommandError):
        # It is not among the two newest.
        world.find(limit=1)


# By runs.


def test_a_run_says_which_version_it_wrote(world: World) -> None:
    world.results.put_object(f"{SOURCE}/{KEY}")
    world.results.put_object(f"{TARGET}/{KEY}", minutes=1, version="v7")
    line = report_line(KEY, grade="readback", target_version_id="v7")
    world.results.put(f"{report_folder()}000000.jsonl.gz", [line])
    world.runs.add_run(document(plan_of(1), report_of(verified=1)), state="Succeeded", status="SUCCEEDED")
    assert "IN THE TARGET   verified: readback" in world.find()
    (found,) = world.find_json()["runs"]
    assert (found["run"], found["target_version_id"], found["grade"]) == (RUN, "v7", "readback")


def test_an_object_of_many_slices_is_found_in_few_files(world: World) -> None:
    # Two calls planned: each wrote batches, and then executions; keys are in order within a kind.
    folders = [PlanFolder(name="0", batches=30, executions=2), PlanFolder(name="1", batches=30, executions=1)]
    plan = plan_of(93, folders=folders)
    first_keys = [f"b{n:02}" for n in range(30)] + ["b05x", "b25x"] + [f"b{n:02}" for n in range(30, 60)] + ["b40x"]
    for number, key in enumerate(first_keys):
        world.results.put(f"{report_folder()}{number:06}.jsonl.gz", [report_line(key), report_line(f"{key}~")])
    world.runs.add_run(document(plan, report_of(verified=126)), state="Succeeded", status="SUCCEEDED")
    run = runs.describe_run(world.deployment, RUN)
    for key in ("b00", "b59~", "b25x~", "b40x", "b30"):
        world.results.reads.clear()
        found = run_lookup.find_line(world.deployment, run, key)
        assert found is not None
        assert found.key == key
        assert len(world.results.reads) <= 10
    for key in ("a", "b07x", "z"):
        assert run_lookup.find_line(world.deployment, run, key) is None


def test_an_object_of_a_run_that_has_no_report_is_found_in_its_records_or_the_report_before_a_redrive(
    world: World,
) -> None:
    world.results.put(f"{report_folder()}000000.jsonl.gz", [report_line("x"), report_line("y", "failed")])
    world.results.put(f"runs/{RUN}/1/plan/00000-c/batch-00000.jsonl.gz", [planned("y"), planned("z")])
    put_record(world.results, "copied", "a", [outcome("y", "failed", error="NotSmall")], round_=1)
    begun = RunReport(status="in_progress", folder=report_folder(), redrive_count=1)
    world.runs.add_run(document(plan_of(2, 1), begun), state="WriteReport")
    run = runs.describe_run(world.deployment, RUN)
    found = {key: run_lookup.find_line(world.deployment, run, key) for key in "xyz"}
    assert {key: line and (line.status, line.error) for key, line in found.items()} == {
        "x": ("verified", None),
        "y": ("failed", "NotSmall"),
        "z": None,
    }


def test_the_execution_that_a_run_started_is_found_by_its_name(world: World) -> None:
    world.results.put(f"{report_folder()}000000.jsonl.gz", [report_line(KEY, "started", execution=HASH)])
    world.runs.add_run(document(plan_of(1), report_of(started=1)), state="Succeeded", status="SUCCEEDED")
    world.add_execution("FAILED", minutes=1)
    world.runs.described.clear()
    assert "FAILED" in world.find(limit=1).splitlines()[1]
    assert world.runs.described == [HASH]


# Nothing.


@pytest.mark.parametrize(
    ("at_source", "said"), [(True, "ferry backfill --prefix 'a/1.bin'"), (False, "a/1.bin is neither in a source")]
)
def test_nothing_found_is_an_error_that_says_what_to_do(world: World, at_source: bool, said: str) -> None:
    if at_source:
        world.results.put_object(f"{SOURCE}/{KEY}")
    with pytest.raises(CommandError, match=said):
        world.find()


def test_a_bucket_that_may_not_be_read_is_named_with_the_reason(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(**_: Any) -> Any:
        raise client_error("403", "HeadObject")

    monkeypatch.setattr(world.results, "head_object", denied)
    with pytest.raises(CommandError, match=r"the source could not be read \(HEAD failed: 403\)"):
        world.find()
    assert capsys.readouterr().out.count("HEAD failed: 403") == 2
