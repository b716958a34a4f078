"""The runs on the console's page: the list, one run with its slices, its report; stop, dry run and start."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ferry.console import run_json
from ferry.console.state import Console
from functions.contract.bulk import Plan
from tests.support.console_server import Client, serving
from tests.unit.console_fakes import RunsWithSlices, copying_run
from tests.unit.ferry_fakes import BEGIN, BULK
from tests.unit.run_fakes import (
    RUN,
    FakeResults,
    FakeRuns,
    deployed,
    document,
    plan_of,
    put_slice,
    report_folder,
    report_line,
    report_of,
)


class Planner:
    """PlanBatches, which answers at once."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        assert FunctionName == "ferry-plan-batches"
        assert json.loads(Payload)["document"]["scope"]["prefix"] == "a/"
        return {"Payload": _Body(self.plan.model_dump_json().encode())}


class _Body:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def read(self) -> bytes:
        return self._body


@contextmanager
def console(
    runs: FakeRuns, results: FakeResults | None = None, *, writable: bool = True, planner: Planner | None = None
) -> Iterator[Client]:
    deployment = deployed(runs, results, endpoint_url="http://127.0.0.1:1")
    if planner:
        own = deployment._client
        deployment._client = lambda service, region: planner if service == "lambda" else own(service, region)  # type: ignore[assignment]
    with serving(Console.of(deployment, writable=writable)) as client:
        yield client


def test_the_list_has_what_became_of_the_objects_of_each_run() -> None:
    runs = FakeRuns()
    runs.add_run(document(plan_of(2), report_of(verified=2)), state="Succeeded", status="SUCCEEDED")
    with console(runs) as client:
        (row,) = client.get("/api/runs").json["runs"]
        assert client.get("/api/session").json["runs"] is True
        revision = client.get(f"/api/runs/{RUN}").json["revision"]
        assert client.get(f"/api/runs/{RUN}?rev={revision}").status == 204
    assert (row["run"], row["status"], row["scope_text"]) == (RUN, "SUCCEEDED", "s3://ferry-source-us-west-2/a/")
    assert (row["outcome"], row["counts"], row["failed"]) == ("2 verified", {"verified": 2}, False)


def test_a_run_has_its_progress_its_failures_and_its_slices_in_the_graph() -> None:
    runs, results = RunsWithSlices(), FakeResults()
    copying_run(runs, results)
    with console(runs, results) as client:
        run = client.get(f"/api/runs/{RUN}").json
        picture = client.get(f"/api/pictures/{run['definition']}").json
        state = client.get(f"/api/runs/{RUN}/state?state=CopyBatch").json
    progress = run["progress"]
    assert (progress["phase"], progress["objects"], progress["objects_done"]) == ("copying", 3, 2)
    assert progress["failures"] == {"AccessDenied": 1}
    (found,) = run["map_runs"]
    assert (found["state"], found["slices"]["running"], found["slices"]["done"]) == ("CopySlices", 1, 1)
    assert [(child["slice"], child["status"], child["state"]) for child in found["children"]] == [
        ("batch-00001", "RUNNING", "CopyBatch"),
        ("batch-00000", "SUCCEEDED", "BatchDone"),
    ]
    # Within the Map, a state runs as long as one slice is in it.
    assert {name: shown["status"] for name, shown in run["states"].items()} == {
        "CopySlices": "RUNNING",
        "CopyBatch": "RUNNING",
        "BatchDone": "SUCCEEDED",
    }
    assert ["CopyBatch", "BatchDone", 1] in run["taken"]
    assert {state["name"] for state in picture["states"]} >= set(run["states"])
    assert len(state["visits"]) == 2
    assert run["plot"] == [[BEGIN.timestamp(), 0], [BEGIN.timestamp() + 2, 1], [BEGIN.timestamp() + 3, 2]]


def test_the_plot_is_short_and_ends_with_all_objects() -> None:
    began = BEGIN.timestamp()
    copied = {int(began) + second: 10 for second in range(5000)}
    points = run_json.plot_points(copied, began)
    assert len(points) <= run_json.POINTS + 3
    assert points[0] == [began, 0]
    assert points[-1] == [began + 5000, 50_000]
    assert points == sorted(points)
    assert run_json.plot_points({}, began) == [[began, 0]]
    # The function's clock is behind Step Functions'.
    assert run_json.plot_points({int(began) - 5: 3}, began)[-1] == [began, 3]


def test_the_report_is_filtered_by_outcome_error_and_key() -> None:
    runs, results = FakeRuns(), FakeResults()
    runs.add_run(document(plan_of(3), report_of(verified=1, failed=2)), state="RequireComplete", status="FAILED")
    lines = [report_line("a/1"), report_line("a/2", "failed", error="AccessDenied"), report_line("B/3", "failed")]
    results.put(f"{report_folder()}part-00000.jsonl.gz", lines)
    with console(runs, results) as client:

        def keys(query: str) -> list[str]:
            return [line["key"] for line in client.get(f"/api/runs/{RUN}/report?{query}").json["lines"]]

        assert keys("") == ["a/1", "a/2", "B/3"]
        assert keys("status=failed") == ["a/2", "B/3"]
        assert keys("status=failed&error=AccessDenied") == ["a/2"]
        assert keys("key=b/") == ["B/3"]
        assert client.get("/api/runs/absent/report").status == 409


