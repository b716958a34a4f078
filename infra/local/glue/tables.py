"""Write the tables and partitions that a crawl found.

How Glue's options apply: CombineCompatibleSchemas puts all files of a folder that are stored alike into one table
("Creating a single schema for each Amazon S3 include path"). Files stored differently (CSV beside Parquet) do not
combine: Glue then makes a table of each file, on which Athena finds no rows; here the table keeps its storage, or gets
the one that most files have, and the other files are skipped and logged. InheritFromTable gives every partition the
columns and SerDe of its table. A table keeps its partition keys once created, as Glue's do; files less deep than
those are skipped, deeper ones belong to the partition they are in.
"""

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from functions.catalogue.names import unstorable_name
from functions.catalogue.type_length import LONGEST_TYPE
from infra.local.caller import Caller
from infra.local.glue.errors import CrawlFailed
from infra.local.glue.failures import crawl_failure
from infra.local.glue.layout import PartitionKey, distinct_name, partition_keys, table_name
from infra.local.glue.models import Changes, CrawledObject, CrawlerDefinition, Schema
from infra.local.glue.schema import combine

logger = logging.getLogger(__name__)

PARTITIONS_PER_CALL = 100
Files = list[tuple[CrawledObject, Schema]]
GlueTable = dict[str, Any]
"""A table, a partition or their input, as the API has them."""


