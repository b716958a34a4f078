"""A backfill of a bucket whose objects are new, changed, the same, archived or excluded, and its dry run before it.

The tests depend on their order: the last ones copy what the first ones only plan.
"""

import gzip
import json
import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from ferry.stepfunctions.executions import execution_arn
from infra.local import lifecycle, sweeps
from infra.rules import loader
from tests.e2e import killed_runs
from tests.e2e.killed_runs import KilledRun
from tests.support.deployed.deployment import Deployed
from tests.support.deployed.sabotage import permission_removed
from tests.support.deployed.waiting import wait_for
from tests.support.inventories import MANIFEST, inventory_files, row_of
from tests.support.local_s3 import upload

pytestmark = pytest.mark.own_cloud("has rules of its own, and uploads that no event tells of")

MIGRATION = """
multipart_threshold_bytes: 5242881
rules:
  - suffix: .tmp
    exclude: true
  - prefix: moved/
    mode: move
  - prefix: moved-rows/
    mode: move
  - prefix: in/
    target_prefix: out/
  - prefix: notes/
    rename: kept/{rest}.txt
"""

HARD_KEYS = ["hard/a b+c%.bin", "hard/a\rb", "hard/a\nb", "hard/é", "hard/e\u0301", "hard/\uff5e", "hard/\U0001f600"]
LONGEST = "k" * 1024
FOLDER_MARKER = "folder/"
TABLE, MOVED_TABLE = "table/a.csv", "moved-rows/dt=1/a.csv"
ROWS = b"ship,berth\nAurora,1\n"
NEW = [*HARD_KEYS, LONGEST, FOLDER_MARKER, "new/a.bin", "in/new.bin", TABLE]
LARGE = 5 * 1024**2 + 2


