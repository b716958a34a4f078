"""The crawl in the whole workflow."""

import itertools
import threading
from pathlib import Path
from typing import Any

import duckdb
import pytest

from functions.contract.limits import CRAWL_ATTEMPTS, CRAWL_POLLS
from tests.support.workflow.interference import once
from tests.support.workflow.world import World
from tests.workflow.scenarios import (
    COPIED,
    CRAWL,
    CSV,
    NO_CRAWL,
    TO_THE_CATALOGUE,
    VALIDATE,
    break_crawler,
    first_visits,
)


def test_a_table_is_crawled_and_queried(world: World) -> None:
    ended = world.machine.run(world.upload("a.csv", CSV), "table")
    assert ended.status == "SUCCEEDED", ended.cause
    assert first_visits(ended.visited) == [*TO_THE_CATALOGUE, *CRAWL, *VALIDATE, *COPIED]
    assert ended.document["catalogue"]["status"] == "succeeded"
    validation = ended.document["validation"]
    assert (validation["table"], list(validation["columns"]), validation["rows"]) == (
        world.folder,
        ["id", "name"],
        2,
    )


def test_a_file_that_an_earlier_crawl_covers_waits_for_none(world: World) -> None:
    """Its folder is not a partition, so only the time of a crawl shows that it is covered."""
    world.machine.run(world.upload("a.csv", CSV), "first")
    deeper = world.upload("deeper/b.csv", CSV)
    assert world.machine.run(deeper, "deeper").document["catalogue"]["status"] == "succeeded"
    world.machine.run(world.upload("deeper/c.csv", CSV), "whose-crawl-began-long-after")
    crawls = len(world.interference.answered("glue.StartCrawler"))
    ended = world.machine.run(deeper, "deeper-again")
    assert ended.status == "SUCCEEDED", ended.cause
    assert first_visits(ended.visited) == [*TO_THE_CATALOGUE, *NO_CRAWL, *VALIDATE, *COPIED]
    assert ended.document["catalogue"]["status"] == "covered"
    assert len(world.interference.answered("glue.StartCrawler")) == crawls


def parquet(folder: Path, columns: str) -> bytes:
    path = folder / "a.parquet"
    with duckdb.connect(config={"threads": 1}) as database:
        database.execute(f"COPY (SELECT {columns} FROM range(2)) TO '{path}' (FORMAT parquet)")
    return path.read_bytes()


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_another_file_of_the_same_columns_needs_no_crawl(world: World, tmp_path: Path, ending: str) -> None:
    body = {
        "csv": CSV,
        "json": b'{"id": 1, "name": "one"}\n{"id": 2, "name": "two"}\n',
        "parquet": parquet(tmp_path, "1 AS id, 'x' AS name, {'deep': [1]} AS nested"),
    }[ending]
    first = world.machine.run(world.upload(f"a.{ending}", body), "first")
    assert (first.status, first.document["catalogue"]["status"]) == ("SUCCEEDED", "succeeded"), first.cause
    crawls = len(world.interference.answered("glue.StartCrawler"))
    ended = world.machine.run(world.upload(f"b.{ending}", body), "second")
    assert ended.status == "SUCCEEDED", ended.cause
    assert first_visits(ended.visited) == [*TO_THE_CATALOGUE, *NO_CRAWL, *VALIDATE, *COPIED]
    assert ended.document["catalogue"]["status"] == "not_needed"
    assert (ended.document["validation"]["rows"], ended.document["validation"]["file_records"]) == (2, 2)
    assert len(world.interference.answered("glue.StartCrawler")) == crawls


def test_a_new_partition_is_crawled_and_the_next_file_in_it_is_not(world: World) -> None:
    for name, status in (("dt=1/a", "succeeded"), ("dt=2/a", "succeeded"), ("dt=2/b", "not_needed")):
        ended = world.machine.run(world.upload(f"{name}.csv", CSV), name.replace("/", "-").replace("=", "-"))
        assert ended.status == "SUCCEEDED", ended.cause
        assert ended.document["catalogue"]["status"] == status


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_changed_schema_is_crawled_and_its_columns_are_named(world: World, tmp_path: Path, ending: str) -> None:
    old, new = {
        "csv": (CSV, b"id,title\n1,x\n"),
        "parquet": (parquet(tmp_path, "1 AS id, 'x' AS name"), parquet(tmp_path, "1 AS id, 'x' AS title")),
    }[ending]
    assert world.machine.run(world.upload(f"a.{ending}", old), "first").status == "SUCCEEDED"
    crawls = len(world.interference.answered("glue.StartCrawler"))
    failed = world.machine.run(world.upload(f"b.{ending}", new), "second")
    assert (failed.failed_state, failed.error) == ("RunValidationQuery", "ValidationFailed")
    assert "the file lacks the table's columns name; the table lacks the file's columns title" in failed.message
    assert len(world.interference.answered("glue.StartCrawler")) == crawls + 1


def test_a_json_file_that_lacks_a_column_is_crawled_and_passes_with_a_warning(world: World) -> None:
    world.machine.run(world.upload("a.json", b'{"id": 1, "name": "x"}\n'), "first")
    ended = world.machine.run(world.upload("b.json", b'{"id": 2}\n'), "second")
    assert ended.status == "SUCCEEDED", ended.cause
    assert ended.document["catalogue"]["status"] == "succeeded"
    (warning,) = ended.document["validation"]["warnings"]
    assert "the table's columns name" in warning


