"""Fetch the objects of a query and prepare them for DuckDB, in a folder of the query's own.

Objects are fetched with the caller's permissions. A regular text file stays as it is; any other is rewritten line by
line as its SerDe reads it. Prepared files come from the cache where they are in it; S3 still decides for each use
whether the caller may read the object.

Raises QueryFailure for a file that cannot be read.
"""

import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
from botocore.exceptions import BotoCoreError, ClientError

from functions.catalogue.formats import UNREAD_COMPRESSIONS
from functions.catalogue.parquet_footer import FooterUnreadable
from infra.local.athena import parquet_schema
from infra.local.athena.errors import QueryFailure
from infra.local.athena.file_cache import FileCache
from infra.local.athena.models import (
    JSON_SERDES,
    LAZY_SIMPLE_SERDE,
    OPEN_CSV_SERDE,
    PARQUET_SERDE,
    PreparedFile,
    QueryTable,
    TableObject,
)
from infra.local.athena.objects import s3_failure
from infra.local.athena.text_preparation import BLOCK_BYTES, prepare_text
from infra.local.caller import Caller
from infra.local.object_requests import ObjectRequests
from infra.local.text_files import BrokenFile, reading

_UNREADABLE_CODECS = frozenset({"BROTLI", "LZ4_RAW"})
"""Of Parquet: ParquetCompressionUtils of trinodb/trino."""


class Preparation:
    """Prepares the files of one query."""

    def __init__(self, caller: Caller, connection: duckdb.DuckDBPyConnection, folder: Path, cache: FileCache) -> None:
        self._connection = connection
        self._folder = folder
        self._cache = cache
        self._requests = ObjectRequests(caller)
        self._count = 0

    def close(self) -> None:
        """Close the connection to S3."""
        self._requests.close()

    def prepare(self, stored: TableObject, table: QueryTable) -> PreparedFile:
        """Take an object's file from the cache, or fetch and prepare it."""
        self._count += 1
        target = self._folder / f"file{self._count}"
        # Without the location, so that a table and its partition share an entry.
        storage = replace(stored.partition.storage, location="")
        cache_key = (stored.bucket, stored.key, stored.etag, storage, table.columns)
        cached = self._cache.take(cache_key, target)
        try:
            if cached is not None:
                self._requests.check(stored.bucket, stored.key, stored.etag)
                return cached
            fetched = self._folder / "fetched"
            with fetched.open("wb") as out:
                self._requests.fetch(stored.bucket, stored.key, stored.etag, out)
        except ClientError as error:
            raise s3_failure(error, stored.path) from error
        except (BotoCoreError, OSError) as error:
            raise QueryFailure(f"HIVE_CURSOR_ERROR: Failed to read {stored.path}: {error}") from error
        prepared = self._prepare_fetched(stored, table, fetched, target)
        self._cache.put(cache_key, prepared)
        return prepared

    def _prepare_fetched(self, stored: TableObject, table: QueryTable, fetched: Path, target: Path) -> PreparedFile:
        serde = stored.partition.storage.serde
        try:
            if stored.partition.storage.unknown_settings:
                named = ", ".join(stored.partition.storage.unknown_settings)
                raise QueryFailure(f"NOT_SUPPORTED: the local Athena cannot read a table with {named} ({table.name})")
            if serde == PARQUET_SERDE:
                return self._prepare_parquet(stored, table, fetched, target)
            if serde not in (OPEN_CSV_SERDE, LAZY_SIMPLE_SERDE, *JSON_SERDES):
                raise QueryFailure(f"NOT_SUPPORTED: the local Athena cannot read {serde} (table {table.name})")
            if stored.key.endswith(UNREAD_COMPRESSIONS):
                raise QueryFailure(f"NOT_SUPPORTED: the local Athena decompresses only .gz files, not {stored.path}")
            if stored.key.endswith(".gz"):
                plain = self._folder / "plain"
                with reading(fetched, compressed=True) as packed, plain.open("wb") as out:
                    shutil.copyfileobj(packed, out, BLOCK_BYTES)
                plain.replace(fetched)
            return prepare_text(stored, table, fetched, target)
        except BrokenFile as error:
            raise QueryFailure(f"HIVE_CURSOR_ERROR: Failed to read file {stored.path}: {error}") from error

    def _prepare_parquet(self, stored: TableObject, table: QueryTable, fetched: Path, target: Path) -> PreparedFile:
        try:
            footer = parquet_schema.footer_of(fetched)
            found = parquet_schema.columns(self._connection, fetched, footer)
            codecs = self._codecs(fetched)
            if codecs is None:
                codecs = {codec.upper() for codec in footer.codecs}
                found = parquet_schema.without_outside(self._connection, fetched, found)
        except (duckdb.Error, FooterUnreadable) as error:
            raise QueryFailure(
                f"HIVE_CANNOT_OPEN_SPLIT: Error opening Hive split {stored.path}: "
                f"it is not a complete Parquet file ({error})"
            ) from error
        if unreadable := sorted(codecs & _UNREADABLE_CODECS):
            raise QueryFailure(
                f"HIVE_BAD_DATA: Malformed Parquet file. Codec not supported in Parquet: {unreadable[0]} "
                f"[{stored.path}]"
            )
        in_file = {name.lower(): (name, kind) for name, kind in found.items()}
        names = {column.name: in_file[column.name] for column in table.columns if column.name in in_file}
        fetched.replace(target)
        return PreparedFile(target, 0, 0, footer.rows, parquet_columns=names)

    def _codecs(self, path: Path) -> set[str] | None:
        """Return the codecs of the file, or None where DuckDB cannot convert the statistics of a column."""
        try:
            found = self._connection.execute("SELECT DISTINCT compression FROM parquet_metadata(?)", [str(path)])
            return {codec for (codec,) in found.fetchall()}
        except duckdb.ConversionException:
            return None
