"""Finds the table that contains an object in the Glue catalogue, and compares it with the file's columns.

Idempotent: it only reads. Sources: GetTables, GetPartition (AWS Glue web API reference), "Table location in Amazon
S3", "Partition your data" and "Handle schema updates" (Parquet and JSON are read by name; Amazon Athena User Guide).

Raises AccessDenied, Throttled, RequestRejected.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from functions.catalogue.column_types import ColumnType, TypeUnreadable, parse
from functions.catalogue.file_columns import OTHER_DELIMITERS, catalogue_header, catalogue_names
from functions.catalogue.formats import Format, Layout
from functions.catalogue.names import plain_name, repeated_names
from functions.contract.models import ObjectVersion
from functions.objects.head import location
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors, code_of

CLASSIFICATIONS: dict[Layout, str] = {"delimited": "csv", "json": "json", "parquet": "parquet"}
"""What Glue's crawler calls the layouts."""

LAYOUTS = {classification: layout for layout, classification in CLASSIFICATIONS.items()}

DELIMITER_PARAMETERS = ("separatorChar", "field.delim")
"""For OpenCSVSerDe and LazySimpleSerDe."""

SKIPPED_LINES = "skip.header.line.count"
SHOWN_NAMES = 50
LONGEST_SHOWN = 80
"""Characters of a name or a type: a JSON key or the type of a struct can be longer than a whole document."""


@dataclass(frozen=True)
class Table:
    """A table with its columns in order, and the values of its partition keys for one object."""

    database: str
    name: str
    columns: dict[str, str]
    partition: dict[str, str]
    region: str = ""
    folder: str = ""
    partition_keys: tuple[str, ...] = ()
    unpartitioned: bool = False
    """Whether the object is next to the partitions, in none of them."""

    classification: str = ""
    delimiter: str = ""
    created: datetime | None = None
    namesake_folder: str = ""
    """The folder of the table that has the name of this one's folder; empty if it is this one, or none."""

    skips_header: bool = False
    """Whether Athena skips each file's first line ("OpenCSVSerDe for processing CSV", Amazon Athena User Guide)."""

    @property
    def unreadable_columns(self) -> dict[str, str]:
        """The columns whose types Athena cannot read, which breaks every query on the table."""
        readable = self.types
        return {name: text for name, text in self.columns.items() if text and name not in readable}

    @property
    def repeated_names(self) -> list[str]:
        """The names that it has twice, which breaks every query on the table."""
        return repeated_names(self.columns, self.partition_keys)

    @property
    def types(self) -> dict[str, ColumnType]:
        """The columns' types, except for those that Athena cannot read."""
        types = {}
        for name, text in self.columns.items():
            with suppress(TypeUnreadable):
                types[name] = parse(text)
        return types

    def fits(self, layout: Format) -> bool:
        """Check whether it is a table of such files; False if Glue does not say."""
        return self.classification == CLASSIFICATIONS[layout.layout] and self.separates_as(layout)

    def separates_as(self, layout: Format) -> bool:
        """Check whether it has the delimiter of such files, or needs none: the crawler reads one column as CSV."""
        return not layout.delimiter or self.delimiter == layout.delimiter or len(self.columns) == 1


def find_table(obj: ObjectVersion, database: str) -> Table | None:
    """Return the table with the longest location that contains the object; None if there is none."""
    uri = location(obj.bucket, obj.key)
    return containing(uri, database, tables_with_locations(obj.region, database, uri), obj.region)


def containing(uri: str, database: str, tables: Iterable[Any], region: str) -> Table | None:
    """Return which of these tables of a Region, as GetTables describes them, contains the object."""
    names = {plain_name(folder) for folder in uri.split("/")[3:-1]}
    above, namesakes = [], {}
    for table in tables:
        if uri.startswith(_folder(table)):
            above.append(table)
        elif table["Name"] in names:
            namesakes[table["Name"]] = _folder(table)
    found = max(above, key=lambda table: len(_folder(table)), default=None)
    if found is None:
        return None
    own_name = plain_name(_folder(found).split("/")[-2])
    is_hashed = re.fullmatch(re.escape(own_name) + "_[0-9a-f]{32}", found["Name"])
    keys = found.get("PartitionKeys", [])
    return Table(
        database=database,
        name=found["Name"],
        region=region,
        folder=_folder(found),
        columns={column["Name"]: column.get("Type", "") for column in found["StorageDescriptor"]["Columns"]},
        partition_keys=tuple(key["Name"] for key in keys),
        unpartitioned=uri.removeprefix(_folder(found)).count("/") < len(keys),
        partition=_partition(uri.removeprefix(_folder(found)), keys),
        classification=found.get("Parameters", {}).get("classification", ""),
        delimiter=_delimiter(found),
        created=found.get("CreateTime"),
        namesake_folder=namesakes.get(own_name, "") if is_hashed else "",
        skips_header=_parameter(found, SKIPPED_LINES) not in ("", "0"),
    )


