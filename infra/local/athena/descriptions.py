"""SHOW, DESCRIBE and EXPLAIN: lines of text about the catalogue and about queries.

Sources: "SHOW TABLES", "SHOW DATABASES", "SHOW COLUMNS", "SHOW PARTITIONS", "SHOW CREATE TABLE", "DESCRIBE", "EXPLAIN"
(Amazon Athena User Guide). Names match a pattern of Hive: `*` stands for any characters, `|` for alternatives.
"""

import re
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from infra.local.athena.catalogue import glue_failure
from infra.local.athena.errors import QueryFailure
from infra.local.athena.executions import QueryExecution
from infra.local.athena.prepared_query import PreparedQuery
from infra.local.athena.sql import commands

if TYPE_CHECKING:
    from mypy_boto3_glue.type_defs import ColumnOutputTypeDef, TableTypeDef

_WIDTH = 20


def show(execution: QueryExecution, command: commands.Show) -> tuple[tuple[str, ...], list[str]]:
    """Return the names of the result's columns, and its lines."""
    try:
        return _show(execution, command)
    except ClientError as error:
        if error.response["Error"]["Code"] == "EntityNotFoundException":
            raise QueryFailure(f"FAILED: SemanticException {error.response['Error']['Message']}") from error
        raise glue_failure(error) from error


def _show(execution: QueryExecution, command: commands.Show) -> tuple[tuple[str, ...], list[str]]:
    glue = execution.caller.glue
    if command.kind in {"DATABASES", "SCHEMAS"}:
        databases = glue.get_paginator("get_databases").paginate()
        names = [database["Name"] for page in databases for database in page["DatabaseList"]]
        return ("database_name",), _matching(names, command.pattern)
    if command.kind == "TABLES":
        database = command.name[-1] if command.name else execution.database
        tables = glue.get_paginator("get_tables").paginate(DatabaseName=database)
        return ("tab_name",), _matching([t["Name"] for page in tables for t in page["TableList"]], command.pattern)
    database = command.name[-2] if len(command.name) > 1 else execution.database
    table = glue.get_table(DatabaseName=database, Name=command.name[-1])["Table"]
    if command.kind == "COLUMNS":
        return ("field",), [f"{column['Name']:<{_WIDTH}}" for column in _columns(table) + _keys(table)]
    if command.kind == "PARTITIONS":
        return ("partition",), _partitions(execution, database, table)
    if command.kind == "CREATE TABLE":
        return ("createtab_stmt",), _create_statement(database, table)
    return ("col_name", "data_type", "comment"), _description(table)


def _matching(names: list[str], pattern: str | None) -> list[str]:
    if pattern is None:
        return sorted(names)
    parts = (".*".join(map(re.escape, part.split("*"))) for part in pattern.strip().split("|"))
    expression = re.compile("|".join(parts), re.IGNORECASE)
    return sorted(name for name in names if expression.fullmatch(name))


def _columns(table: "TableTypeDef") -> list["ColumnOutputTypeDef"]:
    return list(table.get("StorageDescriptor", {}).get("Columns", []))


def _keys(table: "TableTypeDef") -> list["ColumnOutputTypeDef"]:
    return list(table.get("PartitionKeys", []))


def _partitions(execution: QueryExecution, database: str, table: "TableTypeDef") -> list[str]:
    keys = [key["Name"] for key in _keys(table)]
    if not keys:
        raise QueryFailure(f"FAILED: Execution Error: Table {database}.{table['Name']} is not a partitioned table")
    pages = execution.caller.glue.get_paginator("get_partitions").paginate(
        DatabaseName=database, TableName=table["Name"]
    )
    found = [partition.get("Values", []) for page in pages for partition in page["Partitions"]]
    return ["/".join(f"{key}={value}" for key, value in zip(keys, values, strict=True)) for values in sorted(found)]


def _line(*cells: str) -> str:
    return "\t".join(f"{cell:<{_WIDTH}}" for cell in cells)


def _description(table: "TableTypeDef") -> list[str]:
    """Return one line for each column, and again for each key of the partitions."""
    columns = [(c["Name"], c.get("Type", ""), c.get("Comment", "")) for c in _columns(table)]
    keys = [(c["Name"], c.get("Type", ""), c.get("Comment", "")) for c in _keys(table)]
    lines = [_line(*column) for column in columns + keys]
    if keys:
        heading = ["\t \t ", "# Partition Information\t \t ", _line("# col_name", "data_type", "comment"), "\t \t "]
        lines += [*heading, *(_line(*key) for key in keys)]
    return lines


def _create_statement(database: str, table: "TableTypeDef") -> list[str]:
    descriptor = table.get("StorageDescriptor", {})
    serde = descriptor.get("SerdeInfo", {})
    if not descriptor or table.get("TableType") == "VIRTUAL_VIEW":
        raise QueryFailure(
            f"NOT_SUPPORTED: the local Athena cannot show the CREATE statement of {database}.{table['Name']}"
        )
    lines = [f"CREATE EXTERNAL TABLE `{database}.{table['Name']}`("]
    lines += _listed([f"  `{c['Name']}` {c.get('Type', '')}" for c in _columns(table)])
    if _keys(table):
        lines += ["PARTITIONED BY ( ", *_listed([f"  `{c['Name']}` {c.get('Type', '')}" for c in _keys(table)])]
    lines += ["ROW FORMAT SERDE ", f"  '{serde.get('SerializationLibrary', '')}' "]
    if serde.get("Parameters"):
        lines += ["WITH SERDEPROPERTIES ( ", *_listed(_pairs(serde["Parameters"]))]
    lines += ["STORED AS INPUTFORMAT ", f"  '{descriptor.get('InputFormat', '')}' "]
    lines += ["OUTPUTFORMAT ", f"  '{descriptor.get('OutputFormat', '')}'"]
    lines += ["LOCATION", f"  '{descriptor.get('Location', '').rstrip('/')}'"]
    return [*lines, "TBLPROPERTIES (", *_listed(_pairs(table.get("Parameters", {})))]


def _pairs(parameters: dict[str, str]) -> list[str]:
    return [f"  '{name}'='{value}'" for name, value in sorted(parameters.items())]


def _listed(lines: list[str]) -> list[str]:
    """Separate lines by commas, and close their parenthesis."""
    return [line + (", " if i < len(lines) - 1 else ")") for i, line in enumerate(lines)] or [")"]


def plan(query: PreparedQuery) -> list[str]:
    """Return the plan of a query: its columns, and the tables that it reads with what narrows them."""
    outputs = query.compiled.outputs
    names = ", ".join(f"{output.name or f'_col{i}'}:{output.type}" for i, output in enumerate(outputs))
    lines = ["Fragment 0 [SINGLE]", f"    Output layout: [{names}]"]
    for scan in query.scans:
        lines.append(f"    TableScan[table = awsdatacatalog:{scan.database}:{scan.table}]")
        lines += [f"        {column} :: {sorted(values)}" for column, values in sorted(scan.allowed_values.items())]
    return lines
