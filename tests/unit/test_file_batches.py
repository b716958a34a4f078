"""The files of tables in a slice: few queries about many files, and one wrong file is nobody else's failure.

Glue's and Athena's answers are given here: moto's Glue needs a parser that is not installed.
"""

from datetime import UTC, datetime
from typing import Any

import pytest

from functions.batches import records
from functions.batches.catalogue import catalogue_files
from functions.batches.failures import MANY_FAILURES
from functions.batches.files import ValidationCall, validate_batch
from functions.batches.outcomes import outcomes_of
from functions.batches.records import COPIED, READ, VERIFIED, write_outcomes
from functions.batches.row_counts import CountedFile, RowCounts
from functions.batches.slice_names import repeated
from functions.batches.steps import BatchCall
from functions.batches.table_settings import CatalogueBatchSettings, FileSettings
from functions.catalogue.glue_table import Table
from functions.contract.batches import Batch, Outcome
from functions.contract.bulk import PlannedObject, PlanScope
from functions.contract.ledger import LedgerTarget
from functions.contract.limits import BATCH_CALLS
from functions.contract.models import Catalogue, ExecutionContext, ObjectVersion, Rule, StoredObject
from functions.ledger.entries import entry_of
from functions.planning.line_files import put_lines
from functions.runtime.errors import BatchTimedOut
from functions.validation import group_queries
from functions.validation.athena_queries import NULL_PARTITION, ROWS
from functions.validation.group_queries import MOST_BYTES, TableFile, ask_by_group, groups
from tests.support.lambda_context import PLENTY_MS
from tests.unit.alerts import Alerts, alerts, fail_objects
from tests.unit.conftest import SOURCE, SOURCE_REGION, TARGET, TARGET_REGION, Cloud, Hooks

__all__ = ["alerts"]

RESULTS = "ferry-results"
SETTINGS = FileSettings(
    target_bucket=TARGET,
    target_region=TARGET_REGION,
    results_bucket=RESULTS,
    glue_database="ferry",
    athena_workgroup="ferry",
)
CHECK = 'SELECT * FROM {database}.{table} WHERE "$path" IN ({paths}) AND id IS NULL;'


def file(name: str, table: str = "sales", **partition: str) -> TableFile:
    """A file of a table, in this partition."""
    folders = "".join(f"{key}={value}/" for key, value in partition.items())
    found = Table("ferry", table, {"id": "string"}, partition, partition_keys=tuple(partition))
    return TableFile(f"s3://{TARGET}/{table}/{folders}{name}", found)


def counted(*files: TableFile) -> list[CountedFile]:
    """Files that were read, with two records each."""
    return [CountedFile(Outcome(key=each.uri.rpartition("/")[2], status="verified", records=2), each) for each in files]


def count(files: list[CountedFile], known: dict[str, Outcome] | None = None) -> dict[str, Outcome]:
    """What one call makes of the files, by key."""
    found = RowCounts(SETTINGS, ["slice", "0"], lambda: True).count(files, known or {})
    return {each.key: each for each in found}


def answers(hooks: Hooks, *queries: tuple[str, Any]) -> None:
    """Answer each query in turn: its state, or why it failed; and its rows."""
    for number, (state, rows) in enumerate(queries):
        hooks.answer("StartQueryExecution", {"QueryExecutionId": f"q{number}"})
        reason = {"StateChangeReason": state} if state not in ("SUCCEEDED", "RUNNING") else {}
        status = {"State": "FAILED" if reason else state, **reason}
        hooks.answer("GetQueryExecution", {"QueryExecution": {"Status": status}})
        if state == "SUCCEEDED":
            data = [{"Data": [{"VarCharValue": str(cell)} for cell in row]} for row in (["header"], *rows)]
            hooks.answer("GetQueryResults", {"ResultSet": {"Rows": data}})


def sent(hooks: Hooks) -> list[str]:
    """The SQL of all queries."""
    return [each["QueryString"] for each in hooks.params["StartQueryExecution"]]


