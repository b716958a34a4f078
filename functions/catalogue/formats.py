"""Decides which objects go to the catalogue, and in which format they are read.

Tabular formats are csv, tsv, json (one record per line), jsonl or ndjson, and parquet (parq, pq); the text formats may
be gzipped.
A key that a crawler or Athena would skip, or read as something else, is left out, with the reason:
"How crawlers work" (AWS Glue) and "Table location in Amazon S3" (Athena: a location is a folder; objects whose
names begin with `_` or `.` are hidden).
"""

from dataclasses import dataclass
from typing import Literal

from functions.catalogue.names import LONGEST_NAME_BYTES, unstorable_name

Layout = Literal["delimited", "json", "parquet"]


@dataclass(frozen=True)
class Format:
    """How a file is read: its layout, the delimiter if it is delimited, and whether it is gzipped."""

    layout: Layout
    delimiter: str = ""
    gzipped: bool = False


_TEXT_FORMATS = {
    ".csv": Format("delimited", ","),
    ".tsv": Format("delimited", "\t"),
    ".json": Format("json"),
    ".jsonl": Format("json"),
    ".ndjson": Format("json"),
}
FORMATS = (
    _TEXT_FORMATS
    | {f"{ending}.gz": Format(f.layout, f.delimiter, gzipped=True) for ending, f in _TEXT_FORMATS.items()}
    | {ending: Format("parquet") for ending in (".parquet", ".parq", ".pq")}
)


UPPER_CASE_GZIP = (".GZ", ".Gz", ".gZ")
"""Athena knows a compression by the suffix in lower case only, and reads other files as they are (trinodb/trino,
CompressionKind in lib/trino-hive-formats)."""


UNREAD_COMPRESSIONS = (".bz2", ".deflate", ".lz4", ".lzo", ".lzo_deflate", ".snappy", ".zst")
"""Which Athena decompresses too (CompressionKind; "Use compression in Athena"), and S3 Ferry does not."""


def unread_compression(key: str) -> str:
    """Return the suffix of a compression that Athena reads and S3 Ferry does not; empty if the key has none."""
    return next((ending for ending in UNREAD_COMPRESSIONS if key.endswith(ending)), "")


def file_format(key: str) -> Format | None:
    """Return the format that the key's suffix names; None if it names none."""
    if key.endswith(UPPER_CASE_GZIP):
        return None
    name = key.lower()
    return next((found for ending, found in FORMATS.items() if name.endswith(ending)), None)


def not_catalogued_reason(key: str, size_bytes: int) -> str | None:
    """Return why an object does not go to the catalogue; None if it does."""
    *folders, name = key.split("/")
    reasons = (
        (not name, "a folder marker has no rows"),
        (size_bytes == 0, "an empty object has no rows"),
        (
            key.endswith(UPPER_CASE_GZIP),
            "its suffix is not in lower case: Athena decompresses only names that end in .gz",
        ),
        (
            unread_compression(key) != "",
            f"S3 Ferry does not read {unread_compression(key)} files: the only compressed text it reads is gzip (.gz)",
        ),
        (
            file_format(key) is None and "." not in name,
            "its name has no suffix, so S3 Ferry does not know its format; a table that its folder has reads it "
            "without validation",
        ),
        (file_format(key) is None, f"not a tabular file: its suffix is not one of {', '.join(FORMATS)}"),
        (not folders, "it is at the root of the bucket, but a table is a folder"),
        ("" in folders, "its key has an empty folder name (`//`, or a `/` at the start)"),
        (bool({".", ".."} & set(folders)), "its key has a folder named `.` or `..`"),
        (
            any(folder.endswith("=") for folder in folders[1:]),
            "a folder in its key names a partition without a value (`dt=`)",
        ),
        (
            any(len(folder.partition("=")[0].encode()) > LONGEST_NAME_BYTES for folder in folders),
            f"a folder in its key has a name of more than {LONGEST_NAME_BYTES} bytes, too long for a table or a column",
        ),
        (
            any(map(unstorable_name, folders)),
            f"a folder in its key has {next(filter(None, map(unstorable_name, folders)), '')}",
        ),
        (
            any(part.startswith(("_", ".")) for part in (*folders, name)),
            "a part of its key starts with `_` or `.`, which Athena treats as hidden",
        ),
    )
    return next((reason for applies, reason in reasons if applies), None)
