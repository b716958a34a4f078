"""PollCrawler: one look at the crawls. It reports and never raises for what it sees: StartCrawler decides.

Running it twice is harmless: it only reads. Source: ListCrawls (AWS Glue web API reference).

Raises CrawlerFailed (there is no such crawler), AccessDenied, Throttled, RequestRejected, SettingInvalid.
"""

from datetime import datetime

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.catalogue.crawls import Crawl, Settings, known_so_far, recent_crawls, wait_seconds
from functions.contract.limits import CRAWL_POLLS
from functions.contract.models import Catalogue, StepEvent
from functions.runtime.sdk import require_sdk
from functions.runtime.settings import read_settings
from functions.runtime.step import step

require_sdk()


@step
def handler(event: StepEvent, _context: LambdaContext) -> Catalogue:
    """Say what became of the crawl that is waited for."""
    known, covers_from = known_so_far(event.document, event.execution)
    return poll_crawler(known, covers_from, recent_crawls(read_settings(Settings), covers_from))


def poll_crawler(known: Catalogue, covers_from: datetime, crawls: list[Crawl]) -> Catalogue:
    """Judge the crawls: `succeeded`, `running`, `failed` with the cause, or `not_covered` by any of them."""
    polls = known.polls + 1
    seen = known.model_copy(update={"polls": polls, "wait_seconds": wait_seconds(polls), "crawl_id": None, "cause": ""})
    covering = [crawl for crawl in crawls if crawl.started >= covers_from]
    for crawl in covering:
        if crawl.covers(covers_from):
            return seen.model_copy(update={"status": "succeeded", "crawl_id": crawl.crawl_id})
    if polls >= CRAWL_POLLS:
        return seen.model_copy(update={"status": "failed", "cause": f"no crawl completed in {polls} looks"})
    if any(crawl.state == "RUNNING" for crawl in crawls):
        return seen.model_copy(update={"status": "running"})
    if covering and covering[-1].failed:
        last = covering[-1]
        return seen.model_copy(
            update={"status": "failed", "crawl_id": last.crawl_id, "cause": last.error or last.state}
        )
    return seen.model_copy(update={"status": "not_covered"})
