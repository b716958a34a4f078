"""Read the schema of an object from a sample: the start of a text file, the footer of a Parquet file.

Glue reads up to a megabyte of a text file ("How does the AWS Glue crawler detect the schema?", AWS re:Post). Here less
is read, unless the first line is longer. A schema is cached by key and ETag, so a crawl reads new files only. Raises
CrawlFailed when the role may not read the object.
"""

import csv
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Hashable

from botocore.exceptions import BotoCoreError, ClientError

from functions.catalogue.formats import file_format
from functions.catalogue.names import too_long
from functions.catalogue.parquet_footer import FooterUnreadable, read_footer
from functions.catalogue.parquet_types import duplicate_names
from infra.local.caller import Caller
from infra.local.glue.errors import UnreadableFile
from infra.local.glue.failures import crawl_failure
from infra.local.glue.models import CrawledObject, CrawlerDefinition, Schema
from infra.local.glue.schema import of_parquet, of_text
from infra.local.text_files import UNPACKED_START_BYTES, BrokenFile, unpack_start

SAMPLE_BYTES = 64 * 1024
LONGEST_SAMPLE_BYTES = 1024 * 1024
FOOTER_BYTES = 64 * 1024
MAX_CACHED = 20_000


class SchemaCache:
    """The schemas that crawls read last, or why a file has none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._schemas: OrderedDict[Hashable, Schema | UnreadableFile] = OrderedDict()

    def get(self, key: Hashable) -> Schema | UnreadableFile | None:
        """Return the cached schema."""
        with self._lock:
            return self._schemas.get(key)

    def put(self, key: Hashable, schema: Schema | UnreadableFile) -> None:
        """Cache a schema and drop the oldest."""
        with self._lock:
            self._schemas[key] = schema
            while len(self._schemas) > MAX_CACHED:
                self._schemas.popitem(last=False)


class SchemaReader:
    """Reads the schemas of one crawl's objects."""

    def __init__(self, role: Caller, settings: CrawlerDefinition, cache: SchemaCache) -> None:
        self._role = role
        self._settings = settings
        self._cache = cache

    def read(self, crawled: CrawledObject) -> Schema | UnreadableFile:
        """Return the schema of an object. A denied read fails the crawl, not just the file."""
        key = (crawled.bucket, crawled.key, crawled.etag, self._settings.classifiers)
        cached = self._cache.get(key)
        if cached is not None:
            return cached
        try:
            schema: Schema | UnreadableFile = self._sample_in_bounds(crawled)
        except UnreadableFile as error:
            schema = error
        except (BrokenFile, ValueError, RecursionError, csv.Error) as error:
            # Whatever a file contains, it fails neither the crawl nor the other files.
            schema = UnreadableFile(str(error) or type(error).__name__)
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchKey", "404", "PreconditionFailed", "412"}:
                return UnreadableFile("it was deleted or replaced during the crawl; the next crawl reads it")
            raise crawl_failure(error, self._settings, f"object {crawled.url}") from error
        except BotoCoreError as error:
            raise crawl_failure(error, self._settings, f"object {crawled.url}") from error
        self._cache.put(key, schema)
        return schema

    def _sample_in_bounds(self, crawled: CrawledObject) -> Schema:
        schema = self._sample(crawled)
        if problem := too_long(schema.column_names):
            raise UnreadableFile(f"it has {problem}")
        return schema

    def _sample(self, crawled: CrawledObject) -> Schema:
        layout = file_format(crawled.key)
        if layout and layout.layout == "parquet":
            return self._sample_parquet(crawled)
        data, is_whole = self._read_text(crawled, SAMPLE_BYTES)
        if not is_whole and b"\n" not in data and b"\r" not in data:
            data, is_whole = self._read_text(crawled, LONGEST_SAMPLE_BYTES)
        return of_text(data, is_whole, crawled.key, self._settings.classifiers)

    def _read_text(self, crawled: CrawledObject, length: int) -> tuple[bytes, bool]:
        """Read the start of a text, decompressed; also return whether that is the whole file."""
        data = self._read_range(crawled, 0, length)
        is_whole = crawled.size_bytes <= len(data)
        if crawled.key.endswith(".gz"):
            data = unpack_start(data)
            is_whole = is_whole and len(data) < UNPACKED_START_BYTES
        return data, is_whole

    def _sample_parquet(self, crawled: CrawledObject) -> Schema:
        """Read a sparse file with the size, first bytes and footer of the object."""
        head = self._read_range(crawled, 0, 4)
        footer = self._read_range(crawled, max(0, crawled.size_bytes - FOOTER_BYTES), FOOTER_BYTES)
        if head != b"PAR1" or footer[-4:] != b"PAR1":
            raise UnreadableFile("it is not a complete Parquet file (no PAR1 at its start and end)")
        footer_bytes = int.from_bytes(footer[-8:-4], "little") + 8
        if footer_bytes > len(footer):
            footer = self._read_range(crawled, max(0, crawled.size_bytes - footer_bytes), footer_bytes)
        self._require_distinct_names(footer)
        with tempfile.NamedTemporaryFile(prefix="crawler-", suffix=".parquet") as sparse:
            sparse.write(head)
            sparse.seek(crawled.size_bytes - len(footer))
            sparse.write(footer)
            sparse.flush()
            return of_parquet(sparse.name)

    def _require_distinct_names(self, footer: bytes) -> None:
        """Reject what DuckDB would rename: columns that are equal but for case."""
        try:
            fields = read_footer(footer[-8 - int.from_bytes(footer[-8:-4], "little") : -8]).fields
        except FooterUnreadable as error:
            raise UnreadableFile(f"its footer cannot be read: {error}") from error
        if duplicates := duplicate_names(fields):
            raise UnreadableFile(f"it has duplicate column names: {', '.join(duplicates)}")

    def _read_range(self, crawled: CrawledObject, start: int, length: int) -> bytes:
        last = min(crawled.size_bytes, start + length) - 1
        response = self._role.s3.get_object(
            Bucket=crawled.bucket, Key=crawled.key, Range=f"bytes={start}-{last}", IfMatch=crawled.etag
        )
        return response["Body"].read()
