"""Finds the table whose queries a file of another kind would break.

Athena reads every object below a table's location as the table's format: a README beside Parquet fails each query, and
notes beside CSV are rows of it. Only names that begin with `_` or `.` are hidden, and objects without bytes have no
rows ("Table location in Amazon S3", Amazon Athena User Guide). Below a partitioned table, Athena reads the partitions'
folders only.

A name that does not say what it holds may be data of the table: Firehose, Hive and Athena itself write names without a
suffix, or with that of gzip alone ("Use compression in Athena"; "Configure Amazon S3 object name format", Amazon Data
Firehose Developer Guide); then its beginning decides. Athena decompresses more than S3 Ferry does: what cannot be
checked does not join a table unseen.

Idempotent: it only reads. Sources: GetTables (AWS Glue web API reference), ListObjectsV2 (Amazon S3 API reference).
Raises AccessDenied, Throttled, RequestRejected.
"""

import re

from functions.catalogue.formats import Format, file_format, not_catalogued_reason, unread_compression
from functions.catalogue.glue_table import CLASSIFICATIONS, LAYOUTS, Table, find_table
from functions.catalogue.recent_tables import recent_table
from functions.contract.models import ObjectVersion
from functions.objects.head import location
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors

KINDS = {"delimited": "delimited text", "json": "JSON", "parquet": "Parquet"}
LONGEST_SUFFIX = 16
"""Of a name such as `my.stream-1-2026-11-27-12-00-00-UUID`, the part after the dot belongs to the name."""

NUMBERS = re.compile(r"[0-9_-]+")
"""As in `part.0`, or the date of `events.2026-11-27`."""

CAPITALS = re.compile(r"[A-Z]{2,}(?:[_-][A-Z]+)*")
"""A file about files, such as README, LICENSE or MANIFEST."""

PAGE_KEYS = 1000
MOST_PAGES = 10
"""A folder of more objects is not searched to its end."""


def table_that_breaks(obj: ObjectVersion, size_bytes: int, database: str) -> Table | None:
    """Return the table that would read this object as a kind that it is not; None if there is none."""
    if "/" not in obj.key or not _is_read(obj.key, size_bytes):
        return None
    if not _breaks(obj.key, recent_table(obj, database)):
        return None
    # The catalogue is asked again before a file is rejected: whoever drops the table replays at once.
    table = find_table(obj, database)
    return table if _breaks(obj.key, table) else None


def table_that_reads(obj: ObjectVersion, size_bytes: int, database: str) -> Table | None:
    """Return the table that reads this object as its data. It may be a minute old, and lacks its columns."""
    if "/" not in obj.key or not _is_read(obj.key, size_bytes):
        return None
    table = recent_table(obj, database)
    return table if table is not None and not table.unpartitioned and is_catalogued(table) else None


def foreign_object(table: Table, obj: ObjectVersion, pages: int = MOST_PAGES) -> str | None:
    """Return the key of an object that Athena reads beside this one, but not as what it is; None if none is found."""
    if not is_catalogued(table):
        return None
    uri = location(obj.bucket, obj.key)
    folders = uri.removeprefix(table.folder).split("/")[: len(table.partition_keys)]
    prefix = "".join([table.folder.removeprefix(location(obj.bucket, "")), *(f"{folder}/" for folder in folders)])
    with aws_errors(f"listing {location(obj.bucket, prefix)}"):
        listed = (
            clients.s3(obj.region)
            .get_paginator("list_objects_v2")
            .paginate(Bucket=obj.bucket, Prefix=prefix, PaginationConfig={"MaxItems": pages * PAGE_KEYS})
        )
        for page in listed:
            for found in page.get("Contents", []):
                relative = found["Key"].removeprefix(prefix)
                is_other = found["Key"] != obj.key and _is_read(relative, found["Size"])
                if is_other and is_foreign(found["Key"], table):
                    return str(found["Key"])
    return None


def is_catalogued(table: Table) -> bool:
    """Check whether the table is of a format that S3 Ferry catalogues."""
    return table.classification in LAYOUTS


def format_of(table: Table, *, gzipped: bool) -> Format:
    """Return how Athena reads a file of this table; Parquet has no compression of the whole file."""
    layout = LAYOUTS[table.classification]
    if layout == "delimited":
        return Format(layout, table.delimiter or ",", gzipped)
    return Format(layout, "", gzipped and layout != "parquet")


def described(table: Table) -> str:
    """Describe the files of a table."""
    kind = KINDS[LAYOUTS[table.classification]] if is_catalogued(table) else table.classification
    delimiter = f" separated by {table.delimiter!r}" if table.classification == "csv" and table.delimiter else ""
    return kind + delimiter


def unchecked(key: str) -> str:
    """Say that a file cannot be checked, and what to do, if that is why it is foreign; empty if not."""
    ending = unread_compression(key)
    if not ending:
        reason = _not_validated(key)
        return f"S3 Ferry does not validate it, because {reason}, but Athena reads it in the table" if reason else ""
    return (
        f"S3 Ferry does not read {ending} files, so it cannot check this one, which Athena reads in the table. "
        "Compress it with gzip (.gz) or not at all (Parquet compresses its own pages)"
    )


def _not_validated(key: str) -> str:
    """Say why a file whose name says its format makes no table, and is not validated; empty if it is."""
    return (file_format(key) and not_catalogued_reason(key, 1)) or ""


def _is_read(key: str, size_bytes: int) -> bool:
    parts = key.split("/")
    return size_bytes > 0 and parts[-1] != "" and not any(part.startswith(("_", ".")) for part in parts)


def _breaks(key: str, table: Table | None) -> bool:
    return table is not None and not table.unpartitioned and is_foreign(key, table)


def is_foreign(key: str, table: Table) -> bool:
    """Check whether the name of a file says that it does not hold data of this table."""
    if not is_catalogued(table):
        return False
    if unread_compression(key) or _not_validated(key):
        return True
    layout = _named_format(key)
    return not may_hold(table, layout) if layout else not _may_be_data(key)


def may_hold(table: Table, layout: Format) -> bool:
    """Check whether a table may hold such files; tables of other makers, which do not say what they hold, may."""
    if not is_catalogued(table):
        return True
    if table.classification != CLASSIFICATIONS[layout.layout]:
        return False
    return not table.delimiter or table.separates_as(layout)


def _named_format(key: str) -> Format | None:
    """Return the format that a name says, in more ways than those that S3 Ferry validates."""
    return file_format(_uncompressed(key))


def _may_be_data(key: str) -> bool:
    """Check whether a name without a format may be data: it has no suffix, or only a number as its suffix."""
    name = _uncompressed(key).rpartition("/")[2]
    _, dot, suffix = name.rpartition(".")
    if not dot or len(suffix) > LONGEST_SUFFIX:
        return not CAPITALS.fullmatch(name)
    return bool(NUMBERS.fullmatch(suffix))


def _uncompressed(key: str) -> str:
    """Return the key without the suffix of gzip, which Athena knows in lower case only."""
    return key.removesuffix(".gz")
