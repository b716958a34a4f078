"""The crawls of our crawler, as ListCrawls tells them, and what they mean for one copied object.

A crawl covers every object whose copy ended before the crawl began, so nobody has to be asked but the clock.
Source: ListCrawls and CrawlsFilter (AWS Glue web API reference; START_TIME is filtered in epoch milliseconds).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import Field

from functions.common import clients
from functions.common.aws_errors import aws_errors
from functions.common.models import Catalogue, Document, ExecutionContext, Model

LONGEST_CRAWL = timedelta(days=1)
"""How far back a crawl may have begun that still runs."""

WAIT_SECONDS = (10, 10, 10, 15, 20, 30)
LONGEST_WAIT_SECONDS = 60


class Settings(Model):
    """Which crawler keeps the catalogue."""

    crawler_name: str = Field(min_length=1)
    target_region: str = Field(min_length=1)


@dataclass(frozen=True)
class Crawl:
    """One run of the crawler."""

    crawl_id: str
    state: str
    started: datetime
    ended: datetime | None
    error: str

    @property
    def failed(self) -> bool:
        """Whether it ended without having covered anything."""
        return self.state in {"FAILED", "STOPPED"}


def recent_crawls(settings: Settings, covers_from: datetime) -> list[Crawl]:
    """Every crawl that may matter for an object, the oldest first; raises AccessDenied, Throttled."""
    since = int((covers_from - LONGEST_CRAWL).timestamp() * 1000)
    client = clients.glue(settings.target_region)
    crawls, token = [], ""
    with aws_errors(f"listing the crawls of the crawler {settings.crawler_name}"):
        while True:
            answer = client.list_crawls(
                CrawlerName=settings.crawler_name,
                MaxResults=100,
                Filters=[{"FieldName": "START_TIME", "FilterOperator": "GE", "FieldValue": str(since)}],
                **({"NextToken": token} if token else {}),
            )
            crawls += [
                Crawl(
                    crawl_id=crawl["CrawlId"],
                    state=crawl["State"],
                    started=crawl["StartTime"].astimezone(UTC),
                    ended=crawl["EndTime"].astimezone(UTC) if crawl.get("EndTime") else None,
                    error=crawl.get("ErrorMessage", ""),
                )
                for crawl in answer["Crawls"]
            ]
            token = answer.get("NextToken", "")
            if not token:
                return sorted(crawls, key=lambda crawl: crawl.started)


def known_so_far(document: Document, execution: ExecutionContext) -> tuple[Catalogue, datetime]:
    """What this execution knows of the catalogue, and when a crawl must have begun to cover its object.

    A redrive counts its looks anew.
    """
    known, redrives = document.catalogue, execution.redrive_count
    if known is None or known.covers_from is None:
        covers_from = _covers_from(document)
        return Catalogue(status="not_covered", covers_from=covers_from, redrive_count=redrives), covers_from
    if known.redrive_count != redrives:
        known = known.model_copy(update={"polls": 0, "redrive_count": redrives})
    return known, known.covers_from or _covers_from(document)


def _covers_from(document: Document) -> datetime:
    """When a crawl must have begun to have seen the copy: `copied_at` is whole seconds, so the next second."""
    if document.copy_ is None or document.copy_.copied_at is None:
        raise ValueError("The crawler was asked for without a finished copy in the document.")
    return document.copy_.copied_at + timedelta(seconds=1)


def wait_seconds(polls: int) -> int:
    """How long to wait before the next look: short at first, then longer, as a crawl may take long."""
    return WAIT_SECONDS[polls] if polls < len(WAIT_SECONDS) else LONGEST_WAIT_SECONDS
