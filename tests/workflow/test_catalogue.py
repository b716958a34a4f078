"""The crawl in the whole workflow."""

import json
from typing import Any

from functions.common.bounds import CRAWL_ATTEMPTS, CRAWL_POLLS
from tests.workflow.conftest import World
from tests.workflow.interference import once

CSV = b"id,name\n1,one\n2,two\n"
TO_THE_CATALOGUE = ["CopyObject", "CopyFinished?", "VerifyChecksum", "ChecksumVerified?", "IsCatalogued?"]
CRAWL = ["StartCrawler", "CatalogueCovers?", "WaitForCrawler", "PollCrawler", "CrawlerFinished?"]
VALIDATE = ["RunValidationQuery", "ValidationFinished?", "WaitForQuery"]


def first_visits(visited: list[str]) -> list[str]:
    """Every state once: how often a loop turns depends on the crawler and on Athena."""
    return list(dict.fromkeys(visited))


def break_crawler(world: World) -> Any:
    """Take the crawler's permissions away; gives what brings them back."""
    role = f"{world.outputs.name}-crawler"
    policies = {
        name: world.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in world.iam.list_role_policies(RoleName=role)["PolicyNames"]
    }
    for name in policies:
        world.iam.delete_role_policy(RoleName=role, PolicyName=name)

    def mend() -> None:
        for name, document in policies.items():
            world.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))

    return mend


def test_a_table_is_crawled_and_queried(world: World) -> None:
    ended = world.machine.run(world.upload("a.csv", CSV), "table")
    assert ended.status == "SUCCEEDED", ended.cause
    assert first_visits(ended.visited) == [*TO_THE_CATALOGUE, *CRAWL, *VALIDATE, "Succeeded"]
    assert ended.document["catalogue"]["status"] == "succeeded"
    validation = ended.document["validation"]
    assert (validation["table"], list(validation["columns"]), validation["rows"]) == (
        world.folder,
        ["id", "name"],
        2,
    )


def test_a_file_that_an_earlier_crawl_covers_waits_for_none(world: World) -> None:
    """The crawl for the second file began long after the first file's copy."""
    first = world.upload("a.csv", CSV)
    world.machine.run(first, "first")
    world.machine.run(world.upload("b.csv", CSV), "second")
    ended = world.machine.run(first, "first-again")
    assert ended.status == "SUCCEEDED", ended.cause
    assert first_visits(ended.visited) == [*TO_THE_CATALOGUE, *CRAWL[:2], *VALIDATE, "Succeeded"]
    assert ended.document["catalogue"]["status"] == "covered"


def test_many_files_at_once_share_a_few_crawls(world: World) -> None:
    uploads = [world.upload(f"{number}.csv", CSV) for number in range(12)]
    running = [world.machine.start(upload, f"file-{number}") for number, upload in enumerate(uploads)]
    ended = [world.machine.wait(arn) for arn in running]
    assert [each.status for each in ended] == ["SUCCEEDED"] * 12
    assert len(world.interference.answered("glue.StartCrawler")) <= 3


def test_a_crawl_that_failed_is_tried_again(world: World) -> None:
    mend = break_crawler(world)
    attempts: list[None] = []

    def mend_before_the_second_attempt() -> None:
        attempts.append(None)
        if len(attempts) == 2:
            mend()

    world.lambdas.before["start_crawler"] = mend_before_the_second_attempt
    try:
        ended = world.machine.run(world.upload("a.csv", CSV), "second-attempt")
    finally:
        mend()
    assert ended.status == "SUCCEEDED", ended.cause
    assert ended.visited.count("StartCrawler") == 2
    assert ended.visited[ended.visited.index("StartCrawler", 6) - 1] == "CrawlerFinished?"


def test_redrive_after_the_crawler_failed_crawls_again_and_copies_nothing(world: World) -> None:
    mend = break_crawler(world)
    try:
        failed = world.machine.run(world.upload("a.csv", CSV), "broken-crawler")
    finally:
        mend()
    assert (failed.failed_state, failed.error) == ("StartCrawler", "CrawlerFailed")
    assert failed.visited.count("StartCrawler") == CRAWL_ATTEMPTS + 1
    ended = world.machine.redrive(failed)
    assert ended.status == "SUCCEEDED", ended.cause
    assert first_visits(ended.visited) == [*CRAWL, *VALIDATE, "Succeeded"]
    assert len(world.interference.called("s3.CopyObject")) == 1


def test_redrive_after_a_crawl_that_never_ended_looks_anew(world: World) -> None:
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


def test_the_same_upload_started_anew_after_the_table_was_lost_crawls_again(world: World) -> None:
    upload = world.upload("a.csv", CSV)
    assert world.machine.run(upload, "first").status == "SUCCEEDED"
    world.glue.delete_table(DatabaseName=world.outputs.glue_database, Name=world.folder)
    again = world.machine.run(upload, "second")
    assert again.status == "SUCCEEDED", again.cause
    assert again.document["copy"]["status"] == "unchanged"
