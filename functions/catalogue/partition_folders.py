"""Checks the folders of a file's key against its table's partitions. Pure.

A crawler takes the folders by their depth: below a table partitioned by `p`, the folder `q=1` is the value `q=1` of
`p`. Folders below the partitions are read, but their names do not become columns ("How crawlers work", AWS Glue
Developer Guide: partitions; "Partition your data", Amazon Athena User Guide: Hive style). Names of tables are in lower
case: of folders that differ only in case, or in special characters, the crawler gives the later table's name a hash
("How crawlers work": duplicate table names).

Raises ValidationFailed.
"""

import re

from functions.catalogue.glue_table import Table, abbreviated, listed
from functions.runtime.errors import ValidationFailed

UNNAMED = re.compile(r"partition_[0-9]+")
"""How Glue names the partition column of folders that name none."""

ESCAPED = re.compile(r"[^=]+=.*%[0-9A-Fa-f]{2}.*")
"""Hive and Spark write special characters of a value so (Apache Hive, FileUtils.escapePathName). No AWS page says that
a crawler decodes them."""


def require_partition(uri: str, table: Table) -> None:
    """Raise ValidationFailed if the file is in no partition of its table, or in folders that name another column."""
    if table.unpartitioned:
        raise ValidationFailed(
            f"{uri} was copied and verified, but the table {table.database}.{table.name} is partitioned by "
            f"{', '.join(table.partition_keys)}, and the file is not in a partition folder. Upload it to a folder such "
            f"as `{_example(table)}`."
        )
    for name, folder in _whole_names(uri, table):
        if not UNNAMED.fullmatch(name):
            raise ValidationFailed(
                f"{uri} was copied and verified, but its folder `{abbreviated(folder)}` is where the value of "
                f"the partition column {name} of the table {table.database}.{table.name} belongs, so Athena shows the "
                f"whole folder name as the value of {name}. Delete the file from the target, "
                f"and upload it to a folder such as `{_example(table)}`."
            )


def in_other_folder(uri: str, folder: str, table: Table) -> ValidationFailed:
    """Return the error of a file in whose partition Athena reads another folder, this one.

    A partition has one location, and Hive's names of columns are in lower case: of the folders `dt=1` and `DT=1` of one
    table, Athena reads one (Partition and Column, AWS Glue web API reference).
    """
    partition = ", ".join(f"{key}={value}" for key, value in table.partition.items())
    return ValidationFailed(
        f"{uri} was copied and verified, but none of its rows can be queried: the partition "
        f"{partition} of the table {table.database}.{table.name} already has the folder {folder}, and a partition has "
        "only one (names of partition columns are in lower case). Delete the file from the target, and upload it into "
        "that folder."
    )


def folder_warnings(uri: str, table: Table) -> list[str]:
    """Return which folders name columns that the table does not have, or the same table as another folder."""
    whole = [f"{name} has the value {folder}" for name, folder in _whole_names(uri, table) if UNNAMED.fullmatch(name)]
    further = [folder for folder in _folders(uri, table)[len(table.partition_keys) :] if "=" in folder]
    escaped = [folder for folder in _folders(uri, table)[: len(table.partition_keys)] if ESCAPED.fullmatch(folder)]
    warnings = []
    if escaped:
        warnings.append(
            f"the folders {listed(escaped)} seem to be percent-encoded, as Hive and Spark write them: Athena may show "
            "the values of their partition columns encoded, too"
        )
    if whole:
        warnings.append(
            "the partition columns have generated names, so Athena shows whole folder names as their values: "
            + listed(whole)
        )
    if further:
        warnings.append(
            f"the table is not partitioned by the folders {listed(further)}, so Athena does not show their values"
        )
    if table.namesake_folder:
        folders = listed([table.namesake_folder, table.folder])
        warnings.append(
            f"the folders {folders} give their tables the same name, so Glue has named this file's table {table.name}. "
            "To have one table, upload into one folder; to have two, rename one of the folders"
        )
    return warnings


def _whole_names(uri: str, table: Table) -> list[tuple[str, str]]:
    """Return the partition columns whose value is the whole name of a folder `key=value`, each with that name."""
    pairs = zip(table.partition_keys, _folders(uri, table), strict=False)
    return [(name, folder) for name, folder in pairs if "=" in folder and table.partition.get(name) == folder]


def _folders(uri: str, table: Table) -> list[str]:
    return uri.removeprefix(table.folder).split("/")[:-1] if table.folder else []


def _example(table: Table) -> str:
    return "/".join("VALUE" if UNNAMED.fullmatch(key) else f"{key}=VALUE" for key in table.partition_keys) + "/"
