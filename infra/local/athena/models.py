"""Tables of the Glue catalogue as Athena reads them, and the objects and files behind them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.local.athena.parquet_schema import FileType
from infra.local.glue import types

OPEN_CSV_SERDE = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
LAZY_SIMPLE_SERDE = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
HIVE_JSON_SERDE = "org.apache.hive.hcatalog.data.JsonSerDe"
JSON_SERDES = ("org.openx.data.jsonserde.JsonSerDe", HIVE_JSON_SERDE)
PARQUET_SERDE = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"

NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
"""The value of a partition whose key is NULL, as its folder says it (Hive's `hive.exec.default.partition.name`)."""


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str
    type: types.GlueType


@dataclass(frozen=True)
class TableStorage:
    """Where and how the rows of a table, or of one partition, are stored."""

    location: str
    serde: str
    separator: str
    quote: str
    escape: str
    null_text: str
    skip_lines: int
    null_for_invalid: bool = False
    """Whether a value that does not fit its column is NULL, rather than an error (OpenX SerDe)."""
    unknown_settings: tuple[str, ...] = ()
    """Settings of the SerDe or table that change what is read, and that the local Athena lacks."""


@dataclass(frozen=True)
class Partition:
    """A registered partition, or the whole of an unpartitioned table."""

    values: tuple[str, ...]
    storage: TableStorage


@dataclass(frozen=True)
class QueryTable:
    """A table of the catalogue."""

    database: str
    name: str
    columns: tuple[Column, ...]
    partition_keys: tuple[Column, ...]
    storage: TableStorage
    projection: Mapping[str, str] = field(default_factory=dict)
    """The properties that describe its partitions, if Athena computes them."""

    @property
    def partitioned(self) -> bool:
        """Whether Athena reads it through its partitions only."""
        return bool(self.partition_keys)


@dataclass(frozen=True)
class TableObject:
    """An object that Athena would read."""

    bucket: str
    key: str
    etag: str
    size_bytes: int
    partition: Partition

    @property
    def path(self) -> str:
        """Its `"$path"`."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class PreparedFile:
    """A file that DuckDB can read."""

    path: Path
    field_count: int
    """Columns of the file; 0 for Parquet."""
    skip_lines: int
    row_count: int
    rewritten: bool = False
    """Whether it is plain CSV, written line by line as the SerDe reads the original."""
    parquet_columns: dict[str, tuple[str, FileType]] = field(default_factory=dict)
    """Column of the table → its name in the Parquet file, and its type there."""
