"""PlanBatches as Lambda calls it: its event, its environment, S3's own listings, and its errors."""

import gzip
import json
from typing import Any

import boto3
import pytest

from functions import plan_batches
from functions.contract.bulk import Plan
from functions.contract.models import Rule
from functions.contract.rules import KeyRule, Rules
from functions.intake import deployed_rules
from functions.planning import run_plan
from functions.planning.entry_files import entry_files
from functions.planning.line_files import read_lines
from functions.runtime.errors import AccessDenied, BucketMissing, SettingInvalid, Throttled
from tests.support.lambda_context import LambdaContext
from tests.unit.conftest import SOURCE, SOURCE_REGION, TARGET, TARGET_REGION, Cloud, ErrorResponse

RESULTS = "ferry-results"
NO_RUNS = ErrorResponse("NoSuchKey")
"""The first object that is read names the active runs."""

HARD_KEYS = ["a/", "a b+c%.csv", "a\rb", "a\nb", "é", "e\u0301", "\uff5e", "\U0001f600", "k" * 1024, "//", "\x01", "&<"]


@pytest.fixture
def cloud(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """With the results bucket, and without rules."""
    cloud.target.create_bucket(Bucket=RESULTS)
    settings = {"RULES_BUCKET": RESULTS, "RULES_KEY": "", "COPY_ROLE": "ferry-copy-object"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(deployed_rules, "_last_read", {})
    return cloud


def event(plan: dict[str, Any] | None = None, **scope: Any) -> dict[str, Any]:
    """What it is called with."""
    document = {"scope": {"bucket": SOURCE, "region": SOURCE_REGION, **scope}, "plan": plan}
    return {"execution": {"Id": "arn:x", "Name": "run-1", "StartTime": "2026-11-20T12:00:00Z"}, "document": document}


def call(plan: dict[str, Any] | None = None, call_id: str = "t1", **scope: Any) -> dict[str, Any]:
    """What it returns."""
    returned: dict[str, Any] = plan_batches.handler(event(plan, **scope), LambdaContext(aws_request_id=call_id))
    return json.loads(json.dumps(returned))  # type: ignore[no-any-return]


def lines(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Every object in the slices of a plan."""
    found = []
    s3 = boto3.client("s3", TARGET_REGION)
    for name in ("batches.json", "executions.json"):
        for pointer in json.loads(s3.get_object(Bucket=RESULTS, Key=f"{plan['folder']}{name}")["Body"].read()):
            text = gzip.decompress(s3.get_object(Bucket=RESULTS, Key=pointer["key"])["Body"].read()).decode()
            found += [json.loads(line) for line in text.removesuffix("\n").split("\n")]
    return found


def test_keys_arrive_in_the_plan_as_they_are_at_the_source(cloud: Cloud) -> None:
    for key in HARD_KEYS:
        cloud.upload(b"x", key)
    plan = call()
    assert (plan["status"], plan["objects"]) == ("planned", len(HARD_KEYS))
    assert [line["key"] for line in lines(plan)] == sorted(HARD_KEYS, key=str.encode)


def test_keys_are_found_at_the_target_as_they_are(cloud: Cloud) -> None:
    for key in HARD_KEYS:
        cloud.upload(b"x", key)
        cloud.target.put_object(Bucket=TARGET, Key=key, Body=b"longer")
    plan = call()
    assert [(tally["reason"], tally["objects"]) for tally in plan["tallies"]] == [("size_differs", len(HARD_KEYS))]


def test_the_result_fits_the_model_and_continues(cloud: Cloud) -> None:
    for number in range(1001):
        cloud.upload(b"x", f"{number:04}")
    first = call(most_seconds=0)
    assert (first["status"], first["objects"], first["last_key"]) == ("planning", 1000, "0999")
    second = call(first, "t2", most_seconds=0)
    assert (second["status"], second["objects"], second["calls"]) == ("planned", 1001, 2)
    assert second["as_of"] == first["as_of"]
    assert [folder["name"] for folder in second["folders"]] == ["00000-t1", "00001-t2"]
    assert sorted(line["key"] for line in lines(second)) == [f"{number:04}" for number in range(1001)]
    assert Plan.model_validate(second).model_dump(mode="json") == second


def test_a_call_that_is_repeated_plans_nothing_twice(cloud: Cloud) -> None:
    for key in "ab":
        cloud.upload(b"x", key)
    call(call_id="lost")
    assert [line["key"] for line in lines(call(call_id="repeated"))] == ["a", "b"]


def test_its_requests_are_counted_with_those_that_are_repeated(cloud: Cloud) -> None:
    cloud.upload(b"x", "a")
    cloud.target.put_object(Bucket=TARGET, Key="a", Body=b"y", Metadata={"a": "b"})
    plan = call()
    # The rules, if there are any, are not part of it. The buckets and the ledger are listed, both objects are read.
    expected = {"ListMultipartUploads": 1, "ListObjectsV2": 3, "HeadObject": 2, "PutObject": 3}
    assert plan["requests"] == expected


def map_shards(plan: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """What the Map does: a call for each range, by an execution whose name is its own."""
    body = boto3.client("s3", TARGET_REGION).get_object(Bucket=RESULTS, Key=plan["shards_key"])["Body"].read()
    found = []
    for number, item in enumerate(json.loads(body)):
        child = event(item)
        child["execution"]["Name"] = f"child-{number}"
        child["document"].pop("max_concurrency", None)
        context = LambdaContext(aws_request_id=f"{name}-{number}")
        found.append(json.loads(json.dumps(plan_batches.handler(child, context))))
    return found


@pytest.fixture
def few_keys_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of five keys, and ranges of keys from the tenth on."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "5")
    monkeypatch.setattr(run_plan, "SHARD_ABOVE_KEYS", 10)


@pytest.mark.usefixtures("few_keys_are_many")
def test_many_keys_are_planned_in_ranges_and_every_request_of_it_is_counted(cloud: Cloud) -> None:
    keys = [f"{folder}/{number}" for folder in "ab" for number in range(14)]
    for key in keys:
        cloud.upload(b"x", key)
    cloud.hooks.forget()
    first = call()
    assert (first["status"], first["objects"]) == ("planning", 10)
    sharded = call(first, "t2")
    assert (sharded["status"], sharded["shard_rounds"]) == ("sharded", 1)
    results = map_shards(sharded, "t3")
    assert len(results) > 1
    assert {result["status"] for result in results} == {"planned"}
    plan = call(sharded, "t4")
    assert (plan["status"], plan["objects"], plan["calls"]) == ("planned", 28, 3)
    made = {name: len(calls) for name, calls in cloud.hooks.params.items() if calls}
    # Not counted: who is active, the Map's own, and the file in which a range's count is.
    made["PutObject"] -= 1 + len(results)
    made["GetObject"] -= 2
    assert plan["requests"] == made
    assert sorted(line["key"] for line in lines(plan)) == sorted(keys)


@pytest.mark.usefixtures("few_keys_are_many")
def test_a_range_is_planned_for_the_run_and_not_for_the_execution_of_the_range(cloud: Cloud) -> None:
    for number in range(25):
        cloud.upload(b"x", f"{number:02}", Metadata={"a": "b"})
        cloud.target.put_object(Bucket=TARGET, Key=f"{number:02}", Body=b"x", Metadata={"a": "b"})
    sharded = call(call(), "t2")
    map_shards(sharded, "t3")
    plan = Plan.model_validate(call(sharded, "t4"))
    files = [key for folder in plan.folders for key in entry_files(plan.folder, folder)]
    noted = [json.loads(line) for key in files for line in read_lines(RESULTS, TARGET_REGION, key)]
    assert [(line["key"], line["run"]) for line in noted] == [(f"{number:02}", "run-1") for number in range(25)]


@pytest.mark.usefixtures("few_keys_are_many")
@pytest.mark.parametrize(("max_concurrency", "ranges"), [(1, 0), (2, 2), (0, 3)])
def test_no_more_ranges_are_planned_at_once_than_the_run_may_do(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, max_concurrency: int, ranges: int
) -> None:
    monkeypatch.setattr(plan_batches, "MOST_SHARDS", 3)
    for number in range(40):
        cloud.upload(b"x", f"{number:02}")
    asked = event(call())
    asked["document"]["max_concurrency"] = max_concurrency
    found = plan_batches.handler(asked, LambdaContext(aws_request_id="t2"))
    assert (found["status"], len(map_shards(found, "t3")) if ranges else 0) == (
        "sharded" if ranges else "planned",
        ranges,
    )


def test_the_deployments_rules_apply(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RULES_KEY", "rules/migration.json")
    rules = Rules(rules=(KeyRule(prefix="secret/", exclude=True, rule=Rule()),))
    cloud.target.put_object(Bucket=RESULTS, Key="rules/migration.json", Body=rules.model_dump_json().encode())
    cloud.upload(b"x", "secret/a")
    assert [tally["reason"] for tally in call()["tallies"]] == ["excluded"]


def test_without_its_rules_nothing_is_planned(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RULES_KEY", "rules/migration.json")
    with pytest.raises(SettingInvalid, match=r"rules/migration\.json"):
        call()
    assert cloud.hooks.params["ListObjectsV2"] == []


def test_what_will_be_read_is_counted_by_the_rule(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RULES_KEY", "rules/migration.json")
    rules = Rules(
        default=Rule(checks=["a.sql", "b.sql"]),
        rules=(
            KeyRule(prefix="plain/", rule=Rule(catalogue=False)),
            KeyRule(prefix="read/", rule=Rule(catalogue=False, minimum_grade="readback")),
            KeyRule(prefix="both/", rule=Rule(catalogue=False, minimum_grade="bytes")),
        ),
    )
    cloud.target.put_object(Bucket=RESULTS, Key="rules/migration.json", Body=rules.model_dump_json().encode())
    counts = {}
    for key in ("plain/a.csv", "read/a.csv", "both/a.csv", "table/a.csv", "table/a.parquet", "table/a.bin"):
        cloud.upload(b"12345", key)
        (tally,) = call(call_id=key.replace("/", "-"), prefix=key)["tallies"]
        counts[key] = tuple(tally[name] for name in ("files", "reads", "read_bytes", "scanned_bytes"))
    assert counts == {
        "plain/a.csv": (0, 0, 0, 0),
        "read/a.csv": (0, 1, 5, 0),
        "both/a.csv": (0, 2, 10, 0),
        # Athena counts the rows and runs two checks; the rows of Parquet are counted in its footer.
        "table/a.csv": (1, 1, 5, 15),
        "table/a.parquet": (1, 1, 5, 10),
        "table/a.bin": (0, 0, 0, 0),
    }


@pytest.mark.parametrize(
    ("operation", "code", "error"),
    [
        ("ListObjectsV2", "AccessDenied", AccessDenied),
        ("ListObjectsV2", "NoSuchBucket", BucketMissing),
        ("ListObjectsV2", "SlowDown", Throttled),
        ("ListMultipartUploads", "AccessDenied", AccessDenied),
        ("PutObject", "AccessDenied", AccessDenied),
    ],
)
def test_its_errors_are_the_workflows(cloud: Cloud, operation: str, code: str, error: type[Exception]) -> None:
    cloud.upload(b"x", "a")
    cloud.hooks.answer(operation, *[ErrorResponse(code)] * 4)
    with pytest.raises(error):
        call()


def test_an_object_that_only_its_owner_can_read_is_skipped(cloud: Cloud) -> None:
    cloud.upload(b"x", "a")
    cloud.target.put_object(Bucket=TARGET, Key="a", Body=b"y")
    head, source = (
        ErrorResponse("400"),
        ErrorResponse("InvalidRequest", "The object was stored using a form of encryption."),
    )
    target: Any = cloud.target.head_object(Bucket=TARGET, Key="a")
    cloud.hooks.answer("HeadObject", target, head)
    cloud.hooks.answer("GetObject", NO_RUNS, source)
    assert [(tally["action"], tally["reason"]) for tally in call()["tallies"]] == [("skip", "customer_key")]


@pytest.mark.parametrize("bucket", [SOURCE, TARGET])
@pytest.mark.parametrize("code", ["403", "400"])
def test_an_object_that_cannot_be_read_keeps_no_other_from_being_planned(cloud: Cloud, bucket: str, code: str) -> None:
    cloud.upload(b"x", "a")
    cloud.target.put_object(Bucket=TARGET, Key="a", Body=b"y")
    cloud.upload(b"x", "b")
    target: Any = cloud.target.head_object(Bucket=TARGET, Key="a")
    cloud.hooks.answer("HeadObject", *([target] if bucket == SOURCE else []), ErrorResponse(code))
    cloud.hooks.answer("GetObject", NO_RUNS, ErrorResponse("AccessDenied", "no kms:Decrypt"))
    assert [(tally["action"], tally["reason"]) for tally in call()["tallies"]] == [
        ("copy", "new"),
        ("undecided", "not_comparable"),
    ]


def test_a_bucket_that_is_gone_by_then_is_an_error(cloud: Cloud) -> None:
    cloud.upload(b"x", "a")
    cloud.target.put_object(Bucket=TARGET, Key="a", Body=b"y")
    cloud.hooks.answer("HeadObject", ErrorResponse("NoSuchBucket"))
    with pytest.raises(BucketMissing):
        call()
