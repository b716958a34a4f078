"""Runs of a deployment that only remembers: their documents, Map Runs, and files in the results bucket."""

import gzip
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from functions.contract.batches import Outcome, ReportLine
from functions.contract.bulk import BulkDocument, Plan, PlanFolder, PlannedObject, PlanScope, RunReport, Tally
from functions.contract.models import Rule
from functions.contract.objects import Model, StoredObject
from tests.support.client_errors import client_error
from tests.unit.ferry_fakes import BEGIN, BULK, FakeDeployment, FakeStepFunctions, Remembered, event

SCOPE = PlanScope(bucket="ferry-source-us-west-2", region="us-west-2", prefix="a/")
RUN = "backfill-20261101T120000Z-0000aaaa"
COUNTS = ("total", "pending", "running", "succeeded", "failed", "timedOut", "aborted")


class FakeResults:
    """The results bucket: its files, and which were read."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.reads: list[str] = []
        self.objects: dict[str, dict[str, Any]] = {}

    def put_object(self, url: str, minutes: float = 0, version: str | None = None) -> None:
        """An object of another bucket, by `bucket/key`."""
        found = {"ContentLength": 10, "LastModified": BEGIN + timedelta(minutes=minutes)}
        self.objects[url] = found | ({"VersionId": version} if version else {})

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        if f"{Bucket}/{Key}" not in self.objects:
            raise client_error("404", "HeadObject")
        return self.objects[f"{Bucket}/{Key}"]

    def put(self, key: str, lines: list[Any]) -> None:
        texts = [line.model_dump_json() if isinstance(line, Model) else json.dumps(line) for line in lines]
        self.files[key] = gzip.compress("".join(f"{text}\n" for text in texts).encode())

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert Bucket == "ferry-athena-results-us-east-1"
        if Key not in self.files:
            raise client_error("NoSuchKey", "GetObject")
        self.reads.append(Key)
        return {"Body": io.BytesIO(self.files[Key])}

    def get_paginator(self, name: str) -> Any:
        assert name == "list_objects_v2"
        return self

    def paginate(self, *, Bucket: str, Prefix: str, Delimiter: str = "") -> Iterator[dict[str, Any]]:  # noqa: N803
        assert Bucket == "ferry-athena-results-us-east-1"
        found = [key for key in self.files if key.startswith(Prefix)]
        if Delimiter:
            below = [key.removeprefix(Prefix).partition("/") for key in found]
            folders = {f"{Prefix}{name}/" for name, slash, _ in below if slash}
            files = [f"{Prefix}{name}" for name, slash, _ in below if not slash]
            yield {
                "CommonPrefixes": [{"Prefix": folder} for folder in sorted(folders)],
                "Contents": [{"Key": key} for key in files],
            }
            return
        # In the order in which they were written.
        order = list(self.files)
        yield {"Contents": [{"Key": key, "LastModified": BEGIN + timedelta(seconds=order.index(key))} for key in found]}


class FakeRuns(FakeStepFunctions):
    """Runs, and the one Map Run that each may have."""

    def __init__(self, *, redrives: bool = False) -> None:
        super().__init__(redrives=redrives)
        self.map_runs: dict[str, dict[str, Any]] = {}
        self.map_looks = 0

    def add_run(self, document: BulkDocument, *, state: str, status: str = "RUNNING", name: str = RUN) -> Remembered:
        """A run whose last state received this document."""
        input_ = document.model_dump_json(include={"scope", "max_concurrency"})
        run = self.add(name, status, input_, machine=BULK)
        run.events.append(event(1, "TaskStateEntered", name=state, input=document.model_dump_json()))
        return run

    def list_map_runs(self, *, executionArn: str) -> dict[str, Any]:  # noqa: N803
        found = executionArn in self.map_runs
        return {"mapRuns": [{"mapRunArn": executionArn, "startDate": BEGIN}] if found else []}

    def describe_map_run(self, *, mapRunArn: str) -> dict[str, Any]:  # noqa: N803
        self.map_looks += 1
        return self.map_runs[mapRunArn]


def map_run(status: str = "RUNNING", **counts: int) -> dict[str, Any]:
    """What DescribeMapRun returns."""
    return {"status": status, "itemCounts": dict.fromkeys(COUNTS, 0) | counts}


def deployed(runs: FakeRuns, results: FakeResults | None = None, **changes: Any) -> FakeDeployment:
    """A deployment with these runs and files."""
    clients = {"stepfunctions": runs, "s3": results or FakeResults()}
    return FakeDeployment(clients, **{"bulk_state_machine_arn": BULK, **changes})


def plan_of(objects: int, round_: int = 0, *, size_bytes: int = 10, status: Any = "planned", **fields: Any) -> Plan:
    """A plan of one slice, to copy so many objects."""
    return Plan(
        **{
            "status": status,
            "folder": f"runs/{RUN}/{round_}/plan/",
            "objects": objects + 1,
            "tallies": [
                Tally(action="copy", reason="new", objects=objects, size_bytes=objects * size_bytes),
                Tally(action="done", reason="same_etag", objects=1, size_bytes=1),
            ],
            "folders": [PlanFolder(name="00000-c", batches=1)],
            "batches": 1,
            **fields,
        }
    )


def document(plan: Plan | None = None, report: RunReport | None = None) -> BulkDocument:
    return BulkDocument(scope=SCOPE, plan=plan, report=report)


def report_of(redrives: int = 0, **counts: int) -> RunReport:
    """A report that is complete, or not if any object failed."""
    return RunReport(
        status="incomplete" if counts.get("failed") else "complete",
        folder=report_folder(),
        counts=counts,
        redrive_count=redrives,
    )


def report_folder(run: str = RUN) -> str:
    return f"reports/day=2026-11-01/run={run}/"


def report_line(key: str, status: Any = "verified", **fields: Any) -> ReportLine:
    return ReportLine(run=RUN, key=key, target_key=key, reason="new", status=status, size_bytes=10, **fields)


def planned(key: str) -> PlannedObject:
    return PlannedObject(
        key=key, etag="e", size_bytes=10, last_modified=BEGIN, action="copy", reason="new", rule=Rule()
    )


def outcome(key: str, status: Any, **fields: Any) -> Outcome:
    source = StoredObject(bucket=SCOPE.bucket, region=SCOPE.region, key=key, version_id=None, etag="e", size_bytes=10)
    return Outcome(key=key, status=status, **{"source": None if status == "failed" else source, **fields})


def put_slice(results: FakeResults, keys: list[str], round_: int = 0) -> None:
    """The only slice of a plan."""
    results.put(f"runs/{RUN}/{round_}/plan/00000-c/batch-00000.jsonl.gz", [planned(key) for key in keys])


def put_record(results: FakeResults, kind: str, call: str, outcomes: list[Outcome], round_: int = 0) -> None:
    """One record of the only slice."""
    results.put(f"runs/{RUN}/{round_}/{kind}/00000-c/batch-00000/{call}.jsonl.gz", outcomes)


def put_repeated(results: FakeResults, kind: str, outcomes: list[Outcome], round_: str = "round-1") -> None:
    """A record of the objects of the only slice that a round repeats."""
    results.put(f"runs/{RUN}/0/{kind}/{round_}/batch/00000-c/batch-00000/a.jsonl.gz", outcomes)