def test_one_query_counts_the_rows_of_all_files_and_reads_only_them(hooks: Hooks) -> None:
    files = [file("a.csv", dt="1"), file("it's.csv", dt="2"), file("c.csv", dt=NULL_PARTITION)]
    answers(hooks, ("SUCCEEDED", [[files[0].uri, 2], [files[1].uri, 1], [files[2].uri, 2]]))
    found = count(counted(*files))
    assert {key: outcome.validated for key, outcome in found.items()} == {
        "a.csv": True,
        "it's.csv": False,
        "c.csv": True,
    }
    assert found["it's.csv"].error == "ValidationFailed"
    assert "1 rows can be queried, but the file has 2 records" in str(found["it's.csv"].cause)
    assert found["a.csv"].rows == 2
    (sql,) = sent(hooks)
    assert sql == (
        'SELECT "$path", count(*) FROM "ferry"."sales" WHERE "$path" IN '
        f"('s3://{TARGET}/sales/dt=1/a.csv', 's3://{TARGET}/sales/dt=2/it''s.csv', "
        f"""'s3://{TARGET}/sales/dt={NULL_PARTITION}/c.csv') AND ("dt" IN ('1', '2') OR "dt" IS NULL) GROUP BY 1"""
    )


def test_a_file_that_athena_counts_no_row_of_is_not_in_the_table(hooks: Hooks) -> None:
    answers(hooks, ("SUCCEEDED", []))
    (outcome,) = count(counted(file("a.csv"))).values()
    assert "none of its rows can be queried in the table ferry.sales" in str(outcome.cause)


def test_a_file_that_fails_a_query_is_found_and_the_others_pass(hooks: Hooks) -> None:
    files = [file(name) for name in "abc"]
    bad = "HIVE_BAD_DATA: not a number"
    # All; a alone; b and c; b alone; c alone.
    answers(
        hooks,
        (bad, None),
        ("SUCCEEDED", [[files[0].uri, 2]]),
        (bad, None),
        (bad, None),
        ("SUCCEEDED", [[files[2].uri, 2]]),
    )
    found = count(counted(*files))
    assert [found[key].validated for key in "abc"] == [True, False, True]
    assert f"but Athena cannot read it: {bad}" in str(found["b"].cause)


def test_a_query_that_fails_for_another_reason_is_asked_once_and_fails_its_files(hooks: Hooks) -> None:
    answers(hooks, ("Query exhausted resources at this scale factor", None))
    found = count(counted(file("a"), file("b")))
    assert {outcome.error for outcome in found.values()} == {"QueryFailed"}


def test_a_file_that_fails_a_check_is_found(hooks: Hooks, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "ids.sql").write_text(CHECK)
    monkeypatch.setattr(group_queries, "CHECKS", tmp_path)
    files = [file(name) for name in "ab"]
    both = [[each.uri, 2] for each in files]
    # Rows and check of both, of a, of b. The rows of both are not read, as they are asked for again.
    steps: list[tuple[list[Any], list[Any]]] = [([["x"]], []), ([], both[:1]), ([["x"]], both[1:])]
    for offending, rows in steps:
        hooks.answer("StartQueryExecution", *[{"QueryExecutionId": "q"}] * 2)
        hooks.answer("GetQueryExecution", *[{"QueryExecution": {"Status": {"State": "SUCCEEDED"}}}] * 2)
        for found in [offending, *([rows] if rows else [])]:
            data = [{"Data": [{"VarCharValue": str(cell)} for cell in row]} for row in (["header"], *found)]
            hooks.answer("GetQueryResults", {"ResultSet": {"Rows": data}})
    outcomes = count(counted(*files))
    assert [outcomes[key].validated for key in "ab"] == [True, False]
    assert "the check ids.sql found 1 offending rows" in str(outcomes["b"].cause)
    assert f"""IN ('{files[0].uri}', '{files[1].uri}') AND id""" in sent(hooks)[1]


def test_a_later_call_asks_for_the_same_query_and_not_for_what_is_known(hooks: Hooks) -> None:
    files = counted(file("a", "t"), file("b", "u"))
    answers(hooks, ("RUNNING", None), ("SUCCEEDED", [[f"s3://{TARGET}/u/b", 2]]), ("RUNNING", None))
    known = count(files)
    assert known.keys() == {"b"}
    assert count(files, known) == {}
    first, _, again = hooks.params["StartQueryExecution"]
    assert first["ClientRequestToken"] == again["ClientRequestToken"]


