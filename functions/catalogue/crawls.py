"""Lists the crawls of our crawler, and finds out whether one covers a copied object.

A crawl covers every object whose copy ended before the crawl started, so comparing times is enough.
Source: ListCrawls and CrawlsFilter (AWS Glue web API reference; START_TIME is filtered in epoch milliseconds).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError
from pydantic import Field

from functions.contract.models import Catalogue, Document, ExecutionContext, Model
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors, code_of
from functions.runtime.errors import CrawlerFailed
from functions.runtime.settings import RegionName

LONGEST_CRAWL = timedelta(days=1)
"""How long ago a crawl that is still running may have started."""

WAIT_SECONDS = (10, 10, 10, 15, 20, 30, 45, 60, 60, 90)
LONGEST_WAIT_SECONDS = 120


class CrawlerSettings(Model):
    """Which crawler updates the catalogue."""

    crawler_name: str = Field(min_length=1)
    target_region: RegionName


@dataclass(frozen=True)
class Crawl:
    """One run of the crawler."""

    crawl_id: str
    state: str
    started: datetime
    ended: datetime | None
    error: str

    def covers(self, covers_from: datetime) -> bool:
        """Check whether it has seen every object that existed before `covers_from`."""
        return self.state == "COMPLETED" and self.started >= covers_from

    @property
    def failed(self) -> bool:
        """Whether it ended without covering anything."""
        return self.state in {"FAILED", "STOPPED"}


def recent_crawls(settings: CrawlerSettings, covers_from: datetime) -> list[Crawl]:
    """Return the crawls that may matter for an object, the oldest first, up to one that covers it.

    Raises CrawlerFailed, AccessDenied, Throttled.
    """
    since = int((covers_from - LONGEST_CRAWL).timestamp() * 1000)
    client = clients.glue(settings.target_region)
    crawls: list[Crawl] = []
    token = ""
    with aws_errors(f"listing the crawls of the crawler {settings.crawler_name}"):
        while True:
            try:
                response = client.list_crawls(
                    CrawlerName=settings.crawler_name,
                    MaxResults=100,
                    Filters=[{"FieldName": "START_TIME", "FilterOperator": "GE", "FieldValue": str(since)}],
                    **({"NextToken": token} if token else {}),
                )
            except ClientError as error:
                if code_of(error) == "EntityNotFoundException":
                    raise CrawlerFailed(
                        f"The crawler {settings.crawler_name} does not exist in {settings.target_region}. "
                        "Check CRAWLER_NAME and TARGET_REGION, deploy, then replay."
                    ) from error
                raise
            crawls += [_read(crawl) for crawl in response["Crawls"]]
            token = response.get("NextToken", "")
            # One crawl that covers the object is enough: no need to read a year of others.
            if not token or any(crawl.covers(covers_from) for crawl in crawls):
                return sorted(crawls, key=lambda crawl: crawl.started)


def _read(crawl: Any) -> Crawl:
    return Crawl(
        crawl_id=crawl["CrawlId"],
        state=crawl["State"],
        started=crawl["StartTime"].astimezone(UTC),
        ended=crawl["EndTime"].astimezone(UTC) if crawl.get("EndTime") else None,
        error=crawl.get("ErrorMessage", ""),
    )


def current_catalogue(document: Document, execution: ExecutionContext) -> tuple[Catalogue, datetime]:
    """Return this attempt's catalogue result so far, and when a crawl must have started to cover the object.

    A redrive counts its polls from zero. A new copy needs a later crawl, and so does an object that the catalogue has
    lost since the crawl that covered it.
    """
    redrives, copied_at = execution.redrive_count, document.finished_copy().copied_at
    # `copied_at` is in whole seconds: a crawl that started in the next second has seen the copy.
    covers_from = copied_at + timedelta(seconds=1)
    previous = document.catalogue or Catalogue(status="not_covered", redrive_count=redrives)
    if previous.covers_from and previous.copied_at == copied_at:
        covers_from = previous.covers_from
    if document.validation and document.validation.status == "not_covered":
        covers_from = max(covers_from, execution.attempt_began)
    if previous.redrive_count != redrives:
        previous = previous.changed(polls=0, redrive_count=redrives)
    return previous.changed(covers_from=covers_from, copied_at=copied_at), covers_from


def wait_seconds(polls: int) -> int:
    """Return how long to wait before the next poll: short at first, then longer, because a crawl may take long."""
    return WAIT_SECONDS[polls] if polls < len(WAIT_SECONDS) else LONGEST_WAIT_SECONDS


def waited_minutes(polls: int) -> int:
    """Return about how long this number of polls has taken, for messages."""
    return round(sum(map(wait_seconds, range(polls))) / 60)
