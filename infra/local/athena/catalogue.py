"""Look up tables and partitions in the Glue catalogue with the caller's permissions.

Raises QueryFailure with Athena's codes: no such schema or table, access denied, metadata that Athena cannot read.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from infra.local.athena import projection
from infra.local.athena.analysis.results import TableScan
from infra.local.athena.errors import QueryFailure
from infra.local.athena.models import LAZY_SIMPLE_SERDE, NULL_PARTITION, Column, Partition, QueryTable, TableStorage
from infra.local.caller import Caller
from infra.local.glue import types

if TYPE_CHECKING:
    from mypy_boto3_glue.type_defs import TableTypeDef


class QueryCatalogue:
    """The Glue catalogue as one caller sees it. Each table is looked up once per query."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._tables: dict[tuple[str, str], QueryTable] = {}

    def table(self, database: str, name: str) -> QueryTable:
        """Return a table, or raise QueryFailure with Athena's message."""
        if (database, name) not in self._tables:
            self._tables[database, name] = self._find(database, name)
        return self._tables[database, name]

    def _find(self, database: str, name: str) -> QueryTable:
        try:
            return _parse_table(self._caller.glue.get_table(DatabaseName=database, Name=name)["Table"], database)
        except ClientError as error:
            if error.response["Error"]["Code"] != "EntityNotFoundException":
                raise glue_failure(error) from error
        try:
            self._caller.glue.get_database(Name=database)
        except ClientError as error:
            if error.response["Error"]["Code"] != "EntityNotFoundException":
                raise glue_failure(error) from error
            raise QueryFailure(f"SCHEMA_NOT_FOUND: Schema '{database}' does not exist") from error
        raise QueryFailure(f"TABLE_NOT_FOUND: Table 'awsdatacatalog.{database}.{name}' does not exist")

    def partitions(self, table: QueryTable, scan: TableScan) -> list[Partition]:
        """List the partitions that the query's predicates allow, registered or projected; or the table itself."""
        if not table.partitioned:
            return [Partition((), table.storage)]
        if table.projection:
            projected = projection.partitions(self._caller, table)
            return [each for each in projected if _is_allowed(table.partition_keys, each.values, scan)]
        found = []
        try:
            pages = self._caller.glue.get_paginator("get_partitions").paginate(
                DatabaseName=table.database, TableName=table.name
            )
            for page in pages:
                for partition in page["Partitions"]:
                    values = tuple(partition.get("Values", []))
                    if _is_allowed(table.partition_keys, values, scan):
                        descriptor = dict(partition["StorageDescriptor"])
                        storage = _parse_storage(descriptor, partition.get("Parameters") or {}, table.storage)
                        found.append(Partition(values, storage))
        except ClientError as error:
            raise glue_failure(error) from error
        return found


def _is_allowed(keys: tuple[Column, ...], values: tuple[str, ...], scan: TableScan) -> bool:
    return all(
        value in scan.allowed_values[key.name] and value != NULL_PARTITION
        for key, value in zip(keys, values, strict=False)
        if key.name in scan.allowed_values and key.type == types.STRING
    )


def glue_failure(error: ClientError) -> QueryFailure:
    """Translate Glue's error into the failure of a query."""
    details = error.response["Error"]
    if details["Code"] == "AccessDeniedException":
        return QueryFailure(
            f"Insufficient permissions to execute the query. {details['Message']} "
            "(Service: AmazonDataCatalog; Status Code: 400; Error Code: AccessDeniedException)"
        )
    return QueryFailure(f"HIVE_METASTORE_ERROR: {details['Code']}: {details['Message']}")


def _parse_table(found: "TableTypeDef", database: str) -> QueryTable:
    name = found["Name"]
    descriptor = dict(found.get("StorageDescriptor") or {})
    if found.get("TableType") == "VIRTUAL_VIEW" or (found.get("Parameters") or {}).get("table_type"):
        raise QueryFailure(f"NOT_SUPPORTED: the local Athena reads only plain tables; {database}.{name} is not one")
    columns = _parse_columns(descriptor.get("Columns"), name)
    keys = _parse_columns(found.get("PartitionKeys"), name)
    seen: set[str] = set()
    for column in (*columns, *keys):
        if column.name in seen:
            raise QueryFailure(
                f"HIVE_INVALID_METADATA: Hive metadata for table {name} is invalid: Table descriptor contains "
                f"duplicate columns ({column.name})"
            )
        seen.add(column.name)
    parameters = found.get("Parameters") or {}
    projected = parameters if projection.is_projected(parameters) else {}
    return QueryTable(database, name, columns, keys, _parse_storage(descriptor, parameters, None), projected)


def _parse_columns(found: Any, table: str) -> tuple[Column, ...]:
    try:
        return tuple(
            Column(column["Name"].lower(), types.parse(column.get("Type", "string"))) for column in found or []
        )
    except types.UnknownType as error:
        raise QueryFailure(f"HIVE_INVALID_METADATA: table {table}: {error}") from error


def _unknown_settings(settings: Mapping[str, str]) -> tuple[str, ...]:
    """Return the settings that change what is read, and that the local Athena lacks."""
    plain = {"case.insensitive": "true", "ignore.malformed.json": "false", "dots.in.keys": "false"}
    plain |= {"skip.footer.line.count": "0", "serialization.encoding": "utf-8", "line.delim": "\n"}
    return tuple(
        name
        for name, value in sorted(settings.items())
        if name.startswith("mapping.")
        or name == "timestamp.formats"
        or (name in plain and value.lower().replace("utf8", "utf-8") != plain[name])
    )


def _parse_storage(
    descriptor: Mapping[str, Any], parameters: Mapping[str, str], table_storage: TableStorage | None
) -> TableStorage:
    """Read a storage descriptor; a partition without a SerDe or header setting inherits its table's."""
    serde_info = descriptor.get("SerdeInfo") or {}
    serde = serde_info.get("SerializationLibrary") or (table_storage.serde if table_storage else LAZY_SIMPLE_SERDE)
    settings = serde_info.get("Parameters") or {}
    skip = parameters.get("skip.header.line.count") or settings.get("skip.header.line.count")
    is_lazy = serde == LAZY_SIMPLE_SERDE
    lazy_separator = settings.get("field.delim") or settings.get("serialization.format", "\x01")
    if lazy_separator == "1":
        lazy_separator = "\x01"
    return TableStorage(
        location=descriptor.get("Location") or "",
        serde=serde,
        separator=lazy_separator if is_lazy else settings.get("separatorChar", ","),
        quote="" if is_lazy else settings.get("quoteChar", '"'),
        escape=settings.get("escape.delim", "") if is_lazy else settings.get("escapeChar", "\\"),
        null_text=settings.get("serialization.null.format", "\\N"),
        skip_lines=int(skip) if skip else (table_storage.skip_lines if table_storage else 0),
        unknown_settings=_unknown_settings({**parameters, **settings}),
        null_for_invalid=settings.get("use.null.for.invalid.data", "").lower() == "true",
    )
