"""Checks a Parquet file by its footer: its columns, their types, how they are stored; then its pages' headers.

Idempotent: it only reads. Sources: the Parquet format's file layout; "Use compression in Athena" (Amazon Athena User
Guide), and the codecs of Trino's reader (trinodb/trino, lib/trino-parquet, ParquetCompressionUtils), which has neither
Brotli nor LZ4_RAW; the LZ4 of the guide is Hadoop's, another codec of the format. Of the encodings that the format
allows for a type, that reader lacks one (ValueDecoders): BYTE_STREAM_SPLIT of other types than FLOAT and DOUBLE.
`count(*)` does not notice.

Raises Unreadable with the reason, and what opening the object raises.
"""

from collections.abc import Set

from functions.catalogue.file_columns import PARQUET, TableMismatch, Unreadable, parquet_footer
from functions.catalogue.glue_table import listed, missing_columns
from functions.catalogue.known_formats import known_format
from functions.catalogue.names import unusable_name
from functions.catalogue.parquet_chunks import split_types
from functions.catalogue.parquet_footer import Footer
from functions.catalogue.parquet_types import compare, duplicate_names
from functions.catalogue.type_length import require_fields
from functions.contract.models import StoredObject
from functions.objects.head import opened
from functions.validation.contents import Expected, FileContents
from functions.validation.parquet_pages import require_whole_pages
from functions.validation.parquet_times import time_warnings

SMALLEST_PARQUET = 12
MOST_SHOWN = 10
ENCRYPTED = b"PARE"
UNREADABLE_CODECS = {
    "brotli": "Brotli, which Athena cannot read",
    "lz4_raw": "LZ4_RAW, which Athena cannot read (Arrow, Polars and DuckDB call it `lz4`); use zstd or snappy",
}
SPLIT_TYPES = frozenset({"float", "double", ""})


def read_parquet(obj: StoredObject, expected: Expected) -> FileContents:
    """Read a Parquet file. It starts and ends with PAR1; its footer is at the end, followed by its length."""
    if obj.size_bytes < SMALLEST_PARQUET:
        raise Unreadable("it is not a Parquet file: it is too short")
    with opened(obj, "bytes=0-3") as body:
        first_bytes = body.read()
    if first_bytes == ENCRYPTED:
        raise Unreadable("it is an encrypted Parquet file, which Athena cannot read")
    if first_bytes != PARQUET:
        kind = known_format(first_bytes)
        raise Unreadable(f"it is not a Parquet file but {kind}" if kind else "it is not a Parquet file")
    footer = parquet_footer(obj, obj.size_bytes)
    if footer is None:
        return FileContents(warnings=("its schema is too long to be checked",))
    _require_readable(footer)
    expected.accept(footer.columns)
    groups = require_whole_pages(obj, footer)
    chunks = [chunk for group in groups for chunk in group.chunks]
    _require_storage({chunk.codec for chunk in chunks}, split_types(chunks))
    warnings = time_warnings(footer.fields, groups, expected.table)
    if expected.table is None:
        require_fields(footer.fields)
        return FileContents(footer.columns, footer.rows, tuple(warnings))
    comparison = compare(footer.fields, expected.table.types)
    if comparison.mismatches:
        raise TableMismatch("; ".join(comparison.mismatches[:MOST_SHOWN]))
    return FileContents(
        footer.columns,
        footer.rows,
        (*warnings, *comparison.warnings[:MOST_SHOWN]),
        missing_columns=tuple(missing_columns(footer.columns, expected.table)),
    )


def _require_readable(footer: Footer) -> None:
    duplicates = duplicate_names(footer.fields)
    if duplicates:
        raise Unreadable(f"it has duplicate column names (case-insensitive): {listed(duplicates)}")
    if not all(map(str.strip, footer.columns)):
        raise Unreadable("it has a column without a name")
    _require_storage(footer.codecs, footer.split_types)
    problem = unusable_name(footer.columns)
    if problem:
        raise Unreadable(f"it has {problem}")


def _require_storage(codecs: Set[str], split_types: Set[str]) -> None:
    for codec in sorted(codecs & UNREADABLE_CODECS.keys()):
        raise Unreadable(f"its pages are compressed with {UNREADABLE_CODECS[codec]}")
    if unreadable := split_types - SPLIT_TYPES:
        raise Unreadable(
            f"it has {' and '.join(sorted(unreadable))} columns in the encoding BYTE_STREAM_SPLIT, which Athena reads "
            "only of floating-point numbers. Write it with the default encodings"
        )