def body_of(key: str) -> bytes:
    """What is uploaded as a new object."""
    if key == TABLE:
        return ROWS
    return b"" if key.endswith("/") else b"new"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A cloud of these rules, and a source that was filled before it was connected."""
    folder = tmp_path_factory.mktemp("backfill")
    rules = folder / "migration.yaml"
    rules.write_text(MIGRATION)
    with lifecycle.running(folder / ".ferry", rules=loader.load(rules).rules):
        deployed = Deployed(folder / ".ferry" / "outputs.json")
        deployed.source.put_bucket_notification_configuration(
            Bucket=deployed.outputs.source_bucket, NotificationConfiguration={}
        )
        _fill(deployed)
        yield deployed


def _fill(deployed: Deployed) -> None:
    for key in NEW:
        deployed.put(key, body_of(key))
    for key in ("same/a.bin", "in/same.bin", "notes/a", "moved/same.bin"):
        deployed.put(key, b"same", Metadata={"a": "b"})
    for key in ("same/a.bin", "out/same.bin", "kept/a.txt", "moved/same.bin"):
        _put_at_target(deployed, key, b"same", Metadata={"a": "b"})
    for key, body, arguments in (
        ("changed/size.bin", b"longer", {}),
        ("changed/bytes.bin", b"other", {}),
        ("changed/metadata.bin", b"bytes", {"Metadata": {"a": "b"}}),
    ):
        deployed.put(key, b"bytes")
        _put_at_target(deployed, key, body, **arguments)
    # A hash over the parts of one, and a hash of the whole of the other: nothing that is stored compares them.
    upload(deployed.source, deployed.outputs.source_bucket, "undecided.bin", [b"bytes"], ChecksumAlgorithm="CRC32")
    _put_at_target(deployed, "undecided.bin", b"bytes", ChecksumAlgorithm="SHA256")
    deployed.put("archived.bin", b"cold", StorageClass="GLACIER")
    deployed.put("ignored.tmp", b"ignored")
    deployed.put("moved/new.bin", b"moved")
    deployed.put(MOVED_TABLE, ROWS)
    deployed.put("large.bin", b"x" * LARGE)
    deployed.put("in_progress.bin", b"copied in parts")
    _copy_role(deployed).create_multipart_upload(Bucket=deployed.outputs.target_bucket, Key="in_progress.bin")


def _put_at_target(deployed: Deployed, key: str, body: bytes, **arguments: Any) -> None:
    deployed.target.put_object(Bucket=deployed.outputs.target_bucket, Key=key, Body=body, **arguments)


def _copy_role(deployed: Deployed) -> Any:
    """S3, as the function that copies uses it."""
    role = deployed.iam.get_role(RoleName=f"{deployed.outputs.name}-copy-object")["Role"]["Arn"]
    sts: Any = deployed.client("sts", deployed.outputs.target_region)
    keys = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    return boto3.client(
        "s3",
        region_name=deployed.outputs.target_region,
        endpoint_url=deployed.outputs.endpoint_url,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def dry_run(deployed: Deployed, *arguments: str) -> dict[str, Any]:
    """What `--json` prints."""
    result = deployed.ferry("backfill", "--dry-run", "--json", *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    shown: dict[str, Any] = json.loads(result.stdout)
    return shown


def outcomes(shown: dict[str, Any]) -> dict[tuple[str, str, bool], int]:
    """The numbers of objects by action, reason and whether they are large."""
    return {(each["action"], each["reason"], each["by_execution"]): each["objects"] for each in shown["outcomes"]}


ACTIONS = ("copy", "move", "undecided")
EXPECTED = {
    ("copy", "new", False): len(NEW),
    ("copy", "new", True): 1,
    ("copy", "size_differs", False): 1,
    ("copy", "content_differs", False): 1,
    ("copy", "metadata_differs", False): 1,
    ("move", "new", False): 2,
    ("move", "same_checksum", False): 1,
    ("done", "same_checksum", False): 3,
    ("undecided", "not_comparable", False): 1,
    ("skip", "archived", False): 1,
    ("skip", "excluded", False): 1,
    ("skip", "upload_in_progress", False): 1,
}


def test_a_dry_run_says_what_would_be_done_and_does_none_of_it(filled: Deployed) -> None:
    before = contents(filled)
    shown = dry_run(filled)
    assert outcomes(shown) == EXPECTED
    assert shown["objects"] == sum(EXPECTED.values())
    assert contents(filled) == before


def test_an_inventory_gives_the_same_dry_run_as_the_listing(filled: Deployed) -> None:
    """In a bucket of its own, whose policy lets the function read it."""
    bucket, region, source = "bucket-of-inventories", filled.outputs.source_region, filled.outputs.source_bucket
    filled.source.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})  # type: ignore[typeddict-item]
    role = filled.iam.get_role(RoleName=f"{filled.outputs.name}-plan-batches")["Role"]["Arn"]
    statement = {"Effect": "Allow", "Principal": {"AWS": role}, "Action": "s3:GetObject"}
    policy = {"Version": "2012-10-17", "Statement": [{**statement, "Resource": f"arn:aws:s3:::{bucket}/*"}]}
    filled.source.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    found = filled.source.list_objects_v2(Bucket=source)["Contents"]
    rows = [row_of(source, each["Key"], each) for each in reversed(found)]
    for key, body in inventory_files(source, bucket, rows[::2], rows[1::2]).items():
        filled.source.put_object(Bucket=bucket, Key=key, Body=body)
    assert outcomes(dry_run(filled, "--inventory", f"s3://{bucket}/{MANIFEST}")) == EXPECTED


def contents(deployed: Deployed) -> list[tuple[str, str]]:
    """Every object of both buckets."""
    return [
        (each["Key"], each["ETag"])
        for client, bucket in (
            (deployed.source, deployed.outputs.source_bucket),
            (deployed.target, deployed.outputs.target_bucket),
        )
        for each in client.list_objects_v2(Bucket=bucket)["Contents"]
    ]


def test_the_plan_lists_what_would_be_done_by_its_exact_key(filled: Deployed) -> None:
    shown = dry_run(filled)
    bucket, _, folder = shown["plan"].removeprefix("s3://").partition("/")

    def read(key: str) -> bytes:
        return filled.target.get_object(Bucket=bucket, Key=key)["Body"].read()

    lines = [
        json.loads(line)
        for name in ("batches.json", "executions.json")
        for pointer in json.loads(read(f"{folder}{name}"))
        for line in gzip.decompress(read(pointer["key"])).decode().removesuffix("\n").split("\n")
    ]
    assert {line["key"] for line in lines if line["reason"] == "new"} == {
        *NEW,
        "moved/new.bin",
        MOVED_TABLE,
        "large.bin",
    }
    (renamed,) = [line for line in lines if line["key"] == "in/new.bin"]
    assert renamed["rule"]["target_key"] == "out/new.bin"


def test_a_prefix_limits_the_dry_run(filled: Deployed) -> None:
    assert outcomes(dry_run(filled, "--prefix", "changed/")) == {
        kind: number for kind, number in EXPECTED.items() if "differs" in kind[1]
    }


def test_an_age_skips_what_was_just_uploaded(filled: Deployed) -> None:
    assert outcomes(dry_run(filled, "--prefix", "new/", "--min-age", "1d")) == {("skip", "too_young", False): 1}


def test_a_time_skips_what_is_older(filled: Deployed) -> None:
    shown = dry_run(filled, "--prefix", "new/", "--since", "2100-01-01")
    assert outcomes(shown) == {("skip", "before_since", False): 1}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--dry-run", "--prefix", "absent/"], 1, "No object in s3://"),
        (["--source", "absent"], 1, "has no source named absent"),
        (["--dry-run", "--inventory", "s3://absent-bucket/manifest.json"], 1, "s3://absent-bucket"),
        (["--max-concurrency", "0"], 2, "--max-concurrency"),
    ],
)
def test_what_is_wrong_is_one_line(filled: Deployed, arguments: list[str], code: int, said: str) -> None:
    result = filled.ferry("backfill", *arguments)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (code, "", 1)
    assert said in result.stderr


def test_a_plan_that_cannot_be_written_is_one_line(filled: Deployed) -> None:
    with permission_removed(filled, f"{filled.outputs.name}-plan-batches", "s3:PutObject"):
        result = filled.ferry("backfill", "--dry-run")
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert "AccessDenied: Access denied while writing the plan" in result.stderr


def test_the_output_for_people_names_both_buckets_and_the_cost(filled: Deployed) -> None:
    result = filled.ferry("backfill", "--dry-run")
    assert (result.returncode, result.stderr) == (0, "")
    for said in (filled.outputs.source_bucket, filled.outputs.target_bucket, "nothing was copied", "$"):
        assert said in result.stdout


def test_a_backfill_copies_and_verifies_what_its_dry_run_said(filled: Deployed) -> None:
    planned = outcomes(dry_run(filled))
    result = filled.ferry("backfill", "--json")
    assert result.returncode == 0, result.stderr
    shown = json.loads(result.stdout)
    moved = sum(number for (action, *_), number in planned.items() if action == "move")
    others = sum(number for (action, *_), number in planned.items() if action in ACTIONS)
    assert shown["counts"] == {"verified": others - moved, "deleted": moved}
    assert reasons(report(filled, shown["run"])) == by_reason(planned)
    assert filled.arrived("changed/size.bin") == b"bytes"
    assert filled.head("changed/metadata.bin")["Metadata"] == {}
    (run,) = filled.runs(["large.bin"])
    assert (run.status, run.cause) == ("SUCCEEDED", "")
    assert reported(filled, shown["run"]) == shown["counts"]
    for key in NEW:
        assert filled.arrived("out/new.bin" if key == "in/new.bin" else key) == body_of(key)
    for key in ("moved/new.bin", "moved/same.bin", MOVED_TABLE):
        assert not filled.is_at_source(key)
    assert (filled.arrived("moved/new.bin"), filled.arrived(MOVED_TABLE)) == (b"moved", ROWS)


def reported(deployed: Deployed, run: str) -> dict[str, int]:
    """The report's counts, by SQL."""
    today = datetime.now(UTC).date()
    # The run may have started yesterday.
    days = f"'{today}', '{today - timedelta(days=1)}'"
    sql = f"SELECT status, count(DISTINCT key) FROM ferry_report WHERE day IN ({days}) AND run = '{run}' GROUP BY 1"
    result = deployed.ferry("query", "--json", sql)
    assert result.returncode == 0, result.stderr
    return {status: int(number) for status, number in json.loads(result.stdout)["rows"]}