def partition_folder(obj: ObjectVersion, table: Table) -> str:
    """Return the folder that the catalogue has for the object's partition; empty if it has none."""
    if not table.partition:
        return ""
    values = list(table.partition.values())
    with aws_errors(f"looking for the partition {values} of the table {table.database}.{table.name}"):
        try:
            response = clients.glue(obj.region).get_partition(
                DatabaseName=table.database, TableName=table.name, PartitionValues=values
            )
        except ClientError as error:
            if code_of(error) == "EntityNotFoundException":
                return ""
            raise
    return _folder(response["Partition"])


def tables_with_locations(region: str, database: str, uri: str) -> Iterator[Any]:
    """Return the database's tables as GetTables describes them; `uri` is the object that they are listed for."""
    with aws_errors(f"looking for the table of {uri} in the database {database}"):
        pages = clients.glue(region).get_paginator("get_tables").paginate(DatabaseName=database)
        try:
            for page in pages:
                yield from (table for table in page["TableList"] if table.get("StorageDescriptor", {}).get("Location"))
        except ClientError as error:
            # Without a database there are no tables; a crawl reports what is missing.
            if code_of(error) != "EntityNotFoundException":
                raise


def _delimiter(table: Any) -> str:
    return next(filter(None, (_parameter(table, name) for name in ("delimiter", *DELIMITER_PARAMETERS))), "")


def _parameter(table: Any, name: str) -> str:
    """Return a parameter of the table, or of its SerDe; empty if neither has it."""
    serde = table["StorageDescriptor"].get("SerdeInfo", {}).get("Parameters", {})
    return str(table.get("Parameters", {}).get(name) or serde.get(name, ""))


def _folder(table: Any) -> str:
    """Return a table's or partition's location, ending in one slash: `sales/` does not contain `sales_old/x.csv`."""
    return str(table["StorageDescriptor"]["Location"]).rstrip("/") + "/"


def _partition(path: str, keys: list[Any]) -> dict[str, str]:
    """Return the object's partition from its folders below the table: `key=value`, or the value alone."""
    folders = path.split("/")[:-1]
    if len(folders) != len(keys):
        return {}
    return {key["Name"]: _value(key["Name"], folder) for key, folder in zip(keys, folders, strict=True)}


def _value(name: str, folder: str) -> str:
    """Return the value of a folder `key=value` if Glue named the column after that key; else the folder."""
    key, equals, value = folder.partition("=")
    return value if equals and plain_name(key) == name else folder


def column_problem(names: Sequence[str], table: Table, layout: Format) -> str:
    """Describe which of a file's columns cannot be queried; empty if all can.

    Delimited text is read by position, so any difference counts. JSON and Parquet are read by name: a column that the
    file lacks is NULL in its rows, see `missing_columns`.
    """
    if layout.layout == "delimited":
        names = catalogue_header(names)
        if names == tuple(table.columns):
            return ""
    else:
        names = catalogue_names(names)
    present = set(names)
    missing = [column for column in table.columns if column not in present]
    added = [name for name in names if name not in table.columns]
    if layout.layout != "delimited" and not added:
        return ""
    parts = [f"the file lacks the table's columns {listed(missing)}"] if missing else []
    parts += [f"the table lacks the file's columns {listed(added)}"] if added else []
    if len(table.columns) == 1 and set(OTHER_DELIMITERS) & set(*table.columns):
        parts.append("the crawler did not split the lines of the first file: its delimiters or quotes may be wrong")
    if _plain(missing) & _plain(added):
        parts.append("some of these only look alike: their accents are encoded in two ways (Unicode NFC and NFD)")
    return (
        "; ".join(parts) or f"the order differs: {listed(names)} in the file, {listed([*table.columns])} in the table"
    )


def _plain(names: Iterable[str]) -> set[str]:
    return {unicodedata.normalize("NFC", name) for name in names}


def missing_columns(names: Collection[str], table: Table) -> list[str]:
    """Return the table's columns that a file lacks."""
    present = set(catalogue_names(names))
    return [column for column in table.columns if column not in present]


def how_to_drop(table: Table) -> str:
    """Return how to have a table made again, from the files that are right."""
    return (
        "delete the file that it was created from, or upload a corrected version; drop the table "
        f"({delete_table_command(table)}); then replay"
    )


def delete_table_command(table: Table) -> str:
    """Return the command that drops a table: its files stay."""
    return f"`aws glue delete-table --region {table.region} --database-name {table.database} --name {table.name}`"


def listed(names: Sequence[str]) -> str:
    """Return the names, abbreviated, or the first of very many."""
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(map(abbreviated, names[:SHOWN_NAMES])) + more


def abbreviated(text: str) -> str:
    """Return a name or a type, or its start and an ellipsis."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
