"""What a validation requires of a file and of its table, before and while it reads the file.

Pure: they compare what was read. Raises ValidationFailed.
"""

from collections.abc import Sequence
from datetime import datetime

from functions.catalogue.formats import Format
from functions.catalogue.glue_table import CLASSIFICATIONS, Table, abbreviated, column_problem, how_to_drop
from functions.catalogue.table_folders import described, may_hold, unchecked
from functions.contract.models import ObjectVersion
from functions.objects.head import Head, location
from functions.runtime.errors import ValidationFailed

ROW_COUNT = "row-count"


def expected_rows(now: Head, uri: str) -> int | None:
    """Return what the user metadata `row-count` says; None if it says nothing."""
    row_count = now.metadata.get(ROW_COUNT)
    if row_count is None:
        return None
    if not row_count.isascii() or not row_count.isdigit():
        raise ValidationFailed(
            f"{uri} has the user metadata {ROW_COUNT}: {row_count!r}, which is not a whole number. Correct the "
            "metadata and upload the file again."
        )
    return int(row_count)


def require_readable_types(uri: str, table: Table, copied_at: datetime) -> None:
    """Raise ValidationFailed if Athena cannot read the table's own definition, as a bad first file leaves it."""
    problem, cause = _unreadable(table)
    if problem:
        # One crawl makes a table of all the files that it finds.
        may_be_this = table.created is None or table.created >= copied_at
        origin = "this file, or from one that was crawled with it" if may_be_this else "an earlier file"
        raise ValidationFailed(
            f"{uri} was copied and verified, but its table {table.database}.{table.name} cannot be queried: {problem}. "
            f"The table was created from {origin}, {cause}. To remove it: {how_to_drop(table)}."
        )


def _unreadable(table: Table) -> tuple[str, str]:
    """Return why no query can read a table, and what in a file is the cause; empty if queries can."""
    for name, text in table.unreadable_columns.items():
        return (
            f"the column {abbreviated(name)} has the type {abbreviated(text)}, which Athena cannot read",
            "where nested keys are empty, or contain characters other than letters, digits, `_`, `.`, `$` and spaces",
        )
    for name in table.repeated_names:
        return (
            f"it has the column {abbreviated(name)} twice (HIVE_INVALID_METADATA)",
            "which has a column named like a hidden column (`$path`) or like its partition folder "
            f"(`{abbreviated(name)}=`), or has two such folders in its key",
        )
    return "", ""


def require_one_kind(table: Table, target: ObjectVersion, foreign: str | None) -> None:
    """Raise ValidationFailed if a file beside this one, with the key `foreign`, breaks its table."""
    if foreign is not None:
        problem = unchecked(foreign) or "queries on the table fail or return rows from that file"
        raise ValidationFailed(
            f"{location(target.bucket, target.key)} was copied and verified, but its table {table.database}."
            f"{table.name} holds {described(table)}, and Athena also reads {location(target.bucket, foreign)} as "
            f"{described(table)}: {problem}. Delete that file, or move it into another folder, then replay."
        )


def require_own_kind(uri: str, table: Table, layout: Format) -> None:
    """Raise ValidationFailed if the file's table was made of files of another kind, at the same time."""
    if may_hold(table, layout):
        return
    if table.classification == CLASSIFICATIONS[layout.layout]:
        reason = (
            f"the file's name says that it is separated by {layout.delimiter!r}, so Athena would not split its lines"
        )
    else:
        reason = (
            f"Athena would read the file as {described(table)}, so queries on it would fail or return the file's rows"
        )
    raise ValidationFailed(
        f"{uri} was copied and verified, but its table {table.database}.{table.name} holds {described(table)}, and "
        f"{reason}. Delete the file from the target, and upload it into another folder."
    )


def require_match(uri: str, columns: Sequence[str], table: Table, layout: Format) -> None:
    """Raise ValidationFailed if the file cannot be queried in its table."""
    # First: columns of another kind of file seldom match, and are not what is wrong.
    require_own_kind(uri, table, layout)
    problem = column_problem(columns, table, layout) if columns else ""
    if problem:
        raise ValidationFailed(
            f"{uri} does not fit the table {table.database}.{table.name}: {problem}. All files in one folder form one "
            "table: fix the file's columns, alter the table, or upload the file into a folder of its own. Until you "
            "replace it, or delete it from the target, queries on the table fail or return its rows. Or, if the table "
            f"is wrong: {how_to_drop(table)}."
        )
