"""The validation in the whole workflow."""

from typing import Any

import pytest

from functions.contract.limits import QUERY_POLLS
from functions.contract.models import Rule
from tests.support.workflow.interference import once
from tests.support.workflow.machine import RETRIES_AFTER_FAILURE
from tests.support.workflow.world import World
from tests.workflow.scenarios import COPIED, CRAWL, CSV, TO_THE_CATALOGUE, VALIDATE, first_visits


def test_redrive_after_a_failed_validation_neither_copies_nor_crawls_again(world: World) -> None:
    """The table's columns are not the file's, until somebody fixes the table."""
    database = world.outputs.glue_database

    def rename_column(old: str, new: str) -> None:
        table: Any = world.glue.get_table(DatabaseName=database, Name=world.folder)["Table"]
        for column in table["StorageDescriptor"]["Columns"]:
            column["Name"] = new if column["Name"] == old else column["Name"]
        taken = ("Name", "StorageDescriptor", "PartitionKeys", "TableType", "Parameters")
        changed: Any = {key: table[key] for key in taken if key in table}
        world.glue.update_table(DatabaseName=database, TableInput=changed)

    world.lambdas.before["run_validation_query"] = once(lambda: rename_column("name", "title"))
    failed = world.machine.run(world.upload("a.csv", CSV), "renamed")
    assert (failed.failed_state, failed.error) == ("RunValidationQuery", "ValidationFailed")
    assert "title" in failed.message
    assert world.calls("run_validation_query") == 1
    rename_column("title", "name")
    ended = world.machine.redrive(failed)
    assert ended.status == "SUCCEEDED", ended.cause
    assert first_visits(ended.visited) == [*VALIDATE, *COPIED]
    assert len(world.interference.called("s3.CopyObject")) == 1


def test_redrive_after_a_failed_query_asks_again(world: World) -> None:
    def fail(_given: Any, answer: Any) -> None:
        answer["QueryExecution"]["Status"] |= {"State": "FAILED", "StateChangeReason": "as the test wants it"}

    world.interference.after["athena.GetQueryExecution"] = fail
    failed = world.machine.run(world.upload("a.csv", CSV), "failed-query")
    assert (failed.failed_state, failed.error) == ("RunValidationQuery", "QueryFailed")
    assert "as the test wants it" in failed.message
    world.interference.stop()
    ended = world.machine.redrive(failed)
    assert ended.status == "SUCCEEDED", ended.cause
    tokens = {given["ClientRequestToken"] for given in world.interference.called("athena.StartQueryExecution")}
    assert len(tokens) == 2 * len(ended.document["validation"]["checks"])


def test_redrive_after_a_query_that_never_ended_asks_again(world: World) -> None:
    def never_ends(_given: Any, answer: Any) -> None:
        answer["QueryExecution"]["Status"]["State"] = "RUNNING"

    world.lambdas.before["run_validation_query"] = lambda: setattr(world.clock, "second", 0)
    world.interference.after["athena.GetQueryExecution"] = never_ends
    failed = world.machine.run(world.upload("a.csv", CSV), "endless-query")
    assert (failed.failed_state, failed.error) == ("RunValidationQuery", "QueryFailed")
    assert failed.visited.count("RunValidationQuery") == QUERY_POLLS + 1
    world.interference.stop()
    world.lambdas.before.clear()
    world.clock.second = 0.01
    assert world.machine.redrive(failed).status == "SUCCEEDED"


def test_a_file_without_rows_fails_with_the_reason_and_leaves_the_others_alone(world: World) -> None:
    bad = world.machine.start(world.upload("empty.csv", b"id,name\n"), "bad")
    good = world.machine.start(world.upload("good.csv", CSV), "good")
    failed, ended = world.machine.wait(bad), world.machine.wait(good)
    assert (failed.failed_state, failed.error) == ("RunValidationQuery", "ValidationFailed")
    assert "no rows" in failed.message
    assert ended.status == "SUCCEEDED", ended.cause


def test_a_file_that_a_newer_upload_replaces_before_its_rows_are_counted_ends_superseded(world: World) -> None:
    newer: list[Any] = []

    def replace() -> None:
        newer.append(world.upload("a.csv", CSV + b"3,three\n"))
        copied = {"Bucket": newer[0].source.bucket, "Key": newer[0].source.key}
        world.target.copy_object(Bucket=world.outputs.target_bucket, Key=copied["Key"], CopySource=copied)  # type: ignore[arg-type]

    world.lambdas.before["run_validation_query"] = once(replace)
    ended = world.machine.run(world.upload("a.csv", CSV), "older")
    assert ended.status == "SUCCEEDED", ended.cause
    assert first_visits(ended.visited) == [*TO_THE_CATALOGUE, *CRAWL, *VALIDATE[:2], "Superseded"]
    newest = world.machine.run(newer[0], "newer")
    assert newest.status == "SUCCEEDED", newest.cause
    assert newest.document["validation"]["rows"] == 3