class TableWriter:
    """Writes the tables of one crawl."""

    def __init__(self, role: Caller, settings: CrawlerDefinition, changes: Changes) -> None:
        self._role = role
        self._settings = settings
        self._changes = changes
        self._written_names: set[str] = set()

    def write(self, location: str, files: Files) -> None:
        """Create or update the table of a folder, and its partitions."""
        name = table_name(files[0][0].path.table_folder, self._settings.table_prefix)
        try:
            existing = self._find(name)
            if name in self._written_names or (existing and _location_of(existing) != location):
                name = distinct_name(name, location)
                existing = self._find(name)
            self._written_names.add(name)
            files = self._of_one_storage(files, existing)
            if not self._settings.updates_tables:
                files = self._of_one_layout(files, _column_names(existing))
            if not files:
                return
            schema = combine([schema for _, schema in files], _column_names(existing))
            if problem := _unstorable(schema):
                logger.warning("crawler %s skips %s: %s", self._settings.name, location, problem)
                return
            depth = _partition_depth(files, existing)
            objects = self._at_depth(files, depth)
            keys = _partition_keys(objects, depth, existing)
            parameters = _parameters(self._settings.name, schema, objects)
            table = _table_input(name, location, schema, keys, parameters)
            table = self._write_table(table, existing)
            if keys:
                self._write_partitions(table, keys, objects)
        except (ParamValidationError, UnicodeError) as error:
            # The catalogue cannot hold it (a name is too long, say): only these files are skipped.
            logger.warning("crawler %s skips %s: %s", self._settings.name, location, " ".join(str(error).split()))
        except (ClientError, BotoCoreError) as error:
            raise crawl_failure(error, self._settings, f"table {self._settings.database}.{name}") from error

    def _find(self, name: str) -> GlueTable | None:
        try:
            return dict(self._role.glue.get_table(DatabaseName=self._settings.database, Name=name)["Table"])
        except ClientError as error:
            if error.response["Error"]["Code"] == "EntityNotFoundException":
                return None
            raise

    def _of_one_storage(self, files: Files, existing: GlueTable | None) -> Files:
        """Keep the files that are stored as the table is, or as most files are."""
        counts = Counter(schema.storage for _, schema in files)
        kept = counts.most_common(1)[0][0]
        if existing is not None:
            serde = ((existing.get("StorageDescriptor") or {}).get("SerdeInfo") or {}).get("SerializationLibrary")
            delimiter = (existing.get("Parameters") or {}).get("delimiter")
            same = [storage for storage in counts if (storage.serde, storage.delimiter) == (serde, delimiter)]
            kept = max(same, key=lambda storage: counts[storage], default=kept)
        for crawled, schema in files:
            if schema.storage != kept:
                logger.warning(
                    "crawler %s skips %s: it is stored as %s, the table of its folder as %s",
                    self._settings.name,
                    crawled.url,
                    schema.storage,
                    kept,
                )
        return [(crawled, schema) for crawled, schema in files if schema.storage == kept]

    def _of_one_layout(self, files: Files, table_columns: tuple[str, ...]) -> Files:
        """Keep the delimited files with the columns of the table, or those that most files have.

        Delimited files are read by position, so with UpdateBehavior LOG other columns would be read as the table's.
        """
        if not files or files[0][1].storage.classification != "csv":
            return files
        layouts = Counter(schema.column_names for _, schema in files)
        kept = table_columns or layouts.most_common(1)[0][0]
        for crawled, schema in files:
            if schema.column_names != kept:
                logger.warning(
                    "crawler %s skips %s: its columns differ from the table's", self._settings.name, crawled.url
                )
        return [(crawled, schema) for crawled, schema in files if schema.column_names == kept]

    def _at_depth(self, files: Files, depth: int) -> list[CrawledObject]:
        """Keep the objects that are in a partition of this depth."""
        objects = []
        for crawled, _ in files:
            if len(crawled.path.partition_folders) >= depth:
                objects.append(crawled)
            else:
                logger.warning(
                    "crawler %s: %s is in no partition; Athena does not find it", self._settings.name, crawled.url
                )
        return objects

    def _write_table(self, table: GlueTable, existing: GlueTable | None) -> GlueTable:
        """Create the table, or update it where the policy allows; return the table as it is then."""
        if existing is None:
            self._role.glue.create_table(DatabaseName=self._settings.database, TableInput=table)  # type: ignore[arg-type]
            self._changes.tables_added += 1
        elif _differs(existing, table):
            if not self._settings.updates_tables:
                if table["StorageDescriptor"]["Columns"] != existing["StorageDescriptor"]["Columns"]:
                    message = "crawler %s: table %s has changed; the crawler's policy is to log only"
                    logger.warning(message, self._settings.name, table["Name"])
                return {part: existing[part] for part in table if part in existing}
            self._role.glue.update_table(DatabaseName=self._settings.database, TableInput=table)  # type: ignore[arg-type]
            self._changes.tables_updated += 1
        return table

    def _write_partitions(self, table: GlueTable, keys: list[PartitionKey], objects: list[CrawledObject]) -> None:
        """Register new partitions, and update registered ones to what the table has become (InheritFromTable).

        A registered partition keeps its folder: `DT=1/` beside `dt=1/` is left out, so that the rows there stay.
        """
        names = {"DatabaseName": self._settings.database, "TableName": table["Name"]}
        registered: dict[tuple[str, ...], GlueTable] = {}
        for page in self._role.glue.get_paginator("get_partitions").paginate(**names):
            registered.update({tuple(partition["Values"]): dict(partition) for partition in page["Partitions"]})
        new, changed = [], []
        for values, partition in self._partition_inputs(table, keys, objects).items():
            if values not in registered:
                new.append(partition)
                continue
            found = registered[values].get("StorageDescriptor") or {}
            partition["StorageDescriptor"]["Location"] = found.get("Location")
            if found != partition["StorageDescriptor"]:
                changed.append(partition)
        for batch in _batches(new):
            created = self._role.glue.batch_create_partition(**names, PartitionInputList=batch)  # type: ignore[arg-type]
            self._raise_for_errors(created.get("Errors"), table["Name"])
            self._changes.partitions_added += len(batch)
        for batch in _batches(changed):
            entries = [{"PartitionValueList": partition["Values"], "PartitionInput": partition} for partition in batch]
            updated = self._role.glue.batch_update_partition(**names, Entries=entries)  # type: ignore[arg-type]
            self._raise_for_errors(updated.get("Errors"), table["Name"])
            self._changes.partitions_updated += len(batch)

    def _partition_inputs(
        self, table: GlueTable, keys: list[PartitionKey], objects: list[CrawledObject]
    ) -> dict[tuple[str, ...], GlueTable]:
        """Make a partition of each folder, by its values."""
        partitions: dict[tuple[str, ...], GlueTable] = {}
        # Counts of all files of the table do not apply to a partition.
        parameters = {k: v for k, v in table["Parameters"].items() if k not in ("objectCount", "sizeKey")}
        for crawled in objects:
            folders = crawled.path.partition_folders[: len(keys)]
            values = tuple(key.value(folder) for key, folder in zip(keys, folders, strict=True))
            location = table["StorageDescriptor"]["Location"] + "".join(f"{folder}/" for folder in folders)
            if values in partitions:
                first_location = partitions[values]["StorageDescriptor"]["Location"]
                if first_location != location:
                    message = "crawler %s skips %s: it has the same partition values as %s"
                    logger.warning(message, self._settings.name, location, first_location)
                continue
            descriptor = {**table["StorageDescriptor"], "Location": location, "Parameters": parameters}
            partitions[values] = {
                "Values": list(values),
                "StorageDescriptor": descriptor,
                "Parameters": parameters,
            }
        return partitions

    def _raise_for_errors(self, errors: Any, table: str) -> None:
        # Another crawl may have created the partition since.
        failed = [error for error in errors or [] if error["ErrorDetail"]["ErrorCode"] != "AlreadyExistsException"]
        if failed:
            raise CrawlFailed(f"Cannot write partitions of table {self._settings.database}.{table}: {failed[0]}")


