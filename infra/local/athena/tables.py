"""Write the rows of a query as Parquet, and create and drop tables and databases.

Everything is done with the caller's permissions. Sources: "CREATE TABLE AS", "Considerations and limitations for CTAS
queries", "UNLOAD", "DROP TABLE", "CREATE DATABASE", "DROP DATABASE" (Amazon Athena User Guide).
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.local.athena.analysis import types
from infra.local.athena.analysis.results import Output
from infra.local.athena.analysis.values import Context, Value, coerce
from infra.local.athena.catalogue import glue_failure
from infra.local.athena.errors import QueryFailure
from infra.local.athena.executions import QueryExecution
from infra.local.athena.literals import identifier, literal
from infra.local.athena.models import PARQUET_SERDE
from infra.local.athena.prepared_query import PreparedQuery
from infra.local.athena.results import split_s3
from infra.local.athena.sql import commands, nodes

if TYPE_CHECKING:
    from mypy_boto3_glue.type_defs import TableInputTypeDef

_COMPRESSIONS = {
    "gzip": "gzip",
    "snappy": "snappy",
    "zstd": "zstd",
    "none": "uncompressed",
    "uncompressed": "uncompressed",
}
_FOR_TABLES = {"format", "external_location", "write_compression", "parquet_compression", "table_type", "is_external"}
_FOR_UNLOAD = {"format", "compression"}
_TABLE_FIELDS = {
    *("Name", "Description", "Owner", "Retention", "StorageDescriptor", "PartitionKeys", "ViewOriginalText"),
    *("ViewExpandedText", "TableType", "Parameters"),
}
_INPUT = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
_OUTPUT = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"


def _names(execution: QueryExecution, name: tuple[str, ...]) -> tuple[str, str]:
    """Return database and table of a name."""
    if len(name) == 3 and name[0] != "awsdatacatalog":
        raise QueryFailure(f"CATALOG_NOT_FOUND: Catalog '{name[0]}' does not exist")
    return (name[-2] if len(name) > 1 else execution.database), name[-1]


def exists(execution: QueryExecution, command: commands.CreateTableAs) -> bool:
    """Whether the table exists already, and the statement allows that. Raises QueryFailure if it does not."""
    database, table = _names(execution, command.name)
    try:
        execution.caller.glue.get_table(DatabaseName=database, Name=table)
    except ClientError as error:
        if error.response["Error"]["Code"] == "EntityNotFoundException":
            return False
        raise glue_failure(error) from error
    if not command.if_not_exists:
        raise QueryFailure(f"TABLE_ALREADY_EXISTS: Table 'awsdatacatalog.{database}.{table}' already exists")
    return True


def create_table_as(
    execution: QueryExecution, command: commands.CreateTableAs, query: PreparedQuery, folder: Path
) -> None:
    """Write the rows to the table's location, and create the table."""
    database, table = _names(execution, command.name)
    properties = _texts(command.properties, _FOR_TABLES)
    columns = _columns(query.compiled.outputs)
    location = properties.get("external_location") or f"{execution.output_location.rstrip('/')}/"
    location = location if location.endswith("/") else location + "/"
    compression = properties.get("write_compression") or properties.get("parquet_compression") or "gzip"
    _write_files(execution, query, folder, location, compression, command.with_data)
    described: TableInputTypeDef = {
        "Name": table,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet", "has_encrypted_data": "false"},
        "PartitionKeys": [],
        "StorageDescriptor": {
            "Columns": [{"Name": name, "Type": kind} for name, kind in columns],
            "Location": location,
            "InputFormat": _INPUT,
            "OutputFormat": _OUTPUT,
            "SerdeInfo": {"SerializationLibrary": PARQUET_SERDE, "Parameters": {"serialization.format": "1"}},
        },
    }
    _glue(lambda: execution.caller.glue.create_table(DatabaseName=database, TableInput=described))


def unload(execution: QueryExecution, command: commands.Unload, query: PreparedQuery, folder: Path) -> None:
    """Write the rows to a location."""
    properties = _texts(command.properties, _FOR_UNLOAD)
    if "format" not in properties:
        raise QueryFailure("SYNTAX_ERROR: UNLOAD requires the property format")
    _columns(query.compiled.outputs)
    location = command.location if command.location.endswith("/") else command.location + "/"
    _write_files(execution, query, folder, location, properties.get("compression") or "gzip", with_data=True)


def _texts(properties: dict[str, nodes.Expression], known: set[str]) -> dict[str, str]:
    """Return the properties as texts. Raises QueryFailure for one that the local Athena lacks."""
    found = {}
    for name, value in properties.items():
        if name not in known or not isinstance(value, nodes.Literal):
            raise QueryFailure(f"NOT_SUPPORTED: the local Athena does not support the property {name} here")
        found[name] = value.text
    if found.get("format", "parquet").lower() != "parquet":
        raise QueryFailure(f"NOT_SUPPORTED: the local Athena writes only Parquet, not {found['format']}")
    if found.get("table_type", "hive").lower() != "hive":
        raise QueryFailure(f"NOT_SUPPORTED: the local Athena writes only Hive tables, not {found['table_type']}")
    return found


