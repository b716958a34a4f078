"""PollCrawler: polls the crawls once. It returns a status and does not raise for what it sees: StartCrawler decides.

Idempotent: it only reads. Source: ListCrawls (AWS Glue web API reference).

Raises CrawlerFailed (the crawler does not exist), AccessDenied, Throttled, RequestRejected, SettingInvalid.
"""

from datetime import datetime

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.catalogue.crawls import (
    Crawl,
    CrawlerSettings,
    current_catalogue,
    recent_crawls,
    wait_seconds,
    waited_minutes,
)
from functions.contract.limits import CRAWL_POLLS
from functions.contract.models import Catalogue, StepEvent
from functions.runtime.sdk import require_sdk
from functions.runtime.settings import read_settings
from functions.runtime.step import step

require_sdk()


@step
def handler(event: StepEvent, _context: LambdaContext) -> Catalogue:
    """Return the status of the crawl that the workflow waits for."""
    previous, covers_from = current_catalogue(event.document, event.execution)
    return poll_crawler(previous, covers_from, recent_crawls(read_settings(CrawlerSettings), covers_from))


def poll_crawler(previous: Catalogue, covers_from: datetime, crawls: list[Crawl]) -> Catalogue:
    """Evaluate the crawls: `succeeded`, `running`, `failed` with the cause, or `not_covered` by any of them."""
    polls = previous.polls + 1
    polled = previous.changed(polls=polls, wait_seconds=wait_seconds(polls), crawl_id=None, cause="")
    candidates = [crawl for crawl in crawls if crawl.started >= covers_from]
    for crawl in candidates:
        if crawl.covers(covers_from):
            return polled.changed(status="succeeded", crawl_id=crawl.crawl_id)
    if polls >= CRAWL_POLLS:
        return polled.changed(status="failed", cause=f"no crawl finished within about {waited_minutes(polls)} minutes")
    if any(crawl.state == "RUNNING" for crawl in crawls):
        return polled.changed(status="running")
    if candidates and candidates[-1].failed:
        last = candidates[-1]
        return polled.changed(status="failed", crawl_id=last.crawl_id, cause=last.error or last.state)
    return polled.changed(status="not_covered")
