"""StartCrawler and PollCrawler: which crawl covers an object, which is waited for, and when one is given up.

Glue's answers are given here: moto's Glue needs a parser that is not installed.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions import poll_crawler, start_crawler
from functions.catalogue.crawls import wait_seconds, waited_minutes
from functions.contract.limits import CRAWL_ATTEMPTS, CRAWL_POLLS
from functions.contract.models import Catalogue, Copy, ObjectVersion, Source, StoredObject
from functions.runtime.errors import AccessDenied, CrawlerFailed, CrawlTimedOut, SettingInvalid, Throttled
from tests.support.lambda_context import LambdaContext
from tests.unit.conftest import STARTED, ErrorResponse, Hooks, step_event

BEGAN = datetime.fromisoformat(STARTED)
COPIED = BEGAN + timedelta(minutes=10)
COVERS_FROM = COPIED + timedelta(seconds=1)
BEFORE, AFTER = COPIED - timedelta(seconds=1), COPIED + timedelta(seconds=5)
UPLOAD = Source(bucket="b-source", region="us-west-2", key="a/b.csv", etag="0", sequencer="1", size_bytes=1)


@pytest.fixture(autouse=True)
def empty_catalogue(hooks: Hooks) -> None:
    """No table, and no file any more, so that StartCrawler looks at the crawls; the rest is in test_catalogued.py."""
    hooks.answer("GetTables", *[{"TableList": []}] * 5)
    hooks.answer("GetObject", *[ErrorResponse("NoSuchKey")] * 5)


def copied(moment: datetime) -> Copy:
    """A finished copy."""
    where = {"region": UPLOAD.region, "key": UPLOAD.key, "version_id": None, "etag": UPLOAD.etag}
    source = StoredObject(bucket=UPLOAD.bucket, size_bytes=UPLOAD.size_bytes, **where)
    return Copy(status="copied", source=source, target=ObjectVersion(bucket="ferry-target", **where), copied_at=moment)


def crawl(state: str, started: datetime = AFTER, crawl_id: str = "c1", **more: Any) -> dict[str, Any]:
    return {"CrawlId": crawl_id, "State": state, "StartTime": started, **more}


def listed(*found: dict[str, Any], token: str = "") -> dict[str, Any]:
    return {"Crawls": list(found)} | ({"NextToken": token} if token else {})


def call(function: Any, known: Catalogue | None = None, **more: Any) -> Catalogue:
    event = step_event(UPLOAD, copy=copied(COPIED), catalogue=known, **more)
    return Catalogue.model_validate(function.handler(event, LambdaContext()))


def waiting(**fields: Any) -> Catalogue:
    given: dict[str, Any] = {"covers_from": COVERS_FROM, "copied_at": COPIED} | fields
    return Catalogue(status="running", **given)


def test_without_a_crawl_one_is_started(hooks: Hooks) -> None:
    hooks.answer("ListCrawls", listed())
    hooks.answer("StartCrawler", {})
    found = call(start_crawler)
    assert (found.status, found.polls, found.covers_from) == ("running", 0, COVERS_FROM)
    assert hooks.params["StartCrawler"] == [{"Name": "ferry"}]


@pytest.mark.parametrize(
    ("started", "status", "starts"),
    [
        (COVERS_FROM, "covered", 0),
        (AFTER, "covered", 0),
        (COPIED, "running", 1),
        (BEFORE, "running", 1),
    ],
)
def test_a_crawl_covers_what_was_copied_before_it_began(
    hooks: Hooks, started: datetime, status: str, starts: int
) -> None:
    """`copied_at` is whole seconds, so a crawl of the same second may have begun before the copy."""
    hooks.answer("ListCrawls", listed(crawl("COMPLETED", started)))
    hooks.answer("StartCrawler", {})
    found = call(start_crawler)
    assert (found.status, len(hooks.params["StartCrawler"])) == (status, starts)
    assert found.crawl_id == (None if starts else "c1")


@pytest.mark.parametrize("started", [BEFORE, AFTER])
def test_a_crawl_that_runs_is_waited_for_and_none_is_started(hooks: Hooks, started: datetime) -> None:
    hooks.answer("ListCrawls", listed(crawl("FAILED"), crawl("RUNNING", started)))
    assert call(start_crawler).status == "running"
    assert not hooks.params["StartCrawler"]


def test_a_crawler_that_another_just_started_is_waited_for(hooks: Hooks) -> None:
    hooks.answer("ListCrawls", listed())
    hooks.answer("StartCrawler", ErrorResponse("CrawlerRunningException"))
    found = call(start_crawler)
    assert (found.status, found.covers_from) == ("running", COVERS_FROM)


def test_a_crawl_that_we_started_covers_the_object_although_the_seconds_are_the_same(hooks: Hooks) -> None:
    now = datetime.now(UTC)
    copy = copied(now.replace(microsecond=0))
    hooks.answer("ListCrawls", listed())
    hooks.answer("StartCrawler", {})
    event = step_event(UPLOAD, copy=copy)
    known = Catalogue.model_validate(start_crawler.handler(event, LambdaContext()))
    assert known.covers_from
    assert known.covers_from <= now
    hooks.answer("ListCrawls", listed(crawl("COMPLETED", now)))
    polled = poll_crawler.handler(step_event(UPLOAD, copy=copy, catalogue=known), LambdaContext())
    assert polled["status"] == "succeeded"


def test_every_page_of_crawls_is_read_and_only_those_that_may_matter_are_asked_for(hooks: Hooks) -> None:
    hooks.answer("ListCrawls", listed(crawl("FAILED"), token="more"), listed(crawl("COMPLETED", crawl_id="c2")))
    assert call(start_crawler).crawl_id == "c2"
    first, second = hooks.params["ListCrawls"]
    assert ("NextToken" in first, second["NextToken"], first["CrawlerName"]) == (False, "more", "ferry")
    (only,) = first["Filters"]
    since = int((COVERS_FROM - timedelta(days=1)).timestamp() * 1000)
    assert only == {"FieldName": "START_TIME", "FilterOperator": "GE", "FieldValue": str(since)}


@pytest.mark.parametrize("state", ["FAILED", "STOPPED"])
def test_a_crawler_that_fails_again_and_again_is_given_up_with_its_own_words(hooks: Hooks, state: str) -> None:
    failed = [
        crawl(state, AFTER + timedelta(minutes=number), ErrorMessage=f"no {number}.")
        for number in range(CRAWL_ATTEMPTS)
    ]
    hooks.answer("ListCrawls", listed(*failed[1:]), listed(*failed))
    hooks.answer("StartCrawler", {})
    assert call(start_crawler).status == "running", "one attempt fewer is not a reason"
    with pytest.raises(CrawlerFailed, match=r"\bferry\b.*\b3\b.*: no 2\. "):
        call(start_crawler)


def test_a_redrive_forgets_the_crawls_that_failed_before_it(hooks: Hooks) -> None:
    hooks.answer("ListCrawls", listed(*[crawl("FAILED", EndTime=AFTER)] * CRAWL_ATTEMPTS))
    hooks.answer("StartCrawler", {})
    assert call(start_crawler, waiting(), redrives=1).status == "running"
    assert len(hooks.params["StartCrawler"]) == 1


def test_a_crawl_without_words_is_reported_by_its_state(hooks: Hooks) -> None:
    hooks.answer("ListCrawls", listed(*[crawl("STOPPED")] * CRAWL_ATTEMPTS))
    with pytest.raises(CrawlerFailed, match="STOPPED"):
        call(start_crawler)


@pytest.mark.parametrize("operation", ["ListCrawls", "StartCrawler"])
@pytest.mark.parametrize(
    ("code", "error"), [("AccessDeniedException", AccessDenied), ("OperationTimeoutException", Throttled)]
)
def test_an_error_names_the_crawler(hooks: Hooks, operation: str, code: str, error: type[Exception]) -> None:
    if operation == "StartCrawler":
        hooks.answer("ListCrawls", listed())
    hooks.answer(operation, ErrorResponse(code))
    with pytest.raises(error, match=r"\bferry\b"):
        call(start_crawler)


def test_a_crawler_that_does_not_exist_is_named_with_its_settings(hooks: Hooks) -> None:
    hooks.answer("ListCrawls", ErrorResponse("EntityNotFoundException"))
    hooks.answer("StartCrawler", ErrorResponse("EntityNotFoundException"))
    with pytest.raises(CrawlerFailed, match=r"\bferry\b.*us-east-1.*CRAWLER_NAME"):
        call(start_crawler)


def test_no_crawl_is_started_after_too_many_looks_but_one_that_covers_is_enough(hooks: Hooks) -> None:
    tired = waiting(polls=CRAWL_POLLS)
    hooks.answer("ListCrawls", listed(crawl("RUNNING")), listed(crawl("COMPLETED")), listed(crawl("RUNNING")))
    with pytest.raises(CrawlTimedOut, match=rf"\bferry\b.*\b{waited_minutes(CRAWL_POLLS)} minutes\b"):
        call(start_crawler, tired)
    assert call(start_crawler, tired).status == "covered"
    redriven = call(start_crawler, tired, redrives=1)
    assert (redriven.status, redriven.polls, redriven.redrive_count) == ("running", 0, 1)


@pytest.mark.parametrize(
    ("crawls", "status", "crawl_id", "cause"),
    [
        ([crawl("COMPLETED")], "succeeded", "c1", ""),
        ([crawl("FAILED"), crawl("COMPLETED", AFTER + timedelta(minutes=1), "c2")], "succeeded", "c2", ""),
        ([crawl("COMPLETED", BEFORE), crawl("RUNNING", crawl_id="c2")], "running", None, ""),
        ([crawl("RUNNING", BEFORE)], "running", None, ""),
        ([crawl("FAILED", ErrorMessage="no role")], "failed", "c1", "no role"),
        ([crawl("STOPPED")], "failed", "c1", "STOPPED"),
        ([crawl("FAILED", BEFORE)], "not_covered", None, ""),
        ([crawl("COMPLETED", BEFORE)], "not_covered", None, ""),
        ([], "not_covered", None, ""),
    ],
)
def test_a_look_tells_what_became_of_the_crawls(
    hooks: Hooks, crawls: list[dict[str, Any]], status: str, crawl_id: str | None, cause: str
) -> None:
    hooks.answer("ListCrawls", listed(*reversed(crawls)))
    found = call(poll_crawler, waiting(polls=4, crawl_id="old", cause="old"))
    assert (found.status, found.crawl_id, found.cause, found.polls) == (status, crawl_id, cause, 5)
    assert found.wait_seconds == wait_seconds(5)


def test_the_last_look_ends_the_waiting(hooks: Hooks) -> None:
    hooks.answer("ListCrawls", listed(crawl("RUNNING")), listed(crawl("COMPLETED")))
    last = waiting(polls=CRAWL_POLLS - 1)
    found = call(poll_crawler, last)
    assert found.status == "failed"
    assert f"{waited_minutes(CRAWL_POLLS)} minutes" in found.cause
    assert call(poll_crawler, last).status == "succeeded"


def test_looks_become_rarer_and_end_before_the_workflow_does() -> None:
    waits = [wait_seconds(polls) for polls in range(CRAWL_POLLS)]
    assert waits == sorted(waits)
    assert waits[0] == 10
    assert sum(waits) < 24 * 60 * 60


@pytest.mark.parametrize("function", [start_crawler, poll_crawler])
@pytest.mark.parametrize("name", ["CRAWLER_NAME", "TARGET_REGION"])
def test_a_missing_setting_is_named_at_the_first_call(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch, function: Any, name: str
) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(SettingInvalid, match=f"{name}: "):
        call(function)
    assert not hooks.params["ListCrawls"]


@pytest.mark.parametrize("function", [start_crawler, poll_crawler])
@pytest.mark.parametrize("copy", [None, Copy(status="in_progress")])
def test_without_a_finished_copy_it_is_a_fault_of_the_workflow(hooks: Hooks, function: Any, copy: Copy | None) -> None:
    with pytest.raises(ValueError, match="without a finished copy"):
        function.handler(step_event(UPLOAD, copy=copy), LambdaContext())
    assert not hooks.params["StartCrawler"]