@pytest.mark.parametrize("error", ["Lambda.Unknown", "Throttled"])
def test_every_step_whose_answer_was_lost_runs_again_without_harm(world: World, error: str) -> None:
    for function in ("copy_object", "verify_checksum", "start_crawler", "poll_crawler", "run_validation_query"):
        world.lambdas.lose_answers(function, [error])
    ended = world.machine.run(world.upload("a.csv", CSV), "lost-answers")
    assert ended.status == "SUCCEEDED", ended.cause
    assert world.versions("a.csv") == 1
    # The second call takes the first one's crawl for another's, which may have begun before the copy.
    assert len(world.interference.answered("glue.StartCrawler")) <= 2
    queries = world.interference.answered("athena.StartQueryExecution")
    assert len(queries) == 2 * len(ended.document["validation"]["checks"])
    assert {answer["QueryExecutionId"] for answer in queries} == set(ended.document["validation"]["queries"].values())


@pytest.mark.parametrize(
    ("function", "state"),
    [
        ("start_crawler", "StartCrawler"),
        ("poll_crawler", "PollCrawler"),
        ("run_validation_query", "RunValidationQuery"),
    ],
)
def test_redrive_of_a_step_that_crashed_runs_that_step_again_and_goes_on(
    world: World, function: str, state: str
) -> None:
    world.lambdas.fail(function, ["Sandbox.Timedout"] * (1 + RETRIES_AFTER_FAILURE))
    failed = world.machine.run(world.upload("a.csv", CSV), "crashed")
    assert (failed.failed_state, failed.error) == (state, "Sandbox.Timedout")
    ended = world.machine.redrive(failed)
    assert ended.status == "SUCCEEDED", ended.cause
    assert ended.visited[0] == state
    assert len(world.interference.called("s3.CopyObject")) == 1


def test_a_target_that_another_overwrites_after_the_verification_is_copied_again(world: World) -> None:
    world.lambdas.before["run_validation_query"] = once(lambda: world.meddle("a.csv", b"id,name\n"))
    ended = world.machine.run(world.upload("a.csv", CSV), "overwritten")
    assert ended.status == "SUCCEEDED", ended.cause
    assert world.arrived("a.csv") == CSV
    assert ended.document["validation"]["rows"] == 2


def test_a_target_that_is_overwritten_again_and_again_after_the_verification_fails_by_name(world: World) -> None:
    world.lambdas.before["run_validation_query"] = lambda: world.meddle("a.csv", b"id,name\n")
    failed = world.machine.run(world.upload("a.csv", CSV), "overwritten")
    assert (failed.failed_state, failed.error) == ("RunValidationQuery", "TargetKeepsChanging")
    del world.lambdas.before["run_validation_query"]
    ended = world.machine.redrive(failed)
    assert ended.status == "SUCCEEDED", ended.cause
    assert world.arrived("a.csv") == CSV


def test_a_target_and_a_source_that_are_both_gone_are_no_success(world: World) -> None:
    def lose_both() -> None:
        world.meddle("a.csv", b"other")
        world.source.delete_object(Bucket=world.outputs.source_bucket, Key=f"{world.folder}/a.csv")

    world.lambdas.before["run_validation_query"] = once(lose_both)
    failed = world.machine.run(world.upload("a.csv", CSV), "lost")
    assert (failed.failed_state, failed.error) == ("RunValidationQuery", "ValidationFailed")
    assert "its source is gone too" in failed.message


def test_a_file_beside_the_partitions_of_its_table_is_reported_so(world: World) -> None:
    assert world.machine.run(world.upload("dt=2026-01-01/a.csv", CSV), "partitioned").status == "SUCCEEDED"
    failed = world.machine.run(world.upload("a.csv", CSV), "beside")
    assert (failed.failed_state, failed.error) == ("RunValidationQuery", "ValidationFailed")
    assert "is partitioned by dt" in failed.message


def test_a_file_without_rows_passes_where_its_rule_allows_it(world: World) -> None:
    uploaded = world.upload("a.csv", b"id,name\n")
    ended = world.machine.run(uploaded.model_copy(update={"rule": Rule(allow_empty=True)}), "empty")
    assert ended.status == "SUCCEEDED", ended.cause
    assert (ended.document["validation"]["rows"], ended.document["validation"]["file_records"]) == (0, 0)


def test_what_athena_leaves_out_is_in_the_output(world: World) -> None:
    ended = world.machine.run(world.upload("a.csv", CSV + b"3,C:\\temp\n"), "backslash")
    assert ended.status == "SUCCEEDED", ended.cause
    assert "from line 4 on" in ended.document["validation"]["warnings"][0]