def _location_of(table: Mapping[str, Any]) -> str:
    location: str = (table.get("StorageDescriptor") or {}).get("Location") or ""
    return location if location.endswith("/") else location + "/"


def _column_names(table: Mapping[str, Any] | None) -> tuple[str, ...]:
    columns = ((table or {}).get("StorageDescriptor") or {}).get("Columns") or []
    return tuple(column["Name"] for column in columns)


def _unstorable(schema: Schema) -> str:
    """Describe a column that the catalogue cannot hold (Column, AWS Glue web API reference); empty if there is none."""
    for column, kind in schema.columns:
        if problem := unstorable_name(column) or unstorable_name(str(kind)):
            return problem
        if len(str(kind)) > LONGEST_TYPE:
            return f"the type of the column {column} is too long"
    return ""


def _partition_depth(files: Files, existing: GlueTable | None) -> int:
    """Return the table's number of partition keys, or the folder depth that most files have."""
    if existing is not None:
        return len(existing.get("PartitionKeys") or [])
    depths = Counter(len(crawled.path.partition_folders) for crawled, _ in files)
    return min(depths, key=lambda depth: (-depths[depth], depth))


def _partition_keys(objects: list[CrawledObject], depth: int, existing: GlueTable | None) -> list[PartitionKey]:
    if not depth:
        return []
    keys = partition_keys([crawled.path.partition_folders[:depth] for crawled in objects])
    if existing is None:
        return keys
    names = [key["Name"] for key in existing.get("PartitionKeys") or []]
    by_name = {key.name: key for key in keys}
    return [by_name.get(n, PartitionKey(n, None if n.startswith("partition_") else n)) for n in names]


def _parameters(crawler: str, schema: Schema, objects: list[CrawledObject]) -> dict[str, str]:
    is_packed = bool(objects) and all(crawled.key.endswith(".gz") for crawled in objects)
    return {
        "CrawlerSchemaDeserializerVersion": "1.0",
        "CrawlerSchemaSerializerVersion": "1.0",
        "UPDATED_BY_CRAWLER": crawler,
        "classification": schema.storage.classification,
        "compressionType": "gzip" if is_packed else "none",
        "typeOfData": "file",
        "objectCount": str(len(objects)),
        "sizeKey": str(sum(crawled.size_bytes for crawled in objects)),
        **dict(schema.storage.parameters),
    }


def _table_input(
    name: str, location: str, schema: Schema, keys: list[PartitionKey], parameters: dict[str, str]
) -> GlueTable:
    serde_parameters = dict(schema.storage.serde_parameters)
    if schema.paths:
        serde_parameters["paths"] = ",".join(schema.paths)
    return {
        "Name": name,
        "Owner": "owner",
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [{"Name": key.name, "Type": "string"} for key in keys],
        "Parameters": parameters,
        "StorageDescriptor": {
            "Columns": [{"Name": column, "Type": str(kind)} for column, kind in schema.columns],
            "Location": location,
            "InputFormat": schema.storage.input_format,
            "OutputFormat": schema.storage.output_format,
            "Compressed": parameters["compressionType"] == "gzip",
            "NumberOfBuckets": -1,
            "SerdeInfo": {"SerializationLibrary": schema.storage.serde, "Parameters": serde_parameters},
            "Parameters": parameters,
            "StoredAsSubDirectories": False,
        },
    }


def _differs(existing: Mapping[str, Any], table: Mapping[str, Any]) -> bool:
    return any(existing.get(name) != table[name] for name in ("StorageDescriptor", "PartitionKeys", "Parameters"))


def _batches(partitions: list[GlueTable]) -> list[list[GlueTable]]:
    starts = range(0, len(partitions), PARTITIONS_PER_CALL)
    return [partitions[start : start + PARTITIONS_PER_CALL] for start in starts]