def test_a_run_is_stopped_once() -> None:
    runs = FakeRuns()
    runs.add_run(document(), state="PlanBatches")
    with console(runs) as client:
        assert client.post(f"/api/runs/{RUN}/stop").json == {"run": RUN}
        again = client.post(f"/api/runs/{RUN}/stop")
        assert client.get("/api/runs").json["runs"][0]["status"] == "ABORTED"
    assert again.status == 409
    assert "ABORTED" in again.json["error"]


def test_a_failed_run_is_replayed_as_the_command_does() -> None:
    runs, results = FakeRuns(redrives=True), FakeResults()
    plan = plan_of(1, batches_key=f"runs/{RUN}/0/plan/batches.json")
    results.put(plan.batches_key, [])
    put_slice(results, ["a"])
    runs.add_run(document(plan, report_of(failed=1)), state="RequireComplete", status="FAILED")
    with console(runs, results) as client:
        answer = client.post(f"/api/runs/{RUN}/replay", {})
        again = client.post(f"/api/runs/{RUN}/replay", {})
    assert (answer.json["run"], runs.redriven) == (RUN, [RUN])
    assert "redriven" in answer.json["note"]
    # It is running now.
    assert again.status == 409


def test_a_dry_run_is_followed_to_its_cost_and_needs_no_write_access() -> None:
    with console(FakeRuns(), writable=False, planner=Planner(plan_of(2))) as client:
        answer = client.post("/api/dry-runs", {"prefix": "a/"})
        assert answer.status == 201
        found = ended(client, answer.json["id"])
        assert client.get("/api/dry-runs/absent").status == 409
    assert found["error"] is None
    assert [(each["action"], each["objects"], each["why"]) for each in found["result"]["outcomes"]] == [
        ("copy", 2, "not in the target"),
        ("done", 1, "in the target: same ETag, copied later"),
    ]
    assert found["result"]["dollars"]["total"] > 0


def ended(client: Client, dry_run: str) -> Any:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = client.get(f"/api/dry-runs/{dry_run}").json
        if not found["pending"]:
            return found
    raise AssertionError("the dry run does not end")


def test_a_dry_run_of_a_prefix_without_objects_says_so() -> None:
    plan = plan_of(0).model_copy(update={"objects": 0, "tallies": []})
    with console(FakeRuns(), planner=Planner(plan)) as client:
        found = ended(client, client.post("/api/dry-runs", {"prefix": "a/"}).json["id"])
    assert found["result"] is None
    assert "a/" in found["error"]


def test_a_backfill_is_started_with_the_scope_of_the_form() -> None:
    runs = FakeRuns()
    manifest = "s3://inventory/source/2026-11-01T01-00Z/manifest.json"
    form = {"prefix": "a/", "since": "2026-01-01", "min_age": "15m", "inventory": manifest, "again": True}
    with console(runs) as client:
        name = client.post("/api/runs", form | {"max_concurrency": 7}).json["run"]
    document = json.loads(runs.executions[f"{BULK.replace(':stateMachine:', ':execution:')}:{name}"].input)
    scope = document["scope"]
    assert (scope["prefix"], scope["min_age_seconds"], scope["since"][:10]) == ("a/", 900, "2026-01-01")
    assert (scope["inventory"], scope["again"], document["max_concurrency"]) == (manifest, True, 7)


@pytest.mark.parametrize(
    "body",
    [
        *(None, [], {"prefix": 1}, {"since": "soon"}, {"min_age": "x"}, {"prefix": "k" * 1025}),
        *({"inventory": "s3://b/list.csv"}, {"again": "yes"}, {"max_concurrency": 1001}, {"max_concurrency": True}),
    ],
)
@pytest.mark.parametrize("path", ["/api/runs", "/api/dry-runs"])
def test_a_scope_that_the_command_rejects_is_rejected(path: str, body: Any) -> None:
    runs = FakeRuns()
    with console(runs) as client:
        assert client.post(path, body).status == 400
    assert not runs.executions


@pytest.mark.parametrize("path", ["/api/runs", f"/api/runs/{RUN}/stop", f"/api/runs/{RUN}/replay"])
def test_a_read_only_console_neither_starts_nor_stops_nor_replays_a_run(path: str) -> None:
    runs = FakeRuns()
    runs.add_run(document(), state="PlanBatches")
    with console(runs, writable=False) as client:
        answer = client.post(path, {"prefix": "a/"})
    assert answer.status == 403
    assert [run.status for run in runs.executions.values()] == ["RUNNING"]


def test_a_deployment_without_the_workflow_has_no_runs() -> None:
    deployment = deployed(FakeRuns(), bulk_state_machine_arn=None, endpoint_url="http://127.0.0.1:1")
    with serving(Console.of(deployment, writable=True)) as client:
        assert client.get("/api/session").json["runs"] is False
        assert client.get("/api/runs").status == 409
