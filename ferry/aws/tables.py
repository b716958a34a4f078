"""The tables of the deployment's database in the Glue Data Catalog. Read-only.

Raises CommandError for a table that does not exist.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ferry.aws.clients import Deployment
from ferry.aws.queries import ResultColumn
from ferry.errors import CommandError

SHOWN_PARTITIONS = 1000
CRAWLS = 20


@dataclass(frozen=True)
class TableSummary:
    """A table: its columns and partition keys, its folder, and the format of its files."""

    name: str
    columns: tuple[ResultColumn, ...]
    keys: tuple[ResultColumn, ...]
    location: str
    format: str
    updated: datetime | None


@dataclass(frozen=True)
class CrawlSummary:
    """One run of the crawler."""

    id: str
    state: str
    started: datetime
    seconds: float | None
    error: str


def list_tables(deployment: Deployment) -> list[TableSummary]:
    """All tables, by name."""
    pages = deployment.glue.get_paginator("get_tables").paginate(DatabaseName=deployment.outputs.glue_database)
    found = [_table(item) for page in pages for item in page["TableList"]]
    return sorted(found, key=lambda table: table.name)


def read_table(deployment: Deployment, name: str) -> TableSummary:
    """One table."""
    glue = deployment.glue
    try:
        return _table(glue.get_table(DatabaseName=deployment.outputs.glue_database, Name=name)["Table"])
    except glue.exceptions.EntityNotFoundException as error:
        raise CommandError(f"Table {name} not found. Run `ferry tables`.") from error


def list_partitions(deployment: Deployment, table: str, limit: int = SHOWN_PARTITIONS) -> list[tuple[str, ...]]:
    """The values of the table's partitions, at most so many."""
    pages = deployment.glue.get_paginator("get_partitions").paginate(
        DatabaseName=deployment.outputs.glue_database, TableName=table, PaginationConfig={"MaxItems": limit}
    )
    return [tuple(item.get("Values", [])) for page in pages for item in page["Partitions"]]


def list_crawls(deployment: Deployment) -> list[CrawlSummary]:
    """The newest crawls, newest first."""
    response: Any = deployment.glue.list_crawls(CrawlerName=deployment.outputs.crawler_name, MaxResults=CRAWLS)
    found = [_crawl(item) for item in response.get("Crawls", [])]
    return sorted(found, key=lambda crawl: crawl.started, reverse=True)


def _crawl(item: Any) -> CrawlSummary:
    ended = item.get("EndTime")
    seconds = (ended - item["StartTime"]).total_seconds() if ended else None
    return CrawlSummary(
        item.get("CrawlId", ""), item["State"], item["StartTime"], seconds, item.get("ErrorMessage", "")
    )


def _table(item: Any) -> TableSummary:
    storage = item.get("StorageDescriptor", {})
    return TableSummary(
        item["Name"],
        tuple(_columns(storage.get("Columns", []))),
        tuple(_columns(item.get("PartitionKeys", []))),
        storage.get("Location", ""),
        item.get("Parameters", {}).get("classification", ""),
        item.get("UpdateTime") or item.get("CreateTime"),
    )


def _columns(items: Any) -> Iterator[ResultColumn]:
    return (ResultColumn(item["Name"], item.get("Type", "")) for item in items)
