"""Finds what keeps a file from making a table that Athena can read, before a crawl makes one of it.

With types or names that the catalogue cannot hold, a crawl might fail for all files; with a name that a table has
twice, each query of the table fails. Idempotent: it only reads. Sources: Column (AWS Glue web API reference), "ALTER
TABLE ADD PARTITION" (Amazon Athena User Guide: a partition column that the data has is an error), HiveMetadata in
trinodb/trino ("Table descriptor contains duplicate columns"); the crawler writes such a column twice
(aws-solutions/automated-data-analytics-on-aws, issue 41, and open-metadata/OpenMetadata, issue 31975).

Raises ValidationFailed, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections.abc import Sequence
from itertools import islice

from functions.catalogue.file_columns import (
    NoTable,
    Unreadable,
    columns_of,
    first_records,
    parquet_footer,
    separator_problem,
)
from functions.catalogue.formats import Format, file_format, not_catalogued_reason
from functions.catalogue.names import partition_problem, unusable_name
from functions.catalogue.type_length import TypeLengths, require_fields
from functions.contract.models import ObjectVersion
from functions.objects.head import ObjectChanged, location
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors
from functions.runtime.errors import ValidationFailed

MOST_READ = 50
"""Of a folder's files, when one is looked for of which no table can be made."""


def require_table_can_be_made(target: ObjectVersion, size_bytes: int, layout: Format) -> None:
    """Raise ValidationFailed if no table can be made of the file's header, its first records, or its footer."""
    if problem := _problem(target, size_bytes, layout):
        raise ValidationFailed(
            f"{location(target.bucket, target.key)} was copied and verified, but no table can be made of it: "
            f"{problem}. Delete the file from the target, and upload a corrected version."
        )


def file_without_table(target: ObjectVersion) -> str:
    """Return which file beside this one keeps the crawler from making their table, and why; empty if none is found."""
    folder = target.key.split("/")[0] + "/"
    with aws_errors(f"listing {location(target.bucket, folder)}"):
        listed = clients.s3(target.region).list_objects_v2(Bucket=target.bucket, Prefix=folder).get("Contents", [])
    first = sorted(
        (found for found in listed if found["Key"] != target.key),
        key=lambda found: (found["LastModified"], found["Key"]),
    )
    catalogued = (found for found in first if not not_catalogued_reason(found["Key"], found["Size"]))
    for found in islice(catalogued, MOST_READ):
        layout, etag = file_format(found["Key"]), found["ETag"].strip('"')
        obj = ObjectVersion(bucket=target.bucket, region=target.region, key=found["Key"], version_id=None, etag=etag)
        if layout and (problem := _problem(obj, found["Size"], layout)):
            return f"no table can be made of {location(obj.bucket, obj.key)}: {problem}"
    return ""


def _problem(target: ObjectVersion, size_bytes: int, layout: Format) -> str:
    """Describe what keeps a file from making a table; empty if nothing is known to."""
    try:
        names = _require_types(target, size_bytes, layout)
    except NoTable as error:
        problem = str(error)
    except (ObjectChanged, Unreadable, RecursionError):
        # The validation says what is wrong.
        return ""
    else:
        # A whole header in one name may be too long for a name, but that is not what is wrong.
        problem = separator_problem(names[0], layout.delimiter) if layout.delimiter and len(names) == 1 else ""
        if not problem and (unusable := unusable_name(names)):
            problem = f"it has {unusable}"
        problem = problem or partition_problem(names, target.key.split("/")[1:-1])
    # Half a surrogate pair in a name fits into no message.
    return problem.encode(errors="replace").decode()


def _require_types(target: ObjectVersion, size_bytes: int, layout: Format) -> Sequence[str]:
    """Return the names of the columns; raise NoTable if the catalogue cannot hold their types."""
    if layout.layout == "json":
        lengths, names = TypeLengths(), dict[str, None]()
        for record in first_records(target, size_bytes, layout):
            lengths.add(record)
            names |= dict.fromkeys(record)
        return tuple(names)
    if layout.layout == "parquet":
        footer = parquet_footer(target, size_bytes)
        require_fields(footer.fields if footer else ())
        return footer.columns if footer else ()
    return columns_of(target, size_bytes, layout) or ()