def _columns(outputs: tuple[Output, ...]) -> list[tuple[str, str]]:
    """Return the names and the catalogue's types of the columns."""
    columns: list[tuple[str, str]] = []
    for position, output in enumerate(outputs, 1):
        if not output.name:
            raise QueryFailure(f"COLUMN_NAME_NOT_SPECIFIED: Column name not specified at position {position}")
        name = output.name.lower()
        if any(name == other for other, _ in columns):
            raise QueryFailure(f"DUPLICATE_COLUMN_NAME: Column name '{output.name}' specified more than once")
        columns.append((name, types.to_glue(output.type)))
    return columns


def _write_files(
    execution: QueryExecution, query: PreparedQuery, folder: Path, location: str, compression: str, with_data: bool
) -> None:
    codec = _COMPRESSIONS.get(compression.lower())
    if codec is None:
        raise QueryFailure(f"NOT_SUPPORTED: the local Athena does not compress Parquet with {compression}")
    if not location.startswith("s3://"):
        raise QueryFailure(f"INVALID_TABLE_PROPERTY: {location} is not an S3 path")
    bucket, prefix = split_s3(location)
    s3 = execution.caller.s3
    try:
        if s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("Contents"):
            raise QueryFailure(f"HIVE_PATH_ALREADY_EXISTS: Target directory for table already exists: {location}")
        paths = []
        if with_data:
            target = folder / "written.parquet"
            _copy(query, target, codec)
            key = f"{prefix}{execution.id}_00000"
            with target.open("rb") as body:
                s3.put_object(Bucket=bucket, Key=key, Body=body)
            paths.append(f"s3://{bucket}/{key}")
        execution.manifest_location = f"{execution.output_location.rstrip('/').removesuffix('.csv')}-manifest.csv"
        bucket, key = split_s3(execution.manifest_location)
        s3.put_object(Bucket=bucket, Key=key, Body="".join(f"{path}\n" for path in paths).encode())
    except (ClientError, BotoCoreError) as error:
        raise write_failure(location, error) from error


def _copy(query: PreparedQuery, target: Path, codec: str) -> None:
    """Write the rows as Parquet, with the names of the result."""
    outputs = query.compiled.outputs
    if any(output.type.contains("timestamp with time zone") for output in outputs):
        raise QueryFailure("NOT_SUPPORTED: Unsupported Hive type: timestamp with time zone")
    context = Context()
    stored = [coerce(context, Value(f"q.c{i}", o.type), types.stored_by_name(o.type)) for i, o in enumerate(outputs)]
    columns = ", ".join(f"{v.sql} AS {identifier(str(o.name).lower())}" for v, o in zip(stored, outputs, strict=True))
    selected = f"SELECT {columns} FROM ({query.compiled.sql}) AS q"  # noqa: S608 - generated
    query.connection.execute(f"COPY ({selected}) TO {literal(target)} (FORMAT parquet, COMPRESSION {codec})")
    query.check()


def write_failure(location: str, error: Exception) -> QueryFailure:
    """Return the failure of a query whose output cannot be written."""
    if "AccessDenied" in str(error):
        return QueryFailure(
            f"Access denied when writing output to url: {location}. Please ensure you are "
            f"allowed to access the S3 bucket. ({error})"
        )
    return QueryFailure(f"Unable to write the output to {location}: {error}")


def drop(execution: QueryExecution, command: commands.Drop) -> None:
    """Drop a table from the catalogue, not its data; or a database that is empty, or with all its tables."""
    glue = execution.caller.glue
    if command.kind == "TABLE":
        database, table = _names(execution, command.name)
        _glue(lambda: glue.delete_table(DatabaseName=database, Name=table), may_lack=command.if_exists)
        return
    name = command.name[-1]
    if not command.cascade:
        tables = _glue(lambda: glue.get_tables(DatabaseName=name, MaxResults=1), may_lack=command.if_exists)
        if tables and tables["TableList"]:
            raise QueryFailure(f"FAILED: Execution Error: Database {name} is not empty. One or more tables exist.")
    _glue(lambda: glue.delete_database(Name=name), may_lack=command.if_exists)


def set_properties(execution: QueryExecution, command: commands.SetProperties) -> None:
    """Set properties of a table."""
    database, name = _names(execution, command.name)
    glue = execution.caller.glue
    table = _glue(lambda: glue.get_table(DatabaseName=database, Name=name))["Table"]
    described: Any = {field: value for field, value in table.items() if field in _TABLE_FIELDS and value != ""}
    described["Parameters"] = {**table.get("Parameters", {}), **command.properties}
    _glue(lambda: glue.update_table(DatabaseName=database, TableInput=described))


def create_database(execution: QueryExecution, command: commands.CreateDatabase) -> None:
    """Create a database."""
    described: Any = {"Name": command.name}
    if command.location:
        described["LocationUri"] = command.location
    if command.comment:
        described["Description"] = command.comment
    may_exist = command.if_not_exists
    _glue(lambda: execution.caller.glue.create_database(DatabaseInput=described), may_exist=may_exist)


def _glue(call: Callable[[], Any], may_lack: bool = False, may_exist: bool = False) -> Any:
    try:
        return call()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if (may_lack and code == "EntityNotFoundException") or (may_exist and code == "AlreadyExistsException"):
            return None
        if code in {"EntityNotFoundException", "AlreadyExistsException"}:
            raise QueryFailure(f"FAILED: SemanticException {error.response['Error']['Message']}") from error
        raise glue_failure(error) from error