def test_a_second_backfill_finds_nothing_to_do(filled: Deployed) -> None:
    assert {action for action, *_ in outcomes(dry_run(filled))} == {"done", "skip"}
    before = contents(filled)
    result = filled.ferry("backfill")
    assert (result.returncode, result.stderr.count("\n")) == (0, 1)
    assert "Nothing to copy" in result.stdout
    assert contents(filled) == before


def test_a_run_with_an_object_that_fails_copies_the_others_and_its_redrive_only_that_one(filled: Deployed) -> None:
    for key in ("failing/a.bin", "failing/b.bin"):
        filled.put(key, b"bytes", **({"Tagging": "a=b"} if key.endswith("b.bin") else {}))
    with permission_removed(filled, f"{filled.outputs.name}-copy-batch", "s3:PutObjectTagging"):
        result = filled.ferry("backfill", "--prefix", "failing/")
        whole = filled.ferry("backfill", "--prefix", "failing/b")
    assert result.returncode == whole.returncode == 1
    assert "RunIncomplete: 1 of 2 planned objects failed: 1 AccessDenied. First failure: failing/b.bin" in result.stderr
    assert filled.arrived("failing/a.bin") == b"bytes"
    assert "AccessDenied: Nothing was copied, and the run stopped: Access denied" in whole.stderr
    (run,) = [
        each for each in json.loads(filled.ferry("runs", "--json").stdout) if each["scope"]["prefix"] == "failing/"
    ]
    assert (run["scope"]["prefix"], run["counts"]) == ("failing/", {"verified": 1, "failed": 1})
    assert statuses(report(filled, run["run"])) == {"failing/a.bin": "verified", "failing/b.bin": "failed"}
    replayed = filled.ferry("replay", run["run"])
    assert (replayed.returncode, replayed.stderr) == (0, "")
    assert f"{run['run']}  redriven" in replayed.stdout
    assert ended_status(filled, run["run"]) == "SUCCEEDED"
    assert statuses(report(filled, run["run"])) == {"failing/a.bin": "verified", "failing/b.bin": "verified"}
    assert len(filled.versions("failing/a.bin")) == len(filled.versions("failing/b.bin")) == 1