def test_no_query_is_longer_than_athena_takes() -> None:
    files = [file(f"{number:0900}.csv", dt=str(number % 3)) for number in range(1000)]
    together = list(groups(files))
    assert [each for group in together for each in group] == files
    assert len(together) == 8
    for group in together:
        assert len(group_queries.group_queries(group)[ROWS].encode()) <= MOST_BYTES


@pytest.mark.parametrize(("sql", "by_group"), [(CHECK, True), (CHECK.replace("{paths}", "{path}"), False)])
def test_a_check_says_whether_it_asks_about_many_files(
    sql: str, by_group: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "ids.sql").write_text(sql)
    monkeypatch.setattr(group_queries, "CHECKS", tmp_path)
    assert ask_by_group(None) is ask_by_group(["ids.sql"]) is by_group
    assert ask_by_group([])
    assert not ask_by_group(["absent.sql"])


# CatalogueBatch.

SLICE = "runs/r/0/plan/a/file-00000.jsonl.gz"
STARTED = "2026-11-20T12:00:00Z"


def glue_table(name: str, *keys: str) -> dict[str, Any]:
    """A table as GetTables describes it."""
    described = {"Location": f"s3://{TARGET}/{name}/", "Columns": [{"Name": "id", "Type": "string"}]}
    return {"Name": name, "StorageDescriptor": described, "PartitionKeys": [{"Name": key} for key in keys]}


def catalogue(cloud: Cloud, *keys: str, previous: Catalogue | None = None) -> Catalogue:
    """What CatalogueBatch says about a slice of these files."""
    cloud.target.create_bucket(Bucket=RESULTS)
    settings = CatalogueBatchSettings(**SETTINGS.model_dump(exclude={"athena_workgroup"}), crawler_name="crawler")
    targets = [ObjectVersion(bucket=TARGET, region=TARGET_REGION, key=key, version_id=None, etag="e") for key in keys]
    copied_at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    verified = [Outcome(key=each.key, status="verified", target=each, copied_at=copied_at) for each in targets]
    write_outcomes(settings, SLICE, "verified", "a", verified)
    execution = ExecutionContext.model_validate({"Id": "arn:x", "Name": "x", "StartTime": STARTED})
    return catalogue_files(SLICE, execution, settings, previous)


def test_new_partitions_of_a_known_table_are_registered_without_a_crawl(cloud: Cloud) -> None:
    cloud.hooks.answer("GetTables", {"TableList": [glue_table("sales", "dt"), glue_table("plain")]})
    known = {"Values": ["1"], "StorageDescriptor": {"Location": f"s3://{TARGET}/sales/dt=1"}}
    new = {"Values": ["2"], "StorageDescriptor": {"Location": f"s3://{TARGET}/sales/dt=2/"}}
    cloud.hooks.answer("BatchGetPartition", {"Partitions": [known], "UnprocessedKeys": [{"Values": ["2"]}]})
    cloud.hooks.answer("BatchGetPartition", {"Partitions": []}, {"Partitions": [new]})
    cloud.hooks.answer("BatchCreatePartition", {"Errors": []})
    assert catalogue(cloud, "sales/dt=1/a.csv", "sales/dt=2/a.csv", "plain/a.csv").status == "not_needed"
    (created,) = cloud.hooks.params["BatchCreatePartition"]
    (partition,) = created["PartitionInputList"]
    assert partition["Values"] == ["2"]
    assert partition["StorageDescriptor"] == {
        "Location": f"s3://{TARGET}/sales/dt=2/",
        "Columns": [{"Name": "id", "Type": "string"}],
    }


@pytest.mark.parametrize("key", ["new/a.csv", "plain/deep/a.csv", "sales/2/a.csv"])
def test_what_no_table_describes_is_crawled(cloud: Cloud, key: str) -> None:
    cloud.hooks.answer("GetTables", {"TableList": [glue_table("sales", "dt"), glue_table("plain")]})
    cloud.hooks.answer("BatchGetPartition", *[{"Partitions": []}] * 2)
    cloud.hooks.answer("ListCrawls", *[{"Crawls": []}] * 2)
    cloud.hooks.answer("StartCrawler", {})
    running = catalogue(cloud, key)
    assert running.status == "running"
    assert cloud.hooks.params["BatchCreatePartition"] == []
    crawl = {"CrawlId": "c", "State": "COMPLETED", "StartTime": datetime.now(UTC)}
    cloud.hooks.answers["ListCrawls"].clear()
    cloud.hooks.answer("ListCrawls", {"Crawls": [crawl]})
    assert catalogue(cloud, key, previous=running).status == "covered"
    assert len(cloud.hooks.params["GetTables"]) == 1, "only the first call looks at the tables"


