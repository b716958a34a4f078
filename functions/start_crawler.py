"""StartCrawler: sees to it that a crawl covers the copied object, and starts one only when none does.

An object whose table, partition and columns the catalogue knows already needs no crawl. For the others it compares
times: a crawl that began after the copy and completed covers the object; one that still runs is
waited for; failed ones are tried again, a few times; without any, one is started. A hundred uploads at once
share a handful of crawls this way, without a lock or a table.

Running it twice is harmless: the second run finds the crawl that the first one started. A redrive ignores the
crawls that failed before it. What is wrong with a file is not judged here: one whose columns cannot be read is
crawled, and the validation says why. Sources: StartCrawler, GetTables, GetPartition (AWS Glue web API reference).

Raises CrawlerFailed, CrawlTimedOut, AccessDenied, BucketMissing, Throttled, RequestRejected, SettingInvalid.
"""

from datetime import UTC, datetime, timedelta

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError
from pydantic import Field

from functions.catalogue import crawls
from functions.catalogue.columns import read_columns
from functions.catalogue.crawls import Crawl, known_so_far, recent_crawls, wait_seconds
from functions.catalogue.formats import file_format
from functions.catalogue.glue_table import column_problem, find_table, is_registered, missing_columns
from functions.contract.limits import CRAWL_ATTEMPTS, CRAWL_POLLS
from functions.contract.models import Catalogue, Document, StepEvent
from functions.objects.head import ObjectChanged
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors, code_of
from functions.runtime.errors import CrawlerFailed, CrawlTimedOut
from functions.runtime.sdk import require_sdk
from functions.runtime.settings import read_settings
from functions.runtime.step import count, step

require_sdk()

CLOCK_TOLERANCE = timedelta(seconds=1)
"""Between our clock and Glue's. No other crawl can have begun and ended within it."""


class Settings(crawls.Settings):
    """Which crawler keeps which catalogue."""

    glue_database: str = Field(min_length=1)


@step
def handler(event: StepEvent, _context: LambdaContext) -> Catalogue:
    """Say that no crawl is needed, that one covers the object, or that one runs which may cover it."""
    settings = read_settings(Settings)
    known, covers_from = known_so_far(event.document, event.execution)
    # An older definition takes `not_needed` for a crawl to wait for: after one look it gets a crawl.
    if known.polls == 0 and is_catalogued(event.document, settings.glue_database):
        count("CrawlsSpared")
        return known.model_copy(update={"status": "not_needed", "crawl_id": None, "cause": ""})
    return start_crawler(known, covers_from, event.execution.attempt_began, settings)


def is_catalogued(document: Document, database: str) -> bool:
    """Whether the catalogue has the object's table, partition and columns, so that a crawl would change nothing.

    After a validation that found nothing there, only a crawl is believed.
    """
    if document.validation and document.validation.status == "not_covered":
        return False
    source, target, _ = document.finished_copy()
    layout, table = file_format(target.key), find_table(target, database)
    if layout is None or table is None or not table.fits(layout) or not is_registered(target, table):
        return False
    try:
        columns = read_columns(target, source.size_bytes, layout)
    except ObjectChanged:
        return False
    return columns is not None and not column_problem(columns, table, layout) and not missing_columns(columns, table)


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