def test_a_file_that_is_wrong_is_named_and_the_others_of_its_table_are_validated(filled: Deployed) -> None:
    # The partition of one is registered from the table, which its first file made.
    for key, body in (("dt=2/b.csv", ROWS), ("dt=1/bad.csv", b"ship,berth\nAurora\n")):
        filled.put(f"moved-rows/{key}", body)
    result = filled.ferry("backfill", "--prefix", "moved-rows/")
    assert result.returncode == 1
    assert (
        "RunIncomplete: 1 of 2 planned objects failed: 1 ValidationFailed. First failure: moved-rows/dt=1/bad.csv"
        in (result.stderr)
    )
    assert filled.is_at_source("moved-rows/dt=1/bad.csv"), "what is not validated is not deleted"
    assert not filled.is_at_source("moved-rows/dt=2/b.csv")


def test_a_file_is_found_by_its_key(filled: Deployed) -> None:
    result = filled.ferry("find", "large.bin", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    version = filled.head("large.bin")["VersionId"]
    assert [each["version_id"] for each in found["target"]] == [version]
    assert [each["target_version_id"] for each in (*found["runs"], *found["executions"])] == [version, version]


def test_an_audit_finds_what_the_backfills_left_alone_and_what_no_source_has(filled: Deployed) -> None:
    before = contents(filled)
    result = filled.ferry("audit", "--tags", "--json")
    assert result.returncode == 1, result.stdout
    assert "2 missing" in result.stderr
    shown = json.loads(result.stdout)
    assert {(each["status"], each["key"]) for each in shown["findings"]} == {
        ("missing", "archived.bin"),
        ("missing", "in_progress.bin"),
        ("extra", "moved/new.bin"),
        ("extra", "moved/same.bin"),
        ("extra", MOVED_TABLE),
        ("extra", "moved-rows/dt=2/b.csv"),
        # Its rule asks for more than stored checksums, as every move does.
        ("undecided", "moved-rows/dt=1/bad.csv"),
    }
    assert shown["reasons"] == {"excluded": 1, "grade_too_low": 1}
    assert shown["counts"].keys() == {"verified", "missing", "extra", "undecided", "skipped"}
    assert contents(filled) == before
    result = filled.ferry("audit", "--prefix", "in/", "--strict")
    assert (result.returncode, result.stderr.count("\n")) == (0, 1)
    assert "2  " in result.stdout


def test_sweeps_that_follow_each_other_do_nothing_from_the_second_on(filled: Deployed) -> None:
    filled.put("secret.bin", b"x", SSECustomerAlgorithm="AES256", SSECustomerKey="k" * 32)
    filled.put("swept/new.bin", b"new")
    filled.target.delete_object(Bucket=filled.outputs.target_bucket, Key="same/a.bin")
    for expression in ("rate(2 days)", "rate(1 day)"):
        sweeps.schedule(filled.outputs, expression)
    assert swept(filled) == ("FAILED", "RunIncomplete")
    assert filled.arrived("swept/new.bin") == b"new"
    before = contents(filled)
    for _ in range(2):
        assert swept(filled) == ("SUCCEEDED", {})
    assert contents(filled) == before
    assert [key for key, _ in before].count("same/a.bin") == 1, "it was deleted at the target"


def test_a_killed_run_loses_nothing_and_copies_nothing_twice(filled: Deployed) -> None:
    left, seed = int(os.environ.get("FERRY_KILLS", killed_runs.KILLS_OF_A_RUN)), 0
    while left > 0:
        run, kills = KilledRun(filled, seed), min(left, killed_runs.KILLS_OF_A_RUN)
        ended = run.run(kills)
        left, seed = left - kills, seed + 1
        assert (ended["status"], ended.get("cause")) == ("SUCCEEDED", None), f"seed {seed}"
        assert run.arrived() == run.keys, f"seed {seed}"
        assert set(run.versions().values()) == {1}, f"seed {seed}: what had arrived was copied again"
        report = run.report(json.loads(ended["output"])["report"]["folder"])
        assert sorted(report) == sorted((key, "verified") for key in run.keys), f"seed {seed}"
        assert run.killed.total() >= 1, f"seed {seed}: nothing was killed"


def test_a_schedule_starts_sweeps_by_itself(filled: Deployed) -> None:
    outputs = filled.outputs
    client: Any = filled.client("stepfunctions", outputs.target_region)
    machine = outputs.bulk_state_machine_arn

    def newest() -> Any:
        return client.list_executions(stateMachineArn=machine, maxResults=1)["executions"]

    before = newest()
    sweeps.schedule(outputs, "rate(1 day)")
    scheduler: Any = filled.client("scheduler", outputs.target_region)
    scheduled = scheduler.get_schedule(Name=f"{outputs.name}-sweep-main")
    # The same target at once: the shortest rate is a minute.
    scheduler.create_schedule(
        Name="at-once",
        ScheduleExpression=f"at({datetime.now(UTC):%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=scheduled["Target"],
    )
    (started,) = wait_for(lambda: found if (found := newest()) != before else None, "a sweep")
    assert ended_status(filled, started["name"]) == "SUCCEEDED"
    described = client.describe_execution(executionArn=started["executionArn"])
    assert json.loads(described["input"]) == json.loads(sweeps.sweep_input(outputs))


def ended_status(deployed: Deployed, run: str) -> str:
    """Wait for the end of a run."""
    arn = execution_arn(deployed.outputs.bulk_state_machine_arn or "", run)

    def ended() -> str | None:
        status = deployed.step_functions.describe_execution(executionArn=arn)["status"]
        return None if status == "RUNNING" else status

    return wait_for(ended, f"the end of {run}")


def report(deployed: Deployed, run: str) -> list[dict[str, Any]]:
    """The lines of a run's report."""
    result = deployed.ferry("report", run, "--json")
    assert (result.returncode, result.stderr) == (0, "")
    lines: list[dict[str, Any]] = json.loads(result.stdout)
    return lines


def statuses(lines: list[dict[str, Any]]) -> dict[str, str]:
    """What became of each key."""
    return {line["key"]: line["status"] for line in lines}


def reasons(lines: list[dict[str, Any]]) -> Counter[str]:
    """The number of objects by the reason why they were planned."""
    return Counter(line["reason"] for line in lines)


def by_reason(planned: dict[tuple[str, str, bool], int]) -> Counter[str]:
    """What a dry run shows as to be done, by reason."""
    found: Counter[str] = Counter()
    for (action, reason, _), number in planned.items():
        found[reason] += number if action in ACTIONS else 0
    return +found


def swept(deployed: Deployed) -> tuple[str, Any]:
    """How a sweep ended that the schedule's input started, but for the age of objects: its error, or what it did."""
    outputs = deployed.outputs
    scheduler: Any = deployed.client("scheduler", outputs.target_region)
    schedule = scheduler.get_schedule(Name=f"{outputs.name}-sweep-main")
    assert schedule["ScheduleExpression"] == "rate(1 day)"
    document = json.loads(schedule["Target"]["Input"])
    document["scope"]["min_age_seconds"] = 0
    client: Any = deployed.client("stepfunctions", outputs.target_region)
    arn = client.start_execution(stateMachineArn=schedule["Target"]["Arn"], input=json.dumps(document))["executionArn"]

    def ended_execution() -> Any:
        described = client.describe_execution(executionArn=arn)
        return described if described["status"] != "RUNNING" else None

    ended = wait_for(ended_execution, "the end of the sweep")
    if ended["status"] != "SUCCEEDED":
        return ended["status"], ended["error"]
    return ended["status"], json.loads(ended["output"])["report"]["counts"]
