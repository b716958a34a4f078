"""StartCrawler: sees to it that a crawl covers the copied object, and starts one only when none does.

It compares times: a crawl that began after the copy and completed covers the object; one that still runs is
waited for; failed ones are tried again, a few times; without any, one is started. A hundred uploads at once
share a handful of crawls this way, without a lock or a table.

Running it twice is harmless: the second run finds the crawl that the first one started. A redrive ignores the
crawls that failed before it. Source: StartCrawler (AWS Glue web API reference).

Raises CrawlerFailed, CrawlTimedOut, AccessDenied, Throttled, SettingInvalid.
"""

from datetime import UTC, datetime, timedelta

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from functions.common import clients
from functions.common.aws_errors import aws_errors, code_of
from functions.common.bounds import CRAWL_ATTEMPTS, CRAWL_POLLS
from functions.common.crawls import Crawl, Settings, known_so_far, recent_crawls, wait_seconds
from functions.common.errors import CrawlerFailed, CrawlTimedOut
from functions.common.models import Catalogue, StepEvent
from functions.common.settings import read_settings
from functions.common.step import count, step

CLOCK_TOLERANCE = timedelta(seconds=1)
"""Between our clock and Glue's. No other crawl can have begun and ended within it."""


@step
def handler(event: StepEvent, _context: LambdaContext) -> Catalogue:
    """Say that the object is covered, or that a crawl runs which may cover it."""
    known, covers_from = known_so_far(event.document, event.execution)
    return start_crawler(known, covers_from, event.execution.attempt_began, read_settings(Settings))


def start_crawler(known: Catalogue, covers_from: datetime, attempt_began: datetime, settings: Settings) -> Catalogue:
    """Decide by the crawls there are: one that began at `covers_from` or later covers the object."""
    crawls = recent_crawls(settings, covers_from)
    for crawl in crawls:
        if crawl.covers(covers_from):
            return known.model_copy(update={"status": "covered", "crawl_id": crawl.crawl_id, "cause": ""})
    _require_patience(known, settings)
    if any(crawl.state == "RUNNING" for crawl in crawls):
        return _running(known)
    _require_working_crawler([crawl for crawl in crawls if crawl.started >= covers_from], attempt_began, settings)
    return _start(known, covers_from, settings)


def _require_patience(known: Catalogue, settings: Settings) -> None:
    if known.polls >= CRAWL_POLLS:
        raise CrawlTimedOut(
            f"No crawl of {settings.crawler_name} that began after {known.covers_from:%Y-%m-%d %H:%M:%S} UTC "
            f"completed in {known.polls} looks. Look at the crawler's log, then replay."
        )


def _require_working_crawler(crawls: list[Crawl], attempt_began: datetime, settings: Settings) -> None:
    failed = [crawl for crawl in crawls if crawl.failed and (crawl.ended or crawl.started) >= attempt_began]
    if len(failed) >= CRAWL_ATTEMPTS:
        cause = (failed[-1].error or failed[-1].state).rstrip(".")
        raise CrawlerFailed(
            f"The crawler {settings.crawler_name} failed {len(failed)} times, the last with: "
            f"{cause}. Mend the crawler (its role, database or target), then replay."
        )


def _start(known: Catalogue, covers_from: datetime, settings: Settings) -> Catalogue:
    now = datetime.now(UTC)
    with aws_errors(f"starting the crawler {settings.crawler_name}"):
        try:
            clients.glue(settings.target_region).start_crawler(Name=settings.crawler_name)
        except ClientError as error:
            if code_of(error) != "CrawlerRunningException":
                raise
            return _running(known)
    count("CrawlsStarted")
    # This crawl began after the copy, whatever the seconds say: it is ours, and none was running before it.
    return _running(known.model_copy(update={"covers_from": min(covers_from, now - CLOCK_TOLERANCE)}))


def _running(known: Catalogue) -> Catalogue:
    return known.model_copy(update={"status": "running", "cause": "", "wait_seconds": wait_seconds(known.polls)})
