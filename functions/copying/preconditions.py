"""Rejects what cannot be copied, before S3 does or in place of its error.

Raises SourceArchived, MetadataUnreadable, ObjectLockMissing, TargetNotVersioned, ForeignFile, AccessDenied, Throttled,
RequestRejected.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError

from functions.catalogue.file_columns import read_columns, unlike
from functions.catalogue.formats import file_format
from functions.catalogue.glue_table import Table, find_table
from functions.catalogue.recent_tables import recent_columns
from functions.catalogue.table_folders import (
    described,
    format_of,
    is_catalogued,
    table_that_breaks,
    table_that_reads,
    unchecked,
)
from functions.contract.models import ObjectVersion
from functions.copying.bucket_settings import is_versioned
from functions.copying.request import CopyRequest
from functions.objects.head import Head
from functions.runtime.aws_errors import aws_errors, code_of
from functions.runtime.errors import (
    ForeignFile,
    MetadataUnreadable,
    ObjectLockMissing,
    SourceArchived,
    TargetNotVersioned,
)


def require_readable(request: CopyRequest, source: Head) -> None:
    """Reject an archived source: S3 returns everything but its bytes."""
    if source.archived:
        raise _archived(request)


def require_readable_metadata(request: CopyRequest, source: Head) -> None:
    """Reject metadata that only CopyObject could carry over: a multipart copy needs it as headers."""
    if source.missing_metadata:
        raise MetadataUnreadable(
            f"{request.source} has {source.missing_metadata} entries of user metadata that an HTTP header cannot hold, "
            "so a multipart copy would lose them. Upload the file without them, or, if it is at most 5 GiB, "
            "raise multipart_threshold_bytes above its size, deploy, and upload the file again."
        )


def require_versioned_target(request: CopyRequest) -> None:
    """Reject a move to a bucket where any write would destroy the only copy."""
    settings = request.settings
    if request.rule.mode == "move" and not is_versioned(settings.target_bucket, settings.target_region):
        raise TargetNotVersioned(
            f"{request.source} was not moved: {settings.target_bucket} is not versioned, so any write would destroy "
            "the only copy. Enable versioning on the bucket, then replay. Or set `mode: copy` in the rule, deploy, and "
            "upload the file again."
        )


def require_no_foreign_table(request: CopyRequest) -> None:
    """Reject a file that would break a table's queries: Athena would read it as a file of another kind.

    Not under `catalogue: false`: that rule says that its files are the user's decision.
    """
    settings = request.settings
    if not settings.glue_database or not request.rule.catalogue:
        return
    target = request.written_object(None, request.upload.etag)
    table = table_that_breaks(target, request.upload.size_bytes, settings.glue_database)
    if table is not None:
        reason = unchecked(target.key) or (
            f"Athena would read the file as {described(table)}, so queries on the table would fail or return wrong rows"
        )
        raise _foreign(request, table, reason)


def require_data_of_its_table(request: CopyRequest, source: Head) -> None:
    """Reject a file that a table would read as its data, and that does not begin like that, whatever its name.

    An image named `.csv`, or a Parquet file that is cut off, would break the table before a validation finds it. Where
    none follows, because the name says no format (`part-0`) or another one (`.parquet.gz`), the header counts, too.
    Raises ObjectChanged if the source changes meanwhile.
    """
    settings = request.settings
    if not settings.glue_database or not request.rule.catalogue:
        return
    target = request.written_object(None, request.upload.etag)
    table = table_that_reads(target, source.object.size_bytes, settings.glue_database)
    if table is None:
        return
    is_validated = file_format(target.key) is not None
    has_header = table.skips_header and not is_validated
    columns = recent_columns(target, settings.glue_database, table) if has_header else ()
    if not _unlike(table, columns, target, source):
        return
    # The catalogue is asked again before a file is rejected: whoever drops or alters the table replays at once.
    table = find_table(target, settings.glue_database)
    if table is None or not is_catalogued(table):
        return
    problem = _unlike(table, tuple(table.columns) if has_header and table.skips_header else (), target, source)
    if problem:
        unvalidated = "" if is_validated else "S3 Ferry does not validate files so named. "
        reason = f"{unvalidated}Athena would read it as {described(table)}, but {problem}"
        raise _foreign(request, table, reason, "Fix the file, or upload it" if is_validated else "Upload the file")


def _unlike(table: Table, columns: tuple[str, ...], target: ObjectVersion, source: Head) -> str:
    layout, size_bytes = format_of(table, gzipped=target.key.endswith(".gz")), source.object.size_bytes
    named = file_format(target.key)
    if named and named.delimiter != layout.delimiter and len(read_columns(source.object, size_bytes, named) or ()) > 1:
        return f"its columns are separated by {named.delimiter!r}"
    return unlike(source.object, size_bytes, layout, columns)


def _foreign(request: CopyRequest, table: Table, reason: str, remedy: str = "Upload the file") -> ForeignFile:
    return ForeignFile(
        f"{request.source} was not copied: {request.target} is in the folder of the table "
        f"{table.database}.{table.name}, which holds {described(table)}. {reason}. "
        f"{remedy} into another folder, or under a name that begins with `_`; or drop the table, then replay."
    )


@contextmanager
def copy_errors(request: CopyRequest) -> Iterator[None]:
    """Translate what S3 rejects about this copy into an error of ours."""
    with aws_errors(f"copying {request.source} to {request.target}"):
        try:
            yield
        except ClientError as error:
            message = error.response.get("Error", {}).get("Message", "")
            if code_of(error) == "InvalidObjectState":
                raise _archived(request) from error
            # "Bucket is missing Object Lock Configuration": S3 has no separate error code for it.
            if code_of(error) == "InvalidRequest" and "objectlock" in message.replace(" ", "").lower():
                raise ObjectLockMissing(
                    f"{request.source} is locked, but {request.settings.target_bucket} lacks Object Lock ({message}). "
                    "Enable Object Lock on the target bucket, then replay."
                ) from error
            raise


def _archived(request: CopyRequest) -> SourceArchived:
    return SourceArchived(
        f"{request.source} is archived and cannot be read. Restore it (RestoreObject), wait until it is restored, "
        "then replay."
    )