def test_a_partition_that_is_lost_after_no_crawl_was_needed_is_crawled_after_all(world: World) -> None:
    world.machine.run(world.upload("dt=1/a.csv", CSV), "first")
    lost: dict[str, Any] = {
        "DatabaseName": world.outputs.glue_database,
        "TableName": world.folder,
        "PartitionValues": ["1"],
    }
    world.lambdas.before["run_validation_query"] = once(lambda: world.glue.delete_partition(**lost))
    ended = world.machine.run(world.upload("dt=1/b.csv", CSV), "second")
    assert ended.status == "SUCCEEDED", ended.cause
    assert ended.visited.count("StartCrawler") == 2
    assert ended.document["catalogue"]["status"] == "succeeded"
    assert ended.document["validation"]["rows"] == 2


def test_a_broken_crawler_harms_no_file_that_needs_no_crawl(world: World) -> None:
    world.machine.run(world.upload("a.csv", CSV), "first")
    restore = break_crawler(world)
    try:
        ended = world.machine.run(world.upload("b.csv", CSV), "second")
    finally:
        restore()
    assert ended.status == "SUCCEEDED", ended.cause


def test_many_files_at_once_share_a_few_crawls(world: World) -> None:
    uploads = [world.upload(f"{number}.csv", CSV) for number in range(12)]
    arrivals, all_are_there = itertools.count(1), threading.Event()

    def arrive() -> None:
        if next(arrivals) == len(uploads):
            all_are_there.set()
        assert all_are_there.wait(60)

    # However slow the machine: here each execution waits once, with its copy made, until all of them are there.
    world.lambdas.before["start_crawler"] = arrive
    running = [world.machine.start(upload, f"file-{number}") for number, upload in enumerate(uploads)]
    ended = [world.machine.wait(arn) for arn in running]
    assert [execution.status for execution in ended] == ["SUCCEEDED"] * 12
    assert len(world.interference.answered("glue.StartCrawler")) <= 3


def test_a_crawl_that_failed_is_tried_again(world: World) -> None:
    restore = break_crawler(world)
    attempts: list[None] = []

    def restore_before_the_second_attempt() -> None:
        attempts.append(None)
        if len(attempts) == 2:
            restore()

    world.lambdas.before["start_crawler"] = restore_before_the_second_attempt
    try:
        ended = world.machine.run(world.upload("a.csv", CSV), "second-attempt")
    finally:
        restore()
    assert ended.status == "SUCCEEDED", ended.cause
    assert ended.visited.count("StartCrawler") == 2
    assert ended.visited[ended.visited.index("StartCrawler", 6) - 1] == "CrawlerFinished?"


def test_redrive_after_the_crawler_failed_crawls_again_and_copies_nothing(world: World) -> None:
    restore = break_crawler(world)
    try:
        failed = world.machine.run(world.upload("a.csv", CSV), "broken-crawler")
    finally:
        restore()
    assert (failed.failed_state, failed.error) == ("StartCrawler", "CrawlerFailed")
    assert failed.visited.count("StartCrawler") == CRAWL_ATTEMPTS + 1
    ended = world.machine.redrive(failed)
    assert ended.status == "SUCCEEDED", ended.cause
    assert first_visits(ended.visited) == [*CRAWL, *VALIDATE, *COPIED]
    assert len(world.interference.called("s3.CopyObject")) == 1


def test_redrive_after_a_crawl_that_never_ended_looks_again(world: World) -> None:
    world.clock.second = 0

    def never_ends(_given: Any, answer: Any) -> None:
        for crawl in answer["Crawls"]:
            crawl["State"] = "RUNNING"

    world.interference.after["glue.ListCrawls"] = never_ends
    failed = world.machine.run(world.upload("a.csv", CSV), "endless-crawl")
    assert (failed.failed_state, failed.error) == ("StartCrawler", "CrawlTimedOut")
    assert failed.visited.count("PollCrawler") == CRAWL_POLLS
    world.interference.stop()
    world.clock.second = 0.01
    ended = world.machine.redrive(failed)
    assert ended.status == "SUCCEEDED", ended.cause
    assert len(world.interference.called("s3.CopyObject")) == 1


def test_redrive_after_the_table_was_lost_crawls_again(world: World) -> None:
    upload = world.upload("a.csv", CSV)
    table = {"DatabaseName": world.outputs.glue_database, "Name": world.folder}
    world.lambdas.before["run_validation_query"] = once(lambda: world.glue.delete_table(**table))
    failed = world.machine.run(upload, "lost-table")
    assert (failed.failed_state, failed.error) == ("RunValidationQuery", "ValidationFailed")
    assert "no table" in failed.message
    ended = world.machine.redrive(failed)
    assert ended.status == "SUCCEEDED", ended.cause
    assert len(world.interference.answered("s3.CopyObject")) == 1


def test_the_same_upload_started_again_after_the_table_was_lost_crawls_again(world: World) -> None:
    upload = world.upload("a.csv", CSV)
    assert world.machine.run(upload, "first").status == "SUCCEEDED"
    world.glue.delete_table(DatabaseName=world.outputs.glue_database, Name=world.folder)
    again = world.machine.run(upload, "second")
    assert again.status == "SUCCEEDED", again.cause
    assert again.document["copy"]["status"] == "unchanged"
