"""Starts a crawl unless another one covers what was copied, or may: by comparing times, without a lock.

Idempotent: a second call finds the crawl that the first one started. Source: StartCrawler (AWS Glue web API reference).

Raises CrawlerFailed, CrawlTimedOut, AccessDenied, Throttled, RequestRejected.
"""

from datetime import UTC, datetime, timedelta

from botocore.exceptions import ClientError

from functions.catalogue.crawls import Crawl, CrawlerSettings, recent_crawls, wait_seconds, waited_minutes
from functions.contract.limits import CRAWL_ATTEMPTS, CRAWL_POLLS
from functions.contract.models import Catalogue
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors, code_of
from functions.runtime.errors import CrawlerFailed, CrawlTimedOut
from functions.runtime.step import add_metric

CLOCK_TOLERANCE = timedelta(seconds=1)
"""Between our clock and Glue's. No other crawl can have started and ended within it."""


def start_crawler(
    previous: Catalogue, covers_from: datetime, attempt_began: datetime, settings: CrawlerSettings
) -> Catalogue:
    """Decide by the existing crawls: one that started at `covers_from` or later covers the object."""
    crawls = recent_crawls(settings, covers_from)
    for crawl in crawls:
        if crawl.covers(covers_from):
            return previous.changed(status="covered", crawl_id=crawl.crawl_id, cause="")
    _require_polls_left(previous, settings)
    if any(crawl.state == "RUNNING" for crawl in crawls):
        return _running(previous)
    _require_working_crawler([crawl for crawl in crawls if crawl.started >= covers_from], attempt_began, settings)
    return _start(previous, covers_from, settings)


def _require_polls_left(previous: Catalogue, settings: CrawlerSettings) -> None:
    if previous.polls >= CRAWL_POLLS:
        raise CrawlTimedOut(
            f"No crawl of {settings.crawler_name} that started after {previous.covers_from:%Y-%m-%d %H:%M:%S} UTC "
            f"finished within about {waited_minutes(previous.polls)} minutes. Check the crawler's log, then replay."
        )


def _require_working_crawler(crawls: list[Crawl], attempt_began: datetime, settings: CrawlerSettings) -> None:
    failed = [crawl for crawl in crawls if crawl.failed and (crawl.ended or crawl.started) >= attempt_began]
    if len(failed) >= CRAWL_ATTEMPTS:
        cause = (failed[-1].error or failed[-1].state).rstrip(".")
        raise CrawlerFailed(
            f"The crawler {settings.crawler_name} failed {len(failed)} times, most recently with: {cause}. Fix the "
            "crawler (its role, database or target), then replay."
        )


def _start(previous: Catalogue, covers_from: datetime, settings: CrawlerSettings) -> Catalogue:
    now = datetime.now(UTC)
    with aws_errors(f"starting the crawler {settings.crawler_name}"):
        try:
            clients.glue(settings.target_region).start_crawler(Name=settings.crawler_name)
        except ClientError as error:
            if code_of(error) != "CrawlerRunningException":
                raise
            return _running(previous)
    add_metric("CrawlsStarted")
    # This crawl started after the copy, whatever the whole seconds say: it is ours, and none was running before it.
    return _running(previous.changed(covers_from=min(covers_from, now - CLOCK_TOLERANCE)))


def _running(previous: Catalogue) -> Catalogue:
    return previous.changed(status="running", cause="", wait_seconds=wait_seconds(previous.polls))