def read_file_of_a_slice(cloud: Cloud) -> ValidationCall:
    """A slice with one file that was read, and not yet counted."""
    cloud.target.create_bucket(Bucket=RESULTS)
    slice_key = "runs/r/0/plan/a/file-00000.jsonl.gz"
    planned = PlannedObject(
        key="sales/a.csv",
        etag="e",
        size_bytes=2,
        last_modified=datetime.now(UTC),
        action="copy",
        reason="new",
        rule=Rule(),
    )
    put_lines(RESULTS, TARGET_REGION, slice_key, [planned.model_dump_json()], "the slice")
    target = ObjectVersion(bucket=TARGET, region=TARGET_REGION, key="sales/a.csv", version_id=None, etag="e")
    read = Outcome(key="sales/a.csv", status="verified", target=target, records=2)
    for kind in (VERIFIED, READ):
        write_outcomes(SETTINGS, slice_key, kind, "c1", [read])
    scope = PlanScope(bucket=SOURCE, region=SOURCE_REGION)
    batch = BatchCall(scope, slice_key, SETTINGS, datetime.now(UTC), "c1", lambda: PLENTY_MS)
    return ValidationCall(batch, SETTINGS, "0")


def test_files_that_fail_their_queries_count_for_the_alert(cloud: Cloud, alerts: Alerts) -> None:
    # Its table was dropped since it was read.
    call = read_file_of_a_slice(cloud)
    fail_objects(MANY_FAILURES - 1)
    assert alerts.sent() == 0
    assert validate_batch(call, None).failed == 1
    assert alerts.sent() == 1


def test_files_whose_queries_do_not_end_count_for_the_alert(
    cloud: Cloud, alerts: Alerts, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = read_file_of_a_slice(cloud)
    monkeypatch.setattr(RowCounts, "count", lambda *_: [])
    fail_objects(MANY_FAILURES - 1)
    with pytest.raises(BatchTimedOut):
        validate_batch(call, Batch(status="in_progress", calls=BATCH_CALLS - 1))
    assert alerts.sent() == 1


@pytest.mark.parametrize(("kind", "record"), [("batch", COPIED), ("batch", VERIFIED), ("execution", records.STARTED)])
def test_a_file_that_fails_again_before_its_copy_is_still_one_that_has_arrived(
    cloud: Cloud, kind: str, record: str
) -> None:
    cloud.target.create_bucket(Bucket=RESULTS)
    slice_key = "runs/r/0/plan/a/file-00000.jsonl.gz"
    now = datetime.now(UTC)
    common = {"key": "sales/a.csv", "etag": "e", "size_bytes": 2, "last_modified": now}
    planned = PlannedObject.model_validate({**common, "action": "copy", "reason": "new", "rule": Rule(catalogue=True)})
    put_lines(RESULTS, TARGET_REGION, slice_key, [planned.model_dump_json()], "the slice")
    place = {"key": "sales/a.csv", "version_id": None, "etag": "e"}
    source = StoredObject.model_validate({**common, **place, "bucket": SOURCE, "region": SOURCE_REGION})
    target = ObjectVersion.model_validate({**place, "bucket": TARGET, "region": TARGET_REGION})
    # It was copied, and its validation did not end.
    copied = Outcome(key="sales/a.csv", status="copied", source=source, target=target, copied_at=now)
    write_outcomes(SETTINGS, slice_key, COPIED, "c1", [copied])
    write_outcomes(SETTINGS, slice_key, VERIFIED, "c1", [copied.changed(status="verified", grade="checksum")])
    denied = Outcome(key="sales/a.csv", status="failed", error="AccessDenied")
    write_outcomes(SETTINGS, repeated(slice_key, 1, kind), record, "c2", [denied])
    ((_, outcome),) = outcomes_of(SETTINGS, slice_key, 1).objects
    assert (outcome.status, outcome.error, outcome.target) == ("failed", "AccessDenied", target)
    entry = entry_of(planned, outcome, "r", now)
    assert entry is not None
    assert (entry.outcome, entry.target) == ("failed", LedgerTarget(etag="e", size_bytes=2))
