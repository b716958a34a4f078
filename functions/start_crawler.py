"""StartCrawler: makes sure that a crawl covers the copied object, and starts one only if none does.

An object whose table, partition and columns are already in the catalogue needs no crawl. For any other it compares
times: a crawl that started after the copy and completed covers the object; one that is still running is waited for;
after failed ones it tries again, a few times; without any, it starts one. So a hundred simultaneous uploads share a
handful of crawls, without a lock or a table.

Idempotent: a second run finds the crawl that the first one started. A redrive ignores the crawls that failed before it.
Problems of a file are not checked here: if its columns cannot be read it is crawled, and the validation says why.
Sources: StartCrawler, GetTables, GetPartition (AWS Glue web API reference).

Raises CrawlerFailed, CrawlTimedOut, AccessDenied, BucketMissing, Throttled, RequestRejected, SettingInvalid.
"""

from datetime import UTC, datetime, timedelta

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError
from pydantic import Field

from functions.catalogue.crawls import (
    Crawl,
    CrawlerSettings,
    current_catalogue,
    recent_crawls,
    wait_seconds,
    waited_minutes,
)
from functions.catalogue.file_columns import read_columns
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
from functions.runtime.step import add_metric, step

require_sdk()

CLOCK_TOLERANCE = timedelta(seconds=1)
"""Between our clock and Glue's. No other crawl can have started and ended within it."""


class CatalogueSettings(CrawlerSettings):
    """Which crawler updates which database."""

    glue_database: str = Field(min_length=1)


@step
def handler(event: StepEvent, _context: LambdaContext) -> Catalogue:
    """Return that no crawl is needed, that one covers the object, or that one is running that may cover it."""
    settings = read_settings(CatalogueSettings)
    previous, covers_from = current_catalogue(event.document, event.execution)
    # An older definition treats `not_needed` as a running crawl: after one poll the object is crawled.
    if previous.polls == 0 and is_catalogued(event.document, settings.glue_database):
        add_metric("CrawlsSpared")
        return previous.changed(status="not_needed", crawl_id=None, cause="")
    return start_crawler(previous, covers_from, event.execution.attempt_began, settings)


def is_catalogued(document: Document, database: str) -> bool:
    """Check whether the catalogue has the object's table, partition and columns, so that a crawl would change nothing.

    If a validation found nothing there, only a crawl counts.
    """
    if document.validation and document.validation.status == "not_covered":
        return False
    copy = document.finished_copy()
    target, layout, table = copy.target, file_format(copy.target.key), find_table(copy.target, database)
    if layout is None or table is None or not table.fits(layout) or not is_registered(target, table):
        return False
    try:
        columns = read_columns(target, copy.source.size_bytes, layout)
    except ObjectChanged:
        return False
    return columns is not None and not column_problem(columns, table, layout) and not missing_columns(columns, table)


def start_crawler(
    previous: Catalogue, covers_from: datetime, attempt_began: datetime, settings: CatalogueSettings
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


def _require_polls_left(previous: Catalogue, settings: CatalogueSettings) -> None:
    if previous.polls >= CRAWL_POLLS:
        raise CrawlTimedOut(
            f"No crawl of {settings.crawler_name} that started after {previous.covers_from:%Y-%m-%d %H:%M:%S} UTC "
            f"finished within about {waited_minutes(previous.polls)} minutes. Check the crawler's log, then replay."
        )


def _require_working_crawler(crawls: list[Crawl], attempt_began: datetime, settings: CatalogueSettings) -> None:
    failed = [crawl for crawl in crawls if crawl.failed and (crawl.ended or crawl.started) >= attempt_began]
    if len(failed) >= CRAWL_ATTEMPTS:
        cause = (failed[-1].error or failed[-1].state).rstrip(".")
        raise CrawlerFailed(
            f"The crawler {settings.crawler_name} failed {len(failed)} times, most recently with: {cause}. Fix the "
            "crawler (its role, database or target), then replay."
        )


def _start(previous: Catalogue, covers_from: datetime, settings: CatalogueSettings) -> Catalogue:
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
