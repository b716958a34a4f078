"""The table that holds an object: found in the Glue catalogue by its location, and compared with a header.

Reading twice is harmless. Sources: GetTables (AWS Glue web API reference), "Table location in Amazon S3" and
"Partition your data" (Amazon Athena User Guide).

Raises AccessDenied, Throttled, RequestRefused.
"""

import re
from dataclasses import dataclass
from typing import Any

from functions.common import clients
from functions.common.aws_errors import aws_errors
from functions.common.models import ObjectVersion
from functions.common.objects import location


@dataclass(frozen=True)
class Table:
    """A table, with its columns in order, and the values of its partition keys for one object."""

    database: str
    name: str
    columns: dict[str, str]
    partition: dict[str, str]
    partition_keys: tuple[str, ...] = ()
    unpartitioned: bool = False
    """Whether the object lies beside the partitions, in none of them."""


def find_table(obj: ObjectVersion, database: str) -> Table | None:
    """The table with the longest location that contains the object; None when there is none."""
    uri = location(obj.bucket, obj.key)
    found = max(_tables(obj.region, database, uri), key=lambda table: len(_folder(table)), default=None)
    if found is None:
        return None
    keys = found.get("PartitionKeys", [])
    return Table(
        database=database,
        name=found["Name"],
        columns={column["Name"]: column.get("Type", "") for column in found["StorageDescriptor"]["Columns"]},
        partition_keys=tuple(key["Name"] for key in keys),
        unpartitioned=uri.removeprefix(_folder(found)).count("/") < len(keys),
        partition=_partition(uri.removeprefix(_folder(found)), keys),
    )


def _tables(region: str, database: str, uri: str) -> list[Any]:
    with aws_errors(f"looking for the table of {uri} in the database {database}"):
        pages = clients.glue(region).get_paginator("get_tables").paginate(DatabaseName=database)
        return [
            table
            for page in pages
            for table in page["TableList"]
            if table.get("StorageDescriptor", {}).get("Location") and uri.startswith(_folder(table))
        ]


def _folder(table: Any) -> str:
    """A table's location with one slash at its end: `sales/` does not contain `sales_old/x.csv`."""
    return str(table["StorageDescriptor"]["Location"]).rstrip("/") + "/"


def _partition(path: str, keys: list[Any]) -> dict[str, str]:
    """The object's partition, by its folders below the table: `key=value`, or the value alone."""
    folders = path.split("/")[:-1]
    if len(folders) != len(keys):
        return {}
    return {key["Name"]: _value(key["Name"], folder) for key, folder in zip(keys, folders, strict=True)}


def _value(name: str, folder: str) -> str:
    """The value in a folder `key=value`, where the column is named by that key, as Glue spells it; else the folder."""
    key, equals, value = folder.partition("=")
    return value if equals and re.sub(r"[^a-z0-9_]", "_", key.lower()) == name else folder


def header_difference(header: list[str], table: Table) -> str:
    """What is different between a delimited file's header and the table's columns, which go by position.

    Glue keeps column names in lower case. Empty when nothing is.
    """
    names, columns = [name.strip().lower() for name in header], list(table.columns)
    if names == columns:
        return ""
    missing = [column for column in columns if column not in names]
    added = [name for name in names if name not in columns]
    parts = [f"the file lacks {', '.join(missing)}"] if missing else []
    parts += [f"the table lacks {', '.join(added)}"] if added else []
    return "; ".join(parts) or f"the order differs: {', '.join(names)} in the file, {', '.join(columns)} in the table"
