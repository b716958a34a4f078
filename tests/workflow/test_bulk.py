"""The committed workflow for many files, whole, with the real handlers and S3 by moto: how it plans ranges of keys.

Only ResultWriter is left out: moto reads its paths in the Map's output, AWS in its input. Nobody reads what it writes.
"""

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from functions.contract.models import Rule
from functions.contract.rules import Rules
from functions.copying import bucket_settings
from functions.intake import deployed_rules
from functions.planning import run_plan
from functions.runtime import clients
from statemachine.render import BULK_ASL_FILE
from tests.support.workflow.machine import REGION, Clock, Execution, Lambdas, Machine, install
from tests.support.workflow.world import MOTO

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SOURCE, TARGET, RESULTS = "ferry-source", "ferry-target", "ferry-results"
KEYS = sorted(f"{folder}/{number:02}.bin" for folder in "abcd" for number in range(10))


@dataclass
class Runs:
    """The workflow and its buckets. `denied`: the key after which the source cannot be listed."""

    machine: Machine
    lambdas: Lambdas
    s3: "S3Client"
    lists: list[str]
    denied: str | None = None

    def answer(self, params: dict[str, Any], **_: Any) -> tuple[SimpleNamespace, dict[str, Any]] | None:
        """Instead of S3, if it is denied."""
        given = params["context"]["s3_redirect"]["params"]
        if given["Bucket"] != SOURCE:
            return None
        self.lists.append(given.get("StartAfter", ""))
        if self.lists[-1] != self.denied:
            return None
        return SimpleNamespace(status_code=403), {"Error": {"Code": "AccessDenied", "Message": "no"}}

    def run(self) -> Execution:
        """Run a backfill of the whole source."""
        return self.machine.run({"scope": {"bucket": SOURCE, "region": REGION}, "max_concurrency": 3}, "backfill-1")

    def ranges(self, plan: dict[str, Any]) -> list[dict[str, Any]]:
        """The items of the Map."""
        body = self.s3.get_object(Bucket=RESULTS, Key=plan["shards_key"])["Body"].read()
        found: list[dict[str, Any]] = json.loads(body)
        return found

    def calls(self) -> list[str]:
        """For what PlanBatches was called: by the run, or for a range."""
        plans = [
            call.event["document"].get("plan") or {} for call in self.lambdas.calls if call.function == "plan_batches"
        ]
        return ["range" if plan.get("shard") else "run" for plan in plans]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Runs]:
    """Forty objects, pages of five keys; ranges are planned from the tenth key on."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "MOTO_S3_DEFAULT_MAX_KEYS": "5",
        "RULES_BUCKET": RESULTS,
        "RULES_KEY": "rules/migration.json",
        "RESULTS_BUCKET": RESULTS,
        "TARGET_BUCKET": TARGET,
        "TARGET_REGION": REGION,
        "COPY_ROLE": "role",
        "GLUE_DATABASE": "ferry",
        "STATE_MACHINE_ARN": f"arn:aws:states:{REGION}:123456789012:stateMachine:migrate",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(run_plan, "SHARD_ABOVE_KEYS", 10)
    monkeypatch.setattr(deployed_rules, "_last_read", {})
    monkeypatch.setattr(logging.getLogger("moto"), "level", logging.CRITICAL)
    bucket_settings.forget()
    definition = json.loads(BULK_ASL_FILE.read_text(encoding="utf-8"))
    for state in definition["States"].values():
        state.pop("ResultWriter", None)
    file = tmp_path / BULK_ASL_FILE.name
    file.write_text(json.dumps(definition), encoding="utf-8")
    lambdas = Lambdas()
    install(monkeypatch, lambdas, Clock())
    with mock_aws(config=MOTO):
        s3 = boto3.client("s3", region_name=REGION)
        for bucket in (SOURCE, TARGET, RESULTS):
            s3.create_bucket(Bucket=bucket)
        rules = Rules(default=Rule(catalogue=False))
        s3.put_object(Bucket=RESULTS, Key="rules/migration.json", Body=rules.model_dump_json().encode())
        for key in KEYS:
            s3.put_object(Bucket=SOURCE, Key=key, Body=key.encode())
        found = Runs(Machine(lambdas, file), lambdas, s3, [])
        session = boto3.Session()
        answer: Any = found.answer
        session.events.register_first("before-call.s3.ListObjectsV2", answer)
        session.events.register("after-call.s3", _dated)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
        clients._client.cache_clear()
        yield found
    clients._client.cache_clear()


def _dated(parsed: dict[str, Any], **_: Any) -> None:
    # S3 dates every answer; moto does not.
    headers = parsed.setdefault("ResponseMetadata", {}).setdefault("HTTPHeaders", {})
    headers.setdefault("date", format_datetime(datetime.now(UTC), usegmt=True))


def arrived(runs: Runs) -> list[str]:
    """The keys at the target."""
    pages = runs.s3.get_paginator("list_objects_v2").paginate(Bucket=TARGET)
    return [found["Key"] for page in pages for found in page.get("Contents", ())]


def test_a_run_of_many_keys_plans_ranges_at_once_and_copies_every_object(runs: Runs) -> None:
    ended = runs.run()
    assert ended.status == "SUCCEEDED", ended.cause
    assert ended.document["report"]["counts"] == {"verified": len(KEYS)}
    assert arrived(runs) == KEYS
    calls = runs.calls()
    assert calls[:2] == ["run", "run"]
    assert calls.count("range") > 1
    # One Map, and a call that collects what it planned.
    assert calls.count("run") == 3
    assert ended.visited.count("PlanShards") == 1
    plan = ended.document["plan"]
    assert (plan["status"], plan["objects"], plan["shard_rounds"]) == ("planned", len(KEYS), 1)


def test_a_range_that_failed_is_repeated_alone_by_a_redrive_of_the_run(runs: Runs) -> None:
    ranges: list[dict[str, Any]] = []

    def deny_the_second_range() -> None:
        answer = runs.lambdas.calls[-1].answer if runs.lambdas.calls else None
        if answer and answer["status"] == "sharded":
            # The Map's children come here at once.
            ranges[:] = runs.ranges(answer)
            runs.denied = ranges[1]["last_key"]

    runs.lambdas.before["plan_batches"] = deny_the_second_range
    failed = runs.run()
    assert (failed.status, failed.error, failed.failed_state) == ("FAILED", "AccessDenied", "PlanBatches")
    assert runs.calls().count("range") == len(ranges) > 2
    assert arrived(runs) == []
    runs.denied = None
    runs.lists.clear()
    ended = runs.machine.redrive(failed)
    assert ended.status == "SUCCEEDED", ended.cause
    assert ended.document["report"]["counts"] == {"verified": len(KEYS)}
    assert arrived(runs) == KEYS
    assert runs.calls().count("range") == len(ranges)
    assert all(ranges[1]["last_key"] <= after < ranges[1]["shard"]["until"] for after in runs.lists)
