"""Finds what keeps a file from making a table that Athena can read, before a crawl makes one of it.

With types or names that the catalogue cannot hold, a crawl might fail for all files; with a name that a table has
twice, each query of the table fails. Idempotent: it only reads. Sources: Column (AWS Glue web API reference), "ALTER
TABLE ADD PARTITION" (Amazon Athena User Guide: a partition column that the data has is an error), HiveMetadata in
trinodb/trino ("Table descriptor contains duplicate columns"); the crawler writes such a column twice
(aws-solutions/automated-data-analytics-on-aws, issue 41, and open-metadata/OpenMetadata, issue 31975).

Raises ValidationFailed, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections.abc import Sequence

from functions.catalogue.file_columns import NoTable, Unreadable, columns_of, first_record, parquet_footer
from functions.catalogue.formats import Format
from functions.catalogue.names import partition_problem, unusable_name
from functions.catalogue.type_length import TypeLengths, require_fields
from functions.contract.models import ObjectVersion
from functions.objects.head import ObjectChanged, location
from functions.runtime.errors import ValidationFailed


def require_table_can_be_made(target: ObjectVersion, size_bytes: int, layout: Format) -> None:
    """Raise ValidationFailed if no table can be made of the file's header, its first record, or its footer."""
    try:
        names = _require_types(target, size_bytes, layout)
    except NoTable as error:
        problem = str(error)
    except (ObjectChanged, Unreadable, RecursionError):
        # The validation says what is wrong.
        return
    else:
        problem = unusable_name(names)
        problem = f"it has {problem}" if problem else partition_problem(names, target.key.split("/")[1:-1])
    if problem:
        # Half a surrogate pair in a name fits into no message.
        problem = problem.encode(errors="replace").decode()
        raise ValidationFailed(
            f"{location(target.bucket, target.key)} was copied and verified, but no table can be made of it: "
            f"{problem}. Delete the file from the target, and upload a corrected version."
        )


def _require_types(target: ObjectVersion, size_bytes: int, layout: Format) -> Sequence[str]:
    """Return the names of the columns; raise NoTable if the catalogue cannot hold their types."""
    if layout.layout == "json":
        record = first_record(target, size_bytes, layout) or {}
        TypeLengths().add(record)
        return tuple(record)
    if layout.layout == "parquet":
        footer = parquet_footer(target, size_bytes)
        require_fields(footer.fields if footer else ())
        return footer.columns if footer else ()
    return columns_of(target, size_bytes, layout) or ()
