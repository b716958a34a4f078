"""Finds what keeps a file from making a table that Athena can read, before a crawl makes one of it.

With types or names that the catalogue cannot hold, a crawl might fail for all files; with a name that a table has
twice, each query of the table fails. Idempotent: it only reads. Sources: Column (AWS Glue web API reference), "ALTER
TABLE ADD PARTITION" (Amazon Athena User Guide: a partition column that the data has is an error), HiveMetadata in
trinodb/trino ("Table descriptor contains duplicate columns"); the crawler writes such a column twice
(aws-solutions/automated-data-analytics-on-aws, issue 41, and open-metadata/OpenMetadata, issue 31975).

Raises ValidationFailed, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

from functions.catalogue.file_columns import (
    NoTable,
    OtherFormat,
    Unreadable,
    columns_of,
    first_records,
    parquet_footer,
    separator_problem,
)
from functions.catalogue.formats import Format, file_format, not_catalogued_reason
from functions.catalogue.names import partition_problem, unstorable_name, unusable_name
from functions.catalogue.type_length import TypeLengths, require_fields
from functions.contract.models import ObjectVersion
from functions.objects.head import ObjectChanged, location
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors
from functions.runtime.errors import AccessDenied, RequestRejected, Throttled, ValidationFailed

MOST_READ = 50
"""Of a folder's files, when the cause is looked for."""


def require_table_can_be_made(target: ObjectVersion, size_bytes: int, layout: Format) -> None:
    """Raise ValidationFailed if no table can be made of the file's header, its first records, or its footer."""
    if problem := _problem(target, size_bytes, layout):
        raise ValidationFailed(
            f"{location(target.bucket, target.key)} was copied and verified, but no table can be made of it: "
            f"{problem}. Delete the file from the target, and upload a corrected version."
        )


def cause_beside(target: ObjectVersion) -> str:
    """Return which file of the same folder keeps the crawler from making a table, and why; empty if none is found.

    A crawl puts the columns of all files into one table, which Glue rejects for one name or type that it cannot store.
    What the crawler does beside an image or an archive, no page says. Only the first files are looked at: it is a hint.
    """
    perhaps = ""
    try:
        for obj, size_bytes, layout in _first_files_beside(target):
            uri = location(obj.bucket, obj.key)
            problem, is_certain = _harm(obj, size_bytes, layout)
            if is_certain:
                return f"because no table can be made with {uri}: {problem}"
            perhaps = perhaps or (problem and f"perhaps because of {uri}: {problem}")
    except (AccessDenied, RequestRejected, Throttled):
        # What cannot be listed or read must not hide the file's own failure.
        return perhaps
    return perhaps


def _first_files_beside(target: ObjectVersion) -> Iterator[tuple[ObjectVersion, int, Format]]:
    folder = target.key.split("/")[0] + "/"
    with aws_errors(f"listing {location(target.bucket, folder)}"):
        listed = clients.s3(target.region).list_objects_v2(Bucket=target.bucket, Prefix=folder).get("Contents", [])
    listed.sort(key=lambda found: (found["LastModified"], found["Key"]))
    others = (found for found in listed if found["Key"] != target.key)
    catalogued = (found for found in others if not not_catalogued_reason(found["Key"], found["Size"]))
    for found in islice(catalogued, MOST_READ):
        etag, layout = found["ETag"].strip('"'), file_format(found["Key"])
        if layout:
            key = {"bucket": target.bucket, "region": target.region, "key": found["Key"]}
            yield ObjectVersion(**key, version_id=None, etag=etag), found["Size"], layout


def _harm(obj: ObjectVersion, size_bytes: int, layout: Format) -> tuple[str, bool]:
    """Return what of a file may keep the crawler from making a table of others, too, and whether that is certain."""
    try:
        names = _require_types(obj, size_bytes, layout)
    except OtherFormat as error:
        return str(error), False
    except NoTable as error:
        return _encodable(str(error)), True
    except (ObjectChanged, Unreadable, RecursionError, AccessDenied, RequestRejected):
        return "", False
    problem = next(filter(None, map(unstorable_name, names)), "")
    return _encodable(f"it has {problem}" if problem else ""), problem != ""


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
        if unusable := unusable_name(names):
            # A whole header in one name may be too long for a name, but that is not what is wrong.
            separators = separator_problem(names[0], layout.delimiter) if layout.delimiter and len(names) == 1 else ""
            problem = separators or f"it has {unusable}"
        else:
            problem = partition_problem(names, target.key.split("/")[1:-1])
    return _encodable(problem)


def _encodable(problem: str) -> str:
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
