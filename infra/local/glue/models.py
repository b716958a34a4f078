"""Crawlers, crawls, and the schemas of what they find."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.local.glue.layout import KeyPath, Target
from infra.local.glue.types import GlueType


@dataclass(frozen=True)
class CsvClassifier:
    """A custom CSV classifier of the crawler (Glue's CsvClassifier)."""

    name: str
    delimiter: str = ","
    quote: str = '"'
    header_present: bool | None = None
    header: tuple[str, ...] = ()
    allow_single_column: bool = False
    serde: str = "None"

    @classmethod
    def of_api(cls, response: Mapping[str, Any]) -> "CsvClassifier":
        """Read GetClassifier's response."""
        present = {"PRESENT": True, "ABSENT": False}.get(response.get("ContainsHeader") or "UNKNOWN")
        return cls(
            name=response["Name"],
            delimiter=response.get("Delimiter") or ",",
            quote=response.get("QuoteSymbol") or '"',
            header_present=present,
            header=tuple(response.get("Header") or ()),
            allow_single_column=bool(response.get("AllowSingleColumn")),
            serde=response.get("Serde") or "None",
        )


@dataclass(frozen=True)
class FileStorage:
    """How Athena reads such files. Only files that share it go into one table."""

    classification: str
    input_format: str
    output_format: str
    serde: str
    serde_parameters: tuple[tuple[str, str], ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def delimiter(self) -> str | None:
        """The delimiter of text files."""
        return dict(self.parameters).get("delimiter")

    def __str__(self) -> str:
        return f"{self.classification} with the delimiter {self.delimiter!r}" if self.delimiter else self.classification


@dataclass(frozen=True)
class Schema:
    """The columns, in order, and the storage of a file or a table."""

    storage: FileStorage
    columns: tuple[tuple[str, GlueType], ...]
    paths: tuple[str, ...] = ()
    """The field names as a JSON file spells them; Glue records them in the SerDe's `paths`."""

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(name for name, _ in self.columns)


@dataclass(frozen=True)
class CrawlerDefinition:
    """The definition of a crawler."""

    name: str
    role: str
    database: str
    table_prefix: str
    targets: tuple[Target, ...]
    classifiers: tuple[CsvClassifier, ...]
    updates_tables: bool
    account_id: str
    region: str

    @classmethod
    def of_crawler(
        cls, record: Mapping[str, Any], classifiers: tuple[CsvClassifier, ...], account_id: str, region: str
    ) -> "CrawlerDefinition":
        """Read MiniStack's record of a crawler, which has CreateCrawler's fields."""
        try:
            configuration = json.loads(record.get("Configuration") or "{}")
        except ValueError:
            configuration = {}
        level = (configuration.get("Grouping") or {}).get("TableLevelConfiguration")
        targets = []
        for target in (record.get("Targets") or {}).get("S3Targets") or []:
            bucket, _, prefix = target.get("Path", "").removeprefix("s3://").partition("/")
            prefix = prefix if not prefix or prefix.endswith("/") else prefix + "/"
            targets.append(Target(bucket, prefix, tuple(target.get("Exclusions") or ()), level))
        return cls(
            name=record["Name"],
            role=record.get("Role", ""),
            database=record.get("DatabaseName", ""),
            table_prefix=record.get("TablePrefix", ""),
            targets=tuple(targets),
            classifiers=classifiers,
            updates_tables=(record.get("SchemaChangePolicy") or {}).get("UpdateBehavior") != "LOG",
            account_id=account_id,
            region=region,
        )


@dataclass(frozen=True)
class CrawledObject:
    """An object under a target."""

    bucket: str
    key: str
    etag: str
    size_bytes: int
    path: KeyPath

    @property
    def url(self) -> str:
        """Its S3 path."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass
class Changes:
    """What a crawl changed, for ListCrawls' Summary."""

    tables_added: int = 0
    tables_updated: int = 0
    partitions_added: int = 0
    partitions_updated: int = 0

    def summary(self) -> str:
        """Write the Summary as Glue does: JSON of counts by kind and change, empty without changes."""
        summary: dict[str, str] = {}
        for kind, added, updated in (
            ("TABLE", self.tables_added, self.tables_updated),
            ("PARTITION", self.partitions_added, self.partitions_updated),
        ):
            counts = {name: {"Count": count} for name, count in (("ADD", added), ("UPDATE", updated)) if count}
            if counts:
                summary[kind] = json.dumps(counts)
        return json.dumps(summary)


@dataclass
class CrawlRecord:
    """One crawl."""

    id: str
    crawler: str
    started: float
    state: str = "RUNNING"
    ended: float | None = None
    error: str = ""
    changes: Changes = field(default_factory=Changes)
    stop: threading.Event = field(default_factory=threading.Event)

    def describe(self) -> dict[str, Any]:
        """Describe it as the API's `CrawlerHistory`."""
        described: dict[str, Any] = {
            "CrawlId": self.id,
            "State": self.state,
            "StartTime": self.started,
            "Summary": self.changes.summary(),
            "LogGroup": "/aws-glue/crawlers",
            "LogStream": self.crawler,
            "MessagePrefix": self.id,
            "DPUHour": 0.0,
        }
        if self.ended is not None:
            described["EndTime"] = self.ended
        if self.error:
            described["ErrorMessage"] = self.error
        return described

    def describe_last(self) -> dict[str, Any]:
        """Describe it as a crawler's `LastCrawl`."""
        return {
            "Status": {"COMPLETED": "SUCCEEDED", "STOPPED": "CANCELLED"}.get(self.state, "FAILED"),
            "LogGroup": "/aws-glue/crawlers",
            "LogStream": self.crawler,
            "MessagePrefix": self.id,
            "StartTime": self.started,
            **({"ErrorMessage": self.error} if self.error else {}),
        }
